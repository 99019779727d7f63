"""What holds for augmentation whatever is drawn."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from nayan.training.augment import POLICIES, random_box

sides = st.integers(1, 60)
seeds = st.integers(0, 2**32)


@given(sides, sides, seeds, st.floats(0.01, 1), st.floats(0.01, 1), st.floats(0.2, 1), st.floats(1, 5))
def test_a_random_box_lies_inside_and_has_an_area(
    height: int, width: int, seed: int, one: float, other: float, narrow: float, wide: float
) -> None:
    scale = (min(one, other), max(one, other))
    x1, y1, x2, y2 = random_box(
        (height, width), np.random.default_rng(seed), scale=scale, ratio=(narrow, wide)
    )
    assert 0 <= x1 < x2 <= width + 1e-9
    assert 0 <= y1 < y2 <= height + 1e-9


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(sorted(POLICIES)), sides, sides, seeds)
def test_any_picture_stays_a_picture(policy: str, height: int, width: int, seed: int) -> None:
    image = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    augment = POLICIES[policy]
    changed = augment(image, np.random.default_rng(seed), size=(9, 7))
    assert changed.dtype == np.uint8
    assert changed.shape == ((9, 7, 3) if augment.crops else image.shape)
