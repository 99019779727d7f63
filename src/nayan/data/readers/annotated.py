"""What annotation tools say of pictures, made a data set: the words of VOC, CSV, LabelMe, CVAT, Label Studio.

    a format's files ─ its reader ─> Entry: a picture and its Drawn objects ─ assemble ─> Dataset
                                     Pictures finds the file that an entry means

Kept in `info[format]`, so that writing the same format again loses nothing: "pictures" has the facts of
each id, "objects" those of each of its boxes; facts are what a file says beyond class and box.
"""

from __future__ import annotations

import os
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

from nayan.core.errors import DataError, LabelError
from nayan.core.image import ImageInfo, looks_like_picture
from nayan.core.types import Boxes, Dataset, Image, Sample, Size
from nayan.data.headers import picture_infos
from nayan.data.pictures import normal, walk
from nayan.data.readers.base import SPLITS, check_ids, check_split, read_text, split_of
from nayan.data.readers.boxes import (
    UNREADABLE,
    XYXY,
    BoxFaults,
    BoxSet,
    Place,
    box_notes,
    box_sample,
    where,
)

CLASS_FILES = ("labelmap.txt", "labels.txt", "classes.txt")
"""Files beside the annotations that name the classes in their order, one a line."""

NO_FILE = "left out: {pictures} whose file does not exist"
NO_ENTRY = "left out: {pictures} of which no annotation speaks"

MARKS = frozenset({"background", "_background_", "__ignore__"})
"""Lines of such files that name no class."""


@dataclass(frozen=True, slots=True)
class Drawn:
    """An object as a format gives it.

    Attributes:
        label: name of its class.
        xyxy: in pixels; or what gives that for the (height, width) of the picture.
        line: where it is written.
        crowd: stands for many objects, or is not to be learnt from.
        area: px^2 that it covers, where that is known.
        corners: the format stores two corners, in any order.
        facts: what else is said of it.
    """

    label: str
    xyxy: XYXY | Callable[[Size], XYXY]
    line: Place
    crowd: bool = False
    area: float | None = None
    corners: bool = True
    facts: Any = None


@dataclass(frozen=True, slots=True)
class Entry:
    """A picture as a format speaks of it.

    Attributes:
        path: its file; for a picture inside of a file of annotations that file.
        split: "all" where there are no splits.
        place: where it is written.
        objects: none for a picture of the background.
        declared: (height, width) that the format states.
        facts: what else is said of it.
        embedded: decodes a picture that has no file of its own.
        embedded_info: what its header says.
    """

    path: Path
    split: str
    place: Place
    objects: tuple[Drawn, ...] = ()
    declared: Size | None = None
    facts: Any = None
    embedded: Callable[..., Image] | None = None
    embedded_info: ImageInfo | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """Everything that a data set says, of all its splits.

    Attributes:
        base: the folder that ids are relative to.
        entries: in the order of the files.
        classes: declared names, in their order; () where nothing declares them.
        declared: the file that does.
        notes: what was passed over.
    """

    base: Path
    entries: tuple[Entry, ...]
    classes: tuple[str, ...] = ()
    declared: Path | None = None
    notes: tuple[str, ...] = ()

    @property
    def splits(self) -> tuple[str, ...]:
        """Those that the entries name, in the usual order."""
        named = {entry.split for entry in self.entries}
        return tuple(split for split in SPLITS if split in named)


