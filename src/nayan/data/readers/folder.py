"""A folder for each class: `daisy/1.jpg`, or `train/daisy/1.jpg` with a level of splits above.

DATA/                       DATA/
├── train/                  ├── daisy/
│   ├── daisy/*.jpg         │   └── *.jpg
│   └── roses/*.jpg         └── roses/
├── val/ (valid, validation)    └── 2024/*.jpg     deeper pictures belong to "roses"
└── test/
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from nayan.core.errors import FormatError, LabelError
from nayan.core.image import looks_like_picture
from nayan.core.types import Dataset, Sample
from nayan.data.pictures import entries, file_sample, has_picture, is_ignored, normal, walk
from nayan.data.readers.base import (
    SPLITS,
    Sniff,
    check_ids,
    check_new,
    check_split,
    class_notes,
    counted,
    file_name,
    label_of,
    split_of,
    unused,
    write_picture,
)
from nayan.data.readers.domains import domain_of

PICTURE_FOLDERS = frozenset({"images", "imgs", "img", "jpegimages", "annotations", "imagesets"})
"""Names of folders that hold pictures of all classes, or none, in other formats."""

# Together these are the parts of another format; alone they may be a class, as in "mask" and "no mask".
_PARTS = PICTURE_FOLDERS | {
    "masks",
    "mask",
    "labels",
    "label",
    "segmentationclass",
    "segmentationobject",
    "gt",
}


@dataclass(frozen=True, slots=True)
class _Layout:
    """Where the pictures lie: {split or "all": {class: its folders}}, and what was passed over."""

    folders: Mapping[str, Mapping[str, list[Path]]]
    classes: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def splits(self) -> tuple[str, ...]:
        return tuple(split for split in SPLITS if split in self.folders)


class FolderReader:
    """Class folders, with or without a level of splits above them."""

    name = "folder"
    summary = "one folder a class, in train/ val/ test/ or directly in DATA"

    def sniff(self, root: Path) -> Sniff:
        """Say how much the sub-folders look like classes, by their names and whether they hold pictures."""
        if not root.is_dir():
            return Sniff(0.0, "it is a file")
        try:
            layout = _layout(root)
        except FormatError as error:
            return Sniff(0.6, error.message)  # `read` tells the user what to rename
        where = f" in {'/, '.join(layout.splits)}/" if layout.splits else ""
        words = {name.lower() for name in layout.classes}
        if not layout.classes:
            return Sniff(0.0, "no sub-folder holds pictures of one class")
        if words <= _PARTS or words & PICTURE_FOLDERS:
            return Sniff(0.2, f"the folders {', '.join(layout.classes)}{where} are not named after classes")
        if all((place := domain_of(name)) and place[0] != "all" for name in layout.classes):
            return Sniff(0.2, "the folders are two domains (trainA, trainB), not classes")
        if len(layout.classes) == 1:
            return Sniff(0.3, f"only one folder{where} holds pictures: {layout.classes[0]}")
        return Sniff(0.9, f"{len(layout.classes)} folders{where} hold pictures of one class each")

    def splits(self, root: Path) -> tuple[str, ...]:
        """Return the splits that have class folders with pictures."""
        return _layout(root).splits

    def read(self, root: Path, split: str) -> Dataset:
        """Return the pictures of a split by id; the classes are those of all splits, sorted by name.

        Raises:
            FormatError: if there are no class folders, or two folders name one split.
            NotFound: if there is no such split.
        """
        layout = _layout(root)
        if not layout.classes:
            raise FormatError(
                f"{root}: no sub-folder holds pictures", hint="put each class into a folder of its own"
            )
        check_split(split, layout.splits)
        samples: list[Sample] = []
        skipped: list[str] = []
        wanted = layout.folders if split == "all" else {split: layout.folders[split]}
        for folders in wanted.values():
            for label, name in enumerate(layout.classes):
                for file in (file for folder in folders.get(name, []) for file in walk(folder)):
                    id = normal(file.relative_to(root).as_posix())
                    if looks_like_picture(file):
                        samples.append(file_sample(file, id=id, label=label))
                    else:
                        skipped.append(id)
        samples.sort(key=lambda sample: sample.id)
        check_ids(samples, root)
        notes = [*layout.notes, *class_notes(samples, layout.classes, split)]
        if skipped:
            notes.append(f"left out: {counted(skipped, 'file')} of other kinds, such as {min(skipped)}")
        return Dataset(tuple(samples), layout.classes, root, self.name, split=split, notes=tuple(notes))

    def write(self, splits: Mapping[str, Dataset], root: Path, *, link: bool = False) -> None:
        """Write `split/class/picture`, or `class/picture` for the split "all".

        Args:
            splits: data sets by split.
            root: a new or empty folder.
            link: share the files instead of copying them, where the disk can.

        Raises:
            DataError: if the folder is not empty.
            LabelError: if a picture has no class, or a class cannot name a folder.
        """
        write_folders(splits, root, link=link)


def write_folders(splits: Mapping[str, Dataset], root: Path, *, link: bool = False) -> dict[str, str]:
    """Write a folder for each class, as `FolderReader.write` does; return {old id: new id}."""
    check_new(root)
    root.mkdir(parents=True, exist_ok=True)
    written: dict[str, str] = {}
    for split, data in splits.items():
        top = root if split == "all" else root / split
        for name in data.classes:
            _check_folder_name(name)
        for sample in data.samples:
            name = label_of(sample, data.classes)
            target = unused(top / name / _below_class(file_name(sample), split, name))
            write_picture(sample, target, link=link)
            written[sample.id] = normal(target.relative_to(root).as_posix())
    return written


def class_names(root: Path) -> tuple[str, ...]:
    """Return the names of the folders that would be classes, sorted.

    Raises:
        FormatError: if two folders name one split.
    """
    return _layout(root).classes


def _layout(root: Path) -> _Layout:
    folders, _ = entries(root)
    level = {folder: _class_folders(folder) for folder in folders if split_of(folder.name)}
    level = {folder: classes for folder, classes in level.items() if classes}
    others = [folder for folder in folders if folder not in level and has_picture(folder)]
    named = [folder for folder in others if split_of(folder.name)]
    # `bus/ car/ train/`: a lone folder named like a split among others is a class, not a split.
    if level and (len(level) > 1 or len(others) - len(named) < 2):
        found = _by_split(level)
        notes = [f"left out: {folder.name}/, which has no class folders" for folder in others]
        for folder in level:
            notes += _left_out(folder, f"of {folder.name}/")
    elif len(named) > 1 or (named and named == others):
        return _Layout({}, (), ())  # train/ and test/ with pictures but without class folders
    else:
        found = {"all": _class_folders(root)}
        notes = _left_out(root, "")
    names = tuple(sorted({name for classes in found.values() for name in classes}))
    return _Layout(found, names, tuple(notes))


def _class_folders(folder: Path) -> dict[str, list[Path]]:
    found: dict[str, list[Path]] = {}
    for sub in entries(folder)[0]:
        if has_picture(sub):
            found.setdefault(normal(sub.name), []).append(sub)
    return found


def _left_out(folder: Path, where: str) -> list[str]:
    """Return sentences about what lies beside class folders and belongs to none of them."""
    folders, files = entries(folder)
    place = " ".join(part for part in ("beside the class folders", where) if part)
    notes = [
        f"left out: {sub.name}/ {place}, which holds no picture" for sub in folders if not has_picture(sub)
    ]
    pictures = [file.name for file in files if looks_like_picture(file)]
    if pictures:
        notes.append(f"left out: {counted(pictures, 'picture')} {place}, such as {pictures[0]}")
    return notes


def _by_split(level: Mapping[Path, dict[str, list[Path]]]) -> dict[str, dict[str, list[Path]]]:
    owner: dict[str, Path] = {}
    for folder in level:
        split = split_of(folder.name) or ""
        if split in owner:
            raise FormatError(
                f"{folder.parent}: {owner[split].name}/ and {folder.name}/ both name the split {split!r}",
                hint="rename or merge one of them",
            )
        owner[split] = folder
    return {split: level[owner[split]] for split in SPLITS if split in owner}


def _below_class(name: PurePosixPath, split: str, label: str) -> PurePosixPath:
    """Return the part of a path that goes below its class folder: what stood there, or the name alone."""
    parts = name.parts[1:] if split_of(name.parts[0]) == split else name.parts
    if label in parts[:-1]:
        return PurePosixPath(*parts[parts.index(label) + 1 :])
    return PurePosixPath(name.name)


def _check_folder_name(name: str) -> None:
    if (
        not name.strip()
        or name != name.strip()
        or re.search(r'[/\\:*?"<>|\x00-\x1f]', name)
        or is_ignored(name)
    ):
        raise LabelError(
            f"the class {name!r} cannot be the name of a folder",
            hint="rename the class, or keep the data set as csv",
        )
