"""Paints masks: classes in colour over a picture with their names below, contact sheets, mistakes."""

# (H, W) size of a picture, K classes

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage
from PIL import ImageDraw

from nayan.core.errors import ShapeError
from nayan.core.lettering import fitted, font_for, width_of
from nayan.core.sheet import grid
from nayan.core.types import VOID, Image, MaskSource, SemanticMask, Target
from nayan.runtime.preprocess import resize
from nayan.tasks.segmentation.colours import PALETTE, Colour, colour_of, colour_table, is_ground
from nayan.tasks.segmentation.counting import Things
from nayan.tasks.segmentation.findings import panels, summary
from nayan.tasks.segmentation.records import unpacked

__all__ = [
    "annotate",
    "annotate_things",
    "colour_mask",
    "colour_of",
    "grid",
    "mistake",
    "paint_mask",
    "panels",
    "sheet",
    "summary",
]

INK: Colour = (20, 24, 30)
PAPER: Colour = (255, 255, 255)
WRONG: Colour = (240, 50, 50)

VEIL = 0.45
"""How much of a class's colour lies over its pixels; the rest is the picture."""

MIN_SIDE = 240
"""Smaller pictures are enlarged by a whole factor, so that the names below them can be read."""

NAMED = 16
"""Most classes that are named below a picture, the largest; the others are counted."""

MISTAKE_SIDE = 400
"""Longer side in px of each of the four pictures of a mistake; the masks in its record need not be larger."""

SHEET_SIDE = 320

_COUNTED = ("background", *(str(number) for number in range(len(PALETTE))))


def annotate(image: Image, prediction: SemanticMask, classes: Sequence[str]) -> Image:
    """Return a copy of the picture with its classes in colour, and below it their names and shares.

    Every class has a translucent veil and a line of its full colour along its border, with a dark hair
    between two classes. A class that means "background" is left as it is; where nothing is known lie
    diagonal lines. Letters and lines grow with the picture, and a picture under 240 px is enlarged.

    Args:
        image: (H, W, 3) uint8 RGB; not changed.
        prediction: as large as the picture, with or without scores.
        classes: names in the order of the ids.

    Returns:
        (H', W', 3), higher by the strip of names.

    Raises:
        ShapeError: if the mask is of another size, or one of its classes has no name.
    """
    _check(image, prediction.ids, classes)
    factor = max(1, math.ceil(MIN_SIDE / max(image.shape[:2])))
    ids = prediction.ids.repeat(factor, axis=0).repeat(factor, axis=1)
    picture = paint_mask(image.repeat(factor, axis=0).repeat(factor, axis=1), ids, classes)
    return _with_names(picture, _shares(prediction.ids, classes))


def colour_mask(mask: SemanticMask, classes: Sequence[str]) -> Image:
    """Return the mask alone as (H, W, 3) in the colours of its classes; void is gray, background black."""
    colours: Image = colour_table(classes)[mask.ids]
    return colours


