"""Do two engines put pictures at the same points? NumPy only."""

# B pictures, D values of an embedding

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from nayan.runtime.parity import Answers

ALLOWED = 10.0
"""How far two points may lie apart, in tolerances of a single value: the values of a vector err together."""


@dataclass(frozen=True, slots=True)
class VectorParity:
    """How far two engines lie apart, in distances between the points of one picture.

    Attributes:
        pictures: that were compared.
        largest: the largest distance; unit vectors lie at most 2 apart.
        mean: the mean distance.
        tolerance: that was allowed for a value.
    """

    pictures: int
    largest: float
    mean: float
    tolerance: float

    @property
    def limit(self) -> float:
        """The largest distance that rounding explains."""
        return ALLOWED * self.tolerance

    @property
    def holds(self) -> bool:
        """Whether both give the same points, as far as float32 can tell."""
        return self.largest <= self.limit

    @property
    def fault(self) -> str:
        """What is wrong, to stand after the name of the file."""
        return (
            f"puts one of {self.pictures} pictures {self.largest:.2e} from where the trained network does "
            f"(allowed {self.limit:.0e})"
        )

    def __str__(self) -> str:
        """Return the largest and the mean distance."""
        return f"points lie at most {self.largest:.1e} apart, {self.mean:.1e} on average"


def compare(
    answers: Iterable[Answers],
    /,
    *,
    decode_args: Mapping[str, Any],  # noqa: ARG001  nothing is decoded
    tolerance: float,
) -> VectorParity:
    """Compare the points of two engines, picture by picture."""
    apart = [
        np.linalg.norm(np.asarray(batch.expected["embedding"]) - batch.found["embedding"], axis=1)
        for batch in answers
    ]
    distances = np.concatenate(apart)
    return VectorParity(len(distances), float(distances.max()), float(distances.mean()), tolerance)
