"""A table of facts about pictures: a column names the file, every other one says something of it.

image,product,price,organic            Numbers are numbers where every cell of a column is one (007 is
images/001.jpg,Granny-Smith,2.5,true   none: it is a name), true and false likewise, all else is text. An
images/002.jpg,Pink-Lady,,false        empty cell says nothing. Files are looked up beside the table.
"""

from __future__ import annotations

import csv
import io
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from nayan.core.errors import DataError, FormatError
from nayan.data.readers.base import read_text
from nayan.data.readers.csv import FILE_WORDS

Fact = str | int | float | bool
Row = dict[str, Fact]

_SEPARATORS = ",;\t|"
_NUMBER = re.compile(r"[+-]?(?:(?:0|[1-9]\d{0,17})(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d{1,2})?")
_INTEGER = re.compile(r"[+-]?\d+")
_TRUTH = {"true": True, "false": False}


@dataclass(frozen=True, slots=True)
class Facts:
    """What a table says.

    Attributes:
        path: of the table.
        rows: by the text that names the file.
        columns: the names of the facts.
    """

    path: Path
    rows: Mapping[str, Row]
    columns: tuple[str, ...]

    def of(self, file: Path, name: str) -> Row | None:
        """Return what is said of a picture; None if it is not in the table.

        Args:
            file: the picture.
            name: another word for it, by which the table may call it.
        """
        absolute = os.path.abspath(file)  # noqa: PTH100  Path.absolute keeps `..`
        beside = os.path.relpath(absolute, self.path.parent)
        words = (Path(beside).as_posix(), Path(absolute).as_posix(), name)
        return next((self.rows[word] for word in words if word in self.rows), None)


def read_facts(path: Path) -> Facts:
    """Read a table of facts.

    Raises:
        FormatError: if it cannot be parsed, with the line.
        DataError: if no column names files, or a file stands there twice.
    """
    text = read_text(path)
    header = text.partition("\n")[0]
    separator = max(_SEPARATORS, key=header.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    try:
        lines = [(reader.line_num, cells) for cells in reader if any(cell.strip() for cell in cells)]
    except csv.Error as error:
        raise FormatError(
            f"{path}:{reader.line_num}: {error}", hint="check the quotes of this line"
        ) from error
    if not lines:
        raise DataError(f"{path}: the table is empty", hint="write a header and a row for each picture")
    columns = [name.strip() for name in lines[0][1]]
    at = _file_column(path, columns)
    cells = _cells(path, columns, lines[1:])
    names = [name for name in columns if name != columns[at]]
    typed = {name: _typed([row[columns.index(name)] for row in cells]) for name in names}
    rows: dict[str, Row] = {}
    for number, row in enumerate(cells):
        key = Path(os.path.normpath(row[at])).as_posix()
        if key in rows:
            raise DataError(
                f"{path}:{lines[number + 1][0]}: {key!r} is there twice", hint="keep one row for each picture"
            )
        found = {name: values[number] for name, values in typed.items()}
        rows[key] = {name: value for name, value in found.items() if value is not None}
    return Facts(path, rows, tuple(names))


def _file_column(path: Path, columns: Sequence[str]) -> int:
    words = [re.sub(r"[\s-]+", "_", name.lower()) for name in columns]
    if "" in words or len(set(columns)) < len(columns):
        raise FormatError(
            f"{path}:1: columns {', '.join(map(repr, columns))}: one has no name, or two have the same",
            hint="give each column a name of its own",
        )
    at = next((words.index(word) for word in FILE_WORDS if word in words), None)
    if at is None:
        raise DataError(
            f"{path}: none of the columns {', '.join(map(repr, columns))} names the files",
            hint="call the column with the pictures 'image'",
        )
    return at


def _cells(path: Path, columns: Sequence[str], lines: Sequence[tuple[int, list[str]]]) -> list[list[str]]:
    for number, cells in lines:
        if len(cells) != len(columns):
            raise FormatError(
                f"{path}:{number}: {len(cells)} cells, the header has {len(columns)}",
                hint="put quotes around text that holds the separator",
            )
    return [[cell.strip() for cell in cells] for _, cells in lines]


def _typed(cells: Sequence[str]) -> list[Fact | None]:
    """Return a column as numbers or truths where all of it are, else as text; None for empty cells.

    >>> _typed(["1", "2.5", ""]), _typed(["007", "1"]), _typed(["true", "FALSE"])
    ([1, 2.5, None], ['007', '1'], [True, False])
    """
    filled = [cell for cell in cells if cell]
    if filled and all(cell.lower() in _TRUTH for cell in filled):
        return [_TRUTH[cell.lower()] if cell else None for cell in cells]
    if filled and all(map(_NUMBER.fullmatch, filled)):
        return [_number(cell) if cell else None for cell in cells]
    return [cell or None for cell in cells]


def _number(cell: str) -> int | float:
    return int(cell) if _INTEGER.fullmatch(cell) else float(cell)
