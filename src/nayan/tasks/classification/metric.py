"""How good is a classifier? Scores, their uncertainty, and the facts behind them. NumPy only.

N pictures, C classes, R resamples.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nayan.core.errors import ConfigError, ShapeError
from nayan.core.types import ClassScores, Label
from nayan.runtime.preprocess import Placement
from nayan.tasks.classification.calibration import (
    CalibrationBin,
    calibration_bins,
    ece_of,
    expected_calibration_error,
    fit_temperature,
    fit_thresholds,
    undo_temperature,
)

__all__ = [
    "ClassificationMetric",
    "Tally",
    "accuracy",
    "bootstrap_interval",
    "class_f1",
    "expected_calibration_error",
    "fit_temperature",
    "fit_thresholds",
    "macro_f1",
    "tally",
]

NUM_CONFUSIONS = 20


@dataclass(frozen=True, slots=True, eq=False)
class Tally:
    """Counts a class, of one evaluation (C,) or of R resampled ones (R, C).

    Attributes:
        hits: pictures of the class that were called so.
        support: pictures of the class.
        claimed: pictures that were called so.
    """

    hits: NDArray[np.int64]
    support: NDArray[np.int64]
    claimed: NDArray[np.int64]


def tally(confusion: NDArray[np.int64]) -> Tally:
    """Return the counts a class of a (C, C) confusion matrix whose rows are the truth."""
    return Tally(np.diagonal(confusion).copy(), confusion.sum(axis=1), confusion.sum(axis=0))


def accuracy(counts: Tally) -> NDArray[np.float64]:
    """Return the share of pictures that are right, () or (R,); 0 for no pictures."""
    return np.asarray(counts.hits.sum(axis=-1) / np.maximum(1, counts.support.sum(axis=-1)))


def class_f1(counts: Tally) -> NDArray[np.float64]:
    """Return the F1 of each class, (C,) or (R, C); 0 for a class without pictures or without hits."""
    return np.asarray(2 * counts.hits / np.maximum(1, counts.support + counts.claimed))


def macro_f1(counts: Tally) -> NDArray[np.float64]:
    """Return the unweighted mean F1, () or (R,), of the classes that have a picture or were claimed.

    Classes that occur on neither side are left out, as scikit-learn does; without any class it is 0.
    """
    present = (counts.support + counts.claimed > 0).sum(axis=-1)
    return np.asarray(class_f1(counts).sum(axis=-1) / np.maximum(1, present))


def bootstrap_interval(
    confusion: NDArray[np.int64],
    statistic: Callable[[Tally], NDArray[np.float64]],
    *,
    resamples: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> tuple[float, float]:
    """Return the percentile bootstrap interval of a score: what other test sets like this might show.

    Drawing N pictures with replacement is drawing the cells of the confusion matrix from a
    multinomial distribution, so the time does not grow with N.

    Args:
        confusion: (C, C) counts, rows are the truth.
        statistic: from tallies of shape (R, C) to (R,) scores, such as `accuracy`.
        resamples: number R of data sets that are drawn.
        level: share of them within the interval.
        seed: of the drawing.

    Returns:
        (low, high); (0, 0) for no pictures. Where all pictures are right it is (1, 1): resampling
        cannot show a mistake that the data do not hold.

    Raises:
        ConfigError: if `level` is not in (0, 1) or `resamples` is below 1.

    Source: Efron (1979), Bootstrap methods: another look at the jackknife.

    >>> bootstrap_interval(np.array([[40, 10], [10, 40]]), accuracy)
    (0.71, 0.87)
    """
    if not 0 < level < 1 or resamples < 1:
        raise ConfigError(f"impossible bootstrap: level {level}, {resamples} resamples")
    rows, columns = np.nonzero(confusion)
    counts = confusion[rows, columns]
    total = int(counts.sum())
    if total == 0:
        return (0.0, 0.0)
    random = np.random.default_rng(seed)
    scores = []
    chunk = max(1, 4_000_000 // len(counts))  # bounds the memory to some ten megabytes
    for start in range(0, resamples, chunk):
        drawn = random.multinomial(total, counts / total, size=min(chunk, resamples - start))
        scores.append(statistic(_tally_cells(drawn, rows, columns, len(confusion))))
    low, high = np.quantile(np.concatenate(scores), [(1 - level) / 2, (1 + level) / 2])
    return (float(low), float(high))


def _tally_cells(
    drawn: NDArray[np.int64], rows: NDArray[np.int64], columns: NDArray[np.int64], num_classes: int
) -> Tally:
    """Return (R, C) tallies of (R, K) counts of the cells (rows[k], columns[k])."""

    def sums(values: NDArray[np.int64], index: NDArray[np.int64]) -> NDArray[np.int64]:
        order = np.argsort(index, kind="stable")
        present, starts = np.unique(index[order], return_index=True)
        result = np.zeros((len(values), num_classes), np.int64)
        if len(present):
            result[:, present] = np.add.reduceat(values[:, order], starts, axis=1)
        return result

    right = rows == columns
    return Tally(sums(drawn[:, right], rows[right]), sums(drawn, rows), sums(drawn, columns))


class ClassificationMetric:
    """Collects predictions with their ground truth and scores them.

    Args:
        classes: names, in the order of the probabilities.

    >>> metric = ClassificationMetric(["cat", "dog"])
    >>> metric.update([ClassScores(np.array([0.25, 0.75], np.float32))], [Label(1)])
    >>> metric.compute()["accuracy"]
    1.0
    """

    def __init__(self, classes: Sequence[str]) -> None:
        self.classes = tuple(classes)
        self._probabilities: list[NDArray[np.float32]] = []
        self._targets: list[int] = []

    def update(self, predictions: Sequence[ClassScores], targets: Sequence[Label]) -> None:
        """Add pictures.

        Raises:
            ShapeError: if the numbers of predictions, targets and classes do not agree.
        """
        if len(predictions) != len(targets):
            raise ShapeError(f"{len(predictions)} predictions for {len(targets)} targets")
        num_classes = len(self.classes)
        for prediction, target in zip(predictions, targets, strict=True):
            if prediction.probabilities.shape != (num_classes,) or target.index >= num_classes:
                raise ShapeError(
                    f"{num_classes} classes, but {len(prediction.probabilities)} probabilities "
                    f"and the true class {target.index}"
                )
            self._probabilities.append(prediction.probabilities)
            self._targets.append(target.index)

    def compute(self) -> dict[str, float]:
        """Return `accuracy`, `top5_accuracy`, `macro_f1` and `ece` of all that was added.

        With no more than five classes `top5_accuracy` is 1 by definition. Without pictures all are 0.
        `macro_f1` leaves out classes that neither occur nor were claimed.
        """
        probabilities, targets = self._arrays()
        counts = tally(self._confusion(probabilities, targets))
        return {
            "accuracy": float(accuracy(counts)),
            "top5_accuracy": _top_accuracy(probabilities, targets, 5),
            "macro_f1": float(macro_f1(counts)),
            "ece": expected_calibration_error(probabilities, targets),
        }

    def details(
        self,
        *,
        calibration: Mapping[str, Any] | None = None,
        placements: Sequence[Placement] = (),  # noqa: ARG002  a whole picture has no place
    ) -> dict[str, Any]:
        """Return the facts behind the scores, JSON-serialisable and free of NaN.

        Args:
            calibration: what was fitted on validation; where it holds the "temperature" that the
                probabilities were calibrated with, the calibration as it was before is told as well.
            placements: how each picture lies in the network's input; not needed here.

        Returns:
            `classes`; `pictures`; `majority` {label, accuracy} of the best constant guess (None without
            pictures); `per_class` [{label, precision, recall, f1, support, claimed}], 0 where undefined;
            `confusion` [[count]], rows are the truth; `confusions` [{truth, predicted, count, share}],
            the most frequent first, share of the truth's pictures; `calibration` {ece, bins, before?};
            `intervals` {accuracy, macro_f1: [low, high]} at 95 %.
        """
        probabilities, targets = self._arrays()
        confusion = self._confusion(probabilities, targets)
        counts = tally(confusion)
        told = _describe_bins(calibration_bins(probabilities, targets))
        temperature = (calibration or {}).get("temperature")
        if temperature is not None:
            before = undo_temperature(probabilities, temperature)
            told["before"] = _describe_bins(calibration_bins(before, targets))
        return {
            "classes": list(self.classes),
            "pictures": len(targets),
            "majority": self._majority(counts),
            "per_class": self._per_class(counts),
            "confusion": confusion.tolist(),
            "confusions": self._confusions(confusion),
            "calibration": told,
            "intervals": {
                "accuracy": list(bootstrap_interval(confusion, accuracy)),
                "macro_f1": list(bootstrap_interval(confusion, macro_f1)),
            },
        }

    def _arrays(self) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        if not self._targets:
            return np.zeros((0, len(self.classes)), np.float32), np.zeros(0, np.int64)
        return np.stack(self._probabilities), np.array(self._targets, np.int64)

    def _confusion(self, probabilities: NDArray[np.float32], targets: NDArray[np.int64]) -> NDArray[np.int64]:
        num_classes = len(self.classes)
        predicted = probabilities.argmax(axis=1) if len(targets) else targets
        cells = np.bincount(targets * num_classes + predicted, minlength=num_classes**2)
        return cells.reshape(num_classes, num_classes).astype(np.int64)

    def _majority(self, counts: Tally) -> dict[str, Any] | None:
        total = int(counts.support.sum())
        if total == 0:
            return None
        best = int(counts.support.argmax())
        return {"label": self.classes[best], "accuracy": float(counts.support[best] / total)}

    def _per_class(self, counts: Tally) -> list[dict[str, Any]]:
        f1 = class_f1(counts)
        precision = counts.hits / np.maximum(1, counts.claimed)
        recall = counts.hits / np.maximum(1, counts.support)
        return [
            {
                "label": label,
                "precision": float(precision[index]),
                "recall": float(recall[index]),
                "f1": float(f1[index]),
                "support": int(counts.support[index]),
                "claimed": int(counts.claimed[index]),
            }
            for index, label in enumerate(self.classes)
        ]

    def _confusions(self, confusion: NDArray[np.int64]) -> list[dict[str, Any]]:
        wrong = confusion - np.diag(np.diagonal(confusion))
        cells = zip(*np.nonzero(wrong), strict=True)
        order = sorted((-int(wrong[cell]), *map(int, cell)) for cell in cells)[:NUM_CONFUSIONS]
        return [
            {
                "truth": self.classes[row],
                "predicted": self.classes[column],
                "count": -count,
                "share": float(-count / confusion[row].sum()),
            }
            for count, row, column in order
        ]


def mistakes(
    predictions: Sequence[ClassScores],
    targets: Sequence[Label],
    classes: Sequence[str],
    *,
    limit: int,
    calibration: Mapping[str, Any] | None = None,  # noqa: ARG001  the most probable class needs no threshold
) -> list[dict[str, Any]]:
    """Return the wrong predictions that were surest, the surest first.

    Returns:
        `{"row", "truth", "predicted", "score", "truth_score"}` each: the position in `predictions`, two
        names, and the probabilities of the class that was predicted and of the true one.
    """
    wrong = [
        (row, prediction, target)
        for row, (prediction, target) in enumerate(zip(predictions, targets, strict=True))
        if prediction.label != target.index
    ]
    wrong.sort(key=lambda each: -each[1].score)
    return [
        {
            "row": row,
            "truth": classes[target.index],
            "predicted": classes[prediction.label],
            "score": round(prediction.score, 6),
            "truth_score": round(float(prediction.probabilities[target.index]), 6),
        }
        for row, prediction, target in wrong[:limit]
    ]


def _top_accuracy(probabilities: NDArray[np.float32], targets: NDArray[np.int64], k: int) -> float:
    """Return the share of pictures whose true class is among the `k` best; equals rank by index."""
    if not len(targets):
        return 0.0
    true = np.take_along_axis(probabilities, targets[:, None], axis=1)
    earlier = np.arange(probabilities.shape[1]) < targets[:, None]
    rank = ((probabilities > true) | ((probabilities == true) & earlier)).sum(axis=1)
    return float((rank < k).mean())


def _describe_bins(bins: Sequence[CalibrationBin]) -> dict[str, Any]:
    return {"ece": ece_of(bins), "bins": [asdict(b) for b in bins]}
