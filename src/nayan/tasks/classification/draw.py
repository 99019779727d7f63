"""Paints classifications: the answer on a picture, contact sheets; and tells what an evaluation found."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from PIL import Image as PillowImage
from PIL import ImageDraw

from nayan.core.errors import ShapeError
from nayan.core.lettering import fitted, font_for, width_of
from nayan.core.sheet import grid
from nayan.core.types import ClassScores, Image, Label, Target
from nayan.tasks.classification.findings import panels, summary

__all__ = ["annotate", "grid", "panels", "sheet", "summary"]

MIN_SIDE = 224
PAPER = (255, 255, 255)
INK = (29, 39, 51)


def annotate(image: Image, prediction: ClassScores, classes: Sequence[str]) -> Image:
    """Return a copy of the picture with its most probable class and score written along the bottom.

    The text grows with the picture. A picture under 224 px is enlarged by a whole factor, and a very
    narrow one gets a wider canvas, so that the text is always legible. Letters that no font at hand
    has are painted without their accents, or as "?".

    Args:
        image: (H, W, 3) uint8 RGB; not changed.
        prediction: its scores.
        classes: names in the order of the scores.

    Raises:
        ShapeError: if there are not as many names as scores.
    """
    if len(classes) != len(prediction.probabilities):
        raise ShapeError(f"{len(prediction.probabilities)} scores need as many names, got {len(classes)}")
    canvas = PillowImage.fromarray(_enlarged(image))
    size = max(15, round(0.045 * min(canvas.width, 2 * canvas.height)))
    score = f"{100 * prediction.score:.1f} %" if prediction.score < 0.9995 else "100 %"
    band = PillowImage.new("RGBA", (canvas.width, round(1.9 * size)), (*INK, 205))
    pen = ImageDraw.Draw(band)
    middle, gap = band.height / 2, round(0.6 * size)
    room = canvas.width - 3 * gap - round(width_of(score, size))
    pen.rectangle((0, 0, round(canvas.width * prediction.score), max(2, size // 7)), fill=(86, 160, 234, 255))
    pen.text((canvas.width - gap, middle), score, font=font_for(score, size), fill=PAPER, anchor="rm")
    name = fitted(classes[prediction.label], room, size)
    pen.text((gap, middle), name, font=font_for(name, size), fill=PAPER, anchor="lm")
    canvas.paste(band, (0, canvas.height - band.height), band)
    return np.asarray(canvas)


def sheet(images: Sequence[Image], targets: Sequence[Target], classes: Sequence[str]) -> Image:
    """Return a contact sheet of pictures, each with the name of its class below.

    Args:
        images: (H, W, 3) uint8 RGB pictures of any size.
        targets: the class of each; "" is written where it is not known.
        classes: names.
    """
    return grid(images, [classes[t.index] if isinstance(t, Label) else "" for t in targets])


def _enlarged(image: Image) -> Image:
    """Return the picture, at least MIN_SIDE wide and a third of that high, on gray where it is narrow."""
    factor = max(1, math.ceil(MIN_SIDE / max(image.shape[:2])))
    image = image.repeat(factor, axis=0).repeat(factor, axis=1) if factor > 1 else image
    height, width = image.shape[:2]
    canvas_h, canvas_w = max(height, MIN_SIDE // 3, width // 8), max(width, MIN_SIDE, height // 8)
    if (canvas_h, canvas_w) == (height, width):
        return image
    canvas = np.full((canvas_h, canvas_w, 3), 114, np.uint8)
    top, left = (canvas_h - height) // 2, (canvas_w - width) // 2
    canvas[top : top + height, left : left + width] = image
    return canvas
