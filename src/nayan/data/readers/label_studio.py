"""Label Studio: the JSON export of a project, one task for each picture; also its short form, JSON-MIN.

DATA/                  [{"id": 7, "data": {"image": "/data/upload/1/1f2e3d4c-1.jpg"}, "annotations": [
├── project-1.json       {"was_cancelled": false, "ground_truth": false, "result": [
└── images/*.jpg           {"type": "rectanglelabels", "original_width": 640, "original_height": 480,
                            "value": {"x": 10.5, "y": 20, "width": 5, "height": 8, "rotation": 0,
                                      "rectanglelabels": ["cup"]}}]}]}]

x, y, width and height are per cent of the picture; a rotation turns a box clockwise about its upper left
corner, and the upright box around it is taken, as around polygons and ellipses. Brushes and key points are
left out. Of several annotations of a task the ground truth counts, else the newest; cancelled ones and
predictions never do. A task without any is left out, one with an empty result belongs to the background.

Pictures are found by their names anywhere in the folder: the parts that Label Studio puts before them when
they are uploaded do not matter. Classes are sorted by name, unless `classes.txt` has them in an order.

Source: labelstud.io/guide/task_format and its tags RectangleLabels, PolygonLabels, EllipseLabels.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from nayan.core.errors import DataError, FormatError
from nayan.core.image import looks_like_picture
from nayan.core.types import Dataset, Size
from nayan.data.pictures import entries, normal
from nayan.data.readers.annotated import (
    NO_ENTRY,
    NO_FILE,
    Drawn,
    Entry,
    Found,
    Pictures,
    assemble,
    declared_classes,
)
from nayan.data.readers.annotated_writing import Written, place_in, size_of, write_classes, written_boxes
from nayan.data.readers.base import SPLITS, Sniff, check_new, read_text, split_of, write_picture
from nayan.data.readers.boxes import XYXY, BoxFaults, number
from nayan.data.readers.outlines import around, around_ellipse, around_turned

_HEAD_BYTES = 65_536
_TASK = re.compile(rb'"(annotations|completions)"\s*:\s*\[')
_SHORT = re.compile(rb'"(rectangle|polygon|ellipse)labels"\s*:')
_IMAGE_KEYS = ("image", "img", "picture", "photo", "image_url", "url")
_UPLOAD = re.compile(r"[0-9a-f]{8}-(?=.)")
_SHAPES = {"rectanglelabels", "rectangle", "polygonlabels", "polygon", "ellipselabels", "ellipse", "labels"}
_NO_AREA = {"brushlabels", "brush", "keypointlabels", "keypoint", "vectorlabels", "bitmask"}

_LEFT_OUT = "left out: {boxes} that are brushes or key points"
_AROUND = "the upright box around it stands for a polygon, an ellipse or a rotated box: {boxes}"
_SEVERAL = "annotated several times, the ground truth or else the newest counts: {pictures}"
_NOBODY = "left out: {pictures} that nobody has annotated"
_MANY_LABELS = "with several labels, of which the first counts: {boxes}"
_ROTATED_VIEW = "drawn on a view that was rotated (image_rotation), look at them: {boxes}"


class LabelStudioReader:
    """A list of tasks in a JSON file."""

    name = "label_studio"
    summary = "the JSON export of Label Studio, with the pictures anywhere in the folder"

    def sniff(self, root: Path) -> Sniff:
        """Say whether a JSON file begins like a list of tasks."""
        found = _candidates(root)
        if not found:
            return Sniff(0.0, "no .json file begins with the tasks of Label Studio")
        return Sniff(0.97, f"{found[0].name} begins with tasks of Label Studio")

    def splits(self, root: Path) -> tuple[str, ...]:
        """Return the splits that the tasks' data name as `split`.

        Raises:
            DataError: as `read`.
        """
        named = {_split(task) for _, task in _tasks(_file(root))}
        return tuple(split for split in SPLITS if split in named)

    def read(self, root: Path, split: str) -> Dataset:
        """Return the pictures of a split by id; classes are those of `classes.txt`, else sorted by name.

        Raises:
            FormatError: if the file is no list of tasks, or a coordinate no number; with the task's number.
            LabelError: if a box has no class, or one that is not declared.
            DataError: if no picture exists.
            NotFound: if there is no such split.
        """
        path = _file(root)
        base = root if root.is_dir() else root.parent
        faults = BoxFaults(base)
        classes, declared = declared_classes(base)
        pictures = Pictures(base)
        tasks = _tasks(path)
        has_splits = any(_split(task) != "all" for _, task in tasks)
        found: list[Entry] = []
        for place, task in tasks:
            part = _split(task)
            if has_splits and part == "all":
                continue
            heard = faults if split in ("all", part) else BoxFaults(base)
            entry = _entry(task, part, place, base=base, pictures=pictures, faults=heard)
            if entry is not None:
                found.append(entry)
        for picture in pictures.unnamed(found) if root.is_dir() and split in ("all", "train") else ():
            faults.count(NO_ENTRY, str(picture))
        everything = Found(base, tuple(found), classes, declared)
        return assemble(everything, root=root, split=split, format=self.name, faults=faults)

    def write(self, splits: Mapping[str, Dataset], root: Path) -> None:
        """Write `tasks.json`, `classes.txt` and the pictures in `images/`; splits go to the tasks' data.

        Raises:
            DataError: if the folder is not empty, or a picture with boxes cannot be read.
            LabelError: if nothing is known of the objects of a picture.
        """
        check_new(root)
        root.mkdir(parents=True, exist_ok=True)
        tasks: list[dict[str, Any]] = []
        for split, data in splits.items():
            write_classes(data.classes, root / "classes.txt")
            for sample in data.samples:
                target = place_in(sample, split, root / "images")
                write_picture(sample, target)
                size = size_of(target)
                facts = data.info.get(self.name, {}).get("pictures", {}).get(sample.id, {})
                about = {**facts, "image": target.relative_to(root).as_posix()}
                if split != "all":
                    about["split"] = split
                result = [
                    _region(box, size, id=f"{len(tasks) + 1}-{at}", sample=sample.id)
                    for at, box in enumerate(written_boxes(sample, data, self.name), start=1)
                ]
                annotation = {"was_cancelled": False, "ground_truth": False, "result": result}
                tasks.append({"id": len(tasks) + 1, "data": about, "annotations": [annotation]})
        lines = ",\n".join(json.dumps(task, ensure_ascii=False) for task in tasks)
        (root / "tasks.json").write_text(f"[\n{lines}\n]\n", encoding="utf-8")


def _candidates(root: Path) -> list[Path]:
    files = entries(root)[1] if root.is_dir() else [root]
    return [path for path in files if path.suffix.lower() == ".json" and _looks_like_tasks(path)]


def _looks_like_tasks(path: Path) -> bool:
    try:
        with path.open("rb") as stream:
            head = stream.read(_HEAD_BYTES).lstrip(b"\xef\xbb\xbf \r\n\t")
    except OSError:
        return False
    is_list = head.startswith(b"[") and head[1:].lstrip().startswith(b"{")
    return is_list and ((b'"data"' in head and bool(_TASK.search(head))) or bool(_SHORT.search(head)))


def _file(root: Path) -> Path:
    found = _candidates(root)
    if not found:
        raise DataError(f"{root}: no .json file begins with tasks", hint="export the project as JSON")
    if len(found) > 1:
        raise FormatError(
            f"{root}: {found[0].name} and {found[1].name} could both be the export",
            hint="name one of them as DATA, or remove the older",
        )
    return found[0]


def _tasks(path: Path) -> list[tuple[str, dict[str, Any]]]:
    """Return (place, task), with the tasks of JSON-MIN in the long form.

    Raises:
        FormatError: if the file is no list of tasks.
    """
    try:
        document = json.loads(read_text(path))
    except json.JSONDecodeError as error:
        raise FormatError(
            f"{path}:{error.lineno}: is not valid JSON: {error.msg}", hint="repair this line, or export anew"
        ) from error
    except RecursionError as error:
        raise FormatError(f"{path}: is nested too deeply", hint="export the project anew") from error
    if not isinstance(document, list) or not all(isinstance(task, dict) for task in document):
        raise FormatError(f"{path}: is no list of tasks", hint="export the project as JSON")
    tasks: list[tuple[str, dict[str, Any]]] = []
    short: dict[str, dict[str, Any]] = {}
    for at, task in enumerate(document, start=1):
        place = f"{path}: task {task.get('id', at)}"
        if isinstance(task.get("data"), dict):
            tasks.append((place, task))
            continue
        long = _lengthened(task)  # JSON-MIN has an entry for each annotation of a picture
        first = short.setdefault(str(task.get("id", f"number {at}")), long)
        if first is long:
            tasks.append((place, long))
        else:
            first["annotations"] += long["annotations"]
    return tasks


def _lengthened(task: Mapping[str, Any]) -> dict[str, Any]:
    result: list[dict[str, Any]] = []
    for regions in task.values():
        for region in regions if isinstance(regions, list) else ():
            kind = (
                next((key for key in region if key.endswith("labels")), "")
                if isinstance(region, dict)
                else ""
            )
            if kind:
                sizes = {key: region[key] for key in ("original_width", "original_height") if key in region}
                result.append({"type": kind, "value": region, **sizes})
    annotation = {key: task[key] for key in ("created_at", "updated_at") if key in task}
    data = {key: value for key, value in task.items() if isinstance(value, str)}
    return {"data": data, "annotations": [{**annotation, "result": result}]}


def _split(task: Mapping[str, Any]) -> str:
    told = task["data"].get("split")
    return (split_of(told) if isinstance(told, str) else None) or "all"


def _entry(
    task: Mapping[str, Any], split: str, place: str, *, base: Path, pictures: Pictures, faults: BoxFaults
) -> Entry | None:
    """Return what a task says; None where its picture does not exist, or nobody has annotated it."""
    picture = _picture(task["data"], base, pictures, place)
    if picture is None:
        faults.count(NO_FILE, place)
        return None
    annotation = _chosen(task, place, faults)
    if annotation is None:
        faults.count(_NOBODY, place)
        return None
    result = annotation.get("result")
    if not isinstance(result, list) or not all(isinstance(region, dict) for region in result):
        raise FormatError(f"{place}: the annotation has no list `result`", hint="export the project anew")
    drawn = [
        each
        for at, region in enumerate(_regions(result), start=1)
        if (each := _drawn(region, f"{place}, result {at}", faults)) is not None
    ]
    declared = next((size for region in result if (size := _declared(region)) is not None), None)
    facts = {key: value for key, value in task["data"].items() if key not in ("image", "split")}
    return Entry(picture, split, place, tuple(drawn), declared, facts or None)


def _picture(data: Mapping[str, Any], base: Path, pictures: Pictures, place: str) -> Path | None:
    told = [data[key] for key in _IMAGE_KEYS if isinstance(data.get(key), str)]
    told += [each for each in data.values() if isinstance(each, str) and looks_like_picture(Path(each))]
    for name in (name for each in told for name in _names(each)):
        found = pictures.find(name, [base], place=place)
        if found is not None:
            return found
    return None


def _names(address: str) -> Iterator[str]:
    """Yield the names that a picture of an address may have on disk, the most likely first.

    >>> list(_names("/data/upload/3/1f2e3d4c-a%20b.jpg"))
    ['data/upload/3/1f2e3d4c-a b.jpg', 'data/upload/3/a b.jpg']
    >>> list(_names("/data/local-files/?d=shop/1.jpg"))
    ['shop/1.jpg']
    """
    try:
        parts = urlsplit(address.replace("\\", "/"))
    except ValueError:  # [ in the place of a host
        return
    local = parse_qs(parts.query).get("d")
    path = (local[0] if local else unquote(parts.path)).lstrip("/")
    folder, _, name = path.rpartition("/")
    yield path
    bare = _UPLOAD.sub("", name, count=1) if _UPLOAD.match(name) else name
    if bare != name:
        yield f"{folder}/{bare}" if folder else bare


def _chosen(task: Mapping[str, Any], place: str, faults: BoxFaults) -> Mapping[str, Any] | None:
    """Return the annotation that counts: the ground truth, else the newest; None where there is none."""
    found = task.get("annotations", task.get("completions"))
    if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
        raise FormatError(f"{place}: has no list of annotations", hint="export the project as JSON")
    valid = [each for each in found if not each.get("was_cancelled")]
    if len(valid) > 1:
        faults.count(_SEVERAL, place)
    ordered = sorted(valid, key=lambda each: str(each.get("updated_at") or each.get("created_at") or ""))
    truths = [each for each in ordered if each.get("ground_truth")]
    best: Mapping[str, Any] | None = next(reversed(truths or ordered), None)
    return best


def _regions(result: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return the shapes of a result, without the bare twin of a shape that is there with its labels too."""
    labelled = {region.get("id") for region in result if _labels(region) and region.get("id") is not None}
    return [region for region in result if _labels(region) or region.get("id") not in labelled]


