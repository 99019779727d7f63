"""LabelMe: a JSON file for each picture, with its shapes.

DATA/                     {"version": "5.4.1", "imagePath": "1.jpg", "imageHeight": 480, "imageWidth": 640,
├── 1.jpg                  "imageData": null, "shapes": [{"label": "cup", "shape_type": "rectangle",
├── 1.json                 "points": [[12.0, 30.5], [80, 95]], "group_id": null, "flags": {}}, ...]}
└── labels.txt            the classes in their order, else they are sorted

Also in train/ val/ test/. `imagePath` is relative to the JSON file; where it is missing, a picture of the
JSON file's name counts, else the one that is embedded as `imageData`. Points are pixels of the upright
picture. Rectangles, polygons, circles and masks become the boxes around them; points and lines have no area
and are left out. Shapes of one class and one `group_id` are parts of one object, as LabelMe's own
converters understand it.

Source: Wada, labelme (github.com/wkentaro/labelme), its examples of bounding boxes and instances.
"""

from __future__ import annotations

import base64
import binascii
import itertools
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from nayan.core.errors import DataError, FormatError
from nayan.core.image import MAX_JPEG_BYTES, open_image, probe
from nayan.core.types import Dataset, Image, Size
from nayan.data.pictures import normal, walk
from nayan.data.readers.annotated import (
    NO_ENTRY,
    NO_FILE,
    Drawn,
    Entry,
    Found,
    Pictures,
    assemble,
    declared_classes,
    split_in,
)
from nayan.data.readers.annotated_writing import place_in, size_of, write_classes, written_boxes
from nayan.data.readers.base import SPLITS, Sniff, check_new, read_text, write_picture
from nayan.data.readers.boxes import XYXY, BoxFaults, number
from nayan.data.readers.outlines import Point, around, around_circle

_HEAD_BYTES = 65_536
_SHAPES = re.compile(rb'"shapes"\s*:\s*\[')
_LOOKED_AT = 5_000  # files, for one of LabelMe
_MAX_BYTES = 2 * MAX_JPEG_BYTES  # of a JSON file: a picture in base64 and the shapes
_OWN = {"label", "points", "shape_type", "group_id", "mask", "crowd", "area"}

_NO_AREA = "left out: {boxes} that are no areas but points or lines"
_AROUND = "the box around it stands for a polygon, circle or mask: {boxes}"
_JOINED = "joined to one box: {boxes} of one class and group_id, parts of one object"
_BESIDE = "left out: {files} outside of the folders of the splits"
_EMBEDDED = "taken from the annotation: {pictures} whose file does not exist"


class LabelmeReader:
    """One JSON file a picture."""

    name = "labelme"
    summary = "a .json file with shapes for each picture, beside it"

    def sniff(self, root: Path) -> Sniff:
        """Say whether one of the first JSON files has shapes."""
        if not root.is_dir():
            return Sniff(0.0, "it is a file")
        files = (file for file in itertools.islice(walk(root), _LOOKED_AT) if _is_json(file))
        first = next((file for file in files if _looks_like_labelme(file)), None)
        if first is None:
            return Sniff(0.0, "no .json file has the shapes of LabelMe")
        return Sniff(0.97, f"{first.relative_to(root).as_posix()} has the shapes of LabelMe")

    def splits(self, root: Path) -> tuple[str, ...]:
        """Return the splits that folders are named after.

        Raises:
            DataError: as `read`.
        """
        named = {split for _, split in annotation_files(root, BoxFaults(root))}
        return tuple(split for split in SPLITS if split in named)

    def read(self, root: Path, split: str) -> Dataset:
        """Return the pictures of a split by id; classes are those of `labels.txt`, else sorted by name.

        Raises:
            FormatError: if a file is no JSON of LabelMe, or a coordinate no number; with the shape's number.
            LabelError: if a shape has no class, or one that is not declared.
            DataError: if no annotated picture exists.
            NotFound: if there is no such split.
        """
        faults = BoxFaults(root)
        classes, declared = declared_classes(root)
        pictures = Pictures(root)
        found: list[Entry] = []
        for path, part in annotation_files(root, faults):
            heard = faults if split in ("all", part) else BoxFaults(root)
            entry = entry_of(path, part, pictures, heard)
            if entry is not None:
                found.append(entry)
        for picture in pictures.unnamed(found) if split in ("all", "train") else ():
            faults.count(NO_ENTRY, str(picture))
        everything = Found(root, tuple(found), classes, declared)
        return assemble(
            everything, root=root, split=split, format=self.name, faults=faults, pixels="points in pixels"
        )

    def write(self, splits: Mapping[str, Dataset], root: Path) -> None:
        """Write each picture with its JSON file beside it, in folders of the splits, and `labels.txt`.

        Raises:
            DataError: if the folder is not empty.
            LabelError: if nothing is known of the objects of a picture.
        """
        check_new(root)
        root.mkdir(parents=True, exist_ok=True)
        for split, data in splits.items():
            write_classes(data.classes, root / "labels.txt")
            for sample in data.samples:
                target = place_in(sample, split, root, twins=root, suffix=".json")
                write_picture(sample, target)
                height, width = size_of(target)
                shapes = [
                    {
                        "label": box.label, "points": [list(box.xyxy[:2]), list(box.xyxy[2:])],
                        "group_id": None, "description": "", "shape_type": "rectangle", "flags": {},
                        **(box.facts or {}),
                        **({"crowd": True} if box.crowd else {}),
                        **({} if box.area is None else {"area": box.area}),
                    }
                    for box in written_boxes(sample, data, self.name)
                ]  # fmt: skip
                facts = data.info.get(self.name, {}).get("pictures", {}).get(sample.id, {})
                document = {
                    "version": "5.4.1", "flags": {}, **facts, "shapes": shapes, "imagePath": target.name,
                    "imageData": None, "imageHeight": height, "imageWidth": width,
                }  # fmt: skip
                text = json.dumps(document, ensure_ascii=False, indent=1)
                target.with_suffix(".json").write_text(text + "\n", encoding="utf-8")


