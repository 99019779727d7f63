"""When two engines find the same objects, and when they do not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from nayan.core.errors import BundleError
from nayan.runtime.parity import Answers
from nayan.runtime.preprocess import Placement
from nayan.tasks.detection.parity import DetectionParity, compare

Row = tuple[list[float], int, float]
"""A box, its class and its score."""

CLASSES = 3
CAR: Row = ([10, 10, 110, 90], 0, 0.9)
DOG: Row = ([200, 30, 260, 130], 1, 0.6)
BIRD: Row = ([300, 300, 320, 330], 2, 0.4)
PLACES = (Placement((400, 400), (1.0, 1.0), (0.0, 0.0)),)


def outputs(*rows: Row) -> dict[str, np.ndarray]:
    """Return the outputs of a detector for one picture."""
    scores = np.zeros((1, len(rows), CLASSES), np.float32)
    for number, (_, label, score) in enumerate(rows):
        scores[0, number, label] = score
    return {"boxes": np.array([[box for box, *_ in rows]], np.float32).reshape(1, -1, 4), "scores": scores}


def parity(expected: list[Row], found: list[Row], *, tolerance: float = 1e-4, **args: Any) -> DetectionParity:
    answers = [Answers(outputs(*expected), outputs(*found), PLACES)]
    return compare(answers, decode_args=args, tolerance=tolerance)


def moved(row: Row, *, right: float = 0.0, score: float = 0.0, label: int | None = None) -> Row:
    """Return a row with its right edge and score moved."""
    (x1, y1, x2, y2), old, before = row
    return [x1, y1, x2 + right, y2], old if label is None else label, before + score


def test_the_same_objects_in_another_order_are_all_matched() -> None:
    same = parity([CAR, DOG, BIRD], [BIRD, CAR, DOG])
    assert same == DetectionParity(1, 3, 3, 3, 0, 1.0, 0.0)
    assert same.holds
    assert str(same) == "100 % of 3 detections matched (lowest IoU 1.00000, scores differ by at most 0.0e+00)"


def test_objects_may_differ_by_what_rounding_does() -> None:
    near = parity([CAR, DOG], [moved(CAR, right=0.05), moved(DOG, score=5e-4)])
    assert near.holds
    assert near.lowest_iou == pytest.approx(100 / 100.05, abs=1e-6)
    assert near.score_difference == pytest.approx(5e-4, abs=1e-6)


@pytest.mark.parametrize("change", [{"right": 0.2}, {"score": 2e-3}, {"score": -2e-3}, {"right": 30.0}])
def test_a_box_or_a_score_that_is_off_is_no_match(change: dict[str, float]) -> None:
    off = parity([CAR, DOG], [moved(CAR, **change), DOG])
    assert (off.detections, off.matched, off.holds) == (2, 1, False)
    assert off.fault == (
        f"finds other objects than the trained network: on 1 pictures 50 % of 2 detections matched "
        f"(100 % paired at IoU 0.5; lowest IoU {off.lowest_iou:.5f}, "
        f"scores differ by at most {off.score_difference:.1e}); "
        f"allowed is IoU >= 0.999 and scores within 0.001"
    )


def test_a_sliver_at_the_border_is_the_same_if_its_edges_are() -> None:
    sliver = ([399.5, 0, 400, 400], 0, 0.9)
    assert parity([sliver], [([399.505, 0, 400, 400], 0, 0.9)]).holds
    assert not parity([sliver], [([399.52, 0, 400, 400], 0, 0.9)]).holds


def test_another_class_counts_as_one_lost_and_one_invented() -> None:
    other = parity([CAR, DOG], [moved(CAR, label=1), DOG])
    assert (other.detections, other.matched) == (3, 1)


@pytest.mark.parametrize("swap", [False, True])
def test_an_object_that_one_engine_lacks_is_no_match_whichever_it_is(swap: bool) -> None:
    more, fewer = [CAR, DOG], [CAR]
    lost = parity(fewer, more) if swap else parity(more, fewer)
    assert (lost.detections, lost.matched, lost.left_out) == (2, 1, 0)
    assert not lost.holds


def test_one_detection_cannot_match_two() -> None:
    twin = moved(CAR, right=0.01, score=-1e-4)
    assert parity([CAR, twin], [CAR, twin], iou=1.0).matched == 2
    double = parity([CAR, twin], [CAR], iou=1.0)
    assert (double.detections, double.matched, double.left_out) == (2, 1, 0)


def test_what_lies_on_the_threshold_may_be_shown_by_one_engine_only() -> None:
    above, below = moved(DOG, score=3e-4), moved(DOG, score=-3e-4)
    paired = parity([CAR, above], [CAR, below], thresholds=[0.5, 0.6, 0.5])
    assert (paired.detections, paired.matched, paired.left_out) == (2, 2, 0)
    alone = parity([CAR, above], [CAR], thresholds=[0.5, 0.6, 0.5])
    assert (alone.detections, alone.left_out, alone.holds) == (1, 1, True)
    assert str(alone).endswith(", 1 tied or on a threshold left out")
    clear = parity([CAR, moved(DOG, score=2e-3)], [CAR], thresholds=[0.5, 0.6, 0.5])
    assert not clear.holds


def test_what_is_not_shown_is_not_compared() -> None:
    assert parity([CAR, BIRD], [CAR, moved(BIRD, right=9)], thresholds=[0.5, 0.5, 0.5]).detections == 1


def test_without_thresholds_a_quarter_is_where_it_begins() -> None:
    low = ([0, 0, 9, 9], 0, 0.2)
    assert parity([CAR, low], [CAR]).holds
    assert not parity([CAR, ([0, 0, 9, 9], 0, 0.3)], [CAR]).holds


def test_a_picture_in_which_nothing_is_shown_is_compared_from_half_its_best_score_on() -> None:
    faint = [([0, 0, 9, 9], 0, 0.2), ([50, 0, 90, 9], 1, 0.15), ([90, 90, 99, 99], 2, 0.05)]
    assert parity(faint, faint[:2]).detections == 2
    assert not parity(faint, faint[:1]).holds


@pytest.mark.parametrize("shift", [25.0, 50.0])
def test_of_two_that_score_the_same_either_may_be_kept(shift: float) -> None:
    """25 px: IoU 0.6, the two that are kept are paired; 50 px: IoU 0.33, both are alone."""
    (x1, y1, x2, y2), *_ = CAR
    first, second = CAR, ([x1 + shift, y1, x2 + shift, y2], 0, 0.9)
    args = {"iou": 0.3}
    tied = parity([moved(first, score=1e-5), second], [first, moved(second, score=1e-5)], **args)
    assert tied.left_out == (1 if shift == 25.0 else 2)
    assert (tied.detections, tied.holds) == (0, True)
    assert str(tied).startswith("no detections on either side, ")
    one_only = parity([moved(first, score=1e-5), second], [moved(second, score=1e-5)], **args)
    assert not one_only.holds


def test_each_class_may_have_its_own_box() -> None:
    rows = outputs(CAR, DOG)
    per_class = {**rows, "boxes": np.repeat(rows["boxes"][:, :, None], CLASSES, axis=2)}
    tied = {**per_class, "scores": per_class["scores"][:, ::-1]}
    wrong = {**per_class, "boxes": per_class["boxes"] + np.float32(3)}
    assert compare([Answers(per_class, per_class, PLACES)], decode_args={}, tolerance=0).holds
    for other in (tied, wrong):
        assert not compare([Answers(per_class, other, PLACES)], decode_args={}, tolerance=0).holds


def test_pictures_of_all_batches_are_counted() -> None:
    both = {name: np.concatenate([rows, rows]) for name, rows in outputs(CAR, DOG).items()}
    answers = [Answers(both, both, PLACES * 2), Answers(outputs(CAR), outputs(CAR), PLACES)]
    found = compare(answers, decode_args={}, tolerance=1e-4)
    assert (found.pictures, found.detections, found.matched) == (3, 5, 5)


def test_where_there_is_nothing_there_is_nothing_to_match() -> None:
    nothing = parity([], [])
    assert nothing.holds
    assert str(nothing) == "no detections on either side"
    assert not parity([], [CAR]).holds


def test_an_engine_of_fewer_bits_may_be_further_off() -> None:
    rough = moved(CAR, right=4, score=0.05)
    assert not parity([CAR], [rough]).holds
    assert parity([CAR], [rough], tolerance=0.1).holds
    assert not parity([CAR], [moved(CAR, right=20)], tolerance=0.1).holds


def test_nearly_all_is_not_called_all() -> None:
    nearly = DetectionParity(9, 3000, 2999, 2999, 0, 0.9, 0.0)
    assert str(nearly).startswith("99.9 % of 3000 detections matched (99.9 % paired at IoU 0.5; ")


def test_numbers_that_are_not_finite_are_refused() -> None:
    with pytest.raises(BundleError, match="not finite"):
        parity([CAR], [([0, 0, np.nan, 1], 0, 0.5)])
