"""How good is a segmenter? IoU, Dice and borders, and the facts behind them. NumPy and OpenCV only."""

# K classes, P pictures, R draws of them

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
        self._pictures: list[NDArray[np.int64]] = []  # (3, K) each: right, found, true pixels
        self._borders: list[NDArray[np.int64]] = []  # (K, 4) each, as `border_matches` counts

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
        self._borders.append(border_matches(found, truth, classes=number))
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
            "boundary_f1": _mean(boundary_f1(self._edges())),
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
            `classes`; `pictures`; `pixels`; `thresholds`; `per_class` [{label, pictures, pixels, share, iou,
            dice, precision, recall, boundary_f1, interval}], None where undefined, the pictures those that
            show it; `intervals` {"miou", "dice", "pixel_accuracy", "boundary_f1": [low, high]}, 95 %, over
            pictures drawn again; `confusion` [[pixels]], rows are the truth, the last column is what was not
            seen; `border` and `inside` {"pixels", "wrong", "confusion"}: near a true border, and elsewhere;
            `picture_miou`, of each picture, None where all of it is void.
        """
        counts, times = self._counts(), self._times()
        return {
            "classes": list(self.classes),
            "pictures": len(self._pictures),
            "pixels": int(counts[2].sum()),
            "thresholds": list((calibration or {}).get("thresholds", [])),
            "per_class": self._per_class(counts, times),
            "intervals": self._intervals(times),
            "confusion": self.cells.tolist(),
            "border": _part(self._near),
            "inside": _part(self._inside),
            "picture_miou": [_mean(iou(p)) if p[2].any() else None for p in self._pictures],
        }

    def _counts(self) -> NDArray[np.int64]:
        """Return (3, K): right, found and true pixels of each class."""
        number = len(self.classes)
        return np.sum(self._pictures, axis=0) if self._pictures else np.zeros((3, number), np.int64)

    def _edges(self) -> NDArray[np.int64]:
        """Return (K, 4): the border pixels of all pictures."""
        return np.sum(self._borders, axis=0) if self._borders else np.zeros((len(self.classes), 4), np.int64)

    def _per_class(
        self, counts: NDArray[np.int64], times: NDArray[np.float64] | None
    ) -> list[dict[str, Any]]:
        right, found, true = counts
        overlaps, dices, borders_f1 = iou(counts), dice(counts), boundary_f1(self._edges())
        spread = self._class_intervals(times)
        shown = np.sum([picture[2] > 0 for picture in self._pictures], axis=0) if self._pictures else true
        total = max(1, int(true.sum()))
        return [
            {
                "label": label,
                "pictures": int(shown[n]),
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

    def _times(self) -> NDArray[np.float64] | None:
        """Return (R, P): how often each picture is in draws of as many, with replacement; None below two."""
        pictures = len(self._pictures)
        if pictures < 2:
            return None
        times = np.random.default_rng(0).multinomial(pictures, np.full(pictures, 1 / pictures), RESAMPLES)
        return times.astype(np.float64)

    def _intervals(self, times: NDArray[np.float64] | None) -> dict[str, list[float]]:
        if times is None:
            return {}
        drawn = _drawn(times, self._pictures)  # (R, 3, K)
        accuracy = drawn[:, 0].sum(axis=1) / np.maximum(1, drawn[:, 2].sum(axis=1))
        overlaps = np.array([_mean(iou(counts)) for counts in drawn])
        dices = np.array([_mean(dice(counts)) for counts in drawn])
        edges = np.array([_mean(boundary_f1(counts)) for counts in _drawn(times, self._borders)])
        scores = {"miou": overlaps, "dice": dices, "pixel_accuracy": accuracy, "boundary_f1": edges}
        return {name: _interval(values) for name, values in scores.items()}

    def _class_intervals(self, times: NDArray[np.float64] | None) -> list[list[float] | None]:
        """Return the interval of each class; None where a draw may hold nothing of it."""
        if times is None:
            return [None] * len(self.classes)
        values = np.stack([iou(counts) for counts in _drawn(times, self._pictures)])  # (R, K)
        return [None if np.isnan(column).any() else _interval(column) for column in values.T]


def iou(counts: NDArray[np.integer | np.floating]) -> NDArray[np.float64]:
    """Return (K,) IoU of (3, K) right, found and true pixels; NaN where a class is neither found nor true.

    >>> iou(np.array([[1, 0], [2, 0], [1, 0]])).tolist()
    [0.5, nan]
    """
    right, found, true = counts.astype(np.float64)
    with np.errstate(invalid="ignore"):
        return np.asarray(right / (found + true - right))


def dice(counts: NDArray[np.integer | np.floating]) -> NDArray[np.float64]:
    """Return (K,) Dice = 2 right / (found + true), Dice 1945; NaN as in `iou`."""
    right, found, true = counts.astype(np.float64)
    with np.errstate(invalid="ignore"):
        return np.asarray(2 * right / (found + true))


def boundary_f1(counts: NDArray[np.integer | np.floating]) -> NDArray[np.float64]:
    """Return (K,) boundary F1 of the (K, 4) counts of `border_matches`; NaN where there is no border at all.

    >>> boundary_f1(np.array([[1, 2, 1, 1], [0, 3, 0, 0], [0, 0, 0, 0]])).round(3).tolist()
    [0.667, 0.0, nan]
    """
    hits, found, met, real = counts.T.astype(np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        precision, recall = hits / found, met / real
        f1 = 2 * precision * recall / (precision + recall)
    # nothing meets: a border where there is none, none where there is one, or two that lie apart
    f1[(found + real > 0) & (hits + met == 0)] = 0.0
    return np.asarray(f1)


def _drawn(times: NDArray[np.float64], pictures: Sequence[NDArray[np.int64]]) -> NDArray[np.float64]:
    """Return (R, ...) the sums of the pictures' counts in each draw."""
    stacked = np.stack(pictures)
    return (times @ stacked.reshape(len(stacked), -1)).reshape(len(times), *stacked.shape[1:])


def _interval(values: NDArray[np.float64]) -> list[float]:
    return [float(value) for value in np.quantile(values, INTERVAL)]


def _part(cells: NDArray[np.int64]) -> dict[str, Any]:
    pixels = int(cells.sum())
    wrong = pixels - int(np.trace(cells[:, :-1]))
    return {"pixels": pixels, "wrong": wrong / pixels if pixels else None, "confusion": cells.tolist()}


def _mean(values: NDArray[np.float64]) -> float:
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else 0.0


def _known(value: Any) -> float | None:
    return None if np.isnan(value) else float(value)
