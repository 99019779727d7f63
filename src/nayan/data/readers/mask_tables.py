"""Tables that say which class a value of a mask stands for, in the ways that people write them.

classes.csv       id,name,r,g,b           (also class_dict.csv, _classes.csv, other orders and words)
classes.txt       one name a line; the first is 0 (also codes.txt, class_names.txt, labels.txt)
label_colors.txt  64 128 64<tab>Animal    (CamVid)
labelmap.txt      name:r,g,b:parts:actions (CVAT)
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from nayan.core.errors import FormatError, LabelError
from nayan.data.pictures import entries, normal
from nayan.data.readers.base import read_text, split_of

CSV_FILES = ("classes.csv", "class_dict.csv", "_classes.csv", "class_dict_seg.csv", "labels.csv")
TEXT_FILES = (
    *("labelmap.txt", "label_colors.txt", "classes.txt", "class_names.txt", "codes.txt", "labels.txt"),
    "label_names.txt",
)

_VOIDS = frozenset(
    {
        *("void", "ignore", "ignored", "ignorelabel", "unlabelled", "unlabeled", "unknown", "undefined"),
        *("dontcare", "unclassified", "outofroi", "nolabel", "unannotated"),
    }
)
_NAMES = ("name", "class", "label", "classname", "labelname", "category")
_IDS = ("id", "pixelvalue", "value", "index", "classid", "labelid", "number", "pixel")
_COLOURS = (("r", "g", "b"), ("red", "green", "blue"))
_CVAT = re.compile(r"(?P<name>.+?):(?P<colour>\d+,\d+,\d+)?:[^:]*:[^:]*")
_CAMVID = re.compile(r"(\d{1,3})\s+(\d{1,3})\s+(\d{1,3})\s+(\S.*)")


@dataclass(frozen=True, slots=True)
class Row:
    """A class of a table.

    Attributes:
        name: as it is written.
        id: its value in masks that hold numbers; its place in the table where that does not say it.
        colour: 0xRRGGBB; None where it has none.
    """

    name: str
    id: int
    colour: int | None = None

    @property
    def is_void(self) -> bool:
        """Whether it means that nothing is known of a pixel."""
        return is_void(self.name)


@dataclass(frozen=True, slots=True)
class Table:
    """The classes of a data set.

    Attributes:
        rows: in the order of the table.
        source: the file, or what else says so, for notes.
        only_lines: the ids are the lines' places, which nobody wrote down.
    """

    rows: tuple[Row, ...]
    source: str
    only_lines: bool = False

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of what can be learnt."""
        return tuple(row.name for row in self.rows if not row.is_void)


def is_void(name: str) -> bool:
    """Return whether a class of this name means that nothing is known.

    >>> is_void("Don't care"), is_void("Void"), is_void("avoid")
    (True, True, False)
    """
    return re.sub(r"[\W_]", "", name.casefold()) in _VOIDS


def find_table(folders: Iterable[Path]) -> Table | None:
    """Return the first table that lies in one of the folders; None without one.

    Raises:
        FormatError: if a table of a known name cannot be understood, with the line.
        LabelError: if a name, an id or a colour stands twice.
    """
    for folder in folders:
        named = {file.name.lower(): file for file in entries(folder)[1]}
        for name in (*CSV_FILES, *TEXT_FILES):
            if name in named:
                path = named[name]
                rows = tuple(_csv_rows(path) if name in CSV_FILES else _text_rows(path))
                if rows:
                    _check_once(rows, path)
                    lines = name in TEXT_FILES and all(row.colour is None for row in rows)
                    return Table(rows, path.name, only_lines=lines)
    return None


def table_folders(root: Path) -> Iterator[Path]:
    """Yield where a table may lie: in the data set, in its folders, last in those of splits (Roboflow)."""
    yield root
    yield from sorted(entries(root)[0], key=lambda folder: (split_of(folder.name) is not None, folder.name))


def _csv_rows(path: Path) -> Iterator[Row]:
    """Yield the rows of a table with a header that names the class."""
    text = read_text(path)
    try:
        separator = csv.Sniffer().sniff(text[:4096].splitlines()[0], ",;\t|").delimiter
    except (csv.Error, IndexError):
        separator = ","
    lines = list(csv.reader(io.StringIO(text), delimiter=separator))
    header = [re.sub(r"[\W_]", "", cell.casefold()) for cell in lines[0]] if lines else []
    at_name = next((header.index(word) for word in _NAMES if word in header), None)
    if at_name is None:
        return  # a table of pictures, of another format
    at_id = next((header.index(word) for word in _IDS if word in header), None)
    at_colour = next(([header.index(c) for c in rgb] for rgb in _COLOURS if set(rgb) <= set(header)), None)
    if at_id is None and at_colour is None and len(header) > 1:
        return
    number = 0
    for line, cells in enumerate(lines[1:], start=2):
        if not any(cell.strip() for cell in cells):
            continue
        place = f"{path}:{line}"
        if len(cells) < len(header):
            raise FormatError(f"{place}: {len(cells)} cells, but the header has {len(header)}",
                              hint="complete the line")  # fmt: skip
        colour = None if at_colour is None else _colour([cells[at] for at in at_colour], place)
        id = number if at_id is None else _number(cells[at_id], place, most=65535)
        yield Row(_name(cells[at_name], place), id, colour)
        number += 1


