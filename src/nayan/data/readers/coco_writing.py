"""Write one split as COCO's JSON, one entry a line, with the ids that its reader kept."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from nayan.core.types import Boxes, Dataset
from nayan.data.headers import picture_infos
from nayan.data.readers.base import file_name, unused, write_picture
from nayan.data.readers.boxes import boxes_of


def write_split(data: Dataset, table: Path, *, images: Path) -> None:
    """Write the pictures below `images` and their annotations into `table`.

    Raises:
        LabelError: if nothing is known of the objects of a picture.
    """
    kept: Mapping[str, Any] = data.info.get("coco", {})
    truths = [boxes_of(sample, data.classes) for sample in data.samples]
    targets: list[Path] = []
    for sample in data.samples:
        name = file_name(sample)
        target = unused(images.joinpath(*name.parts[1:] if name.parts[0] == "images" else name.parts))
        write_picture(sample, target)
        targets.append(target)
    categories = _categories(data.classes, kept)
    ids = {str(category["name"]): category["id"] for category in categories}
    before = [kept.get("images", {}).get(sample.id, {}) for sample in data.samples]
    numbers = _numbers(entry.get("id") for entry in before)
    entries = []
    for target, info, old, number in zip(targets, picture_infos(targets), before, numbers, strict=True):
        size = {"height": info.size[0], "width": info.size[1]} if info else {}
        names = {"id": number, "file_name": target.relative_to(images).as_posix()}
        entries.append({**old, **names, **size})
    own = [kept.get("annotations", {}).get(sample.id, []) for sample in data.samples]
    rows = list(_annotations(truths, numbers, own, [ids[name] for name in data.classes]))
    document = {
        **kept.get("others", {}), "categories": categories, "images": entries, "annotations": rows,
    }  # fmt: skip
    table.parent.mkdir(parents=True, exist_ok=True)
    table.write_text(document_text(document), encoding="utf-8")


def _categories(classes: Iterable[str], kept: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the categories in the order of the classes, after those that only group them."""
    classes = list(classes)
    old = {category["name"]: category for category in kept.get("categories", ())}
    parents = {category["supercategory"] for category in old.values() if category["name"] in classes}
    names = [name for name in old if name in parents and name not in classes] + classes
    numbers = _numbers(old.get(name, {}).get("id") for name in names)
    return [
        {"supercategory": "", **old.get(name, {}), "id": number, "name": name}
        for name, number in zip(names, numbers, strict=True)
    ]


def _numbers(wanted: Iterable[Any]) -> list[Any]:
    """Return the wanted ids, and free numbers for what has none or one that is taken already."""
    taken: set[Any] = set()
    numbers = []
    for id in wanted:
        numbers.append(id if id is not None and id not in taken else None)
        taken.add(id)
    next_free = 1 + max((id for id in taken if isinstance(id, int)), default=0)
    for at, id in enumerate(numbers):
        if id is None:
            numbers[at] = next_free
            next_free += 1
    return numbers


def _annotations(
    truths: list[Boxes], images: list[Any], own: list[list[Any]], categories: list[Any]
) -> Iterator[dict[str, Any]]:
    ids = _numbers(
        id
        for boxes, old in zip(truths, own, strict=True)
        for id in (old if len(old) == len(boxes) else [None] * len(boxes))
    )
    at = 0
    for boxes, image in zip(truths, images, strict=True):
        crowd = [False] * len(boxes) if boxes.crowd is None else boxes.crowd.tolist()
        rows = zip(boxes.xyxy.tolist(), boxes.labels.tolist(), crowd, boxes.covered.tolist(), strict=True)
        for (x1, y1, x2, y2), label, is_crowd, area in rows:
            yield {
                "id": ids[at], "image_id": image, "category_id": categories[label],
                "bbox": [x1, y1, x2 - x1, y2 - y1], "area": area, "iscrowd": int(is_crowd),
            }  # fmt: skip
            at += 1


def document_text(document: Mapping[str, Any]) -> str:
    """Return JSON with each entry of a list on a line of its own, so that a message can name the line."""
    parts = []
    for key, value in document.items():
        if isinstance(value, list) and value:
            rows = ",\n".join(json.dumps(entry) for entry in value)
            parts.append(f"{json.dumps(key)}: [\n{rows}\n]")
        else:
            parts.append(f"{json.dumps(key)}: {json.dumps(value)}")
    return "{" + ",\n".join(parts) + "}\n"
