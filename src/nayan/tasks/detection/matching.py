"""Which prediction finds which object: the matching that every score of a detector stands on. NumPy only.

The rules are those of the COCO evaluation, to the last tie: predictions are taken in the order of their
scores; each takes, of the objects that are still free, the one that it overlaps most; objects that do not
count (crowds, sizes that are not asked for) are taken only where no other is left, and what is matched to
them counts neither as right nor as wrong.

Source: Lin et al. (2014), Microsoft COCO, arXiv:1405.0312, and its evaluation server's protocol.
"""

# D predictions, G objects, P pairs of both, A choices of objects that do not count, T IoU thresholds

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nayan.core.errors import ShapeError
from nayan.core.types import Boxes

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

MOST = 100
"""Predictions of one class in one picture that count, the best first; COCO's own number."""

CHUNK = 2_000_000
"""Pairs whose overlap is computed at once; bounds the memory to some hundred megabytes."""

NOTHING = -1


@dataclass(frozen=True, slots=True, eq=False)
class Objects:
    """The boxes of many pictures in one table of N rows.

    Attributes:
        picture: (N,) the number of its picture.
        labels: (N,) classes from 0.
        xyxy: (N, 4) pixels.
        areas: (N,) px^2 that decide whether an object is small.
        scores: (N,) in [0, 1]; 1 for ground truth.
        crowd: (N,) whether it stands for many objects.
    """

    picture: Ints
    labels: Ints
    xyxy: Floats
    areas: Floats
    scores: Floats
    crowd: Bools

    def __len__(self) -> int:
        return len(self.labels)

    def select(self, rows: NDArray[Any]) -> Objects:
        """Return some rows, by their numbers or by an (N,) mask."""
        return Objects(*(getattr(self, field.name)[rows] for field in fields(self)))


@dataclass(frozen=True, slots=True, eq=False)
class Pairs:
    """Predictions and objects that overlap, in the order of the predictions.

    Attributes:
        found: (P,) rows of the predictions.
        truth: (P,) rows of the objects.
        iou: (P,) their intersection over union; over the prediction's own area where the object is a crowd.
    """

    found: Ints
    truth: Ints
    iou: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """Predictions that were compared with the objects of their class at one IoU.

    Attributes:
        found: the predictions, by picture, class and falling score.
        truths: the objects.
        matched: (D,) the row of the object that a prediction found, `NOTHING` (-1) for none.
        right: (D,) found an object that counts.
        wrong: (D,) found nothing; what found a crowd is neither right nor wrong.
        num_classes: of the model.
    """

    found: Objects
    truths: Objects
    matched: Ints
    right: Bools
    wrong: Bools
    num_classes: int

    @property
    def counted(self) -> Ints:
        """(C,) objects of each class, without crowds."""
        return np.bincount(self.truths.labels[~self.truths.crowd], minlength=self.num_classes)


def gather(pictures: Sequence[Boxes], *, num_classes: int) -> Objects:
    """Return the boxes of many pictures as one table, in their order.

    Raises:
        ShapeError: a class that the model does not have, or numbers that are not finite.
    """
    if not pictures:
        pictures = [Boxes.none()]
    labels = np.concatenate([boxes.labels for boxes in pictures])
    xyxy = np.concatenate([boxes.xyxy for boxes in pictures]).astype(np.float64)
    sides = xyxy[:, 2:] - xyxy[:, :2]
    areas = sides[:, 0] * sides[:, 1]
    scores, crowd = np.ones(len(labels)), np.zeros(len(labels), np.bool_)
    end = 0
    for boxes in pictures:
        rows = slice(end, end := end + len(boxes))
        if boxes.areas is not None:
            areas[rows] = boxes.areas
        if boxes.scores is not None:
            scores[rows] = boxes.scores
        if boxes.crowd is not None:
            crowd[rows] = boxes.crowd
    if len(labels) and not 0 <= labels.min() <= labels.max() < num_classes:
        raise ShapeError(f"classes are 0-{num_classes - 1}, got {labels.min()} to {labels.max()}")
    if not (np.isfinite(xyxy).all() and np.isfinite(scores).all()):
        raise ShapeError("boxes and scores must be finite, got NaN or infinite values")
    picture = np.repeat(np.arange(len(pictures)), [len(boxes) for boxes in pictures])
    return Objects(picture, labels, xyxy, areas, scores, crowd)


