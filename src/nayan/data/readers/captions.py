"""Pictures that are described in words: a table with one caption a row, several rows for several captions.

DATA/
├── captions.csv         file,caption[,split,...]; what else a table may look like says `caption_tables`
└── images/001.jpg       looked up beside the table, then in images/ and the other folders there
"""

from __future__ import annotations

import csv
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from nayan.core.errors import DataError, FormatError, LabelError
from nayan.core.types import Caption, Dataset, Sample
from nayan.data.pictures import entries, file_sample, normal
from nayan.data.readers.base import (
    SPLITS,
    Sniff,
    check_new,
    check_split,
    counted,
    file_name,
    split_of,
    unused,
    write_picture,
)
from nayan.data.readers.caption_tables import CaptionRow, CaptionTable, caption_tables, read_rows
from nayan.data.readers.csv import locate

_TABLE = "captions.csv"

Others = Mapping[str, Sequence[Mapping[str, str]]]
"""What else a table says of each caption: {id of the picture: {column: cell} of each of its captions}."""


class CaptionsReader:
    """A table of captions."""

    name = "captions"
    summary = (
        "a table with the columns file and caption, and perhaps split; or metadata.jsonl with file_name, text"
    )

    def sniff(self, root: Path) -> Sniff:
        """Say whether a table has columns of pictures and captions.

        A table that has classes, boxes or roles too is of these, unless captions are wanted.
        """
        try:
            tables = caption_tables(root)
        except FormatError as error:
            return Sniff(0.1, error.message)
        if not tables:
            return Sniff(0.0, "there is no table with the columns file and caption")
        table = tables[0]
        words = " and ".join(repr(table.names[at]) for at in (table.file, *table.captions))
        return Sniff(0.7, f"{table.path.name} has the columns {words}")

    def splits(self, root: Path) -> tuple[str, ...]:
        """Return the splits that a column, tables or folders name.

        Raises:
            DataError: as `read`.
        """
        named = {picture.split for picture in _pictures(root)[0]}
        return tuple(split for split in SPLITS if split in named)

    def read(self, root: Path, split: str) -> Dataset:
        """Return the pictures of a split in the order of the table, each with all of its captions.

        `info["captions"]` keeps the other columns, see `Others`.

        Raises:
            FormatError: if a table cannot be parsed, or it is unclear which one is meant.
            LabelError: if a row has no caption or an unknown split, or a picture is in two splits.
            DataError: if a picture does not exist.
            NotFound: if there is no such split.
        """
        pictures, notes = _pictures(root)
        named = {picture.split for picture in pictures}
        check_split(split, [name for name in SPLITS if name in named])
        wanted = [picture for picture in pictures if split in ("all", picture.split)]
        samples = tuple(
            replace(file_sample(each.path, id=each.id), target=Caption(tuple(each.texts))) for each in wanted
        )
        others: Others = {each.id: tuple(each.texts.values()) for each in wanted if any(each.texts.values())}
        info = {self.name: others} if others else {}
        return Dataset(samples, (), root, self.name, split=split, notes=tuple(notes), info=info)

    def write(self, splits: Mapping[str, Dataset], root: Path) -> None:
        """Write `captions.csv`, a row for each caption, and the pictures in `images/`; "all" gets no split.

        Raises:
            DataError: if the folder is not empty.
            LabelError: if a picture has no caption.
        """
        check_new(root)
        root.mkdir(parents=True, exist_ok=True)
        rows: list[tuple[str, str, str, Mapping[str, str]]] = []
        for split, data in splits.items():
            others: Others = data.info.get(self.name, {})
            for sample in data.samples:
                texts = _texts(sample)
                name = file_name(sample)
                target = unused(root / name if name.parts[0] == "images" else root / "images" / name)
                write_picture(sample, target)
                file = target.relative_to(root).as_posix()
                said = others.get(sample.id, [{}] * len(texts))
                rows += [(file, text, split, each) for text, each in zip(texts, said, strict=True)]
        _write_table(rows, root / _TABLE)


