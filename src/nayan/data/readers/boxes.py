"""Boxes as the formats give them: what is refused, what is mended, and how a user hears of it.

    a box ...                                      what happens
    with a coordinate that is no number            refused, with file and line
    in the units of another format                 refused: fractions where pixels are due, or the reverse
    that fits only a larger, declared picture      refused: the picture was resized after it was annotated
    without area, or with a negative one           left out and counted
    wholly outside of the picture                  left out and counted
    that sticks out of the picture                 cut to it; counted where it is more than rounding
    with its two corners exchanged                 put in order and counted
    for the picture before its EXIF orientation    turned with the picture and counted

Counted faults become one sentence a kind among the data set's notes, with their number and first places.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from nayan.core.errors import FormatError, LabelError
from nayan.core.image import open_image
from nayan.core.types import Boxes, Label, MaskSource, Sample, Size
from nayan.data.readers.base import class_notes, counted

Place = str | Callable[[], str]
"""Where something is written, as "file:line"; or what finds that out, called only if it is needed."""

XYXY = tuple[float, float, float, float]

EMPTY = "left out: {boxes} without area"
OUTSIDE = "left out: {boxes} wholly outside of the picture"
CUT = "cut to the picture: {boxes} that stuck out of it"
EXCHANGED = "put in order: {boxes} whose left and right, or top and bottom, were exchanged"
TURNED = (
    "turned with the EXIF orientation of the picture: the boxes of {pictures}, drawn before it was applied"
)
RESIZED = "the declared size of {pictures} is not that of the file; the file counts"
AS_TEXT = "read as numbers: {boxes} with coordinates in quotes"
UNREADABLE = "left without a target: {pictures} whose size cannot be read"

ROUNDING_PX = 0.5
"""Boxes that stick out by no more than this are cut in silence: annotation tools round."""

_SHOWN = 3


class BoxFaults:
    """What was wrong with the boxes of a data set: how often, and where first.

    Args:
        root: folder of the data set; places below it are shown relative to it.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._counts: dict[str, int] = {}
        self._places: dict[str, list[str]] = {}
        self._largest = 0.0  # of all coordinates
        self._first: Place = ""
        self._picture_px = 0  # longest side of a picture with boxes

    def count(self, fault: str, place: Place) -> None:
        """Add one occurrence of a fault.

        Args:
            fault: the note's sentence without its full stop; `{boxes}`, `{pictures}`, `{files}` or `{rows}`
                stands for the number.
            place: "file:line", asked for only where it will be shown.
        """
        self._counts[fault] = self._counts.get(fault, 0) + 1
        places = self._places.setdefault(fault, [])
        if len(places) < _SHOWN:
            places.append(place if isinstance(place, str) else place())

    def saw(self, largest: float, size: Size, place: Place) -> None:
        """Remember how large coordinates get, for `check_pixels`."""
        self._largest = max(self._largest, largest)
        self._picture_px = max(self._picture_px, *size)
        self._first = self._first or place

    def check_pixels(self, expected: str) -> None:
        """Refuse boxes that are all in fractions of the picture; call it when everything was read.

        Args:
            expected: what the format says, such as "x, y, width, height in pixels".

        Raises:
            LabelError: if no coordinate exceeds 1 although the pictures are larger, with the first place.
        """
        if self._first and self._largest <= 1 < self._picture_px:
            place = self._first if isinstance(self._first, str) else self._first()
            raise LabelError(
                f"{place}: every box of the data set lies within 0 and 1, but the format says {expected}",
                hint="these are fractions of the picture: multiply them by its width and height, or "
                "store them as YOLO",
            )

    def notes(self) -> list[str]:
        """Return a sentence for each kind of fault, in the order in which they were met."""
        return [self._sentence(fault) for fault in self._counts]

    def _sentence(self, fault: str) -> str:
        number = self._counts[fault]
        plural = "" if number == 1 else "s"
        words = {
            "boxes": f"{number:,} box{'es' if plural else ''}",
            "pictures": f"{number:,} picture{plural}",
            "files": f"{number:,} file{plural}",
            "rows": f"{number:,} row{plural}",
        }
        places = [place.removeprefix(f"{self._root}/") for place in self._places[fault]]
        more = ", ..." if number > len(places) else ""
        return f"{fault.format(**words)} ({', '.join(places)}{more})"


