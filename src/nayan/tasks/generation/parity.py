"""Do two engines draw the same picture? NumPy only."""

# B pictures, (h, w) their size, C channels

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from nayan.runtime.parity import Answers

ALLOWED = 5.0
"""How far the worst value of a picture may lie off, in tolerances: there are thousands of them in each."""


@dataclass(frozen=True, slots=True)
class PictureParity:
    """How far two engines lie apart, in values of [0, 1].

    Attributes:
        pictures: that were compared.
        largest: the largest difference of a value.
        mean: the mean difference.
        tolerance: that was allowed for a value.
    """

    pictures: int
    largest: float
    mean: float
    tolerance: float

    @property
    def limit(self) -> float:
        """The largest difference that rounding explains."""
        return ALLOWED * self.tolerance

    @property
    def holds(self) -> bool:
        """Whether both draw the same, as far as float32 can tell."""
        return self.largest <= self.limit

    @property
    def fault(self) -> str:
        """What is wrong, to stand after the name of the file."""
        return (
            f"draws a value of one of {self.pictures} pictures {self.largest:.2e} from where the trained "
            f"network does, in a range of 1 (allowed {self.limit:.0e})"
        )

    def __str__(self) -> str:
        """Return the largest and the mean difference."""
        return f"values of pictures differ by at most {self.largest:.1e}, {self.mean:.1e} on average"


def compare_pictures(
    answers: Iterable[Answers],
    /,
    *,
    decode_args: Mapping[str, Any],  # noqa: ARG001  nothing is decoded
    tolerance: float,
) -> PictureParity:
    """Compare all pictures that two engines give, value by value."""
    pictures, apart = 0, []
    for batch in answers:
        pictures += len(batch.placements)
        for name, values in batch.expected.items():
            apart.append(np.abs(np.asarray(values, np.float64) - batch.found[name]))
    total = sum(float(values.sum()) for values in apart)
    count = sum(values.size for values in apart)
    return PictureParity(pictures, max(float(v.max()) for v in apart), total / count, tolerance)
