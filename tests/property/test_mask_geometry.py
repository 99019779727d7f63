"""Masks laid into a network's input and decoded again lie where they lay."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from nayan.core.types import VOID, SemanticMask
from nayan.runtime.masks import place_mask
from nayan.runtime.preprocess import Fit, Preprocess
from nayan.tasks.segmentation.boundaries import borders, near
from nayan.tasks.segmentation.decode import decode

CLASSES = 3
fits = st.sampled_from(["stretch", "crop", "letterbox"])
sides = st.integers(1, 90)
input_sides = st.integers(1, 64)


def blocks(seed: int, size: tuple[int, int]) -> NDArray[np.uint8]:
    """Return a mask of a few large areas."""
    coarse = np.random.default_rng(seed).integers(0, CLASSES, (3, 3), dtype=np.uint8)
    return np.asarray(cv2.resize(coarse, size[::-1], interpolation=cv2.INTER_NEAREST_EXACT), np.uint8)


def one_hot(ids: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return (1, K, h, w) probabilities of a network that is sure; beside the picture it knows nothing."""
    rows = np.eye(CLASSES + 1, dtype=np.float32)[np.minimum(ids, CLASSES)][..., :CLASSES]
    rows[ids == VOID] = 1 / CLASSES
    return np.ascontiguousarray(rows.transpose(2, 0, 1)[None])


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 99), fits, sides, sides, input_sides, input_sides)
def test_a_mask_of_any_size_comes_back_where_it_was_up_to_its_borders(
    seed: int, fit: Fit, height: int, width: int, input_h: int, input_w: int
) -> None:
    truth = blocks(seed, (height, width))
    preprocess = Preprocess((input_h, input_w), fit)
    placement = preprocess.placement((height, width))
    placed = place_mask(SemanticMask(truth), preprocess)
    (found,) = decode({"probabilities": one_hot(placed.ids)}, [placement])
    assert found.size == (height, width)
    assert found.scores is not None
    assert ((found.scores >= 0) & (found.scores <= 1)).all()
    seen = found.ids != VOID
    if fit != "crop":
        assert seen.all()
    # a pixel of the input covers so many of the original, and is worth as much on either side
    reach = 1.5 * max(1.0, 1 / placement.scale[0], 1 / placement.scale[1])
    sure = seen & ~near(borders(truth), reach)
    np.testing.assert_array_equal(found.ids[sure], truth[sure])


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 99), fits, st.integers(8, 64), st.integers(8, 64))
def test_a_mask_at_the_size_of_the_input_comes_back_exactly(
    seed: int, fit: Fit, height: int, width: int
) -> None:
    truth = blocks(seed, (height, width))
    preprocess = Preprocess((height, width), fit)
    placed = place_mask(SemanticMask(truth), preprocess)
    (found,) = decode({"probabilities": one_hot(placed.ids)}, [preprocess.placement((height, width))])
    np.testing.assert_array_equal(found.ids, truth)
    np.testing.assert_array_equal(found.scores, np.ones((height, width), np.float32))


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 99), st.integers(20, 90), st.integers(20, 90))
def test_what_a_crop_does_not_show_is_void_and_has_no_score(seed: int, height: int, width: int) -> None:
    preprocess = Preprocess((32, 32), "crop", crop_ratio=0.8)
    placement = preprocess.placement((height, width))
    placed = place_mask(SemanticMask(blocks(seed, (height, width))), preprocess)
    (found,) = decode({"probabilities": one_hot(placed.ids)}, [placement])
    assert found.scores is not None
    void = found.ids == VOID
    assert (found.scores[void] == 0).all()
    shown = 0.8**2 * min(height, width) ** 2
    assert (~void).sum() == pytest.approx(shown, rel=0.15)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 99), fits, st.integers(4, 90), st.integers(4, 90))
def test_two_classes_at_a_threshold_of_a_half_are_the_most_probable_one(
    seed: int, fit: Fit, height: int, width: int
) -> None:
    second = np.random.default_rng(seed).random((1, 1, 24, 24), dtype=np.float32)
    raw = {"probabilities": np.concatenate([1 - second, second], axis=1)}
    placement = Preprocess((24, 24), fit).placement((height, width))
    (likely,), (above,) = (decode(raw, [placement], thresholds=each) for each in (None, [0.5]))
    assert likely.scores is not None
    assert above.scores is not None
    clear = likely.scores > 0.5 + 1e-6
    np.testing.assert_array_equal(above.ids[clear], likely.ids[clear])
    np.testing.assert_allclose(above.scores, likely.scores, atol=1e-6)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 99), st.floats(0, 1), st.floats(0, 1))
def test_a_higher_threshold_gives_the_second_class_fewer_pixels(seed: int, one: float, other: float) -> None:
    second = np.random.default_rng(seed).random((1, 1, 12, 12), dtype=np.float32)
    raw = {"probabilities": np.concatenate([1 - second, second], axis=1)}
    placement = Preprocess((12, 12), "stretch").placement((40, 30))
    (low,), (high,) = (decode(raw, [placement], thresholds=[each]) for each in sorted((one, other)))
    assert ((low.ids == 1) | (high.ids != 1)).all()