@dataclass(frozen=True, slots=True)
class _Embedded:
    """Decodes the picture inside of a JSON file, reading that when it is asked to."""

    path: Path

    def data(self) -> bytes:
        return _picture_bytes(load_document(self.path), self.path)

    def __call__(self, at_least: Size | None = None) -> Image:
        try:
            return open_image(self.data(), at_least)
        except FormatError as error:
            raise FormatError(f"{self.path}: imageData: {error.message}", hint=error.hint) from error


def _is_json(path: Path) -> bool:
    return path.suffix.lower() == ".json"


def _looks_like_labelme(path: Path) -> bool:
    try:
        with path.open("rb") as stream:
            head = stream.read(_HEAD_BYTES)
            stream.seek(max(0, path.stat().st_size - _HEAD_BYTES))  # imageData may stand before the shapes
            tail = stream.read()
    except OSError:
        return False
    both = head + tail
    return (
        head.lstrip(b"\xef\xbb\xbf \r\n\t")[:1] == b"{"
        and bool(_SHAPES.search(both))
        and b'"imagePath"' in both
    )


def annotation_files(root: Path, faults: BoxFaults) -> Iterator[tuple[Path, str]]:
    """Yield (JSON file, its split); "all" where no folder is named after a split.

    Raises:
        DataError: if there is none.
    """
    if not root.is_dir():
        raise DataError(f"{root}: is a file", hint="name the folder with the pictures and their .json files")
    files = [file for file in walk(root) if _is_json(file) and _looks_like_labelme(file)]
    if not files:
        raise DataError(f"{root}: no .json file has the shapes of LabelMe", hint="name the folder with them")
    parts = [split_in(file.relative_to(root)) for file in files]
    has_splits = any(parts)
    for file, part in zip(files, parts, strict=True):
        if part or not has_splits:
            yield file, part or "all"
        else:
            faults.count(_BESIDE, str(file))


def load_document(path: Path) -> dict[str, Any]:
    """Return what a JSON file of LabelMe holds.

    Raises:
        FormatError: if it is no such file.
    """
    if path.stat().st_size > _MAX_BYTES:
        raise FormatError(f"{path}: is larger than {_MAX_BYTES >> 20} MB", hint="save it without imageData")
    try:
        document = json.loads(read_text(path))
    except json.JSONDecodeError as error:
        raise FormatError(
            f"{path}:{error.lineno}: is not valid JSON: {error.msg}", hint="repair this line, or save it anew"
        ) from error
    except RecursionError as error:
        raise FormatError(f"{path}: is nested too deeply", hint="this is no file of LabelMe") from error
    if not isinstance(document, dict) or not isinstance(document.get("shapes"), list):
        raise FormatError(f"{path}: has no list of shapes", hint="this is no file of LabelMe")
    return document


