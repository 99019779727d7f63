"""Pairs for verification where the data bring none: all of them, or a seeded sample of all."""

# N pictures, P pairs

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nayan.core.errors import ConfigError, ShapeError

MOST_SAME = 20_000
MOST_DIFFERENT = 80_000
"""Enough to speak of a false-accept rate of 4e-4 with thirty errors."""


_HELD = 1 << 19  # values of vectors that are held at once: 2 MiB


@dataclass(frozen=True, slots=True, eq=False)
class Pairs:
    """Pairs of pictures by their row.

    Attributes:
        rows: (P, 2) int64, two different pictures each; no pair is there twice.
        same: (P,) bool, whether both show one identity. Those that do come first.
    """

    rows: NDArray[np.int64]
    same: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.same)

    def distances(self, vectors: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return the (P,) Euclidean distances of the pairs.

        Args:
            vectors: (N, D) of the pictures.
        """
        step = max(1, _HELD // max(1, vectors.shape[1]))
        found = np.zeros(len(self))
        for start in range(0, len(self), step):
            first, second = self.rows[start : start + step].T
            found[start : start + step] = np.linalg.norm(vectors[first] - vectors[second], axis=1)
        return found


def draw_pairs(
    identities: ArrayLike,
    *,
    most_same: int = MOST_SAME,
    most_different: int = MOST_DIFFERENT,
    seed: int = 0,
) -> Pairs:
    """Return all pairs of one identity and all pairs of two, or of each kind a sample as large as asked.

    Protocol: every pair of pictures of one identity is as probable as any other such pair, and likewise for
    pairs of two identities; none is drawn twice. So an identity of many pictures counts for more, and what
    is estimated is what all pairs would give. The same identities, numbers and seed give the same pairs.

    Args:
        identities: (N,) of the pictures: numbers or names.
        most_same: pairs of one identity.
        most_different: pairs of two identities.
        seed: of the drawing.

    Raises:
        ShapeError: if `identities` is not (N,).
        ConfigError: if a number is negative.

    >>> pairs = draw_pairs(["a", "a", "b"])
    >>> pairs.rows.tolist(), pairs.same.tolist()
    ([[0, 1], [0, 2], [1, 2]], [True, False, False])
    """
    given = np.asarray(identities)
    if given.ndim != 1:
        raise ShapeError(f"identities (N,) are needed, got {given.shape}")
    if most_same < 0 or most_different < 0:
        raise ConfigError(f"impossible numbers of pairs: {most_same} and {most_different}")
    numbers = np.unique(given, return_inverse=True)[1]
    order = np.argsort(numbers, kind="stable")  # the pictures of one identity side by side
    end = np.cumsum(np.bincount(numbers))[numbers[order]] if len(given) else np.zeros(0, np.int64)
    place = np.arange(len(given))
    random = np.random.default_rng(seed)
    kinds = [
        _drawn(place + 1, end, most=most_same, random=random),
        _drawn(end, np.full(len(given), len(given)), most=most_different, random=random),
    ]
    rows = np.sort(order[np.concatenate(kinds)], axis=1)
    return Pairs(rows, np.repeat([True, False], [len(kind) for kind in kinds]))


def _drawn(
    first: NDArray[np.int64], stop: NDArray[np.int64], *, most: int, random: np.random.Generator
) -> NDArray[np.int64]:
    """Return (P, 2) pairs of a place and a partner in [first, stop) of it: all, or `most` drawn from all."""
    until = np.cumsum(stop - first)  # pairs whose place is this one or one before
    total = int(until[-1]) if len(until) else 0
    ranks = np.arange(total) if total <= most else np.sort(random.choice(total, size=most, replace=False))
    place = np.searchsorted(until, ranks, side="right")
    partner = stop[place] - (until[place] - ranks)
    return np.stack([place, partner], axis=1)
