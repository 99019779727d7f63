"""Pictures with masks: one file of classes for each picture, in any of the layouts of `mask_layout`.

DATA/                                  DATA/
├── classes.csv   id,name,r,g,b        ├── train/images/*.jpg
├── images/train/*.jpg                 ├── train/masks/*.png
└── masks/train/*.png                  └── val/, test/ likewise

Also Pascal VOC's `SegmentationClass/`, Cityscapes' `gtFine/`, and masks beside their pictures. What the
values of the masks mean is decided for all splits at once, see `mask_meaning`; a mask is decoded when it is
asked for. A mask of another size but the same shape as its picture is enlarged or reduced without new values.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import PIL.Image
from numpy.typing import NDArray

from nayan.core.errors import DataError, FormatError, LabelError
from nayan.core.image import ImageInfo, open_image
from nayan.core.pixels import turned
from nayan.core.stored import open_stored
from nayan.core.types import VOID, Dataset, MaskSource, Sample, SemanticMask, Size
from nayan.data.headers import picture_infos
from nayan.data.pictures import normal
from nayan.data.readers.base import (
    Sniff,
    check_ids,
    check_new,
    check_split,
    counted,
    file_name,
    name_notes,
    unused,
    write_picture,
)
from nayan.data.readers.mask_layout import Layout, Pair, find_layout, is_neutral
from nayan.data.readers.mask_meaning import decide
from nayan.data.readers.mask_tables import (
    Table,
    cityscapes_table,
    find_table,
    is_void,
    table_folders,
    voc_colour,
    voc_table,
)
from nayan.data.readers.mask_values import Seen, ValueMap, count_values

SAME_SHAPE = 0.01
"""How far the ratio of the sides of a mask may be from that of its picture: sizes are rounded."""

_LOOKED_AT = 500  # files of each folder, to say whether there are masks
_WILD = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff\ufffe\uffff]")


@dataclass(frozen=True, slots=True)
class MaskFile:
    """Reads a mask as large as its upright picture.

    Attributes:
        path: of the mask.
        values: which class each of its values is.
        size: (height, width) of the picture; None where that cannot be read.
        orientation: EXIF orientation to apply: that of the picture, where the mask was drawn before it was.
    """

    path: Path
    values: ValueMap
    size: Size | None = None
    orientation: int = 1

    def __call__(self) -> SemanticMask:
        """Return the mask.

        Raises:
            FormatError: if it cannot be decoded, or has a value that stands for no class.
        """
        ids = turned(self.values.apply(open_stored(self.path), self.path), self.orientation)
        return SemanticMask(ids if self.size in (None, ids.shape) else resized(ids, self.size))


def resized(ids: NDArray[np.uint8], size: Size) -> NDArray[np.uint8]:
    """Return classes at another size; each pixel has the class of the nearest one.

    >>> resized(np.array([[1, 2]], np.uint8), (2, 4)).tolist()
    [[1, 1, 2, 2], [1, 1, 2, 2]]
    """
    image = PIL.Image.fromarray(ids).resize(size[::-1], PIL.Image.Resampling.NEAREST)
    return np.array(image, np.uint8)


class MasksReader:
    """Folders of pictures and of their masks."""

    name = "masks"
    summary = "images/ with masks/ of the same names, SegmentationClass/, gtFine/, or 1.jpg beside 1_mask.png"

    def sniff(self, root: Path) -> Sniff:
        """Say whether pictures have masks, by their names alone."""
        if not root.is_dir():
            return Sniff(0.0, "it is a file")
        try:
            layout = find_layout(root, most=_LOOKED_AT)
        except (FormatError, LabelError) as error:
            return Sniff(0.6, error.message)  # `read` tells the user what to mend
        if not layout.pairs:
            return Sniff(0.0, "no picture has a mask of its name in a folder such as masks/")
        first = layout.pairs[0]
        names = " and ".join(path.relative_to(root).as_posix() for path in (first.picture, first.mask))
        share = len(layout.pairs) / (len(layout.pairs) + sum(map(len, layout.alone.values())))
        # Class folders may hold masks beside their pictures; then these would be pictures of a class.
        score = 0.96 if share >= 0.5 or layout.by_folder else 0.3
        # Pascal VOC has masks of a sixth of its pictures, and boxes of all: these are what is usually meant.
        score = min(score, 0.9) if layout.kind == "voc" else score
        return Sniff(score, f"{counted(layout.pairs, 'picture')} have a mask, such as {names}")

    def splits(self, root: Path) -> tuple[str, ...]:
        """Return the splits that folders or lists are named after.

        Raises:
            DataError: as `read`.
        """
        return _layout(root).splits

    def read(self, root: Path, split: str) -> Dataset:
        """Return the pictures of a split by id. `info["mapping"]` says what the values of the masks mean.

        Raises:
            FormatError: if the values cannot be classes, a mask does not fit its picture, or one has two.
            LabelError: if there are more classes than fit into 8 bits, or two lists name a picture.
            DataError: if no picture has a mask.
            NotFound: if there is no such split.
        """
        layout = _layout(root)
        check_split(split, layout.splits)
        meaning = decide(_seen(layout), _table(root, layout))
        pairs = [pair for pair in layout.pairs if split in ("all", pair.split)]
        fitting = _Fitting(root)
        infos = picture_infos([file for pair in pairs for file in (pair.picture, pair.mask)])
        samples = []
        for number, pair in enumerate(pairs):
            turn, size = fitting.add(pair, infos[2 * number], infos[2 * number + 1])
            source = MaskSource(MaskFile(pair.mask, meaning.values, size, turn), path=pair.mask)
            id = normal(pair.picture.relative_to(root).as_posix())
            samples.append(Sample(id, partial(open_image, pair.picture), source, pair.picture))
        samples.sort(key=lambda sample: sample.id)
        check_ids(samples, root)
        notes = [
            meaning.note,
            *_left_out(layout, root, split),
            *fitting.notes(),
            *name_notes(meaning.classes),
        ]
        return Dataset(
            tuple(samples), meaning.classes, root, self.name, split, tuple(notes), {"mapping": meaning.info}
        )

    def write(self, splits: Mapping[str, Dataset], root: Path) -> None:
        """Write `images/SPLIT`, `masks/SPLIT` as PNG of the classes' numbers, and `classes.csv`.

        Raises:
            DataError: if the folder is not empty.
            LabelError: if a picture has no mask, or a class's name means void or fits into no line.
        """
        check_new(root)
        root.mkdir(parents=True, exist_ok=True)
        for split, data in splits.items():
            (root / "classes.csv").write_text(classes_text(data.classes), encoding="utf-8")
            for sample in data.samples:
                mask = mask_of(sample)
                target, twin = _place(sample, split, root)
                write_picture(sample, target)
                twin.parent.mkdir(parents=True, exist_ok=True)
                PIL.Image.fromarray(mask.ids).save(twin)


def mask_of(sample: Sample) -> SemanticMask:
    """Return the mask of a sample that is about to be written.

    Raises:
        LabelError: if it has another target, or none.
    """
    if not isinstance(sample.target, MaskSource):
        raise LabelError(
            f"{sample.id}: the picture has no mask",
            hint="boxes and classes of whole pictures are kept by other formats; outlines in COCO, YOLO or "
            "LabelMe become masks with --format coco_masks, yolo_masks or labelme_masks",
        )
    return sample.target.load()


def classes_text(classes: Sequence[str]) -> str:
    """Return the table of some classes: numbers, names, the colours of VOC's palette; 255 is void.

    Raises:
        LabelError: if a name would not come back as it is.
    """
    for name in classes:
        if not name or name != name.strip() or _WILD.search(name):
            raise LabelError(f"the class {name!r} is empty, has spaces around it or is no line of text",
                             hint="rename the class")  # fmt: skip
        if is_void(name):
            raise LabelError(f"the class {name!r} would be read as void: neither learnt nor judged",
                             hint="rename the class")  # fmt: skip
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("id", "name", "r", "g", "b"))
    for number, name in (*enumerate(classes), (VOID, "void")):
        colour = voc_colour(number)
        writer.writerow((number, name, colour >> 16, colour >> 8 & 255, colour & 255))
    return text.getvalue()


def _place(sample: Sample, split: str, root: Path) -> tuple[Path, Path]:
    """Return where a picture goes and where its mask."""
    parts = file_name(sample).parts
    kept = [part for part in parts[:-1] if is_neutral(part)]
    folder = Path(*([] if split == "all" else [split]), *kept)
    target = unused(root / "images" / folder / parts[-1])
    twin = root / "masks" / folder / f"{target.stem}.png"
    while twin.exists():  # one.jpg and one.png would share their mask
        target = unused(target.with_name(f"{target.stem}-{target.suffix[1:]}{target.suffix}"))
        twin = twin.with_name(f"{target.stem}.png")
    return target, twin


def _layout(root: Path) -> Layout:
    if not root.is_dir():
        raise DataError(f"{root}: is a file, masks lie in a folder", hint="name the folder above images/")
    layout = find_layout(root)
    if not layout.pairs:
        raise DataError(
            f"{root}: no picture has a mask",
            hint="give each mask the name of its picture, in a folder masks/ beside images/, or with _mask",
        )
    return layout


def _seen(layout: Layout) -> list[Seen]:
    return count_values([pair.mask for pair in layout.pairs])


def _table(root: Path, layout: Layout) -> Table | None:
    """Return the table of the classes: of the data set, else the one that its layout is known for."""
    table = find_table(table_folders(root))
    if table is not None or not layout.kind:
        return table
    if layout.kind == "voc":
        return _voc_table(_seen(layout))
    return cityscapes_table(train_ids=layout.kind == "cityscapes_train_ids")


def _voc_table(seen: Iterable[Seen]) -> Table | None:
    """Return the classes of VOC where the masks have its palette and no other numbers."""
    table = voc_table()
    colours = {row.colour for row in table.rows}
    return table if all(each.colours.keys() <= colours for each in seen) else None


class _Fitting:
    """Makes masks fit their pictures, and remembers what was done."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._resized: list[Pair] = []
        self._turned: list[Pair] = []

    def add(self, pair: Pair, picture: ImageInfo | None, mask: ImageInfo | None) -> tuple[int, Size | None]:
        """Return the orientation and the size that a mask needs.

        Raises:
            FormatError: if it has another shape than its picture.
        """
        if picture is None or mask is None:
            return 1, None if picture is None else picture.size
        turn = 1
        size = mask.size
        if picture.orientation >= 5 and not same_shape(size, picture.size):
            turn, size = picture.orientation, size[::-1]
        if not same_shape(size, picture.size):
            raise FormatError(
                f"{pair.mask}: is {_across(mask.size)}, but its picture {pair.picture.name} is "
                f"{_across(picture.size)} pixels (width x height), of another shape",
                hint="one of both was cropped or turned: make the mask again from the picture",
            )
        if turn != 1:
            self._turned.append(pair)
        if size != picture.size:
            self._resized.append(pair)
        return turn, picture.size

    def notes(self) -> list[str]:
        """Return a sentence for each thing that was done."""
        done = (
            (self._resized, "made as large as {}, without new values: {}"),
            (self._turned, "turned with the EXIF orientation of {}, before which they were drawn: {}"),
        )
        return [
            says.format("their pictures", f"{counted(pairs, 'mask')}, such as {self._name(pairs[0])}")
            for pairs, says in done
            if pairs
        ]

    def _name(self, pair: Pair) -> str:
        return pair.mask.relative_to(self._root).as_posix()


