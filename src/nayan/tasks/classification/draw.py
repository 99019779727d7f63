"""Paints classifications: the answer on a picture, contact sheets; and tells what an evaluation found."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Sequence
from functools import cache

import numpy as np
from PIL import Image as PillowImage
from PIL import ImageDraw, ImageFont

from nayan.core.errors import ShapeError
from nayan.core.types import ClassScores, Image
from nayan.tasks.classification.findings import panels, summary

__all__ = ["annotate", "grid", "panels", "summary"]

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont

MIN_SIDE = 224
PAPER = (255, 255, 255)
INK = (29, 39, 51)
FONTS = ("DejaVuSans.ttf", "NotoSans-Regular.ttf", "Arial Unicode.ttf", "arialuni.ttf", "Arial.ttf")


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
    room = canvas.width - 3 * gap - round(_width(score, size))
    pen.rectangle((0, 0, round(canvas.width * prediction.score), max(2, size // 7)), fill=(86, 160, 234, 255))
    pen.text((canvas.width - gap, middle), score, font=_font(score, size), fill=PAPER, anchor="rm")
    name = _fitted(classes[prediction.label], room, size)
    pen.text((gap, middle), name, font=_font(name, size), fill=PAPER, anchor="lm")
    canvas.paste(band, (0, canvas.height - band.height), band)
    return np.asarray(canvas)


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
        text = _fitted(caption, side, size)
        pen.text((x + side / 2, y + side + strip / 2), text, font=_font(text, size), fill=INK, anchor="mm")
    return np.asarray(sheet)


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


def _square(image: Image, side: int) -> PillowImage.Image:
    """Return the picture with its longer side equal to `side`."""
    height, width = image.shape[:2]
    scale = side / max(height, width)
    method = PillowImage.Resampling.NEAREST if scale >= 2 else PillowImage.Resampling.LANCZOS
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return PillowImage.fromarray(image).resize(size, method)


def _fitted(text: str, width: float, size: int) -> str:
    """Return the text in characters that can be painted, cut with dots where it is too wide."""
    text = _paintable(" ".join(text.split()))
    if _width(text, size) <= width:
        return text
    while text and _width(text + "...", size) > width:
        text = text[:-1]
    return text.rstrip() + "..."


def _width(text: str, size: int) -> float:
    return float(_font(text, size).getlength(text))


def _font(text: str, size: int) -> Font:
    """Return Pillow's own font for ASCII, so that a label looks the same everywhere; else a system's."""
    return (None if text.isascii() else _system_font(size)) or ImageFont.load_default(size)


@cache
def _system_font(size: int) -> ImageFont.FreeTypeFont | None:
    for name in FONTS:
        try:
            return ImageFont.truetype(name, size)
        except OSError:  # not installed
            continue
    return None


def _paintable(text: str) -> str:
    """Return the text with what no font at hand can paint replaced: accents dropped, other letters as "?"."""
    font = None if text.isascii() else _system_font(16)
    if text.isascii() or (font and all(c == " " or _has_glyph(font, c) for c in text)):
        return text
    plain = unicodedata.normalize("NFKD", text)
    return "".join(c if c.isascii() else "?" for c in plain if not unicodedata.combining(c))


def _has_glyph(font: ImageFont.FreeTypeFont, character: str) -> bool:
    missing = font.getmask("\uffff")
    return bytes(font.getmask(character)) != bytes(missing)
