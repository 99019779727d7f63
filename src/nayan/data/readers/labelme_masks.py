"""LabelMe's shapes, drawn as masks; see `labelme` for the layouts and `drawn` for the rules.

Polygons, rectangles, circles and masks cover pixels; points and lines cover none and are left out.
"""

from __future__ import annotations

import base64
import binascii
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from nayan.core.errors import DataError, FormatError
from nayan.core.image import open_image
from nayan.core.types import Dataset, MaskSource
from nayan.data.headers import picture_infos
from nayan.data.pictures import normal
from nayan.data.readers.annotated import Pictures
from nayan.data.readers.base import Sniff
from nayan.data.readers.boxes import BoxFaults
from nayan.data.readers.drawn import Outline, drawn_data, drawn_source, with_background
from nayan.data.readers.labelme import LabelmeReader, annotation_files, entry_of, load_document

_NO_AREA = "left out of the masks: {boxes} that are no areas but points or lines"


class LabelmeMasksReader:
    """One JSON file a picture."""

    name = "labelme_masks"
    summary = "a .json file with shapes for each picture, beside it, drawn as masks"

    def sniff(self, root: Path) -> Sniff:
        """Say whether one of the first JSON files has shapes."""
        return LabelmeReader().sniff(root)

    def splits(self, root: Path) -> tuple[str, ...]:
        """Return the splits that folders are named after."""
        return LabelmeReader().splits(root)

    def read(self, root: Path, split: str) -> Dataset:
        """Return the pictures of a split by id, with masks.

        Raises:
            NayanError: as the reader of LabelMe's boxes.
        """
        boxes = LabelmeReader().read(root, split)
        faults = BoxFaults(root)
        classes, numbers = with_background(boxes.classes)
        pictures = Pictures(root)
        targets: dict[str, MaskSource | None] = {}
        for path, part in annotation_files(root, BoxFaults(root)):
            entry = entry_of(path, part, pictures, BoxFaults(root)) if split in ("all", part) else None
            if entry is None:
                continue
            id = normal(Path(os.path.relpath(entry.path, root)).as_posix())
            info = entry.embedded_info if entry.embedded else picture_infos([entry.path])[0]
            outlines = [
                outline
                for at, shape in enumerate(load_document(path)["shapes"], start=1)
                if (outline := _outline(shape, numbers, f"{path}: shape {at}", faults)) is not None
            ]
            targets[id] = drawn_source(
                outlines, info, declared=entry.declared, place=str(path), faults=faults
            )
        return drawn_data(boxes, targets, name=self.name, classes=classes, faults=faults)

    def write(self, splits: Mapping[str, Dataset], root: Path) -> None:  # noqa: ARG002
        """Refuse: polygons with holes have no place in this format.

        Raises:
            DataError: always.
        """
        raise DataError(
            f"{root}: labelme_masks is only read, for its shapes have no holes",
            hint="write masks, coco_masks or yolo_masks",
        )


def _outline(
    shape: Mapping[str, Any], numbers: Mapping[str, int], place: str, faults: BoxFaults
) -> Outline | None:
    """Return what a shape covers; None for one without area."""
    label = numbers.get(normal(str(shape.get("label", "")).strip()), 0)
    kind = shape.get("shape_type") or "polygon"
    points = np.array(shape["points"], np.float64).reshape(-1, 2)
    if kind == "circle" and len(points) == 2:
        (cx, cy), (x, y) = points.tolist()
        return Outline(label, circle=((cx, cy), (x, y)), place=place)
    if kind == "mask" and len(points) == 2 and isinstance(shape.get("mask"), str):
        left, top = points.min(axis=0).round().astype(int).tolist()
        return Outline(label, patch=(left, top, _patch(shape["mask"], place)), place=place)
    if kind == "rectangle" and len(points) == 2:
        (x1, y1), (x2, y2) = points.tolist()
        points = np.array([[x1, y1], [x2, y1], [x2, y2], [x1, y2]])
    if kind in ("polygon", "rectangle", "rotation") and len(points) > 2:
        return Outline(label, (points,), place=place)
    faults.count(_NO_AREA, place)
    return None


def _patch(text: str, place: str) -> Any:
    try:
        return open_image(base64.b64decode(text, validate=True))[..., 0] > 0
    except (binascii.Error, ValueError, FormatError) as error:
        raise FormatError(f"{place}: its mask is no picture: {error}", hint="draw it again") from error
