"""Sharing out groups: nothing is lost or parted, and every part looks like the whole as far as it can."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nayan.data.stratify import stratify


@st.composite
def groups(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    """Draw (G, C) pictures that show each class, and (G,) pictures."""
    seed, count, classes = draw(st.integers(0, 9999)), draw(st.integers(3, 40)), draw(st.integers(1, 6))
    rng = np.random.default_rng(seed)
    sizes = rng.integers(1, draw(st.integers(2, 8)), count)
    shares = rng.uniform(0, 1, classes) ** 2
    return rng.binomial(sizes[:, None], shares, (count, classes)), sizes


@settings(deadline=None)
@given(groups(), st.sampled_from([(0.7, 0.15, 0.15), (0.85, 0.15, 0.0), (0.5, 0.25, 0.25)]))
def test_every_group_has_a_part_and_train_has_every_class(
    drawn: tuple[np.ndarray, np.ndarray], fractions: tuple[float, ...]
) -> None:
    counts, sizes = drawn
    parts = stratify(counts, sizes, fractions, rng=np.random.default_rng(0))
    assert parts.shape == sizes.shape
    assert set(parts.tolist()) <= {i for i, fraction in enumerate(fractions) if fraction}
    assert ((counts[parts == 0].sum(axis=0) > 0) == (counts.sum(axis=0) > 0)).all()
    assert (parts == 0).any()


@settings(deadline=None)
@given(groups())
def test_no_part_lacks_a_class_that_train_could_spare(drawn: tuple[np.ndarray, np.ndarray]) -> None:
    counts, sizes = drawn
    parts = stratify(counts, sizes, (0.6, 0.2, 0.2), rng=np.random.default_rng(0))
    left = (counts[parts == 0] > 0).sum(axis=0)
    for part in (1, 2):
        for label in np.flatnonzero(counts[parts == part].sum(axis=0) == 0):
            holders = [g for g in np.flatnonzero(parts == 0) if counts[g, label]]
            assert all((left[counts[g] > 0] <= 1).any() for g in holders)


@pytest.mark.parametrize("seed", range(5))
def test_the_shares_of_single_pictures_are_close_for_frequent_and_rare_classes(seed: int) -> None:
    rng = np.random.default_rng(seed)
    counts = (rng.random((400, 5)) < [0.9, 0.5, 0.3, 0.1, 0.05]).astype(np.int64)
    parts = stratify(counts, np.ones(400, np.int64), (0.7, 0.15, 0.15), rng=rng)
    for part, fraction in enumerate((0.7, 0.15, 0.15)):
        got = counts[parts == part].sum(axis=0)
        assert np.abs(got - fraction * counts.sum(axis=0)).max() <= 2.5
        assert abs((parts == part).sum() - 400 * fraction) <= 6


def test_the_generator_decides_and_nothing_else_does() -> None:
    counts, sizes = np.random.default_rng(0).integers(0, 2, (40, 3)), np.ones(40, np.int64)
    one, again, other = (
        stratify(counts, sizes, (0.6, 0.4), rng=np.random.default_rng(seed)).tolist() for seed in (1, 1, 2)
    )
    assert one == again != other


@pytest.mark.parametrize(
    ("counts", "sizes"), [([[90], [5], [5]], [90, 5, 5]), ([[0], [0], [0]], [8, 1, 1])], ids=["boxes", "none"]
)
def test_a_part_is_not_left_empty_when_there_are_groups_enough(
    counts: list[list[int]], sizes: list[int]
) -> None:
    rng = np.random.default_rng(0)
    parts = stratify(np.array(counts), np.array(sizes), (0.98, 0.01, 0.01), rng=rng)
    assert sorted(parts.tolist()) == [0, 1, 2]


def test_a_class_that_came_along_with_another_is_brought_back_to_train() -> None:
    # The second group fills what validation lacks of the rarer class, and takes all of the other along.
    counts, sizes = np.array([[10, 0], [5, 20]]), np.array([30, 20])
    assert stratify(counts, sizes, (0.7, 0.3), rng=np.random.default_rng(0)).tolist() == [1, 0]
