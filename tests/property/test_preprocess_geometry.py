from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nayan.runtime.preprocess import Placement, Preprocess

sides = st.integers(1, 400)
preprocesses = st.builds(
    Preprocess,
    size=st.tuples(st.integers(1, 64), st.integers(1, 64)),
    fit=st.sampled_from(["stretch", "crop", "letterbox", "cut"]),
    crop_ratio=st.sampled_from([1.0, 0.875, 0.5]),
)


def place(point: np.ndarray, placement: Placement) -> np.ndarray:
    return point * placement.scale + placement.offset


def undo(point: np.ndarray, placement: Placement) -> np.ndarray:
    return (point - placement.offset) / placement.scale


@given(preprocesses, sides, sides, st.floats(0, 1), st.floats(0, 1))
def test_undo_after_place_is_identity(
    preprocess: Preprocess, height: int, width: int, down: float, right: float
) -> None:
    pixels, placement = preprocess(np.zeros((height, width, 3), np.uint8))
    assert pixels.shape == (*preprocess.size, 3)
    assert placement.original == (height, width)
    point = np.array([down * height, right * width])
    assert undo(place(point, placement), placement) == pytest.approx(point, abs=1e-6)


@settings(max_examples=50)
@given(
    st.sampled_from(["stretch", "crop", "letterbox", "cut"]),
    st.sampled_from([1.0, 0.75]),
    st.integers(100, 250),
    st.integers(100, 250),
)
def test_the_placement_says_where_a_pixel_came_from(
    fit: str, crop_ratio: float, height: int, width: int
) -> None:
    image = np.zeros((height, width, 3), np.uint8)
    image[..., 0] = np.arange(width)[None, :]  # every pixel carries its own place
    image[..., 1] = np.arange(height)[:, None]
    pixels, placement = Preprocess((40, 48), fit, crop_ratio=crop_ratio)(image)  # type: ignore[arg-type]
    centre = np.array([20, 24])
    y, x = undo(centre + 0.5, placement) - 0.5
    assert pixels[20, 24, 0] == pytest.approx(x, abs=2)
    assert pixels[20, 24, 1] == pytest.approx(y, abs=2)


@given(preprocesses, sides, sides)
def test_a_crop_never_shows_padding(preprocess: Preprocess, height: int, width: int) -> None:
    pixels, _ = preprocess(np.zeros((height, width, 3), np.uint8))
    assert preprocess.fit == "letterbox" or not pixels.any()