def ranked(found: Objects, *, most: int = MOST) -> tuple[Objects, Ints]:
    """Return predictions by picture, class and falling score, and the rank of each, from 0.

    Of each class in each picture the best `most` are kept; equal scores stay in their order.
    """
    rows = np.lexsort((-found.scores, found.labels, found.picture))
    ordered = found.select(rows)
    rank = _position(ordered.picture, ordered.labels)
    return ordered.select(rank < most), rank[rank < most]


def overlaps(
    found: Objects, truths: Objects, *, groups: tuple[Ints, Ints] | None = None, at_least: float
) -> Pairs:
    """Return the pairs of a group whose IoU reaches `at_least` (> 0).

    Args:
        found: predictions.
        truths: objects.
        groups: (D,) and (G,) numbers; only rows with the same one are compared. By default the same
            class in the same picture.
        at_least: smallest IoU that is kept.
    """
    found_groups, truth_groups = groups or (group(found), group(truths))
    order = np.argsort(truth_groups, kind="stable")
    keys = truth_groups[order]
    first = np.searchsorted(keys, found_groups, side="left")
    count = np.searchsorted(keys, found_groups, side="right") - first
    ends = np.cumsum(count)
    parts, start = [], 0
    while start < len(found):
        before = ends[start] - count[start]
        stop = max(start + 1, int(np.searchsorted(ends, before + CHUNK, side="right")))
        rows = np.repeat(np.arange(start, stop), count[start:stop])
        within = np.arange(len(rows)) - np.repeat(
            ends[start:stop] - count[start:stop] - before, count[start:stop]
        )
        truth = order[first[rows] + within]
        iou = _iou(found, truths, rows=(rows, truth))
        kept = iou >= at_least
        parts.append((rows[kept], truth[kept], iou[kept]))
        start = stop
    if not parts:
        return Pairs(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0))
    return Pairs(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))


def group(objects: Objects) -> Ints:
    """Return a number for each row that is the same within one class of one picture."""
    return objects.picture * (1 << 32) + objects.labels


def match(pairs: Pairs, *, groups: Ints, crowd: Bools, ignored: Bools, thresholds: Sequence[float]) -> Ints:
    """Let each prediction take its object.

    All pictures and classes are served at once: in round r the predictions choose that are the r-th of
    their group to overlap anything.

    Args:
        pairs: with the smallest of the thresholds or below as their smallest IoU.
        groups: (D,) of the predictions; one group stands together, by falling score.
        crowd: (G,) objects that may be found many times.
        ignored: (A, G) objects that do not count; crowds among them.
        thresholds: T smallest overlaps.

    Returns:
        (A, T, D) rows of the objects; `NOTHING` where none was taken.
    """
    matched = np.full((len(ignored), len(thresholds), len(groups)), NOTHING)
    if not len(pairs.found):
        return matched
    rows, count = np.unique(pairs.found, return_counts=True)
    turn = np.repeat(_position(groups[rows]), count)
    order = np.stack(
        [np.lexsort((-pairs.truth, -pairs.iou, late[pairs.truth], pairs.found, turn)) for late in ignored]
    )  # (A, P): by round and prediction, then the order in which its objects are tried
    truth, iou = pairs.truth[order], pairs.iou[order]
    turn, found = turn[order[0]], pairs.found[order[0]]
    floors = np.minimum(np.asarray(thresholds), 1 - 1e-10)[None, :, None]
    taken = np.zeros((*matched.shape[:2], len(crowd)), np.bool_)
    a, t = np.ix_(np.arange(matched.shape[0]), np.arange(matched.shape[1]))
    borders = np.searchsorted(turn, np.arange(turn[-1] + 2))
    for low, high in pairwise(borders):
        tried, starts = truth[:, low:high], np.flatnonzero(_starts(found[low:high]))
        free = crowd[tried][:, None] | ~taken[a[..., None], t[..., None], tried[:, None]]  # (A, T, p)
        wanted = free & (iou[:, None, low:high] >= floors)
        place = np.where(wanted, np.arange(high - low), high - low)
        best = np.minimum.reduceat(place, starts, axis=2)  # (A, T, p) -> (A, T, predictions of this round)
        hit_a, hit_t, hit = np.nonzero(best < high - low)
        winner = tried[hit_a, best[hit_a, hit_t, hit]]
        taken[hit_a, hit_t, winner] = True
        matched[hit_a, hit_t, found[low:high][starts][hit]] = winner
    return matched