def _picture_bytes(document: Mapping[str, Any], path: Path) -> bytes:
    try:
        return base64.b64decode(document["imageData"], validate=True)
    except (binascii.Error, ValueError) as error:
        raise FormatError(
            f"{path}: imageData is no base64: {error}", hint="put the picture beside the file"
        ) from error


def entry_of(path: Path, split: str, pictures: Pictures, faults: BoxFaults) -> Entry | None:
    """Return what a JSON file says; None where there is no picture."""
    document = load_document(path)
    drawn = [
        each
        for at, shape in enumerate(document["shapes"], start=1)
        if (each := _drawn(shape, f"{path}: shape {at}", faults)) is not None
    ]
    told = document.get("imagePath")
    picture = pictures.find(told, [path.parent], place=str(path)) if isinstance(told, str) and told else None
    if picture is None:
        twin = pictures.find(path.stem, (), place=str(path))
        picture = twin if twin is not None and twin.parent == path.parent else None
    facts = {key: document[key] for key in ("version", "flags") if key in document}
    entry = Entry(
        picture or path, split, str(path), tuple(_joined(drawn, faults)), _declared(document), facts
    )
    if picture is not None:
        return entry
    if not isinstance(document.get("imageData"), str):
        faults.count(NO_FILE, str(path))
        return None
    faults.count(_EMBEDDED, str(path))
    try:
        info = probe(_picture_bytes(document, path))
    except FormatError as error:
        raise FormatError(f"{path}: imageData: {error.message}", hint=error.hint) from error
    return replace(entry, embedded=_Embedded(path), embedded_info=info)


def _declared(document: Mapping[str, Any]) -> Size | None:
    height, width = document.get("imageHeight"), document.get("imageWidth")
    if type(height) is int and type(width) is int and height > 0 and width > 0:
        return height, width
    return None


def _drawn(shape: Any, place: str, faults: BoxFaults) -> Drawn | None:
    if not isinstance(shape, dict) or not isinstance(shape.get("points"), list):
        raise FormatError(f"{place}: has no list of points", hint="correct or remove it")
    kind = shape.get("shape_type") or "polygon"  # which old files do not say
    points = [_point(point, place) for point in shape["points"]]
    xyxy = _outline(kind, points)
    if xyxy is None:
        faults.count(_NO_AREA, place)
        return None
    if kind != "rectangle":
        faults.count(_AROUND, place)
    label = shape.get("label")
    name = normal(label.strip()) if isinstance(label, str) else ""
    area = number(shape["area"], line=place, what="area") if shape.get("area") is not None else None
    facts = {key: value for key, value in shape.items() if key not in _OWN}
    if shape.get("group_id") is not None:
        facts["group_id"] = shape["group_id"]
    return Drawn(name, xyxy, place, bool(shape.get("crowd")), area, facts=facts)


def _point(point: Any, place: str) -> Point:
    if not isinstance(point, list) or len(point) != 2:
        raise FormatError(f"{place}: {point!r:.40} is no point [x, y]", hint="correct or remove it")
    return number(point[0], line=place, what="x"), number(point[1], line=place, what="y")


def _outline(kind: str, points: list[Point]) -> XYXY | None:
    """Return the box around a shape; None for one that covers no area."""
    if kind == "circle" and len(points) == 2:
        return around_circle(points[0], points[1])
    if kind == "mask" and len(points) == 2:
        x1, y1, x2, y2 = around(points)
        return x1, y1, x2 + 1, y2 + 1  # its points are the first and the last pixels
    if (kind == "polygon" and len(points) > 2) or (kind in ("rectangle", "rotation") and len(points) > 1):
        return around(points)
    return None


def _joined(drawn: list[Drawn], faults: BoxFaults) -> Iterator[Drawn]:
    """Yield the objects, with parts that share a class and a group made one."""
    groups: dict[tuple[str, str], list[Drawn]] = {}
    for at, each in enumerate(drawn):
        group = each.facts.get("group_id")
        key = f"alone {at}" if group is None else json.dumps(group)
        groups.setdefault((each.label, key), []).append(each)
    for parts in groups.values():
        if len(parts) > 1:
            faults.count(_JOINED, parts[0].line)
            corners = [each.xyxy for each in parts if not callable(each.xyxy)]
            points = [point for x1, y1, x2, y2 in corners for point in ((x1, y1), (x2, y2))]
            yield replace(parts[0], xyxy=around(points))
        else:
            yield parts[0]
