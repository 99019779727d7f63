"""COCO's JSON: the pictures, boxes and categories of a split in one file.

DATA/                                  DATA/                              (Roboflow)
├── annotations/instances_train.json   ├── train/_annotations.coco.json
├── annotations/instances_val.json     ├── train/*.jpg
└── images/ (or train/, val/, ...)     └── valid/, test/ likewise

`bbox` is x, y, width, height in pixels. Ids are kept for writing but mean nothing: names are the identity
of a class, also between the files of the splits.

Source: Lin et al. (2014), Microsoft COCO: Common Objects in Context; cocodataset.org/#format-data.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from nayan.core.errors import DataError, FormatError, LabelError
from nayan.core.image import ImageInfo, looks_like_picture
from nayan.core.types import Dataset, Sample, Size
from nayan.data.headers import picture_infos
from nayan.data.pictures import is_ignored, normal
from nayan.data.readers.base import (
    SPLITS,
    Sniff,
    check_ids,
    check_new,
    check_split,
)
from nayan.data.readers.boxes import (
    AS_TEXT,
    UNREADABLE,
    XYXY,
    BoxFaults,
    BoxSet,
    Place,
    box_notes,
    box_sample,
    number,
    where,
)
from nayan.data.readers.coco_files import find_picture, find_tables, folder_of_ids, picture_folders
from nayan.data.readers.coco_json import CocoFile, Summary, class_name, file_name, load, summarise, summary
from nayan.data.readers.coco_shapes import enclosing
from nayan.data.readers.coco_writing import write_split

_WHOLE = 2**53  # whole numbers below are exact in double precision
_BOX_FIELDS = {"id", "image_id", "category_id", "bbox", "area", "iscrowd", "segmentation", "ignore"}
_NO_FILE = "left out: {pictures} whose file does not exist"
_NO_ENTRY = "left out: {pictures} without an entry in a file of annotations"
_NO_PICTURE = "left out: {boxes} of an image that is not listed"
_NO_BBOX = "the box around its segmentation stands for a missing bbox: {boxes}"


@dataclass(frozen=True, slots=True)
class _Classes:
    """The union of the categories of all files: names, the entries as they were, and what to tell of them."""

    names: tuple[str, ...]
    categories: tuple[dict[str, Any], ...]
    notes: tuple[str, ...]


class CocoReader:
    """Files of annotations beside the pictures or in `annotations/`."""

    name = "coco"
    summary = "annotations/instances_*.json or train/_annotations.coco.json, with the pictures"

    def sniff(self, root: Path) -> Sniff:
        """Say whether a JSON file begins like one of COCO's."""
        try:
            tables, _ = find_tables(root)
        except FormatError as error:
            return Sniff(0.6, error.message)  # `read` tells the user what to do
        except DataError as error:
            return Sniff(0.0, error.message)
        names = ", ".join(
            path.relative_to(root).as_posix() if root.is_dir() else path.name for path in tables.values()
        )
        return Sniff(0.95, f"{names} {'has' if len(tables) == 1 else 'have'} the lists of COCO")

    def splits(self, root: Path) -> tuple[str, ...]:
        """Return the splits that files or their folders are named after."""
        tables, _ = find_tables(root)
        return tuple(split for split in SPLITS if split in tables)

    def read(self, root: Path, split: str) -> Dataset:
        """Return the pictures of a split in the order of the file; the classes are those of all splits.

        A category without boxes that only groups the others (Roboflow's id 0) is no class. `info["coco"]`
        keeps the ids of categories, images and annotations.

        Raises:
            FormatError: if a file cannot be parsed, or it is unclear which one is meant.
            LabelError: if a box is impossible or of an unknown class.
            DataError: if no picture exists.
            NotFound: if there is no such split.
        """
        tables, notes = find_tables(root)
        check_split(split, [name for name in SPLITS if name in tables])
        files = {name: load(path) for name, path in tables.items() if split in ("all", name)}
        summaries = {
            path: summarise(files[name]) if name in files else summary(path) for name, path in tables.items()
        }
        classes = _union(summaries)
        faults = BoxFaults(root if root.is_dir() else root.parent)
        reading = _Reading(root, classes, faults)
        for name, file in files.items():
            reading.add(file, name)
        reading.check(summaries)
        samples = reading.samples
        notes = [*notes, *classes.notes, *faults.notes(), *reading.notes()]
        notes += box_notes(samples, classes.names, split)
        return Dataset(
            tuple(samples), classes.names, root, self.name, split, tuple(notes), {"coco": reading.info}
        )

    def write(self, splits: Mapping[str, Dataset], root: Path) -> None:
        """Write `annotations/instances_SPLIT.json` and the pictures in `images/`; ids are kept where known.

        Raises:
            DataError: if the folder is not empty.
            LabelError: if nothing is known of the objects of a picture.
        """
        check_new(root)
        for split, data in splits.items():
            name = "instances.json" if split == "all" else f"instances_{split}.json"
            write_split(data, root / "annotations" / name, images=root / "images")


