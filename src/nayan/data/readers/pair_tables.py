"""Tables of pairs of pictures: which two, and whether both show the same.

pairs_val.csv                     pairs.txt, of Labeled Faces in the Wild
image_a,image_b,same              10   300                       folds and rows of each half, or rows alone
a/1.jpg,a/2.jpg,1                 Abel_Pacheco  1  4             two pictures of Abel_Pacheco, ..._0001.jpg
a/1.jpg,b/1.jpg,0                 Abdel_Madi  1  Dean_Barker  2  one picture of each

A table is for the split that a word of its name stands for: `pairs_val.csv`, `pairsDevTest.txt`. Columns are
found by the words of the header, files are looked up beside the table.

Source: Huang, Ramesh, Berg, Learned-Miller (2007), Labeled Faces in the Wild, technical report 07-49.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from nayan.core.errors import FormatError, LabelError
from nayan.data.pictures import entries, normal
from nayan.data.readers.base import read_text, split_of

HEADER = ("image_a", "image_b", "same")
_FIRST = (
    "image_a",
    "image1",
    "image_1",
    "img1",
    "img_1",
    "file_a",
    "file1",
    "file_1",
    "path_a",
    "first",
    "a",
)
_SECOND = (
    "image_b",
    "image2",
    "image_2",
    "img2",
    "img_2",
    "file_b",
    "file2",
    "file_2",
    "path_b",
    "second",
    "b",
)
_SAME = ("same", "is_same", "issame", "match", "matched", "label", "target", "y")
_YES, _NO = {"1", "true", "yes", "same", "1.0"}, {"0", "-1", "false", "no", "different", "0.0"}
_SEPARATORS = ",;\t|"


@dataclass(frozen=True, slots=True)
class PairTable:
    """A table of pairs, and the split that it is named after; "" for none."""

    path: Path
    split: str


@dataclass(frozen=True, slots=True)
class Pair:
    """One row: where it stands, the two pictures as it names them, and whether they show the same.

    Of LFW a name is `person/person_0001` without a suffix.
    """

    place: str
    first: str
    second: str
    same: bool


@dataclass(frozen=True, slots=True)
class Question:
    """One row of a table that asks whether two pictures show the same; `same` is its answer, or None."""

    place: str
    first: str
    second: str
    same: bool | None


def pair_tables(root: Path) -> list[PairTable]:
    """Return the tables of pairs in a folder, or the one that is named, in the order of their names."""
    files = entries(root)[1] if root.is_dir() else [root]
    return [PairTable(file, _split(file)) for file in files if _is_table(file)]


def read_pairs(table: Path) -> list[Pair]:
    """Return the rows of a table.

    Raises:
        FormatError: if a row cannot be parsed.
        LabelError: if it does not say whether the pictures show the same.
    """
    return list(_lfw(table) if table.suffix.lower() == ".txt" else _csv(table))


def read_questions(table: Path) -> list[Question]:
    """Return the rows of a CSV with two columns of pictures and, where it has one, a column of answers.

    Raises:
        FormatError: if it has no such columns, no row, or one that cannot be parsed.
        LabelError: if an answer is neither yes nor no; an empty one is none.
    """
    questions = [
        Question(place, first, second, _answer(word, place) if word else None)
        for place, first, second, word in _rows(table, answered=False)
    ]
    if not questions:
        raise FormatError(f"{table}: has a header but no rows", hint="add one row for each pair")
    return questions


def write_pairs(rows: Sequence[tuple[str, str, bool]], table: Path) -> None:
    """Write (first, second, same) rows as CSV."""
    with table.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(HEADER)
        writer.writerows((first, second, int(same)) for first, second, same in rows)


def person_and_number(file: str) -> str:
    """Return how LFW names a picture: its folder and its name, without what is above and the suffix.

    >>> person_and_number("lfw/Abel_Pacheco/Abel_Pacheco_0001.jpg")
    'Abel_Pacheco/Abel_Pacheco_0001'
    """
    path = PurePosixPath(file)
    return f"{path.parent.name}/{path.stem}"


def _split(file: Path) -> str:
    words = re.findall(r"[A-Z]?[a-z]+", file.stem)
    return next((split for word in words if (split := split_of(word))), "")


def _is_table(file: Path) -> bool:
    suffix = file.suffix.lower()
    try:
        if suffix in (".csv", ".tsv"):
            return _columns(file) is not None
        return suffix == ".txt" and file.stem.lower().startswith("pairs") and bool(_counts(read_text(file)))
    except FormatError:
        return False


def _counts(text: str) -> re.Match[str] | None:
    """Return the first line of LFW, "300" or "10 300"."""
    return re.fullmatch(r"(\d+)(?:\s+(\d+))?", text.partition("\n")[0].strip())


def _columns(table: Path, *, answered: bool = True) -> tuple[str, int, int, int] | None:
    """Return the separator and the positions of the columns; None where it is no table of pairs.

    The last position is -1 where there is no answer and none is needed.
    """
    first = read_text(table).partition("\n")[0].rstrip("\r")
    for separator in _SEPARATORS:
        words = [re.sub(r"[\s-]+", "_", cell.strip().lower()) for cell in first.split(separator)]
        at = [next((words.index(w) for w in known if w in words), -1) for known in (_FIRST, _SECOND, _SAME)]
        if min(at if answered else at[:2]) >= 0:
            return separator, at[0], at[1], at[2]
    return None


def _csv(table: Path) -> Iterator[Pair]:
    for place, first, second, word in _rows(table, answered=True):
        yield Pair(place, first, second, _answer(word, place))


def _rows(table: Path, *, answered: bool) -> Iterator[tuple[str, str, str, str]]:
    """Yield where each row stands, its two pictures, and its answer, "" where it has none."""
    columns = _columns(table, answered=answered)
    if columns is None:
        raise FormatError(
            f"{table}:1: has no columns of two pictures",
            hint=f"write {','.join(HEADER if answered else HEADER[:2])}",
        )
    separator, first, second, same = columns
    reader = csv.reader(io.StringIO(read_text(table), newline=""), delimiter=separator, strict=True)
    try:
        width = len(next(reader))
        for cells in reader:
            place = f"{table}:{reader.line_num}"
            if not any(cell.strip() for cell in cells):
                continue
            if len(cells) != width:
                raise FormatError(f"{place}: {len(cells)} cells, but the header has {width} columns")
            yield place, _file(cells[first]), _file(cells[second]), cells[same].strip() if same >= 0 else ""
    except csv.Error as error:
        raise FormatError(
            f"{table}:{reader.line_num}: {error}", hint="check the quotes of this line"
        ) from error


def _answer(word: str, place: str) -> bool:
    if word.lower() not in _YES | _NO:
        raise LabelError(
            f"{place}: {word!r} does not say whether the pictures show the same", hint="write 1 or 0"
        )
    return word.lower() in _YES


def _file(cell: str) -> str:
    return normal(PurePosixPath(cell.strip().replace("\\", "/")).as_posix())


def _lfw(table: Path) -> Iterator[Pair]:
    lines = read_text(table).splitlines()
    for number, line in enumerate(lines[1:], start=2):
        place, cells = f"{table}:{number}", line.split()
        if not cells:
            continue
        if len(cells) == 3 and cells[1].isdigit() and cells[2].isdigit():
            yield Pair(place, _numbered(cells[0], cells[1]), _numbered(cells[0], cells[2]), same=True)
        elif len(cells) == 4 and cells[1].isdigit() and cells[3].isdigit():
            yield Pair(place, _numbered(cells[0], cells[1]), _numbered(cells[2], cells[3]), same=False)
        else:
            raise FormatError(
                f"{place}: {line!r} is no pair",
                hint="LFW writes `person 1 4` for two pictures of one person, `person 1 other 2` for two "
                "people",
            )


def _numbered(person: str, number: str) -> str:
    return normal(f"{person}/{person}_{int(number):04d}")