@dataclass(slots=True)
class _Picture:
    """What the rows say of one picture: {caption: the other cells of its row}, and where the first stands."""

    id: str
    path: Path
    split: str
    place: str
    texts: dict[str, Mapping[str, str]] = field(default_factory=dict)


def _pictures(root: Path) -> tuple[list[_Picture], list[str]]:
    """Return every picture in the order of its first row, and notes."""
    tables, notes = _chosen(root)
    base = root if root.is_dir() else root.parent
    found: dict[str, _Picture] = {}
    repeated = 0
    for table in tables:
        starts = _starts(table.path.parent)
        for row in read_rows(table):
            path = locate(row.file, starts[row.split], place=row.place)
            id = normal(Path(os.path.relpath(path, base)).as_posix())
            picture = found.setdefault(id, _Picture(id, path, row.split, row.place))
            _check_split(picture, row)
            for text in row.texts:
                repeated += text in picture.texts
                picture.texts.setdefault(text, row.others)
    if repeated:
        notes.append(
            f"left out: {counted(range(repeated), 'caption')} like an earlier one of the same picture"
        )
    if not found:
        raise DataError(f"{root}: the table has no rows", hint="add one row for each caption")
    return list(found.values()), notes


def _check_split(picture: _Picture, row: CaptionRow) -> None:
    if picture.split != row.split:
        raise LabelError(
            f"{row.place}: {picture.id} is in {row.split}, but {picture.place} has it in {picture.split}",
            hint="a picture belongs to one split; correct one of the rows",
        )


def _starts(folder: Path) -> dict[str, tuple[Path, ...]]:
    """Return, for rows of each split, the folders in which a picture may lie, the likeliest first."""
    inner = entries(folder)[0]
    return {
        split: (folder, folder / "images", *sorted(inner, key=lambda each: split_of(each.name) != split))
        for split in (*SPLITS, "all")
    }


def _chosen(root: Path) -> tuple[list[CaptionTable], list[str]]:
    """Return the tables to read, in the order of the splits, and notes on them."""
    tables = caption_tables(root)
    if not tables:
        raise FormatError(
            f"{root}: no table has columns of pictures and captions",
            hint='the first line must name them, such as file,caption,split; or write {"file_name": ..., '
            '"text": ...} in each line of metadata.jsonl',
        )
    named = [table for table in tables if table.of_split != "all"]
    chosen = sorted(named, key=lambda table: SPLITS.index(table.of_split)) or tables
    for split in dict.fromkeys(table.of_split for table in chosen):
        same = [table.path.name for table in chosen if table.of_split == split]
        if len(same) > 1:
            what = "have columns of pictures and captions" if split == "all" else f"are named after {split}"
            raise FormatError(
                f"{root}: several tables {what}: {', '.join(same)}", hint="name one as DATA, or remove one"
            )
    left = [table.path.name for table in tables if table not in chosen]
    notes = [f"left out: {name}, another table" for name in left]
    columns = dict.fromkeys(table.names[at] for table in chosen for at in table.captions)
    if len(columns) > 1:
        notes.append(f"each of the columns {', '.join(map(repr, columns))} is a caption of its picture")
    return chosen, notes


def _texts(sample: Sample) -> tuple[str, ...]:
    if not isinstance(sample.target, Caption):
        raise LabelError(f"{sample.id}: the picture has no caption", hint="describe it, or leave it out")
    return sample.target.texts


def _write_table(rows: Sequence[tuple[str, str, str, Mapping[str, str]]], table: Path) -> None:
    has_splits = any(split != "all" for _, _, split, _ in rows)
    others = _columns(each for *_, each in rows)
    with table.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(("file", "caption", *["split"] * has_splits, *others))
        for file, text, split, each in rows:
            writer.writerow((file, text, *[split] * has_splits, *(each.get(name, "") for name in others)))


def _columns(cells: Iterable[Mapping[str, str]]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for each in cells for name in each))
