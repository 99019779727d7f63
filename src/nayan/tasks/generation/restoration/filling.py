"""Holes of a picture of any size filled: a look around each at the network's size, and nothing else changed.

picture, hole ── pieces ── window around each ── network's size ── network ── back ── seam ── only the hole
"""

# (H, W) size of the picture, (h, w) of a window, S side of the network's input

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from nayan.core.errors import ConfigError, DataError, ShapeError
from nayan.core.types import Image, Size
from nayan.runtime.predictor import Predictor
from nayan.runtime.preprocess import check_image
from nayan.runtime.spec import Spec

HOLE = "hole"
"""Name of the input that says where a picture is missing."""
CONTEXT = 2
"""Sides of a window in sides of the piece that is filled: half of it is what surrounds the hole."""
LEAST_KNOWN = 0.3
"""Share of a window that is known; else it grows, as long as the picture does."""
JOINED = 8
"""Pieces of a hole that lie nearer than one in so many parts of S are looked at together."""
FEATHER_PX = 8
"""How far into a hole its border is matched to what surrounds it."""

Box = tuple[int, int, int, int]
"""Left, top, right, bottom in px; the right and bottom edges are exclusive."""
Floats = NDArray[np.float32]


def check_fills(spec: Spec) -> None:
    """Raise ConfigError unless a model fills holes."""
    if spec.task != "restoration" or HOLE not in spec.inputs:
        raise ConfigError(
            f"to fill holes takes a model of inpainting, this one is {spec.model} for {spec.task}",
            hint="nayan train DATA --task generate --model inpainting",
        )


def boxes_mask(size: Size, boxes: list[Box]) -> NDArray[np.bool_]:
    """Return (H, W), where boxes are.

    Raises:
        ConfigError: if a box is empty or reaches out of the picture.

    >>> int(boxes_mask((4, 6), [(0, 0, 2, 1), (5, 3, 6, 4)]).sum())
    3
    """
    mask = np.zeros(size, np.bool_)
    for left, top, right, bottom in boxes:
        if not (0 <= left < right <= size[1] and 0 <= top < bottom <= size[0]):
            raise ConfigError(
                f"--box {left},{top},{right},{bottom} does not lie in a picture of {size[1]}x{size[0]} px",
                hint="give left,top,right,bottom in pixels, right and bottom exclusive",
            )
        mask[top:bottom, left:right] = True
    return mask


def fill(predictor: Predictor, image: Image, missing: NDArray[np.bool_]) -> Image:
    """Return a copy of a picture with its holes filled; every other pixel is what it was, bit for bit.

    Args:
        predictor: of a model that fills.
        image: (H, W, 3) uint8 RGB, of any size; what lies in a hole is not looked at.
        missing: (H, W), the holes.

    Raises:
        ConfigError: if the model does not fill holes.
        ShapeError: if picture and holes are not of one size.
        DataError: if there is no hole, or nothing else.
    """
    check_image(image)
    check_fills(predictor.spec)
    size = (image.shape[0], image.shape[1])
    if missing.shape != size:
        raise ShapeError(f"a picture of {size} needs a mask of that size, got {missing.shape}")
    if not missing.any() or missing.all():
        raise DataError(
            f"{'nothing' if not missing.any() else 'all'} of the picture is missing",
            hint="mark what is to be filled in white, everything else in black",
        )
    side = min(predictor.spec.preprocess.size)
    filled, unknown = image.copy(), missing.copy()
    for piece in _pieces(missing, side):
        left, top, right, bottom = _window(piece, unknown, side)
        place = (slice(top, bottom), slice(left, right))
        made = _look(predictor, filled[place], unknown[place])
        made = _match(made, filled[place], unknown[place])
        within = np.zeros(size, np.bool_)
        within[piece[1] : piece[3], piece[0] : piece[2]] = True
        now = (unknown & within)[place]
        filled[place][now] = np.rint(made[now].clip(0, 255)).astype(np.uint8)
        unknown[place][now] = False
    return filled