class Pictures:
    """The picture files below a folder, found by what annotations call them."""

    def __init__(self, base: Path) -> None:
        self._base = base
        self._by_name: dict[str, list[Path]] | None = None
        self._by_stem: dict[str, list[Path]] = {}

    def find(self, name: str, starts: Iterable[Path], *, place: Place) -> Path | None:
        """Return the picture of a name: below one of the folders `starts`, else anywhere by its last part.

        Of several of that name, the one that has most folders of the path in common counts, then the one
        that lies least deep.

        Args:
            name: a path as it is written: with `/` or backslashes, perhaps of another machine, perhaps
                without its suffix.
            starts: folders, the most likely first.
            place: where the name is written.

        Raises:
            DataError: if several pictures fit alike.
        """
        spelling = name.strip().replace("\\", "/")
        for form in dict.fromkeys((spelling, *(unicodedata.normalize(f, spelling) for f in ("NFC", "NFD")))):
            for start in starts:
                # Unlike Path.is_file, this says no to names that are too long for any file.
                if form and os.path.isfile(joined := os.path.join(start, form)):  # noqa: PTH113, PTH118
                    return Path(joined)
        parts = normal(spelling).casefold().split("/")
        known = self._names()
        found = known.get(parts[-1]) or self._by_stem.get(parts[-1], [])
        if len(found) < 2:
            return found[0] if found else None
        folders = Counter(parts[:-1])
        fits = [
            ((folders & Counter(own)).total(), -len(own)) for own in (self._folders(path) for path in found)
        ]
        best = [path for path, fit in zip(found, fits, strict=True) if fit == max(fits)]
        if len(best) > 1:
            names = ", ".join(normal(path.relative_to(self._base).as_posix()) for path in best[:3])
            raise DataError(
                f"{where(place)}: {name} could be any of {names}",
                hint="write the path relative to the folder of the data set",
            )
        return best[0]

    def unnamed(self, entries: Iterable[Entry]) -> Iterator[Path]:
        """Yield the pictures that no entry means."""
        used = {os.path.realpath(entry.path) for entry in entries}
        for paths in self._names().values():
            yield from (path for path in paths if os.path.realpath(path) not in used)

    def _folders(self, path: Path) -> list[str]:
        return [normal(part).casefold() for part in path.parent.relative_to(self._base).parts]

    def _names(self) -> dict[str, list[Path]]:
        if self._by_name is None:
            self._by_name = {}
            for path in walk(self._base):
                if looks_like_picture(path):
                    self._by_name.setdefault(normal(path.name).casefold(), []).append(path)
                    self._by_stem.setdefault(normal(path.stem).casefold(), []).append(path)
        return self._by_name


def assemble(
    found: Found, *, root: Path, split: str, format: str, faults: BoxFaults, pixels: str = ""
) -> Dataset:
    """Return the pictures of a split with their boxes made to fit them; classes are those of all splits.

    Args:
        found: of all splits.
        root: what the user named.
        split: to return, or "all".
        format: name of the reader.
        faults: what the reader has found so far; their sentences go to the notes.
        pixels: what the format says its coordinates are, where fractions would be a mistake.

    Raises:
        DataError: if there is no picture, or one is named twice.
        LabelError: if a class is not declared or has no name, or one picture belongs to two splits.
        NotFound: if there is no such split.
    """
    if not found.entries:
        raise DataError(
            f"{root}: none of the annotated pictures exists",
            hint="put them beside the annotations, or into images/ of the data set",
        )
    check_split(split, found.splits)
    _check_once(found.entries)
    names = class_names(found)
    numbers = {name: number for number, name in enumerate(names)}
    chosen = [entry for entry in found.entries if split in ("all", entry.split)]
    ids = [normal(Path(os.path.relpath(entry.path, found.base)).as_posix()) for entry in chosen]
    infos = iter(picture_infos([entry.path for entry in chosen if entry.embedded is None]))
    samples: list[Sample] = []
    facts: dict[str, dict[str, Any]] = {"pictures": {}, "objects": {}}
    for entry, id in zip(chosen, ids, strict=True):
        info = next(infos) if entry.embedded is None else entry.embedded_info
        boxes, kept = _boxes(entry, info, numbers, faults)
        sample = box_sample(entry.path, id=id, boxes=boxes)
        samples.append(replace(sample, load=entry.embedded, path=None) if entry.embedded else sample)
        if entry.facts:
            facts["pictures"][id] = entry.facts
        if any(kept):
            facts["objects"][id] = kept
    check_ids(samples, root)
    if pixels:
        faults.check_pixels(pixels)
    samples.sort(key=lambda sample: sample.id)
    notes = (*found.notes, *faults.notes(), *box_notes(samples, names, split))
    return Dataset(tuple(samples), names, root, format, split, notes, {format: facts})