def judge(
    predictions: Sequence[Boxes], truths: Sequence[Boxes], *, num_classes: int, iou: float = 0.5
) -> Judged:
    """Compare predictions with the objects of their class; only crowds do not count.

    Raises:
        ShapeError: numbers of pictures that differ, predictions without scores, or classes out of range.
    """
    check(predictions, truths)
    found, _ = ranked(gather(predictions, num_classes=num_classes))
    objects = gather(truths, num_classes=num_classes)
    pairs = overlaps(found, objects, at_least=iou)
    matched = match(
        pairs, groups=group(found), crowd=objects.crowd, ignored=objects.crowd[None], thresholds=[iou]
    )[0, 0]
    on_crowd = np.append(objects.crowd, False)[matched]  # row -1 is the one that was appended
    return Judged(found, objects, matched, (matched != NOTHING) & ~on_crowd, matched == NOTHING, num_classes)


def check(predictions: Sequence[Boxes], truths: Sequence[Boxes]) -> None:
    """Raise ShapeError unless there are as many pictures on both sides and predictions have scores."""
    if len(predictions) != len(truths):
        raise ShapeError(f"predictions of {len(predictions)} pictures for {len(truths)} targets")
    for row, boxes in enumerate(predictions):
        if boxes.scores is None and len(boxes):
            raise ShapeError(f"the predictions of picture {row} have no scores")


def _iou(found: Objects, truths: Objects, *, rows: tuple[Ints, Ints]) -> Floats:
    """Return (P,) overlaps of pairs of rows; no overlap is 0, also of boxes without an area."""
    a, b = found.xyxy[rows[0]], truths.xyxy[rows[1]]
    a_sides, b_sides = a[:, 2:] - a[:, :2], b[:, 2:] - b[:, :2]
    # Right and bottom edges are summed again from sides, as in pycocotools: equal to the last bit.
    sides = np.minimum(a_sides + a[:, :2], b_sides + b[:, :2]) - np.maximum(a[:, :2], b[:, :2])
    shared = np.where((sides > 0).all(axis=1), sides[:, 0] * sides[:, 1], 0.0)
    own = a_sides[:, 0] * a_sides[:, 1]
    union = np.where(truths.crowd[rows[1]], own, own + b_sides[:, 0] * b_sides[:, 1] - shared)
    return np.asarray(np.divide(shared, union, out=np.zeros(len(shared)), where=shared > 0))


def _starts(*keys: Ints) -> Bools:
    """Return (N,) whether a row differs from the one before it in any key; the first row does."""
    new = np.zeros(len(keys[0]), np.bool_)
    new[:1] = True
    for key in keys:
        new[1:] |= key[1:] != key[:-1]
    return new


def _position(*keys: Ints) -> Ints:
    """Return (N,) the position of each row among the rows of equal keys, which stand together."""
    number = np.arange(len(keys[0]))
    return number - np.maximum.accumulate(np.where(_starts(*keys), number, 0))