def annotate_things(image: Image, things: Things) -> Image:
    """Return a copy of the picture with each counted thing in a colour of its own and their number below.

    Those that are large enough to hold it carry their number.

    Args:
        image: (H, W, 3) uint8 RGB; not changed.
        things: of its mask.

    Raises:
        ShapeError: if they were counted in a mask of another size.
    """
    if things.labels.shape != image.shape[:2]:
        raise ShapeError(
            f"a picture of {image.shape[:2]} needs things of that size, got {things.labels.shape}"
        )
    factor = max(1, math.ceil(MIN_SIDE / max(image.shape[:2])))
    labels = things.labels.repeat(factor, axis=0).repeat(factor, axis=1)
    # Neighbours have numbers close by: a step that shares no factor with the length parts their colours.
    ids = np.where(labels > 0, (labels * 7) % len(PALETTE) + 1, 0).astype(np.uint8)
    picture = paint_mask(image.repeat(factor, axis=0).repeat(factor, axis=1), ids, _COUNTED)
    size = max(11, round(0.016 * max(picture.shape[:2])))
    canvas = PillowImage.fromarray(picture)
    pen = ImageDraw.Draw(canvas)
    for number, (area, centre) in enumerate(zip(things.areas, things.centres, strict=True), start=1):
        text = str(number)
        if area * factor**2 > 2.5 * size * (width_of(text, size) + size):
            place = (float(centre[0] * factor), float(centre[1] * factor))
            outline: dict[str, Any] = {"stroke_width": max(1, size // 8), "stroke_fill": INK}
            pen.text(place, text, font=font_for(text, size), fill=PAPER, anchor="mm", **outline)
    scale = things.mm_per_px
    median = float(np.median(things.areas)) if len(things) else 0.0
    told = f"median area {median:,.0f} px" if scale is None else f"median area {median * scale**2:.4g} mm²"
    return _with_names(np.asarray(canvas), [(f"{len(things):,} counted", None, None), (told, None, None)])


def sheet(images: Sequence[Image], targets: Sequence[Target], classes: Sequence[str]) -> Image:
    """Return a contact sheet of pictures with their masks; below each, the largest classes.

    Args:
        images: (H, W, 3) uint8 RGB pictures of any size.
        targets: the mask of each in its pixels; nothing is painted where it is not known.
        classes: names.
    """
    painted, captions = [], []
    for image, target in zip(images, targets, strict=True):
        mask = target.load() if isinstance(target, MaskSource) else target
        if isinstance(mask, SemanticMask):
            _check(image, mask.ids, classes)
            small = _shrunk(image, SHEET_SIDE)
            painted.append(paint_mask(small, _fitted(mask.ids, small), classes))
            captions.append(", ".join(name for name, _, _ in _shares(mask.ids, classes)[:3]))
        else:
            painted.append(image)
            captions.append("no mask")
    return grid(painted, captions, columns=4, side=SHEET_SIDE)


def mistake(image: Image, record: Mapping[str, Any], classes: Sequence[str]) -> Image:
    """Return four pictures of a mistake: the picture, its truth, what was found, and where they differ.

    The last one is gray with what is wrong in red; pixels of which nothing is known are hatched, and never
    wrong.

    Args:
        image: the whole picture.
        record: of `metric.mistakes`; "truth" and "found" are the masks as `records.packed` writes them.
        classes: names.
    """
    small = _shrunk(image, MISTAKE_SIDE)
    truth, found = (_fitted(unpacked(record[name]), small) for name in ("truth", "found"))
    gray = cv2.cvtColor(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    differ = np.asarray(128 + 0.45 * (gray.astype(np.float32) - 128), np.uint8)
    wrong = (truth != found) & (truth != VOID)
    differ[wrong] = (0.25 * differ[wrong] + 0.75 * np.array(WRONG)).astype(np.uint8)
    _hatch(differ, truth == VOID)
    pictures = [small, paint_mask(small, truth, classes), paint_mask(small, found, classes), differ]
    named = [_tagged(*each) for each in zip(pictures, ("picture", "truth", "found", "wrong"), strict=True)]
    board = np.concatenate([np.concatenate(pair, axis=1) for pair in (named[:2], named[2:])])
    shares = _shares(np.concatenate((truth.ravel(), found.ravel())), classes)
    return _with_names(board, [(name, colour, None) for name, colour, _ in shares if colour is not None])


def _check(image: Image, ids: NDArray[np.uint8], classes: Sequence[str]) -> None:
    if ids.shape != image.shape[:2]:
        raise ShapeError(f"a picture of {image.shape[:2]} needs a mask of that size, got {ids.shape}")
    known = ids[ids != VOID]
    if known.size and known.max() >= len(classes):
        raise ShapeError(f"class {known.max()} needs a name, there are {len(classes)}")


def paint_mask(image: Image, ids: NDArray[np.uint8], classes: Sequence[str]) -> Image:
    """Return a copy of the picture with veils, borders and the hatching of what is not known.

    Args:
        image: (H, W, 3) uint8 RGB.
        ids: (H, W) classes.
        classes: their names; one that means "background" is left as it is.
    """
    colours = colour_table(classes)
    share = np.zeros(256, np.float32)
    share[: len(classes)] = [0.0 if is_ground(name) else VEIL for name in classes]
    veil = share[ids][..., None]
    picture = (image * (1 - veil) + colours[ids] * veil + 0.5).astype(np.uint8)
    _hatch(picture, ids == VOID)
    width = max(1, round(0.003 * max(ids.shape)))
    _line(picture, ids, colours, shown=share > 0, width=width)
    return picture


def _line(
    picture: Image,
    ids: NDArray[np.uint8],
    colours: NDArray[np.uint8],
    *,
    shown: NDArray[np.bool_],
    width: int,
) -> None:
    """Paint a line of its colour inside the border of each class, and a dark hair between two lines."""
    rim = _near_border(ids, width) & shown[ids]
    picture[rim] = colours[ids[rim]]
    if width > 1:
        hair = _near_border(ids, max(1, width // 3)) & shown[ids]
        picture[hair] = (0.6 * np.array(INK) + 0.4 * picture[hair]).astype(np.uint8)


def _near_border(ids: NDArray[np.uint8], reach: int) -> NDArray[np.bool_]:
    """Return where another class begins within `reach` px."""
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1))
    near: NDArray[np.bool_] = np.asarray(cv2.dilate(ids, disc) != cv2.erode(ids, disc))
    return near


def _hatch(picture: Image, where: NDArray[np.bool_]) -> None:
    """Lay diagonal lines over a part of the picture."""
    if where.any():
        height, width = where.shape
        step = max(6, round(0.02 * max(height, width)))
        diagonal = (np.arange(height)[:, None] + np.arange(width)) % step < max(1, step // 4)
        lines = where & diagonal
        picture[where] = (0.7 * picture[where] + 0.3 * 128).astype(np.uint8)
        picture[lines] = (0.5 * picture[lines] + 0.5 * np.array(INK)).astype(np.uint8)


def _shares(ids: NDArray[np.uint8], classes: Sequence[str]) -> list[tuple[str, Colour | None, float]]:
    """Return (name, colour, share of the pixels) of the classes that are there, the largest first.

    A class that is not painted has no colour, and comes last.
    """
    counts = np.bincount(ids.ravel(), minlength=VOID + 1)[:VOID]
    order = sorted(np.flatnonzero(counts).tolist(), key=lambda n: (is_ground(classes[n]), -int(counts[n])))
    return [
        (classes[n], None if is_ground(classes[n]) else colour_of(n), counts[n] / max(1, ids.size))
        for n in order
    ]


def _with_names(picture: Image, shares: Sequence[tuple[str, Colour | None, float | None]]) -> Image:
    """Return the picture above a white strip with coloured names, in as many lines as they take."""
    height, width = picture.shape[:2]
    canvas_w = max(width, MIN_SIDE)
    size = max(13, round(0.024 * max(height, canvas_w)))
    gap, line = round(0.6 * size), round(1.7 * size)
    entries = [
        (name if share is None else f"{name} {_percent(share)}", colour)
        for name, colour, share in shares[:NAMED]
    ]
    if len(shares) > NAMED:
        entries.append((f"and {len(shares) - NAMED} more", None))
    places: list[tuple[int, int, str, Colour | None]] = []
    x, y = gap, gap
    for text, colour in entries:
        swatch = 0 if colour is None else round(1.4 * size)
        shown = fitted(text, canvas_w - 2 * gap - swatch, size)
        needed = swatch + round(width_of(shown, size))
        if x > gap and x + needed > canvas_w - gap:
            x, y = gap, y + line
        places.append((x, y, shown, colour))
        x += needed + 2 * gap
    strip = y + line + gap // 2 if places else 0
    canvas = PillowImage.new("RGB", (canvas_w, height + strip), PAPER)
    canvas.paste(PillowImage.fromarray(picture), ((canvas_w - width) // 2, 0))
    pen = ImageDraw.Draw(canvas)
    for x, y, text, colour in places:
        middle = height + y + line / 2
        if colour is not None:
            pen.rectangle((x, middle - size / 2, x + size, middle + size / 2), fill=colour, outline=INK)
            x += round(1.4 * size)
        pen.text((x, middle), text, font=font_for(text, size), fill=INK, anchor="lm")
    return np.asarray(canvas)


def _tagged(picture: Image, text: str) -> Image:
    """Return the picture in a white frame, with a word in its upper left corner."""
    canvas = PillowImage.fromarray(np.pad(picture, ((2, 2), (2, 2), (0, 0)), constant_values=255))
    pen, size = ImageDraw.Draw(canvas), 15
    pen.rectangle((2, 2, 14 + width_of(text, size), 24), fill=INK)
    pen.text((8, 13), text, font=font_for(text, size), fill=PAPER, anchor="lm")
    return np.asarray(canvas)


def _percent(share: float) -> str:
    """Return a share as text.

    >>> _percent(0.314), _percent(0.0312), _percent(0.0004)
    ('31 %', '3.1 %', '<0.1 %')
    """
    if share < 0.001:
        return "<0.1 %"
    return f"{100 * share:.1f} %" if share < 0.0995 else f"{100 * share:.0f} %"


def _shrunk(image: Image, side: int) -> Image:
    """Return the picture with its longer side equal to `side`."""
    scale = side / max(image.shape[:2])
    height, width = (max(1, round(length * scale)) for length in image.shape[:2])
    return resize(np.ascontiguousarray(image), (height, width))


def _fitted(ids: NDArray[np.uint8], image: Image) -> NDArray[np.uint8]:
    """Return a mask at the size of a picture; classes are picked, not mixed."""
    height, width = image.shape[:2]
    return np.asarray(cv2.resize(ids, (width, height), interpolation=cv2.INTER_NEAREST_EXACT), np.uint8)
