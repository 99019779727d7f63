"""How good is a detector? The COCO numbers, and the facts behind them. NumPy only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from nayan.core.types import Boxes
from nayan.runtime.preprocess import Placement
from nayan.tasks.detection.anatomy import KINDS, dissect, gains
from nayan.tasks.detection.coco_scores import IOUS, RECALLS, CocoScores, coco_scores
from nayan.tasks.detection.confusion import confusion_matrix, confusions
from nayan.tasks.detection.matching import Judged, check, judge
from nayan.tasks.detection.mistakes import mistakes
from nayan.tasks.detection.sizes import object_sizes
from nayan.tasks.detection.thresholds import above, usable

__all__ = ["DetectionMetric", "mistakes"]

CURVES = (0.5, 0.75)
"""IoUs for which precision over recall is told."""


class DetectionMetric:
    """Collects detections with their ground truth and scores them.

    Args:
        classes: names, in the order of the labels.

    >>> metric = DetectionMetric(["cat"])
    >>> box, cat = np.array([[0, 0, 40, 40]], np.float32), np.zeros(1, np.int64)
    >>> metric.update([Boxes(box, cat, np.ones(1, np.float32))], [Boxes(box, cat)])
    >>> round(metric.compute()["map"], 6)
    1.0
    """

    def __init__(self, classes: Sequence[str]) -> None:
        self.classes = tuple(classes)
        self._predictions: list[Boxes] = []
        self._truths: list[Boxes] = []

    def update(self, predictions: Sequence[Boxes], targets: Sequence[Boxes]) -> None:
        """Add pictures.

        Raises:
            ShapeError: if there are not as many predictions as targets, or predictions have no scores.
        """
        check(predictions, targets)
        self._predictions.extend(predictions)
        self._truths.extend(targets)

    def compute(self) -> dict[str, float]:
        """Return the numbers of COCO: `map`, `map50`, `map75`, `map_small`, ..., `mar_100`, `mar_large`.

        `map` is the AP averaged over the IoUs 0.50 to 0.95. Sizes that no object has are left out, where
        pycocotools says -1; without any object `map`, `map50` and `map75` are 0 and nothing else is told.

        Raises:
            ShapeError: a class that the model does not have, or numbers that are not finite.
        """
        return {"map": 0.0, "map50": 0.0, "map75": 0.0, **self._scores().twelve()}

    def details(
        self, *, calibration: Mapping[str, Any] | None = None, placements: Sequence[Placement] = ()
    ) -> dict[str, Any]:
        """Return the facts behind the scores, JSON-serialisable and free of NaN.

        "Shown" are the detections from the thresholds on; a detection is right at IoU 0.5.

        Args:
            calibration: what was fitted on validation; its "thresholds", one a class, decide what is shown.
                Without them 0.25 does.
            placements: how each picture lies in the network's input, for the sizes of the objects.

        Returns:
            `classes`; `pictures`; `empty` (pictures without an object); `objects`; `crowds`; `shown`;
            `thresholds`; `per_class` [{label, objects, shown, ap, ap50, precision, recall, f1}], None where
            undefined; `curves` {"0.5", "0.75": {"mean": [precision], "classes": {label: [precision]}}} at
            the recalls 0, 0.01, ..., 1; `confusion` [[count]], rows are the truth, the background is last;
            `confusions`, the most frequent mistakes; `anatomy` [{kind, count, gain}], the count among what
            is shown, the gain in AP50 over all scores; `sizes` of `sizes.object_sizes` or None.
        """
        thresholds = usable(calibration, classes=len(self.classes))
        everything = judge(self._predictions, self._truths, num_classes=len(self.classes))
        shown = judge(above(self._predictions, thresholds), self._truths, num_classes=len(self.classes))
        scores, cells = self._scores(), confusion_matrix(shown)
        counts, won = dissect(shown).counts(), gains(dissect(everything))
        return {
            "classes": list(self.classes),
            "pictures": len(self._truths),
            "empty": sum(len(truth) == 0 for truth in self._truths),
            "objects": int(shown.counted.sum()),
            "crowds": int(shown.truths.crowd.sum()),
            "shown": len(shown.found),
            "thresholds": list(thresholds),
            "per_class": self._per_class(scores, shown),
            "curves": {str(iou): self._curves(scores, iou) for iou in CURVES},
            "confusion": cells.tolist(),
            "confusions": confusions(cells, self.classes),
            "anatomy": [{"kind": kind, "count": counts[kind], "gain": won[kind]} for kind in KINDS],
            "sizes": object_sizes(self._truths, shown, placements=placements),
        }

    def _scores(self) -> CocoScores:
        return coco_scores(self._predictions, self._truths, num_classes=len(self.classes))

    def _per_class(self, scores: CocoScores, shown: Judged) -> list[dict[str, Any]]:
        number = len(self.classes)
        right = np.bincount(shown.found.labels[shown.right], minlength=number)
        claimed = right + np.bincount(shown.found.labels[shown.wrong], minlength=number)
        objects, ap, ap50 = shown.counted, scores.average_precision(), scores.average_precision(iou=0.5)
        return [
            {
                "label": label,
                "objects": int(objects[n]),
                "shown": int(claimed[n]),
                "ap": _known(ap[n]),
                "ap50": _known(ap50[n]),
                "precision": float(right[n] / claimed[n]) if claimed[n] else None,
                "recall": float(right[n] / objects[n]) if objects[n] else None,
                "f1": float(2 * right[n] / (claimed[n] + objects[n])) if claimed[n] + objects[n] else None,
            }
            for n, label in enumerate(self.classes)
        ]

    def _curves(self, scores: CocoScores, iou: float) -> dict[str, Any]:
        level = int(np.abs(IOUS - iou).argmin())
        curves = scores.precision[0, level]  # (C, R)
        known = ~np.isnan(curves[:, 0])
        mean = curves[known].mean(axis=0) if known.any() else np.zeros(len(RECALLS))
        return {
            "mean": mean.round(4).tolist(),
            "classes": {self.classes[n]: curves[n].round(4).tolist() for n in np.flatnonzero(known)},
        }


def _known(value: Any) -> float | None:
    return None if np.isnan(value) else float(value)