class BoxSet:
    """Collects the boxes of one picture in pixels and makes them fit it.

    Args:
        size: (height, width) of the upright picture.
        faults: of the whole data set.
        place: where the picture's entry is written, "file:line".
        declared: (height, width) that the annotations state; None where they state none.
        orientation: EXIF orientation of the picture, 1 to 8.
    """

    def __init__(
        self,
        size: Size,
        faults: BoxFaults,
        *,
        place: Place = "",
        declared: Size | None = None,
        orientation: int = 1,
    ) -> None:
        self._size = size
        self._faults = faults
        self._rows: list[XYXY] = []
        self._labels: list[int] = []
        self._crowd: list[bool] = []
        self._areas: list[float | None] = []
        self._turn = 1
        self._declared: Size | None = None
        if declared is None or declared == size or min(declared) <= 0:
            return
        if orientation >= 5 and declared == size[::-1]:
            self._turn = orientation
            faults.count(TURNED, place)
        else:
            self._declared = declared
            faults.count(RESIZED, place)

    def add(
        self,
        xyxy: XYXY,
        label: int,
        *,
        line: Place,
        crowd: bool = False,
        area: float | None = None,
        corners: bool = False,
    ) -> bool:
        """Add a box, unless nothing of it lies in the picture.

        Args:
            xyxy: left, top, right, bottom in pixels, right and bottom exclusive, in full precision.
            label: class, from 0.
            line: where it is written, "file:line".
            crowd: stands for many objects.
            area: px^2 that the object covers, where it is known.
            corners: the format stores two corners, so exchanged ones still say which box is meant.

        Returns:
            Whether it was added.

        Raises:
            LabelError: if a coordinate is not finite, or the box fits only the declared picture.
        """
        x1, y1, x2, y2 = xyxy
        largest = max(x1, y1, x2, y2)
        if not math.isfinite(x1 + y1 + x2 + y2):
            raise LabelError(
                f"{where(line)}: the box {_shown(xyxy)} is not finite", hint="correct or remove it"
            )
        self._faults.saw(largest, self._size, line)
        if corners and (x2 < x1 or y2 < y1):
            x1, y1, x2, y2 = min(x1, x2), min(y1, y2), max(x1, x2), max(y1, y2)
            self._faults.count(EXCHANGED, line)
        if x2 <= x1 or y2 <= y1:
            self._faults.count(EMPTY, line)
            return False
        if self._turn != 1:
            x1, y1, x2, y2 = turned((x1, y1, x2, y2), self._turn, self._size)
        height, width = self._size
        if x1 < 0 or y1 < 0 or x2 > width or y2 > height:
            if self._declared is not None:
                self._check_declared((x1, y1, x2, y2), line)
            if x1 >= width or y1 >= height or x2 <= 0 or y2 <= 0:
                self._faults.count(OUTSIDE, line)
                return False
            if max(-x1, -y1, x2 - width, y2 - height) > ROUNDING_PX:
                self._faults.count(CUT, line)
            x1, y1, x2, y2 = max(x1, 0.0), max(y1, 0.0), min(x2, width), min(y2, height)
        if np.float32(x1) >= np.float32(x2) or np.float32(y1) >= np.float32(y2):
            self._faults.count(EMPTY, line)
            return False
        self._rows.append((x1, y1, x2, y2))
        self._labels.append(label)
        self._crowd.append(crowd)
        self._areas.append(area)
        return True

    def _check_declared(self, xyxy: XYXY, line: Place) -> None:
        height, width = self._declared or self._size
        x1, y1, x2, y2 = xyxy
        if min(x1, y1) >= -ROUNDING_PX and x2 <= width + ROUNDING_PX and y2 <= height + ROUNDING_PX:
            raise LabelError(
                f"{where(line)}: the box {_shown(xyxy)} lies outside of the picture of {self._size[1]} x "
                f"{self._size[0]} pixels (width x height), but within the declared {width} x {height}",
                hint="the picture was resized after it was annotated: resize the boxes too, or restore it",
            )

    def boxes(self) -> Boxes:
        """Return what was added, in that order; `areas` only where they differ from those of the boxes."""
        if not self._rows:
            return Boxes.none()
        xyxy = np.array(self._rows, np.float64).astype(np.float32)
        labels = np.array(self._labels, np.int64)
        crowd = np.array(self._crowd, np.bool_) if any(self._crowd) else None
        if all(area is None for area in self._areas):
            return Boxes(xyxy, labels, crowd=crowd)
        own = Boxes(xyxy, labels).covered
        areas = np.array(
            [box if area is None else area for area, box in zip(self._areas, own, strict=True)], np.float32
        )
        return Boxes(xyxy, labels, crowd=crowd, areas=None if (areas == own).all() else areas)


