"""What is asked for: a query made of several vectors, and answers that differ from one another."""

# M vectors, D dimensions

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from nayan.core.errors import ConfigError, DataError, ShapeError
from nayan.runtime.index.contract import Distance, Vectors


def combine(plus: Vectors, minus: Vectors | None = None) -> Vectors:
    """Return one unit vector (D,) that leads to what all of `plus` are like, and away from `minus`.

    The mean of the unit vectors of `plus` without that of `minus`, made a unit vector again.

    Args:
        plus: (D,) or (M, D).
        minus: the same; None for nothing.

    Raises:
        ShapeError: if they have other shapes or differ in D.
        DataError: if a vector is zero or not finite, or they cancel out.

    >>> combine(np.float32([[3, 0], [0, 1]]), np.float32([1, 0])).tolist()
    [-0.707..., 0.707...]
    """
    direction = _mean_direction(plus)
    if minus is not None:
        if np.shape(minus)[-1:] != direction.shape:
            raise ShapeError(
                f"vectors to add have {len(direction)} dimensions, those to take away {np.shape(minus)}"
            )
        direction = direction - _mean_direction(minus)
    combined: Vectors = _unit(direction[None], "the vectors cancel each other out")[0].astype(np.float32)
    return combined


def as_query(query: Vectors, *, dim: int, distance: Distance) -> Vectors:
    """Return the one vector (D,) that is searched for: a unit vector with the cosine distance.

    Raises:
        ShapeError: if the query is not (D,) or (M, D).
        DataError: if a number is not finite, or the direction is none.
    """
    vectors = np.asarray(query)
    if vectors.ndim not in (1, 2) or vectors.shape[-1] != dim or vectors.size == 0:
        raise ShapeError(
            f"a query of shape {vectors.shape}, expected ({dim},) or (M, {dim})",
            hint="embed it with the model that the index was made with",
        )
    if distance == "cosine":
        wide = vectors.astype(np.float64)
        length = np.sqrt(wide @ wide) if wide.ndim == 1 else np.nan
        return (wide / length).astype(np.float32) if 1e-12 < length < np.inf else combine(vectors)
    if not np.isfinite(vectors).all():
        raise DataError("the query holds numbers that are not finite")
    mean: Vectors = np.atleast_2d(vectors).mean(0, dtype=np.float64).astype(np.float32)
    return mean


def unit_rows(vectors: Vectors) -> Vectors:
    """Return (N, D) vectors of length 1.

    Raises:
        DataError: if one is zero or not finite, with its row.
    """
    return _unit(vectors.astype(np.float64), "a vector of zeros has no direction").astype(np.float32)


def similarity(distance: float, kind: Distance) -> float:
    """Return the similarity that belongs to a distance: the cosine, or 1 / (1 + distance)."""
    return 1.0 - distance if kind == "cosine" else 1.0 / (1.0 + distance)


def diverse_pool(k: int) -> int:
    """Return among how many of the nearest rows `k` diverse ones are chosen."""
    return 5 * k + 50


def most_diverse(query: Vectors, candidates: Vectors, k: int, diverse: float) -> list[int]:
    """Return which candidates to show: near to the query, and unlike those shown before.

    Maximal marginal relevance: each step takes the candidate with the largest
    `(1 - diverse) * cosine to the query - diverse * largest cosine to one that was taken`.

    Args:
        query: (D,).
        candidates: (M, D).
        k: how many to take.
        diverse: from 0, only the first term, to 1, only the second.

    Returns:
        Their positions, in the order in which they were taken.

    Source: Carbonell and Goldstein (1998), with lambda = 1 - diverse.

    >>> query, candidates = np.float32([1, 0]), np.float32([[1, 0.1], [1, 0.11], [0.5, 0.9]])
    >>> most_diverse(query, candidates, 2, 0.0), most_diverse(query, candidates, 2, 0.6)
    ([0, 1], [0, 2])
    """
    units = _directions(candidates)
    near = units @ _directions(query[None])[0]
    alike = np.zeros(len(units))  # nothing was shown yet
    free = np.ones(len(units), bool)
    taken: list[int] = []
    while len(taken) < min(k, len(units)):
        worth = (1 - diverse) * near - diverse * alike
        best = int(np.where(free, worth, -np.inf).argmax())
        free[best] = False
        again = units @ units[best]
        alike = np.maximum(alike, again) if taken else again
        taken.append(best)
    return taken


def check_wish(k: int, diverse: float) -> None:
    """Raise ConfigError if nobody can have wished for that."""
    if k < 1:
        raise ConfigError(f"k is {k}, expected 1 or more")
    if not 0 <= diverse <= 1:
        raise ConfigError(f"diverse is {diverse}, expected 0 (the nearest) to 1 (the most different)")


def _mean_direction(vectors: Vectors) -> NDArray[np.float64]:
    rows = np.atleast_2d(np.asarray(vectors, np.float64))
    if rows.ndim != 2 or rows.size == 0:
        raise ShapeError(f"vectors of shape {np.shape(vectors)}, expected (D,) or (M, D)")
    mean: NDArray[np.float64] = _unit(rows, "a vector of zeros has no direction").mean(0)
    return mean


def _directions(rows: Vectors) -> NDArray[np.float64]:
    """Return unit vectors; a vector of zeros, which Euclidean distance allows, stays one."""
    wide = rows.astype(np.float64)
    units: NDArray[np.float64] = wide / np.maximum(np.linalg.norm(wide, axis=1, keepdims=True), 1e-12)
    return units


def _unit(rows: NDArray[np.float64], reason: str) -> NDArray[np.float64]:
    if not np.isfinite(rows).all():
        row = int(np.flatnonzero(~np.isfinite(rows).all(1))[0])
        raise DataError(f"vector {row} holds numbers that are not finite", hint="embed its picture again")
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    if (lengths < 1e-12).any():
        raise DataError(f"vector {int(np.flatnonzero(lengths < 1e-12)[0])}: {reason}")
    units: NDArray[np.float64] = rows / lengths
    return units
