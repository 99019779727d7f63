"""The twelve numbers of the COCO evaluation, equal to pycocotools and computed for all classes at once.

Average precision is the mean of the precision at 101 recalls, where precision is first made to fall
monotonically; `map` is its mean over the IoU thresholds 0.50, 0.55, ..., 0.95 and over the classes that
occur. Average recall is the highest recall with so many predictions a class and picture.

Source: Lin et al. (2014), Microsoft COCO, arXiv:1405.0312; https://cocodataset.org/#detection-eval.
"""

# A ranges of area, T IoU thresholds, C classes, D predictions, G objects, R = 101 recalls

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nayan.core.types import Boxes
from nayan.tasks.detection.matching import (
    MOST,
    NOTHING,
    Bools,
    Floats,
    Ints,
    Objects,
    check,
    gather,
    group,
    match,
    overlaps,
    ranked,
)

IOUS = np.linspace(0.5, 0.95, 10)
RECALLS = np.linspace(0.0, 1.0, 101)
RANGES = {"all": (0.0, 1e10), "small": (0.0, 32.0**2), "medium": (32.0**2, 96.0**2), "large": (96.0**2, 1e10)}
"""Areas in px^2 of the original picture, both ends included."""
CAPS = (1, 10, MOST)
"""Predictions a class and picture for which average recall is told."""


@dataclass(frozen=True, slots=True, eq=False)
class CocoScores:
    """What the evaluation comes to; NaN where there is no such object.

    Attributes:
        precision: (A, T, C, R) at each recall.
        recall: (len(CAPS), A, T, C).
    """

    precision: Floats
    recall: Floats

    def average_precision(self, area: str = "all", *, iou: float | None = None) -> Floats:
        """Return (C,) AP of each class, at one of `IOUS` or as the mean of all; NaN without objects."""
        chosen = self.precision[list(RANGES).index(area)]  # (T, C, R)
        return np.asarray((chosen if iou is None else chosen[[_level(iou)]]).mean(axis=(0, 2)))

    def average_recall(self, area: str = "all", *, most: int = MOST) -> Floats:
        """Return (C,) AR of each class; NaN without objects."""
        return np.asarray(self.recall[CAPS.index(most), list(RANGES).index(area)].mean(axis=0))

    def twelve(self) -> dict[str, float]:
        """Return the numbers by name, without those for which there is no object.

        `map`, `map50`, `map75`, `map_small`, `map_medium`, `map_large`, `mar_1`, `mar_10`, `mar_100`,
        `mar_small`, `mar_medium`, `mar_large`; pycocotools says -1 where a name is left out.
        """
        found = {
            "map": self.average_precision(),
            "map50": self.average_precision(iou=0.5),
            "map75": self.average_precision(iou=0.75),
            **{f"map_{area}": self.average_precision(area) for area in RANGES if area != "all"},
            **{f"mar_{most}": self.average_recall(most=most) for most in CAPS},
            **{f"mar_{area}": self.average_recall(area) for area in RANGES if area != "all"},
        }
        return {
            name: float(values[known].mean())
            for name, values in found.items()
            if (known := ~np.isnan(values)).any()
        }


def coco_scores(predictions: Sequence[Boxes], truths: Sequence[Boxes], *, num_classes: int) -> CocoScores:
    """Score detections against objects, picture by picture in the same order.

    Args:
        predictions: with scores; of each class in each picture the best 100 count.
        truths: objects; crowds neither count nor make a prediction wrong. `areas` decide their size.
        num_classes: of the model.

    Raises:
        ShapeError: numbers of pictures that differ, predictions without scores, or classes out of range.
    """
    check(predictions, truths)
    found, rank = ranked(gather(predictions, num_classes=num_classes))
    return score_objects(found, gather(truths, num_classes=num_classes), rank=rank, num_classes=num_classes)


def score_objects(found: Objects, truths: Objects, *, rank: Ints, num_classes: int) -> CocoScores:
    """Score predictions as `matching.ranked` gives them, with their ranks."""
    lows, highs = (np.array(borders)[:, None] for borders in zip(*RANGES.values(), strict=True))
    ignored = truths.crowd | (truths.areas < lows) | (truths.areas > highs)  # (A, G)
    pairs = overlaps(found, truths, at_least=float(IOUS[0]))
    matched = match(pairs, groups=group(found), crowd=truths.crowd, ignored=ignored, thresholds=IOUS.tolist())
    hit = matched != NOTHING  # (A, T, D)
    row = np.arange(len(RANGES))[:, None, None]
    counts = ~np.pad(ignored, ((0, 0), (0, 1)))[row, matched]  # the last column is read where none was taken
    sides = found.xyxy[:, 2:] - found.xyxy[:, :2]
    area = sides[:, 0] * sides[:, 1]
    inside = (area >= lows) & (area <= highs)  # (A, D)
    right, wrong = hit & counts, ~hit & inside[:, None]
    num_truths = np.stack([np.bincount(truths.labels[~late], minlength=num_classes) for late in ignored])
    order = np.lexsort((-found.scores, found.labels))
    borders = np.searchsorted(found.labels[order], np.arange(num_classes + 1))
    precision = np.full((len(RANGES), len(IOUS), num_classes, len(RECALLS)), np.nan)
    recall = np.full((len(CAPS), len(RANGES), len(IOUS), num_classes), np.nan)
    for label in np.flatnonzero(num_truths[0]):
        rows = order[borders[label] : borders[label + 1]]
        ours, others = right[..., rows], wrong[..., rows]
        for number, total in enumerate(num_truths[:, label]):
            if total:
                precision[number, :, label] = precision_at_recalls(
                    ours[number], others[number], total=int(total)
                )
                for cap, most in enumerate(CAPS):
                    recall[cap, number, :, label] = ours[number][:, rank[rows] < most].sum(axis=1) / total
    return CocoScores(precision, recall)


def precision_at_recalls(right: Bools, wrong: Bools, *, total: int) -> Floats:
    """Return (T, 101) precisions at `RECALLS`, made to fall monotonically.

    Args:
        right: (T, n) which predictions of one class, by falling score, found an object.
        wrong: (T, n) which found nothing; what does not count is neither.
        total: objects of the class, at least 1.
    """
    needed = np.searchsorted(np.arange(total + 1) / total, RECALLS)  # (R,) hits that reach each recall
    claims = np.cumsum(right, axis=1) + np.cumsum(wrong, axis=1)
    curves = np.zeros((len(right), len(RECALLS)))
    for curve, hits, claimed in zip(curves, right, claims, strict=True):
        at_hits = claimed[hits]  # precision rises at hits only
        if len(at_hits):
            precision = np.arange(1, len(at_hits) + 1) / (at_hits + np.spacing(1))
            falling = np.maximum.accumulate(precision[::-1])[::-1]
            reached = needed <= len(falling)
            curve[reached] = falling[np.maximum(needed[reached], 1) - 1]
    return curves


def _level(iou: float) -> int:
    """Return the number of an IoU among `IOUS`."""
    distance: NDArray[np.float64] = np.abs(IOUS - iou)
    return int(distance.argmin())
