import json

import numpy as np
import pytest

from nayan.core.errors import BundleError, ConfigError, ShapeError
from nayan.core.types import ClassScores
from nayan.runtime.preprocess import Placement
from nayan.tasks.classification.decode import decode, to_records

PLACE = Placement((8, 8), (1.0, 1.0), (0.0, 0.0))
SCORES = ClassScores(np.array([0.125, 0.5, 0.375], np.float32))
NAMES = ("ant", "bee", "cow")


def test_decode_gives_one_prediction_a_picture_in_order() -> None:
    probabilities = np.array([[0.1, 0.9], [0.75, 0.25]], np.float32)
    raw = {"probabilities": probabilities, "logits": np.log(probabilities)}
    found = decode(raw, [PLACE, PLACE], thresholds=(0.5, 0.5))
    assert [p.label for p in found] == [1, 0]
    assert found[1].score == 0.75


def test_decoded_predictions_do_not_change_with_the_batch_they_came_from() -> None:
    probabilities = np.array([[0.25, 0.75]], np.float32)
    found = decode({"probabilities": probabilities}, [PLACE])
    probabilities[:] = 0
    assert found[0].score == 0.75


def test_an_empty_batch_decodes_to_nothing() -> None:
    assert decode({"probabilities": np.zeros((0, 3), np.float32)}, []) == []


@pytest.mark.parametrize(
    ("raw", "found"), [({"boxes": np.zeros(1)}, "this model returns boxes"), ({}, "returns nothing")]
)
def test_outputs_of_another_task_are_refused_by_name(raw: dict, found: str) -> None:
    with pytest.raises(BundleError, match=found):
        decode(raw, [PLACE])


@pytest.mark.parametrize("shape", [(3,), (2, 3), (1, 2, 3)])
def test_probabilities_of_another_shape_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ShapeError, match=r"\(1, C\)"):
        decode({"probabilities": np.zeros(shape, np.float32)}, [PLACE])


def test_probabilities_that_are_not_finite_are_refused() -> None:
    with pytest.raises(BundleError, match="not finite"):
        decode({"probabilities": np.array([[np.nan, 1.0]], np.float32)}, [PLACE])


def test_records_come_best_first_and_are_json() -> None:
    records = to_records(SCORES, NAMES)
    assert records == [
        {"label": "bee", "score": 0.5},
        {"label": "cow", "score": 0.375},
        {"label": "ant", "score": 0.125},
    ]
    assert json.loads(json.dumps(records)) == records


def test_records_stop_at_top() -> None:
    assert [r["label"] for r in to_records(SCORES, NAMES, top=2)] == ["bee", "cow"]


def test_one_threshold_filters_all_classes_and_keeps_scores_that_equal_it() -> None:
    assert [r["label"] for r in to_records(SCORES, NAMES, conf=0.375)] == ["bee", "cow"]
    assert to_records(SCORES, NAMES, conf=0.75) == []


def test_thresholds_a_class_filter_each_its_own() -> None:
    assert [r["label"] for r in to_records(SCORES, NAMES, conf=(0.1, 0.9, 0.3))] == ["cow", "ant"]


def test_thresholds_for_another_number_of_classes_are_refused() -> None:
    with pytest.raises(ConfigError, match="2 thresholds for 3 classes"):
        to_records(SCORES, NAMES, conf=(0.1, 0.9))


def test_names_for_another_number_of_classes_are_refused() -> None:
    with pytest.raises(ShapeError, match="3 probabilities need 3 class names, got 2"):
        to_records(SCORES, NAMES[:2])


def test_asking_for_no_class_at_all_is_refused() -> None:
    with pytest.raises(ConfigError, match="top = 0"):
        to_records(SCORES, NAMES, top=0)
