"""Objects keep their ids: while they cross, hide, fade, and between classes."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.optimize
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from nayan.core.errors import ConfigError
from nayan.core.types import Boxes
from nayan.runtime.motion import POSITION_NOISE, VELOCITY_NOISE, Motion
from nayan.runtime.pairing import cheapest_pairs
from nayan.runtime.tracker import Tracker


def seen(*objects: tuple[float, float, int, float]) -> Boxes:
    """Return 20 x 40 px boxes at (left, top) with a class and a score."""
    rows = [(x, y, x + 20, y + 40) for x, y, _, _ in objects]
    return Boxes(
        np.array(rows, np.float32).reshape(-1, 4),
        np.array([label for _, _, label, _ in objects], np.int64),
        np.array([score for *_, score in objects], np.float32),
    )


# pairing


@given(
    arrays(np.float64, st.tuples(st.integers(0, 7), st.integers(0, 7)), elements=st.integers(0, 12)),
)
@settings(max_examples=150, deadline=None)
def test_pairs_are_as_cheap_as_those_of_scipy(cost: np.ndarray) -> None:
    pairs = cheapest_pairs(cost)
    rows, columns = scipy.optimize.linear_sum_assignment(cost)
    assert len(pairs) == min(cost.shape)
    assert len({row for row, _ in pairs}) == len({column for _, column in pairs}) == len(pairs)
    assert sum(cost[pair] for pair in pairs) == cost[rows, columns].sum()


@given(arrays(np.float64, st.tuples(st.integers(1, 6), st.integers(1, 6)), elements=st.integers(0, 9)))
@settings(max_examples=100, deadline=None)
def test_with_a_limit_as_many_possible_pairs_as_can_be_are_made(cost: np.ndarray) -> None:
    pairs = cheapest_pairs(cost, limit=4)
    assert all(cost[pair] <= 4 for pair in pairs)
    rows, columns = scipy.optimize.linear_sum_assignment(np.where(cost <= 4, cost, 1000))
    possible = [(r, c) for r, c in zip(rows, columns, strict=True) if cost[r, c] <= 4]
    assert len(pairs) == len(possible)
    assert sum(cost[pair] for pair in pairs) == sum(cost[pair] for pair in possible)


def test_random_costs_of_many_objects_are_paired_like_scipy() -> None:
    cost = np.random.default_rng(0).random((60, 45))
    rows, columns = scipy.optimize.linear_sum_assignment(cost)
    assert cheapest_pairs(cost) == list(zip(rows.tolist(), columns.tolist(), strict=True))


# motion


def test_the_filter_equals_the_one_with_matrices() -> None:
    rng = np.random.default_rng(1)
    boxes = [
        np.array([[50, 60, 90, 160]]) + n * np.array([[4, 2, 5, 2]]) + rng.normal(0, 1, (1, 4))
        for n in range(8)
    ]
    motion = Motion.start(boxes[0])
    step = np.eye(8) + np.diag(np.ones(4), 4)
    look = np.eye(4, 8)
    w, h = motion.value[0, 2:]
    x = np.concatenate((motion.value[0], np.zeros(4)))
    noise = np.array([w, h, w, h])
    P = np.diag(np.concatenate((2 * POSITION_NOISE * noise, 10 * VELOCITY_NOISE * noise)) ** 2)  # noqa: N806
    for box in boxes[1:]:
        noise = np.array([x[2], x[3], x[2], x[3]])
        x = step @ x
        P = step @ P @ step.T + np.diag(np.concatenate((POSITION_NOISE * noise, VELOCITY_NOISE * noise)) ** 2)  # noqa: N806
        noise = np.array([x[2], x[3], x[2], x[3]])
        gain = P @ look.T @ np.linalg.inv(look @ P @ look.T + np.diag((POSITION_NOISE * noise) ** 2))
        left, top, right, bottom = box[0]
        z = np.array([(left + right) / 2, (top + bottom) / 2, right - left, bottom - top])
        x, P = x + gain @ (z - look @ x), P - gain @ look @ P  # noqa: N806
        motion = motion.step(keep_size=np.array([False])).correct(np.array([0]), box)
    assert np.allclose(motion.value[0], x[:4])
    assert np.allclose(motion.velocity[0], x[4:])
    assert np.allclose(motion.value_variance[0], np.diag(P)[:4])
    assert np.allclose(motion.covariance[0], np.diag(P, 4))
    assert np.allclose(motion.velocity_variance[0], np.diag(P)[4:])


def test_an_object_that_nobody_sees_moves_on_without_growing() -> None:
    motion = Motion.start(np.array([[0, 0, 10, 10]]))
    for n in range(1, 9):
        box = np.array([[5 * n, 0, 5 * n + 10 + n, 10]])
        motion = motion.step(keep_size=np.array([False])).correct(np.array([0]), box)
    hidden = motion.step(keep_size=np.array([True]))
    assert hidden.value[0, 0] > motion.value[0, 0] + 4
    assert hidden.value[0, 2] == motion.value[0, 2]
    assert motion.velocity[0, 2] > 0.5


# tracking


def test_an_object_gets_an_id_in_the_second_frame_and_keeps_it() -> None:
    tracker = Tracker()
    ids = [tracker.update(seen((5 * n, 10, 0, 0.9))).ids.tolist() for n in range(30)]
    assert ids == [[], *[[1]] * 29]


def test_the_boxes_of_tracks_are_those_that_were_detected() -> None:
    tracker = Tracker(min_hits=1)
    detected = seen((100, 0, 1, 0.8), (5, 5, 0, 0.9))
    tracks = tracker.update(detected)
    assert tracks.ids.tolist() == [1, 2]
    assert tracks.boxes.xyxy.tolist() == detected.xyxy.tolist()
    assert tracks.boxes.labels.tolist() == [1, 0]
    assert len(tracks) == 2


def test_two_that_pass_each_other_keep_their_ids() -> None:
    tracker = Tracker()
    for n in range(40):
        left, right = 5 * n, 200 - 5 * n
        tracks = tracker.update(seen((left, 0, 0, 0.9), (right, 24, 0, 0.9)))
        if n:
            places = dict(zip(tracks.ids.tolist(), tracks.boxes.xyxy[:, 0].tolist(), strict=True))
            assert places == {1: left, 2: right}


def test_one_that_hides_for_a_while_comes_back_with_its_id() -> None:
    tracker = Tracker(max_lost=10)
    hidden = range(12, 19)
    for n in range(30):
        tracks = tracker.update(Boxes.none() if n in hidden else seen((4 * n, 0, 0, 0.9)))
        assert tracks.ids.tolist() == ([] if n == 0 or n in hidden else [1])
        assert tracks.ended == ()


def test_one_that_stays_away_too_long_is_given_up_once_and_gets_a_new_id() -> None:
    tracker = Tracker(max_lost=3)
    there = seen((0, 0, 0, 0.9))
    ended = [tracker.update(Boxes.none() if 4 <= n < 9 else there).ended for n in range(12)]
    assert [n for n, ids in enumerate(ended) if ids == (1,)] == [7]
    assert tracker.update(seen((0, 0, 0, 0.9))).ids.tolist() == [2]


def test_a_fading_score_continues_a_track_but_begins_none() -> None:
    tracker = Tracker(high=0.5, low=0.1)
    for n in range(5):
        tracker.update(seen((2 * n, 0, 0, 0.9)))
    fading = [tracker.update(seen((10 + 2 * n, 0, 0, 0.2), (200, 0, 0, 0.3))) for n in range(10)]
    assert [tracks.ids.tolist() for tracks in fading] == [[1]] * 10
    assert tracker.update(seen((30, 0, 0, 0.05))).ids.tolist() == []


def test_a_detection_that_flashes_up_once_gets_no_id() -> None:
    tracker = Tracker()
    tracker.update(seen((0, 0, 0, 0.9)))
    assert tracker.update(Boxes.none()).ids.tolist() == []
    assert tracker.update(seen((0, 0, 0, 0.9))).ids.tolist() == []
    assert tracker.update(seen((0, 0, 0, 0.9))).ids.tolist() == [1]


def test_a_track_never_changes_its_class_unless_it_may() -> None:
    flicker = [seen((3 * n, 0, n % 2, 0.9)) for n in range(12)]
    strict, loose = Tracker(min_hits=1), Tracker(min_hits=1, per_class=False)
    ids = {
        (int(i), int(c))
        for b in flicker
        for t in [strict.update(b)]
        for i, c in zip(t.ids, t.boxes.labels, strict=True)
    }
    assert len({c for i, c in ids if i == 1}) == 1
    assert len({i for i, _ in ids}) >= 2
    results = [loose.update(boxes) for boxes in flicker]
    assert {tuple(tracks.ids.tolist()) for tracks in results} == {(1,)}
    assert {tuple(tracks.boxes.labels.tolist()) for tracks in results} == {(0,)}


def test_each_class_may_have_its_own_threshold() -> None:
    tracker = Tracker(high=[0.3, 0.8], min_hits=1)
    assert tracker.update(seen((0, 0, 0, 0.5), (100, 0, 1, 0.5))).boxes.labels.tolist() == [0]


def test_ground_truth_without_scores_can_be_followed() -> None:
    tracker = Tracker(min_hits=1)
    truth = Boxes(np.array([[0, 0, 9, 9]], np.float32), np.array([0]))
    assert [tracker.update(truth).ids.tolist() for _ in range(3)] == [[1]] * 3


@pytest.mark.parametrize(
    "wrong", [{"high": 0.0}, {"high": [0.5, 1.2]}, {"low": -1.0}, {"min_hits": 0}, {"max_lost": -1}]
)
def test_impossible_settings_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ConfigError):
        Tracker(**wrong)  # type: ignore[arg-type]
