"""A table of a catalogue's pictures: which are searched, which are searched for, and what each one shows.

image,role,product[,split]           `role` is gallery or query. The identity is the first of the columns that
images/001.jpg,gallery,Granny-Smith  the table `IDENTITY` names: a product rather than its category. Other
images/002.jpg,query,Granny-Smith    columns are left alone. Files are looked up beside the table.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from nayan.core.errors import DataError, FormatError, LabelError
from nayan.core.types import Dataset, Identity, Role
from nayan.data.pictures import entries, file_sample, normal
from nayan.data.readers.base import (
    SPLITS,
    Sniff,
    check_ids,
    check_new,
    check_split,
    file_name,
    label_of,
    read_text,
    split_of,
    unused,
    write_picture,
)
from nayan.data.readers.csv import FILE_WORDS, SPLIT_WORDS

IDENTITY = (
    "identity", "person", "individual", "product", "product_id", "item", "item_id", "sku", "article",
    "instance", "name", "label", "class", "category",
)  # fmt: skip
"""Words of the header for what a picture shows; the first of them that there is counts."""
_ROLE = ("role", "usage", "gallery_or_query")
_ROLES: Mapping[str, Role] = {
    "gallery": "gallery", "index": "gallery", "reference": "gallery", "catalogue": "gallery",
    "catalog": "gallery", "database": "gallery", "query": "query", "probe": "query", "search": "query",
}  # fmt: skip
_TABLE = "items.csv"


@dataclass(frozen=True, slots=True)
class _Columns:
    """The columns that matter, by position; -1 for a split that there is not."""

    names: tuple[str, ...]
    file: int
    role: int
    identity: int
    split: int


class ItemsReader:
    """One table with a role for each picture."""

    name = "items"
    summary = "a table with the columns image, role (gallery or query) and product, category, ..."

    def sniff(self, root: Path) -> Sniff:
        """Say whether a table has columns of files, roles and identities."""
        found = _tables(root)
        if not found:
            return Sniff(0.0, "there is no .csv with the columns image, role and product")
        table, columns = found[0]
        words = ", ".join(repr(columns.names[at]) for at in (columns.file, columns.role, columns.identity))
        return Sniff(0.8, f"{table.name} has the columns {words}")

    def splits(self, root: Path) -> tuple[str, ...]:
        """Return the splits that a column names."""
        named = {row.split for row in _rows(root)[0]}
        return tuple(split for split in SPLITS if split in named)

    def read(self, root: Path, split: str) -> Dataset:
        """Return the pictures of a split in the order of the table; the identities are those of all splits.

        Raises:
            FormatError: if the table cannot be parsed, or there are several.
            LabelError: if a row has no identity, or an unknown role or split.
            DataError: if a picture does not exist or stands there twice.
            NotFound: if there is no such split.
        """
        rows, note = _rows(root)
        named = {row.split for row in rows}
        check_split(split, [name for name in SPLITS if name in named])
        classes = tuple(sorted({row.identity for row in rows}))
        numbers = {name: number for number, name in enumerate(classes)}
        samples = tuple(
            replace(
                file_sample(row.path, id=row.file),
                target=Identity(numbers[row.identity], name=row.file, role=row.role),
            )
            for row in rows
            if split in ("all", row.split)
        )
        check_ids(samples, root)
        return Dataset(samples, classes, root, self.name, split=split, notes=(note,))

    def write(self, splits: Mapping[str, Dataset], root: Path) -> None:
        """Write `items.csv` and the pictures; one that several splits share is written with the first.

        Raises:
            DataError: if the folder is not empty.
            LabelError: if a picture has no identity, or no role.
        """
        check_new(root)
        root.mkdir(parents=True, exist_ok=True)
        written: set[str] = set()
        rows: list[Sequence[str]] = []
        for split, data in splits.items():
            for sample in data.samples:
                if sample.id in written:
                    continue
                label = label_of(sample, data.classes)
                role = sample.target.role if isinstance(sample.target, Identity) else ""
                if not role:
                    raise LabelError(
                        f"{sample.id}: is neither of the gallery nor a query",
                        hint="keep the data set as folder or identities",
                    )
                target = unused(root / file_name(sample))
                write_picture(sample, target)
                written.add(sample.id)
                rows.append((target.relative_to(root).as_posix(), role, label, split))
        with (root / _TABLE).open("w", encoding="utf-8", newline="") as stream:
            writer = csv.writer(stream, lineterminator="\n")
            width = 3 if set(splits) == {"all"} else 4
            writer.writerow(("image", "role", "identity", "split")[:width])
            writer.writerows(row[:width] for row in rows)


@dataclass(frozen=True, slots=True)
class _Row:
    """One line: the picture's id and file, what it is for, what it shows, and its split ("all" = none)."""

    file: str
    path: Path
    role: Role
    identity: str
    split: str


