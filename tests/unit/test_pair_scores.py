import numpy as np
import pytest

from nayan.core.errors import ConfigError, DataError, ShapeError
from nayan.tasks.embedding.drawn_pairs import draw_pairs
from nayan.tasks.embedding.intervals import mean_interval, verification_intervals
from nayan.tasks.embedding.pair_scores import (
    auc,
    can_measure,
    equal_error,
    far_name,
    pair_curve,
    point_at_far,
    supports,
    verification_scores,
)


def test_pairs_that_are_perfectly_apart_score_perfectly() -> None:
    scores = verification_scores([0.1, 0.2, 0.8, 0.9], [True, True, False, False], fars=[0.5])
    assert scores == {"auc": 1.0, "eer": 0.0, "tar_at_far_5e-1": 1.0}


def test_one_distance_for_all_pairs_is_chance() -> None:
    curve = pair_curve([1.0] * 6, [True, False] * 3)
    assert auc(curve) == 0.5
    assert equal_error(curve).far == 0.5
    assert point_at_far(curve, 0.4).tar == 0.0  # equal pairs cannot be told apart: all or none


def test_pairs_the_wrong_way_round_score_nothing() -> None:
    curve = pair_curve([0.1, 0.2, 0.8, 0.9], [False, False, True, True])
    assert auc(curve) == 0.0
    assert equal_error(curve).far == 1.0


def test_the_equal_error_rate_lies_where_both_errors_meet_on_the_straight_line_between_two_points() -> None:
    # FAR, FRR go from (0, 1/3) to (1/2, 0) at a distance of 0.5, that of a pair of each kind
    curve = pair_curve([0.1, 0.2, 0.5, 0.5, 0.9], [True, True, True, False, False])
    point = equal_error(curve)
    assert point.far == pytest.approx(0.2)
    assert point.tar == pytest.approx(0.8)
    assert 0.2 < point.threshold < 0.5


def test_the_threshold_of_a_rate_lets_no_more_through_than_wanted() -> None:
    distances = np.concatenate([np.linspace(0.1, 0.6, 50), np.linspace(0.5, 1.0, 200)])
    curve = pair_curve(distances, np.arange(250) < 50)
    point = point_at_far(curve, 0.01)
    assert point.far == 0.01  # two of 200
    assert (distances[50:] <= point.threshold).sum() == 2
    assert point.tar == (distances[:50] <= point.threshold).mean()


def test_a_rate_that_so_few_pairs_cannot_show_is_left_out() -> None:
    scores = verification_scores(np.linspace(0, 1, 300), np.arange(300) < 150)
    assert list(scores) == ["auc", "eer", "tar_at_far_1e-2"]
    assert can_measure(0.01, 100)
    assert not can_measure(0.01, 99)
    assert supports(0.01, 3000)
    assert not supports(0.01, 2999)


@pytest.mark.parametrize(("rate", "name"), [(0.01, "1e-2"), (1e-3, "1e-3"), (0.25, "2.5e-1"), (3e-6, "3e-6")])
def test_a_rate_is_named_without_zeros(rate: float, name: str) -> None:
    assert far_name(rate) == name


@pytest.mark.parametrize("same", [[True, True], [False, False]])
def test_pairs_of_one_kind_are_refused(same: list[bool]) -> None:
    with pytest.raises(DataError, match=r"2 pairs, \d of them of one identity"):
        pair_curve([0.1, 0.2], same)


def test_no_pairs_are_refused() -> None:
    with pytest.raises(DataError, match="no pairs"):
        pair_curve([], [])


def test_distances_that_are_no_numbers_are_refused() -> None:
    with pytest.raises(ShapeError, match="finite"):
        pair_curve([0.1, np.nan], [True, False])
    with pytest.raises(ShapeError, match=r"\(2,\) and \(3,\)"):
        pair_curve([0.1, 0.2], [True, False, True])


@pytest.mark.parametrize("far", [0.0, 1.0, -0.1])
def test_an_impossible_rate_is_refused(far: float) -> None:
    with pytest.raises(ConfigError, match="between 0 and 1"):
        verification_scores([0.1, 0.2], [True, False], fars=[far])


def test_all_pairs_are_taken_where_there_are_few() -> None:
    pairs = draw_pairs([3, 1, 3, 1, 1])
    assert pairs.same.sum() == 1 + 3
    assert len(pairs) == 10
    assert len({tuple(row) for row in pairs.rows.tolist()}) == 10


