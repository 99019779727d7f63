"""From candidates to objects: thresholds, suppression, places in the original picture."""

from __future__ import annotations

import numpy as np
import pytest

from nayan.core.errors import BundleError, ConfigError, ShapeError
from nayan.core.types import Boxes
from nayan.runtime.preprocess import Placement, Preprocess
from nayan.tasks.detection.decode import decode, to_records

WHOLE = Placement((100, 100), (1.0, 1.0), (0.0, 0.0))


def raw(boxes: list[list[float]], scores: list[list[float]]) -> dict[str, np.ndarray]:
    return {"boxes": np.array([boxes], np.float32), "scores": np.array([scores], np.float32)}


def test_of_two_boxes_of_one_class_the_surer_is_kept_and_of_two_classes_both() -> None:
    boxes = [[0, 0, 10, 10], [0, 0, 10, 9]]
    (same,) = decode(raw(boxes, [[0.9, 0.0], [0.8, 0.0]]), [WHOLE])
    (apart,) = decode(raw(boxes, [[0.9, 0.0], [0.0, 0.8]]), [WHOLE])
    (agnostic,) = decode(raw(boxes, [[0.9, 0.0], [0.0, 0.8]]), [WHOLE], agnostic=True)
    assert [len(found) for found in (same, apart, agnostic)] == [1, 2, 1]
    assert same.scores is not None
    assert same.scores.tolist() == pytest.approx([0.9])


def test_a_threshold_before_suppression_keeps_what_one_after_it_keeps() -> None:
    rng = np.random.default_rng(0)
    corners = rng.uniform(0, 80, (200, 2))
    boxes = np.concatenate([corners, corners + rng.uniform(5, 20, (200, 2))], axis=1).astype(np.float32)
    candidates = {"boxes": boxes[None], "scores": rng.random((1, 200, 3)).astype(np.float32)}
    (late,) = decode(candidates, [WHOLE], max_det=600)
    (early,) = decode(candidates, [WHOLE], conf=0.5, max_det=600)
    assert late.scores is not None
    np.testing.assert_array_equal(late.select(late.scores >= 0.5).xyxy, early.xyxy)


def test_boxes_of_each_class_are_taken_for_their_class() -> None:
    boxes = np.array([[[[0, 0, 5, 5], [50, 50, 60, 60]]]], np.float32)  # (1, 1, 2, 4)
    (found,) = decode({"boxes": boxes, "scores": np.array([[[0.1, 0.9]]], np.float32)}, [WHOLE])
    assert dict(zip(found.labels.tolist(), found.xyxy[:, 0].tolist(), strict=True)) == {0: 0.0, 1: 50.0}


def test_a_box_in_the_gray_border_of_a_letterbox_is_no_object() -> None:
    pixels, placement = Preprocess((64, 64), "letterbox")(np.zeros((32, 64, 3), np.uint8))
    (found,) = decode(raw([[0, 0, 60, 10], [0, 20, 64, 40]], [[0.9], [0.8]]), [placement])
    assert pixels.shape == (64, 64, 3)
    assert found.xyxy.tolist() == [[0.0, 4.0, 64.0, 24.0]]


def test_places_refer_to_the_whole_picture_when_a_smaller_version_was_decoded() -> None:
    preprocess = Preprocess((64, 64), "letterbox")
    _, placement = preprocess(np.zeros((48, 64, 3), np.uint8), (480, 640))
    (found,) = decode(raw([[0, 8, 64, 56]], [[0.9]]), [placement])
    assert found.xyxy.tolist() == [[0.0, 0.0, 640.0, 480.0]]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"boxes": np.zeros((1, 1, 4), np.float32)}, "returns 'boxes' and 'scores'"),
        (raw([[0, 0, np.nan, 1]], [[0.5]]), "not finite"),
    ],
)
def test_a_model_that_does_not_answer_as_a_detector_is_refused(
    given: dict[str, np.ndarray], message: str
) -> None:
    with pytest.raises(BundleError, match=message):
        decode(given, [WHOLE])


def test_shapes_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ShapeError, match="scores must have"):
        decode(raw([[0, 0, 1, 1]], [[0.5]]), [WHOLE, WHOLE])
    with pytest.raises(ShapeError, match="need boxes"):
        decode({"boxes": np.zeros((1, 2, 4)), "scores": np.zeros((1, 1, 1))}, [WHOLE])


def test_rows_show_what_reaches_the_threshold_of_its_class() -> None:
    found = Boxes(
        np.array([[0, 0, 1, 1], [2, 2, 3, 3]], np.float32), np.array([0, 1]), np.array([0.4, 0.4], np.float32)
    )
    assert [row["label"] for row in to_records(found, ["cat", "dog"], conf=[0.5, 0.3])] == ["dog"]
    with pytest.raises(ConfigError, match="3 thresholds for 2 classes"):
        to_records(found, ["cat", "dog"], conf=[0.1, 0.2, 0.3])
    with pytest.raises(ConfigError, match="at least one object"):
        to_records(found, ["cat", "dog"], top=0)
    with pytest.raises(ShapeError, match="needs a name"):
        to_records(found, ["cat"])
