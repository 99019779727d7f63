"""COCO's polygons and run lengths, drawn as masks; see `coco` for the layouts and `drawn` for the rules.

Written masks have one annotation for each class in a picture, whose run lengths are all its pixels.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from nayan.core import rle
from nayan.core.errors import DataError, FormatError
from nayan.core.types import Dataset, MaskSource, Sample
from nayan.data.headers import picture_infos
from nayan.data.readers.base import Sniff, check_new, file_name, unused, write_picture
from nayan.data.readers.boxes import BoxFaults, Place, number, where
from nayan.data.readers.coco import CocoReader, declared_size
from nayan.data.readers.coco_files import find_tables
from nayan.data.readers.coco_json import CocoFile, class_name, load
from nayan.data.readers.coco_shapes import enclosing
from nayan.data.readers.coco_writing import document_text
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

_OUTLINED = re.compile(rb'"segmentation"\s*:\s*(\[\s*\[|\{)')
_BLOCK = 1 << 20


class CocoMasksReader:
    """Files of annotations beside the pictures or in `annotations/`, whose objects have a `segmentation`."""

    name = "coco_masks"
    summary = "annotations/instances_*.json with a segmentation for each object, drawn as masks"

    def sniff(self, root: Path) -> Sniff:
        """Say whether it is COCO's, and one of the objects has polygons or run lengths."""
        found = CocoReader().sniff(root)
        if found.score < 0.6:
            return found
        try:
            tables, _ = find_tables(root)
        except DataError:
            return found
        if not any(_has_outline(path) for path in tables.values()):
            return Sniff(0.0, "no object has a segmentation, only boxes")
        return Sniff(found.score, f"{found.reason}, with segmentations")

    def splits(self, root: Path) -> tuple[str, ...]:
        """Return the splits that COCO's reader finds."""
        return CocoReader().splits(root)

    def read(self, root: Path, split: str) -> Dataset:
        """Return the pictures of a split in the order of the file, with masks.

        Raises:
            NayanError: as the reader of COCO's boxes; also if a segmentation is neither polygons nor run
                lengths, or the picture has another shape than is declared.
        """
        boxes = CocoReader().read(root, split)
        tables, _ = find_tables(root)
        faults = BoxFaults(root if root.is_dir() else root.parent)
        classes, numbers = with_background(boxes.classes)
        targets: dict[str, MaskSource | None] = {}
        for name, path in tables.items():
            if split in ("all", name):
                part = boxes if len(tables) == 1 or split != "all" else CocoReader().read(root, name)
                targets |= _targets(load(path), part, numbers, faults)
        return drawn_data(boxes, targets, name=self.name, classes=classes, faults=faults)

    def write(self, splits: Mapping[str, Dataset], root: Path) -> None:
        """Write `annotations/instances_SPLIT.json` with run lengths, and the pictures in `images/`.

        Raises:
            DataError: if the folder is not empty.
            LabelError: if a picture has no mask, or one with void pixels, or no class is the background.
        """
        check_new(root)
        for split, data in splits.items():
            check_drawable(data.classes)
            name = "instances.json" if split == "all" else f"instances_{split}.json"
            table = root / "annotations" / name
            table.parent.mkdir(parents=True, exist_ok=True)
            table.write_text(document_text(_document(data, root / "images")), encoding="utf-8")


def _has_outline(path: Path) -> bool:
    tail = b""
    with path.open("rb") as stream:
        while block := stream.read(_BLOCK):
            if _OUTLINED.search(tail + block):
                return True
            tail = block[-64:]
    return False


def _targets(
    file: CocoFile, boxes: Dataset, numbers: Mapping[str, int], faults: BoxFaults
) -> dict[str, MaskSource | None]:
    """Return {id: mask} of the pictures of one file."""
    names = {category["id"]: class_name(category) for category in file.categories}
    outlines: dict[Any, list[Outline]] = {}
    for index, annotation in enumerate(file.annotations):
        label = numbers.get(names[annotation["category_id"]], 0)
        line = partial(_place, file.path, index)
        outlines.setdefault(annotation.get("image_id"), []).append(_outline(annotation, label, line, faults))
    entries: Mapping[str, Any] = boxes.info["coco"]["images"]
    index_of = {image["id"]: index for index, image in enumerate(file.images)}
    paths = [sample.path for sample in boxes.samples if sample.path is not None]
    targets: dict[str, MaskSource | None] = {}
    for sample, info in zip(boxes.samples, picture_infos(paths), strict=True):
        image = entries[sample.id]
        place = partial(file.place, "images", index_of[image["id"]])
        found = outlines.get(image["id"], [])
        targets[sample.id] = drawn_source(
            found, info, declared=declared_size(image), place=place, faults=faults
        )
    return targets


def _place(path: Path, index: int) -> str:
    """Return where an annotation stands; unlike `CocoFile.place` it keeps no hold of the whole file."""
    return load(path).place("annotations", index)


def _outline(annotation: Mapping[str, Any], label: int, line: Place, faults: BoxFaults) -> Outline:
    found = annotation.get("segmentation")
    if isinstance(found, dict):
        return Outline(label, runs=found, place=line)
    if found:
        enclosing(found, line=line)  # refuses what are no polygons
        return Outline(label, tuple(_corners(polygon, line) for polygon in found), place=line)
    faults.count(NO_OUTLINE, line)
    x, y, width, height = (
        number(v, line=line, what=w) for v, w in zip(annotation["bbox"], "xywh", strict=True)
    )
    return Outline(label, box=(x, y, x + width, y + height), place=line)


def _corners(polygon: list[Any], line: Place) -> Corners:
    if len(polygon) < 6 or len(polygon) % 2:
        raise FormatError(
            f"{where(line)}: a polygon of {len(polygon)} numbers, expected x, y of three corners or more",
            hint="correct or remove it",
        )
    return np.array([number(value, line=line, what="a corner") for value in polygon]).reshape(-1, 2)


def _document(data: Dataset, images: Path) -> dict[str, Any]:
    """Return what goes into a file of annotations; the pictures are written."""
    rows: list[dict[str, Any]] = []
    entries: list[dict[str, Any]] = []
    for number_, sample in enumerate(data.samples, start=1):
        mask = outlined(sample)
        target = _write(sample, images)
        entries.append({
            "id": number_, "file_name": target.relative_to(images).as_posix(),
            "height": mask.size[0], "width": mask.size[1],
        })  # fmt: skip
        for label in np.unique(mask.ids[mask.ids > 0]).tolist():
            rows.append({"id": len(rows) + 1, "image_id": number_, **_annotation(mask.ids == label, label)})
    categories = [
        {"supercategory": "", "id": label, "name": name} for label, name in enumerate(data.classes) if label
    ]
    return {"categories": categories, "images": entries, "annotations": rows}


def _write(sample: Sample, images: Path) -> Path:
    name = file_name(sample)
    target = unused(images.joinpath(*name.parts[1:] if name.parts[0] == "images" else name.parts))
    write_picture(sample, target)
    return target


def _annotation(mask: Any, label: int) -> dict[str, Any]:
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    x, y = int(columns[0]), int(rows[0])
    bbox = [x, y, int(columns[-1]) + 1 - x, int(rows[-1]) + 1 - y]
    return {
        "category_id": label, "bbox": bbox, "area": int(mask.sum()), "iscrowd": 0,
        "segmentation": rle.encode(mask),
    }  # fmt: skip
