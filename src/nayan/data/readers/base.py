"""What every format promises, and the words they share: names of splits, names and copies of pictures."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence, Sized
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Protocol

import numpy as np
import PIL.Image

from nayan.core.errors import ConfigError, DataError, FormatError, LabelError, NotFound
from nayan.core.types import (
    VOID,
    Boxes,
    Caption,
    Dataset,
    Identity,
    Label,
    MaskSource,
    Sample,
    SemanticMask,
    Target,
)

SPLITS = ("train", "val", "test")
"""The names of splits, in the order in which they are listed everywhere."""

_SPLIT_NAMES = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "test": "test",
    "testing": "test",
}


@dataclass(frozen=True, slots=True)
class Sniff:
    """How much a folder or file looks like a format.

    Attributes:
        score: 0 (certainly not) to 1 (certainly); from 0.5 on the reader can read it.
        reason: what was seen, as the end of a sentence "..., because".
    """

    score: float
    reason: str


class Reader(Protocol):
    """One format, read and written: `read(write(d)) == d`."""

    @property
    def name(self) -> str:
        """The name after `--format`."""
        ...

    @property
    def summary(self) -> str:
        """What it looks like on disk, in a line."""
        ...

    def sniff(self, root: Path) -> Sniff:
        """Say how much `root` looks like this format, from names and headers alone. Never raises for data."""
        ...

    def splits(self, root: Path) -> tuple[str, ...]:
        """Return those of `SPLITS` that the data set has on disk; () where it has none."""
        ...

    def read(self, root: Path, split: str) -> Dataset:
        """Return the samples of one split, or of everything for "all". No picture is decoded.

        Raises:
            DataError: if the data is not what it claims.
            NotFound: if there is no such split.
        """
        ...

    def write(self, splits: Mapping[str, Dataset], root: Path) -> None:
        """Write data sets by the name of their split ("all" for one without splits) into a new folder.

        Raises:
            DataError: if the folder is not empty, or the format cannot hold the data.
        """
        ...


def split_of(name: str) -> str | None:
    """Return which split a folder or table is named after, or None.

    >>> split_of("Validation"), split_of("daisy")
    ('val', None)
    """
    return _SPLIT_NAMES.get(name.strip().lower())


def check_split(split: str, known: Sequence[str]) -> None:
    """Raise NotFound unless `split` is "all" or one of the splits that exist."""
    if split != "all" and split not in known:
        raise NotFound("split", split, [*known, "all"])


def check_ids(samples: Iterable[Sample], root: Path) -> None:
    """Raise DataError if two samples have one name."""
    twice = [name for name, count in Counter(sample.id for sample in samples).items() if count > 1]
    if twice:
        raise DataError(
            f"{root}: two pictures have one name, {twice[0]!r} ({counted(twice, 'such name')})",
            hint="rename one of them; names that differ only in how accents are stored count as the same",
        )


def class_notes(data: Sequence[Sample], classes: Sequence[str], split: str) -> list[str]:
    """Return sentences about classes that a split lacks and names that are easily mixed up."""
    found = {index for sample in data for index in classes_in(sample.target)}
    where = "the data set" if split == "all" else split
    noun = "box" if has_boxes(data) else "picture"
    notes = [f"{where} has no {noun} of class {name!r}" for i, name in enumerate(classes) if i not in found]
    return notes + name_notes(classes)


def name_notes(classes: Sequence[str]) -> list[str]:
    """Return sentences about names of classes that are easily mixed up."""
    spellings: dict[str, list[str]] = {}
    for name in classes:
        spellings.setdefault(
            " ".join(name.casefold().replace("_", " ").replace("-", " ").split()), []
        ).append(name)
    return [
        f"the classes {' and '.join(map(repr, names))} differ only in case, spaces or dashes; are they one?"
        for names in spellings.values()
        if len(names) > 1
    ]


def classes_in(target: Target) -> list[int]:
    """Return the classes that a picture shows, each once, in order; none where nothing is known of it.

    A `MaskSource` is not read for that: what it shows is not known before.

    >>> classes_in(Label(3)), classes_in(Boxes.none()), classes_in(None)
    ([3], [], [])
    """
    if isinstance(target, Label):
        return [target.index]
    if isinstance(target, SemanticMask):
        return [int(index) for index in np.unique(target.ids) if index != VOID]
    return sorted({int(label) for label in target.labels}) if isinstance(target, Boxes) else []


def has_boxes(samples: Iterable[Sample]) -> bool:
    """Return whether the ground truth is boxes, judged by the first picture that has one."""
    first = next((sample.target for sample in samples if sample.target is not None), None)
    return isinstance(first, Boxes)


def has_masks(samples: Iterable[Sample]) -> bool:
    """Return whether the ground truth is masks, judged by the first picture that has one."""
    first = next((sample.target for sample in samples if sample.target is not None), None)
    return isinstance(first, MaskSource)


def has_identities(samples: Iterable[Sample]) -> bool:
    """Return whether the ground truth is identities, judged by the first picture that has one."""
    first = next((sample.target for sample in samples if sample.target is not None), None)
    return isinstance(first, Identity)


def kind_of(samples: Iterable[Sample]) -> str:
    """Return the name of the type of the ground truth, judged by the first picture that has one; else "None".

    >>> kind_of([Sample("1.png", load=None), Sample("2.png", load=None, target=Label(0))]), kind_of([])
    ('Label', 'None')
    """
    return next((type(sample.target).__name__ for sample in samples if sample.target is not None), "None")


def counted(things: Sized, noun: str) -> str:
    """Return a number with its noun.

    >>> counted(["a"], "picture"), counted([], "picture")
    ('1 picture', '0 pictures')
    """
    if len(things) != 1 and noun.endswith("ty"):
        return f"{len(things)} {noun[:-1]}ies"
    ending = "" if len(things) == 1 else "es" if noun.endswith(("x", "s")) else "s"
    return f"{len(things)} {noun}{ending}"


def label_of(sample: Sample, classes: Sequence[str]) -> str:
    """Return the name of a sample's class.

    Raises:
        LabelError: if it has none, one outside the classes, or boxes in its place.
    """
    if isinstance(sample.target, Boxes):
        raise LabelError(
            f"{sample.id}: the picture has {counted(sample.target, 'box')}, not one class for all of it",
            hint="boxes are kept by the formats of detection, such as coco, yolo and voc",
        )
    if isinstance(sample.target, MaskSource):
        raise LabelError(
            f"{sample.id}: the picture has a mask, not one class for all of it",
            hint="masks are kept by the formats masks, coco_masks and yolo_masks",
        )
    if isinstance(sample.target, Caption):
        raise LabelError(
            f"{sample.id}: the picture has {counted(sample.target.texts, 'caption')}, not one class for all "
            "of it",
            hint="captions are kept by the format captions",
        )
    if not isinstance(sample.target, Label):
        raise LabelError(
            f"{sample.id}: the picture has no class", hint="only labelled pictures can be written"
        )
    if sample.target.index >= len(classes):
        raise LabelError(
            f"{sample.id}: class {sample.target.index}, but there are {len(classes)} classes (from 0)"
        )
    return classes[sample.target.index]


def check_new(folder: Path) -> None:
    """Raise DataError unless the folder is empty or can be made."""
    if folder.exists() and not folder.is_dir():
        raise DataError(
            f"{folder}: is a file, a new folder is needed", hint="name a folder that does not exist"
        )
    if folder.is_dir() and any(folder.iterdir()):
        raise DataError(
            f"{folder}: the folder is not empty, and nothing is ever overwritten", hint="name a new one"
        )


def check_outside(out: Path, src: Path) -> None:
    """Raise ConfigError if `out` lies in the folder `src`: the user's data is never changed."""
    if src.is_dir() and out.resolve().is_relative_to(src.resolve()):
        raise ConfigError(
            f"{out}: lies in {src}, which is never changed", hint="name a place outside of the data"
        )


