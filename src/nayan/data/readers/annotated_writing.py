"""Pictures and boxes on their way into the files of an annotation tool."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nayan.core.errors import FormatError, LabelError
from nayan.core.image import probe
from nayan.core.types import Dataset, Sample, Size
from nayan.data.readers.annotated import MARKS
from nayan.data.readers.base import file_name, split_of, unused
from nayan.data.readers.boxes import XYXY, boxes_of
from nayan.data.readers.folder import PICTURE_FOLDERS

_WILD = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff\ufffe\uffff]")  # what XML or a line of text cannot hold


def write_classes(classes: Sequence[str], path: Path) -> None:
    """Write names of classes one a line, for `declared_classes`.

    Raises:
        LabelError: if a name would not come back as it is.
    """
    for name in classes:
        check_class(name)
    path.write_text("".join(f"{name}\n" for name in classes), encoding="utf-8")


def check_class(name: str) -> None:
    """Raise LabelError if a line of a text file cannot hold a name of a class."""
    if not name or name != name.strip() or _WILD.search(name) or len(name.splitlines()) > 1:
        raise LabelError(
            f"the class {name!r} is empty, has spaces around it or characters that no line of text can hold",
            hint="rename the class, or keep the data set as coco",
        )
    if name.startswith("#") or name in MARKS:
        raise LabelError(
            f"the class {name!r} means something else in a file of classes", hint="rename the class"
        )


def place_in(
    sample: Sample, split: str, folder: Path, *, twins: Path | None = None, suffix: str = ""
) -> Path:
    """Return a free path below `folder` for a sample: its id without splits and folders such as `images`.

    Args:
        sample: to be written.
        split: folder to put above it; "all" for none.
        folder: for the pictures.
        twins: folder in which a file of the same name, but another suffix, has to be free too.
        suffix: of that file.
    """
    parts = file_name(sample).parts
    kept = [part for part in parts[:-1] if part.lower() not in PICTURE_FOLDERS and not split_of(part)]
    target = unused(folder.joinpath(*([] if split == "all" else [split]), *kept, parts[-1]))
    while twins is not None and (twins / target.relative_to(folder).with_suffix(suffix)).exists():
        target = unused(target.with_name(f"{target.stem}-{target.suffix[1:]}{target.suffix}"))
    return target


def size_of(picture: Path) -> Size:
    """Return the (height, width) of a picture that was written; (0, 0) where it cannot be read."""
    try:
        return probe(picture).size
    except FormatError:
        return 0, 0


@dataclass(frozen=True, slots=True)
class Written:
    """A box as it goes into a file.

    Attributes:
        label: name of its class.
        xyxy: in pixels.
        crowd: whether it stands for many.
        area: px^2 of the object, where that is known to differ from the box's.
        covered: px^2, known or the box's.
        facts: what its own format said of it.
    """

    label: str
    xyxy: XYXY
    crowd: bool
    area: float | None
    covered: float
    facts: Any


def written_boxes(sample: Sample, data: Dataset, format: str) -> list[Written]:
    """Return the boxes of a sample in their order, each with the facts that `info[format]` keeps of it.

    Raises:
        LabelError: if nothing is known of its objects, or a class is not among those of the data.
    """
    boxes = boxes_of(sample, data.classes)
    kept = data.info.get(format, {}).get("objects", {}).get(sample.id, [])
    facts = kept if len(kept) == len(boxes) else [None] * len(boxes)
    crowd = [False] * len(boxes) if boxes.crowd is None else boxes.crowd.tolist()
    areas = [None] * len(boxes) if boxes.areas is None else boxes.areas.tolist()
    rows = zip(
        boxes.labels.tolist(), boxes.xyxy.tolist(), crowd, areas, boxes.covered.tolist(), facts, strict=True
    )
    return [
        Written(data.classes[label], (x1, y1, x2, y2), is_crowd, area, covered, fact)
        for label, (x1, y1, x2, y2), is_crowd, area, covered, fact in rows
    ]


def plain(value: float) -> str:
    """Return a number as text that gives it back exactly, without a fraction where it has none.

    >>> plain(12.0), plain(0.1)
    ('12', '0.1')
    """
    return str(int(value)) if value == int(value) else repr(value)