def _labels(region: Mapping[str, Any]) -> list[str]:
    value = region.get("value")
    if not isinstance(value, dict):
        return []
    found = next((each for key, each in value.items() if key.endswith("labels")), None)
    return [each for each in found if isinstance(each, str)] if isinstance(found, list) else []


def _declared(region: Mapping[str, Any]) -> Size | None:
    height, width = region.get("original_height"), region.get("original_width")
    if type(height) is int and type(width) is int and height > 0 and width > 0:
        return height, width
    return None


def _drawn(region: Mapping[str, Any], place: str, faults: BoxFaults) -> Drawn | None:
    kind, value = region.get("type"), region.get("value")
    if kind in _NO_AREA:
        faults.count(_LEFT_OUT, place)
    if kind not in _SHAPES or not isinstance(value, dict):
        return None
    labels = _labels(region)
    if len(labels) > 1:
        faults.count(_MANY_LABELS, place)
    if region.get("image_rotation"):
        faults.count(_ROTATED_VIEW, place)
    is_box = "points" not in value and "radiusX" not in value
    if not is_box or value.get("rotation"):
        faults.count(_AROUND, place)
    meta = region.get("meta") if isinstance(region.get("meta"), dict) else {}
    area = number(meta["area"], line=place, what="area") if meta and meta.get("area") is not None else None
    xyxy = partial(_outline, _numbers(value, place), _declared(region))
    facts = {key: region[key] for key in ("id", "from_name", "to_name", "meta") if key in region}
    name = normal(labels[0].strip()) if labels else ""
    return Drawn(name, xyxy, place, bool(meta and meta.get("crowd")), area, corners=False, facts=facts)


