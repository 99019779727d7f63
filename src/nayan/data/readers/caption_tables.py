"""Tables of captions: which picture, and what is said of it.

file,caption[,split]          The words of the header decide: file, filename, image, path, ...; caption, text,
1.jpg,a red three,train       description, sentence, comment, also `caption_2`, `caption_from_label`. Several
1.jpg,"the 3, in red",train   columns or rows are several captions. Separators are `,` `;` tab and `|`.

{"file_name": "1.jpg", "text": "a red three"}   `metadata.jsonl` or metadata.csv, as of Hugging Face's
                                                imagefolder: at the top, or beside the pictures of each split

Suffixes are .csv, .tsv and .jsonl; and .txt (as of Flickr8k) where the name says captions.

Source: Hodosh, Young, Hockenmaier (2013), Framing image description as a ranking task, JAIR 47 (Flickr8k).
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from nayan.core.errors import FormatError, LabelError
from nayan.data.pictures import entries
from nayan.data.readers.base import read_text, split_of
from nayan.data.readers.csv import FILE_WORDS, SPLIT_WORDS

_CAPTION = re.compile(r"(?:caption|text|description|sentence|comment|prompt)s?(?:_?\d+)?|caption_.+")
_ABOUT = re.compile(
    r".+_(?:ids?|number|num|no|index|idx|length|score|source|lang|language)"
)  # a caption, not it
_SEPARATORS = ",;\t|"


@dataclass(frozen=True, slots=True)
class CaptionTable:
    """A table of captions.

    Attributes:
        path: the file.
        names: of the columns, or the keys of the first line.
        separator: between cells; "" where each line is a JSON object.
        file: the column of pictures.
        captions: the columns of captions, one or more.
        split: the column of splits, -1 for none.
        of_split: the split that the table or its folder is named after; "all" for none.
    """

    path: Path
    names: tuple[str, ...]
    separator: str
    file: int
    captions: tuple[int, ...]
    split: int
    of_split: str

    @property
    def read(self) -> set[str]:
        """The names of the columns that are understood; the others are kept as they are."""
        return {self.names[at] for at in (self.file, self.split, *self.captions) if at >= 0}


@dataclass(frozen=True, slots=True)
class CaptionRow:
    """One line: where it stands, the picture's file as written, its captions, its split, and other cells."""

    place: str
    file: str
    texts: tuple[str, ...]
    split: str
    others: Mapping[str, str]


def caption_tables(root: Path) -> list[CaptionTable]:
    """Return the tables of captions: the file itself, or those of the folder and of its folders of splits.

    Raises:
        FormatError: if a table is no text.
    """
    if root.is_file():
        paths = [root]
    else:
        folders, paths = entries(root)
        for folder in (folder for folder in folders if split_of(folder.name)):
            paths += [file for file in entries(folder)[1] if file.stem.lower() == "metadata"]
    return [table for path in paths if _may_be(path) and (table := _table(path, root)) is not None]


def read_rows(table: CaptionTable) -> Iterator[CaptionRow]:
    """Yield the lines of a table; empty ones are passed over.

    Raises:
        FormatError: if a line cannot be parsed, or names no picture.
        LabelError: if a picture has no caption, or an unknown split.
    """
    lines = _cells(table) if table.separator else _objects(table)
    for place, cells in lines:
        file = cells[table.names[table.file]]
        if not file or not isinstance(file, str):
            raise FormatError(
                f"{place}: the {table.names[table.file]} is empty", hint="name the picture file"
            )
        found = [_sentences(cells.get(table.names[at]), place=place) for at in table.captions]
        texts = tuple(text for each in found for text in each)
        if not texts:
            raise LabelError(f"{place}: the caption of {file} is empty", hint="write one, or remove the row")
        others = {
            name: said for name, cell in cells.items() if name not in table.read and (said := _as_text(cell))
        }
        yield CaptionRow(place, file, texts, _split(cells, table, place=place), others)


def _may_be(path: Path) -> bool:
    suffix = path.suffix.lower()
    return suffix in (".csv", ".tsv", ".jsonl") or (suffix == ".txt" and "caption" in path.stem.lower())


