"""What the pixels of one picture say: its hashes, light, contrast, colour and sharpness."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import PIL.Image
from numpy.typing import NDArray

from nayan.core.types import Image, Size
from nayan.data.hashing import perceptual_hash, thumbnail

# Light and sharpness are measured at about the size that a network sees: what blurs away in training
# is no fault, and a picture of 12 megapixels costs no more than a small one.
_SIDE = 256


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """Measures of one picture, scaled down to 256 pixels on its longer side where it is larger.

    Attributes:
        size: (height, width) of the original, upright.
        code: perceptual hash, 64 bits.
        small: (16, 16) gray thumbnail.
        darkest: gray level below which 1 % of the pixels lie, in [0, 255].
        lightest: gray level above which 1 % of the pixels lie, in [0, 255].
        contrast: standard deviation of the most varied channel, in levels.
        colour: how far the three channels differ, in gray levels: the 99th percentile of the pixels.
        sharpness: the steepest bend of the gray levels over their standard deviation; 0 for a flat
            picture. A photograph has 0.8 and more, the same after a Gaussian blur of 2 px 0.1 to 0.6.
    """

    size: Size
    code: int
    small: NDArray[np.uint8]
    darkest: float
    lightest: float
    contrast: float
    colour: float
    sharpness: float


def look_at(image: Image) -> Look:
    """Measure a picture, (H, W, 3) uint8 RGB.

    The sharpness is the Laplacian of Pech-Pacheco et al. (2000), Diatom autofocusing in brightfield
    microscopy, with two changes: we take its 99.9th percentile, not its variance, so that a sharp subject
    before a soft background counts as sharp; and divide by the contrast, so that fog does not count as blur.
    """
    height, width = image.shape[:2]
    picture = PIL.Image.fromarray(image)
    picture.thumbnail((_SIDE, _SIDE), PIL.Image.Resampling.BILINEAR)
    pixels = np.asarray(picture)
    gray = np.asarray(picture.convert("L"), dtype=np.float32)
    spread = pixels.max(axis=2) - pixels.min(axis=2)
    return Look(
        size=(height, width),
        code=perceptual_hash(image),
        small=thumbnail(image),
        darkest=_level(gray, 0.01),
        lightest=_level(gray, 0.99),
        contrast=float(pixels.std(axis=(0, 1)).max()),
        colour=_level(spread, 0.99),
        sharpness=_sharpness(gray),
    )


def _sharpness(gray: NDArray[np.float32]) -> float:
    contrast = float(gray.std())
    if min(gray.shape) < 3 or contrast == 0:
        return 0.0
    around = gray[:-2, 1:-1] + gray[2:, 1:-1] + gray[1:-1, :-2] + gray[1:-1, 2:]
    return _level(np.abs(around - 4 * gray[1:-1, 1:-1]), 0.999) / contrast


def _level(values: NDArray[Any], share: float) -> float:
    """Return the value that this share of the values does not exceed."""
    place = round(share * (values.size - 1))
    return float(np.partition(values, place, axis=None)[place])
