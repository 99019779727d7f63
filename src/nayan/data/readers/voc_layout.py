"""Where a Pascal VOC data set keeps its annotations, and which split each of them is of."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from nayan.core.errors import DataError, LabelError
from nayan.data.pictures import entries, normal, walk
from nayan.data.readers.annotated import split_in
from nayan.data.readers.base import SPLITS, read_text, split_of
from nayan.data.readers.boxes import BoxFaults

_HEAD_BYTES = 2048
_ROOT = re.compile(rb"<annotation[\s>]")
_LOOKED_AT = 5_000  # files, for one that is an annotation
_DEVKIT = re.compile(r"voc(devkit|\d{4})", re.IGNORECASE)

_UNLISTED = "left out: {files} that no list of ImageSets/Main names"
_BESIDE = "left out: {files} outside of the folders of the splits"
_NO_XML = "left out: {pictures} of a list, without an annotation"


@dataclass(frozen=True, slots=True)
class Layout:
    """What there is to read.

    Attributes:
        base: the folder that ids are relative to.
        files: (annotation, its split or "all"), in the order of their names.
    """

    base: Path
    files: tuple[tuple[Path, str], ...]


def is_annotation(path: Path) -> bool:
    """Return whether an XML file begins like one of VOC's."""
    try:
        with path.open("rb") as stream:
            head = stream.read(_HEAD_BYTES)
    except OSError:
        return False
    return _ROOT.search(head.replace(b"\0", b"")) is not None  # the zeros of UTF-16


def find_base(root: Path) -> Path:
    """Return the folder with `Annotations/`: `root`, or the only one of `VOCdevkit/VOC2012` below it."""
    if any(folder.name.lower() == "annotations" for folder in entries(root)[0]):
        return root
    kits = [folder for folder in entries(root)[0] if _DEVKIT.fullmatch(folder.name)]
    return find_base(kits[0]) if len(kits) == 1 else root


def first_annotation(base: Path) -> Path | None:
    """Return an annotation, looking at some of the first files."""
    files = itertools.islice(walk(base), _LOOKED_AT)
    return next((file for file in files if file.suffix.lower() == ".xml" and is_annotation(file)), None)


def find_layout(root: Path, faults: BoxFaults) -> Layout:
    """Return the annotations with their splits: those of the lists, else those of the folders' names.

    Raises:
        DataError: if there are no annotations.
        LabelError: if two lists name one picture.
    """
    if not root.is_dir():
        raise DataError(f"{root}: is a file, VOC is a folder", hint="name the folder with Annotations/")
    base = find_base(root)
    tops = [folder for folder in entries(base)[0] if folder.name.lower() == "annotations"]
    files = [file for top in tops or [base] for file in walk(top) if file.suffix.lower() == ".xml"]
    if not files:
        raise DataError(f"{root}: there is no .xml file", hint="name the folder with Annotations/")
    lists = _lists(base)
    if lists is not None:
        return Layout(base, tuple(_listed(files, tops[0] if tops else base, lists, faults)))
    named = [(file, split_in(file.relative_to(base)) or "") for file in files]
    if any(split for _, split in named):
        for file, split in named:
            if not split:
                faults.count(_BESIDE, str(file))
        return Layout(base, tuple(item for item in named if item[1]))
    return Layout(base, tuple((file, "all") for file in files))


def _lists(base: Path) -> dict[str, list[tuple[str, str]]] | None:
    """Return {split: [(name, place)]} of the lists in ImageSets/Main; None where there is no list."""
    folders = [sub for sub in entries(base)[0] if sub.name.lower() == "imagesets"]
    folders += [sub for folder in folders for sub in entries(folder)[0] if sub.name.lower() == "main"]
    texts = [file for folder in reversed(folders) for file in entries(folder)[1] if file.suffix == ".txt"]
    if not texts:
        return None
    found: dict[str, list[tuple[str, str]]] = {}
    for file in texts:
        split = split_of(file.stem) or file.stem.lower()
        if split in (*SPLITS, "trainval") and split not in found:
            found[split] = list(_names(file))
    both = found.pop("trainval", [])
    if both and "train" not in found:
        rest = {name for name, _ in found.get("val", [])}
        found["train"] = [item for item in both if item[0] not in rest]
    return {split: found[split] for split in SPLITS if found.get(split)}


def _names(file: Path) -> Iterator[tuple[str, str]]:
    """Yield the names of a list: `2008_000008`, perhaps with ` 1` or ` -1` for "has this class" or not."""
    for number, line in enumerate(read_text(file).splitlines(), start=1):
        name = normal(re.sub(r"\s+-?[01]$", "", line.strip())).replace("\\", "/")
        if name:
            yield name, f"{file}:{number}"


def _listed(
    files: list[Path], top: Path, lists: dict[str, list[tuple[str, str]]], faults: BoxFaults
) -> Iterator[tuple[Path, str]]:
    """Yield the annotations that lists name; all of them where no list is named after a split."""
    if not lists:
        yield from ((file, "all") for file in files)
        return
    by_name = {normal(file.stem): file for file in files}
    by_name |= {normal(file.relative_to(top).with_suffix("").as_posix()): file for file in files}
    first: dict[Path, tuple[str, str]] = {}
    for split, names in lists.items():
        for name, place in names:
            file = by_name.get(name) or by_name.get(Path(name).stem)
            if file is None:
                faults.count(_NO_XML, place)
                continue
            other, before = first.setdefault(file, (split, place))
            if other != split:
                raise LabelError(
                    f"{place}: {name} is in {split}, but {before} has it in {other}",
                    hint="a picture belongs to one split; remove one of the two lines",
                )
    for file in files:
        if file in first:
            yield file, first[file][0]
        else:
            faults.count(_UNLISTED, str(file))
