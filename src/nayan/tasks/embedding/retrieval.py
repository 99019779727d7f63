"""Does search find the same identity? Recall at k, R-precision and mean average precision at R.

Recall@k (Jegou, Douze, Schmid 2011) asks whether one of the first k answers is right. R-precision and MAP@R
(Musgrave, Belongie, Lim 2020, arXiv:2003.08505) ask for all R pictures that would be right, and so tell apart
what recall@1 cannot.
"""

# Q queries, N pictures of a gallery, D values, k answers

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nayan.core.errors import ConfigError, DataError, ShapeError
from nayan.core.neighbours import BLOCK, nearest
from nayan.tasks.embedding.intervals import Interval, mean_interval

KS = (1, 10)
ANSWERS = 50
"""Neighbours of each query that are kept: for a look at them, and for recall at no more than that."""


@dataclass(frozen=True, slots=True, eq=False)
class Retrieval:
    """What a search gave for each query that has a right answer in the gallery.

    Attributes:
        queries: (Q,) the row of each query; those without a right answer are left out.
        first: (Q,) the place of the first right answer, from 1; one more than there are answers where
            none of them is right.
        r_precision: (Q,) share of right ones among the first R, R being how many there are in all.
        average_precision: (Q,) at R.
        answers: (Q, k) rows of the nearest in the gallery, the nearest first.
        identities: (Q,) number of the identity of each query.
        unanswerable: how many queries were left out.
        asked_for: how many answers were asked for, k unless the gallery is smaller.
    """

    queries: NDArray[np.int64]
    first: NDArray[np.int64]
    r_precision: NDArray[np.float64]
    average_precision: NDArray[np.float64]
    answers: NDArray[np.int64]
    identities: NDArray[np.int64]
    unanswerable: int
    asked_for: int

    def recall(self, k: int) -> float:
        """Return the share of the queries with a right answer among the first `k`, in [0, 1].

        Raises:
            ConfigError: if fewer answers were kept.
        """
        return float(self._found(k).mean())

    def scores(self, ks: Sequence[int] = KS) -> dict[str, float]:
        """Return `recall_at_<k>`, `r_precision` and `map_at_r`, each in [0, 1]."""
        return {name: float(values.mean()) for name, values in self._values(ks).items()}

    def intervals(self, ks: Sequence[int] = KS, *, seed: int = 0) -> dict[str, Interval]:
        """Return the 95 % bootstrap interval of each score over identities; {} for fewer than three."""
        found = {
            name: mean_interval(values, self.identities, seed=seed)
            for name, values in self._values(ks).items()
        }
        return {name: interval for name, interval in found.items() if interval is not None}

    def _values(self, ks: Sequence[int]) -> dict[str, NDArray[np.float64]]:
        recalls = {f"recall_at_{k}": self._found(k) for k in ks}
        return {**recalls, "r_precision": self.r_precision, "map_at_r": self.average_precision}

    def _found(self, k: int) -> NDArray[np.float64]:
        if k > self.asked_for:
            raise ConfigError(f"recall at {k} of {self.asked_for} answers", hint="ask for more answers")
        return (self.first <= k).astype(np.float64)


def retrieve(
    vectors: NDArray[np.float32],
    identities: ArrayLike,
    *,
    gallery: NDArray[np.float32] | None = None,
    gallery_identities: ArrayLike | None = None,
    answers: int = ANSWERS,
    block: int = BLOCK,
) -> Retrieval:
    """Search for every picture, and look which answers show its identity.

    Without a gallery each picture is searched for among all others (leave one out). Queries of which the
    gallery holds no picture of the same identity are left out, since nothing could be right.

    Args:
        vectors: (Q, D) of the queries, finite; compared by Euclidean distance.
        identities: (Q,) numbers or names.
        gallery: (N, D), where the queries are not searched for among themselves.
        gallery_identities: (N,), with `gallery`.
        answers: how many neighbours of each query are kept.
        block: numbers that may be held at once.

    Raises:
        ShapeError: if the shapes do not agree.
        DataError: if no query has a right answer.

    >>> found = retrieve(np.array([[0.0], [1.0], [3.0], [3.5]], np.float32), ["a", "a", "b", "b"])
    >>> found.scores([1])
    {'recall_at_1': 1.0, 'r_precision': 1.0, 'map_at_r': 1.0}
    """
    own = np.arange(len(vectors)) if gallery is None else None
    shelf = vectors if gallery is None else gallery
    whose, theirs = _numbered(identities, identities if gallery is None else gallery_identities)
    if vectors.ndim != 2 or shelf.ndim != 2 or len(whose) != len(vectors) or len(theirs) != len(shelf):
        raise ShapeError(
            f"one identity a vector is needed: {vectors.shape} with {len(whose)}, "
            f"gallery {shelf.shape} with {len(theirs)}"
        )
    relevant = np.bincount(theirs, minlength=int(max(whose.max(initial=0), theirs.max(initial=0))) + 1)[whose]
    relevant = relevant - (own is not None)  # (Q,) R of each
    asked = np.flatnonzero(relevant > 0)
    if not len(asked):
        raise DataError(
            f"not one of {len(vectors):,} queries has another picture of its identity to be found",
            hint="give identities with two or more pictures",
        )
    deep = min(len(shelf), max(int(relevant.max()), answers))
    step = max(1, block // (len(shelf) + deep * vectors.shape[1]))
    parts = []
    for start in range(0, len(asked), step):
        rows = asked[start : start + step]
        found = nearest(vectors[rows], shelf, k=deep, own=None if own is None else own[rows], block=block)
        right = theirs[found.rows] == whose[rows, None]  # (b, deep)
        parts.append((*_judged(right, relevant[rows]), found.rows[:, :answers]))
    first, precise, average, kept = (np.concatenate(part) for part in zip(*parts, strict=True))
    first = np.minimum(first, kept.shape[1] + 1)
    return Retrieval(
        asked, first, precise, average, kept, whose[asked], len(vectors) - len(asked), asked_for=answers
    )


def _numbered(queries: ArrayLike, gallery: ArrayLike | None) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return both lists of identities numbered alike."""
    if gallery is None:
        raise ShapeError("a gallery needs the identities of its pictures")
    first, second = np.asarray(queries), np.asarray(gallery)
    if first.ndim != 1 or second.ndim != 1:
        raise ShapeError(f"identities (Q,) and (N,) are needed, got {first.shape} and {second.shape}")
    numbers = np.unique(np.concatenate([first, second]), return_inverse=True)[1]
    return numbers[: len(first)], numbers[len(first) :]


def _judged(
    right: NDArray[np.bool_], relevant: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
    """Return place of the first right answer, R-precision and average precision at R of (b, k) answers."""
    places = np.arange(1, right.shape[1] + 1)
    first = np.where(right.any(axis=1), right.argmax(axis=1) + 1, right.shape[1] + 1)
    within = right & (places <= relevant[:, None])
    precision = np.cumsum(right, axis=1) / places  # P(i)
    average = (precision * within).sum(axis=1) / relevant
    return first, within.sum(axis=1) / relevant, average
