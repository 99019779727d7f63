import numpy as np
import pytest

from nayan.core.errors import ConfigError
from nayan.tasks.embedding.confidence import (
    NOTHING,
    PairConfidence,
    fit_confidence,
    fit_threshold,
    upper_bound,
)


def _pairs(seed: int = 0, *, same: int = 200, different: int = 2000) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    # two Gaussians of one width: the true probability is a logistic curve
    distances = np.concatenate([random.normal(0.6, 0.2, same), random.normal(1.1, 0.2, different)])
    return np.abs(distances), np.arange(same + different) < same


def test_the_probability_falls_with_the_distance_and_means_what_it_says() -> None:
    distances, same = _pairs(same=2000, different=2000)
    fitted = fit_confidence(distances, same)
    p = fitted.probability(distances)
    assert fitted.slope > 0
    for low in np.arange(0, 1, 0.2):
        inside = (p >= low) & (p < low + 0.2)
        assert p[inside].mean() == pytest.approx(same[inside].mean(), abs=0.05)


def test_how_many_pairs_there_are_of_each_kind_does_not_move_the_probability() -> None:
    distances, same = _pairs(same=2000, different=2000)
    fewer = np.flatnonzero(same | (np.arange(len(same)) % 5 == 0))
    whole, part = fit_confidence(distances, same), fit_confidence(distances[fewer], same[fewer])
    assert part.offset / part.slope == pytest.approx(whole.offset / whole.slope, abs=0.01)


def test_pairs_that_are_perfectly_apart_give_no_cliff() -> None:
    fitted = fit_confidence([0.2, 0.3, 0.9, 1.0], [True, True, False, False])
    near, far = fitted.probability([0.2, 1.0])
    assert 0.6 < near < 0.9
    assert 0.1 < far < 0.4


def test_distances_that_tell_nothing_or_the_opposite_give_one_half() -> None:
    for distances in ([0.5, 0.5, 0.5, 0.5], [0.9, 0.8, 0.2, 0.1]):
        fitted = fit_confidence(distances, [True, True, False, False])
        assert fitted.slope == 0
        assert fitted.probability([0.0, 2.0]) == pytest.approx([0.5, 0.5])


def test_extreme_distances_do_not_overflow() -> None:
    assert PairConfidence(1e6, 0.0).probability([-1e6, 1e6]).tolist() == [1.0, 0.0]


def test_the_threshold_keeps_the_wanted_rate_and_lies_between_two_distances() -> None:
    distances, same = _pairs()
    fitted = fit_threshold(distances, same, far=0.01)
    assert (fitted.accepted, fitted.num_different, fitted.num_same) == (20, 2000, 200)
    assert fitted.far == 0.01
    assert ((distances <= fitted.threshold) & ~same).sum() == 20
    assert fitted.tar == ((distances <= fitted.threshold) & same).sum() / 200
    assert fitted.threshold not in distances
    assert fitted.far < fitted.far_bound < 0.016


def test_a_rate_below_what_the_pairs_can_show_says_how_little_is_known() -> None:
    fitted = fit_threshold(*_pairs(different=300), far=1e-4)
    assert fitted.accepted == 0
    assert fitted.far_bound == pytest.approx(3 / 300, rel=0.02)


def test_where_a_different_pair_is_nearest_of_all_nothing_is_the_same() -> None:
    fitted = fit_threshold([0.0, 0.4, 0.8], [False, True, False], far=0.1)
    assert fitted.threshold == NOTHING
    assert (fitted.far, fitted.tar) == (0.0, 0.0)


def test_the_upper_bound_is_exact() -> None:
    k, n = 3, 50
    rate = upper_bound(k, n)
    ways = [1.0, 50.0, 1225.0, 19600.0]
    assert sum(w * rate**i * (1 - rate) ** (n - i) for i, w in enumerate(ways)) == pytest.approx(0.05)
    assert upper_bound(7, 7) == 1.0
    with pytest.raises(ConfigError):
        upper_bound(3, 2)
