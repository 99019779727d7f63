"""The rows of YOLO's label files: `class x_center y_center width height`, or `class x1 y1 x2 y2 x3 y3 ...`.

All numbers are fractions of the picture's width and height. A row of polygon stands for the box around it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from nayan.core.errors import FormatError, LabelError
from nayan.core.types import Size
from nayan.data.readers.base import read_text
from nayan.data.readers.boxes import XYXY, number

_LARGEST = 1.01  # of a fraction: more cannot come from rounding
_SNAP_PX = 1e-9  # fractions in double precision put a whole pixel off by less


@dataclass(frozen=True, slots=True)
class Row:
    """One object of a label file.

    Attributes:
        line: its number in the file, from 1.
        label: class, from 0.
        values: cx, cy, width, height of a box, or the corners of a polygon, as fractions.
        is_polygon: which of both.
    """

    line: int
    label: int
    values: tuple[float, ...]
    is_polygon: bool

    def xyxy(self, size: Size) -> XYXY:
        """Return the box in pixels of a picture of (height, width)."""
        height, width = size
        if self.is_polygon:
            xs, ys = self.values[::2], self.values[1::2]
            box = min(xs) * width, min(ys) * height, max(xs) * width, max(ys) * height
        else:
            cx, cy, w, h = self.values
            x, y, half_w, half_h = cx * width, cy * height, w * width / 2, h * height / 2
            box = x - half_w, y - half_h, x + half_w, y + half_h
        left, top, right, bottom = (
            float(round(value)) if abs(value - round(value)) < _SNAP_PX else value for value in box
        )
        return left, top, right, bottom


def fractions(xyxy: XYXY, size: Size) -> tuple[float, float, float, float]:
    """Return cx, cy, width, height of a box as fractions of a picture of (height, width).

    >>> fractions((0.0, 0.0, 10.0, 5.0), (10, 20))
    (0.25, 0.25, 0.5, 0.5)
    """
    (x1, y1, x2, y2), (height, width) = xyxy, size
    return (x1 + x2) / 2 / width, (y1 + y2) / 2 / height, (x2 - x1) / width, (y2 - y1) / height


def read_rows(file: Path, *, classes: Sequence[str] | None, declared: Path, keypoints: bool) -> list[Row]:
    """Return the rows of a label file.

    Args:
        file: may be empty.
        classes: the names that are declared; None where nothing declares them.
        declared: the file that declares them.
        keypoints: rows go on with key points after the box.

    Raises:
        FormatError: if a row is no box and no polygon, or not in fractions; with file and line.
        LabelError: if a class is not declared.
    """
    rows = []
    for line, text in enumerate(read_text(file).splitlines(), start=1):
        cells = text.split()
        if cells:
            rows.append(_row(cells, f"{file}:{line}", line, keypoints=keypoints))
            label = rows[-1].label
            if classes is not None and label >= len(classes):
                raise LabelError(
                    f"{file}:{line}: class {label}, but {declared.name} declares {len(classes)} "
                    f"class{'' if len(classes) == 1 else 'es'} (0-{len(classes) - 1})",
                    hint=f"add the missing names to {declared}, or correct the row",
                )
    return rows


def _row(cells: list[str], place: str, line: int, *, keypoints: bool) -> Row:
    count = len(cells)
    is_polygon = not keypoints and count >= 7 and count % 2 == 1
    if count != 5 and not is_polygon and not (keypoints and count > 5):
        hint = "a row is `class x_center y_center width height`, or `class` and three or more points"
        if count == 6:
            hint = "the sixth number looks like the confidence of a prediction; the truth has none, remove it"
        raise FormatError(f"{place}: {count} numbers, expected 5, or 7, 9, ... of a polygon", hint=hint)
    numbers = cells[1:] if is_polygon else cells[1:5]
    try:
        values = tuple(map(float, numbers))
    except ValueError:
        values = (math.nan,)
    if not math.isfinite(sum(values)):  # one of them is no number: say which
        values = tuple(number(cell, line=place, what="a coordinate") for cell in numbers)
    if max(values) > _LARGEST:
        raise FormatError(
            f"{place}: {max(values):g} is no fraction of the picture, expected 0 to 1",
            hint="YOLO divides x and width by the width of the picture, y and height by its height; these "
            "look like pixels",
        )
    return Row(line, _class(cells[0], place), values, is_polygon)


def _class(cell: str, place: str) -> int:
    try:
        value = float(cell)
        label = int(value)
    except (ValueError, OverflowError):
        value, label = 0.0, -1
    if label < 0 or label != value:
        raise LabelError(
            f"{place}: the class is {cell!r:.40}, expected its number, from 0",
            hint="rows have the numbers of classes; their names stand in data.yaml or classes.txt",
        )
    return label
