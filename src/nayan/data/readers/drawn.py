"""Masks drawn from outlines when they are asked for: the words of coco_masks, yolo_masks and labelme_masks.

What no outline covers is class 0, the background. Where outlines overlap the smaller one wins, since it would
be lost under the larger one; of two alike the later one. An object of which only a box is known is void, for
which of its pixels are the object's is not known.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nayan.core import rle
from nayan.core.errors import FormatError, LabelError
from nayan.core.image import ImageInfo
from nayan.core.pixels import turned
from nayan.core.types import VOID, Dataset, MaskSource, Sample, SemanticMask, Size
from nayan.data.readers.boxes import RESIZED, TURNED, XYXY, BoxFaults, Place, where
from nayan.data.readers.mask_tables import is_void
from nayan.data.readers.masks import mask_of, resized, same_shape
from nayan.data.readers.polygons import Corners, disc, filled

BACKGROUND = "background"
_BACKGROUNDS = frozenset({"background", "_background_"})
_MOST = 254  # classes beside the background

NO_OUTLINE = "void, for want of an outline: {boxes}"

_OF_BOXES = re.compile(
    r"(of the annotations only boxes are kept|the box around it|joined to one box|.* has no box of class '"
    r"|.* of the background, without a box$|left out: .* without area|left out: .* that are no areas)"
)


@dataclass(frozen=True, slots=True, eq=False)
class Outline:
    """What is known of where an object is; one of these.

    Attributes:
        label: class in the mask; `VOID` where nothing shall be learnt.
        polygons: parts that are joined, corners in pixels.
        runs: COCO's run lengths.
        circle: centre and a point on it.
        box: all that is known.
        patch: left, top and pixels of a part of the picture.
        place: where it is written.
    """

    label: int
    polygons: tuple[Corners, ...] = ()
    runs: dict[str, Any] | None = None
    circle: tuple[tuple[float, float], tuple[float, float]] | None = None
    box: XYXY | None = None
    patch: tuple[int, int, NDArray[np.bool_]] | None = None
    place: Place = ""

    def covered(self, size: Size) -> NDArray[np.bool_]:
        """Return the (H, W) pixels of the object.

        Raises:
            FormatError: if run lengths do not fill a mask, or belong to a picture of another shape.
        """
        if self.runs is not None:
            return self._of_runs(size)
        mask = np.zeros(size, np.bool_)
        for corners in self.polygons:
            mask |= filled(corners, size)
        if self.circle is not None:
            mask |= disc(*self.circle, size)
        if self.patch is not None:
            left, top, pixels = self.patch
            y, x = max(0, top), max(0, left)
            part = pixels[y - top :, x - left :][: max(0, size[0] - y), : max(0, size[1] - x)]
            mask[y : y + part.shape[0], x : x + part.shape[1]] |= part
        return mask

    def _of_runs(self, size: Size) -> NDArray[np.bool_]:
        try:
            mask = rle.decode(self.runs or {})
        except FormatError as error:
            raise FormatError(f"{where(self.place)}: {error.message}", hint=error.hint) from error
        if mask.shape == size:
            return mask
        if not same_shape(mask.shape, size):
            raise FormatError(
                f"{where(self.place)}: the run lengths fill a mask of {mask.shape[1]} x {mask.shape[0]}, "
                f"the picture has {size[1]} x {size[0]} pixels (width x height)",
                hint="the picture was cropped or turned after it was annotated: restore it",
            )
        return resized(mask.astype(np.uint8), size).astype(np.bool_)

    @property
    def text(self) -> str:
        """Changes when the outline does."""
        parts = (
            *(corners.tobytes() for corners in self.polygons),
            repr((self.runs, self.circle, self.box)).encode(),
        )
        patch = b"" if self.patch is None else repr(self.patch[:2]).encode() + self.patch[2].tobytes()
        return f"{self.label} {hashlib.sha256(b'|'.join((*parts, patch))).hexdigest()}"


@dataclass(frozen=True, slots=True, eq=False)
class DrawnMask:
    """Draws the mask of a picture.

    Attributes:
        outlines: in the order of the file.
        frame: (height, width) of the picture that the outlines were drawn on.
        size: (height, width) of the upright picture.
        orientation: EXIF orientation to apply to what is drawn.
    """

    outlines: tuple[Outline, ...]
    frame: Size
    size: Size
    orientation: int = 1

    def __call__(self) -> SemanticMask:
        """Return the mask.

        Raises:
            FormatError: as `Outline.covered`.
        """
        ids = np.zeros(self.frame, np.uint8)
        for outline in self.outlines:
            if outline.box is not None:
                x1, y1, x2, y2 = (round(max(0.0, side)) for side in outline.box)
                ids[y1:y2, x1:x2] = VOID
        known = [
            (outline.covered(self.frame), outline.label) for outline in self.outlines if outline.box is None
        ]
        for mask, label in sorted(known, key=lambda each: -int(each[0].sum())):
            ids[mask] = label
        ids = turned(ids, self.orientation)
        return SemanticMask(ids if ids.shape == self.size else resized(ids, self.size))


def with_background(names: Sequence[str]) -> tuple[tuple[str, ...], dict[str, int]]:
    """Return the classes of drawn masks, and the number that each name of an object has there.

    Raises:
        FormatError: if there are more than a mask can hold.

    >>> with_background(["cup", "void"])
    (('background', 'cup'), {'cup': 1, 'void': 255})
    """
    objects = [name for name in names if name.casefold() not in _BACKGROUNDS and not is_void(name)]
    if len(objects) > _MOST:
        raise FormatError(f"{len(objects)} classes; a mask holds at most {_MOST} beside the background")
    numbers = {name: number for number, name in enumerate(objects, start=1)}
    others = {name: VOID if is_void(name) else 0 for name in names if name not in numbers}
    return (BACKGROUND, *objects), {**numbers, **others}


def outlined(sample: Sample) -> SemanticMask:
    """Return the mask of a sample whose outlines are about to be written.

    Raises:
        LabelError: if it has none, or one with void pixels.
    """
    mask = mask_of(sample)
    if (mask.ids == VOID).any():
        raise LabelError(
            f"{sample.id}: the mask has void pixels, which no outline can say",
            hint="keep the data set as masks",
        )
    return mask


def check_drawable(classes: Sequence[str]) -> None:
    """Raise LabelError unless outlines of all classes but the first give them back."""
    if with_background(classes)[0] != tuple(classes):
        raise LabelError(
            f"the classes are {', '.join(classes[:20])}; masks of outlines begin with {BACKGROUND!r}, for "
            "what none covers, and have no void class",
            hint="keep the data set as masks",
        )


def drawn_source(
    outlines: Sequence[Outline],
    info: ImageInfo | None,
    *,
    declared: Size | None,
    place: Place,
    faults: BoxFaults,
) -> MaskSource | None:
    """Return what draws a picture's mask as large as that is; None where its size is not known.

    Args:
        outlines: of its objects.
        info: what the header of the picture says.
        declared: (height, width) that the annotations state. Outlines that leave it are of the file's frame.
        place: where the picture's entry is written.
        faults: told what was done.

    Raises:
        FormatError: if the declared picture has another shape than the file.
    """
    size = info.size if info is not None else declared
    if size is None:
        return None
    frame, turn = size, 1
    if declared is not None and declared != size and not _leaves(outlines, declared):
        if info is not None and info.orientation >= 5 and same_shape(declared, size[::-1]):
            frame, turn = declared, info.orientation
            faults.count(TURNED, place)
        elif same_shape(declared, size):
            frame = declared
            faults.count(RESIZED, place)
        else:
            raise FormatError(
                f"{where(place)}: the annotations are of a picture of {declared[1]} x {declared[0]}, the "
                f"file has {size[1]} x {size[0]} pixels (width x height), of another shape",
                hint="it was cropped or turned after it was annotated: restore it, or annotate it again",
            )
    text = " ".join(outline.text for outline in outlines)
    return MaskSource(DrawnMask(tuple(outlines), frame, size, turn), outlines=f"{frame} {turn} {text}")


def _leaves(outlines: Iterable[Outline], size: Size) -> bool:
    """Return whether a polygon lies outside of a picture of this size by more than a hundredth."""
    corners = [each for outline in outlines for each in outline.polygons if len(each)]
    if not corners:
        return False
    right, bottom = np.concatenate(corners).max(axis=0)
    return bool(right > 1.01 * size[1] or bottom > 1.01 * size[0])


def drawn_data(
    boxes: Dataset,
    targets: dict[str, MaskSource | None],
    *,
    name: str,
    classes: Sequence[str],
    faults: BoxFaults,
) -> Dataset:
    """Return a data set of boxes with masks in their place.

    Args:
        boxes: as its own reader gives it.
        targets: {id: mask}; None where the picture was never annotated.
        name: of the format.
        classes: of the masks.
        faults: what was done to the outlines.
    """
    samples = tuple(_sample(sample, targets.get(sample.id)) for sample in boxes.samples)
    notes = [note for note in boxes.notes if not _OF_BOXES.match(note)]
    note = (
        f"masks: drawn from outlines; what none covers is {classes[0]!r}, where two overlap the smaller wins"
    )
    values = {str(number): name for number, name in enumerate(classes)}
    info = {"mapping": {"kind": "outlines", "values": values, "note": note}}
    return replace(
        boxes,
        samples=samples,
        classes=tuple(classes),
        format=name,
        notes=tuple(dict.fromkeys([note, *notes, *faults.notes()])),
        info=info,
    )


def _sample(sample: Sample, target: MaskSource | None) -> Sample:
    return replace(sample, target=target)
