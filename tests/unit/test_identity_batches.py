"""Batches in which identities meet themselves."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nayan.training.order import Meetings, epoch_batches, identity_batches

CROWD = [number % 22 for number in range(220)]


def test_a_batch_holds_several_pictures_of_each_of_several_identities() -> None:
    for part in identity_batches(0, 3, identities=CROWD, batch=32, each=4):
        _, counts = np.unique(np.array(CROWD)[part], return_counts=True)
        assert len(counts) >= 6
        assert counts.min() >= 3
        assert 24 <= len(part) <= 40


def test_the_batches_are_a_function_of_seed_and_epoch() -> None:
    def dealt(seed: int, epoch: int) -> list[list[int]]:
        return [part.tolist() for part in identity_batches(seed, epoch, identities=CROWD, batch=32, each=4)]

    assert dealt(1, 2) == dealt(1, 2)
    assert dealt(1, 2) != dealt(1, 3)
    assert dealt(1, 2) != dealt(2, 2)


def test_an_identity_with_most_of_the_pictures_fills_no_batch() -> None:
    crowd = np.array([0] * 60 + [n for n in range(1, 11) for _ in range(4)])
    for part in identity_batches(0, 0, identities=crowd.tolist(), batch=20, each=4):
        assert (crowd[part] == 0).sum() <= 0.7 * len(part)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.integers(0, 9), min_size=1, max_size=80),
    st.integers(2, 40),
    st.integers(2, 6),
    st.integers(0, 5),
)
def test_every_picture_is_seen_once_and_there_are_as_many_batches_as_steps(
    identities: list[int], batch: int, each: int, epoch: int
) -> None:
    parts = identity_batches(0, epoch, identities=identities, batch=max(batch, each), each=each)
    assert sorted(np.concatenate(parts).tolist()) == list(range(len(identities)))
    assert len(parts) == -(-len(identities) // max(batch, each))
    assert all(len(part) for part in parts)


@pytest.mark.parametrize("meetings", [None, Meetings(tuple(CROWD), 4)])
def test_both_ways_of_drawing_give_the_same_number_of_batches(meetings: Meetings | None) -> None:
    assert len(epoch_batches(0, 0, count=220, batch=64, meetings=meetings)) == 4
