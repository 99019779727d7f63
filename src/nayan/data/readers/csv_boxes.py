"""Tables with a row for each box: the picture's file, the class and four numbers.

filename,width,height,class,xmin,ymin,xmax,ymax    TensorFlow's; also x1,y1,x2,y2 or x,y,width,height
train/1.jpg,640,480,cup,12,30,80,95                or x_center,..., or one column bbox "[x, y, w, h]"
train/2.jpg,640,480,,,,,                           a picture of the background: no class, no numbers

The words of the header decide, in any case and order; without a header a row is RetinaNet's
path,x1,y1,x2,y2,class. Separators `,` `;` tab and `|`. The splits are those of a column `split`, of tables
such as train_labels.csv and val_labels.csv, or of the folders of the pictures. Numbers are edges in pixels;
only Open Images (ImageID, ..., IsGroupOf) has fractions.

A picture without a row is left out, for nobody may have looked at it; in a folder that is called negative,
background or empty it belongs to the background, and to the pictures to train on.

The format has a name of its own, beside `csv` with one class a picture: a table of boxes holds other truths,
`--to csv_boxes` must be able to say so, and the header tells them apart when data is read.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from nayan.core.errors import FormatError, LabelError
from nayan.core.types import Dataset, Size
from nayan.data.headers import picture_infos
from nayan.data.pictures import entries, normal
from nayan.data.readers.annotated import (
    NO_ENTRY,
    NO_FILE,
    Drawn,
    Entry,
    Found,
    Pictures,
    assemble,
    declared_classes,
    split_in,
)
from nayan.data.readers.annotated_writing import place_in, plain, size_of, write_classes, written_boxes
from nayan.data.readers.base import Sniff, check_new, counted, read_text, split_of, write_picture
from nayan.data.readers.boxes import XYXY, BoxFaults, number
from nayan.data.readers.csv_columns import Columns, Kind, Table, all_tables, choose

_NEGATIVE = {"negative", "negatives", "neg", "background", "backgrounds", "empty"}
_ONE_CLASS = "object"
_TABLE = "boxes.csv"
_HEADER = ("filename", "width", "height", "class", "xmin", "ymin", "xmax", "ymax")
_STICKS_OUT_PX = 1.0


@dataclass(frozen=True, slots=True)
class _Row:
    """One line: its place, picture, split, class, four numbers (None for the background) and what else."""

    place: str
    path: Path
    split: str
    label: str
    values: XYXY | None
    kind: Kind
    declared: Size | None
    crowd: bool
    area: float | None


class CsvBoxesReader:
    """One table, or one a split, with a row for each box."""

    name = "csv_boxes"
    summary = "a table with the columns filename, class, xmin, ymin, xmax, ymax; or train_labels.csv, ..."

    def sniff(self, root: Path) -> Sniff:
        """Say whether the header of a table names a file and the numbers of a box."""
        try:
            columns = all_tables(root)
        except FormatError as error:
            return Sniff(0.1, error.message)
        if not columns:
            return Sniff(0.0, "there is no .csv or .tsv file")
        for path, each in columns.items():
            if each.usable:
                words = ", ".join(repr(each.names[at]) for at in (each.file, *each.box))
                # More than a table of classes: its columns are there too.
                return Sniff(0.97, f"{path.name} has the columns {words}")
        return Sniff(0.1, "no table has the columns of a box, such as xmin, ymin, xmax, ymax")

    def splits(self, root: Path) -> tuple[str, ...]:
        """Return the splits that a column, tables or folders name.

        Raises:
            DataError: as `read`.
        """
        return _found(root, BoxFaults(root)).splits

    def read(self, root: Path, split: str) -> Dataset:
        """Return the pictures of a split by id; classes are those of `classes.txt`, else sorted by name.

        Raises:
            FormatError: if a table cannot be parsed, a cell is no number, or it is unclear which table it is.
            LabelError: if a row has no class, an unknown split, or another split than its picture.
            DataError: if no picture exists.
            NotFound: if there is no such split.
        """
        faults = BoxFaults(root if root.is_dir() else root.parent)
        found = _found(root, faults)
        return assemble(
            found, root=root, split=split, format=self.name, faults=faults, pixels="edges in pixels"
        )

    def write(self, splits: Mapping[str, Dataset], root: Path) -> None:
        """Write `boxes.csv`, `classes.txt` and the pictures in `images/`; "all" gets no column of splits.

        Raises:
            DataError: if the folder is not empty.
            LabelError: if nothing is known of the objects of a picture, or a cell cannot hold a class's name.
        """
        check_new(root)
        root.mkdir(parents=True, exist_ok=True)
        rows: list[tuple[str, ...]] = []
        for split, data in splits.items():
            write_classes(data.classes, root / "classes.txt")
            for sample in data.samples:
                target = place_in(sample, split, root / "images")
                write_picture(sample, target)
                size = size_of(target)
                start = (target.relative_to(root).as_posix(), str(size[1]), str(size[0]))
                boxes = written_boxes(sample, data, self.name)
                for box in boxes:
                    area = "" if box.area is None else plain(box.area)
                    numbers = map(plain, box.xyxy)
                    rows.append((*start, box.label, *numbers, split, str(int(box.crowd)), area))
                if not boxes:
                    rows.append((*start, "", "", "", "", "", split, "", ""))
        _write_table(rows, root / _TABLE)


def _write_table(rows: Sequence[tuple[str, ...]], path: Path) -> None:
    """Write the columns of `_HEADER`, and those of split, crowd and area where they say something."""
    more = (("split", {"all"}), ("crowd", {"", "0"}), ("area", {""}))
    kept = list(range(len(_HEADER)))
    names = list(_HEADER)
    for at, (name, nothing) in enumerate(more, start=len(_HEADER)):
        if any(row[at] not in nothing for row in rows):
            kept.append(at)
            names.append(name)
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(names)
        writer.writerows([row[at] for at in kept] for row in rows)


def _found(root: Path, faults: BoxFaults) -> Found:
    """Return what the tables say, and the pictures of the background."""
    base = root if root.is_dir() else root.parent
    tables, notes = choose(root)
    pictures = Pictures(base)
    rows = [row for table in tables for row in _rows(table, base, pictures, faults)]
    rows = _settled(rows, notes)
    parts = [split_in(row.path.relative_to(base)) if row.path.is_relative_to(base) else None for row in rows]
    if all(parts) and all(row.split == "all" for row in rows):
        rows = [replace(row, split=part or "all") for row, part in zip(rows, parts, strict=True)]
    found = _entries(rows)
    # With DATA a table, the folder around it may hold anything.
    unnamed = list(pictures.unnamed(found)) if root.is_dir() else []
    negative = [
        path for path in unnamed if _NEGATIVE & {part.lower() for part in path.relative_to(base).parts[:-1]}
    ]
    for path in unnamed:
        if path not in negative:
            faults.count(NO_ENTRY, str(path))
    if negative and found:
        split = "all" if all(entry.split == "all" for entry in found) else "train"
        found += [Entry(path, split, str(path)) for path in negative]
        folder = normal(negative[0].parent.relative_to(base).as_posix())
        to = f", in {split}" if split != "all" else ""
        notes.append(f"taken for background: {counted(negative, 'picture')} of {folder}/ without a row{to}")
    if all(table.columns.label < 0 for table in tables):
        notes.append(f"no column names classes: every box is {_ONE_CLASS!r}")
    classes, declared = declared_classes(base)
    return Found(base, tuple(found), classes, declared, tuple(notes))


class _Finder:
    """Finds the pictures of one table, each name once."""

    def __init__(self, table: Table, base: Path, pictures: Pictures) -> None:
        self._folder = table.path.parent
        self._base = base
        self._pictures = pictures
        self._starts: dict[str, list[Path]] = {}
        self._found: dict[tuple[str, str], Path | None] = {}

    def find(self, name: str, split: str, *, place: str) -> Path | None:
        if split not in self._starts:
            self._starts[split] = _starts(self._folder, self._base, split)
        if (name, split) not in self._found:
            self._found[name, split] = self._pictures.find(name, self._starts[split], place=place)
        return self._found[name, split]


def _rows(table: Table, base: Path, pictures: Pictures, faults: BoxFaults) -> Iterator[_Row]:
    columns, path = table.columns, table.path
    finder = _Finder(table, base, pictures)
    text = io.StringIO(read_text(path), newline="")
    reader = csv.reader(text, delimiter=columns.separator, strict=True)
    try:
        if columns.has_header:
            next(reader)
        for cells in reader:
            if any(cell.strip() for cell in cells):
                place = f"{path}:{reader.line_num}"
                row = _row([cell.strip() for cell in cells], table, place=place, finder=finder)
                if row is None:
                    faults.count(NO_FILE.replace("pictures", "rows"), place)
                else:
                    yield row
    except csv.Error as error:
        raise FormatError(
            f"{path}:{reader.line_num}: {error}", hint="check the quotes of this line"
        ) from error


def _row(cells: list[str], table: Table, *, place: str, finder: _Finder) -> _Row | None:
    """Return what a line says; None where its picture does not exist."""
    columns = table.columns
    _check_cells(cells, columns, place=place)
    split = _split(cells, table, place=place)
    path = finder.find(cells[columns.file], split, place=place)
    if path is None:
        return None
    label = normal(cells[columns.label]) if columns.label >= 0 else _ONE_CLASS
    texts = [cells[at] for at in columns.box]
    is_background = not any(texts) and (not label or columns.label < 0)
    values = None if is_background else _values(texts, columns, place=place)
    crowd = columns.crowd >= 0 and cells[columns.crowd].lower() in ("1", "1.0", "true", "yes")
    area = _number(cells[columns.area], place, "area") if columns.area >= 0 and cells[columns.area] else None
    declared = _declared([cells[at] if at >= 0 else "" for at in columns.size])
    return _Row(place, path, split, label, values, columns.kind or "corners", declared, crowd, area)


def _check_cells(cells: Sequence[str], columns: Columns, *, place: str) -> None:
    if len(cells) != len(columns.names):
        raise FormatError(
            f"{place}: {len(cells)} cells, but the header has {len(columns.names)} columns",
            hint="put names that contain the separator in double quotes; write 12.5, not 12,5",
        )
    if not cells[columns.file]:
        raise FormatError(
            f"{place}: the cell {columns.names[columns.file]!r} is empty", hint="name the picture file"
        )


def _split(cells: list[str], table: Table, *, place: str) -> str:
    if table.columns.split < 0:
        return table.split
    told = cells[table.columns.split]
    named = split_of(told)
    if named is None:
        raise LabelError(f"{place}: {told!r} is no split", hint="use train, val and test in every row")
    if table.split not in ("all", named):
        raise LabelError(f"{place}: a row of {named} in the table of {table.split}", hint="move the row")
    return named


def _starts(folder: Path, base: Path, split: str) -> list[Path]:
    """Return the folders in which a picture may lie, those of its split first."""
    tops = [top for each in dict.fromkeys((folder, base)) for top in (each, each / "images") if top.is_dir()]
    named = [sub for top in tops for sub in entries(top)[0] if split_of(sub.name) == split]
    return [*named, *(sub / "images" for sub in named), *tops]


def _values(texts: list[str], columns: Columns, *, place: str) -> XYXY:
    names = [columns.names[at] for at in columns.box]
    if columns.kind == "bbox":
        what = names[0]
        texts = re.split(r"[,;\s]+", texts[0].strip("[]() "))
        if len(texts) != 4:
            raise FormatError(
                f"{place}: {what} has {len(texts)} numbers, expected 4: [x, y, width, height]",
                hint="correct or remove the row",
            )
        names = [what] * 4
    a, b, c, d = (_number(text, place, name) for text, name in zip(texts, names, strict=True))
    return a, b, c, d


def _number(text: str, place: str, what: str) -> float:
    if re.fullmatch(r"-?\d+,\d+", text):
        raise FormatError(
            f"{place}: {what} is {text!r}, with a decimal comma", hint="write numbers with a point: 12.5"
        )
    return number(text, line=place, what=what)


def _declared(texts: list[str]) -> Size | None:
    try:
        height, width = (int(float(text)) for text in texts)
    except (ValueError, OverflowError):
        return None
    return (height, width) if height > 0 and width > 0 else None


def _settled(rows: list[_Row], notes: list[str]) -> list[_Row]:
    """Return the rows with four numbers in a cell taken for what fits the pictures: sides, else corners."""
    drawn = [(row.path, row.values) for row in rows if row.kind == "bbox" and row.values is not None]
    if not drawn:
        return rows
    paths = list(dict.fromkeys(path for path, _ in drawn))
    sizes = {path: info.size for path, info in zip(paths, picture_infos(paths), strict=True) if info}
    known = [(values, sizes[path]) for path, values in drawn if path in sizes]
    as_sides = all(_is_inside(a + c, b + d, size) for (a, b, c, d), size in known)
    as_corners = all(a <= c and b <= d and _is_inside(c, d, size) for (a, b, c, d), size in known)
    kind: Kind = "corners" if as_corners and not as_sides else "sides"
    if kind == "corners":
        notes.append("bbox was read as left, top, right, bottom: as x, y, width, height boxes stick out")
    return [replace(row, kind=kind) if row.kind == "bbox" else row for row in rows]


def _is_inside(right: float, bottom: float, size: Size) -> bool:
    return right <= size[1] + _STICKS_OUT_PX and bottom <= size[0] + _STICKS_OUT_PX


def _entries(rows: Sequence[_Row]) -> list[Entry]:
    """Return a picture for the rows that name it, in the order of the first."""
    grouped: dict[Path, list[_Row]] = {}
    for row in rows:
        group = grouped.setdefault(row.path, [])
        if group and group[0].split != row.split:
            raise LabelError(
                f"{row.place}: {row.path.name} is in {row.split}, but {group[0].place} has it in "
                f"{group[0].split}",
                hint="a picture belongs to one split; correct one of the rows",
            )
        group.append(row)
    return [
        Entry(
            path, group[0].split, group[0].place,
            tuple(_drawn(row, row.values) for row in group if row.values is not None), group[0].declared,
        )
        for path, group in grouped.items()
    ]  # fmt: skip


def _drawn(row: _Row, values: XYXY) -> Drawn:
    a, b, c, d = values
    edges = values
    if row.kind == "sides":
        edges = (a, b, a + c, b + d)
    elif row.kind == "centre":
        edges = (a - c / 2, b - d / 2, a + c / 2, b + d / 2)
    xyxy = (lambda size: _scaled(edges, size)) if row.kind == "fractions" else edges
    corners = row.kind in ("corners", "fractions")
    return Drawn(row.label, xyxy, row.place, row.crowd, row.area, corners=corners)


def _scaled(xyxy: XYXY, size: Size) -> XYXY:
    x1, y1, x2, y2 = xyxy
    return x1 * size[1], y1 * size[0], x2 * size[1], y2 * size[0]
