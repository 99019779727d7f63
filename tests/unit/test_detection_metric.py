import json

import numpy as np
import pytest

from nayan.core.errors import ShapeError
from nayan.core.types import Boxes
from nayan.runtime.preprocess import Preprocess
from nayan.tasks.detection import matching
from nayan.tasks.detection.anatomy import KINDS
from nayan.tasks.detection.metric import DetectionMetric, mistakes

A, B, FAR = [0, 0, 100, 100], [300, 0, 400, 100], [600, 600, 700, 700]
NAMES = ("cat", "dog", "owl")


def boxes(*rows: tuple, crowd: list[bool] | None = None) -> Boxes:
    scores = np.array([row[2] for row in rows if len(row) == 3], np.float32)
    return Boxes(
        np.array([row[0] for row in rows], np.float32).reshape(-1, 4),
        np.array([row[1] for row in rows], np.int64),
        scores if len(scores) == len(rows) and rows else None,
        None if crowd is None else np.array(crowd),
    )


TRUTHS = [boxes((A, 0), (B, 1)), boxes((B, 1), (FAR, 0), crowd=[False, True]), Boxes.none()]
FOUND = [
    boxes((A, 0, 0.9), (B, 0, 0.6)),
    boxes((B, 1, 0.8), (FAR, 0, 0.7)),
    boxes((A, 1, 0.5), (FAR, 2, 0.1)),
]


def measured() -> DetectionMetric:
    metric = DetectionMetric(NAMES)
    metric.update(FOUND, TRUTHS)
    return metric


def test_scores_carry_the_names_of_coco() -> None:
    scores = measured().compute()
    assert scores["map50"] == pytest.approx((1 + 51 / 101) / 2)
    assert set(scores) == {
        *("map", "map50", "map75", "map_large"),
        *("mar_1", "mar_10", "mar_100", "mar_large"),
    }


def test_pictures_may_come_in_any_number_of_parts() -> None:
    parts = DetectionMetric(NAMES)
    for found, truth in zip(FOUND, TRUTHS, strict=True):
        parts.update([found], [truth])
    assert parts.compute() == measured().compute()
    assert parts.details() == measured().details()


def test_without_objects_the_scores_are_zero_and_nothing_is_made_up() -> None:
    metric = DetectionMetric(NAMES)
    assert metric.compute() == {"map": 0.0, "map50": 0.0, "map75": 0.0}
    details = metric.details()
    assert details["objects"] == details["pictures"] == 0
    assert details["per_class"][0]["ap"] is None
    assert details["curves"]["0.5"] == {"mean": [0.0] * 101, "classes": {}}


def test_details_are_json_without_nan() -> None:
    placements = [Preprocess((320, 320), "letterbox").placement((800, 800))] * 3
    details = measured().details(calibration={"thresholds": [0.3, 0.3, 0.3]}, placements=placements)
    text = json.dumps(details, allow_nan=False)
    assert json.loads(text) == details
    assert (details["pictures"], details["empty"], details["objects"], details["crowds"]) == (3, 1, 3, 1)
    assert details["shown"] == 5
    assert [each["kind"] for each in details["anatomy"]] == list(KINDS)
    assert sum(each["count"] for each in details["sizes"]["bins"]) == 3


def test_precision_and_recall_are_those_at_the_thresholds() -> None:
    cat, dog, owl = measured().details(calibration={"thresholds": [0.3, 0.55, 0.3]})["per_class"]
    assert (cat["objects"], cat["shown"], cat["precision"], cat["recall"]) == (1, 2, 0.5, 1.0)
    assert cat["f1"] == pytest.approx(2 / 3)
    assert (dog["objects"], dog["shown"], dog["precision"], dog["recall"]) == (2, 1, 1.0, 0.5)
    assert (owl["objects"], owl["shown"], owl["precision"], owl["f1"]) == (0, 0, None, None)


def test_curves_fall_and_end_at_the_recall_that_is_reached() -> None:
    curves = measured().details()["curves"]["0.5"]
    dog = curves["classes"]["dog"]
    assert len(dog) == 101
    assert dog == sorted(dog, reverse=True)
    assert dog[50] == 1
    assert dog[51] == 0
    assert "owl" not in curves["classes"]


def test_the_diagonal_of_the_matrix_holds_what_was_found() -> None:
    details = measured().details()
    matrix = np.array(details["confusion"])
    recalls = [row["recall"] * row["objects"] for row in details["per_class"] if row["objects"]]
    assert np.diagonal(matrix)[:2].tolist() == recalls
    assert matrix[:-1].sum(axis=1).tolist() == [row["objects"] for row in details["per_class"]]


def test_predictions_of_another_number_of_pictures_are_refused() -> None:
    with pytest.raises(ShapeError, match="predictions of 1 pictures for 2 targets"):
        DetectionMetric(NAMES).update([Boxes.none()], [Boxes.none()] * 2)


def test_overlaps_are_the_same_in_small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = measured().details()
    monkeypatch.setattr(matching, "CHUNK", 1)
    assert measured().details() == whole


def test_the_worst_picture_comes_first_with_what_is_wrong() -> None:
    first, second = mistakes(FOUND, TRUTHS, NAMES, limit=9)
    assert first["row"] == 0
    assert first["wrong"] == {"class": 1}
    assert first["objects"] == 2
    assert [(box["label"], box["kind"]) for box in first["boxes"]] == [
        ("cat", "object"),
        ("dog", "missed"),
        ("cat", "right"),
        ("cat", "class"),
    ]
    assert first["boxes"][3]["box"] == [300, 0, 400, 100]
    assert first["boxes"][3]["score"] == 0.6
    assert second["row"] == 2
    assert second["wrong"] == {"background": 1}
    assert second["objects"] == 0


def test_crowds_are_told_apart_and_what_lies_on_them_is_no_mistake() -> None:
    found = [boxes((FAR, 0, 0.9))]
    (record,) = mistakes(found, [TRUTHS[1]], NAMES, limit=1)
    assert [box["kind"] for box in record["boxes"]] == ["missed", "crowd", "right"]
    assert record["wrong"] == {"missed": 1}
    assert record["objects"] == 1


def test_pictures_without_a_mistake_are_not_told_and_no_more_than_asked_for() -> None:
    assert mistakes([FOUND[1]], [TRUTHS[1]], NAMES, limit=5) == []
    assert len(mistakes(FOUND, TRUTHS, NAMES, limit=1)) == 1
    calibration = {"thresholds": [0.95, 0.95, 0.95]}
    strict = mistakes(FOUND, TRUTHS, NAMES, limit=5, calibration=calibration)
    assert [record["wrong"] for record in strict] == [{"missed": 2}, {"missed": 1}]
