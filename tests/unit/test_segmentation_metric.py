"""Scores of masks, the facts behind them, and the pictures that are worst."""

import json
from pathlib import Path

import numpy as np
import pytest

from nayan.core.errors import DataError, ShapeError
from nayan.core.types import VOID, MaskSource, SemanticMask
from nayan.tasks.segmentation.boundaries import border_matches, borders, near, tolerance_px
from nayan.tasks.segmentation.metric import SegmentationMetric, truth_of
from nayan.tasks.segmentation.mistakes import MIXED, SIDE, mistakes
from nayan.tasks.segmentation.packed import compact
from nayan.tasks.segmentation.records import unpacked

NAMES = ("sky", "road", "car")


def mask(*rows: list[int]) -> SemanticMask:
    return SemanticMask(np.array(rows, np.uint8))


def scored(*pairs: tuple[SemanticMask, SemanticMask], names: tuple[str, ...] = NAMES) -> SegmentationMetric:
    metric = SegmentationMetric(names)
    metric.update([found for found, _ in pairs], [truth for _, truth in pairs])
    return metric


def test_scores_are_those_worked_out_by_hand() -> None:
    metric = scored((mask([0, 0, 1, 1]), mask([0, 1, 1, 1])))
    scores = metric.compute()
    assert scores["miou"] == pytest.approx((1 / 2 + 2 / 3) / 2)
    assert scores["dice"] == pytest.approx((2 / 3 + 4 / 5) / 2)
    assert scores["pixel_accuracy"] == pytest.approx(3 / 4)
    assert metric.per_class() == {"sky": pytest.approx(1 / 2), "road": pytest.approx(2 / 3)}


def test_void_pixels_count_nowhere() -> None:
    known = scored((mask([0, 1], [1, 1]), mask([0, 1], [0, 1])))
    void = scored((mask([0, 1, 2], [1, 1, 2]), mask([0, 1, VOID], [0, 1, VOID])))
    for name in ("miou", "dice", "pixel_accuracy"):
        assert void.compute()[name] == known.compute()[name]
    assert void.details()["pixels"] == 4


def test_a_class_that_is_claimed_where_it_never_is_has_an_iou_of_0_and_one_that_is_nowhere_has_none() -> None:
    rows = scored((mask([0, 1]), mask([0, 0]))).details()["per_class"]
    assert [row["iou"] for row in rows] == [0.5, 0.0, None]
    assert [row["recall"] for row in rows] == [0.5, None, None]
    assert [row["precision"] for row in rows] == [1.0, 0.0, None]
    assert [row["pictures"] for row in rows] == [1, 0, 0]


def test_pixels_that_were_not_looked_at_are_wrong_and_stand_in_the_last_column() -> None:
    metric = scored((mask([0, VOID]), mask([0, 0])))
    assert metric.cells.tolist() == [[1, 0, 0, 1], [0, 0, 0, 0], [0, 0, 0, 0]]
    assert metric.compute()["pixel_accuracy"] == 0.5


def test_pictures_one_by_one_score_as_all_at_once() -> None:
    random = np.random.default_rng(0)
    pairs = [
        tuple(SemanticMask(random.integers(0, 3, (9, 9), dtype=np.uint8)) for _ in range(2)) for _ in range(4)
    ]
    together, single = scored(*pairs), SegmentationMetric(NAMES)  # type: ignore[arg-type]
    for found, truth in pairs:
        single.update([compact(found)], [MaskSource(lambda truth=truth: truth)])  # type: ignore[list-item, misc]
    assert single.compute() == together.compute()
    assert single.details() == together.details()


def test_nothing_at_all_scores_0_and_its_facts_are_json() -> None:
    metric = SegmentationMetric(NAMES)
    assert set(metric.compute().values()) == {0.0}
    made = metric.details()
    assert made["pixels"] == made["pictures"] == 0
    assert made["border"]["wrong"] is None
    assert made["intervals"] == {}
    json.dumps(made, allow_nan=False)


