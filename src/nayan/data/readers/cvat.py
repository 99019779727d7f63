"""CVAT for images 1.1: one XML file with the shapes of all pictures.

DATA/                    <annotations><version>1.1</version>
├── annotations.xml        <meta><task><labels><label><name>cup</name></label>...</labels></task></meta>
└── images/*.jpg           <image id="0" name="1.jpg" subset="train" width="640" height="480">
                             <box label="cup" xtl="12" ytl="30.5" xbr="80" ybr="95" occluded="0" />

Coordinates are edges in pixels of the upright picture. Boxes, rotated boxes, polygons, ellipses and masks
become the upright boxes around them; points, lines, skeletons, cuboids and tags are left out. The classes
are those that the file declares, in its order. Every picture of a task counts as annotated: one without
shapes belongs to the background. Tracks of videos have to be exported as images.

Source: docs.cvat.ai, "XML annotation format", version 1.1.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from xml.etree.ElementTree import SubElement, indent, tostring

from nayan.core.errors import DataError, FormatError
from nayan.core.types import Dataset, Size
from nayan.data.pictures import entries, normal
from nayan.data.readers.annotated import NO_ENTRY, NO_FILE, Drawn, Entry, Found, Pictures, assemble
from nayan.data.readers.annotated_writing import (
    Written,
    check_class,
    place_in,
    plain,
    size_of,
    written_boxes,
)
from nayan.data.readers.base import SPLITS, Sniff, check_new, split_of, write_picture
from nayan.data.readers.boxes import XYXY, BoxFaults, Place, number, where
from nayan.data.readers.outlines import Point, around, around_ellipse, around_turned
from nayan.data.readers.xml_tree import Element, place_of, read_xml, text_of

_HEAD_BYTES = 2048
_ROOT = re.compile(rb"<annotations[\s>]")
_LABELS = ("meta/task/labels/label", "meta/project/labels/label", "meta/job/labels/label")
_NO_AREA = {"points", "polyline", "skeleton", "cuboid", "tag"}
_SHAPES = {"box", "polygon", "ellipse", "mask"}
_PLACING = {
    "label", "xtl", "ytl", "xbr", "ybr", "rotation", "points", "cx", "cy", "rx", "ry", "left", "top", "width",
    "height", "rle",
}  # fmt: skip
_EXTRA = ("crowd", "area")  # attributes that nayan writes

_LEFT_OUT = "left out: {boxes} that are no areas but points, lines, skeletons, cuboids or tags"
_AROUND = "the upright box around it stands for a polygon, ellipse, mask or rotated box: {boxes}"


class CvatReader:
    """`annotations.xml` with the shapes of all pictures."""

    name = "cvat"
    summary = "annotations.xml of CVAT for images 1.1, with the pictures in images/ or beside it"

    def sniff(self, root: Path) -> Sniff:
        """Say whether an XML file begins with `<annotations>`."""
        found = _candidates(root)
        if not found:
            return Sniff(0.0, "no .xml file begins with <annotations>")
        return Sniff(0.97, f"{found[0].name} begins with <annotations>")

    def splits(self, root: Path) -> tuple[str, ...]:
        """Return the splits that the subsets of the pictures are named after.

        Raises:
            DataError: as `read`.
        """
        images = read_xml(_file(root)).iter("image")
        named = {split_of(image.get("subset", "")) for image in images}
        return tuple(split for split in SPLITS if split in named)

    def read(self, root: Path, split: str) -> Dataset:
        """Return the pictures of a split by id; the classes are those that the file declares.

        Raises:
            FormatError: if the file is no XML, a coordinate is no number, or it holds tracks of a video.
            LabelError: if a shape is of a class that is not declared.
            DataError: if no picture exists.
            NotFound: if there is no such split.
        """
        path = _file(root)
        base = root if root.is_dir() else root.parent
        faults = BoxFaults(base)
        reading = _Reading(path, read_xml(path))
        reading.check()
        pictures = Pictures(base)
        found: list[Entry] = []
        for image in reading.tree.iter("image"):
            part = split_of(image.get("subset", "")) or "all"
            entry = reading.entry(
                image, part, pictures, faults if split in ("all", part) else BoxFaults(base)
            )
            if entry is not None:
                found.append(entry)
        if any(entry.split != "all" for entry in found):
            found = [entry for entry in found if entry.split != "all"]
        for picture in pictures.unnamed(found) if root.is_dir() and split in ("all", "train") else ():
            faults.count(NO_ENTRY, str(picture))
        classes = reading.classes()
        everything = Found(base, tuple(found), classes, path if classes else None)
        return assemble(
            everything, root=root, split=split, format=self.name, faults=faults, pixels="edges in pixels"
        )

    def write(self, splits: Mapping[str, Dataset], root: Path) -> None:
        """Write `annotations.xml` and the pictures in `images/`; splits are the subsets of the pictures.

        Raises:
            DataError: if the folder is not empty.
            LabelError: if nothing is known of the objects of a picture, or XML cannot hold a class's name.
        """
        check_new(root)
        root.mkdir(parents=True, exist_ok=True)
        tree = Element("annotations")
        SubElement(tree, "version").text = "1.1"
        labels = SubElement(SubElement(SubElement(tree, "meta"), "task"), "labels")
        for name in next(iter(splits.values())).classes:
            check_class(name)
            SubElement(SubElement(labels, "label"), "name").text = name
        for split, data in splits.items():
            for sample in data.samples:
                target = place_in(sample, split, root / "images")
                write_picture(sample, target)
                height, width = size_of(target)
                image = SubElement(tree, "image", {
                    "id": str(len(tree) - 2), "name": target.relative_to(root / "images").as_posix(),
                    **({} if split == "all" else {"subset": split}),
                    "width": str(width), "height": str(height),
                })  # fmt: skip
                for box in written_boxes(sample, data, self.name):
                    _add_box(image, box)
        indent(tree)
        (root / "annotations.xml").write_bytes(tostring(tree, encoding="utf-8", xml_declaration=True))


def _candidates(root: Path) -> list[Path]:
    files = entries(root)[1] if root.is_dir() else [root]
    return [path for path in files if path.suffix.lower() == ".xml" and _looks_like_cvat(path)]


def _looks_like_cvat(path: Path) -> bool:
    try:
        with path.open("rb") as stream:
            return _ROOT.search(stream.read(_HEAD_BYTES).replace(b"\0", b"")) is not None
    except OSError:
        return False


def _file(root: Path) -> Path:
    found = _candidates(root)
    if not found:
        raise DataError(
            f"{root}: no .xml file begins with <annotations>", hint="name the folder with annotations.xml"
        )
    if len(found) > 1:
        raise FormatError(
            f"{root}: {found[0].name} and {found[1].name} could both be the annotations",
            hint="name one of them as DATA",
        )
    return found[0]


class _Reading:
    """The file, with what finds its lines."""

    def __init__(self, path: Path, tree: Element) -> None:
        self.tree = tree
        self._path = path

    def place(self, element: Element) -> Place:
        return place_of(self._path, self.tree, element)

    def check(self) -> None:
        """Raise FormatError for the tracks of a video."""
        track = self.tree.find("track")
        if track is not None:
            raise FormatError(
                f"{where(self.place(track))}: holds tracks of a video",
                hint='export the task as "CVAT for images 1.1", which gives every frame as a picture',
            )

    def classes(self) -> tuple[str, ...]:
        """Return the declared names in their order, each once; those of parts of skeletons are none."""
        labels = [label for path in _LABELS for label in self.tree.findall(path)]
        names = [normal(text_of(label, "name")) for label in labels if not text_of(label, "parent")]
        return tuple(dict.fromkeys(name for name in names if name))

    def entry(self, image: Element, split: str, pictures: Pictures, faults: BoxFaults) -> Entry | None:
        """Return what an image holds; None where its file does not exist."""
        place = self.place(image)
        name = image.get("name", "")
        folder = self._path.parent
        tops = (folder / "images", folder)
        subset = image.get("subset", "")
        starts = [top / sub for sub in dict.fromkeys((subset, split, "")) for top in tops]
        path = pictures.find(name, starts, place=place) if name else None
        if path is None:
            faults.count(NO_FILE, place)
            return None
        drawn = [self._drawn(shape, faults) for shape in image]
        objects = tuple(each for each in drawn if each is not None)
        return Entry(path, split, place, objects, _declared(image))

    def _drawn(self, shape: Element, faults: BoxFaults) -> Drawn | None:
        line = self.place(shape)
        if shape.tag in _NO_AREA:
            faults.count(_LEFT_OUT, line)
        if shape.tag not in _SHAPES:
            return None
        own = shape.tag == "box" and not self._has_turn(shape)
        if not own:
            faults.count(_AROUND, line)
        attributes = {each.get("name", ""): text_of(each) for each in shape.findall("attribute")}
        area = number(attributes["area"], line=line, what="area") if attributes.get("area") else None
        facts = {
            "shape": {key: value for key, value in shape.attrib.items() if key not in _PLACING},
            "attributes": {key: value for key, value in attributes.items() if key not in _EXTRA},
        }
        label = normal(shape.get("label", "").strip())
        crowd = attributes.get("crowd") == "true"
        return Drawn(label, self._outline(shape, line), line, crowd, area, corners=own, facts=facts)

    def _has_turn(self, shape: Element) -> bool:
        return number(shape.get("rotation", "0"), line=self.place(shape), what="rotation") % 360 != 0

    def _outline(self, shape: Element, line: Place) -> XYXY:
        def value(name: str, default: str = "") -> float:
            return number(shape.get(name, default), line=line, what=name)

        if shape.tag == "box":
            upright = (value("xtl"), value("ytl"), value("xbr"), value("ybr"))
            return around_turned(upright, value("rotation", "0"))
        if shape.tag == "ellipse":
            return around_ellipse(
                (value("cx"), value("cy")), (value("rx"), value("ry")), value("rotation", "0")
            )
        if shape.tag == "mask":
            left, top = value("left"), value("top")
            return left, top, left + value("width"), top + value("height")
        return around([_point(text, line) for text in shape.get("points", "").split(";") if text.strip()])


def _point(text: str, line: Place) -> Point:
    x, _, y = text.partition(",")
    return number(x.strip(), line=line, what="x"), number(y.strip(), line=line, what="y")


def _declared(image: Element) -> Size | None:
    try:
        height, width = (int(image.get(side, "")) for side in ("height", "width"))
    except ValueError:
        return None
    return (height, width) if height > 0 and width > 0 else None


def _add_box(image: Element, box: Written) -> None:
    facts = box.facts or {"shape": {"occluded": "0", "source": "manual"}, "attributes": {}}
    corners = dict(zip(("xtl", "ytl", "xbr", "ybr"), map(plain, box.xyxy), strict=True))
    element = SubElement(image, "box", {"label": box.label, **corners, **facts["shape"]})
    attributes = dict(facts["attributes"])
    if box.crowd:
        attributes["crowd"] = "true"
    if box.area is not None:
        attributes["area"] = plain(box.area)
    for name, text in attributes.items():
        SubElement(element, "attribute", {"name": name}).text = text