def same_shape(a: Size, b: Size) -> bool:
    """Return whether one (height, width) is the other enlarged, but for rounding.

    >>> same_shape((360, 480), (720, 960)), same_shape((360, 480), (480, 360))
    (True, False)
    >>> same_shape((85, 113), (17, 23))
    True
    """
    left, right = a[0] * b[1], a[1] * b[0]
    rounding = max(b) / 2 + 1 if min(a) < min(b) else max(a) / 2 + 1  # of half a pixel of the smaller one
    return abs(left - right) <= max(SAME_SHAPE * max(left, right), rounding)


def _left_out(layout: Layout, root: Path, split: str) -> list[str]:
    """Return sentences about pictures without masks, and masks without pictures."""
    notes = []
    for found, what in ((layout.alone, "picture"), (layout.orphans, "mask")):
        other = "mask" if what == "picture" else "picture"
        for part, paths in found.items():
            if split in ("all", part) or (part not in layout.splits and split == (*layout.splits, "all")[0]):
                where = f" of {part}" if part != "all" else ""
                name = min(path.relative_to(root).as_posix() for path in paths)
                notes.append(f"left out: {counted(paths, what)}{where} without a {other}, such as {name}")
    return notes


def _across(size: Size) -> str:
    return f"{size[1]} x {size[0]}"