def test_a_sample_of_pairs_is_seeded_without_repetition_and_right_about_what_is_the_same() -> None:
    identities = np.random.default_rng(1).integers(0, 30, size=400)
    pairs = draw_pairs(identities, most_same=300, most_different=500, seed=7)
    again = draw_pairs(identities, most_same=300, most_different=500, seed=7)
    other = draw_pairs(identities, most_same=300, most_different=500, seed=8)
    assert (pairs.rows == again.rows).all()
    assert (pairs.rows != other.rows).any()
    assert (len(pairs), pairs.same.sum()) == (800, 300)
    assert len({tuple(row) for row in pairs.rows.tolist()}) == 800
    first, second = pairs.rows.T
    assert ((identities[first] == identities[second]) == pairs.same).all()
    assert (first < second).all()


def test_no_pictures_give_no_pairs_and_impossible_numbers_are_refused() -> None:
    assert len(draw_pairs(np.zeros(0, np.int64))) == 0
    with pytest.raises(ConfigError, match="-1"):
        draw_pairs([1, 2], most_same=-1)
    with pytest.raises(ShapeError):
        draw_pairs(np.zeros((2, 2)))


def _people(identities: int, pictures: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return distances, same and identities of all pairs of people who lie more or less apart."""
    random = np.random.default_rng(seed)
    whose = np.repeat(np.arange(identities), pictures)
    vectors = random.normal(size=(identities, 6))[whose] + 0.5 * random.normal(size=(len(whose), 6))
    pairs = draw_pairs(whose)
    first, second = vectors[pairs.rows[:, 0]], vectors[pairs.rows[:, 1]]
    return np.linalg.norm(first - second, axis=1), pairs.same, whose[pairs.rows]


def test_few_people_make_wider_intervals_than_their_many_pairs_suggest() -> None:
    distances, same, identities = _people(8, 8, seed=0)
    people = verification_intervals(distances, same, identities=identities, resamples=300)
    pairs = verification_intervals(distances, same, resamples=300)
    scores = verification_scores(distances, same)
    assert set(people) == set(pairs) == set(scores)
    for name, (low, high) in people.items():
        assert low <= scores[name] <= high
        assert high - low > 1.5 * (pairs[name][1] - pairs[name][0])


def test_intervals_hold_what_other_people_score_about_as_often_as_they_say() -> None:
    truth = np.mean([auc(pair_curve(*_people(60, 4, seed=seed)[:2])) for seed in range(5)])
    held = 0
    for seed in range(40):
        distances, same, identities = _people(12, 3, seed=100 + seed)
        low, high = verification_intervals(distances, same, identities=identities, resamples=100)["auc"]
        held += low <= truth <= high
    assert held >= 33  # of 40; 38 are wanted


def test_many_distances_give_nearly_the_interval_of_all_thresholds(monkeypatch: pytest.MonkeyPatch) -> None:
    distances, same, identities = _people(12, 12, seed=3)  # 10,296 distinct distances
    some = verification_intervals(distances, same, identities=identities, resamples=50)
    monkeypatch.setattr("nayan.tasks.embedding.intervals._STEPS", 10**6)
    every = verification_intervals(distances, same, identities=identities, resamples=50)
    for name, interval in every.items():
        assert some[name] == pytest.approx(interval, abs=0.004)


def test_two_identities_have_no_interval() -> None:
    assert (
        verification_intervals([0.1, 0.9, 0.2], [True, False, True], identities=[[0, 0], [0, 1], [1, 1]])
        == {}
    )
    assert mean_interval([1.0, 0.0], ["a", "b"]) is None


def test_identities_that_contradict_the_pairs_are_refused() -> None:
    with pytest.raises(ShapeError, match="1 of 2 pairs"):
        verification_intervals([0.1, 0.9], [True, False], identities=[[0, 1], [0, 1]])
    with pytest.raises(ShapeError, match=r"\(P, 2\)"):
        verification_intervals([0.1, 0.9], [True, False], identities=[0, 1])
    with pytest.raises(ConfigError, match="bootstrap"):
        verification_intervals([0.1, 0.9], [True, False], level=1.0)
    with pytest.raises(ShapeError, match="identities"):
        mean_interval([1.0, 0.0], ["a"])
