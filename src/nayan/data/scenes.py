"""Scanned digits on photographs: pictures with objects whose boxes and pixels are known exactly.

    digit (8, 8) -> smooth strokes -> ink in a colour that stands out -> somewhere on a crop of a photograph

A digit is 28 to 90 px high, none overlaps another, and one picture in ten has none.
"""

from __future__ import annotations

import colorsys
from collections.abc import Mapping, Sequence

import numpy as np
import PIL.Image
import PIL.ImageFilter
from numpy.typing import NDArray

from nayan.core.types import Boxes, Image

SIZE = (240, 320)
HEIGHTS = (28, 90)  # px of the ink
MOST = 5  # digits in a picture
BACKGROUND = 0.1  # share of the pictures without a digit

_GAP = 4  # px that stay free around each digit
_TRIES = 40  # places looked at before a digit is left out
_ZOOM = (0.55, 1.0)  # share of the photograph's height that a crop spans
_CALM = 0.55  # how much contrast the photograph keeps
_STROKE = 0.45  # ink of the enlarged scan from which on it counts, of 1
_EDGE = 0.1  # half the width of the soft edge, in the same unit
_BLOT = 0.7  # of its box covered: no strokes can be told apart, unless it is as slim as a bar
_SLIM = 0.35  # width to height of a bar

Ink = NDArray[np.float32]
"""(h, w) how much of each pixel is covered, in [0, 1]; rows and columns at the border touch the digit."""


def scene(
    photographs: Sequence[Image],
    digits: Mapping[int, NDArray[np.float64]],
    *,
    is_background: bool,
    rng: np.random.Generator,
) -> tuple[Image, Boxes]:
    """Return a picture with its boxes.

    Args:
        photographs: (H, W, 3) each, at least as large as `SIZE`.
        digits: {class: (N, 8, 8) scans with ink from 0 to 16}.
        is_background: whether it has no digit.
        rng: decides everything else.

    Returns:
        (240, 320, 3) uint8, and the boxes of the pixels of which half or more is ink.
    """
    image, boxes, _ = masked_scene(photographs, digits, is_background=is_background, rng=rng)
    return image, boxes


def masked_scene(
    photographs: Sequence[Image],
    digits: Mapping[int, NDArray[np.float64]],
    *,
    is_background: bool,
    rng: np.random.Generator,
) -> tuple[Image, Boxes, NDArray[np.uint8]]:
    """Return what `scene` does, and which pixels are half or more ink.

    Returns:
        Also (240, 320) uint8: 0 for the background, 1 more than its class for each digit.
    """
    ids = np.zeros(SIZE, np.uint8)
    picture = _backdrop(photographs, rng).astype(np.float32)
    taken: list[tuple[int, int, int, int]] = []
    labels: list[int] = []
    for _ in range(0 if is_background else int(rng.integers(1, MOST + 1))):
        label = int(rng.choice(list(digits)))
        low, high = np.log(HEIGHTS)
        ink = strokes(rng.choice(digits[label]), height=round(float(np.exp(rng.uniform(low, high)))))
        place = _free_place(ink.shape, taken, rng)
        if place is None:
            continue
        _paint(picture, ink, place, rng)
        solid = np.argwhere(ink >= 0.5)
        (top, left), (bottom, right) = solid.min(axis=0), solid.max(axis=0) + 1
        x, y = place
        ids[y : y + ink.shape[0], x : x + ink.shape[1]][ink >= 0.5] = label + 1
        taken.append((x + left, y + top, x + right, y + bottom))
        labels.append(label)
    boxes = Boxes(np.array(taken, np.float32).reshape(-1, 4), np.array(labels, np.int64))
    return np.asarray(picture.round().clip(0, 255), np.uint8), boxes, ids


