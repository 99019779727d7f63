"""The brightness of pictures, and paintings that keep the colours of their photographs. NumPy only.

Source: Gatys, Bethge, Hertzmann, Shechtman, "Preserving color in neural artistic style transfer", 2016,
arXiv:1606.05897, section 4: luminance-only transfer.
"""

# (h, w) size of a picture

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from nayan.core.types import Image

LUMA = np.array([0.299, 0.587, 0.114])
"""ITU-R BT.601."""


def luminance(picture: Image) -> NDArray[np.float64]:
    """Return (h, w), how bright each pixel is, in [0, 255].

    >>> luminance(np.full((1, 1, 3), 100, np.uint8)).round(6).tolist()
    [[100.0]]
    """
    values: NDArray[np.float64] = picture @ LUMA
    return values


def as_bright(style: Image, photograph: Image) -> Image:
    """Return the brightness of a style as gray (h, w, 3), with the mean and deviation of a photograph's.

    So that the style has not to change how bright the photograph is: eq. 10 of the source.
    """
    painted, wanted = luminance(style), luminance(photograph)
    scaled = (painted - painted.mean()) / max(float(painted.std()), 1.0) * wanted.std() + wanted.mean()
    return as_gray(scaled)


def as_gray(values: NDArray[np.float64]) -> Image:
    """Return (h, w) values in [0, 255] as a gray picture (h, w, 3)."""
    gray = values.clip(0, 255).round().astype(np.uint8)
    return np.repeat(gray[..., None], 3, axis=2)


def with_colours_of(photograph: Image, painting: Image) -> Image:
    """Return a painting's brightness in the colours of its photograph, (h, w, 3) uint8.

    Args:
        photograph: (h, w, 3).
        painting: (h, w, 3).

    >>> red, gray = np.full((1, 1, 3), (200, 40, 40), np.uint8), np.full((1, 1, 3), 100, np.uint8)
    >>> with_colours_of(red, gray).tolist()  # red, but as bright as the gray
    [[[212, 52, 52]]]
    """
    colours = cv2.cvtColor(photograph, cv2.COLOR_RGB2YCrCb)
    colours[..., 0] = luminance(painting).round()
    return np.asarray(cv2.cvtColor(colours, cv2.COLOR_YCrCb2RGB))
