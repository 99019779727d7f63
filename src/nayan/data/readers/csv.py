"""A table with a column of picture files and a column of classes, and perhaps one of splits.

file,label,split                 The words of the header decide (file, image, path, ... / label,
images/001.jpg,daisy,train       class, category, ... / split, subset, ...). Separators `,` `;` tab
images/002.jpg,roses,val         and `|`, UTF-8 or UTF-16. Or one table a split: train.csv, val.csv,
                                 test.csv. Files are looked up beside the table, then in images/.
"""

from __future__ import annotations

import csv
import io
import os
import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from nayan.core.errors import DataError, FormatError, LabelError
from nayan.core.image import looks_like_picture
from nayan.core.types import Dataset
from nayan.data.pictures import entries, file_sample, normal
from nayan.data.readers.base import (
    SPLITS,
    Sniff,
    check_new,
    check_split,
    class_notes,
    counted,
    file_name,
    label_of,
    read_text,
    split_of,
    unused,
    write_picture,
)

FILE_WORDS = (
    "file", "filename", "file_name", "filepath", "file_path", "path", "image", "image_path", "image_file",
    "image_name", "imagepath", "img", "img_path", "img_name", "picture", "photo", "filepaths", "images",
)  # fmt: skip
_LABEL = (
    "label", "class", "category", "target", "class_name", "classname", "label_name", "category_name",
    "labels", "species", "y",
)  # fmt: skip
SPLIT_WORDS = ("split", "subset", "set", "partition", "dataset", "data_set")
_BOXES = (
    {"xmin", "ymin", "xmax", "ymax"}, {"x1", "y1", "x2", "y2"}, {"x", "y", "w", "h"},
    {"x", "y", "width", "height"}, {"bbox"}, {"box"}, {"boxes"},
)  # fmt: skip
_SUFFIXES = {".csv", ".tsv"}
_SEPARATORS = ",;\t|"
_TABLE = "labels.csv"


@dataclass(frozen=True, slots=True)
class _Header:
    """The columns of a table that matter, by position; -1 where there is none."""

    names: tuple[str, ...]
    separator: str
    file: int
    label: int
    split: int
    boxes: bool

    @property
    def usable(self) -> bool:
        return self.file >= 0 and self.label >= 0 and not self.boxes


@dataclass(frozen=True, slots=True)
class _Row:
    """One line of a table: where it stands, the picture's id and file, its class and split ("all" = none)."""

    place: str
    id: str
    path: Path
    label: str
    split: str


class CsvReader:
    """One table, or one a split, that names a class for each picture file."""

    name = "csv"
    summary = "a table with the columns file, label and perhaps split; or train.csv, val.csv, test.csv"

    def sniff(self, root: Path) -> Sniff:
        """Say whether the header of a table names a file and a label column."""
        tables = _tables(root)
        if not tables:
            return Sniff(0.0, "there is no .csv or .tsv file")
        try:
            headers = {table: _header(table) for table in tables}
        except FormatError as error:
            return Sniff(0.1, error.message)
        usable = [table for table, header in headers.items() if header.usable]
        if usable:
            header = headers[usable[0]]
            columns = f"{header.names[header.file]!r} and {header.names[header.label]!r}"
            return Sniff(0.9, f"{', '.join(table.name for table in usable)} has the columns {columns}")
        if any(header.boxes for header in headers.values()):
            return Sniff(
                0.1, "the columns of the table are those of boxes, not of classes for whole pictures"
            )
        table, header = next(iter(headers.items()))
        missing = [f"no {word}" for word, at in (("file", header.file), ("label", header.label)) if at < 0]
        names = ", ".join(header.names)
        return Sniff(0.1, f"{table.name} has {' and '.join(missing)} column; its columns are {names}")

    def splits(self, root: Path) -> tuple[str, ...]:
        """Return the splits that the tables name.

        Raises:
            DataError: as `read`.
        """
        rows, _ = _rows(root)
        named = {row.split for row in rows}
        return tuple(split for split in SPLITS if split in named)

    def read(self, root: Path, split: str) -> Dataset:
        """Return the pictures of a split in the order of the table; classes are sorted over all splits.

        Raises:
            FormatError: if a table cannot be parsed, or it is unclear which one is meant.
            LabelError: if a row has no class, an unknown split, or contradicts another row.
            DataError: if a picture does not exist.
            NotFound: if there is no such split.
        """
        rows, notes = _rows(root)
        named = {row.split for row in rows}
        check_split(split, [name for name in SPLITS if name in named])
        classes = tuple(sorted({row.label for row in rows}))
        numbers = {name: number for number, name in enumerate(classes)}
        samples = tuple(
            file_sample(row.path, id=row.id, label=numbers[row.label])
            for row in rows
            if split in ("all", row.split)
        )
        notes = [*notes, *class_notes(samples, classes, split)]
        return Dataset(samples, classes, root, self.name, split=split, notes=tuple(notes))

    def write(self, splits: Mapping[str, Dataset], root: Path) -> None:
        """Write `labels.csv` and the pictures in `images/`; the split "all" gets no split column.

        Raises:
            DataError: if the folder is not empty.
            LabelError: if a picture has no class.
        """
        check_new(root)
        root.mkdir(parents=True, exist_ok=True)
        rows = []
        for split, data in splits.items():
            for sample in data.samples:
                label = label_of(sample, data.classes)
                name = file_name(sample)
                target = unused(root / name if name.parts[0] == "images" else root / "images" / name)
                write_picture(sample, target)
                rows.append((target.relative_to(root).as_posix(), label, split))
        write_table(rows, root / _TABLE)


