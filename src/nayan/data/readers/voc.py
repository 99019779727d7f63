"""Pascal VOC: one XML file for each picture, with the corners of its objects.

DATA/
├── Annotations/*.xml              also beside the pictures, or in train/ val/ test/
├── JPEGImages/*.jpg
├── ImageSets/Main/train.txt       names without suffix, one a line; val.txt, test.txt
└── labels.txt                     the classes in their order, else they are sorted; also labelmap.txt (CVAT)

`xmin ymin xmax ymax` name the first and last pixels of an object, counted from 1, as in the original data:
the box is (xmin - 1, ymin - 1, xmax, ymax). A data set with a coordinate of 0 counts from 0 instead; its
numbers are taken as edges, as the tools that write it mean them. An object whose xmin equals its xmax has
no area, unless an `<area>` says that one pixel is meant. `difficult` objects become crowds: nothing is
learnt from them and nothing found there counts as wrong, as in the challenge.

The name of the XML file decides which picture is meant, then `<filename>`. What else an object says (pose,
truncated, parts, ...) is kept in `info["voc"]` for writing.

Source: Everingham et al. (2010), The PASCAL Visual Object Classes Challenge; VOC2012 development kit.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from xml.etree.ElementTree import SubElement, indent, tostring

from nayan.core.types import Dataset, Size
from nayan.data.pictures import normal
from nayan.data.readers.annotated import (
    NO_ENTRY,
    NO_FILE,
    Drawn,
    Entry,
    Found,
    Pictures,
    assemble,
    declared_classes,
)
from nayan.data.readers.annotated_writing import (
    Written,
    check_class,
    place_in,
    plain,
    size_of,
    write_classes,
    written_boxes,
)
from nayan.data.readers.base import SPLITS, Sniff, check_new, write_picture
from nayan.data.readers.boxes import EMPTY, XYXY, BoxFaults, Place, number
from nayan.data.readers.outlines import around_turned
from nayan.data.readers.voc_layout import find_base, find_layout, first_annotation
from nayan.data.readers.xml_tree import Element, place_of, read_xml, text_of

_CORNERS = ("xmin", "ymin", "xmax", "ymax")
_OWN = {"name", "bndbox", "robndbox", "difficult", "area"}
_OTHERS = {"filename", "folder", "path", "size", "object"}

_NO_BOX = "left out: {boxes} without a bndbox"
_ROTATED = "the upright box around it stands for a rotated one: {boxes}"
_DIFFICULT = "marked difficult, so that nothing is learnt from them: {boxes}"
_RENAMED = "the name of the file decides, not the <filename> within: {files}"
_NOT_VOC = "left out: {files} that are no annotations of VOC"

Facts = tuple[tuple[str, "str | Facts"], ...]
"""Elements as (tag, text or what is inside)."""


class VocReader:
    """One XML file a picture."""

    name = "voc"
    summary = "Annotations/*.xml with JPEGImages/ and ImageSets/Main/*.txt; or .xml files beside the pictures"

    def sniff(self, root: Path) -> Sniff:
        """Say whether one of the first XML files begins with `<annotation>`."""
        if not root.is_dir():
            return Sniff(0.0, "it is a file")
        first = first_annotation(find_base(root))
        if first is None:
            return Sniff(0.0, "no .xml file begins with <annotation>")
        return Sniff(0.97, f"{first.relative_to(root).as_posix()} begins with <annotation>")

    def splits(self, root: Path) -> tuple[str, ...]:
        """Return the splits that lists or folders are named after.

        Raises:
            DataError: as `read`.
        """
        named = {split for _, split in find_layout(root, BoxFaults(root)).files}
        return tuple(split for split in SPLITS if split in named)

    def read(self, root: Path, split: str) -> Dataset:
        """Return the pictures of a split by id; classes are those of `labels.txt`, else sorted by name.

        Raises:
            FormatError: if a file is no XML, or a coordinate no number; with file and line.
            LabelError: if an object has no class or one that is not declared, or two lists name a picture.
            DataError: if no annotated picture exists.
            NotFound: if there is no such split.
        """
        faults = BoxFaults(root)
        layout = find_layout(root, faults)
        classes, declared = declared_classes(layout.base)
        pictures = Pictures(layout.base)
        trees = {path: read_xml(path) for path, _ in layout.files}
        from_one = _counts_from_one(trees)
        found: list[Entry] = []
        missing: list[Entry] = []
        for path, part in layout.files:
            tree = trees[path]
            if tree.tag != "annotation":
                faults.count(_NOT_VOC, str(path))
                continue
            heard = faults if split in ("all", part) else BoxFaults(root)
            reading = _Reading(path, tree, base=layout.base, faults=heard)
            picture = reading.picture(pictures)
            entry = reading.entry(picture or path, part, from_one=from_one)
            (missing if picture is None else found).append(entry)
        for entry in missing:
            if split in ("all", entry.split):
                faults.count(NO_FILE, entry.place)
        for picture in pictures.unnamed(found) if split in ("all", "train") else ():
            faults.count(NO_ENTRY, str(picture))
        notes = () if from_one else ("the coordinates count from 0, for some are 0: taken as they are",)
        everything = Found(layout.base, tuple(found), classes, declared, notes)
        return assemble(
            everything, root=root, split=split, format=self.name, faults=faults, pixels="corners in pixels"
        )

    def write(self, splits: Mapping[str, Dataset], root: Path) -> None:
        """Write `Annotations/`, `JPEGImages/`, `ImageSets/Main/` and `labels.txt`.

        Raises:
            DataError: if the folder is not empty.
            LabelError: if nothing is known of the objects of a picture, or XML cannot hold a class's name.
        """
        check_new(root)
        lists = root / "ImageSets" / "Main"
        lists.mkdir(parents=True)
        for split, data in splits.items():
            for name in data.classes:
                check_class(name)
            names = [_write_sample(data, at, root) for at in range(len(data))]
            text = "".join(f"{name}\n" for name in names)
            # Without splits a list of another name keeps folders such as train/ from being taken for them.
            (lists / f"{'default' if split == 'all' else split}.txt").write_text(text, encoding="utf-8")
            write_classes(data.classes, root / "labels.txt")


class _Reading:
    """One annotation, with what finds its lines."""

    def __init__(self, path: Path, tree: Element, *, base: Path, faults: BoxFaults) -> None:
        self._path = path
        self._base = base
        self._tree = tree
        self._faults = faults

    def picture(self, pictures: Pictures) -> Path | None:
        """Return the picture of the annotation: of its own name, else of the name that it tells."""
        told = text_of(self._tree, "filename").replace("\\", "/").rpartition("/")[2]
        twin = self._path.relative_to(self._base).with_suffix("")  # its folders tell equal names apart
        place = str(self._path)
        if told and normal(Path(told).stem) == normal(twin.name):
            exact = pictures.find(twin.with_name(told).as_posix(), (), place=place)
            if exact is not None:
                return exact
        found = pictures.find(twin.as_posix(), (), place=place)
        if not told or (found is not None and normal(Path(told).stem) == normal(twin.name)):
            return found
        if found is None:
            return pictures.find(twin.with_name(told).as_posix(), (), place=place)
        self._faults.count(_RENAMED, self._place("filename"))
        return found

    def _place(self, tag: str) -> Place:
        element = self._tree.find(tag)
        return str(self._path) if element is None else place_of(self._path, self._tree, element)

    def entry(self, picture: Path, split: str, *, from_one: bool) -> Entry:
        """Return what the annotation says.

        Raises:
            FormatError: if a coordinate is no number.
        """
        drawn = [self._object(each, from_one=from_one) for each in self._tree.iter("object")]
        objects = tuple(each for each in drawn if each is not None)
        facts = tuple(_facts(child) for child in self._tree if child.tag not in _OTHERS)
        return Entry(picture, split, str(self._path), objects, self._declared(), facts or None)

    def _declared(self) -> Size | None:
        sides = [text_of(self._tree, f"size/{side}") for side in ("height", "width")]
        try:
            height, width = (int(float(side)) for side in sides)
        except (ValueError, OverflowError):
            return None
        return (height, width) if height > 0 and width > 0 else None

    def _object(self, element: Element, *, from_one: bool) -> Drawn | None:
        line = place_of(self._path, self._tree, element)
        area = text_of(element, "area")
        stated = number(area, line=line, what="area") if area else None
        box = element.find("bndbox")
        if box is not None and any(text_of(box, corner) for corner in _CORNERS):
            xyxy = self._corners(box, from_one=from_one, stated=stated is not None)
        elif (turned := element.find("robndbox")) is not None:
            xyxy = self._turned(turned)
            self._faults.count(_ROTATED, line)
        else:
            self._faults.count(_NO_BOX, line)
            return None
        if xyxy is None:
            self._faults.count(EMPTY, line)
            return None
        difficult = text_of(element, "difficult").lower() in ("1", "true", "yes")
        if difficult:
            self._faults.count(_DIFFICULT, line)
        facts = tuple(_facts(child) for child in element if child.tag not in _OWN)
        label = normal(text_of(element, "name"))
        return Drawn(label, xyxy, line, crowd=difficult, area=stated, facts=facts or None)

    def _corners(self, box: Element, *, from_one: bool, stated: bool) -> XYXY | None:
        """Return the box between first and last pixels; None for one that has no area as it is written."""
        line = place_of(self._path, self._tree, box)
        x1, y1, x2, y2 = (number(text_of(box, corner), line=line, what=corner) for corner in _CORNERS)
        if not from_one:
            return x1, y1, x2, y2
        if not stated and (x1 == x2 or y1 == y2):
            return None
        left, right = _edges(x1, x2, stated=stated)
        top, bottom = _edges(y1, y2, stated=stated)
        return left, top, right, bottom

    def _turned(self, box: Element) -> XYXY:
        """Return the box around a rotated one (roLabelImg: centre, sides, angle in radians)."""
        line = place_of(self._path, self._tree, box)
        cx, cy, width, height, angle = (
            number(text_of(box, each), line=line, what=each) for each in ("cx", "cy", "w", "h", "angle")
        )
        upright = (cx - width / 2, cy - height / 2, cx + width / 2, cy + height / 2)
        return around_turned(upright, math.degrees(angle))


def _edges(first: float, last: float, *, stated: bool) -> tuple[float, float]:
    """Return the edges of the pixels from `first` to `last`, counted from 1; exchanged if these are.

    A box of less than a pixel, whose area is stated, ends before the pixel that it begins with.

    >>> _edges(1, 10, stated=False), _edges(10, 1, stated=False), _edges(4.25, 3.75, stated=True)
    ((0, 10), (10, 0), (3.25, 3.75))
    """
    if first <= last or (stated and first - 1 < last):
        return first - 1, last
    return first, last - 1


def _counts_from_one(trees: Mapping[Path, Element]) -> bool:
    """Return whether no object begins at 0, in any split."""
    boxes = itertools.chain.from_iterable(tree.iter("bndbox") for tree in trees.values())
    return not any(_is_zero(text_of(box, side)) for box in boxes for side in ("xmin", "ymin"))


def _is_zero(text: str) -> bool:
    try:
        return 0 <= float(text) < 1
    except ValueError:  # told with its line when the object is read
        return False


def _facts(element: Element) -> tuple[str, str | Facts]:
    return element.tag, tuple(_facts(child) for child in element) or text_of(element)


def _add(parent: Element, facts: Sequence[tuple[str, str | Facts]]) -> None:
    for tag, inside in facts:
        child = SubElement(parent, tag)
        if isinstance(inside, str):
            child.text = inside
        else:
            _add(child, inside)


def _write_sample(data: Dataset, at: int, root: Path) -> str:
    """Write a picture and its annotation, and return the name that goes into the list."""
    sample = data.samples[at]
    pictures, annotations = root / "JPEGImages", root / "Annotations"
    target = place_in(sample, "all", pictures, twins=annotations, suffix=".xml")
    name = target.relative_to(pictures).with_suffix("")
    write_picture(sample, target)
    size = size_of(target)
    tree = Element("annotation")
    _add(tree, (("folder", "JPEGImages"), ("filename", target.name)))
    _add(tree, (("size", (("width", str(size[1])), ("height", str(size[0])), ("depth", "3"))),))
    _add(tree, data.info.get("voc", {}).get("pictures", {}).get(sample.id, ()))
    for box in written_boxes(sample, data, "voc"):
        _add_object(tree, box)
    indent(tree, "\t")
    path = annotations / name.with_name(f"{name.name}.xml")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(tostring(tree, encoding="utf-8"))
    return name.as_posix()


def _add_object(tree: Element, box: Written) -> None:
    x1, y1, x2, y2 = box.xyxy
    corners = (x1 + 1, y1 + 1, x2, y2)
    # A box of one pixel or less would read as one without area.
    thin = corners[0] >= corners[2] or corners[1] >= corners[3]
    area = box.covered if thin else box.area
    element = SubElement(tree, "object")
    _add(element, (("name", box.label), *(box.facts or ()), ("difficult", str(int(box.crowd)))))
    if area is not None:
        _add(element, (("area", plain(area)),))
    _add(element, (("bndbox", tuple(zip(_CORNERS, map(plain, corners), strict=True))),))
