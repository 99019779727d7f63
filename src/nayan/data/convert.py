"""Write a data set again in another format, and prove that nothing was lost."""

from __future__ import annotations

import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nayan.core.errors import DataError
from nayan.core.types import Boxes, Caption, Dataset, Sample
from nayan.data.formats import IDENTITY_FORMATS, WITHOUT_CROWDS, target_of
from nayan.data.hashing import content_hash
from nayan.data.mask_truth import compare_masks, mask_truth
from nayan.data.readers import READERS, recognise
from nayan.data.readers.base import (
    Reader,
    check_new,
    check_outside,
    has_boxes,
    has_identities,
    has_masks,
    kind_of,
    label_of,
)

Counts = Mapping[str, Mapping[str, int]]
"""Pictures, boxes, or pixels of masks, of each class in each split: {split: {class: number}}; or captions."""

_ASKED_FOR = ("MaskSource", "Caption", "Domain", "None")
"""Kinds of truth that are only looked for where the format to write holds them."""

SAME_PX = 0.01
"""How far a side of a box may be from where it was: formats round, and store fractions or centres."""


@dataclass(frozen=True, slots=True)
class ConversionReport:
    """What a conversion did.

    Attributes:
        source: the format that was read.
        target: the format that was written.
        out: the new folder.
        before: pictures, boxes or pixels that were read, without those that the notes say were left out.
        after: those found when the new folder was read back; equal to `before`.
        pictures: number of them in each split.
        notes: what was left out or is different now, one sentence each.
    """

    source: str
    target: str
    out: Path
    before: Counts
    after: Counts
    pictures: Mapping[str, int]
    notes: tuple[str, ...]


def convert(src: Path, out: Path, to: str, *, format: str | None = None) -> ConversionReport:
    """Write the data set `src` into the new folder `out` in the format `to`, and read it back to compare.

    The source is only read. The new folder appears when it is complete and checked, or not at all: every
    class has as many pictures as before, and every picture has its boxes, with their classes and places, or
    its mask, pixel by pixel. Outlines become masks where `to` is a format of masks.
    Boxes of crowds, and those marked difficult, are left out where the format cannot say so.

    Args:
        src: folder or file.
        out: does not exist, or is an empty folder.
        to: name of a format.
        format: of the source; None to recognise it.

    Raises:
        ConfigError: if `out` lies in `src`.
        DataError: if `out` is not empty, the format cannot hold the data, or the copy differs.
        NotFound: if no format has that name.
    """
    src, out = Path(src), Path(out)
    writer = READERS[to]
    wanted = target_of(to)
    found = recognise(src, format, targets=(wanted,) if wanted in _ASKED_FOR else ())
    check_outside(out, src)
    check_new(out)
    splits: Mapping[str, Dataset] = {
        name: found.reader.read(src, name) for name in found.reader.splits(src) or ("all",)
    }
    left_out: list[str] = []
    if to in WITHOUT_CROWDS:
        splits, left_out = _without_crowds(splits, to)
    masks = any(has_masks(data.samples) for data in splits.values())
    by_pixels = any(sample.path is None for data in splits.values() for sample in data.samples)
    truth = mask_truth(splits, by_pixels=by_pixels) if masks else None
    before = truth.pixels if truth is not None else count(splits)
    out.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(dir=out.parent, prefix=f".{out.name}-"))
    try:
        writer.write(splits, draft)
        written = _read_back(writer, draft)
        copied = mask_truth(written, by_pixels=by_pixels) if truth is not None else None
        after = copied.pixels if copied is not None else count(written)
        boxes = any(has_boxes(data.samples) for data in splits.values())
        words = any(kind_of(data.samples) == "Caption" for data in splits.values())
        noun = "boxes" if boxes else "pixels" if masks else "captions" if words else "pictures"
        compare(before, after, noun=noun)
        if boxes:
            compare_boxes(splits, written)
        if truth is not None and copied is not None:
            compare_masks(truth, copied)
        publish(draft, out)
    except BaseException:
        shutil.rmtree(draft)
        raise
    notes = [note for data in splits.values() for note in data.notes]
    notes += left_out
    notes += _changes(next(iter(splits.values())), next(iter(written.values())))
    if boxes and _has_areas(splits) and not _has_areas(written):
        notes.append(f"the areas of the objects are gone: {to} keeps those of the boxes only")
    if to not in IDENTITY_FORMATS and any(has_identities(data.samples) for data in splits.values()):
        notes.append(f"pairs and roles of pictures are gone: {to} keeps who is in them only")
    pictures = {split: len(data) for split, data in splits.items()}
    return ConversionReport(found.reader.name, to, out, before, after, pictures, tuple(dict.fromkeys(notes)))


def _without_crowds(splits: Mapping[str, Dataset], to: str) -> tuple[dict[str, Dataset], list[str]]:
    """Return the splits without the boxes that stand for crowds, and a note where there were any."""
    lost: list[str] = []
    kept: dict[str, Dataset] = {}
    for split, data in splits.items():
        samples = []
        for sample in data.samples:
            target = sample.target
            if isinstance(target, Boxes) and target.crowd is not None:
                lost += [sample.id] * int(target.crowd.sum())
                target = replace(target.select(~target.crowd), crowd=None)
            samples.append(replace(sample, target=target))
        kept[split] = replace(data, samples=tuple(samples))
    if not lost:
        return kept, []
    boxes = "1 box of a crowd or" if len(lost) == 1 else f"{len(lost):,} boxes of crowds or"
    why = f"which {to} cannot say; what is found there will count as wrong"
    return kept, [f"left out: {boxes} marked difficult, {why} (the first in {lost[0]})"]


