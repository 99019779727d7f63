import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nayan.core.errors import ConfigError, ShapeError
from nayan.core.types import ClassScores, Label
from nayan.tasks.classification.calibration import (
    calibration_bins,
    negative_log_likelihood,
    softmax,
    undo_temperature,
)
from nayan.tasks.classification.metric import (
    ClassificationMetric,
    accuracy,
    bootstrap_interval,
    expected_calibration_error,
    fit_temperature,
    fit_thresholds,
    macro_f1,
)


def scores(*rows: list[float]) -> list[ClassScores]:
    return [ClassScores(np.array(row, np.float32)) for row in rows]


def three_pictures() -> ClassificationMetric:
    metric = ClassificationMetric(["ant", "bee", "cow"])
    metric.update(scores([0.8, 0.1, 0.1], [0.6, 0.3, 0.1], [0.2, 0.7, 0.1]), [Label(0), Label(1), Label(1)])
    return metric


def numbers(value: object) -> list[float]:
    if isinstance(value, dict):
        return [n for item in value.values() for n in numbers(item)]
    if isinstance(value, list):
        return [n for item in value for n in numbers(item)]
    return [value] if isinstance(value, int | float) else []


def test_without_pictures_every_score_is_zero_and_nothing_is_nan() -> None:
    metric = ClassificationMetric(["ant", "bee"])
    assert metric.compute() == {"accuracy": 0.0, "top5_accuracy": 0.0, "macro_f1": 0.0, "ece": 0.0}
    details = metric.details(calibration={"temperature": 2.0})
    assert details["majority"] is None
    assert details["pictures"] == 0
    assert details["confusions"] == []
    assert details["intervals"] == {"accuracy": [0.0, 0.0], "macro_f1": [0.0, 0.0]}
    assert all(math.isfinite(n) for n in numbers(details))


def test_top5_accuracy_is_one_by_definition_with_at_most_five_classes() -> None:
    assert three_pictures().compute()["top5_accuracy"] == 1.0


def test_top5_counts_equal_scores_in_the_order_of_the_classes() -> None:
    metric = ClassificationMetric([str(i) for i in range(6)])
    metric.update(scores([1 / 6] * 6, [1 / 6] * 6), [Label(4), Label(5)])
    assert metric.compute()["top5_accuracy"] == 0.5


def test_details_are_json_and_name_the_confusions() -> None:
    details = three_pictures().details()
    assert json.loads(json.dumps(details, allow_nan=False)) == details
    assert details["confusion"] == [[1, 0, 0], [1, 1, 0], [0, 0, 0]]
    assert details["confusions"] == [{"truth": "bee", "predicted": "ant", "count": 1, "share": 0.5}]
    assert details["majority"] == {"label": "bee", "accuracy": 2 / 3}
    assert "before" not in details["calibration"]


def test_a_class_without_pictures_scores_zero_not_nan() -> None:
    assert three_pictures().details()["per_class"][2] == {
        "label": "cow",
        "precision": 0.0,
        "recall": 0.0,
        "f1": 0.0,
        "support": 0,
        "claimed": 0,
    }


def test_confusions_come_most_frequent_first() -> None:
    metric = ClassificationMetric(["ant", "bee", "cow"])
    metric.update(scores(*[[0, 1, 0]] * 2, [1, 0, 0]), [Label(2), Label(2), Label(1)])
    assert [(c["truth"], c["count"]) for c in metric.details()["confusions"]] == [("cow", 2), ("bee", 1)]


def test_updates_may_come_in_any_portions() -> None:
    whole, parts = ClassificationMetric("abc"), ClassificationMetric("abc")
    predictions = scores([0.8, 0.1, 0.1], [0.6, 0.3, 0.1], [0.2, 0.7, 0.1])
    targets = [Label(0), Label(1), Label(1)]
    whole.update(predictions, targets)
    for prediction, target in zip(predictions, targets, strict=True):
        parts.update([prediction], [target])
    assert whole.details() == parts.details()


def test_predictions_and_targets_must_be_as_many() -> None:
    with pytest.raises(ShapeError, match="1 predictions for 2 targets"):
        ClassificationMetric("ab").update(scores([1, 0]), [Label(0), Label(1)])


@pytest.mark.parametrize(("row", "target"), [([1, 0, 0], 0), ([1, 0], 2)])
def test_a_prediction_or_target_of_other_classes_is_refused(row: list[float], target: int) -> None:
    with pytest.raises(ShapeError, match="2 classes, but"):
        ClassificationMetric("ab").update(scores(row), [Label(target)])


def test_calibration_before_is_what_the_temperature_had_hidden() -> None:
    random = np.random.default_rng(0)
    z, y = random.normal(size=(80, 4)) * 4, random.integers(4, size=80)
    metric = ClassificationMetric("abcd")
    metric.update(scores(*softmax(z, temperature=3.0)), [Label(int(t)) for t in y])
    before = metric.details(calibration={"temperature": 3.0})["calibration"]["before"]
    assert before["ece"] == pytest.approx(expected_calibration_error(softmax(z), y), abs=1e-6)


@given(st.floats(0.2, 20), st.integers(0, 2**16))
def test_undoing_a_temperature_gives_the_first_probabilities_back(temperature: float, seed: int) -> None:
    z = np.random.default_rng(seed).normal(size=(3, 5)) * 5
    undone = undo_temperature(softmax(z, temperature=temperature), temperature)
    np.testing.assert_allclose(undone, softmax(z), atol=1e-9)