def _text_rows(path: Path) -> Iterator[Row]:
    """Yield the classes of a text: one name a line, perhaps with its colour."""
    number = 0
    for line, raw in enumerate(read_text(path).splitlines(), start=1):
        text, place = raw.strip(), f"{path}:{line}"
        if not text or text.startswith("#"):
            continue
        cvat, camvid = _CVAT.fullmatch(text), _CAMVID.fullmatch(text)
        if cvat:
            colour = _colour(cvat["colour"].split(","), place) if cvat["colour"] else None
            yield Row(_name(cvat["name"], place), number, colour)
        elif camvid:
            *rgb, name = camvid.groups()
            yield Row(_name(name, place), number, _colour(rgb, place))
        elif text == "__ignore__":  # LabelMe's line before the first class
            continue
        else:
            name = "background" if text == "_background_" else text
            yield Row(_name(name, place), number)
        number += 1


def _name(text: str, place: str) -> str:
    name = normal(text.strip())
    if not name:
        raise FormatError(f"{place}: the name of the class is missing", hint="complete the line")
    return name


def _number(text: str, place: str, *, most: int) -> int:
    try:
        value = int(text.strip())
    except ValueError:
        value = -1
    if not 0 <= value <= most:
        raise FormatError(f"{place}: {text.strip()!r:.30} is no whole number from 0 to {most}",
                          hint="correct the line")  # fmt: skip
    return value


def _colour(parts: Sequence[str], place: str) -> int:
    red, green, blue = (_number(part, place, most=255) for part in parts)
    return red << 16 | green << 8 | blue


def _check_once(rows: Sequence[Row], path: Path) -> None:
    for what in ("name", "id", "colour"):
        values = [getattr(row, what) for row in rows if getattr(row, what) is not None]
        twice = next((value for number, value in enumerate(values) if value in values[:number]), None)
        if twice is not None and not (what == "name" and is_void(str(twice))):
            shown = f"{twice >> 16},{twice >> 8 & 255},{twice & 255}" if what == "colour" else repr(twice)
            raise LabelError(f"{path}: the {what} {shown} stands twice", hint="a class has one line")


VOC_CLASSES = (
    *("background", "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow"),
    *("diningtable", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train"),
    "tvmonitor",
)
"""Of Pascal VOC (Everingham et al. 2010), as its masks and published segmenters count them."""
_CITYSCAPES = {
    7: "road", 8: "sidewalk", 11: "building", 12: "wall", 13: "fence", 17: "pole", 19: "traffic light",
    20: "traffic sign", 21: "vegetation", 22: "terrain", 23: "sky", 24: "person", 25: "rider", 26: "car",
    27: "truck", 28: "bus", 31: "train", 32: "motorcycle", 33: "bicycle",
}  # fmt: skip
_CITYSCAPES_IDS = 34  # from 0; the others are neither learnt nor judged


def voc_colour(number: int) -> int:
    """Return the colour of a number in the palette of Pascal VOC, as 0xRRGGBB.

    Its bits are dealt out to red, green and blue in turn, from the highest bit of each on.

    Source: Everingham et al. (2010), The PASCAL Visual Object Classes Challenge; VOC2012 development kit.

    >>> f"{voc_colour(15):06x}", f"{voc_colour(255):06x}"
    ('c08080', 'e0e0c0')
    """
    parts = [0, 0, 0]
    for bit in range(8):
        for channel in range(3):
            parts[channel] |= (number >> (3 * bit + channel) & 1) << (7 - bit)
    return parts[0] << 16 | parts[1] << 8 | parts[2]


def voc_table() -> Table:
    """Return the 20 classes of Pascal VOC with the background, and the border around objects as void."""
    rows = [Row(name, number, voc_colour(number)) for number, name in enumerate(VOC_CLASSES)]
    return Table((*rows, Row("void", 255, voc_colour(255))), "Pascal VOC")


def cityscapes_table(*, train_ids: bool) -> Table:
    """Return the 19 classes of Cityscapes that are judged; its other ids are void.

    Args:
        train_ids: the masks hold 0 to 18 already (`_labelTrainIds`), not the ids of all 34 labels.

    Source: Cordts et al. (2016), arXiv:1604.01685, and github.com/mcordts/cityscapesScripts.
    """
    if train_ids:
        rows = [Row(name, number) for number, name in enumerate(_CITYSCAPES.values())]
        return Table((*rows, Row("void", 255)), "Cityscapes")
    others = [number for number in range(_CITYSCAPES_IDS) if number not in _CITYSCAPES]
    rows = [Row(name, number) for number, name in _CITYSCAPES.items()]
    return Table((*rows, *(Row("void", number) for number in others)), "Cityscapes")
