"""Numbers to pictures: perceptually even colour maps, captioned grids, overlays. NumPy and Pillow only."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage
from PIL import ImageDraw, ImageFont

from nayan.core.types import Image, Size
from nayan.runtime.preprocess import resize

Palette = Literal["magma", "viridis", "signed"]
Colour = tuple[int, int, int]

# 17 evenly spaced colours of each map; magma and viridis are by S. van der Walt and N. Smith (CC0).
_ANCHORS = {
    "magma": "000004 0a0822 1d1147 36106b 51127c 6a1c81 832681 9c2e7f b73779 d0416f e75263 f56b5c fc8961 "
    "fea772 fec488 fde2a3 fcfdbf",
    "viridis": "440154 48186a 472d7b 424086 3b528b 33638d 2c728e 26828e 21918c 1fa088 28ae80 3fbc73 5ec962 "
    "84d44b addc30 d8e219 fde725",
    "signed": "143a6e 4a86bd a9cbe3 f6f6f4 f0b79c d0614c 7c1722",
}

PAPER: Colour = (255, 255, 255)
INK: Colour = (38, 43, 51)
FAINT: Colour = (120, 126, 136)
MARK: Colour = (255, 176, 0)


def colour(
    values: NDArray[np.floating],
    *,
    palette: Palette = "magma",
    low: float | None = None,
    high: float | None = None,
) -> Image:
    """Return an (H, W, 3) picture of (H, W) numbers.

    Args:
        values: (H, W), any finite numbers.
        palette: "magma" and "viridis" run from dark (low) to bright (high); "signed" is blue below
            zero, near white at zero and red above, with the same scale on both sides.
        low: the number that gets the first colour; by default the smallest (-high for "signed").
        high: the number that gets the last colour; by default the largest ("signed": the largest magnitude).

    >>> colour(np.array([[-1.0, 0.0, 1.0]]), palette="signed")[0, 1].tolist()
    [246, 246, 244]
    """
    if palette == "signed":
        high = float(np.abs(values).max()) if high is None else high
        low = -high if low is None else low
    else:
        low = float(values.min()) if low is None else low
        high = float(values.max()) if high is None else high
    unit = (values - low) / (high - low) if high > low else np.full(values.shape, 0.5 * (palette == "signed"))
    index = np.rint(np.clip(unit, 0.0, 1.0) * 256).astype(np.intp)
    painted: Image = _table(palette)[index]
    return painted


def enlarge(image: Image, size: Size) -> Image:
    """Resize a picture to `size` (height, width) with hard edges, so that single numbers stay visible."""
    resized = PillowImage.fromarray(image).resize((size[1], size[0]), PillowImage.Resampling.NEAREST)
    return np.asarray(resized)


def fit(image: Image, side_px: int) -> Image:
    """Bring the longer side to about `side_px`: small pictures keep hard edges, large ones are averaged.

    >>> fit(np.zeros((28, 28, 3), np.uint8), 200).shape
    (200, 200, 3)
    """
    height, width = image.shape[:2]
    scale = side_px / max(height, width)
    if scale >= 1:
        return enlarge(image, (round(height * scale), round(width * scale)))
    return resize(np.ascontiguousarray(image), (max(1, round(height * scale)), max(1, round(width * scale))))


def smooth(values: NDArray[np.floating], size: Size) -> NDArray[np.float32]:
    """Resize (h, w) numbers to `size` (height, width) bilinearly."""
    source = PillowImage.fromarray(np.ascontiguousarray(values, dtype=np.float32))
    return np.asarray(source.resize((size[1], size[0]), PillowImage.Resampling.BILINEAR))


def as_rgb(pixels: NDArray[np.uint8]) -> Image:
    """Return (h, w, 1) or (h, w, 3) pixels as (h, w, 3)."""
    return np.ascontiguousarray(np.broadcast_to(pixels, (*pixels.shape[:2], 3)))


def overlay(image: Image, heat: NDArray[np.floating], *, palette: Palette = "magma") -> Image:
    """Lay heat in [0, 1] over a picture: cold parts show the darkened gray picture, hot parts the colour.

    Args:
        image: (H, W, 3) uint8.
        heat: (H, W) in [0, 1].
        palette: see `colour`.
    """
    gray = image.astype(np.float32) @ np.array([0.299, 0.587, 0.114], np.float32)
    base = np.repeat(gray[:, :, None] * 0.8, 3, axis=2)
    strength = (0.8 * np.clip(heat, 0, 1) ** 0.7)[:, :, None]
    painted = colour(heat, palette=palette, low=0.0, high=1.0).astype(np.float32)
    mixed = base * (1 - strength) + painted * strength
    clipped: Image = np.clip(np.rint(mixed), 0, 255).astype(np.uint8)
    return clipped


def grid(
    tiles: Sequence[Image],
    *,
    captions: Sequence[str] = (),
    columns: int | None = None,
    gap: int = 6,
    font_px: int = 12,
) -> Image:
    """Lay equally sized pictures out in rows on white, each with its caption below.

    Args:
        tiles: pictures of one size; at least one.
        captions: one line a picture, or none at all; one that is too wide loses its beginning.
        columns: pictures a row; by default about as many as rows, a little wider than high.
        gap: white pixels between and around them.
        font_px: size of the captions.

    >>> grid([np.zeros((10, 20, 3), np.uint8)] * 3, columns=2, gap=2).shape
    (26, 46, 3)
    """
    columns = columns or max(1, math.ceil(math.sqrt(len(tiles) * 1.4)))
    columns = min(columns, len(tiles))
    height, width = tiles[0].shape[:2]
    line = font_px + 5 if captions else 0
    rows = math.ceil(len(tiles) / columns)
    canvas = PillowImage.new(
        "RGB", (columns * (width + gap) + gap, rows * (height + line + gap) + gap), color=PAPER
    )
    pen = ImageDraw.Draw(canvas)
    for number, tile in enumerate(tiles):
        row, column = divmod(number, columns)
        left, top = gap + column * (width + gap), gap + row * (height + line + gap)
        canvas.paste(PillowImage.fromarray(tile), (left, top))
        if captions:
            place = (left + width / 2, top + height + 2)
            text = _shortened(captions[number], width + gap, font_px)
            pen.text(place, text, fill=INK, font=font(font_px), anchor="ma")
    return np.asarray(canvas)


def row(pictures: Sequence[Image], *, captions: Sequence[str], gap: int = 14, font_px: int = 13) -> Image:
    """Lay pictures of any size side by side on white, centred on one line, captions below each.

    A caption that is wider than its picture gets the room that it needs.
    """
    widths = [
        max(picture.shape[1], math.ceil(font(font_px).getlength(caption)))
        for picture, caption in zip(pictures, captions, strict=True)
    ]
    tallest = max(picture.shape[0] for picture in pictures)
    canvas = PillowImage.new(
        "RGB", (sum(widths) + gap * (len(widths) + 1), tallest + font_px + 8 + 2 * gap), color=PAPER
    )
    pen = ImageDraw.Draw(canvas)
    left = gap
    for picture, caption, width in zip(pictures, captions, widths, strict=True):
        place = (left + (width - picture.shape[1]) // 2, gap + (tallest - picture.shape[0]) // 2)
        canvas.paste(PillowImage.fromarray(picture), place)
        pen.text((left + width / 2, gap + tallest + 6), caption, fill=INK, font=font(font_px), anchor="ma")
        left += width + gap
    return np.asarray(canvas)


def framed(
    image: Image, box: tuple[float, float, float, float], *, outline: Colour = MARK, width: int = 2
) -> Image:
    """Return a copy with a rectangle (x1, y1, x2, y2, right and bottom exclusive) drawn around its pixels."""
    canvas = PillowImage.fromarray(image.copy())
    x1, y1, x2, y2 = box
    pen = ImageDraw.Draw(canvas)
    pen.rectangle((x1 - width, y1 - width, x2 + width - 1, y2 + width - 1), outline=outline, width=width)
    return np.asarray(canvas)


def number_grid(values: NDArray[np.floating], *, tints: Image, cell_px: int = 44, font_px: int = 14) -> Image:
    """Draw an (h, w) table of numbers, each on its own tint.

    Args:
        values: (h, w) numbers; NaN leaves a cell empty.
        tints: (h, w, 3) background of each cell.
        cell_px: side of a cell.
        font_px: size of the digits.
    """
    canvas = PillowImage.fromarray(enlarge(tints, (values.shape[0] * cell_px, values.shape[1] * cell_px)))
    pen = ImageDraw.Draw(canvas)
    for (y, x), value in np.ndenumerate(values):
        bright = float(tints[y, x].astype(float) @ (0.299, 0.587, 0.114)) > 140
        pen.rectangle(
            (x * cell_px, y * cell_px, (x + 1) * cell_px - 1, (y + 1) * cell_px - 1), outline=(205, 205, 205)
        )
        pen.text(
            ((x + 0.5) * cell_px, (y + 0.5) * cell_px),
            "" if np.isnan(value) else short(float(value)),
            fill=INK if bright else PAPER,
            font=font(font_px),
            anchor="mm",
        )
    return np.asarray(canvas)


def short(value: float) -> str:
    """Write a number with at most four significant digits and without trailing zeros.

    >>> short(3.0), short(0.11111), short(-1234.6)
    ('3', '0.1111', '-1235')
    """
    text = f"{value:.0f}" if abs(value) >= 1000 else f"{value:.4g}"
    return "0" if text in {"-0", "0"} else text


def _shortened(text: str, width_px: float, font_px: int) -> str:
    """Return the text, or as much of its end as fits behind an ellipsis."""
    shown = text
    while len(shown) > 2 and font(font_px).getlength(shown) > width_px:
        shown = f"…{shown[2:]}"
    return shown


@cache
def font(size_px: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """Return Pillow's own font, so that pictures look the same on every machine."""
    return ImageFont.load_default(size_px)


@cache
def _table(palette: Palette) -> NDArray[np.uint8]:
    """Return the 257 colours of a map as (257, 3); the odd number gives the middle a colour of its own."""
    anchors = np.array([list(bytes.fromhex(code)) for code in _ANCHORS[palette].split()], np.float64)
    at, ticks = np.linspace(0, 1, 257), np.linspace(0, 1, len(anchors))
    table = np.stack([np.interp(at, ticks, anchors[:, channel]) for channel in range(3)], axis=1)
    return np.rint(table).astype(np.uint8)