_Numbers = Mapping[str, Any]


def _numbers(value: Mapping[str, Any], place: str) -> _Numbers:
    """Return the numbers of a shape, checked: x, y and what else it has.

    Raises:
        FormatError: if one is missing or no number.
    """
    turn = number(value.get("rotation", 0) or 0, line=place, what="rotation")
    if "points" in value:
        points = value["points"]
        if not isinstance(points, list) or not all(isinstance(p, list) and len(p) == 2 for p in points):
            raise FormatError(f"{place}: `points` is no list of [x, y]", hint="correct or remove it")
        return {
            "points": [(number(x, line=place, what="x"), number(y, line=place, what="y")) for x, y in points]
        }
    names = ("x", "y", "radiusX", "radiusY") if "radiusX" in value else ("x", "y", "width", "height")
    return {"rotation": turn, **{name: number(value.get(name), line=place, what=name) for name in names}}


def _outline(value: _Numbers, declared: Size | None, size: Size) -> XYXY:
    """Return the upright box around a shape whose numbers are per cent of the picture, in pixels."""
    # A picture annotated before its EXIF orientation was applied has its sides exchanged.
    height, width = declared if declared is not None and declared == size[::-1] else size
    if "points" in value:
        return around([(x * width / 100, y * height / 100) for x, y in value["points"]])
    x, y = value["x"] * width / 100, value["y"] * height / 100
    if "radiusX" in value:
        radii = (value["radiusX"] * width / 100, value["radiusY"] * height / 100)
        return around_ellipse((x, y), radii, value["rotation"])
    box = (x, y, x + value["width"] * width / 100, y + value["height"] * height / 100)
    return around_turned(box, value["rotation"], about=(x, y))


