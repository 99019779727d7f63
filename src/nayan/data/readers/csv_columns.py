"""What the columns of a table of boxes mean, by the words of its header; and which tables there are."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from nayan.core.errors import FormatError
from nayan.core.image import looks_like_picture
from nayan.data.pictures import entries
from nayan.data.readers.base import read_text, split_of

Kind = Literal["corners", "sides", "centre", "bbox", "fractions"]
"""xmin ymin xmax ymax; x y width height; x_center y_center width height; four numbers in one cell; and
corners as fractions of the picture (Open Images)."""

_BOXES: tuple[tuple[Kind, tuple[str, ...]], ...] = (
    ("corners", ("xmin", "ymin", "xmax", "ymax")),
    ("corners", ("x_min", "y_min", "x_max", "y_max")),
    ("corners", ("x1", "y1", "x2", "y2")),
    ("corners", ("left", "top", "right", "bottom")),
    ("corners", ("xtl", "ytl", "xbr", "ybr")),
    ("centre", ("x_center", "y_center", "width", "height")),
    ("centre", ("x_center", "y_center", "w", "h")),
    ("centre", ("cx", "cy", "w", "h")),
    ("sides", ("x", "y", "w", "h")),
    ("sides", ("x", "y", "width", "height")),
    ("sides", ("left", "top", "width", "height")),
    ("sides", ("xmin", "ymin", "width", "height")),
    ("bbox", ("bbox",)),
    ("bbox", ("box",)),
)
_FILE = (
    "filename", "file_name", "file", "filepath", "file_path", "path", "image", "image_path", "image_name",
    "image_file", "imagepath", "img", "img_path", "img_name", "picture", "photo", "images", "image_id",
    "imageid", "img_id",
)  # fmt: skip
_LABEL = (
    "class", "label", "category", "class_name", "classname", "label_name", "labelname", "category_name",
    "target", "name", "object", "labels", "species", "class_id", "classid", "label_id", "category_id",
)  # fmt: skip
_SPLIT = ("split", "subset", "set", "partition", "dataset", "data_set")
_SIZES = (("width", "height"), ("image_width", "image_height"), ("img_width", "img_height"))
_CROWD = ("crowd", "iscrowd", "is_crowd", "isgroupof", "difficult")
_PREFIX = re.compile(r"(roi|bbox|box|bb)[._](?=.)")
_SUFFIXES = {".csv", ".tsv"}
_SEPARATORS = ",;\t|"
_FOLDERS = {"annotations", "annotation", "labels", "csv", "data"}
_WITHOUT_HEADER = ("path", "x1", "y1", "x2", "y2", "class")  # RetinaNet's


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns that matter, by position; -1 where there is none.

    Attributes:
        names: of all columns.
        separator: between cells.
        has_header: whether the first line names the columns.
        kind: how boxes are written; None where the table has none.
        box: the columns of its numbers, in their order.
        file: names the picture.
        label: names the class.
        split: names the split.
        size: (height, width) of the picture.
        crowd: 1 where a box stands for many.
        area: px^2.
    """

    names: tuple[str, ...]
    separator: str
    has_header: bool
    kind: Kind | None
    box: tuple[int, ...]
    file: int
    label: int
    split: int
    size: tuple[int, int]
    crowd: int
    area: int

    @property
    def usable(self) -> bool:
        """Whether rows name a picture and a box."""
        return self.kind is not None and self.file >= 0


@dataclass(frozen=True, slots=True)
class Table:
    """A table of boxes and the split that it is named after, "all" for none."""

    path: Path
    columns: Columns
    split: str


def columns_of(path: Path) -> Columns:
    """Return what the columns of a table mean.

    Raises:
        FormatError: if the file is no text.
    """
    first = read_text(path).partition("\n")[0].rstrip("\r")
    try:
        choices = {separator: next(csv.reader([first], delimiter=separator), []) for separator in _SEPARATORS}
    except csv.Error as error:
        raise FormatError(f"{path}:1: {error}", hint="is this a table with one row a line?") from error
    separator = max(_SEPARATORS, key=lambda separator: len(choices[separator]))
    cells = tuple(cell.strip() for cell in choices[separator])
    has_header = not _is_row(cells)
    names = cells if has_header else (*_WITHOUT_HEADER, *cells[6:])
    return _columns(names, separator, has_header=has_header)


