"""Paints captions below their pictures. No torch here."""

# (H, W) size of the picture

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image as PillowImage
from PIL import ImageDraw

from nayan.core.lettering import fitted, font_for, width_of
from nayan.core.sheet import INK, PAPER, grid
from nayan.core.types import Caption, Image, Target
from nayan.tasks.generation.captioning.findings import panels, summary

__all__ = ["annotate", "grid", "panels", "sheet", "summary", "wrapped"]

SIDE = 256
"""Pixels of the longer side of a picture, at least: smaller ones are enlarged by a whole factor."""
LINES = 4
"""Of a sentence; what does not fit is cut."""


def annotate(image: Image, prediction: Caption, classes: Sequence[str]) -> Image:  # noqa: ARG001
    """Return the picture with its best sentence below, larger where it is very small.

    Args:
        image: (H, W, 3) uint8 RGB.
        prediction: of it.
        classes: not needed.
    """
    factor = max(1, SIDE // max(image.shape[:2]))
    large = image.repeat(factor, axis=0).repeat(factor, axis=1)
    height, width = large.shape[:2]
    size = max(11, min(width // 18, 40))
    lines = wrapped(prediction.texts[0], width - size, size)
    strip = round(1.4 * size * len(lines) + 0.6 * size)
    canvas = PillowImage.new("RGB", (width, height + strip), PAPER)
    canvas.paste(PillowImage.fromarray(large), (0, 0))
    pen = ImageDraw.Draw(canvas)
    for number, line in enumerate(lines):
        y = height + 0.3 * size + 1.4 * size * (number + 0.5)
        pen.text((width / 2, y), line, font=font_for(line, size), fill=INK, anchor="mm")
    return np.asarray(canvas)


def wrapped(text: str, width: float, size: int) -> list[str]:
    """Return the lines of a sentence that are no wider than `width`, at most `LINES`.

    >>> wrapped("a red three on black", 60, 11)
    ['a red three', 'on black']
    """
    lines: list[str] = []
    words = text.split()
    while words and len(lines) < LINES - 1:
        count = 1
        while count < len(words) and width_of(" ".join(words[: count + 1]), size) <= width:
            count += 1
        lines.append(fitted(" ".join(words[:count]), width, size))
        words = words[count:]
    return [*lines, fitted(" ".join(words), width, size)] if words else lines


def sheet(images: Sequence[Image], targets: Sequence[Target], classes: Sequence[str]) -> Image:  # noqa: ARG001
    """Return a contact sheet of training pictures, each with the first of its sentences.

    Args:
        images: (H, W, 3) uint8 RGB pictures of any size.
        targets: their captions.
        classes: not needed.
    """
    return grid(images, [target.texts[0] if isinstance(target, Caption) else "" for target in targets])
