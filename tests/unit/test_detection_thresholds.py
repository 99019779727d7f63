import numpy as np
import pytest

from nayan.core.errors import ShapeError
from nayan.core.types import Boxes
from nayan.tasks.detection.thresholds import DEFAULT, FEW, above, fit_thresholds, usable


def row(count: int, label: int = 0, *, scores: list[float] | None = None, top: int = 0) -> Boxes:
    """Return boxes side by side."""
    left = np.arange(count, dtype=np.float32) * 20
    xyxy = np.stack([left, np.full(count, top), left + 10, np.full(count, top + 10)], axis=1)
    values = None if scores is None else np.array(scores, np.float32)
    return Boxes(xyxy.astype(np.float32), np.full(count, label, np.int64), values)


def both(first: Boxes, second: Boxes) -> Boxes:
    scores = None
    if first.scores is not None and second.scores is not None:
        scores = np.concatenate([first.scores, second.scores])
    return Boxes(
        np.concatenate([first.xyxy, second.xyxy]), np.concatenate([first.labels, second.labels]), scores
    )


def test_the_threshold_lies_between_the_last_right_and_the_first_wrong_detection() -> None:
    truth = row(FEW)
    found = both(row(FEW, scores=[0.75] * FEW), row(5, scores=[0.25] * 5, top=500))
    assert fit_thresholds([found], [truth], 1) == (0.5,)


def test_a_threshold_below_all_detections_keeps_the_last_one() -> None:
    scores = np.linspace(0.3, 0.9, FEW).astype(np.float32)
    (threshold,) = fit_thresholds([row(FEW, scores=scores.tolist())], [row(FEW)], 1)
    assert threshold == float(scores[0])


def test_equal_scores_are_kept_together_or_not_at_all() -> None:
    found = both(row(FEW, scores=[0.5] * FEW), row(5, scores=[0.5] * 5, top=500))
    (threshold,) = fit_thresholds([found], [row(FEW)], 1)
    assert threshold == 0.5


def test_each_class_has_its_own_threshold() -> None:
    truth = both(row(FEW), row(FEW, 1, top=100))
    found = both(
        both(row(FEW, scores=[0.75] * FEW), row(9, scores=[0.25] * 9, top=500)),
        both(row(FEW, 1, scores=[0.25] * FEW, top=100), row(9, 1, scores=[0.125] * 9, top=500)),
    )
    assert fit_thresholds([found], [truth], 2) == (0.5, 0.1875)


def test_a_class_with_few_objects_gets_the_threshold_of_all() -> None:
    truth = both(row(FEW), row(FEW - 1, 1, top=100))
    found = both(
        both(row(FEW, scores=[0.75] * FEW), row(60, scores=[0.25] * 60, top=500)),
        row(FEW - 1, 1, scores=[0.125] * (FEW - 1), top=100),
    )
    first, second = fit_thresholds([found], [truth], 2)
    assert first == second == 0.5


def test_where_nothing_is_right_the_default_holds() -> None:
    assert fit_thresholds([row(3, scores=[0.9] * 3, top=300)], [row(FEW)], 1) == (DEFAULT,)
    assert fit_thresholds([Boxes.none()], [row(FEW)], 1) == (DEFAULT,)
    assert fit_thresholds([], [], 3) == (DEFAULT,) * 3


def test_crowds_count_on_neither_side() -> None:
    truth = row(FEW + 1)
    crowd = np.arange(FEW + 1) == FEW
    marked = Boxes(truth.xyxy, truth.labels, crowd=crowd)
    scores = [0.75] * FEW + [0.9]
    (threshold,) = fit_thresholds([row(FEW + 1, scores=scores)], [marked], 1)
    assert threshold == 0.75


def test_predictions_without_scores_and_missing_pictures_are_refused() -> None:
    with pytest.raises(ShapeError, match="picture 0 have no scores"):
        fit_thresholds([row(1)], [row(1)], 1)
    with pytest.raises(ShapeError, match="predictions of 1 pictures for 2 targets"):
        fit_thresholds([Boxes.none()], [row(1), row(1)], 1)
    with pytest.raises(ShapeError, match="classes are 0-0, got 1 to 1"):
        fit_thresholds([Boxes.none()], [row(1, 1)], 1)
    with pytest.raises(ShapeError, match="must be finite"):
        fit_thresholds([row(1, scores=[float("nan")])], [row(1)], 1)


def test_what_is_shown_reaches_the_threshold_of_its_class() -> None:
    found = both(row(1, scores=[0.5]), row(1, 1, scores=[0.5]))
    (shown,) = above([found], (0.5, 0.75))
    assert shown.labels.tolist() == [0]
    assert len(above([Boxes.none()], (0.5,))[0]) == 0


def test_thresholds_of_another_model_are_not_used() -> None:
    assert usable({"thresholds": [0.5, 0.25]}, classes=2) == (0.5, 0.25)
    assert usable({"thresholds": [0.5]}, classes=2) == usable(None, classes=2) == (DEFAULT, DEFAULT)
