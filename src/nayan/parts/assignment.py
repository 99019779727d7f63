"""Who learns what: the one answer that every matcher and assigner gives."""

# B pictures, N candidates (anchors, proposals, points or cells), M objects (padded)

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

BACKGROUND = -1
IGNORED = -2


@dataclass(frozen=True, slots=True, eq=False)
class Assignment:
    """Which object each candidate has to find.

    Attributes:
        matched: (B, N) int64, the number of the object among the picture's M; `BACKGROUND` (-1) for a
            candidate that must learn to see nothing, `IGNORED` (-2) for one that learns nothing.
        weight: (B, N) float in [0, 1], how good a candidate is for its object, as the scheme judges it
            (1 for schemes that do not; 0 where nothing is matched).
    """

    matched: Tensor
    weight: Tensor

    @property
    def positive(self) -> Tensor:
        """(B, N) bool: candidates with an object."""
        return self.matched >= 0

    @property
    def negative(self) -> Tensor:
        """(B, N) bool: candidates that are background."""
        return self.matched == BACKGROUND
