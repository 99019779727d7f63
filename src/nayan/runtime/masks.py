"""Masks in pixels of a network's input, laid there as its pictures are."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage

from nayan.core.types import VOID, SemanticMask, Size
from nayan.runtime.preprocess import Preprocess


def place_mask(mask: SemanticMask, preprocess: Preprocess) -> SemanticMask:
    """Return a mask of the original picture in pixels of the network's input, void beside the picture.

    Classes have no mean, so each pixel takes that of the nearest one.

    >>> mask = SemanticMask(np.array([[0, 1]], np.uint8))
    >>> place_mask(mask, Preprocess((2, 2), "letterbox")).ids.tolist()
    [[0, 1], [255, 255]]
    """
    box, placed, offset = preprocess.window(mask.size)
    ids = resize_ids(mask.ids, placed, box=box)
    if placed != preprocess.size:
        canvas = np.full(preprocess.size, VOID, np.uint8)
        top, left = int(offset[0]), int(offset[1])
        canvas[top : top + placed[0], left : left + placed[1]] = ids
        ids = canvas
    return SemanticMask(ids)


def resize_ids(
    ids: NDArray[np.uint8], size: Size, *, box: tuple[float, float, float, float] | None = None
) -> NDArray[np.uint8]:
    """Return (h, w) classes of the part `box` (x1, y1, x2, y2) of (H, W) ones, each of the nearest pixel."""
    if size == ids.shape and box in (None, (0, 0, ids.shape[1], ids.shape[0])):
        return ids
    nearest = PillowImage.Resampling.NEAREST
    return np.asarray(PillowImage.fromarray(ids).resize((size[1], size[0]), nearest, box=box))
