"""Embeddings in two dimensions, so that one can see which identities lie apart: principal components."""

# N pictures, D values

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

NAMED = 12
"""Identities that are told apart; more shapes and colours nobody can."""
MOST_POINTS = 2000
"""Of which a few hundred kilobytes of a page are made."""


def principal_components(vectors: NDArray[np.float32]) -> tuple[NDArray[np.float64], float]:
    """Return (N, 2) coordinates along the two directions of the largest variance, and its share in them.

    The sign of a direction is chosen so that its largest entry is positive, so that equal vectors give equal
    maps on every machine. Fewer than two directions leave zeros.

    Args:
        vectors: (N, D), at least one.

    Source: Pearson (1901), On lines and planes of closest fit to systems of points in space.

    >>> points, share = principal_components(np.array([[0, 0, 1], [2, 0, 1], [4, 0, 1]], np.float32))
    >>> points.round(3).tolist(), round(share, 3)
    ([[-2.0, 0.0], [0.0, 0.0], [2.0, 0.0]], 1.0)
    """
    centred = np.asarray(vectors, np.float64) - np.mean(vectors, axis=0, dtype=np.float64)
    # of D x D numbers, not of N x N: an evaluation has more pictures than an embedding has values
    values, directions = np.linalg.eigh(centred.T @ centred)
    axes = directions[:, ::-1][:, :2]
    axes = axes * np.sign(axes[np.abs(axes).argmax(axis=0), np.arange(axes.shape[1])])
    points = np.zeros((len(centred), 2))
    points[:, : axes.shape[1]] = centred @ axes
    total = float(values.sum())
    return points, float(values[::-1][:2].sum() / total) if total > 0 else 0.0


def identity_map(
    vectors: NDArray[np.float32],
    identities: NDArray[np.int64],
    *,
    first: Sequence[int] = (),
    seed: int = 0,
) -> dict[str, Any]:
    """Return the map of an evaluation, JSON-serialisable.

    Args:
        vectors: (N, D) of length 1.
        identities: (N,) numbers.
        first: identities that are worth telling apart, such as those that are taken for one another; those
            with most pictures follow.
        seed: of the choice of points, where there are many.

    Returns:
        `identities`, up to `NAMED` of them; `points` [[x, y, n]], n being a place in that list or -1 for all
        others; `share` of the variance that two dimensions hold, in [0, 1].
    """
    points, share = principal_components(vectors)
    known, counts = np.unique(identities, return_counts=True)
    usual = known[np.argsort(-counts, kind="stable")].tolist()
    named = list(dict.fromkeys([*first, *usual]))[:NAMED]
    place = {identity: n for n, identity in enumerate(named)}
    rows = np.arange(len(points))
    if len(rows) > MOST_POINTS:
        rows = np.sort(np.random.default_rng(seed).choice(len(rows), MOST_POINTS, replace=False))
    return {
        "identities": [int(identity) for identity in named],
        "points": [
            [round(float(points[n, 0]), 4), round(float(points[n, 1]), 4), place.get(int(identities[n]), -1)]
            for n in rows
        ],
        "share": share,
    }
