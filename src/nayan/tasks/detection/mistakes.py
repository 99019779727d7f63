"""The pictures on which a detector did worst, with what is wrong in words and in boxes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from nayan.core.types import Boxes
from nayan.tasks.detection.anatomy import KINDS, Anatomy, dissect
from nayan.tasks.detection.matching import NOTHING, judge
from nayan.tasks.detection.thresholds import above, usable

WORDS = {
    "class": "misnamed",
    "place": "badly placed",
    "duplicate": "found twice",
    "both": "misnamed and badly placed",
    "background": "invented",
    "missed": "missed",
}
"""What is said of so many mistakes of a kind."""


def mistakes(
    predictions: Sequence[Boxes],
    targets: Sequence[Boxes],
    classes: Sequence[str],
    *,
    limit: int,
    calibration: Mapping[str, Any] | None = None,
) -> list[dict[str, Any]]:
    """Return the pictures with the worst mistakes among the detections that are shown, the worst first.

    A missed object weighs 1, a wrong detection its score; a picture without a mistake is never told.

    Args:
        predictions: of all pictures.
        targets: their objects.
        classes: names.
        limit: most pictures.
        calibration: its "thresholds" decide what is shown; else 0.25 does.

    Returns:
        `{"row", "wrong": {kind: count}, "objects", "boxes"}` each: the position in `predictions`; numbers of
        mistakes by the kinds of `anatomy.KINDS`; objects in the picture; and what to draw, as
        `{"box": [x1, y1, x2, y2], "label", "kind", "score"?}` where the kind is "object" (and was found),
        "missed", "crowd", "right", or one of a wrong detection.
    """
    shown = above(predictions, usable(calibration, classes=len(classes)))
    anatomy = dissect(judge(shown, targets, num_classes=len(classes)))
    judged = anatomy.judged
    weight = np.zeros(len(targets))
    np.add.at(weight, judged.found.picture[judged.wrong], judged.found.scores[judged.wrong])
    lost = _lost(anatomy)
    np.add.at(weight, judged.truths.picture[lost], 1.0)
    order = np.argsort(-weight, kind="stable")[:limit]
    return [_picture(int(row), anatomy, lost, classes) for row in order if weight[row] > 0]


def _lost(anatomy: Anatomy) -> Any:
    """Return (G,) which objects no right detection found: missed, misnamed or badly placed."""
    lost = ~anatomy.judged.truths.crowd
    lost[anatomy.judged.matched[anatomy.judged.right]] = False
    return lost


def _picture(row: int, anatomy: Anatomy, lost: Any, classes: Sequence[str]) -> dict[str, Any]:
    found, truths = anatomy.judged.found, anatomy.judged.truths
    boxes, wrong = [], dict.fromkeys(KINDS, 0)
    for number in np.flatnonzero(truths.picture == row):
        kind = "crowd" if truths.crowd[number] else "missed" if lost[number] else "object"
        wrong["missed"] += int(anatomy.missed[number])
        boxes.append(_box(truths.xyxy[number], classes[truths.labels[number]], kind))
    for number in np.flatnonzero(found.picture == row):
        kind = KINDS[anatomy.kind[number]] if anatomy.kind[number] != NOTHING else "right"
        if kind in wrong:
            wrong[kind] += 1
        box = _box(found.xyxy[number], classes[found.labels[number]], kind)
        boxes.append({**box, "score": round(float(found.scores[number]), 4)})
    objects = sum(box["kind"] in ("object", "missed") for box in boxes)
    return {
        "row": row,
        "wrong": {kind: count for kind, count in wrong.items() if count},
        "objects": objects,
        "boxes": boxes,
    }


def _box(xyxy: Any, label: str, kind: str) -> dict[str, Any]:
    return {"box": [round(float(value), 1) for value in xyxy], "label": label, "kind": kind}
