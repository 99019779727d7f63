"""A folder of pictures of which nothing is said: for tasks that learn from pictures alone.

DATA/                 Pictures at any depth. Where all of them lie in folders that are named after splits
├── 001.jpg           (train/, val/, test/), these are its splits. Every other format says more: this one is
└── holiday/002.jpg   taken only where no other fits and the task needs no truth.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from nayan.core.errors import DataError, FormatError, LabelError
from nayan.core.image import looks_like_picture
from nayan.core.types import Dataset
from nayan.data.pictures import entries, file_sample, has_picture, normal, walk
from nayan.data.readers.base import (
    SPLITS,
    Sniff,
    check_ids,
    check_new,
    check_split,
    counted,
    file_name,
    split_of,
    unused,
    write_picture,
)


class PicturesReader:
    """Pictures without any truth."""

    name = "pictures"
    summary = "pictures at any depth, without classes; perhaps in train/ val/ test/"

    def sniff(self, root: Path) -> Sniff:
        """Say whether there is a picture; never more than that the folder can be read."""
        if not root.is_dir():
            return Sniff(0.0, "it is a file")
        return Sniff(0.5, "it holds pictures") if has_picture(root) else Sniff(0.0, "it holds no picture")

    def splits(self, root: Path) -> tuple[str, ...]:
        """Return the splits that the folders are named after, where no picture lies outside of them.

        Raises:
            FormatError: if two folders name one split.
        """
        folders = _folders(root)
        return tuple(split for split in SPLITS if split in folders)

    def read(self, root: Path, split: str) -> Dataset:
        """Return the pictures of a split by id; there are no classes.

        Raises:
            DataError: if there is no picture.
            FormatError: if two folders name one split.
            NotFound: if there is no such split.
        """
        folders = _folders(root)
        check_split(split, [name for name in SPLITS if name in folders])
        names: list[tuple[str, Path]] = []
        skipped: list[str] = []
        for top in folders.values() if split == "all" else [folders[split]]:
            for file in walk(top):
                id = normal(file.relative_to(root).as_posix())
                if looks_like_picture(file):
                    names.append((id, file))
                else:
                    skipped.append(id)
        if not names:
            raise DataError(f"{root}: the folder holds no picture", hint="name a folder with pictures")
        samples = tuple(file_sample(file, id=id) for id, file in sorted(names))
        check_ids(samples, root)
        left = f"left out: {counted(skipped, 'file')} of other kinds, such as {min(skipped, default='')}"
        return Dataset(samples, (), root, self.name, split=split, notes=(left,) if skipped else ())

    def write(self, splits: Mapping[str, Dataset], root: Path) -> None:
        """Write the pictures below `split/`, or below the root itself for the split "all".

        Raises:
            DataError: if the folder is not empty.
            LabelError: if something is known of a picture, which would be lost.
        """
        check_new(root)
        root.mkdir(parents=True, exist_ok=True)
        for split, data in splits.items():
            top = root if split == "all" else root / split
            for sample in data.samples:
                if sample.target is not None:
                    raise LabelError(
                        f"{sample.id}: more is known of the picture than a folder of pictures can say",
                        hint="choose a format that holds it; see docs/guides/data_formats.md",
                    )
                write_picture(sample, unused(top / _below_split(file_name(sample), split)))


def _folders(root: Path) -> dict[str, Path]:
    """Return {split: its folder}; {"all": root} unless every picture lies in a folder of a split."""
    folders, files = entries(root)
    holding = [folder for folder in folders if has_picture(folder)]
    if not holding or any(map(looks_like_picture, files)) or not all(split_of(f.name) for f in holding):
        return {"all": root}
    found: dict[str, Path] = {}
    for folder in holding:
        split = split_of(folder.name) or ""
        if split in found:
            raise FormatError(
                f"{root}: {found[split].name}/ and {folder.name}/ both name the split {split!r}",
                hint="rename or merge one of them",
            )
        found[split] = folder
    return found


def _below_split(name: PurePosixPath, split: str) -> PurePosixPath:
    """Return a path without the folder of its split, which is made anew."""
    inside = len(name.parts) > 1 and split_of(name.parts[0]) == split
    return PurePosixPath(*name.parts[1:]) if inside else name