class _Reading:
    """The samples of the files that were added, and what is told and kept of them."""

    def __init__(self, root: Path, classes: _Classes, faults: BoxFaults) -> None:
        self.samples: list[Sample] = []
        self.info: dict[str, Any] = {
            "categories": classes.categories, "images": {}, "annotations": {}, "others": {},
        }  # fmt: skip
        self._root = root
        self._labels = {name: label for label, name in enumerate(classes.names)}
        self._faults = faults
        self._fields: set[str] = set()
        self._masks = 0

    def add(self, file: CocoFile, split: str) -> None:
        """Add the pictures of a file whose picture exists, with their boxes."""
        self.info["others"] = self.info["others"] or dict(file.others)
        found = self._located(file, split)
        base = folder_of_ids(self._root, file.path)
        sets: dict[Any, tuple[str, BoxSet | None]] = {}
        for (index, path), info in zip(found.items(), picture_infos(list(found.values())), strict=True):
            image = file.images[index]
            id = normal(Path(os.path.relpath(path, base)).as_posix())
            self.info["images"][id] = image
            sets[image["id"]] = (id, self._box_set(image, info, partial(file.place, "images", index)))
        self._fill(file, sets)
        for path, (id, boxes) in zip(found.values(), sets.values(), strict=True):
            self.samples.append(box_sample(path, id=id, boxes=boxes.boxes() if boxes else None))

    def _box_set(self, image: Mapping[str, Any], info: ImageInfo | None, place: Place) -> BoxSet | None:
        declared = declared_size(image)
        if info is not None:
            return BoxSet(
                info.size, self._faults, place=place, declared=declared, orientation=info.orientation
            )
        if declared is None:
            self._faults.count(UNREADABLE, place)
            return None
        return BoxSet(declared, self._faults)

    def _located(self, file: CocoFile, split: str) -> dict[int, Path]:
        starts = picture_folders(self._root, file.path, split)
        found: dict[int, Path] = {}
        for index in range(len(file.images)):
            path = find_picture(file_name(file, index), starts)
            if path is None:
                self._faults.count(_NO_FILE, partial(file.place, "images", index))
            else:
                found[index] = path
        return found

    def _fill(self, file: CocoFile, sets: Mapping[Any, tuple[str, BoxSet | None]]) -> None:
        """Put every annotation into the set of its image, of those whose picture exists."""
        labels = {c["id"]: self._labels.get(class_name(c)) for c in file.categories}
        known = {image["id"] for image in file.images}
        kept: dict[str, list[Any]] = self.info["annotations"]
        for index, annotation in enumerate(file.annotations):
            line = partial(file.place, "annotations", index)
            label = _label(annotation, labels, line=line)
            at = annotation.get("image_id")
            if not isinstance(at, int | str) or at not in known:
                self._faults.count(_NO_PICTURE, line)
                continue
            id, boxes = sets.get(at, ("", None))
            if boxes is None:
                continue
            self._fields.update(annotation)
            self._masks += bool(annotation.get("segmentation"))
            crowd = annotation.get("iscrowd") in (1, "1", True)
            xyxy = self._box(annotation, line=line)
            area = annotation.get("area")
            area = None if area is None else number(area, line=line, what="area")
            if boxes.add(xyxy, label, line=line, crowd=crowd, area=area):
                kept.setdefault(id, []).append(annotation.get("id"))

    def _box(self, annotation: Mapping[str, Any], *, line: Place) -> XYXY:
        """Return the box of an annotation: its bbox, else the one around its segmentation."""
        bbox = annotation.get("bbox")
        if not bbox and annotation.get("segmentation"):
            self._faults.count(_NO_BBOX, line)
            return enclosing(annotation["segmentation"], line=line) or (0.0, 0.0, 0.0, 0.0)
        if not isinstance(bbox, list) or len(bbox) != 4:
            raise FormatError(
                f"{where(line)}: bbox is {bbox!r:.60}, expected [x, y, width, height]",
                hint="correct or remove the annotation",
            )
        if any(isinstance(value, str) for value in bbox):
            self._faults.count(AS_TEXT, line)
        # Nearly always so, and there are millions; `number` looks at all else.
        if all(type(value) is float or (type(value) is int and abs(value) < _WHOLE) for value in bbox):
            x, y, width, height = bbox
            return x, y, x + width, y + height
        x, y, width, height = (
            number(value, line=line, what=what)
            for value, what in zip(bbox, ("x", "y", "width", "height"), strict=True)
        )
        return x, y, x + width, y + height

    def check(self, summaries: Mapping[Path, Summary]) -> None:
        """Refuse what only the whole shows: no picture, one name twice, fractions; count the unlisted."""
        if not self.samples:
            names = ", ".join(map(str, summaries))
            raise DataError(
                f"{names}: none of the pictures exists",
                hint="put them beside the file of annotations, or in images/ of the data set",
            )
        check_ids(self.samples, self._root)
        self._faults.check_pixels("bbox is x, y, width, height in pixels")
        files = (name for part in summaries.values() for name in part.file_names)
        listed = {normal(name.replace("\\", "/").rpartition("/")[2]) for name in files}
        for folder in sorted({os.path.dirname(str(sample.path)) for sample in self.samples}):  # noqa: PTH120
            for name in sorted(os.listdir(folder)):  # noqa: PTH208 - strings, for there may be very many
                if (
                    normal(name) not in listed
                    and not is_ignored(name)
                    and looks_like_picture(Path(folder, name))
                ):
                    self._faults.count(_NO_ENTRY, f"{folder}/{name}")

    def notes(self) -> list[str]:
        """Return which fields of the annotations are not kept."""
        more = sorted(self._fields - _BOX_FIELDS | ({"segmentation"} if self._masks else set()))
        return [f"of the annotations only boxes are kept, not {', '.join(more)}"] if more else []


