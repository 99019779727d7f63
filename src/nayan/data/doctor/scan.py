"""Scan a data set into a snapshot: every picture is read and decoded once, and nothing is written."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Collection, Container, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from nayan.core.errors import DataError, FormatError
from nayan.core.image import PICTURE_SUFFIXES, looks_like_picture, probe
from nayan.core.machine import cores
from nayan.core.types import Boxes, Caption, Dataset, Label, MaskSource, Sample
from nayan.data.doctor.look import look_at
from nayan.data.doctor.mask_look import look_at_mask
from nayan.data.doctor.snapshot import Fault, FaultKind, FileEntry, Picture, Snapshot, Trouble
from nayan.data.hashing import content_hash
from nayan.data.pictures import file_sample, is_ignored, normal
from nayan.data.readers import recognise
from nayan.data.readers.base import class_notes, has_boxes, has_identities, has_masks, kind_of
from nayan.data.readers.boxes import box_notes
from nayan.data.sides import SIDES, choose_side, spaced

Progress = Callable[[int, int], None]

_ALIGNED = 48  # pictures, evenly spaced, of which the edges are compared with the borders of their masks
_MAX_THREADS = 8  # each may hold a picture of 100 megapixels
_NOT_ENTERED = {".git", ".svn", ".hg"}  # thousands of files, none of them the user's pictures


def scan(
    root: Path,
    *,
    targets: Collection[str] = (),
    format: str | None = None,
    imgsz: int | None = None,
    threads: int | None = None,
    on_progress: Progress | None = None,
) -> Snapshot:
    """Read everything below `root` once.

    Data that no reader recognises, or that one cannot read, become troubles of the snapshot; the
    pictures are looked at all the same.

    Args:
        root: a folder, or a file that a reader takes.
        targets: names of the types in `core.types` that are wanted; () for any.
        format: name of the reader; None chooses.
        imgsz: longer side of the network's input in px; None for that which training would choose.
        threads: pictures decoded at once; None takes the number of cores, at most 8.
        on_progress: called with (pictures done, pictures in all), always from this thread.

    Raises:
        DataError: if `root` does not exist.
        NotFound: if there is no reader of this name.
    """
    if not root.exists():
        raise DataError(f"{root}: there is no such file or folder", hint="check the path")
    tree = _tree(root)
    reading = _read(root, format=format, targets=targets)
    data = reading.data or [_loose(root, tree.files)]
    work = [(sample, part) for part in data for sample in part.samples]
    aligned = set(spaced(len(work), _ALIGNED))
    pictures: list[Picture] = []
    with ThreadPoolExecutor(threads or min(cores(), _MAX_THREADS)) as pool:
        for picture in pool.map(lambda at: _examine(*work[at], aligned=at in aligned), range(len(work))):
            pictures.append(picture)
            if on_progress is not None:
                on_progress(len(pictures), len(work))
    masks = (sample.target.path for sample, _ in work if isinstance(sample.target, MaskSource))
    of_samples = (*(sample.path for sample, _ in work), *masks)
    owned = {os.path.realpath(path) for path in of_samples if path is not None}
    # Where many pictures share a file, the files are the data, and nothing can be said about them.
    listed = tree.files if owned or not work else {}
    closed = (FileEntry(name, problem=problem) for name, problem in tree.closed.items())
    return Snapshot(
        root=root,
        format=reading.format,
        reason=reading.reason,
        splits=tuple(part.split for part in data),
        classes=data[0].classes,
        pictures=tuple(pictures),
        files=(*(_entry(name, path, owned=owned) for name, path in listed.items()), *closed),
        folders=tree.folders,
        notes=tuple(note for part in data for note in _new_notes(part)),
        troubles=reading.troubles,
        imgsz=imgsz or _chosen_side(pictures),
        of_identities="Identity" in targets or any(has_identities(part.samples) for part in data),
        of_domains=any(kind_of(part.samples) == "Domain" for part in data),
    )


def _chosen_side(pictures: Sequence[Picture]) -> int:
    """Return the side of a detector's input that training chooses: it looks at the training pictures."""
    learnt = [picture for picture in pictures if picture.split in ("train", "all")] or pictures
    sizes = [look.size for row in spaced(len(learnt)) if (look := learnt[row].look) is not None]
    truths = [picture.boxes for picture in learnt if picture.boxes is not None]
    return choose_side(truths, sizes)[0] if sizes else SIDES[-1]


@dataclass(frozen=True, slots=True)
class _Reading:
    """What the reader made of the data."""

    format: str
    reason: str
    data: list[Dataset]
    troubles: tuple[Trouble, ...]


