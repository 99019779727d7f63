"""Contact sheets: many pictures on one, each with its caption."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from PIL import Image as PillowImage
from PIL import ImageDraw

from nayan.core.errors import ShapeError
from nayan.core.lettering import fitted, font_for
from nayan.core.types import Image

PAPER = (255, 255, 255)
INK = (29, 39, 51)


def grid(images: Sequence[Image], captions: Sequence[str], *, columns: int = 6, side: int = 160) -> Image:
    """Return a contact sheet: pictures of one size, row by row, each with its caption below.

    Args:
        images: (H, W, 3) uint8 RGB pictures of any size; each is fitted into a square, small ones
            with hard pixel edges.
        captions: one a picture; "" leaves it out. Too long ones are cut.
        columns: the largest number of pictures in a row.
        side: of a square in pixels.

    Returns:
        (H, W, 3) uint8 RGB; one white pixel for no pictures.

    Raises:
        ShapeError: if there are not as many captions as pictures.
    """
    if len(images) != len(captions):
        raise ShapeError(f"{len(images)} pictures need as many captions, got {len(captions)}")
    if not images:
        return np.full((1, 1, 3), 255, np.uint8)
    columns = max(1, min(columns, len(images)))
    size, gap = max(11, side // 12), max(4, side // 20)
    strip = round(1.7 * size) if any(captions) else 0
    rows = math.ceil(len(images) / columns)
    sheet = PillowImage.new("RGB", (columns * (side + gap) + gap, rows * (side + strip + gap) + gap), PAPER)
    pen = ImageDraw.Draw(sheet)
    for number, (image, caption) in enumerate(zip(images, captions, strict=True)):
        x, y = gap + number % columns * (side + gap), gap + number // columns * (side + strip + gap)
        tile = _square(image, side)
        sheet.paste(tile, (x + (side - tile.width) // 2, y + (side - tile.height) // 2))
        text = fitted(caption, side, size)
        pen.text((x + side / 2, y + side + strip / 2), text, font=font_for(text, size), fill=INK, anchor="mm")
    return np.asarray(sheet)


def _square(image: Image, side: int) -> PillowImage.Image:
    """Return the picture with its longer side equal to `side`."""
    height, width = image.shape[:2]
    scale = side / max(height, width)
    method = PillowImage.Resampling.NEAREST if scale >= 2 else PillowImage.Resampling.LANCZOS
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return PillowImage.fromarray(image).resize(size, method)
