"""Between the numbers in picture files (sRGB) and amounts of light, which is what lenses mix."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from nayan.core.types import Image

Floats = NDArray[np.float32]


def to_light(image: Image) -> Floats:
    """Return (H, W, 3) float32 amounts of light in [0, 1] of uint8 sRGB.

    Source: IEC 61966-2-1.

    >>> to_light(np.array([[[0, 188, 255]]], np.uint8)).round(2).tolist()
    [[[0.0, 0.5, 1.0]]]
    """
    return _table()[image]


def to_levels(light: Floats) -> Floats:
    """Return sRGB levels in [0, 1] of amounts of light; more than 1 is white.

    >>> (255 * to_levels(np.array([0.0, 0.5, 7.0], np.float32))).round().tolist()
    [0.0, 188.0, 255.0]
    """
    light = np.clip(light, 0, 1)
    levels: Floats = np.where(light <= 0.0031308, 12.92 * light, 1.055 * np.power(light, 1 / 2.4) - 0.055)
    return levels.astype(np.float32)


@cache
def _table() -> Floats:
    levels = np.arange(256) / 255
    light = np.where(levels <= 0.04045, levels / 12.92, ((levels + 0.055) / 1.055) ** 2.4)
    return light.astype(np.float32)