def write_table(rows: list[tuple[str, str, str]], table: Path) -> None:
    """Write (file, label, split) rows as CSV; without a split column where every split is "all".

    Raises:
        LabelError: if a class name would not survive: empty, or with spaces around it.
    """
    has_splits = any(split != "all" for _, _, split in rows)
    for file, label, _ in rows:
        if label != label.strip() or not label:
            raise LabelError(
                f"{file}: the class {label!r} is empty or has spaces around it", hint="rename the class"
            )
    with table.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(("file", "label", "split") if has_splits else ("file", "label"))
        writer.writerows(row if has_splits else row[:2] for row in rows)


def _tables(root: Path) -> list[Path]:
    if not root.is_dir():
        return [root] if root.suffix.lower() in _SUFFIXES else []
    return [file for file in entries(root)[1] if file.suffix.lower() in _SUFFIXES]


def _header(table: Path) -> _Header:
    """Return the columns of a table, found by the words of its first line.

    Raises:
        FormatError: if the file is no text.
    """
    first = read_text(table).partition("\n")[0].rstrip("\r")
    try:
        choices = {separator: next(csv.reader([first], delimiter=separator), []) for separator in _SEPARATORS}
    except csv.Error as error:
        raise FormatError(f"{table}:1: {error}", hint="is this a table with one row a line?") from error
    separator = max(_SEPARATORS, key=lambda separator: len(choices[separator]))
    names = tuple(name.strip() for name in choices[separator])
    words = [re.sub(r"[\s-]+", "_", name.lower()) for name in names]
    columns = [
        next((words.index(word) for word in known if word in words), -1)
        for known in (FILE_WORDS, _LABEL, SPLIT_WORDS)
    ]
    boxes = any(box <= set(words) for box in _BOXES)
    return _Header(names, separator, columns[0], columns[1], columns[2], boxes)


def _chosen(root: Path) -> tuple[list[tuple[Path, _Header, str]], list[str]]:
    """Return the tables to read as (path, header, split), and notes on those that are left out."""
    headers = {table: _header(table) for table in _tables(root)}
    usable = {table: header for table, header in headers.items() if header.usable}
    named = {table: _table_split(table) for table in headers}
    if not usable:
        seen = "; ".join(f"{table.name}:1: {', '.join(header.names)}" for table, header in headers.items())
        raise FormatError(
            f"{root}: no table has a file and a label column ({seen or 'there is no table'})",
            hint="the first line must name the columns, such as file,label,split"
            + ("; tables of boxes are --format csv_boxes" if any(h.boxes for h in headers.values()) else ""),
        )
    by_split = [table for table in usable if named[table]]
    if by_split and (len(usable) > 1 or len(headers) > 1):
        splits = [named[table] for table in by_split]
        if len(set(splits)) < len(splits):
            names = ", ".join(table.name for table in by_split)
            raise FormatError(
                f"{root}: several tables are named after one split: {names}", hint="remove or rename one"
            )
        notes = [
            f"left out: {table.name}, which is named after no split or lacks a column"
            for table in headers
            if table not in by_split
        ]
        return [(table, usable[table], named[table]) for table in by_split], notes
    if len(usable) > 1:
        names = ", ".join(table.name for table in usable)
        raise FormatError(
            f"{root}: several tables have a file and a label column: {names}", hint="name one as DATA"
        )
    table, header = next(iter(usable.items()))
    return [(table, header, "all")], []