def _tables(root: Path) -> list[tuple[Path, _Columns]]:
    files = [root] if root.is_file() else entries(root)[1] if root.is_dir() else []
    found = []
    for file in files:
        if file.suffix.lower() == ".csv":
            try:
                columns = _columns(next(csv.reader([read_text(file).partition("\n")[0].rstrip("\r")]), []))
            except (FormatError, csv.Error):
                continue
            if columns is not None:
                found.append((file, columns))
    return found


def _columns(names: Sequence[str]) -> _Columns | None:
    words = [re.sub(r"[\s-]+", "_", name.strip().lower()) for name in names]

    def at(known: Sequence[str]) -> int:
        return next((words.index(word) for word in known if word in words), -1)

    columns = _Columns(tuple(names), at(FILE_WORDS), at(_ROLE), at(IDENTITY), at(SPLIT_WORDS))
    return columns if min(columns.file, columns.role, columns.identity) >= 0 else None


def _rows(root: Path) -> tuple[list[_Row], str]:
    """Return every row, and a sentence on what was taken for the identity."""
    tables = _tables(root)
    if len(tables) != 1:
        raise FormatError(
            f"{root}: {len(tables)} tables have the columns image, role and product, one is needed",
            hint="name the table as DATA" if tables else "write image,role,product in its first line",
        )
    table, columns = tables[0]
    reader = csv.reader(io.StringIO(read_text(table), newline=""), strict=True)
    try:
        next(reader)
        rows = [
            _row(cells, columns, table=table, place=f"{table}:{reader.line_num}")
            for cells in reader
            if any(cell.strip() for cell in cells)
        ]
    except csv.Error as error:
        raise FormatError(
            f"{table}:{reader.line_num}: {error}", hint="check the quotes of this line"
        ) from error
    if not rows:
        raise DataError(f"{table}: has a header but no rows", hint="add one row for each picture")
    return rows, f"the column {columns.names[columns.identity]!r} says what a picture shows"


def _row(cells: Sequence[str], columns: _Columns, *, table: Path, place: str) -> _Row:
    if len(cells) != len(columns.names):
        raise FormatError(
            f"{place}: {len(cells)} cells, but the header has {len(columns.names)} columns",
            hint="put names that contain a comma in double quotes",
        )
    file, identity = normal(cells[columns.file].strip()), normal(cells[columns.identity].strip())
    role = _ROLES.get(cells[columns.role].strip().lower())
    if role is None:
        raise LabelError(f"{place}: {cells[columns.role]!r} is no role", hint="write gallery or query")
    if not identity:
        raise LabelError(
            f"{place}: the {columns.names[columns.identity]} of {file} is empty",
            hint="fill it in or remove the row",
        )
    split = "all"
    if columns.split >= 0:
        named = split_of(cells[columns.split])
        if named is None:
            raise LabelError(f"{place}: {cells[columns.split]!r} is no split", hint="use train, val and test")
        split = named
    path = table.parent / file
    if not path.is_file():
        raise DataError(f"{place}: the picture {file} does not exist", hint="paths are relative to the table")
    return _Row(file, path, role, identity, split)
