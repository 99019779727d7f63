"""Every kind of mistake is recognised, and its cure wins what the definition says."""

import numpy as np
import pytest

from nayan.core.types import Boxes
from nayan.runtime.preprocess import Preprocess
from nayan.tasks.detection.anatomy import KINDS, Anatomy, dissect, gains
from nayan.tasks.detection.coco_scores import score_objects
from nayan.tasks.detection.confusion import confusion_matrix, confusions
from nayan.tasks.detection.matching import judge
from nayan.tasks.detection.sizes import advice, object_sizes

A, B = [0, 0, 100, 100], [300, 0, 400, 100]
A_OFF = [50, 0, 150, 100]  # IoU 1/3 with A
FAR = [600, 600, 700, 700]


def boxes(*rows: tuple[list[int], int] | tuple[list[int], int, float], crowd: list[bool] | None = None):
    scores = np.array([row[2] for row in rows if len(row) == 3], np.float32)
    return Boxes(
        np.array([row[0] for row in rows], np.float32).reshape(-1, 4),
        np.array([row[1] for row in rows], np.int64),
        scores if len(scores) == len(rows) and rows else None,
        None if crowd is None else np.array(crowd),
    )


def examined(found: Boxes, truth: Boxes, *, num_classes: int = 2) -> Anatomy:
    return dissect(judge([found], [truth], num_classes=num_classes))


TRUTH = boxes((A, 0), (B, 1))


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (boxes((A, 0, 0.9), (B, 1, 0.8)), {}),
        (boxes((A, 1, 0.9), (B, 1, 0.8)), {"class": 1}),
        (boxes((A_OFF, 0, 0.9), (B, 1, 0.8)), {"place": 1}),
        (boxes((A, 0, 0.9), (A, 0, 0.7), (B, 1, 0.8)), {"duplicate": 1}),
        (boxes((A_OFF, 1, 0.9), (B, 1, 0.8)), {"both": 1, "missed": 1}),
        (boxes((A, 0, 0.9), (B, 1, 0.8), (FAR, 0, 0.7)), {"background": 1}),
        (boxes((B, 1, 0.8)), {"missed": 1}),
        (boxes(), {"missed": 2}),
    ],
)
def test_each_mistake_has_one_kind(found: Boxes, expected: dict[str, int]) -> None:
    assert examined(found, TRUTH).counts() == {kind: expected.get(kind, 0) for kind in KINDS}


@pytest.mark.parametrize(
    ("found", "kind"),
    [
        (boxes((A, 1, 0.9), (B, 1, 0.8)), "class"),
        (boxes((A_OFF, 0, 0.9), (B, 1, 0.8)), "place"),
        (boxes((A, 0, 0.9), (A, 0, 0.95), (B, 1, 0.8), (B, 1, 0.7)), None),
        (boxes((FAR, 0, 0.95), (A, 0, 0.9), (B, 1, 0.8)), "background"),
        (boxes((A, 0, 0.9)), "missed"),
    ],
)
def test_the_cure_of_the_only_kind_of_mistake_makes_a_detector_perfect(
    found: Boxes, kind: str | None
) -> None:
    anatomy = examined(found, TRUTH)
    won = gains(anatomy)
    perfect = gains_to_perfection(anatomy)
    assert {name for name, gain in won.items() if gain > 1e-9} == ({kind} if kind else set())
    if kind:
        assert won[kind] == pytest.approx(perfect)


def gains_to_perfection(anatomy: Anatomy) -> float:
    judged = anatomy.judged
    rank = np.zeros(len(judged.found), np.int64)
    scores = score_objects(judged.found, judged.truths, rank=rank, num_classes=judged.num_classes)
    return 1 - float(np.nanmean(scores.average_precision(iou=0.5)))


def test_of_two_cured_detections_of_one_object_the_surer_stays() -> None:
    anatomy = examined(boxes((A, 1, 0.9), (A, 1, 0.8)), boxes((A, 0)))
    assert anatomy.counts()["class"] == 2
    assert gains(anatomy)["class"] == pytest.approx(1)


def test_a_cured_detection_replaces_a_right_one_that_was_less_sure() -> None:
    anatomy = examined(boxes((A, 0, 0.5), (A, 1, 0.9), (FAR, 0, 0.7)), boxes((A, 0)))
    assert gains(anatomy)["class"] == pytest.approx(0.5)


