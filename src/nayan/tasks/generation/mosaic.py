"""Many small pictures on one, side by side without captions. NumPy and Pillow only."""

# (h, w) size of a tile

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image as PillowImage

from nayan.core.errors import ShapeError
from nayan.core.types import Image, Size

GAP = 2
"""White pixels between two tiles."""
LEAST_SIDE = 56
"""Pixels: smaller tiles are enlarged by a whole factor, with hard edges."""
PAPER = 255


def mosaic(pictures: Sequence[Image], *, columns: int, least: int = LEAST_SIDE) -> Image:
    """Return pictures of one size as rows of tiles.

    Args:
        pictures: (h, w, 3) uint8, at least one, all of one size.
        columns: tiles in a row; the last row may have fewer.
        least: pixels of a tile's shorter side.

    Raises:
        ShapeError: for no pictures, or some of another size.

    >>> mosaic([np.zeros((28, 28, 3), np.uint8)] * 5, columns=3).shape
    (114, 172, 3)
    """
    sizes = {picture.shape for picture in pictures}
    if len(sizes) != 1:
        raise ShapeError(f"a mosaic needs pictures of one size, got {len(sizes)} sizes")
    height, width, _ = sizes.pop()
    factor = max(1, -(-least // min(height, width)))
    height, width = height * factor, width * factor
    columns = min(columns, len(pictures))
    rows = -(-len(pictures) // columns)
    sheet = np.full((rows * (height + GAP) - GAP, columns * (width + GAP) - GAP, 3), PAPER, np.uint8)
    for number, picture in enumerate(pictures):
        top, left = (height + GAP) * (number // columns), (width + GAP) * (number % columns)
        tile = picture.repeat(factor, axis=0).repeat(factor, axis=1)
        sheet[top : top + height, left : left + width] = tile
    return sheet


def fitted(picture: Image, size: Size) -> Image:
    """Return a picture resized to (height, width), so that it can stand in a mosaic with others."""
    resized = PillowImage.fromarray(picture).resize(size[::-1], PillowImage.Resampling.LANCZOS)
    return np.asarray(resized)