def _label(annotation: Mapping[str, Any], labels: Mapping[Any, int | None], *, line: Place) -> int:
    category = annotation.get("category_id")
    label = labels.get(category) if isinstance(category, int | str) else None
    if label is None:
        raise LabelError(
            f"{where(line)}: category {category!r:.40} is not declared",
            hint=f"the file declares the ids {', '.join(map(str, list(labels)[:20]))}; add it there",
        )
    return label


def declared_size(image: Mapping[str, Any]) -> Size | None:
    """Return the (height, width) that an image's entry states; None where it states none."""
    sides = [image.get("height"), image.get("width")]
    try:
        height, width = (int(side) for side in sides if isinstance(side, int | float | str))
    except (ValueError, OverflowError):
        return None
    return (height, width) if height > 0 and width > 0 else None


def _union(summaries: Mapping[Path, Summary]) -> _Classes:
    """Return the classes of all files by name, in the order in which they are met."""
    found: dict[str, dict[str, Any]] = {}
    used: set[str] = set()
    parents: set[str] = set()
    notes: list[str] = []
    for path, part in summaries.items():
        for id, raw, parent in part.categories:
            name = normal(raw)
            first = found.setdefault(name, {"id": id, "name": name, "supercategory": parent})
            if first["id"] != id:
                notes.append(
                    f"the class {name!r} has the id {id} in {path.name}, {first['id']} before; names decide"
                )
            if id in part.used:
                used.add(name)
            if parent != name:
                parents.add(normal(parent))
    if not found:
        files = ", ".join(map(str, summaries))
        raise FormatError(f"{files}: `categories` is empty", hint="declare the classes there")
    groups = [name for name in found if name in parents and name not in used]
    notes += [f"no class: {name!r}, a category that groups others and has no box itself" for name in groups]
    names = tuple(name for name in found if name not in groups)
    return _Classes(names, tuple(found.values()), tuple(dict.fromkeys(notes)))