def strokes(scan: NDArray[np.float64], *, height: int) -> Ink:
    """Return an (8, 8) scan enlarged to crisp strokes of this height, cut to the ink.

    >>> strokes(np.eye(8) * 16, height=40).shape[0]
    40
    """
    padded = PIL.Image.fromarray(np.pad(scan.astype(np.float32) / 16, 1))
    side = 10 * height // 4
    for _ in range(2):  # the ink is lower than the scan, by how much is seen only when it is large
        large = np.asarray(padded.resize((side, side), PIL.Image.Resampling.BICUBIC))
        ink = ((large - _STROKE) / (2 * _EDGE) + 0.5).clip(0, 1)
        solid = np.argwhere(ink >= 0.5)
        (top, left), (bottom, right) = solid.min(axis=0), solid.max(axis=0) + 1
        side = round(side * height / (bottom - top))
    cut = PIL.Image.fromarray(ink[top:bottom, left:right])
    width = max(1, round((right - left) * height / (bottom - top)))
    return np.asarray(cut.resize((width, height), PIL.Image.Resampling.BILINEAR), np.float32)


def is_legible(scan: NDArray[np.float64]) -> bool:
    """Return whether a scan still shows a digit when it is large: some are blots of 5 x 8 pixels."""
    ink = strokes(scan, height=48)
    return bool(ink.mean() <= _BLOT or ink.shape[1] <= _SLIM * ink.shape[0])


def _backdrop(photographs: Sequence[Image], rng: np.random.Generator) -> Image:
    """Return a random crop of a photograph, mirrored half of the time, with less contrast than it had."""
    photograph = photographs[int(rng.integers(len(photographs)))]
    height, width = photograph.shape[:2]
    h = round(height * rng.uniform(*_ZOOM))
    w = min(width, round(h * SIZE[1] / SIZE[0]))
    y, x = int(rng.integers(height - h + 1)), int(rng.integers(width - w + 1))
    crop = PIL.Image.fromarray(photograph[y : y + h, x : x + w]).resize(
        SIZE[::-1], PIL.Image.Resampling.LANCZOS
    )
    pixels = np.asarray(crop, np.float32)
    pixels = pixels[:, ::-1] if rng.random() < 0.5 else pixels
    calm = pixels.mean() + _CALM * (pixels - pixels.mean()) + rng.uniform(-25, 25)
    return np.asarray(calm.clip(0, 255), np.uint8)


def _free_place(
    shape: tuple[int, ...], taken: Sequence[tuple[int, int, int, int]], rng: np.random.Generator
) -> tuple[int, int] | None:
    """Return the (x, y) of a place that nothing has taken; None if there seems to be none."""
    h, w = shape
    if w >= SIZE[1]:
        return None
    for _ in range(_TRIES):
        x, y = int(rng.integers(SIZE[1] - w + 1)), int(rng.integers(SIZE[0] - h + 1))
        if all(
            x >= x2 + _GAP or x + w + _GAP <= x1 or y >= y2 + _GAP or y + h + _GAP <= y1
            for x1, y1, x2, y2 in taken
        ):
            return x, y
    return None


def _paint(picture: NDArray[np.float32], ink: Ink, place: tuple[int, int], rng: np.random.Generator) -> None:
    """Lay ink on the picture, in a colour as light or dark as what is behind it is not, with a soft rim."""
    x, y = place
    h, w = ink.shape
    under = picture[y : y + h, x : x + w]
    is_light = under.mean() < 115
    lightness = rng.uniform(0.8, 0.95) if is_light else rng.uniform(0.1, 0.3)
    colour = np.array(colorsys.hls_to_rgb(rng.random(), lightness, rng.uniform(0.5, 1.0))) * 255
    reach = max(2, h // 16)
    grown = PIL.Image.fromarray((np.pad(ink, 2 * reach) * 255).astype(np.uint8))
    soft = np.asarray(grown.filter(PIL.ImageFilter.GaussianBlur(reach)), np.float32) / 255
    top, left = max(0, y - 2 * reach), max(0, x - 2 * reach)
    bottom, right = min(SIZE[0], y + h + 2 * reach), min(SIZE[1], x + w + 2 * reach)
    inner = soft[top - y + 2 * reach :, left - x + 2 * reach :][: bottom - top, : right - left, None]
    rim = 20.0 if is_light else 235.0
    around = picture[top:bottom, left:right]
    around += 0.45 * inner * (rim - around)
    under += ink[..., None] * (colour - under)
