"""The nearest of many vectors, exactly, block by block so that memory stays small."""

# Q queries, N vectors of a gallery, D values each, k neighbours, b queries in a block

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nayan.core.errors import ConfigError, ShapeError

BLOCK = 1 << 22
"""Numbers that are held at once: 16 MiB of float32."""


@dataclass(frozen=True, slots=True, eq=False)
class Neighbours:
    """For each query its nearest vectors, the nearest first.

    Attributes:
        rows: (Q, k) int64, which ones.
        distances: (Q, k) float32, Euclidean.
    """

    rows: NDArray[np.int64]
    distances: NDArray[np.float32]


def nearest(
    queries: NDArray[np.float32],
    gallery: NDArray[np.float32],
    *,
    k: int,
    own: NDArray[np.int64] | None = None,
    block: int = BLOCK,
) -> Neighbours:
    """Return the `k` nearest vectors of each query by Euclidean distance.

    For unit vectors this is the order of the cosine similarity c too: the distance is sqrt(2 - 2 c).

    Args:
        queries: (Q, D), finite.
        gallery: (N, D), finite.
        k: how many; where there are fewer, all of them.
        own: (Q,) the row of the gallery that each query is itself, which is no neighbour of it.
        block: numbers that may be held at once.

    Raises:
        ShapeError: if the shapes do not agree.
        ConfigError: if `k` is below 1.

    >>> line = np.array([[0.0], [1.0], [3.0]], np.float32)
    >>> nearest(line, line, k=1, own=np.arange(3)).rows.ravel().tolist()
    [1, 0, 1]
    """
    if queries.ndim != 2 or gallery.ndim != 2 or queries.shape[1] != gallery.shape[1]:
        raise ShapeError(f"vectors (Q, D) and (N, D) are needed, got {queries.shape} and {gallery.shape}")
    if own is not None and own.shape != (len(queries),):
        raise ShapeError(f"{len(queries)} queries need as many rows of their own, got {own.shape}")
    if k < 1:
        raise ConfigError(f"k = {k}: at least one neighbour is needed")
    k = min(k, len(gallery) - (own is not None))
    if k < 1 or not len(queries):
        return Neighbours(np.zeros((len(queries), 0), np.int64), np.zeros((len(queries), 0), np.float32))
    squares = np.einsum("nd,nd->n", gallery, gallery)
    step = max(1, block // (len(gallery) + k * gallery.shape[1]))
    found = [
        _nearest(queries[part], gallery, squares, k=k, own=None if own is None else own[part])
        for part in (slice(start, start + step) for start in range(0, len(queries), step))
    ]
    return Neighbours(*(np.concatenate(part) for part in zip(*found, strict=True)))


def _nearest(
    queries: NDArray[np.float32],
    gallery: NDArray[np.float32],
    squares: NDArray[np.float32],
    *,
    k: int,
    own: NDArray[np.int64] | None,
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Return rows and distances of a block of queries, (b, k) each."""
    far = squares - 2 * (queries @ gallery.T)  # (b, N), short of |q|^2, which ranks nothing
    if own is not None:
        far[np.arange(len(queries)), own] = np.inf
    rows = np.argpartition(far, k - 1, axis=1)[:, :k]
    # Once more by the difference: the expanded square above loses half of the digits where two are alike.
    apart = np.linalg.norm(gallery[rows] - queries[:, None], axis=2)  # (b, k, D) -> (b, k)
    order = np.lexsort((rows, apart), axis=1)
    return np.take_along_axis(rows, order, axis=1), np.take_along_axis(apart, order, axis=1)
