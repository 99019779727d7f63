"""Exact search: every row that is asked for is compared, block by block, and the best once more.

The first comparison is in float32 and may round differently with the size of a block. The second is in
float64, the same for a row wherever it lies, and what a caller sees; so the answers do not depend on how the
rows were found.
"""

# N rows, D dimensions

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from nayan.runtime.index.contract import Distance, Vectors

Numbers = NDArray[np.int64]

BLOCK = 2048
"""Rows that are compared at once: they stay in the processor's cache."""

_EVERY = 16  # which values a bound is guessed from
_SPARE = 22  # rows beyond those wanted that the second comparison sees, for ties within float32


def scan(
    vectors: Vectors, query: Vectors, k: int, *, distance: Distance, allowed: NDArray[np.bool_] | None = None
) -> Numbers:
    """Return the positions of at least the `k` nearest rows, in no order; of all if there are no more.

    Args:
        vectors: (N, D) rows.
        query: (D,).
        k: how many are wanted.
        distance: how rows are compared.
        allowed: (N,) which rows may be found; None for all.
    """
    far = np.empty(len(vectors), np.float32)
    for start in range(0, len(vectors), BLOCK):
        far[start : start + BLOCK] = _rough(vectors[start : start + BLOCK], query, distance)
    if allowed is not None:
        far[~allowed] = np.inf
    best = smallest(far, k + _SPARE)
    return best if allowed is None else best[allowed[best]]


def scan_rows(vectors: Vectors, numbers: Numbers, query: Vectors, k: int, *, distance: Distance) -> Numbers:
    """Return the numbers of at least the `k` nearest of some rows, in no order.

    Args:
        vectors: (N, D) rows.
        numbers: which of them to compare.
        query: (D,).
        k: how many are wanted.
        distance: how rows are compared.
    """
    if len(numbers) <= k + _SPARE:
        return numbers
    far = np.empty(len(numbers), np.float32)
    for start in range(0, len(numbers), BLOCK):
        far[start : start + BLOCK] = _rough(vectors[numbers[start : start + BLOCK]], query, distance)
    return numbers[smallest(far, k + _SPARE)]


def ranked(
    vectors: Vectors, numbers: Numbers, query: Vectors, k: int, *, distance: Distance
) -> tuple[Numbers, NDArray[np.float64]]:
    """Return the `k` nearest of some rows and their distances, the nearest first, of equals the oldest."""
    far = exact(vectors[numbers], query, distance)
    order = np.lexsort((numbers, far))[:k]
    return numbers[order], far[order]


def exact(rows: Vectors, query: Vectors, distance: Distance) -> NDArray[np.float64]:
    """Return the (N,) distances of rows to a query (D,), or to one each (N, D), in float64."""
    wide = rows.astype(np.float64)
    if distance == "cosine":  # sums by rows: a product of matrices rounds differently with their size
        cosines: NDArray[np.float64] = 1.0 - (wide * query.astype(np.float64)).sum(1)
        return cosines.clip(0.0, 2.0)
    wide -= query
    lengths: NDArray[np.float64] = np.sqrt((wide * wide).sum(1))
    return lengths


def smallest(values: NDArray[np.float32], count: int) -> Numbers:
    """Return the positions of the `count` smallest values, in no order."""
    if count >= len(values):
        return np.arange(len(values))
    rank = 2 * count // _EVERY + 8
    if rank * _EVERY >= len(values):
        return np.argpartition(values, count)[:count]
    bound = np.partition(values[::_EVERY], rank)[rank]  # most values need not be put in any order
    low = np.flatnonzero(values <= bound)
    if len(low) <= count:
        return np.argpartition(values, count)[:count]
    return low[np.argpartition(values[low], count)[:count]]


def _rough(rows: Vectors, query: Vectors, distance: Distance) -> Vectors:
    """Return what orders rows as their distances do, in float32."""
    if distance == "cosine":
        return -(rows @ query)
    difference = rows - query  # and not by products, which lose what little far-away neighbours differ in
    squares: Vectors = np.einsum("nd,nd->n", difference, difference)
    return squares
