"""What one has without a network: bicubic enlarging, and OpenCV's filling of holes. No torch."""

# (h, w) size of a picture

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from nayan.core.types import Image
from nayan.runtime.preprocess import resize
from nayan.tasks.generation.restoration.restored import Restored

TELEA_RADIUS = 3
"""Pixels around each that OpenCV's own examples use."""


def plain(restored: Restored) -> Image:
    """Return what the usual method without learning makes of what a network was given.

    Bicubic enlarging by Pillow of a small picture (a = -0.5), Telea's method for one with holes.

    >>> small = np.full((2, 2, 3), 9, np.uint8)
    >>> plain(Restored(np.zeros((4, 4, 3), np.uint8), small))[0, 0].tolist()
    [9, 9, 9]
    """
    missing = restored.missing
    if missing is None:
        height, width = restored.pixels.shape[:2]
        return resize(restored.seen, (height, width), interpolation="bicubic")
    return telea(restored.seen, missing)


def telea(image: Image, missing: NDArray[np.bool_]) -> Image:
    """Return a picture whose holes are filled from their border inwards by weighted means of known pixels.

    Source: Telea (2004), "An image inpainting technique based on the fast marching method", as in OpenCV.

    Args:
        image: (h, w, 3) uint8.
        missing: (h, w).
    """
    mask = missing.astype(np.uint8)
    return np.asarray(cv2.inpaint(np.ascontiguousarray(image), mask, TELEA_RADIUS, cv2.INPAINT_TELEA))
