"""How good is a segmenter? IoU, Dice and borders, and the facts behind them. NumPy and OpenCV only."""

# K classes, P pictures

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nayan.core.errors import DataError, ShapeError
from nayan.core.types import VOID, MaskSource, SemanticMask
from nayan.runtime.preprocess import Placement
from nayan.tasks.segmentation.boundaries import border_matches, borders, near, tolerance_px
from nayan.tasks.segmentation.mistakes import mistakes

__all__ = ["SegmentationMetric", "mistakes", "truth_of"]

RESAMPLES = 1000
"""Of the pictures, for the intervals (Efron 1979)."""
INTERVAL = (0.025, 0.975)


def truth_of(target: MaskSource | SemanticMask) -> SemanticMask:
    """Return the mask of a sample, reading it where it is not yet read."""
    return target.load() if isinstance(target, MaskSource) else target


class SegmentationMetric:
    """Collects masks with their ground truth and scores them; of each picture only counts are kept.

    Pixels that are void in the truth count nowhere. A class that is neither in the truth nor found has no
    IoU and is left out of every mean.

    Args:
        classes: names, in the order of the ids.

    >>> metric = SegmentationMetric(["sky", "road"])
    >>> mask = SemanticMask(np.array([[0, 1]], np.uint8))
    >>> metric.update([mask], [mask])
    >>> metric.compute()["miou"]
    1.0
    """

    def __init__(self, classes: Sequence[str]) -> None:
        self.classes = tuple(classes)
        number = len(self.classes)
        self._inside = np.zeros((number, number + 1), np.int64)  # rows are the truth; the last column: void
        self._near = np.zeros_like(self._inside)
        self._borders = np.zeros((number, 4), np.int64)
        self._pictures: list[NDArray[np.int64]] = []  # (3, K) each: right, found, true pixels

    def update(
        self, predictions: Sequence[SemanticMask], targets: Sequence[MaskSource | SemanticMask]
    ) -> None:
        """Add pictures.

        Raises:
            ShapeError: if there are not as many predictions as targets, or a mask has another size.
            DataError: a class in the truth that the model does not have.
        """
        if len(predictions) != len(targets):
            raise ShapeError(f"{len(predictions)} predictions for {len(targets)} masks")
        for prediction, target in zip(predictions, targets, strict=True):
            self._add(prediction.ids, truth_of(target).ids)

    def _add(self, found: NDArray[np.uint8], truth: NDArray[np.uint8]) -> None:
        if found.shape != truth.shape:
            raise ShapeError(f"the prediction has {found.shape} pixels (H, W), the truth {truth.shape}")
        number = len(self.classes)
        known = truth != VOID
        if known.any() and int(truth[known].max()) >= number:
            raise DataError(
                f"class {truth[known].max()} in a mask, but there are {number} classes (from 0)",
                hint="run `nayan doctor DATA`",
            )
        border = near(borders(truth), tolerance_px((truth.shape[0], truth.shape[1])))
        for cells, where in ((self._near, known & border), (self._inside, known & ~border)):
            columns = np.minimum(found[where], number).astype(np.int64)
            flat = truth[where].astype(np.int64) * (number + 1) + columns
            cells += np.bincount(flat, minlength=number * (number + 1)).reshape(number, number + 1)
        self._borders += border_matches(found, truth, classes=number)
        right = np.bincount(truth[known & (found == truth)], minlength=number)[:number]
        claimed = np.bincount(found[known], minlength=VOID + 1)[:number]
        self._pictures.append(np.stack([right, claimed, np.bincount(truth[known], minlength=number)]))

    @property
    def cells(self) -> NDArray[np.int64]:
        """(K, K + 1) pixels: rows are the truth, columns what was found, the last one nothing at all."""
        return self._inside + self._near

    def compute(self) -> dict[str, float]:
        """Return `miou`, `pixel_accuracy`, `dice` and `boundary_f1`, each in [0, 1].

        `miou`, `dice` and `boundary_f1` are means over the classes; all pixels of all pictures count alike,
        as in Pascal VOC and Cityscapes.
        """
        counts = self._counts()
        return {
            "miou": _mean(iou(counts)),
            "pixel_accuracy": float(counts[0].sum() / max(1, counts[2].sum())),
            "dice": _mean(dice(counts)),
            "boundary_f1": _mean(self._boundary_f1()),
        }

    def per_class(self) -> dict[str, float]:
        """Return the IoU of each class that has one, by its name."""
        values = iou(self._counts())
        return {
            name: float(value)
            for name, value in zip(self.classes, values, strict=True)
            if not np.isnan(value)
        }

    def details(
        self,
        *,
        calibration: Mapping[str, Any] | None = None,
        placements: Sequence[Placement] = (),  # noqa: ARG002  every task is asked alike
    ) -> dict[str, Any]:
        """Return the facts behind the scores, JSON-serialisable and free of NaN.

        Returns:
            `classes`; `pictures`; `pixels`; `thresholds`; `per_class` [{label, pixels, share, iou, dice,
            precision, recall, boundary_f1, interval}], None where undefined; `intervals` {"miou",
            "pixel_accuracy": [low, high]}, 95 %, over pictures drawn again; `confusion` [[pixels]], rows are
            the truth, the last column is what was not seen; `border` and `inside` {"pixels", "wrong",
            "confusion"}: near a true border, and elsewhere; `picture_miou`, of each picture.
        """
        counts = self._counts()
        return {
            "classes": list(self.classes),
            "pictures": len(self._pictures),
            "pixels": int(counts[2].sum()),
            "thresholds": list((calibration or {}).get("thresholds", [])),
            "per_class": self._per_class(counts),
            "intervals": self._intervals(),
            "confusion": self.cells.tolist(),
            "border": _part(self._near),
            "inside": _part(self._inside),
            "picture_miou": [_known(_mean(iou(picture))) for picture in self._pictures],
        }

    def _counts(self) -> NDArray[np.int64]:
        """Return (3, K): right, found and true pixels of each class."""
        number = len(self.classes)
        return np.sum(self._pictures, axis=0) if self._pictures else np.zeros((3, number), np.int64)

    def _boundary_f1(self) -> NDArray[np.float64]:
        hits, found, met, real = self._borders.T.astype(np.float64)
        with np.errstate(invalid="ignore", divide="ignore"):
            precision, recall = hits / found, met / real
            f1 = 2 * precision * recall / (precision + recall)
        f1[(found > 0) != (real > 0)] = 0.0  # a border where there is none, or none where there is one
        f1[(found > 0) & (real > 0) & (hits + met == 0)] = 0.0
        return f1

    def _per_class(self, counts: NDArray[np.int64]) -> list[dict[str, Any]]:
        right, found, true = counts
        overlaps, dices, borders_f1 = iou(counts), dice(counts), self._boundary_f1()
        spread = self._class_intervals()
        total = max(1, int(true.sum()))
        return [
            {
                "label": label,
                "pixels": int(true[n]),
                "share": float(true[n] / total),
                "iou": _known(overlaps[n]),
                "dice": _known(dices[n]),
                "precision": float(right[n] / found[n]) if found[n] else None,
                "recall": float(right[n] / true[n]) if true[n] else None,
                "boundary_f1": _known(borders_f1[n]),
                "interval": spread[n],
            }
            for n, label in enumerate(self.classes)
        ]

    def _drawn(self) -> NDArray[np.int64]:
        """Return (R, 3, K): the counts of `RESAMPLES` draws of as many pictures, with replacement."""
        pictures = np.stack(self._pictures)  # (P, 3, K)
        times = np.random.default_rng(0).multinomial(
            len(pictures), np.full(len(pictures), 1 / len(pictures)), size=RESAMPLES
        )
        return np.asarray(np.tensordot(times, pictures, axes=1))

    def _intervals(self) -> dict[str, list[float]]:
        if len(self._pictures) < 2:
            return {}
        drawn = self._drawn()
        scores = np.array([_mean(iou(counts)) for counts in drawn])
        accuracy = drawn[:, 0].sum(axis=1) / np.maximum(1, drawn[:, 2].sum(axis=1))
        return {
            "miou": [float(v) for v in np.quantile(scores, INTERVAL)],
            "pixel_accuracy": [float(v) for v in np.quantile(accuracy, INTERVAL)],
        }

    def _class_intervals(self) -> list[list[float] | None]:
        if len(self._pictures) < 2:
            return [None] * len(self.classes)
        values = np.stack([iou(counts) for counts in self._drawn()])  # (R, K)
        return [
            None if np.isnan(column).any() else [float(v) for v in np.quantile(column, INTERVAL)]
            for column in values.T
        ]


def iou(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return (K,) IoU of (3, K) right, found and true pixels; NaN where a class is neither found nor true.

    >>> iou(np.array([[1, 0], [2, 0], [1, 0]])).tolist()
    [0.5, nan]
    """
    right, found, true = counts.astype(np.float64)
    with np.errstate(invalid="ignore"):
        return np.asarray(right / (found + true - right))


def dice(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return (K,) Dice = 2 right / (found + true), Dice 1945; NaN as in `iou`."""
    right, found, true = counts.astype(np.float64)
    with np.errstate(invalid="ignore"):
        return np.asarray(2 * right / (found + true))


def _part(cells: NDArray[np.int64]) -> dict[str, Any]:
    pixels = int(cells.sum())
    wrong = pixels - int(np.trace(cells[:, :-1]))
    return {"pixels": pixels, "wrong": wrong / pixels if pixels else None, "confusion": cells.tolist()}


def _mean(values: NDArray[np.float64]) -> float:
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else 0.0


def _known(value: Any) -> float | None:
    return None if np.isnan(value) else float(value)
