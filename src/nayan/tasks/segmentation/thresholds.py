"""From which probability on a pixel belongs to the second of two classes. NumPy only."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

BINS = 200
"""Thresholds that are tried, evenly spaced from 0 to 1."""
FLAT = 0.002
"""Mean IoUs that differ by less are the same; the middle of the longest range that reaches them is taken."""


class ThresholdFit:
    """Counts how probable the pixels of each class are, and finds the threshold with the best mean IoU.

    >>> fit = ThresholdFit()
    >>> fit.update(np.array([0.1, 0.3, 0.4, 0.9]), np.array([False, False, True, True]))
    >>> 0.3 < fit.best() < 0.4
    True
    """

    def __init__(self) -> None:
        self._counts = np.zeros((2, BINS), np.int64)

    def update(self, probability: NDArray[np.floating], second: NDArray[np.bool_]) -> None:
        """Add pixels: how probable the second class is in each, and whether it is there."""
        rows = np.minimum((probability * BINS).astype(np.int64), BINS - 1)
        for index in (0, 1):
            self._counts[index] += np.bincount(rows[second == bool(index)], minlength=BINS)

    def best(self) -> float:
        """Return the threshold in [0, 1]; 0.5 where one of the classes was never seen."""
        if not self._counts.sum(axis=1).all():
            return 0.5
        # at threshold n / BINS a pixel is the second class's from bin n on
        above = self._counts[:, ::-1].cumsum(axis=1)[:, ::-1].astype(np.float64)  # (2, BINS)
        total = self._counts.sum(axis=1).astype(np.float64)
        second = above[1] / (total[1] + above[0])
        first = (total[0] - above[0]) / (total[0] + total[1] - above[1])
        mean = (first + second) / 2
        good = np.flatnonzero(mean >= mean.max() - FLAT)
        runs = np.split(good, np.flatnonzero(np.diff(good) > 1) + 1)  # what lies between two may be poor
        return float(np.median(max(runs, key=len)) / BINS)
