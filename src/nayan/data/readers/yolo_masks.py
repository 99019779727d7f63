"""YOLO's rows of polygons, drawn as masks; see `yolo` for the layouts and `drawn` for the rules.

Written masks have a row for each connected part of each class. Holes are joined to their outline by a bridge
of no width, as the tools that train on such files expect; the corners are those of pixels, so that the masks
come back exactly.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nayan.core.outline import Polygon, polygons
from nayan.core.types import Boxes, Dataset, MaskSource, Sample, Size
from nayan.data.headers import picture_infos
from nayan.data.readers.base import Sniff
from nayan.data.readers.boxes import UNREADABLE, BoxFaults
from nayan.data.readers.drawn import (
    NO_OUTLINE,
    Outline,
    check_drawable,
    drawn_data,
    drawn_source,
    outlined,
    with_background,
)
from nayan.data.readers.polygons import Corners
from nayan.data.readers.yolo import YoloReader, first_label, write_rows
from nayan.data.readers.yolo_layout import Layout, find_layout, label_folder
from nayan.data.readers.yolo_rows import Row, read_rows


class YoloMasksReader:
    """`data.yaml`, `images/` and `labels/` with rows `class x1 y1 x2 y2 x3 y3 ...`."""

    name = "yolo_masks"
    summary = "data.yaml with images/ and labels/*.txt of rows `class x1 y1 x2 y2 x3 y3 ...`, drawn as masks"

    def sniff(self, root: Path) -> Sniff:
        """Say whether it is YOLO's, and one of the first label files has a polygon."""
        found = YoloReader().sniff(root)
        if found.score < 0.6 or not root.exists():
            return found
        label = first_label(find_layout(root), polygons=True)
        if label is None:
            return Sniff(0.0, "none of the first label files has a row of a polygon")
        return Sniff(found.score, f"{label.name} has rows of polygons")

    def splits(self, root: Path) -> tuple[str, ...]:
        """Return the splits that YOLO's reader finds."""
        return YoloReader().splits(root)

    def read(self, root: Path, split: str) -> Dataset:
        """Return the pictures of a split by id, with masks.

        Raises:
            NayanError: as the reader of YOLO's boxes.
        """
        boxes = YoloReader().read(root, split)
        layout = find_layout(root)
        faults = BoxFaults(layout.base)
        classes, numbers = with_background(boxes.classes)
        paths = [sample.path for sample in boxes.samples if sample.path is not None]
        targets: dict[str, MaskSource | None] = {}
        for sample, path, info in zip(boxes.samples, paths, picture_infos(paths), strict=True):
            file = label_folder(path.parent, layout.base) / f"{path.stem}.txt"
            if not isinstance(sample.target, Boxes) and not file.is_file():
                continue
            if info is None:
                faults.count(UNREADABLE, str(path))
                continue
            rows = _rows(file, layout)
            outlines = [_outline(row, info.size, f"{file}:{row.line}", faults) for row in rows]
            labels = [numbers[boxes.classes[each.label]] for each in outlines]
            outlines = [replace(each, label=label) for each, label in zip(outlines, labels, strict=True)]
            targets[sample.id] = drawn_source(outlines, info, declared=None, place=str(file), faults=faults)
        return drawn_data(boxes, targets, name=self.name, classes=classes, faults=faults)

    def write(self, splits: Mapping[str, Dataset], root: Path) -> None:
        """Write as YOLO's reader of boxes does, a row for each connected part but the first class's.

        Raises:
            DataError: if the folder is not empty.
            LabelError: if a picture has no mask, or one with void pixels, which no row can say.
        """
        for data in splits.values():
            check_drawable(data.classes)
        named = {split: replace(data, classes=data.classes[1:]) for split, data in splits.items()}
        write_rows(named, root, _mask_rows)


def _mask_rows(sample: Sample, data: Dataset, picture: Path) -> list[str]:  # noqa: ARG001
    mask = outlined(sample)
    return [
        f"{label} {' '.join(map(repr, _fractions(part, mask.size)))}"
        for label in range(len(data.classes))
        for part in polygons(mask.ids == label + 1)
    ]


def _rows(file: Path, layout: Layout) -> list[Row]:
    if not file.is_file():
        return []
    return read_rows(
        file, classes=layout.classes or None, declared=layout.declared, keypoints=layout.keypoints
    )


def _outline(row: Row, size: Size, place: str, faults: BoxFaults) -> Outline:
    """Return a row's polygon, or its box where it is one; the label is the row's number still."""
    if not row.is_polygon:
        faults.count(NO_OUTLINE, place)
        return Outline(row.label, box=row.xyxy(size), place=place)
    corners: Corners = np.array(row.values, np.float64).reshape(-1, 2) * (size[1], size[0])
    return Outline(row.label, (corners,), place=place)


def _fractions(part: Polygon, size: Size) -> list[float]:
    """Return the corners of a part with its holes, joined by bridges of no width, as fractions."""
    ring = part.outer
    for hole in part.holes:
        ring = np.concatenate((ring, ring[:1], hole, hole[:1], ring[:1]))
    scaled: NDArray[np.float64] = ring / (size[1], size[0])
    values: list[float] = scaled.ravel().tolist()
    return values
