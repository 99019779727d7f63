"""Paints detections: boxes with names on a picture, contact sheets, mistakes; and tells what was found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from PIL import Image as PillowImage
from PIL import ImageDraw

from nayan.core.errors import ShapeError
from nayan.core.lettering import fitted, font_for, width_of
from nayan.core.sheet import grid
from nayan.core.types import Boxes, Image, Target
from nayan.runtime.preprocess import resize
from nayan.tasks.detection.findings import panels, summary

__all__ = ["annotate", "colour_of", "grid", "mistake", "panels", "sheet", "summary"]

Colour = tuple[int, int, int]
Place = tuple[float, float, float, float]

PALETTE: tuple[Colour, ...] = (
    (230, 159, 0),
    (86, 180, 233),
    (0, 158, 115),
    (204, 121, 167),
    (213, 94, 0),
    (0, 114, 178),
    (240, 228, 66),
)
"""Colours that people with any kind of colour vision can tell apart: Okabe and Ito (2008)."""

INK: Colour = (20, 24, 30)
PAPER: Colour = (255, 255, 255)
LOST: Colour = (240, 50, 50)
GROUND_TRUTH: Mapping[str, Colour] = {"object": (0, 176, 92), "crowd": (150, 158, 168)}

MISTAKE_SIDE = 560
"""Longer side of the picture of a mistake in px."""

CROWDED = 20
"""More names than this are written smaller."""

SHEET_SIDE = 320
"""Side of a picture on a contact sheet in px."""

SAID = {
    "class": "not {}",
    "place": "{}, off",
    "duplicate": "{} again",
    "both": "not {}, off",
    "background": "{}?",
}
"""What stands on a wrong detection."""


def colour_of(label: int) -> Colour:
    """Return the colour of a class; after seven classes they come again, darker and then lighter.

    >>> colour_of(0), colour_of(7)
    ((230, 159, 0), (147, 102, 0))
    """
    red, green, blue = PALETTE[label % len(PALETTE)]
    turn = label // len(PALETTE) % 3
    if turn == 1:
        return (round(red * 0.64), round(green * 0.64), round(blue * 0.64))
    if turn == 2:
        return (127 + red // 2, 127 + green // 2, 127 + blue // 2)
    return (red, green, blue)


def annotate(image: Image, prediction: Boxes, classes: Sequence[str]) -> Image:
    """Return a copy of the picture with its boxes, each with the name of its class and its score.

    Lines and letters grow with the picture. Every line has a thin dark border, so that it shows on any
    ground. The surest detections are painted last and named first; a name that would leave the picture moves
    into it, and one that would cover another is left out.

    Args:
        image: (H, W, 3) uint8 RGB; not changed.
        prediction: boxes in its pixels, with or without scores.
        classes: names, in the order of the labels.

    Raises:
        ShapeError: if a label has no name.
    """
    _check(prediction, classes)
    canvas = PillowImage.fromarray(image)
    order = (
        np.arange(len(prediction))
        if prediction.scores is None
        else np.argsort(prediction.scores, kind="stable")
    )
    for row in order:
        _frame(canvas, _place(prediction.xyxy[row]), colour=colour_of(int(prediction.labels[row])))
    taken: list[Place] = []
    size = _letters(canvas, len(prediction))
    for row in reversed(order):
        label = int(prediction.labels[row])
        name = classes[label]
        if prediction.scores is not None:
            name = f"{name} {100 * prediction.scores[row]:.0f} %"
        _tag(canvas, _place(prediction.xyxy[row]), name, size=size, colour=colour_of(label), taken=taken)
    return np.asarray(canvas)


def sheet(images: Sequence[Image], targets: Sequence[Target], classes: Sequence[str]) -> Image:
    """Return a contact sheet of pictures with their boxes; below each, how many there are.

    Args:
        images: (H, W, 3) uint8 RGB pictures of any size.
        targets: boxes in pixels of each; nothing is drawn where they are not known.
        classes: names.
    """
    painted, captions = [], []
    for image, target in zip(images, targets, strict=True):
        boxes = target if isinstance(target, Boxes) else Boxes.none()
        painted.append(annotate(*_enlarged(image, boxes, side=SHEET_SIDE), classes))
        captions.append("background" if not len(boxes) else f"{len(boxes)} object{'s' * (len(boxes) > 1)}")
    return grid(painted, captions, columns=4, side=SHEET_SIDE)


def mistake(image: Image, record: Mapping[str, Any], classes: Sequence[str]) -> Image:
    """Return the picture of a mistake, its longer side 560 px: what is there, what was found, what is wrong.

    Objects are dashed: green where they were found, red and named where they were missed. Detections are
    drawn in the colour of their class: thin where they are right; thick, and with what is wrong about them
    in a word, where they are not.

    Args:
        image: the whole picture; "box" refers to its pixels.
        record: of `mistakes.mistakes`.
        classes: names.
    """
    scale = MISTAKE_SIDE / max(image.shape[:2])
    height, width = (max(1, round(side * scale)) for side in image.shape[:2])
    canvas = PillowImage.fromarray(resize(image, (height, width)))
    scales = np.array([width / image.shape[1], height / image.shape[0]] * 2)
    names = {name: number for number, name in enumerate(classes)}
    boxes = [(each, _place(np.asarray(each["box"]) * scales)) for each in record["boxes"]]
    for each, place in boxes:
        if each["kind"] == "right":
            ImageDraw.Draw(canvas).rectangle(
                _inside(canvas, place), outline=colour_of(names[each["label"]]), width=2
            )
        elif each["kind"] in ("object", "crowd"):
            _dashed(canvas, place, colour=GROUND_TRUTH[each["kind"]])
    named: list[tuple[Place, str, Colour]] = []
    for each, place in boxes:
        if each["kind"] == "missed":
            named.append((place, each["label"], LOST))
            _dashed(canvas, place, colour=LOST, ground=INK)
        elif each["kind"] in SAID:
            colour = colour_of(names[each["label"]])
            named.append((place, SAID[each["kind"]].format(each["label"]), colour))
            _frame(canvas, place, colour=colour)
    taken: list[Place] = []
    size = _letters(canvas, len(named))
    for place, text, colour in named:
        _tag(canvas, place, text, size=size, colour=colour, taken=taken)
    return np.asarray(canvas)


def _check(boxes: Boxes, classes: Sequence[str]) -> None:
    if len(boxes) and not 0 <= boxes.labels.min() <= boxes.labels.max() < len(classes):
        raise ShapeError(
            f"labels {boxes.labels.min()} to {boxes.labels.max()} need as many names, got {len(classes)}"
        )


def _place(xyxy: Any) -> Place:
    left, top, right, bottom = (float(value) for value in xyxy)
    return (left, top, right, bottom)


def _enlarged(image: Image, boxes: Boxes, *, side: int) -> tuple[Image, Boxes]:
    """Return a picture and its boxes with the longer side scaled to `side`."""
    scale = side / max(image.shape[:2])
    height, width = (max(1, round(length * scale)) for length in image.shape[:2])
    scales = np.array([width / image.shape[1], height / image.shape[0]] * 2, np.float32)
    return resize(np.ascontiguousarray(image), (height, width)), Boxes(
        boxes.xyxy * scales, boxes.labels, boxes.scores
    )


def _line(canvas: PillowImage.Image) -> int:
    """Return the width of a line in px for a picture of this size."""
    return max(2, round(0.0045 * max(canvas.size)))


def _inside(canvas: PillowImage.Image, place: Place) -> Place:
    """Return the first and last pixel of a box that lie in the picture; right and bottom are exclusive."""
    left, top = (min(max(0, round(v)), side - 1) for v, side in zip(place[:2], canvas.size, strict=True))
    right, bottom = (
        min(max(0, round(v) - 1), side - 1) for v, side in zip(place[2:], canvas.size, strict=True)
    )
    return (left, top, max(left, right), max(top, bottom))


def _frame(canvas: PillowImage.Image, place: Place, *, colour: Colour, thick: float = 1.0) -> None:
    """Paint a box whose line has a thin dark border, outside and in."""
    width = max(1, round(thick * _line(canvas)))
    left, top, right, bottom = _inside(canvas, place)
    rim, pen = max(1, width // 3), ImageDraw.Draw(canvas)
    pen.rectangle((left - rim, top - rim, right + rim, bottom + rim), outline=INK, width=width + 2 * rim)
    pen.rectangle((left, top, right, bottom), outline=colour, width=width)


def _dashed(canvas: PillowImage.Image, place: Place, *, colour: Colour, ground: Colour | None = None) -> None:
    """Paint a box of dashes, with another colour between them where it must not be overlooked."""
    width = _line(canvas)
    left, top, right, bottom = _inside(canvas, place)
    pen = ImageDraw.Draw(canvas)
    if ground is not None:
        pen.rectangle((left, top, right, bottom), outline=ground, width=width)
    dash = 4 * width
    for start in range(int(left), int(right) + 1, 2 * dash):
        end = min(start + dash, right)
        pen.rectangle((start, top, end, min(top + width - 1, bottom)), fill=colour)
        pen.rectangle((start, max(top, bottom - width + 1), end, bottom), fill=colour)
    for start in range(int(top), int(bottom) + 1, 2 * dash):
        end = min(start + dash, bottom)
        pen.rectangle((left, start, min(left + width - 1, right), end), fill=colour)
        pen.rectangle((max(left, right - width + 1), start, right, end), fill=colour)


def _letters(canvas: PillowImage.Image, count: int) -> int:
    """Return the height of letters in px for so many names on a picture of this size."""
    return (
        max(9, round(0.019 * max(canvas.size)))
        if count > CROWDED
        else max(12, round(0.027 * max(canvas.size)))
    )


def _tag(
    canvas: PillowImage.Image, place: Place, text: str, *, size: int, colour: Colour, taken: list[Place]
) -> None:
    """Write a name above its box, else inside, else below; nowhere if it would cover another name.

    Args:
        canvas: to paint on.
        place: of the box.
        text: the name.
        size: of its letters in px.
        colour: behind it.
        taken: places of the names so far; this one is added.
    """
    gap = max(2, size // 4)
    shown = fitted(text, canvas.width - 2 * gap, size)
    width, height = round(width_of(shown, size)) + 2 * gap, round(1.35 * size)
    left, top, right, bottom = _inside(canvas, place)
    line = _line(canvas)
    x, from_right = max(0.0, min(left, canvas.width - width)), max(0.0, right - width)
    corners = [(x, top - height), (x, top + line), (x, bottom + 1), (from_right, top - height)]
    corners.append((x, bottom - height))
    inside = [corner for corner in corners if 0 <= corner[1] <= canvas.height - height] or [(x, 0.0)]
    free = [corner for corner in inside if not _covers(corner, (width, height), taken)]
    if not free:
        return
    x, y = free[0]
    taken.append((x, y, x + width, y + height))
    pen = ImageDraw.Draw(canvas)
    pen.rectangle((x, y, x + width - 1, y + height - 1), fill=colour)
    bright = 0.299 * colour[0] + 0.587 * colour[1] + 0.114 * colour[2]
    ink = INK if bright > 110 else PAPER
    pen.text((x + gap, y + height / 2), shown, font=font_for(shown, size), fill=ink, anchor="lm")


def _covers(corner: tuple[float, float], size: tuple[int, int], taken: Sequence[Place]) -> bool:
    (x, y), (width, height) = corner, size
    return any(
        x < right and left < x + width and y < bottom and top < y + height
        for left, top, right, bottom in taken
    )