def _is_row(cells: Sequence[str]) -> bool:
    """Return whether a first line is a picture with a box already, or with empty cells for none."""
    if len(cells) < len(_WITHOUT_HEADER) or not looks_like_picture(Path(cells[0])):
        return False
    return not any(cells[1:5]) or all(re.fullmatch(r"-?\d+(\.\d*)?", cell) for cell in cells[1:5])


def _columns(names: tuple[str, ...], separator: str, *, has_header: bool) -> Columns:
    raw = [re.sub(r"[\s-]+", "_", name.lower()) for name in names]
    words = [_PREFIX.sub("", word) for word in raw]
    kind, box = next(
        (
            (kind, tuple(words.index(word) for word in each))
            for kind, each in _BOXES
            if set(each) <= set(words)
        ),
        (None, ()),
    )
    if kind == "corners" and {"imageid", "isgroupof"} <= set(words):
        kind = "fractions"
    size = next(
        ((words.index(height), words.index(width)) for width, height in _SIZES
         if {width, height} <= set(words) and not {words.index(width), words.index(height)} & set(box)),
        (-1, -1),
    )  # fmt: skip
    at = [
        next((words.index(word) for word in known if word in words), -1)
        for known in (_FILE, _LABEL, _SPLIT, _CROWD, ("area",))
    ]
    return Columns(names, separator, has_header, kind, box, at[0], at[1], at[2], size, at[3], at[4])


def all_tables(root: Path) -> dict[Path, Columns]:
    """Return the tables of a folder, of its folders of splits and of annotations, or the one that is named.

    Raises:
        FormatError: if one is no text.
    """
    return {path: columns_of(path) for path in _paths(root)}


def _paths(root: Path) -> Iterator[Path]:
    if not root.is_dir():
        yield from [root] if root.suffix.lower() in _SUFFIXES else []
        return
    folders, files = entries(root)
    for folder in folders:
        if folder.name.lower() in _FOLDERS or split_of(folder.name):
            files += entries(folder)[1]
    yield from (file for file in files if file.suffix.lower() in _SUFFIXES)


def choose(root: Path) -> tuple[list[Table], list[str]]:
    """Return the tables to read, in the order of their paths, and sentences on those that are left out.

    Raises:
        FormatError: if there is none, or it is unclear which one is meant.
    """
    columns = all_tables(root)
    usable = [Table(path, each, _split(path, root)) for path, each in columns.items() if each.usable]
    if not usable:
        seen = "; ".join(f"{path.name}:1: {', '.join(each.names)}" for path, each in columns.items())
        raise FormatError(
            f"{root}: no table has columns of a file and a box ({seen or 'there is no table'})",
            hint="the first line must name the columns, such as filename,class,xmin,ymin,xmax,ymax",
        )
    named = [table for table in usable if table.split != "all"]
    chosen = named or usable
    for split in dict.fromkeys(table.split for table in chosen):
        same = [table.path.name for table in chosen if table.split == split]
        if len(same) > 1:
            what = "have columns of a file and a box" if split == "all" else f"are named after {split}"
            raise FormatError(
                f"{root}: several tables {what}: {', '.join(same)}", hint="name one as DATA, or remove one"
            )
    left = [path for path in columns if path not in [table.path for table in chosen]]
    return chosen, [f"left out: {path.name}, another table" for path in left]


def _split(path: Path, root: Path) -> str:
    """Return the split that a word of a table's name, or its folder, stands for."""
    words = re.split(r"[^a-z]+", path.stem.lower())
    folder = path.parent.name if path.parent != root else ""
    return next((split for word in (*words, folder) if (split := split_of(word))), "all")
