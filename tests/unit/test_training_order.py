"""Order, augmentation seeds and batches: pure functions of the seed and the position."""

from __future__ import annotations

import numpy as np
import pytest

from nayan.training.order import epoch_order, sample_rng, split_batches, step_seed


def test_an_epoch_sees_every_sample_once_in_an_order_that_only_seed_and_epoch_decide() -> None:
    order = epoch_order(3, 5, count=100)
    assert sorted(order.tolist()) == list(range(100))
    np.random.seed(1)  # nothing global matters
    assert (epoch_order(3, 5, count=100) == order).all()
    assert (epoch_order(3, 6, count=100) != order).any()
    assert (epoch_order(4, 5, count=100) != order).any()


def test_weights_make_rare_samples_as_frequent_as_common_ones() -> None:
    weights = [1.0] * 90 + [9.0] * 10
    drawn = np.concatenate([epoch_order(0, epoch, count=100, weights=weights) for epoch in range(50)])
    assert len(drawn) == 5000
    assert (drawn >= 90).mean() == pytest.approx(0.5, abs=0.03)


def test_order_augmentation_and_dropout_draw_from_different_streams() -> None:
    first = sample_rng(0, 0, index=0).integers(1 << 62)
    assert first == sample_rng(0, 0, index=0).integers(1 << 62)
    others = [sample_rng(0, 0, index=1), sample_rng(0, 1, index=0), sample_rng(1, 0, index=0)]
    assert first not in [rng.integers(1 << 62) for rng in others]
    positions = [(0, 0, 0, 0), (1, 0, 0, 0), (0, 1, 0, 0), (0, 0, 1, 0), (0, 0, 0, 1)]
    seeds = {step_seed(0, part, epoch=e, step=s, rank=r) for part, e, s, r in positions}
    assert len(seeds) == len(positions)
    assert all(0 <= seed < 1 << 63 for seed in seeds)


def test_batches_are_nearly_equal_and_together_the_order() -> None:
    for count in (1, 7, 31, 32, 33, 100):
        parts = split_batches(np.arange(count), 8)
        assert np.concatenate(parts).tolist() == list(range(count))
        assert max(map(len, parts)) <= 8
        assert max(map(len, parts)) - min(map(len, parts)) <= 1