def _region(box: Written, size: Size, *, id: str, sample: str) -> dict[str, Any]:
    """Return a box as a region of a result.

    Raises:
        DataError: if the size of the picture is not known.
    """
    height, width = size
    if not height or not width:
        raise DataError(
            f"{sample}: the picture cannot be read, and its boxes are stored as per cent of its size",
            hint="run `nayan doctor DATA`, and repair or remove the picture",
        )
    x1, y1, x2, y2 = box.xyxy
    value = {
        "x": x1 / width * 100, "y": y1 / height * 100,
        "width": (x2 - x1) / width * 100, "height": (y2 - y1) / height * 100,
        "rotation": 0, "rectanglelabels": [box.label],
    }  # fmt: skip
    facts = {"id": id, "from_name": "label", "to_name": "image", **(box.facts or {})}
    meta = {key: each for key, each in facts.get("meta", {}).items() if key not in ("crowd", "area")}
    meta |= {"crowd": True} if box.crowd else {}
    meta |= {} if box.area is None else {"area": box.area}
    more = {"meta": meta} if meta else {}
    return {
        **{key: each for key, each in facts.items() if key != "meta"}, **more, "type": "rectanglelabels",
        "original_width": width, "original_height": height, "image_rotation": 0, "value": value,
    }  # fmt: skip