@given(st.integers(0, 2**16), st.floats(0.01, 100), st.integers(1, 30))
def test_a_fitted_temperature_never_makes_the_likelihood_worse(seed: int, spread: float, n: int) -> None:
    random = np.random.default_rng(seed)
    z, y = random.normal(size=(n, 4)) * spread, random.integers(4, size=n)
    temperature = fit_temperature(z, y)
    assert 0.2 - 1e-9 <= temperature <= 20 + 1e-9
    assert negative_log_likelihood(z, y, temperature=temperature) <= negative_log_likelihood(z, y)


def test_the_temperature_of_perfect_pictures_stops_at_its_lower_bound() -> None:
    assert fit_temperature(np.eye(3), [0, 1, 2]) == pytest.approx(0.2, rel=1e-6)


def test_the_temperature_of_contradicted_certainty_stops_at_its_upper_bound() -> None:
    assert fit_temperature(np.eye(3) * 9, [1, 2, 0]) == pytest.approx(20, rel=1e-6)


def test_logits_without_any_preference_leave_the_temperature_at_one() -> None:
    assert fit_temperature(np.zeros((4, 3)), [0, 1, 2, 0]) == 1.0


def test_without_pictures_the_temperature_is_one_and_the_likelihood_zero() -> None:
    assert fit_temperature(np.zeros((0, 3)), []) == 1.0
    assert negative_log_likelihood(np.zeros((0, 3)), []) == 0.0


@pytest.mark.parametrize("bounds", [(0.0, 2.0), (2.0, 3.0), (0.1, 0.5)])
def test_impossible_temperature_bounds_are_refused(bounds: tuple[float, float]) -> None:
    with pytest.raises(ConfigError, match="with 1 between them"):
        fit_temperature(np.eye(2), [0, 1], bounds=bounds)


def test_thresholds_with_the_best_f1_take_the_highest_of_equals() -> None:
    p = np.array([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7], [0.1, 0.9]])
    assert fit_thresholds(p, [0, 0, 1, 1]) == (0.8, 0.7)
    assert fit_thresholds([[0.9], [0.5], [0.4]], [0, 0, 0]) == (0.4,)


def test_a_target_precision_takes_the_smallest_threshold_that_reaches_it() -> None:
    p = np.array([[0.9, 0.1], [0.8, 0.2], [0.7, 0.3], [0.6, 0.4]])
    targets = [0, 1, 0, 1]
    assert fit_thresholds(p, targets, target_precision=0.6)[0] == 0.7
    assert fit_thresholds(p, targets, target_precision=0.9)[0] == 0.9


def test_a_precision_out_of_reach_gives_the_threshold_one() -> None:
    assert fit_thresholds([[0.9, 0.1], [0.2, 0.8]], [1, 0], target_precision=0.9) == (1.0, 1.0)


def test_a_class_without_pictures_gets_the_threshold_one_half() -> None:
    assert fit_thresholds([[0.9, 0.1], [0.8, 0.2]], [0, 0])[1] == 0.5
    assert fit_thresholds(np.zeros((0, 3)), []) == (0.5, 0.5, 0.5)


@pytest.mark.parametrize("precision", [0.0, 1.5])
def test_an_impossible_precision_is_refused(precision: float) -> None:
    with pytest.raises(ConfigError, match="target_precision"):
        fit_thresholds([[1.0]], [0], target_precision=precision)


@pytest.mark.parametrize(
    ("values", "targets", "error", "message"),
    [
        ([0.5], [0], ShapeError, r"\(N, C\)"),
        ([[0.5, 0.5]], [0, 1], ShapeError, r"\(N,\)"),
        ([[math.nan, 0.5]], [0], ShapeError, "must be finite"),
        ([[0.5, 0.5]], [2], ConfigError, "classes 0-1, got 2 to 2"),
    ],
)
def test_scores_and_targets_that_do_not_fit_are_refused(values, targets, error, message) -> None:
    with pytest.raises(error, match=message):
        expected_calibration_error(values, targets)


def test_bins_that_hold_nothing_say_so_without_nan() -> None:
    bins = calibration_bins([[0.9, 0.1]], [0], bins=2)
    assert (bins[0].count, bins[0].confidence, bins[0].accuracy) == (0, 0.25, 0.0)
    assert (bins[1].count, bins[1].confidence, bins[1].accuracy) == (1, 0.9, 1.0)


def test_no_bins_are_refused() -> None:
    with pytest.raises(ConfigError, match="bins = 0"):
        calibration_bins([[1.0]], [0], bins=0)


def test_a_bootstrap_interval_is_the_same_for_the_same_seed_and_holds_the_score() -> None:
    confusion = np.array([[30, 5], [8, 20]])
    first = bootstrap_interval(confusion, accuracy, seed=1)
    assert first == bootstrap_interval(confusion, accuracy, seed=1)
    assert first != bootstrap_interval(confusion, accuracy, seed=2)
    assert first[0] < 50 / 63 < first[1]


def test_the_bootstrap_of_perfect_and_of_hopeless_predictions_has_no_width() -> None:
    assert bootstrap_interval(np.diag([5, 5]), macro_f1) == (1.0, 1.0)
    assert bootstrap_interval(np.array([[0, 5], [5, 0]]), accuracy) == (0.0, 0.0)


@pytest.mark.parametrize(("level", "resamples"), [(0.0, 10), (1.0, 10), (0.9, 0)])
def test_an_impossible_bootstrap_is_refused(level: float, resamples: int) -> None:
    with pytest.raises(ConfigError, match="impossible bootstrap"):
        bootstrap_interval(np.eye(2, dtype=np.int64), accuracy, level=level, resamples=resamples)