def class_names(found: Found) -> tuple[str, ...]:
    """Return the declared classes, or those of all objects in the order of their names.

    Raises:
        LabelError: if an object has no class, or one that is not declared; with its place.
    """
    declared = frozenset(found.classes)
    seen: set[str] = set()
    for drawn in (drawn for entry in found.entries for drawn in entry.objects):
        if drawn.label in seen:
            continue
        if not drawn.label:
            raise LabelError(f"{where(drawn.line)}: the object has no class", hint="name it or remove it")
        if found.declared is not None and drawn.label not in declared:
            raise LabelError(
                f"{where(drawn.line)}: the class {drawn.label!r} is not among the "
                f"{len(declared)} that {found.declared.name} declares ({', '.join(found.classes[:20])})",
                hint="add it there, or correct the annotation",
            )
        seen.add(drawn.label)
    names = found.classes or tuple(sorted(seen))
    if not names:
        raise LabelError(
            f"{found.base}: no picture has an object, so there are no classes", hint="annotate some"
        )
    return names


def _check_once(entries: Sequence[Entry]) -> None:
    first: dict[Path, Entry] = {}
    for entry in entries:
        other = first.setdefault(entry.path, entry)
        if other is not entry:
            parted = f" (the splits {other.split} and {entry.split})" if other.split != entry.split else ""
            raise LabelError(
                f"{where(entry.place)}: {entry.path.name} has an entry before, {where(other.place)}{parted}",
                hint="a picture has one entry and belongs to one split; remove one of the two",
            )


def _boxes(
    entry: Entry, info: ImageInfo | None, numbers: Mapping[str, int], faults: BoxFaults
) -> tuple[Boxes | None, list[Any]]:
    """Return the boxes of a picture, None where its size is not known, and the facts of each."""
    size = info.size if info is not None else entry.declared
    if size is None:
        faults.count(UNREADABLE, entry.place)
        return None, []
    orientation = info.orientation if info is not None else 1
    found = BoxSet(size, faults, place=entry.place, declared=entry.declared, orientation=orientation)
    kept = []
    for drawn in entry.objects:
        xyxy = drawn.xyxy(size) if callable(drawn.xyxy) else drawn.xyxy
        label = numbers[drawn.label]
        if found.add(xyxy, label, line=drawn.line, crowd=drawn.crowd, area=drawn.area, corners=drawn.corners):
            kept.append(drawn.facts)
    return found.boxes(), kept


def declared_classes(folder: Path) -> tuple[tuple[str, ...], Path | None]:
    """Return the classes that a file of names declares, and that file; () and None without one.

    A line is a name, or `name:colour:parts:actions` in `labelmap.txt` (CVAT). Lines that begin with `#` and
    names of the background are no classes.

    Raises:
        LabelError: if a name stands twice.
    """
    for path in (folder / name for name in CLASS_FILES):
        if not path.is_file():
            continue
        names: list[str] = []
        for number, line in enumerate(read_text(path).splitlines(), start=1):
            name = normal(line.strip())
            if path.name == CLASS_FILES[0]:
                name = re.sub(r":[\d,]*:[^:]*:[^:]*$", "", name)
            if not name or name.startswith("#") or name in MARKS:
                continue
            if name in names:
                raise LabelError(f"{path}:{number}: the class {name!r} stands twice", hint="remove one")
            names.append(name)
        if names:
            return tuple(names), path
    return (), None


def split_in(path: PurePosixPath | Path) -> str | None:
    """Return the split that the first folder of a relative path is named after.

    >>> split_in(PurePosixPath("Annotations/valid/1.xml"))
    'val'
    """
    return next((found for part in path.parts[:-1] if (found := split_of(part))), None)
