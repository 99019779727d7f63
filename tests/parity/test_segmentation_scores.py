"""Our scores of masks against scikit-learn's, on the same pixels."""

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn import metrics

from nayan.core.types import VOID, SemanticMask
from nayan.tasks.segmentation.metric import SegmentationMetric

Masks = list[NDArray[np.uint8]]


def drawn(seed: int, *, classes: int, used: int) -> tuple[Masks, Masks]:
    """Return found and true masks of pictures of several sizes; some pixels are void in the truth."""
    random = np.random.default_rng(seed)
    found, truths = [], []
    for _ in range(6):
        size = tuple(random.integers(4, 24, 2))
        truth = random.integers(0, used, size, dtype=np.uint8)
        guess = np.where(random.random(size) < 0.6, truth, random.integers(0, used, size)).astype(np.uint8)
        truth[random.random(size) < 0.1] = VOID
        found.append(guess)
        truths.append(truth)
    assert used <= classes
    return found, truths


def flat(found: Masks, truths: Masks) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    guess, truth = (np.concatenate([each.ravel() for each in masks]) for masks in (found, truths))
    return truth[truth != VOID], guess[truth != VOID]


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(("classes", "used"), [(2, 2), (11, 11), (9, 4), (60, 60)])
def test_scores_equal_those_of_scikit_learn(seed: int, classes: int, used: int) -> None:
    found, truths = drawn(seed, classes=classes, used=used)
    metric = SegmentationMetric([f"class {n}" for n in range(classes)])
    metric.update([SemanticMask(ids) for ids in found], [SemanticMask(ids) for ids in truths])
    truth, guess = flat(found, truths)
    labels = np.arange(used)
    scores, made = metric.compute(), metric.details()

    cells = metrics.confusion_matrix(truth, guess, labels=np.arange(classes))
    np.testing.assert_array_equal(metric.cells[:, :-1], cells)
    assert metric.cells[:, -1].sum() == 0

    iou = metrics.jaccard_score(truth, guess, labels=labels, average=None)
    dice = metrics.f1_score(truth, guess, labels=labels, average=None)
    recall = metrics.recall_score(truth, guess, labels=labels, average=None)
    precision = metrics.precision_score(truth, guess, labels=labels, average=None, zero_division=0)
    rows = made["per_class"]
    assert [row["iou"] for row in rows[:used]] == pytest.approx(iou, abs=1e-12)
    assert [row["dice"] for row in rows[:used]] == pytest.approx(dice, abs=1e-12)
    assert [row["recall"] for row in rows[:used]] == pytest.approx(recall, abs=1e-12)
    assert [row["precision"] or 0.0 for row in rows[:used]] == pytest.approx(precision, abs=1e-12)
    assert [row["iou"] for row in rows[used:]] == [None] * (classes - used)

    assert scores["miou"] == pytest.approx(iou.mean(), abs=1e-12)
    assert scores["dice"] == pytest.approx(dice.mean(), abs=1e-12)
    assert scores["pixel_accuracy"] == pytest.approx(metrics.accuracy_score(truth, guess), abs=1e-12)
