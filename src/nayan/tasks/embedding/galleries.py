"""Paints the pictures of a gallery: two that were compared, and a search with its answers."""

# (H, W) size of a picture

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from PIL import Image as PillowImage
from PIL import ImageDraw

from nayan.core.lettering import font_for, width_of
from nayan.core.types import Image
from nayan.runtime.preprocess import resize

Colour = tuple[int, int, int]

PAPER: Colour = (255, 255, 255)
INK: Colour = (29, 39, 51)
RIGHT: Colour = (42, 111, 187)
WRONG: Colour = (217, 98, 43)
CELL: Colour = (241, 244, 247)

PAIR_SIDE = 260
SEARCH_SIDE = 116
FRAME_PX = 4
GAP = 6


def paint_pair(images: Sequence[Image], record: Mapping[str, Any]) -> Image:  # noqa: ARG001
    """Return two pictures side by side, in squares of one size.

    Args:
        images: two, (H, W, 3) uint8 RGB.
        record: of `hardest.hardest_pairs`; a pair is shown as it is, its caption says what is wrong.
    """
    return _row([_square(image, PAIR_SIDE) for image in images])


def paint_search(images: Sequence[Image], record: Mapping[str, Any]) -> Image:
    """Return the picture that was searched for and, after a gap, the answers: the right ones framed blue.

    Args:
        images: the query, then the answers in their order; (H, W, 3) uint8 RGB.
        record: of `hardest.telling_searches`; its "right" says which answers are.
    """
    asked = _tagged(_framed(_square(images[0], SEARCH_SIDE), INK), "query")
    answers = [
        _framed(_square(image, SEARCH_SIDE), RIGHT if right else WRONG)
        for image, right in zip(images[1:], record["right"], strict=True)
    ]
    gap = np.full((asked.shape[0], 3 * GAP, 3), PAPER, np.uint8)
    return _row([np.concatenate([asked, gap], axis=1), *answers])


def _row(cells: Sequence[Image]) -> Image:
    gap = np.full((cells[0].shape[0], GAP, 3), PAPER, np.uint8)
    parts = [part for cell in cells for part in (gap, cell)][1:]
    return np.concatenate(parts, axis=1)


def _square(image: Image, side: int) -> Image:
    """Return the picture with its longer side equal to `side`, in the middle of a square."""
    scale = side / max(image.shape[:2])
    height, width = (min(side, max(1, round(length * scale))) for length in image.shape[:2])
    cell = np.full((side, side, 3), CELL, np.uint8)
    top, left = (side - height) // 2, (side - width) // 2
    cell[top : top + height, left : left + width] = resize(np.ascontiguousarray(image), (height, width))
    return cell


def _framed(cell: Image, colour: Colour) -> Image:
    framed = np.empty((cell.shape[0] + 2 * FRAME_PX, cell.shape[1] + 2 * FRAME_PX, 3), np.uint8)
    framed[:] = colour
    framed[FRAME_PX:-FRAME_PX, FRAME_PX:-FRAME_PX] = cell
    return framed


def _tagged(cell: Image, text: str) -> Image:
    """Return the picture with a word in its upper left corner."""
    canvas = PillowImage.fromarray(cell)
    pen, size = ImageDraw.Draw(canvas), 13
    pen.rectangle((0, 0, 12 + width_of(text, size), 20), fill=INK)
    pen.text((6, 10), text, font=font_for(text, size), fill=PAPER, anchor="lm")
    return np.asarray(canvas)