def _table_split(table: Path) -> str:
    """Return the split that a table is named after: `train.csv`, `val_labels.csv`; "" for none."""
    return split_of(re.sub(r"[_-]?(labels|annotations|metadata)$", "", table.stem, flags=re.IGNORECASE)) or ""


def _rows(root: Path) -> tuple[list[_Row], list[str]]:
    """Return every row of every table, in the order of the splits, repeated rows once."""
    tables, notes = _chosen(root)
    tables.sort(key=lambda item: SPLITS.index(item[2]) if item[2] in SPLITS else 0)
    base = root if root.is_dir() else root.parent
    rows: dict[str, _Row] = {}
    repeated = 0
    for table, header, split in tables:
        for row in _parse(table, header, base=base, split=split):
            first = rows.setdefault(row.id, row)
            if (first.label, first.split) != (row.label, row.split):
                raise LabelError(
                    f"{row.place}: {row.id} is {row.label!r} ({row.split}), "
                    f"but {first.place} says {first.label!r} ({first.split})",
                    hint="a picture has one class and belongs to one split; remove one of the rows",
                )
            repeated += first is not row
    if repeated:
        notes.append(f"left out: {counted(range(repeated), 'row')} like an earlier one")
    if not rows:
        raise DataError(f"{root}: the table has a header but no rows", hint="add one row for each picture")
    return list(rows.values()), notes


def _parse(table: Path, header: _Header, *, base: Path, split: str) -> Iterator[_Row]:
    starts = (table.parent, table.parent / "images", table.parent / table.stem)
    reader = csv.reader(io.StringIO(read_text(table), newline=""), delimiter=header.separator, strict=True)
    try:
        next(reader)
        for cells in reader:
            if any(cell.strip() for cell in cells):
                place = f"{table}:{reader.line_num}"
                yield _row(cells, header, place=place, starts=starts, base=base, split=split)
    except csv.Error as error:
        raise FormatError(
            f"{table}:{reader.line_num}: {error}", hint="check the quotes of this line"
        ) from error


def _row(
    cells: list[str], header: _Header, *, place: str, starts: tuple[Path, ...], base: Path, split: str
) -> _Row:
    if len(cells) != len(header.names):
        raise FormatError(
            f"{place}: {len(cells)} cells, but the header has {len(header.names)} columns",
            hint="put names that contain the separator in double quotes",
        )
    file, label = cells[header.file].strip(), normal(cells[header.label].strip())
    if not file:
        raise FormatError(
            f"{place}: the cell {header.names[header.file]!r} is empty", hint="name the picture file"
        )
    if not label:
        raise LabelError(f"{place}: the class of {file} is empty", hint="fill it in or remove the row")
    if header.split >= 0:
        named = split_of(cells[header.split])
        if named is None:
            found = cells[header.split]
            raise LabelError(f"{place}: {found!r} is no split", hint="use train, val and test in every row")
        if split not in ("all", named):
            raise LabelError(f"{place}: a row of {named} in the table of {split}", hint="move the row")
        split = named
    path = locate(file, starts, place=place)
    return _Row(place, normal(Path(os.path.relpath(path, base)).as_posix()), path, label, split)


def locate(file: str, starts: tuple[Path, ...], *, place: str) -> Path:
    """Return the picture that a cell names, in the first of the folders that has it.

    Raises:
        DataError: if none has it; the message names the cell's `place`.
    """
    for spelling in dict.fromkeys((file, file.replace("\\", "/"))):
        for form in ("NFC", "NFD"):
            name = unicodedata.normalize(form, spelling)
            for start in starts:
                path = start / name
                if path.is_file():
                    return path
    hint = "paths are relative to the table or to images/ beside it"
    if Path(file).is_absolute() or re.match(r"[A-Za-z]:[\\/]", file):
        hint = "the path is absolute, perhaps of another machine; write it relative to the table"
    elif not looks_like_picture(Path(file)):
        hint += "; the name has no suffix of a picture"
    raise DataError(f"{place}: the picture {file} does not exist", hint=hint)