def test_a_picture_of_void_alone_has_no_iou() -> None:
    nothing = mask([VOID, VOID])
    made = scored((mask([0, 1]), nothing), (mask([0, 1]), mask([0, 1]))).details()
    assert made["picture_miou"] == [None, 1.0]


def test_intervals_hold_the_score_and_one_picture_has_none() -> None:
    random = np.random.default_rng(1)
    truths = [random.integers(0, 3, (12, 12), dtype=np.uint8) for _ in range(12)]
    pairs = [
        (
            SemanticMask(np.where(random.random((12, 12)) < 0.3, 0, truth).astype(np.uint8)),
            SemanticMask(truth),
        )
        for truth in truths
    ]
    metric = scored(*pairs)
    made, scores = metric.details(), metric.compute()
    assert set(made["intervals"]) == set(scores)
    for name, (low, high) in made["intervals"].items():
        assert low < scores[name] < high
    for row in made["per_class"]:
        assert row["interval"][0] < row["iou"] < row["interval"][1]
    alone = scored(pairs[0]).details()
    assert alone["intervals"] == {}
    assert [row["interval"] for row in alone["per_class"]] == [None] * 3


def test_a_class_on_one_of_few_pictures_has_no_interval() -> None:
    rare = (mask([0, 2]), mask([0, 2]))
    made = scored(rare, *[(mask([0, 1]), mask([0, 0]))] * 3).details()
    assert made["per_class"][0]["interval"] is not None
    assert made["per_class"][2]["interval"] is None
    assert made["per_class"][2]["pictures"] == 1


def test_mistakes_at_a_border_are_told_from_those_inside() -> None:
    truth = np.zeros((60, 80), np.uint8)
    truth[:, 40:] = 1
    shifted = np.roll(truth, 1, axis=1)
    shifted[:, 0] = 0
    made = scored((SemanticMask(shifted), SemanticMask(truth))).details()
    assert made["inside"]["wrong"] == 0
    assert made["border"]["wrong"] > 0
    hole = truth.copy()
    hole[20:30, 10:20] = 2
    made = scored((SemanticMask(hole), SemanticMask(truth))).details()
    assert made["border"]["wrong"] == 0
    assert made["inside"]["confusion"][0][2] == 100
    whole = np.array(made["border"]["confusion"]) + np.array(made["inside"]["confusion"])
    np.testing.assert_array_equal(whole, made["confusion"])


def test_outlines_within_the_tolerance_are_met() -> None:
    truth = np.zeros((300, 400), np.uint8)  # tolerance 3.75 px
    truth[:, 200:] = 1
    for shift, expected in ((3, 1.0), (6, 0.0)):
        found = np.zeros_like(truth)
        found[:, 200 + shift :] = 1
        metric = scored((SemanticMask(found), SemanticMask(truth)))
        assert metric.compute()["boundary_f1"] == expected


def test_a_picture_of_one_class_has_no_outline_to_be_judged_by() -> None:
    flat = mask([1, 1], [1, 1])
    assert [row["boundary_f1"] for row in scored((flat, flat)).details()["per_class"]] == [None] * 3
    found = scored((mask([1, 1], [1, 0]), flat)).details()["per_class"]
    assert [row["boundary_f1"] for row in found] == [0.0, 0.0, None]


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ShapeError, match="1 predictions for 0 masks"):
        SegmentationMetric(NAMES).update([mask([0])], [])
    with pytest.raises(ShapeError, match=r"the prediction has \(1, 1\) pixels .*the truth \(1, 2\)"):
        scored((mask([0]), mask([0, 1])))
    with pytest.raises(DataError, match="class 7 in a mask, but there are 3 classes"):
        scored((mask([0]), mask([7])))


def test_void_is_no_border_and_neither_is_the_edge() -> None:
    ids = np.array([[0, VOID, 1], [0, 0, 1]], np.uint8)
    assert borders(ids).tolist() == [[False, False, False], [False, True, True]]
    assert not borders(np.zeros((3, 3), np.uint8)).any()
    assert not near(np.zeros((3, 3), bool), 5).any()
    assert tolerance_px((10, 10)) == 1.0


