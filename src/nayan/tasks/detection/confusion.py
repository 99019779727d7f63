"""Which class is taken for which, and which for nothing: the background is the last class of the matrix."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from nayan.tasks.detection.matching import NOTHING, Ints, Judged, match, overlaps

BACKGROUND = "background"
NUM_CONFUSIONS = 20


def confusion_matrix(judged: Judged, *, iou: float = 0.5) -> Ints:
    """Return (C + 1, C + 1) counts; rows are the truth, columns the prediction, the background is last.

    The diagonal holds what was found under its own name. What is left on both sides is then compared
    without regard to the names: a detection that lies on an object of another class (IoU >= 0.5) is a
    confusion of the two. The rest was invented (last row) or missed (last column). Nobody counts the
    background that was rightly left alone: the last cell is 0.

    Args:
        judged: the detections that are shown.
        iou: overlap from which on two boxes are about the same thing.
    """
    found, truths, background = judged.found, judged.truths, judged.num_classes
    cells = np.zeros((background + 1, background + 1), np.int64)
    right = judged.found.labels[judged.right]
    np.add.at(cells, (right, right), 1)
    free = ~truths.crowd
    free[judged.matched[judged.right]] = False
    rows, objects = np.flatnonzero(judged.wrong), np.flatnonzero(free)
    rows = rows[np.lexsort((-found.scores[rows], found.picture[rows]))]
    left, missing = found.select(rows), truths.select(objects)
    pairs = overlaps(left, missing, groups=(left.picture, missing.picture), at_least=iou)
    nobody = np.zeros(len(missing), np.bool_)
    taken = match(pairs, groups=left.picture, crowd=nobody, ignored=nobody[None], thresholds=[iou])[0, 0]
    truth = np.append(missing.labels, background)[taken]  # row -1 is the background that was appended
    np.add.at(cells, (truth, left.labels), 1)
    never = np.ones(len(missing), np.bool_)
    never[taken[taken != NOTHING]] = False
    cells[:background, background] = np.bincount(missing.labels[never], minlength=background)
    return cells


def confusions(cells: Ints, classes: Sequence[str]) -> list[dict[str, Any]]:
    """Return the most frequent mistakes of a matrix, the worst first: missed and invented ones too.

    Returns:
        `{"truth", "predicted", "count", "share"}`: the share of the class's objects; of its detections
        where the truth is the background.
    """
    names = [*classes, BACKGROUND]
    wrong = cells - np.diag(np.diagonal(cells))
    order = sorted((-int(wrong[row, column]), row, column) for row, column in np.argwhere(wrong))
    return [
        {
            "truth": names[row],
            "predicted": names[column],
            "count": -count,
            "share": float(-count / (cells[row].sum() if row < len(classes) else cells[:, column].sum())),
        }
        for count, row, column in order[:NUM_CONFUSIONS]
    ]
