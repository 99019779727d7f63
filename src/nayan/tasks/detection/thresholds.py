"""From which score on should a detection be believed? One threshold a class, fitted on validation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nayan.core.types import Boxes
from nayan.tasks.detection.matching import Judged, judge

DEFAULT = 0.25
"""Where nothing was found that could tell: the field's habit."""

FEW = 10
"""Classes with fewer objects than this cannot be trusted to fit a threshold of their own."""


def fit_thresholds(predictions: Sequence[Boxes], truths: Sequence[Boxes], classes: int) -> tuple[float, ...]:
    """Return for each class the score with the best F1 at IoU 0.5.

    The threshold lies halfway between the last detection that should be kept and the first that should
    not, so that new pictures have room on both sides; of equally good ones the highest is taken. A class
    with fewer than 10 objects gets the threshold that is best for all classes together: a handful of boxes
    would fit chance. Where no detection is right it is 0.25. Crowds count on neither side.

    Args:
        predictions: of pictures that were not trained on, with all their low scores.
        truths: their objects.
        classes: how many there are.

    Returns:
        `classes` thresholds in (0, 1], to be used as `score >= threshold`.

    Raises:
        ShapeError: numbers of pictures that differ, predictions without scores, or classes out of range.

    >>> box, scores = np.array([[0, 0, 9, 9], [20, 0, 29, 9]], np.float32), np.array([0.75, 0.25], np.float32)
    >>> found = Boxes(box, np.zeros(2, np.int64), scores)
    >>> fit_thresholds([found], [Boxes(box[:1], np.zeros(1, np.int64))], 1)
    (0.5,)
    """
    judged = judge(predictions, truths, num_classes=classes)
    counted = judged.counted
    pooled = _best_cut(judged, np.ones(len(judged.found), np.bool_), int(counted.sum()))
    return tuple(
        pooled
        if counted[label] < FEW
        else _best_cut(judged, judged.found.labels == label, int(counted[label]))
        for label in range(classes)
    )


def _best_cut(judged: Judged, rows: NDArray[np.bool_], num_truths: int) -> float:
    """Return the score with the best F1 among some predictions."""
    scores = judged.found.scores[rows]
    order = np.argsort(-scores, kind="stable")
    scores = scores[order]
    hits = np.cumsum(judged.right[rows][order])
    claims = hits + np.cumsum(judged.wrong[rows][order])
    if not len(hits) or hits[-1] == 0:
        return DEFAULT
    f1 = 2 * hits / (claims + num_truths)
    f1[:-1][scores[1:] == scores[:-1]] = 0  # equal scores are kept or left out together
    best = int(f1.argmax())
    lower = scores[best + 1] if best + 1 < len(scores) else scores[best]
    return float((scores[best] + lower) / 2)


def usable(fitted: Mapping[str, Any] | None, *, classes: int) -> tuple[float, ...]:
    """Return the "thresholds" of a calibration where there is one a class, else `DEFAULT` for each."""
    thresholds = (fitted or {}).get("thresholds") or ()
    return tuple(map(float, thresholds)) if len(thresholds) == classes else (DEFAULT,) * classes


def above(predictions: Sequence[Boxes], thresholds: Sequence[float]) -> list[Boxes]:
    """Return what is left of each picture's predictions from the thresholds of their classes on."""
    floors = np.asarray(thresholds)
    return [
        boxes if boxes.scores is None else boxes.select(boxes.scores >= floors[boxes.labels])
        for boxes in predictions
    ]