@pytest.mark.parametrize("seed", range(4))
def test_border_matches_are_those_of_every_pair_of_pixels(seed: int) -> None:
    random = np.random.default_rng(seed)
    size = (28, 40 + 90 * (seed % 2))
    truth, found = (
        np.kron(random.integers(0, 4, (7, size[1] // 10)), np.ones((4, 10), int)).astype(np.uint8)
        for _ in range(2)
    )
    found = np.where(random.random(size) < 0.9, truth, found).astype(np.uint8)
    truth[random.random(size) < 0.05] = VOID
    shown = np.where(truth == VOID, VOID, found).astype(np.uint8)
    expected = np.zeros((4, 4), int)
    for index in range(4):
        mine, real = (np.argwhere(_outline(ids) & (ids == index)) for ids in (shown, truth))
        expected[index] = (_met(mine, real, size), len(mine), _met(real, mine, size), len(real))
    np.testing.assert_array_equal(border_matches(found, truth, classes=4), expected)


def _outline(ids: np.ndarray) -> np.ndarray:
    """Return which pixels have a neighbour of another known class, pixel by pixel."""
    height, width = ids.shape
    out = np.zeros(ids.shape, bool)
    for y, x in np.argwhere(ids != VOID):
        for ny, nx in ((y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)):
            inside = 0 <= ny < height and 0 <= nx < width
            out[y, x] |= inside and ids[ny, nx] not in (VOID, ids[y, x])
    return out


def _met(ones: np.ndarray, others: np.ndarray, size: tuple[int, int]) -> int:
    """Return how many of (N, 2) places have one of (M, 2) within the tolerance: every pair is measured."""
    apart = np.hypot(*(ones[:, None] - others[None]).transpose(2, 0, 1))
    return int((apart <= max(1.0, 0.0075 * np.hypot(*size))).any(axis=1).sum())


def test_the_worst_pictures_come_first_with_what_was_mixed_up() -> None:
    truth = mask([0, 0, 1, 1, VOID])
    found = [mask([0, 0, 1, 1, 2]), mask([1, 1, 1, 2, 0]), mask([0, 1, 1, 1, 0])]
    made = mistakes([compact(each) for each in found], [truth] * 3, NAMES, limit=5)
    assert [record["row"] for record in made] == [1, 2]
    assert made[0]["accuracy"] == 0.25
    assert made[0]["mixed"] == [
        {"truth": "sky", "found": "road", "share": 0.5},
        {"truth": "road", "found": "car", "share": 0.25},
    ]
    np.testing.assert_array_equal(unpacked(made[0]["found"]), found[1].ids)
    np.testing.assert_array_equal(unpacked(made[0]["truth"]), truth.ids)
    assert len(mistakes(found, [truth] * 3, NAMES, limit=1)) == 1
    json.dumps(made, allow_nan=False)


def test_a_mistake_keeps_small_masks_and_the_largest_confusions_only() -> None:
    truth = SemanticMask(np.zeros((20, 2000), np.uint8))
    found = SemanticMask((np.arange(2000) % 6).astype(np.uint8)[None].repeat(20, axis=0))
    (record,) = mistakes([found], [MaskSource(lambda: truth, Path("a.png"))], list("abcdef"), limit=3)
    assert len(record["mixed"]) == MIXED
    assert max(unpacked(record["found"]).shape) == SIDE


def test_what_was_not_looked_at_is_taken_for_nothing() -> None:
    (record,) = mistakes([mask([VOID, 0])], [mask([1, 0])], NAMES, limit=3)
    assert record["mixed"] == [{"truth": "road", "found": "nothing", "share": 0.5}]
    assert mistakes([mask([0])], [mask([VOID])], NAMES, limit=3) == []


def test_the_truth_of_a_sample_is_read_when_it_is_asked_for() -> None:
    truth = mask([0])
    assert truth_of(MaskSource(lambda: truth)) is truth
    assert truth_of(truth) is truth
