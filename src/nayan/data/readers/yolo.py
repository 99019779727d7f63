"""YOLO's text files: one of labels for each picture, in a folder that is the twin of the pictures'.

DATA/
├── data.yaml          path, train, val, test, names (a list, or numbers with names)
├── images/train/*.jpg     (also train/images/*.jpg, or pictures and labels side by side)
└── labels/train/*.txt     class x_center y_center width height, as fractions of the picture

An empty or missing file of labels is a picture of the background. Without `data.yaml` the names may stand
in `classes.txt`. Coordinates are written in double precision, which keeps what is above a thousandth of a
pixel; crowds and areas have no place in this format.

Source: Redmon et al. (2016), You Only Look Once, and the darknet code's label files.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import yaml

from nayan.core.errors import DataError, FormatError, LabelError
from nayan.core.image import ImageInfo, looks_like_picture, probe
from nayan.core.types import Boxes, Dataset, Sample
from nayan.data.headers import picture_infos
from nayan.data.pictures import entries, normal, walk
from nayan.data.readers.base import (
    Sniff,
    check_ids,
    check_new,
    check_split,
    file_name,
    read_text,
    split_of,
    unused,
    write_picture,
)
from nayan.data.readers.boxes import UNREADABLE, BoxFaults, BoxSet, box_notes, box_sample, boxes_of
from nayan.data.readers.yolo_layout import NAME_FILES, Layout, find_layout, find_yaml, label_folder, stems
from nayan.data.readers.yolo_rows import Row, fractions, read_rows

_MOST_CLASSES = 10_000  # that nobody names
_LOOKED_AT = 50  # label files, for one with a row
_NO_FILE = "left out: {pictures} of a list, whose file does not exist"
_MISSING = "background, for want of a file of labels: {pictures}"
_UNLABELLED = "left without a target: {pictures} of a folder that has no folder of labels"
_POLYGON = "the box around it stands for a polygon: {rows}"
_ORPHAN = "left out: {files} of labels without a picture"


class YoloReader:
    """`data.yaml`, `images/` and `labels/`, or pictures and labels side by side."""

    name = "yolo"
    summary = "data.yaml with images/ and labels/*.txt of rows `class x_center y_center width height`"

    def sniff(self, root: Path) -> Sniff:
        """Say whether there is a YAML file with names of classes, or labels in the twins of folders."""
        if not root.is_dir() and root.suffix.lower() not in (".yaml", ".yml"):
            return Sniff(0.0, "it is a file, but no .yaml")
        table = None
        try:
            table = find_yaml(root)
            layout = find_layout(root)
        except (FormatError, LabelError) as error:
            # Where a YAML file speaks of classes, `read` tells the user what to correct in it.
            return Sniff(0.6 if table is not None else 0.1, error.message)
        except DataError as error:
            return Sniff(0.0, error.message)
        if table is not None and layout.classes:
            count = len(layout.classes)
            return Sniff(0.95, f"{table.name} names {count} class{'' if count == 1 else 'es'}")
        label = first_label(layout)
        if label is None:
            return Sniff(0.0, "no .txt file beside or below labels/ has rows of a class and a box")
        apart = "labels" in (part.lower() for part in label.relative_to(layout.base).parts[:-1])
        return Sniff(0.9 if apart else 0.7, f"{label.relative_to(layout.base)} has rows of a class and a box")

    def splits(self, root: Path) -> tuple[str, ...]:
        """Return the splits that `data.yaml` or the folders name.

        Raises:
            FormatError, LabelError: as `read`.
        """
        return find_layout(root).splits

    def read(self, root: Path, split: str) -> Dataset:
        """Return the pictures of a split by id, with boxes in pixels.

        Raises:
            FormatError: if `data.yaml` or a row cannot be understood, with file and line.
            LabelError: if a class is not declared, or a name stands twice.
            DataError: if there is no picture, or nothing labels those to train on.
            NotFound: if there is no such split.
        """
        layout = find_layout(root)
        check_split(split, layout.splits)
        faults = BoxFaults(layout.base)
        names = layout.sources if split == "all" else (split,)
        pictures = {
            normal(Path(os.path.relpath(file, layout.base)).as_posix()): file
            for name in names
            for source in layout.sources[name]
            for file in _pictures(source, layout, faults)
        }
        if not pictures:
            raise DataError(f"{root}: {split} has no picture", hint="check the folders that data.yaml names")
        rows = _labels(pictures, layout, faults)
        if split in ("train", "all") and all(found is None for found in rows.values()):
            first = next(iter(pictures.values()))
            expected = label_folder(first.parent, layout.base) / f"{first.stem}.txt"
            raise DataError(
                f"{root}: no picture of {split} has labels; {expected} is not there",
                hint="the folder of labels is the twin of the folder images",
            )
        classes, notes = _classes(layout)
        samples = _samples(pictures, rows, faults)
        check_ids(samples, root)
        notes = [*layout.notes, *notes, *faults.notes(), *box_notes(samples, classes, split)]
        return Dataset(tuple(samples), classes, root, self.name, split=split, notes=tuple(notes))

    def write(self, splits: Mapping[str, Dataset], root: Path) -> None:
        """Write `data.yaml`, `images/SPLIT` and `labels/SPLIT`; for the split "all" without that level.

        Boxes that stand for a crowd are left out: read back, they would be objects like all others.

        Raises:
            DataError: if the folder is not empty.
            LabelError: if nothing is known of the objects of a picture.
        """
        write_rows(splits, root, box_rows)


def write_rows(
    splits: Mapping[str, Dataset], root: Path, rows: Callable[[Sample, Dataset, Path], list[str]]
) -> None:
    """Write `data.yaml`, the pictures, and of each the lines that `rows(sample, data, its new file)` returns.

    Raises:
        DataError: if the folder is not empty.
    """
    check_new(root)
    root.mkdir(parents=True, exist_ok=True)
    # No `path`: then every reader starts at the file's own folder. "." would be, to some, the folder in
    # which they were started.
    document: dict[str, object] = {}
    for split, data in splits.items():
        part = "" if split == "all" else split
        if part:
            document[split] = f"images/{split}"
        for sample in data.samples:
            target, label = _place(sample, root, part)
            write_picture(sample, target)
            label.parent.mkdir(parents=True, exist_ok=True)
            label.write_text("".join(f"{line}\n" for line in rows(sample, data, target)), encoding="ascii")
        document["names"] = dict(enumerate(data.classes))
    text = yaml.safe_dump(document, sort_keys=False, allow_unicode=True)
    (root / "data.yaml").write_text(text, encoding="utf-8")


def first_label(layout: Layout, *, polygons: bool = False) -> Path | None:
    """Return a label file with a row, or with a polygon, looking at some of the first ones."""
    for sources in layout.sources.values():
        folder = label_folder(sources[0], layout.base)
        if not folder.is_dir():
            continue
        beside = folder == sources[0]
        known = stems(folder) if beside else set()
        texts = (
            file
            for file in (entries(folder)[1] if beside else walk(folder))
            if file.suffix.lower() == ".txt" and file.name not in NAME_FILES
        )
        for file in itertools.islice(texts, _LOOKED_AT):
            if not beside or file.stem in known:
                try:
                    rows = read_rows(file, classes=None, declared=file, keypoints=not polygons)
                    if any(row.is_polygon or not polygons for row in rows):
                        return file
                except (FormatError, LabelError):
                    continue
    return None


def _pictures(source: Path, layout: Layout, faults: BoxFaults) -> Iterator[Path]:
    """Yield the pictures of a folder, or those that a list names, one a line."""
    if source.is_dir():
        yield from (file for file in walk(source) if looks_like_picture(file))
        return
    for line, text in enumerate(read_text(source).splitlines(), start=1):
        name = text.strip().replace("\\", "/")
        starts = dict.fromkeys((source.parent, *layout.tops))
        found = next((start / name for start in starts if name and (start / name).is_file()), None)
        if found is not None:
            yield found
        elif name:
            faults.count(_NO_FILE, f"{source}:{line}")


def _labels(
    pictures: Mapping[str, Path], layout: Layout, faults: BoxFaults
) -> dict[str, tuple[Path, list[Row]] | None]:
    """Return the label file of each picture with its rows, none for the background; None where unlabelled."""
    folders: dict[Path, tuple[Path, frozenset[str] | None]] = {}
    found: dict[str, tuple[Path, list[Row]] | None] = {}
    classes = layout.classes or None
    for id, picture in pictures.items():
        if picture.parent not in folders:
            folder = label_folder(picture.parent, layout.base)
            folders[picture.parent] = (folder, _listed(folder, picture.parent, faults))
        folder, names = folders[picture.parent]
        label = folder / f"{picture.stem}.txt"
        if names is None:
            faults.count(_UNLABELLED, str(picture))
            found[id] = None
        elif label.name not in names:
            faults.count(_MISSING, str(picture))
            found[id] = (label, [])
        else:
            found[id] = (
                label,
                read_rows(label, classes=classes, declared=layout.declared, keypoints=layout.keypoints),
            )
    return found


def _listed(folder: Path, pictures: Path, faults: BoxFaults) -> frozenset[str] | None:
    """Return the label files of a folder, None where it holds none; count those without a picture."""
    files = entries(folder)[1] if folder.is_dir() else []
    labels = {file.name for file in files if file.suffix.lower() == ".txt" and file.name not in NAME_FILES}
    known = stems(pictures)
    if folder == pictures and not any(name.removesuffix(".txt") in known for name in labels):
        return None
    if folder != pictures:
        for name in sorted(labels):
            if name.removesuffix(".txt") not in known:
                faults.count(_ORPHAN, str(folder / name))
    return frozenset(labels) if folder.is_dir() else None


def _classes(layout: Layout) -> tuple[tuple[str, ...], list[str]]:
    """Return the declared names; the numbers up to the largest of all splits where nothing declares them."""
    if layout.classes:
        return layout.classes, []
    unheard = BoxFaults(layout.base)  # what is wrong with a split is told when that is read
    files = {
        str(file): file
        for sources in layout.sources.values()
        for source in sources
        for file in _pictures(source, layout, unheard)
    }
    found = [each for each in _labels(files, layout, unheard).values() if each is not None]
    label, place = max(
        ((row.label, f"{file}:{row.line}") for file, rows in found for row in rows), default=(-1, "")
    )
    expected = layout.declared.name
    if label >= _MOST_CLASSES:
        raise LabelError(f"{place}: class {label}, but no file names the classes", hint=f"add {expected}")
    names = tuple(str(number) for number in range(label + 1))
    return names, [f"no file names the classes, so they are numbered; {expected} would name them"]


def _samples(
    pictures: Mapping[str, Path],
    rows: Mapping[str, tuple[Path, list[Row]] | None],
    faults: BoxFaults,
) -> list[Sample]:
    sized = [id for id, found in rows.items() if found and found[1]]
    infos = dict(zip(sized, picture_infos([pictures[id] for id in sized]), strict=True))
    samples = []
    for id in sorted(pictures):
        found = rows[id]
        boxes = None if found is None else Boxes.none()
        if found is not None and found[1]:
            boxes = _boxes(*found, infos[id], faults)
        samples.append(box_sample(pictures[id], id=id, boxes=boxes))
    return samples


def _boxes(file: Path, rows: list[Row], info: ImageInfo | None, faults: BoxFaults) -> Boxes | None:
    if info is None:
        faults.count(UNREADABLE, str(file))
        return None
    found = BoxSet(info.size, faults)
    for row in rows:
        place = f"{file}:{row.line}"
        if row.is_polygon:
            faults.count(_POLYGON, place)
        found.add(row.xyxy(info.size), row.label, line=place)
    return found.boxes()


def _place(sample: Sample, root: Path, split: str) -> tuple[Path, Path]:
    """Return where a picture goes and where its labels."""
    parts = [part for part in file_name(sample).parts if part.lower() != "images"]
    parts = parts[1:] if len(parts) > 1 and split and split_of(parts[0]) == split else parts
    target = unused(root.joinpath("images", split, *parts))
    label = _label_file(target, root)
    while label.exists():  # one.jpg and one.png would share their labels
        target = target.with_name(f"{target.stem}-{target.suffix[1:]}{target.suffix}")
        label = _label_file(target, root)
    return target, label


def box_rows(sample: Sample, data: Dataset, picture: Path) -> list[str]:
    """Return the lines of a picture's boxes, without those of crowds."""
    boxes = boxes_of(sample, data.classes)
    if boxes.crowd is not None:
        boxes = boxes.select(~boxes.crowd)
    if not len(boxes):
        return []
    size = probe(picture).size
    rows = zip(boxes.xyxy.tolist(), boxes.labels.tolist(), strict=True)
    return [
        " ".join([str(number), *map(repr, fractions((box[0], box[1], box[2], box[3]), size))])
        for box, number in rows
    ]


def _label_file(picture: Path, root: Path) -> Path:
    return label_folder(picture.parent, root) / f"{picture.stem}.txt"
