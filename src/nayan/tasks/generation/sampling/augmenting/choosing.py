"""Which drawn pictures are worth learning from: not copied, like real ones, and of the class that was asked.

Three tests, in this order; what fails one is not asked the next:

    memorised   nearer to a training picture than all but 5 % of real pictures are that were not learnt from
    off the manifold   out of reach of every training picture, by the third neighbours of these
    wrong class, doubtful   what a classifier says that has seen the training pictures only

What is left over once there are as many as wanted is "spare": the first that were drawn are kept, not the
ones that the classifier likes best.
"""

# N candidates, T training pictures, D features of each, K classes

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nayan.core.errors import ShapeError
from nayan.tasks.generation.distances import Features, lies_among, nearest, spread

KEPT, MEMORISED, OFF_MANIFOLD, WRONG_CLASS, DOUBTFUL, SPARE = range(6)
FATES = ("kept", "memorised", "off_manifold", "wrong_class", "doubtful", "spare")
"""What becomes of a drawn picture, by its number."""
NEAR = 0.05
"""Share of unseen real pictures that lie nearer to a training picture than the distance called near."""


@dataclass(frozen=True, slots=True, eq=False)
class Candidates:
    """Pictures that are to be judged, and what is known of them.

    Attributes:
        features: (N, D), by which they are compared with real pictures.
        probabilities: (N, K), what the classifier says.
        asked: (N,) class that each was to show.
    """

    features: Features
    probabilities: NDArray[np.float32]
    asked: NDArray[np.int64]

    def __post_init__(self) -> None:
        counts = {len(self.features), len(self.probabilities), len(self.asked)}
        if len(counts) != 1:
            raise ShapeError(f"features, probabilities and classes of as many pictures, got {sorted(counts)}")


def near_limit(train: Features, unseen: Features) -> float:
    """Return the distance to the nearest training picture below which a picture passes for copied.

    Args:
        train: (T, D) of the training pictures.
        unseen: (M, D) of real pictures that nothing has learnt from.
    """
    return float(np.quantile(nearest(unseen, train)[1], NEAR))


def judge(candidates: Candidates, *, train: Features, limit: float, confidence: float) -> NDArray[np.int64]:
    """Return the (N,) fate of each candidate, as its number in `FATES`; none is spare yet.

    Args:
        candidates: what was drawn, or real pictures, to see what the tests make of these.
        train: (T, D) features of the training pictures, T > 3.
        limit: what `near_limit` gave.
        confidence: least probability of the class that was asked, in [0, 1].
    """
    of_class = candidates.probabilities[np.arange(len(candidates.asked)), candidates.asked]
    tests = {
        MEMORISED: nearest(candidates.features, train)[1] < limit,
        OFF_MANIFOLD: ~lies_among(candidates.features, train),
        WRONG_CLASS: candidates.probabilities.argmax(1) != candidates.asked,
        DOUBTFUL: of_class < confidence,
    }
    fates = np.full(len(candidates.asked), KEPT, np.int64)
    for fate, failed in tests.items():
        fates[(fates == KEPT) & failed] = fate
    return fates


def keep_wanted(
    fates: NDArray[np.int64], asked: NDArray[np.int64], wanted: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Return the fates, with those spare of which there are more than wanted.

    Args:
        fates: (N,) of `judge`.
        asked: (N,) classes.
        wanted: (K,) how many of each class.

    >>> keep_wanted(np.array([0, 1, 0, 0]), np.array([0, 0, 0, 1]), np.array([1, 5])).tolist()
    [0, 1, 5, 0]
    """
    limited = fates.copy()
    for label, count in enumerate(wanted):
        limited[np.flatnonzero((fates == KEPT) & (asked == label))[count:]] = SPARE
    return limited


def tally(fates: NDArray[np.int64], asked: NDArray[np.int64], count: int) -> list[dict[str, int]]:
    """Return how many of each class had which fate; of one class they add up to all that were drawn of it.

    >>> tally(np.array([0, 1, 0]), np.array([1, 1, 0]), 2)[1]["memorised"]
    1
    """
    found = np.zeros((count, len(FATES)), np.int64)
    np.add.at(found, (asked, fates), 1)
    return [dict(zip(FATES, row, strict=True)) for row in found.tolist()]


def variety(
    kept: Features, kept_labels: NDArray[np.int64], train: Features, labels: NDArray[np.int64]
) -> float | None:
    """Return how far two kept pictures of a class are apart, as a share of what two real ones of it are.

    The mean over classes that have two pictures of both kinds; None where there is none. Below 1 the
    generator draws the same again and again.

    >>> real, label = np.array([[0.0, 0.0], [4.0, 0.0]], np.float32), np.array([0, 0])
    >>> variety(real / 2, label, real, label)
    0.5
    """
    shares = [
        spread(kept[kept_labels == label]) / real
        for label in np.unique(kept_labels)
        if (kept_labels == label).sum() > 1 and (real := spread(train[labels == label])) > 0
    ]
    return float(np.mean(shares)) if shares else None