def _pieces(missing: NDArray[np.bool_], side: int) -> Iterator[Box]:
    """Yield boxes that together hold all holes: what lies near is one, what is long is cut across."""
    near = max(1, side // JOINED)
    joined = cv2.dilate(missing.astype(np.uint8), np.ones((near, near), np.uint8))
    count, labels = cv2.connectedComponents(joined)
    for number in range(1, count):
        rows, columns = np.nonzero((labels == number) & missing)
        if not len(rows):
            continue
        top, left, bottom, right = rows.min(), columns.min(), rows.max() + 1, columns.max() + 1
        cell = max(side // CONTEXT, min(bottom - top, right - left))
        for y, x in itertools.product(_cuts(top, bottom, cell), _cuts(left, right, cell)):
            if missing[y[0] : y[1], x[0] : x[1]].any():
                yield x[0], y[0], x[1], y[1]


def _cuts(start: int, end: int, longest: int) -> list[tuple[int, int]]:
    """Return (start, end) divided into parts of about one length, none longer than `longest`."""
    edges = np.linspace(start, end, -(-(end - start) // longest) + 1).round().astype(int).tolist()
    return list(itertools.pairwise(edges))


def _window(piece: Box, unknown: NDArray[np.bool_], side: int) -> Box:
    """Return the square around a piece that is looked at, cut to the picture, with enough that is known."""
    left, top, right, bottom = piece
    height, width = unknown.shape
    span = max(side, CONTEXT * max(right - left, bottom - top))
    while True:
        rows, columns = _centred(top, bottom, span, height), _centred(left, right, span, width)
        share = float(unknown[slice(*rows), slice(*columns)].mean())
        if 1 - share >= LEAST_KNOWN or span >= max(height, width):
            return columns[0], rows[0], columns[1], rows[1]
        span = span * 3 // 2


def _centred(start: int, end: int, span: int, most: int) -> tuple[int, int]:
    length = min(span, most)
    first = min(max(0, (start + end - length) // 2), most - length)
    return first, first + length


def _look(predictor: Predictor, part: Image, missing: NDArray[np.bool_]) -> Floats:
    """Return what the network takes a window for, (h, w, 3) in [0, 255], known pixels included.

    A window larger than the network's input is shrunk to it: cells take the mean of what is known of them.
    """
    height, width = predictor.spec.preprocess.size
    known = (~missing).astype(np.float32)
    pixels = part * known[..., None]
    if part.shape[:2] != (height, width):
        shrinks = part.shape[0] * part.shape[1] > height * width
        rule = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
        share = cv2.resize(known, (width, height), interpolation=rule)
        pixels = cv2.resize(pixels, (width, height), interpolation=rule) / share.clip(1e-6)[..., None]
        known = (share >= 0.5).astype(np.float32)
    hole = (known == 0).astype(np.uint8)
    raw = predictor.run(np.rint(pixels).clip(0, 255).astype(np.uint8)[None], **{HOLE: hole[None]})
    made: NDArray[Any] = 255 * np.asarray(raw["picture"][0], np.float32)
    if part.shape[:2] != (height, width):
        made = cv2.resize(made, (part.shape[1], part.shape[0]), interpolation=cv2.INTER_CUBIC)
    return made


def _match(made: Floats, part: Image, missing: NDArray[np.bool_]) -> Floats:
    """Return what was made without its step at the border of the hole.

    By how much the network misses the known pixels near a border is taken off beside it, less and less over
    `FEATHER_PX`.
    """
    known = (~missing).astype(np.float32)
    off = (part - made) * known[..., None]
    around = (4 * FEATHER_PX + 1, 4 * FEATHER_PX + 1)
    weight = cv2.GaussianBlur(known, around, FEATHER_PX / 2)
    mean_off = cv2.GaussianBlur(off, around, FEATHER_PX / 2) / weight.clip(1e-6)[..., None]
    inwards = cv2.distanceTransform(missing.astype(np.uint8), cv2.DIST_L2, 3)
    share = np.clip(1 - inwards / FEATHER_PX, 0, 1)[..., None]
    return np.asarray(made + share * mean_off, np.float32)
