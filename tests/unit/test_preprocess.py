from __future__ import annotations

import numpy as np
import pytest

from nayan.core.errors import ConfigError, ShapeError
from nayan.runtime.preprocess import LETTERBOX_GRAY, Preprocess, resize, to_channels


def ramp(height: int, width: int) -> np.ndarray:
    """Return a picture whose red grows to the right and green downwards, blue 0."""
    image = np.zeros((height, width, 3), np.uint8)
    image[..., 0] = np.linspace(0, 255, width)[None, :]
    image[..., 1] = np.linspace(0, 255, height)[:, None]
    return image


def test_stretching_shows_the_whole_picture() -> None:
    pixels, placement = Preprocess((8, 16), "stretch")(ramp(64, 64))
    assert pixels.shape == (8, 16, 3)
    assert placement.scale == (0.125, 0.25)
    assert placement.offset == (0.0, 0.0)
    assert pixels[0, -1, 0] > 240
    assert pixels[-1, 0, 1] > 230


def test_cropping_takes_the_centre_and_keeps_the_aspect() -> None:
    pixels, placement = Preprocess((16, 16), "crop")(ramp(32, 96))
    assert placement.scale == (0.5, 0.5)
    assert placement.offset == (0.0, -16.0)  # a third of the width is cut off on each side
    assert 80 < pixels[0, 0, 0] < 95
    assert 160 < pixels[0, -1, 0] < 175


def test_a_crop_ratio_below_one_cuts_off_the_border_too() -> None:
    pixels, placement = Preprocess((16, 16), "crop", crop_ratio=0.5)(ramp(64, 64))
    assert placement.scale == (0.5, 0.5)
    assert placement.offset == (-8.0, -8.0)
    assert 60 < pixels[0, 0, 0] < 70


def test_a_letterbox_pads_with_gray() -> None:
    pixels, placement = Preprocess((16, 16), "letterbox")(np.zeros((10, 20, 3), np.uint8))
    assert (pixels[:4] == LETTERBOX_GRAY).all()
    assert (pixels[4:12] == 0).all()
    assert (pixels[12:] == LETTERBOX_GRAY).all()
    assert placement.offset == (4.0, 0.0)


def test_a_letterbox_of_a_line_keeps_at_least_one_pixel() -> None:
    pixels, _ = Preprocess((8, 8), "letterbox")(np.zeros((1, 500, 3), np.uint8))
    assert (pixels == 0).any()


def test_a_picture_of_the_right_size_is_not_touched() -> None:
    image = ramp(16, 16)
    assert resize(image, (16, 16)) is image
    np.testing.assert_array_equal(Preprocess((16, 16))(image)[0], image)


def test_gray_networks_get_one_channel_of_luma() -> None:
    image = np.zeros((4, 4, 3), np.uint8)
    image[..., 1] = 255
    pixels, _ = Preprocess((4, 4), channels=1, mean=(0.5,), std=(0.5,))(image)
    assert pixels.shape == (4, 4, 1)
    assert (pixels == 150).all()  # 0.587 * 255
    assert to_channels(image, 3) is image


def test_a_decoder_may_shrink_to_the_input_and_to_the_border_around_a_crop() -> None:
    assert Preprocess((224, 112), "stretch").at_least() == (224, 112)
    assert Preprocess((224, 224), "crop", crop_ratio=0.875).at_least() == (256, 256)


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((4, 4), np.uint8),
        np.zeros((4, 4, 4), np.uint8),
        np.zeros((4, 4, 3), np.float32),
        np.zeros((0, 4, 3), np.uint8),
    ],
)
def test_what_is_no_picture_is_refused(image: np.ndarray) -> None:
    with pytest.raises(ShapeError, match=r"a picture is \(H, W, 3\) uint8 RGB, got"):
        Preprocess((8, 8))(image)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"channels": 4}, "1 or 3 channels, got 4"),
        ({"mean": (0.5,)}, "mean and std need 3 values"),
        ({"size": (0, 8)}, "impossible"),
        ({"size": (8, 100_000)}, "impossible"),
        ({"size": (8, 8, 8)}, "impossible"),
        ({"size": (8, 7.5)}, "impossible"),
        ({"crop_ratio": 0.0}, "impossible"),
        ({"crop_ratio": 1.5}, "impossible"),
        ({"fit": "squash"}, "unknown fit 'squash'"),
        ({"interpolation": "magic"}, "interpolation 'magic'"),
    ],
)
def test_impossible_preprocessing_is_refused(changes: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Preprocess(**{"size": (8, 8), **changes})


def test_preprocessing_survives_json() -> None:
    preprocess = Preprocess((8, 16), "letterbox", mean=(0.1, 0.2, 0.3), interpolation="bicubic")
    assert Preprocess.from_json(preprocess.to_json()) == preprocess