def test_crowds_are_about_nothing() -> None:
    truth = boxes((A, 0), (B, 1), crowd=[True, False])
    assert examined(boxes((B, 1, 0.9), (A, 0, 0.8)), truth).counts() == dict.fromkeys(KINDS, 0)
    assert examined(boxes((B, 1, 0.9), (A, 1, 0.8)), truth).counts()["background"] == 1


def test_without_objects_nothing_can_be_won() -> None:
    assert set(gains(examined(boxes((A, 0, 0.9)), boxes())).values()) == {0.0}


def test_the_matrix_knows_right_mixed_up_missed_and_invented() -> None:
    truth = boxes((A, 0), (B, 1), ([0, 300, 100, 400], 0), ([300, 300, 400, 400], 1))
    found = boxes((A, 0, 0.9), (B, 0, 0.8), (FAR, 1, 0.7), ([300, 300, 400, 400], 1, 0.6))
    cells = confusion_matrix(judge([found], [truth], num_classes=2))
    assert cells.tolist() == [[1, 0, 1], [1, 1, 0], [0, 1, 0]]
    told = confusions(cells, ["cat", "dog"])
    assert [(c["truth"], c["predicted"], c["share"]) for c in told] == [
        ("cat", "background", 0.5),
        ("dog", "cat", 0.5),
        ("background", "dog", 0.5),
    ]


def test_a_right_detection_is_never_given_away_to_a_wrong_one() -> None:
    found = boxes((A, 1, 0.9), (A, 0, 0.3))
    cells = confusion_matrix(judge([found], [boxes((A, 0))], num_classes=2))
    assert cells.tolist() == [[1, 0, 0], [0, 0, 0], [0, 1, 0]]


def test_the_matrix_without_anything_is_empty() -> None:
    assert not confusion_matrix(judge([boxes()], [boxes()], num_classes=1)).any()


def test_sizes_are_those_that_the_network_sees() -> None:
    truths = [boxes(([0, 0, 40, 40], 0), ([100, 0, 500, 400], 0)), boxes(([0, 0, 60, 60], 0))]
    found = [boxes(([0, 0, 40, 40], 0, 0.9)), boxes()]
    preprocess = Preprocess((320, 320), "letterbox")
    placements = [preprocess.placement((640, 640)), preprocess.placement((1280, 640))]
    judged = judge(found, truths, num_classes=1)
    sizes = object_sizes(truths, judged, placements=placements)
    assert sizes is not None
    bins = {each["low"]: (each["count"], each["found"]) for each in sizes["bins"] if each["count"]}
    assert bins == {8: (1, 0), 16: (1, 1), 128: (1, 0)}
    assert sizes["median"] == 20
    assert sizes["small"] == pytest.approx(1 / 3)
    assert sizes["needed"] == 1.0
    assert sizes["bins"][-1] == {"low": 512, "high": None, "count": 0, "found": 0}


def test_sizes_are_not_told_without_places_or_objects() -> None:
    truths = [boxes((A, 0))]
    judged = judge([boxes()], truths, num_classes=1)
    assert object_sizes(truths, judged, placements=[]) is None
    placement = Preprocess((320, 320), "letterbox").placement((640, 640))
    empty = judge([boxes()], [boxes()], num_classes=1)
    assert object_sizes([boxes()], empty, placements=[placement]) is None


def test_boxes_without_an_area_ask_for_no_larger_input() -> None:
    truths = [boxes(([0, 0, 0, 10], 0))]
    placement = Preprocess((320, 320), "letterbox").placement((640, 640))
    sizes = object_sizes(truths, judge([boxes()], truths, num_classes=1), placements=[placement])
    assert sizes is not None
    assert sizes["needed"] == 1.0


def test_the_advice_grows_the_input_while_that_is_possible() -> None:
    assert advice({"small": 0.1, "needed": 3.0}, imgsz=320) == ""
    assert "`--imgsz 480`, or with `--tile`" in advice({"small": 0.5, "needed": 1.5}, imgsz=320)
    assert "train with `--tile`" in advice({"small": 0.5, "needed": 9.0}, imgsz=320)
    assert "--imgsz" not in advice({"small": 0.3, "needed": 1.0}, imgsz=320)
