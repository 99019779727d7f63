"""Holes to be filled: random boxes and brush strokes, as networks learn and are judged that restore pictures.

Sources: boxes as of Pathak et al. (2016), arXiv:1604.07379; strokes as of Yu et al. (2019), arXiv:1806.03589,
section 3.4: a broken line of random length, angle and width.
"""

# (h, w) size of a picture

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from nayan.core.types import Size

Sides = tuple[float, float]
"""(least, most), as shares of the shorter side of a picture."""

MOST_STROKES, MOST_CORNERS = 3, 6


def draw_holes(
    size: Size,
    rng: np.random.Generator,
    *,
    boxes: tuple[int, int] = (1, 3),
    side: Sides = (0.125, 0.375),
    strokes: float = 0.0,
) -> NDArray[np.uint8]:
    """Return (h, w) uint8, 1 where a picture is missing and 0 where it is known.

    Args:
        size: (h, w).
        rng: decides.
        boxes: (least, most) number of them; they may overlap.
        side: of each of a box's two sides.
        strokes: how often there are strokes instead of boxes, in [0, 1].

    >>> mask = draw_holes((64, 64), np.random.default_rng(0), boxes=(1, 1), side=(0.25, 0.25))
    >>> mask.shape, int(mask.sum())
    ((64, 64), 256)
    """
    if rng.random() < strokes:
        return draw_strokes(size, rng)
    return draw_boxes(size, rng, boxes=boxes, side=side)


def draw_boxes(
    size: Size, rng: np.random.Generator, *, boxes: tuple[int, int], side: Sides
) -> NDArray[np.uint8]:
    """Return (h, w) uint8, 1 in random boxes; see `draw_holes`."""
    mask = np.zeros(size, np.uint8)
    shorter = min(size)
    for _ in range(int(rng.integers(boxes[0], boxes[1] + 1))):
        height, width = (max(1, round(shorter * share)) for share in rng.uniform(*side, 2))
        top = int(rng.integers(size[0] - height + 1))
        left = int(rng.integers(size[1] - width + 1))
        mask[top : top + height, left : left + width] = 1
    return mask


def draw_strokes(size: Size, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Return (h, w) uint8, 1 in one to three random brush strokes, 3 to 10 % of the shorter side wide."""
    import cv2  # every prediction passes through here, and most ask for no strokes

    mask = np.zeros(size, np.uint8)
    shorter = min(size)
    for _ in range(int(rng.integers(1, MOST_STROKES + 1))):
        x, y = float(rng.uniform(0, size[1])), float(rng.uniform(0, size[0]))
        width = max(2, round(shorter * rng.uniform(0.03, 0.1)))
        turn = rng.uniform(0, 2 * math.pi)
        for _ in range(int(rng.integers(1, MOST_CORNERS + 1))):
            turn += rng.uniform(-math.pi / 2, math.pi / 2)
            length = shorter * rng.uniform(0.1, 0.4)
            to_x = float(np.clip(x + length * math.cos(turn), 0, size[1] - 1))
            to_y = float(np.clip(y + length * math.sin(turn), 0, size[0] - 1))
            start, end = (round(x), round(y)), (round(to_x), round(to_y))
            cv2.line(mask, start, end, 1, width)
            cv2.circle(mask, end, width // 2, 1, -1)
            x, y = to_x, to_y
    return mask
