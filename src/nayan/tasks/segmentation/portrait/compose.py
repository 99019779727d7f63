"""The portrait itself: the person over a background that is blurred, gray, one colour, a picture, or none."""

# (H, W) size of the picture

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from nayan.core.errors import ConfigError
from nayan.core.types import Image
from nayan.runtime.preprocess import check_image, resize
from nayan.tasks.segmentation.portrait.closed_form import Floats
from nayan.tasks.segmentation.portrait.foreground import colours_apart
from nayan.tasks.segmentation.portrait.lens import lens_blur
from nayan.tasks.segmentation.portrait.light import to_levels, to_light
from nayan.tasks.segmentation.portrait.matte import matte

RADIUS = 0.016
"""Of the disc of a point out of focus at strength 1, as a share of the picture's diagonal."""

STRONGEST = 5.0

_LUMA = np.array([0.299, 0.587, 0.114], np.float32)  # ITU-R BT.601

Kind = Literal["blur", "gray", "none"]


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """What a portrait shall look like.

    Attributes:
        background: "blur"; "gray": without colours; "none": transparent; one colour (red, green, blue); or a
            picture, which is cut to the shape of the portrait.
        strength: of the blur: 1 is a fast portrait lens, 0 none, up to 5.
        feather: how soft the border of the person is beyond what the picture says, in thousandths of its
            diagonal.
    """

    background: Kind | tuple[int, int, int] | Image = "blur"
    strength: float = 1.0
    feather: float = 0.0

    def __post_init__(self) -> None:
        if not (0 <= self.strength <= STRONGEST and 0 <= self.feather <= 50):
            raise ConfigError(
                f"strength {self.strength}, feather {self.feather}: expected 0 to {STRONGEST:g}, and 0 to 50"
            )


@dataclass(frozen=True, slots=True, eq=False)
class Portrait:
    """A finished picture.

    Attributes:
        picture: (H, W, 3) uint8; without background (H, W, 4), the last channel alpha.
        alpha: (H, W) float32 in [0, 1], how much of each pixel is the person.
    """

    picture: NDArray[np.uint8]
    alpha: Floats


def portrait(image: Image, probability: Floats, look: Look | None = None) -> Portrait:
    """Return the person of a picture before another background.

    Args:
        image: (H, W, 3) uint8 RGB.
        probability: (H, W) in [0, 1], how probable the person is in each pixel.
        look: what it shall look like; None for a blurred background.

    Raises:
        ShapeError: if the two do not fit.
        DataError: if there is no person.
    """
    check_image(image)
    look = look or Look()
    diagonal = math.hypot(*image.shape[:2])
    alpha = matte(image, probability, feather=look.feather * diagonal / 1000)
    front, back = colours_apart((image / 255).astype(np.float32), alpha)
    if isinstance(look.background, str) and look.background == "none":
        layers = np.concatenate((front, alpha[..., None]), axis=2)
        return Portrait(_rounded(layers), alpha)
    behind = _behind(look, back, alpha, radius=look.strength * RADIUS * diagonal)
    share = alpha[..., None]
    return Portrait(_rounded(share * front + (1 - share) * behind), alpha)


def _behind(look: Look, back: Floats, alpha: Floats, *, radius: float) -> Floats:
    """Return the levels of the new background, (H, W, 3) in [0, 1]."""
    if isinstance(look.background, np.ndarray):
        return (_covering(look.background, alpha.shape[0], alpha.shape[1]) / 255).astype(np.float32)
    if isinstance(look.background, tuple):
        return np.broadcast_to(np.array(look.background, np.float32) / 255, back.shape)
    if look.background == "gray":
        return np.repeat((back @ _LUMA)[..., None], 3, axis=2)
    # What is mostly the person says little of the background: the square keeps its colour out of the blur.
    return to_levels(lens_blur(to_light(_rounded(back)), (1 - alpha) ** 2, radius=radius))


def _covering(image: Image, height: int, width: int) -> Image:
    """Return the middle of a picture in this size, filled to all sides."""
    scale = max(height / image.shape[0], width / image.shape[1])
    part_h, part_w = height / scale, width / scale
    top, left = (image.shape[0] - part_h) / 2, (image.shape[1] - part_w) / 2
    return resize(image, (height, width), box=(left, top, left + part_w, top + part_h))


def _rounded(levels: Floats) -> NDArray[np.uint8]:
    return (np.clip(levels, 0, 1) * 255 + 0.5).astype(np.uint8)