def _table(path: Path, root: Path) -> CaptionTable | None:
    """Return what the columns of a table mean, None where it is not one of pictures and captions."""
    first = next((line for line in read_text(path).splitlines() if line.strip()), "")
    if path.suffix.lower() == ".jsonl":
        separator, names = "", _keys(first)
    else:
        separator = max(_SEPARATORS, key=lambda each: len(_header(first, each)))
        names = _header(first, separator)
    words = [re.sub(r"[\s-]+", "_", name.lower()) for name in names]
    file, split = (
        next((words.index(word) for word in known if word in words), -1)
        for known in (FILE_WORDS, SPLIT_WORDS)
    )
    captions = tuple(
        at
        for at, word in enumerate(words)
        if at not in (file, split) and _CAPTION.fullmatch(word) and not _ABOUT.fullmatch(word)
    )
    if file < 0 or not captions:
        return None
    return CaptionTable(path, names, separator, file, captions, split, _named_split(path, root))


def _header(line: str, separator: str) -> tuple[str, ...]:
    try:
        return tuple(cell.strip() for cell in next(csv.reader([line], delimiter=separator), []))
    except csv.Error:
        return ()


def _keys(line: str) -> tuple[str, ...]:
    try:
        found = json.loads(line)
    except (json.JSONDecodeError, RecursionError):
        return ()
    return tuple(found) if isinstance(found, dict) else ()


def _named_split(path: Path, root: Path) -> str:
    """Return the split that a word of a table's name, or its folder, stands for."""
    words = [*re.split(r"[^a-z]+", path.stem.lower()), path.parent.name if path.parent != root else ""]
    return next((split for word in words if (split := split_of(word))), "all")


def _cells(table: CaptionTable) -> Iterator[tuple[str, dict[str, object]]]:
    """Yield (place, {column: cell}) of each line below the header."""
    text = io.StringIO(read_text(table.path), newline="")
    reader = csv.reader(text, delimiter=table.separator, strict=True)
    is_header = True
    try:
        for cells in reader:
            place = f"{table.path}:{reader.line_num}"
            if not any(cell.strip() for cell in cells):
                continue
            if not is_header:
                _check_width(cells, table, place=place)
                yield place, {name: cell.strip() for name, cell in zip(table.names, cells, strict=True)}
            is_header = False
    except csv.Error as error:
        raise FormatError(
            f"{table.path}:{reader.line_num}: {error}", hint="check the quotes of this line"
        ) from error


def _check_width(cells: Sequence[str], table: CaptionTable, *, place: str) -> None:
    if len(cells) != len(table.names):
        raise FormatError(
            f"{place}: {len(cells)} cells, but the header has {len(table.names)} columns",
            hint=f"put a caption that contains {table.separator!r} in double quotes",
        )


def _objects(table: CaptionTable) -> Iterator[tuple[str, dict[str, object]]]:
    """Yield (place, object) of each line of JSON."""
    for number, line in enumerate(read_text(table.path).split("\n"), start=1):
        if not line.strip():
            continue
        place = f"{table.path}:{number}"
        try:
            found = json.loads(line)
        except (json.JSONDecodeError, RecursionError) as error:
            raise FormatError(f"{place}: is no JSON: {error}", hint="write one object a line") from error
        key = table.names[table.file]
        if not isinstance(found, dict) or key not in found:
            raise FormatError(
                f"{place}: is no object with the key {key!r}", hint="write it as the first line is written"
            )
        yield place, found


def _sentences(value: object, *, place: str) -> list[str]:
    """Return the captions of a cell: its text, or a list of texts in JSON; none where it is empty."""
    texts = []
    for each in value if isinstance(value, list) else [] if value is None else [value]:
        if not isinstance(each, str):
            raise FormatError(f"{place}: {each!r} is no caption", hint="write a text, or a list of texts")
        texts.append(each.strip())
    return [text for text in texts if text]


def _as_text(value: object) -> str:
    return value if isinstance(value, str) else "" if value is None else json.dumps(value)


def _split(cells: Mapping[str, object], table: CaptionTable, *, place: str) -> str:
    if table.split < 0:
        return table.of_split
    told = _as_text(cells.get(table.names[table.split]))
    named = split_of(told)
    if named is None:
        raise LabelError(f"{place}: {told!r} is no split", hint="use train, val and test in every row")
    if table.of_split not in ("all", named):
        raise LabelError(f"{place}: a row of {named} in the table of {table.of_split}", hint="move the row")
    return named