def publish(draft: Path, out: Path) -> None:
    """Let a finished folder appear under its name; an empty folder of that name gives way."""
    if out.is_dir():
        out.rmdir()
    draft.chmod(0o755)  # a temporary folder is private at first
    draft.rename(out)


def count(splits: Mapping[str, Dataset]) -> Counts:
    """Return the number of pictures, boxes or captions of each class, or sentence, in each split."""
    return {split: dict(Counter(_class_names(data))) for split, data in splits.items()}


def _class_names(data: Dataset) -> Iterator[str]:
    """Yield the class of every box, every caption, or the class of every picture; "any" where it has none."""
    kind = kind_of(data.samples)
    for sample in data.samples:
        if kind == "None":
            yield "any"
        elif isinstance(sample.target, Caption):
            yield from sample.target.texts
        elif kind != "Boxes":
            yield label_of(sample, data.classes)
        elif isinstance(sample.target, Boxes):
            yield from (data.classes[label] for label in sample.target.labels)


def compare(before: Counts, after: Counts, *, noun: str = "pictures") -> None:
    """Raise DataError, naming the first difference, unless the counts agree."""
    what = "caption" if noun == "captions" else "class"
    for split in dict.fromkeys([*before, *after]):
        old, new = before.get(split, {}), after.get(split, {})
        for name in dict.fromkeys([*old, *new]):
            if old.get(name, 0) != new.get(name, 0):
                raise DataError(
                    f"{split}, {what} {name!r}: {old.get(name, 0)} {noun} before, {new.get(name, 0)} after; "
                    "nothing was written",
                    hint="run `nayan doctor DATA`; names that differ only in case or accents may clash",
                )


def compare_boxes(before: Mapping[str, Dataset], after: Mapping[str, Dataset]) -> None:
    """Raise DataError, naming the first difference, unless each picture has the boxes that it had.

    Pictures are told by their content, since formats name them differently. Boxes agree in their order,
    class and crowd mark, and within `SAME_PX` in their sides.
    """
    pixels = any(sample.path is None for data in before.values() for sample in data.samples)
    for split, data in before.items():
        found: dict[str, list[_Truth]] = {}
        for sample in after[split].samples:
            found.setdefault(_content(sample, pixels), []).append(_truth(sample, after[split].classes))
        for sample in data.samples:
            truth = _truth(sample, data.classes)
            left = found.get(_content(sample, pixels), [])
            match = next((i for i, other in enumerate(left) if _agree(truth, other)), None)
            if match is None:
                what = "has other boxes" if left else "is missing, or is another picture,"
                raise DataError(
                    f"{split}, {sample.id}: the picture {what} in the copy; nothing was written",
                    hint="the format may not be able to hold it; try --to coco",
                )
            del left[match]
        extra = sum(map(len, found.values()))
        if extra:
            raise DataError(
                f"{split}: the copy has {extra} pictures more; nothing was written",
                hint="run `nayan doctor DATA`, and report this with what it says",
            )


_Truth = tuple[tuple[str, ...], tuple[bool, ...], NDArray[np.float32]] | None


def _truth(sample: Sample, classes: Sequence[str]) -> _Truth:
    """Return the class names, crowd marks and places of a picture's boxes; None where it is not known."""
    boxes = sample.target
    if not isinstance(boxes, Boxes):
        return None
    crowd = boxes.crowd if boxes.crowd is not None else np.zeros(len(boxes), np.bool_)
    return tuple(classes[label] for label in boxes.labels), tuple(crowd.tolist()), boxes.xyxy


def _agree(a: _Truth, b: _Truth) -> bool:
    if a is None or b is None:
        return a is b
    return a[:2] == b[:2] and bool((np.abs(a[2] - b[2]) <= SAME_PX).all())


def _content(sample: Sample, pixels: bool) -> str:
    return content_hash(replace(sample, path=None) if pixels else sample)


def _has_areas(splits: Mapping[str, Dataset]) -> bool:
    targets = (sample.target for data in splits.values() for sample in data.samples)
    return any(isinstance(target, Boxes) and target.areas is not None for target in targets)


def _read_back(writer: Reader, folder: Path) -> dict[str, Dataset]:
    try:
        return {name: writer.read(folder, name) for name in writer.splits(folder) or ("all",)}
    except DataError as error:
        raise DataError(
            f"the {writer.name} copy does not read back, nothing was written: {error.message}",
            hint=error.hint,
        ) from error


def _changes(old: Dataset, new: Dataset) -> list[str]:
    if old.classes == new.classes:
        return []
    lost = [name for name in old.classes if name not in new.classes]
    if lost:
        noun = "box" if has_boxes(old.samples) else "picture"
        return [f"classes without a {noun} are gone: {', '.join(lost)}"]
    return ["the classes are numbered in another order now: " + ", ".join(new.classes)]
