"""The twelve COCO numbers, and every precision behind them, equal pycocotools."""

import contextlib
import io

import numpy as np
import pytest

from nayan.core.types import Boxes
from nayan.tasks.detection.coco_scores import CAPS, coco_scores

coco = pytest.importorskip("pycocotools.coco")
cocoeval = pytest.importorskip("pycocotools.cocoeval")

NAMES = (
    "map", "map50", "map75", "map_small", "map_medium", "map_large",
    "mar_1", "mar_10", "mar_100", "mar_small", "mar_medium", "mar_large",
)  # fmt: skip
Pictures = list[Boxes]


def oracle(predictions: Pictures, truths: Pictures, num_classes: int):
    """Return pycocotools' evaluation of the same boxes."""

    def records(pictures: Pictures) -> list[dict]:
        found: list[dict] = []
        for picture, boxes in enumerate(pictures):
            for row, (x1, y1, x2, y2) in enumerate(boxes.xyxy.astype(float).tolist()):
                box = [x1, y1, x2 - x1, y2 - y1]
                record = {"id": len(found) + 1, "image_id": picture, "category_id": int(boxes.labels[row])}
                record |= {"bbox": box, "area": box[2] * box[3], "iscrowd": 0}
                if boxes.areas is not None:
                    record["area"] = float(boxes.areas[row])
                if boxes.crowd is not None:
                    record["iscrowd"] = int(boxes.crowd[row])
                if boxes.scores is not None:
                    record |= {"score": float(boxes.scores[row]), "area": box[2] * box[3]}
                found.append(record)
        return found

    truth = coco.COCO()
    truth.dataset = {
        "images": [{"id": picture} for picture in range(len(truths))],
        "categories": [{"id": label} for label in range(num_classes)],
        "annotations": records(truths),
        "info": {},
    }
    with contextlib.redirect_stdout(io.StringIO()):
        truth.createIndex()
        results = records(predictions)
        if results:
            found = truth.loadRes(results)
        else:  # loadRes refuses an empty list
            found = coco.COCO()
            found.dataset = {**truth.dataset, "annotations": []}
            found.createIndex()
        evaluation = cocoeval.COCOeval(truth, found, "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return evaluation


def check(predictions: Pictures, truths: Pictures, num_classes: int) -> dict[str, float]:
    """Compare all there is; return our numbers."""
    expected, ours = (
        oracle(predictions, truths, num_classes),
        coco_scores(predictions, truths, num_classes=num_classes),
    )
    precision = expected.eval["precision"][..., -1].transpose(3, 0, 2, 1)  # (T, R, C, A) -> (A, T, C, R)
    np.testing.assert_allclose(np.nan_to_num(ours.precision, nan=-1), precision, atol=1e-12, rtol=0)
    recall = expected.eval["recall"].transpose(3, 2, 0, 1)  # (T, C, A, M) -> (M, A, T, C)
    assert len(recall) == len(CAPS)
    np.testing.assert_allclose(np.nan_to_num(ours.recall, nan=-1), recall, atol=1e-12, rtol=0)
    numbers = ours.twelve()
    told = [numbers.get(name, -1) for name in NAMES]
    np.testing.assert_allclose(told, expected.stats, atol=1e-12, rtol=0)
    return numbers


def boxes(xyxy, labels=None, scores=None, *, crowd=None, areas=None) -> Boxes:
    xyxy = np.asarray(xyxy, np.float32).reshape(-1, 4)
    return Boxes(
        xyxy,
        np.zeros(len(xyxy), np.int64) if labels is None else np.asarray(labels, np.int64),
        None if scores is None else np.asarray(scores, np.float32),
        None if crowd is None else np.asarray(crowd, np.bool_),
        None if areas is None else np.asarray(areas, np.float32),
    )


def random_boxes(rng: np.random.Generator, count: int, num_classes: int, *, whole: bool) -> Boxes:
    sides = np.exp(rng.uniform(np.log(2), np.log(250), (count, 2)))
    corner = rng.uniform(0, 300, (count, 2))
    xyxy = np.concatenate([corner, corner + sides], axis=1)
    return boxes(xyxy.round() if whole else xyxy, rng.integers(0, num_classes, count))


def random_set(seed: int) -> tuple[Pictures, Pictures, int]:
    """Return detections that look for objects, often hit, repeat, miss, mix up and tie."""
    rng = np.random.default_rng(seed)
    num_classes, whole = int(rng.integers(1, 5)), bool(rng.integers(2))
    predictions, truths = [], []
    for _ in range(rng.integers(1, 6)):
        truth = random_boxes(rng, int(rng.integers(0, 9)), num_classes, whole=whole)
        crowd = rng.random(len(truth)) < 0.15 if rng.random() < 0.5 else None
        areas = truth.covered * rng.uniform(0.3, 1, len(truth)) if rng.random() < 0.5 else None
        truths.append(boxes(truth.xyxy, truth.labels, crowd=crowd, areas=areas))
        times = rng.integers(0, 4, len(truth))
        near, repeated = np.repeat(truth.xyxy, times, axis=0), np.repeat(truth.labels, times)
        mixed_up = rng.random(len(near)) < 0.15
        repeated[mixed_up] = rng.integers(0, num_classes, int(mixed_up.sum()))
        near = near + rng.normal(0, rng.choice([0.0, 1.0, 5.0]), near.shape).astype(np.float32)
        stray = random_boxes(rng, int(rng.integers(0, 6)), num_classes, whole=whole)
        xyxy = np.concatenate([near.round() if whole else near, stray.xyxy])
        labels = np.concatenate([repeated, stray.labels])
        scores = rng.random(len(xyxy))
        predictions.append(boxes(xyxy, labels, scores.round(1) if rng.random() < 0.5 else scores))
    return predictions, truths, num_classes


@pytest.mark.parametrize("start", range(0, 300, 10))
def test_random_sets_give_the_numbers_of_pycocotools(start: int) -> None:
    for seed in range(start, start + 10):
        check(*random_set(seed))


def test_the_random_sets_are_neither_perfect_nor_hopeless() -> None:
    found = [
        coco_scores(p, t, num_classes=c).twelve().get("map", 0.0) for p, t, c in map(random_set, range(40))
    ]
    assert 0.1 < np.mean(found) < 0.9
    assert min(found) < 0.05


SQUARE = [10, 10, 50, 50]
SHIFTED = [12, 10, 52, 50]
FAR = [200, 200, 240, 260]


def test_nothing_found_scores_zero() -> None:
    numbers = check([Boxes.none()], [boxes([SQUARE])], 1)
    assert numbers["map"] == 0
    assert "map_small" not in numbers


def test_nothing_to_find_has_no_score() -> None:
    assert check([boxes([SQUARE], scores=[0.9])], [Boxes.none()], 1) == {}
    assert check([Boxes.none()], [Boxes.none()], 2) == {}


def test_a_perfect_detector_scores_one() -> None:
    truth = [boxes([SQUARE, FAR], [0, 1]), boxes([SHIFTED], [1])]
    found = [boxes(t.xyxy, t.labels, np.ones(len(t))) for t in truth]
    assert check(found, truth, 2)["map"] == pytest.approx(1)


def test_crowds_take_every_prediction_within_them_and_count_for_nothing() -> None:
    truth = [boxes([[0, 0, 100, 100], SQUARE], crowd=[True, False])]
    found = [boxes([SQUARE, [60, 60, 90, 90], [5, 5, 30, 30], FAR], scores=[0.5, 0.9, 0.8, 0.1])]
    assert check(found, truth, 1)["map"] == pytest.approx(1)


def test_only_crowds_have_no_score() -> None:
    assert check([boxes([SQUARE], scores=[0.9])], [boxes([SQUARE], crowd=[True])], 1) == {}


def test_equal_scores_stay_in_their_order() -> None:
    for order in ([SQUARE, FAR], [FAR, SQUARE]):
        check([boxes(order, scores=[0.5, 0.5])] * 2, [boxes([SQUARE])] * 2, 1)


def test_equal_overlaps_take_the_later_object() -> None:
    truth = boxes([[10, 10, 50, 50], [14, 10, 54, 50], [10, 10, 50, 50]], areas=[900, 1600, 1600])
    check([boxes([[12, 10, 52, 50], [14, 10, 54, 50]], scores=[0.9, 0.8])], [truth], 1)


def test_more_than_a_hundred_detections_are_cut() -> None:
    rng = np.random.default_rng(5)
    truth = random_boxes(rng, 140, 2, whole=False)
    extra = random_boxes(rng, 120, 2, whole=False)
    found = boxes(
        np.concatenate([truth.xyxy, extra.xyxy]),
        np.concatenate([truth.labels, extra.labels]),
        rng.random(260),
    )
    assert check([found], [truth], 1 + 1)["mar_1"] < 0.05


def test_boxes_without_an_area_overlap_nothing() -> None:
    flat = [30, 30, 30, 60]
    check([boxes([flat, SQUARE], scores=[0.9, 0.8])], [boxes([flat, SQUARE])], 1)
    check([boxes([flat], scores=[0.9])], [boxes([flat, SQUARE], crowd=[False, True])], 1)


def test_areas_on_a_border_belong_to_both_ranges() -> None:
    at = [[0, 0, 32, 32], [100, 100, 196, 196], [300, 0, 331, 32]]
    check([boxes(at, scores=[0.9, 0.8, 0.7])], [boxes(at)], 1)


def test_areas_that_are_known_decide_the_size() -> None:
    truth = [boxes([SQUARE, FAR], areas=[900, 20000])]
    numbers = check([boxes([SQUARE, FAR], scores=[0.9, 0.8])], truth, 1)
    assert {"map_small", "map_large"} <= numbers.keys()
    assert "map_medium" not in numbers


def test_classes_without_objects_are_left_out_of_the_mean() -> None:
    found = [boxes([SQUARE, FAR], [0, 2], [0.9, 0.8])]
    assert check(found, [boxes([SQUARE], [0])], 4)["map"] == pytest.approx(1)


def test_the_same_box_twice_is_one_hit_and_one_miss() -> None:
    found = [boxes([SQUARE, SQUARE, SHIFTED], scores=[0.9, 0.9, 0.8])]
    check(found, [boxes([SQUARE])], 1)
    check(found, [boxes([SQUARE, SQUARE])], 1)


def test_overlaps_on_a_threshold_count() -> None:
    check([boxes([[0, 0, 10, 5]], scores=[0.9])], [boxes([[0, 0, 10, 10]])], 1)
    check([boxes([[0, 0, 20, 19]], scores=[0.9])], [boxes([[0, 0, 20, 20]])], 1)
