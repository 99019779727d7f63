"""Who is taken for whom, and which pictures lie nearer to others than to their own."""

# N pictures, D values, P pairs, I identities

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nayan.core.errors import ShapeError
from nayan.tasks.embedding.drawn_pairs import Pairs

_HELD = 1 << 19  # similarities that are held at once: 4 MiB


@dataclass(frozen=True, slots=True)
class Confusion:
    """Two identities of which pairs are taken for one.

    Attributes:
        first, second: the identities, the smaller number first.
        accepted: pairs of the two that lie within the threshold.
        pairs: all pairs of the two that were compared.
        nearest: the least distance of them.
    """

    first: int
    second: int
    accepted: int
    pairs: int
    nearest: float


@dataclass(frozen=True, slots=True)
class Stranger:
    """A picture that is more like another identity than like its own.

    Attributes:
        row: of the picture.
        identity: the one that it is said to show.
        nearest: the one that it is most like.
        own_similarity: mean cosine similarity to the other pictures of its own, in [-1, 1].
        other_similarity: likewise to those of `nearest`.
    """

    row: int
    identity: int
    nearest: int
    own_similarity: float
    other_similarity: float


def confusions(
    distances: NDArray[np.float64], pairs: Pairs, identities: NDArray[np.int64], *, threshold: float
) -> list[Confusion]:
    """Return which identities are taken for one another, by how many pairs, the most first.

    Args:
        distances: (P,) of the pairs.
        pairs: rows of pictures.
        identities: (N,) of the pictures.
        threshold: the largest distance that is taken for "same".

    Returns:
        Those with at least one such pair; of equally many, those of which it is the larger share come first.
    """
    different = ~pairs.same
    whose = np.sort(identities[pairs.rows[different]], axis=1)
    d = distances[different]
    if not len(d):
        return []
    met, index = np.unique(whose, axis=0, return_inverse=True)
    index = index.ravel()
    number = np.bincount(index)
    accepted = np.bincount(index, weights=d <= threshold).astype(np.int64)
    nearest = np.full(len(met), np.inf)
    np.minimum.at(nearest, index, d)
    order = np.lexsort((nearest, -accepted / number, -accepted))
    return [
        Confusion(int(met[n, 0]), int(met[n, 1]), int(accepted[n]), int(number[n]), float(nearest[n]))
        for n in order[: int((accepted > 0).sum())]
    ]


def strangers(vectors: NDArray[np.float32], identities: NDArray[np.int64]) -> list[Stranger]:
    """Return the pictures that are more like another identity than like their own, the clearest first.

    Compared are mean similarities, of the own identity without the picture itself. Pictures that are alone
    with their identity cannot be judged and are left out.

    Args:
        vectors: (N, D) of length 1.
        identities: (N,) numbers.

    Raises:
        ShapeError: if the shapes do not agree.

    >>> angles = np.radians([0, 10, 80, 90, 85])
    >>> vectors = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    >>> [(each.row, each.nearest) for each in strangers(vectors, np.array([0, 0, 1, 1, 0]))]
    [(4, 1)]
    """
    if vectors.ndim != 2 or identities.shape != vectors.shape[:1]:
        raise ShapeError(
            f"vectors (N, D) and identities (N,) are needed, got {vectors.shape} and {identities.shape}"
        )
    known, own = np.unique(identities, return_inverse=True)
    counts = np.bincount(own, minlength=len(known))
    if len(known) < 2:
        return []
    sums = np.zeros((len(known), vectors.shape[1]))
    np.add.at(sums, own, vectors)
    found = []
    step = max(1, _HELD // len(known))
    for start in range(0, len(vectors), step):
        part = np.arange(start, min(start + step, len(vectors)))
        part = part[counts[own[part]] > 1]
        total = vectors[part].astype(np.float64) @ sums.T  # (b, I) sum of similarities
        to_own = total[np.arange(len(part)), own[part]] - 1  # a vector is alike itself by 1
        mean = total / counts
        mean[np.arange(len(part)), own[part]] = -np.inf
        best = mean.argmax(axis=1)
        ours, theirs = to_own / (counts[own[part]] - 1), mean[np.arange(len(part)), best]
        found += [
            Stranger(
                int(part[n]), int(known[own[part[n]]]), int(known[best[n]]), float(ours[n]), float(theirs[n])
            )
            for n in np.flatnonzero(theirs > ours)
        ]
    return sorted(found, key=lambda each: each.own_similarity - each.other_similarity)
