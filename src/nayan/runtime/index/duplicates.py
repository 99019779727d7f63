"""Groups of rows that are alike: every pair is compared, block by block, and what is connected is joined."""

# N rows, D dimensions

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from nayan.runtime.index.contract import Distance, Vectors
from nayan.runtime.index.scan import exact

_BLOCK = 1024
_DOUBT = 1e-5  # of the lengths: within it float32 cannot tell, and a pair is compared once more in float64
_PAIRS = 4096  # so many at once


def alike(vectors: Vectors, threshold: float, *, distance: Distance) -> list[NDArray[np.int64]]:
    """Return groups of two or more positions, the largest first, each in rising order.

    Args:
        vectors: (N, D) rows; unit vectors with the cosine distance.
        threshold: rows at most so far apart are joined, and so is what a chain of such pairs connects.
        distance: how rows are compared.
    """
    root = np.arange(len(vectors))
    limit = 2 * threshold if distance == "cosine" else threshold**2  # of squared lengths of differences
    for start in range(0, len(vectors), _BLOCK):
        rows = vectors[start : start + _BLOCK]
        for other in range(start, len(vectors), _BLOCK):
            squares, doubt = _squares(rows, vectors[other : other + _BLOCK])
            _join(root, *_places(squares <= limit - doubt, start, other))
            first, second = _places(np.abs(squares - limit) < doubt, start, other)
            while len(first):
                some, others = first[:_PAIRS], second[:_PAIRS]
                near = exact(vectors[some], vectors[others], distance) <= threshold
                _join(root, some[near], others[near])
                first, second = first[_PAIRS:], second[_PAIRS:]
                apart = root[first] != root[second]
                first, second = first[apart], second[apart]
    return _groups(root)


def _squares(rows: Vectors, others: Vectors) -> tuple[Vectors, Vectors]:
    """Return the (n, m) squared lengths of differences of two blocks, and how wrong they may be."""
    centre = rows.mean(0)
    a, b = rows - centre, others - centre
    lengths = np.einsum("nd,nd->n", a, a)[:, None] + np.einsum("nd,nd->n", b, b)
    return lengths - 2 * (a @ b.T), _DOUBT * lengths


def _places(chosen: NDArray[np.bool_], start: int, other: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the positions of pairs that are chosen from two blocks."""
    first, second = np.nonzero(chosen)
    return first + start, second + other


def _join(root: NDArray[np.int64], first: NDArray[np.int64], second: NDArray[np.int64]) -> None:
    """Connect pairs: `root` names the first row of each row's group, before and after."""
    while True:
        a, b = root[first], root[second]
        apart = a != b
        if not apart.any():
            return
        first, second, a, b = first[apart], second[apart], a[apart], b[apart]
        np.minimum.at(root, np.maximum(a, b), np.minimum(a, b))
        while (shorter := root[root]).tobytes() != root.tobytes():
            root[:] = shorter


def _groups(root: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    order = np.argsort(root, kind="stable")
    starts = np.flatnonzero(np.diff(root[order], prepend=-1))
    groups = [group for group in np.split(order, starts[1:]) if len(group) > 1]
    return sorted(groups, key=lambda group: (-len(group), int(group[0])))
