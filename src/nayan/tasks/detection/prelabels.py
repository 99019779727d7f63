"""What was found, as files that annotation tools and readers of data sets open: labels to begin from.

    coco   predictions.coco.json                   images, categories, annotations with a `score` each
    yolo   data.yaml, labels/NAME.txt a picture    rows `class x_center y_center width height score`

Pictures are named, never copied. One that could not be read is left out; one in which nothing was found is
listed without a box, or has an empty file.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from itertools import takewhile
from pathlib import Path
from typing import Any

import yaml

from nayan.core.errors import NotFound
from nayan.data.readers.coco_writing import document_text
from nayan.data.readers.yolo_rows import fractions

FORMATS = ("coco", "yolo")

Record = Mapping[str, Any]
"""`{"source", "size": [h, w], "predictions": [{"label", "score", "box"}]}`, or `{"source", "error"}`."""


def prelabels(
    records: Sequence[Record], classes: Sequence[str], *, format: str, folder: Path
) -> dict[str, str]:
    """Return the text of each file by its path below `folder`; nothing is written.

    Args:
        records: what `nayan.predict` returned.
        classes: names in the order of the model's labels; all of them are declared, found or not.
        format: one of `FORMATS`.
        folder: where the files will lie. COCO's `file_name` is the way from there to the picture, so that
            the file can be read, or converted, where it is.

    Raises:
        NotFound: for another format.
    """
    if format not in FORMATS:
        raise NotFound("format", format, FORMATS)
    readable = {os.path.abspath(each["source"]): each for each in records if "error" not in each}  # noqa: PTH100
    if format == "coco":
        return {"predictions.coco.json": document_text(_coco(readable, classes, folder))}
    return _yolo(readable, classes)


def _coco(records: Mapping[str, Record], classes: Sequence[str], folder: Path) -> dict[str, Any]:
    """Return the document; ids count from 1, as most tools expect."""
    ids = {name: number for number, name in enumerate(classes, start=1)}
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for image_id, (path, record) in enumerate(records.items(), start=1):
        height, width = record["size"]
        images.append({"id": image_id, "file_name": _way(path, folder), "height": height, "width": width})
        for row in record["predictions"]:
            x1, y1, x2, y2 = row["box"]
            w, h = round(x2 - x1, 2), round(y2 - y1, 2)  # as fine as the box is
            annotations.append({
                "id": len(annotations) + 1, "image_id": image_id, "category_id": ids[row["label"]],
                "bbox": [x1, y1, w, h], "area": round(w * h, 2), "iscrowd": 0, "score": row["score"],
            })  # fmt: skip
    categories = [{"supercategory": "", "id": number, "name": name} for name, number in ids.items()]
    return {"categories": categories, "images": images, "annotations": annotations}


def _way(path: str, folder: Path) -> str:
    """Return the way from a folder to a picture; the whole path where they lie on different drives."""
    start = os.path.abspath(folder)  # noqa: PTH100
    is_near = os.path.splitdrive(path)[0] == os.path.splitdrive(start)[0]
    return Path(os.path.relpath(path, start) if is_near else path).as_posix()


def _yolo(records: Mapping[str, Record], classes: Sequence[str]) -> dict[str, str]:
    numbers = {name: number for number, name in enumerate(classes)}
    names = {"names": dict(enumerate(classes))}
    files = {"data.yaml": yaml.safe_dump(names, sort_keys=False, allow_unicode=True)}
    for name, record in zip(_label_names(list(records)), records.values(), strict=True):
        lines = []
        height, width = record["size"]
        for row in record["predictions"]:
            x1, y1, x2, y2 = row["box"]
            values = (*fractions((x1, y1, x2, y2), (height, width)), row["score"])
            lines.append(" ".join([str(numbers[row["label"]]), *(f"{value:.7g}" for value in values)]))
        files[f"labels/{name}"] = "".join(f"{line}\n" for line in lines)
    return files


def _label_names(paths: Sequence[str]) -> list[str]:
    """Return a name for the labels of each picture, which no two share.

    Folders are kept below the one that holds all pictures, as data sets keep them. Where two pictures in a
    folder differ only in their suffix, all labels are named after the whole name of their picture.

    >>> _label_names(["/photos/a/1.jpg", "/photos/b/1.jpg"])
    ['a/1.txt', 'b/1.txt']
    >>> _label_names(["/photos/1.jpg", "/photos/1.png"])
    ['1.jpg.txt', '1.png.txt']
    """
    parts = [Path(path).parts for path in paths]
    levels = zip(*(each[:-1] for each in parts), strict=False)
    common = len(list(takewhile(lambda level: len(set(level)) == 1, levels)))
    inner = [Path(*(part.replace(":", "").strip("\\/") for part in each[common:])) for each in parts]
    bare = [path.with_suffix("") for path in inner]
    unique = bare if len(set(bare)) == len(bare) else inner
    return [f"{path.as_posix()}.txt" for path in unique]
