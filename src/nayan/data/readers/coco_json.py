"""One COCO file: parsed, checked for its shape, and where in its text each entry stands."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from nayan.core.errors import FormatError, LabelError
from nayan.data.pictures import normal
from nayan.data.readers.base import read_text

_LISTS = ("images", "annotations", "categories")
_SPACE = re.compile(r"[\s,:]*")


@dataclass(frozen=True, slots=True, eq=False)
class CocoFile:
    """What one file holds.

    Attributes:
        path: the file.
        images: its entries, each a dict with an `id` and a `file_name`.
        annotations: its entries, each a dict.
        categories: its entries, each a dict with an `id` and a `name`.
        others: everything else at the top, such as `info` and `licenses`.
    """

    path: Path
    images: Sequence[dict[str, Any]]
    annotations: Sequence[dict[str, Any]]
    categories: Sequence[dict[str, Any]]
    others: Mapping[str, Any]

    def place(self, key: str, index: int) -> str:
        """Return "file:line, annotation 17" for an entry; the text is read again, so only for faults."""
        entry = getattr(self, key)[index]
        name = entry.get("id", f"number {index + 1}") if isinstance(entry, dict) else f"number {index + 1}"
        noun = {"images": "image", "annotations": "annotation", "categories": "category"}[key]
        status = self.path.stat()
        line = _lines(self.path, key, status.st_mtime_ns, status.st_size)[index]
        return f"{self.path}:{line}, {noun} {name}"


@dataclass(frozen=True, slots=True, eq=False)
class Summary:
    """What the reading of one split needs to know of the others.

    Attributes:
        categories: (id, name, supercategory) in the order of the file.
        used: ids that an annotation has.
        file_names: of all images.
    """

    categories: tuple[tuple[Any, str, str], ...]
    used: frozenset[Any]
    file_names: tuple[str, ...]


def load(path: Path) -> CocoFile:
    """Return a parsed file.

    Raises:
        FormatError: if it is no JSON, or lacks one of the three lists, or an entry lacks its id or name.
        LabelError: if two categories, or two images, have one id or name.
    """
    text = read_text(path)
    try:
        found = json.loads(text)
    except json.JSONDecodeError as error:
        raise FormatError(
            f"{path}:{error.lineno}: is no JSON: {error.msg}", hint="correct it or export it again"
        ) from error
    except (ValueError, RecursionError) as error:  # a number of thousands of digits; too many brackets
        raise FormatError(f"{path}: cannot be parsed: {error}", hint="export it again") from error
    missing = [key for key in _LISTS if not isinstance(found, dict) or not isinstance(found.get(key), list)]
    if missing:
        raise FormatError(
            f"{path}: has no list named {' or '.join(map(repr, missing))}",
            hint="a COCO file holds the lists images, annotations and categories",
        )
    images, annotations, categories = (found.pop(key) for key in _LISTS)
    file = CocoFile(path, images, annotations, categories, others=found)
    for key, wanted in (("images", ("id",)), ("annotations", ()), ("categories", ("id", "name"))):
        _check_entries(file, key, wanted)
    for key, what in (("images", "id"), ("categories", "id"), ("categories", "name")):
        _check_unique(file, key, what)
    return file


def _check_entries(file: CocoFile, key: str, wanted: tuple[str, ...]) -> None:
    for index, entry in enumerate(getattr(file, key)):
        if not isinstance(entry, dict):
            raise FormatError(f"{file.place(key, index)}: is {entry!r:.40}, expected an object in braces")
        for what in wanted:
            if not isinstance(entry.get(what), int | str):
                raise FormatError(
                    f"{file.place(key, index)}: {what!r} is {entry.get(what)!r:.40}, "
                    "expected a number or text"
                )


def _check_unique(file: CocoFile, key: str, what: str) -> None:
    values = [class_name(entry) if what == "name" else entry[what] for entry in getattr(file, key)]
    counts = Counter(values)
    if len(counts) == len(values):
        return
    index = next(i for i in reversed(range(len(values))) if counts[values[i]] > 1)
    raise LabelError(
        f"{file.place(key, index)}: the {what} {values[index]!r} stands twice among the {key}",
        hint="rename or merge them",
    )


def summary(path: Path) -> Summary:
    """Return the summary of a file; kept for the splits that are read next.

    Raises:
        FormatError, LabelError: as `load`.
    """
    status = path.stat()
    return _summary(path, status.st_mtime_ns, status.st_size)


@lru_cache(maxsize=16)
def _summary(path: Path, _time: int, _size: int) -> Summary:
    return summarise(load(path))


def summarise(file: CocoFile) -> Summary:
    """Return the summary of a file that was loaded."""
    return Summary(
        tuple((c["id"], class_name(c), str(c.get("supercategory") or "")) for c in file.categories),
        frozenset(_hashable(annotation.get("category_id")) for annotation in file.annotations),
        tuple(file_name(file, index) for index in range(len(file.images))),
    )


def class_name(category: Mapping[str, Any]) -> str:
    """Return the name of a category as a class."""
    return normal(str(category["name"]))


def file_name(file: CocoFile, index: int) -> str:
    """Return the file of an image; the last part of its web address where it has no `file_name`.

    Raises:
        FormatError: if it has neither.
    """
    image = file.images[index]
    name = image.get("file_name") or str(image.get("coco_url") or "").rpartition("/")[2]
    if not isinstance(name, str) or not name or "\0" in name:
        raise FormatError(
            f"{file.place('images', index)}: file_name is {image.get('file_name')!r:.40}",
            hint="name the picture file",
        )
    return name


def _hashable(value: Any) -> Any:
    return value if isinstance(value, int | str) else None


@lru_cache(maxsize=4)
def _lines(path: Path, key: str, _time: int, _size: int) -> list[int]:
    """Return the line of each entry of one of the lists of a file that `json` can parse."""
    text = read_text(path)
    decoder = json.JSONDecoder()
    lines: list[int] = []
    at = text.index("{") + 1
    while True:
        at = _after_space(text, at)
        if text[at] == "}":
            return lines
        name, at = decoder.raw_decode(text, at)
        at = _after_space(text, at)
        if name != key or text[at] != "[":
            at = decoder.raw_decode(text, at)[1]
            continue
        at, line, counted = at + 1, 1, 0
        lines.clear()  # json keeps the last of two equal keys
        while text[at := _after_space(text, at)] != "]":
            line += text.count("\n", counted, at)
            counted = at
            lines.append(line)
            at = decoder.raw_decode(text, at)[1]
        at += 1


def _after_space(text: str, at: int) -> int:
    match = _SPACE.match(text, at)
    return match.end() if match else at
