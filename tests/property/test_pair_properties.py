import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from nayan.tasks.embedding.drawn_pairs import draw_pairs
from nayan.tasks.embedding.pair_scores import auc, equal_error, pair_curve, point_at_far

steps = st.integers(0, 12)  # few values, so that many are equal
pairs = st.tuples(st.lists(steps, min_size=1, max_size=25), st.lists(steps, min_size=1, max_size=25))


def _curve(kinds):
    same, different = kinds
    distances = np.array([*same, *different]) / 8
    return pair_curve(distances, np.arange(len(distances)) < len(same))


@given(pairs)
def test_the_auc_is_the_share_of_two_pairs_that_are_in_order(kinds) -> None:
    same, different = (np.array(kind) for kind in kinds)
    before = (same[:, None] < different).mean() + 0.5 * (same[:, None] == different).mean()
    assert np.isclose(auc(_curve(kinds)), before)


@given(pairs)
def test_both_errors_are_equal_at_the_equal_error_rate_and_lie_on_the_curve(kinds) -> None:
    curve = _curve(kinds)
    point = equal_error(curve)
    assert np.isclose(point.far, 1 - point.tar)
    assert 0 <= point.far <= 1
    steps = np.linspace(0, 1, 200)[:, None]  # along each straight piece
    far = curve.far[:-1] + steps * np.diff(curve.far)
    tar = curve.tar[:-1] + steps * np.diff(curve.tar)
    assert np.hypot(far - point.far, tar - point.tar).min() < 0.01


@given(pairs)
def test_the_errors_are_the_same_seen_from_either_side(kinds) -> None:
    same, different = kinds
    turned = _curve(([12 - d for d in different], [12 - s for s in same]))
    assert np.isclose(auc(turned), auc(_curve(kinds)))
    assert np.isclose(equal_error(turned).far, equal_error(_curve(kinds)).far)


@given(pairs, st.floats(0.001, 0.999))
def test_a_wanted_rate_is_never_passed_and_more_of_it_never_finds_less(kinds, far) -> None:
    curve = _curve(kinds)
    point = point_at_far(curve, far)
    assert point.far <= far
    assert point_at_far(curve, far / 2).tar <= point.tar
    within = np.array(kinds[1]) / 8 <= point.threshold
    assert np.isclose(within.mean(), point.far)


@given(st.lists(st.integers(0, 5), max_size=30), st.integers(0, 40), st.integers(0, 40), st.integers(0, 9))
def test_drawn_pairs_are_what_they_say_and_as_many_as_there_can_be(identities, same, different, seed) -> None:
    found = draw_pairs(np.array(identities, np.int64), most_same=same, most_different=different, seed=seed)
    counts = np.bincount(np.array(identities, np.int64)) if identities else np.zeros(1, np.int64)
    alike = int((counts * (counts - 1) // 2).sum())
    every = len(identities) * (len(identities) - 1) // 2
    assert found.same.sum() == min(same, alike)
    assert (~found.same).sum() == min(different, every - alike)
    assert len({tuple(row) for row in found.rows.tolist()}) == len(found)
    for (first, second), is_same in zip(found.rows.tolist(), found.same.tolist(), strict=True):
        assert first < second
        assert (identities[first] == identities[second]) == is_same