def _read(root: Path, *, format: str | None, targets: Collection[str]) -> _Reading:
    try:
        found = recognise(root, format, targets=targets)
    except DataError as error:
        return _Reading("", error.message, [], (Trouble("unrecognised", error.message, error.hint),))
    data: list[Dataset] = []
    troubles: list[Trouble] = []
    split: str | None = None
    try:
        for split in found.reader.splits(root) or ("all",):
            data.append(found.reader.read(root, split))
    except DataError as error:
        # The splits share their tables and classes: what breaks one of them leaves none to be trusted.
        data = []
        troubles.append(Trouble("unreadable", error.message, error.hint, split))
    return _Reading(found.reader.name, found.reason, data, tuple(troubles))


def _loose(root: Path, paths: Mapping[str, Path]) -> Dataset:
    """Return the pictures of a folder that no reader can read, without classes."""
    visible = {name: path for name, path in paths.items() if not _is_hidden(name)}
    samples = (file_sample(path, id=name) for name, path in visible.items() if looks_like_picture(path))
    return Dataset(tuple(samples), (), root, "")


def _new_notes(data: Dataset) -> list[str]:
    """Return the reader's notes without those on classes and background, which have checks of their own."""
    if has_masks(data.samples):
        return list(data.notes)
    say = box_notes if has_boxes(data.samples) else class_notes
    told = say(data.samples, data.classes, data.split)
    return [note for note in data.notes if note not in told]


def _examine(sample: Sample, data: Dataset, *, aligned: bool) -> Picture:
    label = data.classes[sample.target.index] if isinstance(sample.target, Label) else None
    boxes = sample.target if isinstance(sample.target, Boxes) else None
    captions = sample.target.texts if isinstance(sample.target, Caption) else ()
    picture = Picture(sample.id, data.split, label, boxes=boxes, captions=captions)
    path = sample.path
    if path is not None and (problem := _problem(path)):
        return replace(picture, fault=Fault("unreadable", problem))
    if path is not None and path.stat().st_size == 0:
        return replace(picture, fault=Fault("empty_file", "0 bytes"))
    try:
        image = sample.load()
        look = look_at(image)
        content = content_hash(sample)
    except DataError as error:
        reason = error.message.removeprefix(f"{path}: ")
        return replace(picture, fault=Fault(_fault_kind(reason), reason))
    info = None if path is None else probe(path)
    picture = replace(picture, content=content, info=info, look=look)
    if not isinstance(sample.target, MaskSource):
        return picture
    try:
        return replace(picture, mask=look_at_mask(sample.target.load().ids, image if aligned else None))
    except DataError as error:
        return replace(picture, mask_fault=error.message)


def _fault_kind(reason: str) -> FaultKind:
    """Sort a refusal of `open_image` by its words."""
    if reason.startswith("not a picture"):
        return "not_a_picture"
    return "bomb" if reason.startswith("declares") and "at most" in reason else "broken"


@dataclass(frozen=True, slots=True)
class _Tree:
    """What lies below the root, by relative name; `closed` are folders that cannot be listed, and why."""

    files: Mapping[str, Path]
    folders: tuple[str, ...]
    closed: Mapping[str, str]


def _tree(root: Path) -> _Tree:
    """List everything below the root; a folder is entered once, by whatever links it is reached."""
    files: dict[str, Path] = {}
    folders: list[str] = []
    closed: dict[str, str] = {}
    entered: set[str] = set()
    waiting = [root] if root.is_dir() else []
    while waiting:
        folder = waiting.pop()
        if os.path.realpath(folder) in entered:
            continue
        entered.add(os.path.realpath(folder))
        try:
            inside = list(folder.iterdir())
        except OSError as error:
            closed[normal(folder.relative_to(root).as_posix())] = str(error.strerror)
            continue
        for path in inside:
            name = normal(path.relative_to(root).as_posix())
            if not path.is_dir():
                files[name] = path
                continue
            folders.append(name)
            if path.name.lower() not in _NOT_ENTERED:
                waiting.append(path)
    return _Tree(dict(sorted(files.items())), tuple(sorted(folders)), closed)


def _entry(name: str, path: Path, *, owned: Container[str]) -> FileEntry:
    hidden = _is_hidden(name)
    if os.path.realpath(path) in owned:
        return FileEntry(name, is_hidden=hidden, is_picture=True, is_sample=True)
    if problem := _problem(path):
        return FileEntry(name, is_hidden=hidden, problem=problem)
    if hidden:
        return FileEntry(name, is_hidden=True, is_picture=path.suffix.lower() in PICTURE_SUFFIXES)
    return FileEntry(name, is_picture=_has_picture(path))


def _has_picture(path: Path) -> bool:
    try:
        probe(path)
    except FormatError:
        return False
    return True


def _is_hidden(name: str) -> bool:
    return any(is_ignored(part) for part in name.split("/"))


def _problem(path: Path) -> str:
    """Return why a file cannot be opened, "" if it can; a pipe, which could wait forever, is not tried."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            return "not a regular file"
        path.open("rb").close()
    except OSError as error:
        return "a link to nothing" if path.is_symlink() and not path.exists() else str(error.strerror)
    return ""
