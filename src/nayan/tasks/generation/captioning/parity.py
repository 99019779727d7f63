"""Do two engines say the same of a picture? NumPy only."""

# B pictures, K sentences of each, T numbers of a sentence

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nayan.runtime.parity import Answers


@dataclass(frozen=True, slots=True)
class CaptionParity:
    """How far two engines lie apart.

    Attributes:
        pictures: that were compared.
        agree: share of them of which both say the same sentence, or one that is as probable.
        largest: the largest difference of the log-probability of a best sentence, for each of its numbers.
        tolerance: that was allowed.
    """

    pictures: int
    agree: float
    largest: float
    tolerance: float

    @property
    def holds(self) -> bool:
        """Whether both say the same, as far as float32 can tell."""
        return self.agree == 1.0 and self.largest <= self.tolerance

    @property
    def fault(self) -> str:
        """What is wrong, to stand after the name of the file."""
        return (
            f"says something else of {1 - self.agree:.1%} of {self.pictures} pictures than the "
            f"trained network, and log-probabilities differ by up to {self.largest:.2e} "
            f"(allowed {self.tolerance:.0e})"
        )

    def __str__(self) -> str:
        """Return how many sentences are the same, and the largest difference."""
        return (
            f"{100 * self.agree:.0f} % of {self.pictures} captions are the same, log-probabilities differ by "
            f"at most {self.largest:.1e}"
        )


def compare_captions(
    answers: Iterable[Answers],
    /,
    *,
    decode_args: Mapping[str, Any],  # noqa: ARG001  nothing is decoded
    tolerance: float,
) -> CaptionParity:
    """Compare the best sentence that two engines give for each picture.

    Two sentences of the same probability may change places: rounding decides between them.
    """
    pictures, agree, largest = 0, 0, 0.0
    for batch in answers:
        pictures += len(batch.placements)
        expected, found = (np.asarray(each["tokens"]) for each in (batch.expected, batch.found))
        length = expected.shape[2]
        values, others = (_best(each["logprob"]) / length for each in (batch.expected, batch.found))
        apart = np.abs(values - others)
        largest = max(largest, float(apart.max()))
        same = (expected[:, 0] == found[:, 0]).all(axis=1)
        agree += int((same | _tied(batch.expected["logprob"], expected, tolerance)).sum())
    return CaptionParity(pictures, agree / pictures, largest, tolerance)


def _best(logprob: NDArray[Any]) -> NDArray[np.float64]:
    """Return (B,), that of the best sentence of each picture, of (B, K)."""
    return np.asarray(logprob, np.float64)[:, 0]


def _tied(logprob: NDArray[Any], tokens: NDArray[Any], tolerance: float) -> NDArray[np.bool_]:
    """Return (B,): whether the second sentence of a picture is as good as the first, up to rounding."""
    if tokens.shape[1] < 2:
        return np.zeros(len(tokens), np.bool_)
    count = (tokens[:, :2] != 0).sum(axis=2)  # (B, 2), the end included
    means = np.asarray(logprob, np.float64)[:, :2] / np.maximum(count, 1)
    tied: NDArray[np.bool_] = np.abs(means[:, 0] - means[:, 1]) <= 2 * tolerance
    return tied