def turned(xyxy: XYXY, orientation: int, size: Size) -> XYXY:
    """Return a box of a stored picture where it lies in the upright one.

    Args:
        xyxy: in pixels of the stored picture.
        orientation: 5 to 8, those that exchange width and height.
        size: (height, width) of the upright picture.

    >>> turned((0, 0, 2, 1), 6, (4, 3))
    (2, 0, 3, 2)
    """
    height, width = size
    top, left, bottom, right = xyxy  # what ran to the right runs down now
    if orientation in (7, 8):
        top, bottom = height - bottom, height - top
    if orientation in (6, 7):
        left, right = width - right, width - left
    return left, top, right, bottom


def number(value: object, *, line: Place, what: str) -> float:
    """Return a coordinate that a file holds as a number or as text.

    Raises:
        FormatError: if it is neither, or not finite, with the place.

    >>> number("12.5", line="a.xml:3", what="xmin")
    12.5
    """
    if type(value) is float and math.isfinite(value):
        return value  # nearly always, and there are millions
    try:
        found = float(value) if isinstance(value, int | float | str) else math.nan
    except (ValueError, OverflowError):
        found = math.nan
    if isinstance(value, bool) or not math.isfinite(found):
        raise FormatError(
            f"{where(line)}: {what} is {value!r}, expected a finite number", hint="correct or remove the box"
        )
    return found


def box_sample(path: Path, *, id: str, boxes: Boxes | None) -> Sample:
    """Return the sample of a picture file with its boxes; the file is not touched before `load` is called."""
    return Sample(id=id, load=partial(open_image, path), target=boxes, path=path)


def boxes_of(sample: Sample, classes: Sequence[str]) -> Boxes:
    """Return the boxes of a sample that is about to be written.

    Raises:
        LabelError: if nothing is known about its objects, or one has a class outside of `classes`.
    """
    if isinstance(sample.target, Label):
        raise LabelError(
            f"{sample.id}: the picture has one class for all of it, not boxes",
            hint="classes of whole pictures are kept by the formats folder, csv and idx",
        )
    if isinstance(sample.target, MaskSource):
        raise LabelError(
            f"{sample.id}: the picture has a mask, not boxes",
            hint="masks are kept by the formats masks, coco_masks and yolo_masks",
        )
    if not isinstance(sample.target, Boxes):
        raise LabelError(
            f"{sample.id}: the picture has no boxes",
            hint="a picture of the background has an empty list of them",
        )
    labels = sample.target.labels
    if len(labels) and not 0 <= labels.min() <= labels.max() < len(classes):
        raise LabelError(
            f"{sample.id}: a box of class {labels.max()}, but there are {len(classes)} classes (from 0)"
        )
    return sample.target


def box_notes(samples: Sequence[Sample], classes: Sequence[str], split: str) -> list[str]:
    """Return sentences about classes that a split lacks, and about pictures without objects."""
    background = sum(isinstance(sample.target, Boxes) and not len(sample.target) for sample in samples)
    name = "the data set" if split == "all" else split
    notes = class_notes(samples, classes, split)
    if background:
        notes.append(f"{name} has {counted(range(background), 'picture')} of the background, without a box")
    return notes


def where(place: Place) -> str:
    """Return a place as text."""
    return place if isinstance(place, str) else place()


def _shown(xyxy: XYXY) -> str:
    return ", ".join(f"{value:g}" for value in xyxy)