def file_name(sample: Sample) -> PurePosixPath:
    """Return the relative path under which a sample can be stored: no `..`, nothing hidden, with a suffix.

    >>> file_name(Sample("../a/.b.jpg", load=None, path=Path("b.jpg"))).as_posix()
    'a/b.jpg'
    """
    parts = [part.lstrip(".") for part in PurePosixPath(sample.id).parts if part.strip("./")]
    name = PurePosixPath(*parts)
    return name if sample.path is not None else name.with_name(name.name + ".png")


def unused(target: Path) -> Path:
    """Return the path itself, or the first of `name-2.ext`, `name-3.ext`, ... that is free."""
    number = 1
    candidate = target
    while candidate.exists():
        number += 1
        candidate = target.with_name(f"{target.stem}-{number}{target.suffix}")
    return candidate


def write_picture(sample: Sample, target: Path, *, link: bool = False) -> None:
    """Store a picture: the bytes of its file, or its pixels as PNG where it has no file of its own.

    Args:
        sample: read only.
        target: its folder is made.
        link: share the file (a hard link) where the disk can, instead of copying it.

    Raises:
        DataError: if the sample's file cannot be read.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    if sample.path is None:
        PIL.Image.fromarray(sample.load()).save(target, format="PNG")
        return
    if link:
        with contextlib.suppress(OSError):  # another disk, or one without links: copy
            os.link(sample.path.resolve(), target)
            return
    try:
        shutil.copyfile(sample.path, target)
    except FileNotFoundError as error:
        raise DataError(f"{sample.path}: the picture is gone", hint="run `nayan doctor DATA`") from error


def read_text(path: Path) -> str:
    """Return a small text file as text: UTF-8 with or without BOM, or UTF-16 with BOM.

    Raises:
        FormatError: with the line of the first byte that is neither, or if the file cannot be read.
    """
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise FormatError(f"{path}: cannot be read: {error.strerror}") from error
    encoding = "utf-16" if raw[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        return raw.decode(encoding)
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise FormatError(f"{path}:{line}: is not {encoding} text", hint="save the file as UTF-8") from error
