"""Our NumPy scores against scikit-learn and against plain loops written from the definitions."""

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn import metrics

from nayan.core.types import ClassScores, Label
from nayan.tasks.classification.calibration import precision_recall, softmax
from nayan.tasks.classification.metric import (
    ClassificationMetric,
    accuracy,
    bootstrap_interval,
    expected_calibration_error,
    fit_temperature,
    macro_f1,
    tally,
)

EXACT = pytest.approx


def drawn(
    seed: int, *, pictures: int = 200, classes: int = 8, used: int | None = None
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    random = np.random.default_rng(seed)
    targets = random.integers(used or classes, size=pictures)
    logits = random.normal(size=(pictures, classes))
    logits[np.arange(pictures), targets] += 1.0
    return softmax(logits, temperature=0.4).astype(np.float32), targets


def measured(probabilities: NDArray[np.float32], targets: NDArray[np.int64]) -> ClassificationMetric:
    metric = ClassificationMetric([f"c{i}" for i in range(probabilities.shape[1])])
    metric.update([ClassScores(p) for p in probabilities], [Label(int(t)) for t in targets])
    return metric


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("used", [8, 3])
def test_scores_equal_those_of_scikit_learn(seed: int, used: int) -> None:
    p, y = drawn(seed, used=used)
    scores = measured(p, y).compute()
    guess = p.argmax(axis=1)
    assert scores["accuracy"] == EXACT(metrics.accuracy_score(y, guess), abs=1e-12)
    assert scores["macro_f1"] == EXACT(
        metrics.f1_score(y, guess, average="macro", zero_division=0), abs=1e-12
    )
    top5 = metrics.top_k_accuracy_score(y, p, k=5, labels=range(8))
    assert scores["top5_accuracy"] == EXACT(top5, abs=1e-12)


def test_macro_f1_leaves_out_classes_that_occur_nowhere_as_scikit_learn_does() -> None:
    p, y = np.eye(6, dtype=np.float32)[[0, 1, 1]], np.array([0, 1, 0])
    expected = metrics.f1_score(y, p.argmax(axis=1), average="macro")
    assert measured(p, y).compute()["macro_f1"] == EXACT(expected, abs=1e-12)


@pytest.mark.parametrize("seed", range(5))
def test_details_a_class_equal_those_of_scikit_learn(seed: int) -> None:
    p, y = drawn(seed, pictures=60, used=6)
    details = measured(p, y).details()
    guess = p.argmax(axis=1)
    expected = np.array(metrics.precision_recall_fscore_support(y, guess, labels=range(8), zero_division=0))
    ours = [[row[key] for row in details["per_class"]] for key in ("precision", "recall", "f1", "support")]
    np.testing.assert_allclose(ours, expected, atol=1e-12)
    assert details["confusion"] == metrics.confusion_matrix(y, guess, labels=range(8)).tolist()


@pytest.mark.parametrize("seed", range(5))
def test_precision_and_recall_equal_those_of_scikit_learn_at_every_threshold(seed: int) -> None:
    random = np.random.default_rng(seed)
    scores, positives = random.integers(20, size=80) / 20, random.random(80) < 0.3
    precision, recall, thresholds = precision_recall(scores, positives)
    theirs = metrics.precision_recall_curve(positives, scores)
    np.testing.assert_allclose(precision, theirs[0][:-1], atol=1e-12)
    np.testing.assert_allclose(recall, theirs[1][:-1], atol=1e-12)
    np.testing.assert_array_equal(thresholds, theirs[2])


@pytest.mark.parametrize("bins", [1, 10, 15])
def test_calibration_error_equals_its_definition(bins: int) -> None:
    p, y = drawn(7, pictures=300)
    p[0] = np.eye(8)[0]  # a confidence of exactly 1 lies in the last bin
    total = 0.0
    for m in range(bins):
        inside = [
            (float(row.max()), row.argmax() == t)
            for row, t in zip(p, y, strict=True)
            if m / bins < float(row.max()) <= (m + 1) / bins
        ]
        if inside:
            confidence = sum(c for c, _ in inside) / len(inside)
            right = sum(r for _, r in inside) / len(inside)
            total += len(inside) / len(y) * abs(right - confidence)
    assert expected_calibration_error(p, y, bins=bins) == EXACT(total, abs=1e-12)


@pytest.mark.parametrize("seed", range(4))
def test_the_temperature_is_the_minimum_that_scipy_finds(seed: int) -> None:
    optimize = pytest.importorskip("scipy.optimize")
    random = np.random.default_rng(seed)
    y = random.integers(5, size=150)
    z = random.normal(size=(150, 5)) * 3
    z[np.arange(150), y] += 3
    best = optimize.minimize_scalar(
        lambda t: metrics.log_loss(y, softmax(z, temperature=t), labels=range(5)),
        bounds=(0.2, 20),
        method="bounded",
        options={"xatol": 1e-10},
    )
    assert fit_temperature(z, y) == EXACT(best.x, rel=1e-5)


@pytest.mark.parametrize("score", [accuracy, macro_f1])
def test_the_bootstrap_agrees_with_drawing_the_pictures_themselves(score: object) -> None:
    p, y = drawn(3, pictures=120, classes=4)
    guess, random, scores = p.argmax(axis=1), np.random.default_rng(0), []
    for _ in range(1000):
        pick = random.integers(120, size=120)
        confusion = metrics.confusion_matrix(y[pick], guess[pick], labels=range(4))
        scores.append(float(score(tally(confusion))))
    low, high = bootstrap_interval(metrics.confusion_matrix(y, guess, labels=range(4)), score)
    assert (low, high) == EXACT(tuple(np.quantile(scores, [0.025, 0.975])), abs=0.015)
