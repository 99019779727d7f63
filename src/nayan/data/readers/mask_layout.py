"""Which pictures and masks of a folder belong together, in the layouts that people use.

    train/images/1.jpg  train/masks/1.png      images/train/1.jpg  masks/train/1.png      (or no splits)
    train/1.jpg  train_labels/1_L.png          1.jpg  1_mask.png                          (one folder)
    JPEGImages/1.jpg  SegmentationClass/1.png  with ImageSets/Segmentation/train.txt      (Pascal VOC)
    leftImg8bit/train/a/1_leftImg8bit.png      gtFine/train/a/1_gtFine_labelIds.png       (Cityscapes)

Each file gets a split, a role and a key: its path without the words that say these. A mask belongs to the
picture of its split that has its key.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Literal

from nayan.core.errors import FormatError, LabelError
from nayan.core.image import PICTURE_SUFFIXES
from nayan.data.pictures import entries, normal, walk
from nayan.data.readers.base import SPLITS, read_text, split_of

Role = Literal["picture", "mask", ""]

_PICTURES = frozenset(
    {
        *("image", "images", "img", "imgs", "jpegimages", "pngimages", "leftimg8bit", "picture", "pictures"),
        *("photo", "photos", "original", "originals", "rgb", "input", "inputs"),
    }
)
_MASKS = frozenset(
    {
        *("mask", "masks", "label", "labels", "segmentationclass", "segmentationclassaug", "annotation"),
        *("segmentationclasspng", "annotations", "annot", "annots", "gt", "gts", "groundtruth", "truth"),
        *("gtfine", "gtcoarse", "seg", "segs", "segmentation", "segmentations", "target", "targets", "matte"),
        *("mattes", "trimap", "trimaps", "labelids", "pedmasks", "indexlabel", "labelled", "manual"),
    }
)
_MOST_FILES = 200_000  # that are listed, to say whether there are masks
_OTHERS = frozenset({"segmentationobject", "instances", "instance", "visualization", "visualizations"})
"""Folders whose pictures are neither: numbers of objects, and pictures painted over."""

_SEPARATOR = r"[ _.\-]+"
_MASK_WORDS = re.compile(
    rf"{_SEPARATOR}(gt(Fine|Coarse)(_label(Train)?Ids)?|label(Train)?Ids|masks?|labels?|gt|groundtruth|"
    r"ground_truth|seg|segmentation|annotation|matte|manual\d?|\d(st|nd)_manual|L|P)$",
    re.IGNORECASE,
)
_PICTURE_WORDS = re.compile(
    rf"{_SEPARATOR}(leftImg8bit|training|test|sat|image|img|rgb|photo|original)$", re.IGNORECASE
)
_NO_MASK = re.compile(rf"{_SEPARATOR}(color|instanceIds|instanceTrainIds|polygons|colour)$", re.IGNORECASE)
_TRAIN_IDS = re.compile(r"labelTrainIds$", re.IGNORECASE)
_LABEL_IDS = re.compile(r"_gt(Fine|Coarse)_labelIds$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Pair:
    """A picture and its mask.

    Attributes:
        picture, mask: the files.
        split: "all" where there are no splits.
    """

    picture: Path
    mask: Path
    split: str


@dataclass(frozen=True, slots=True)
class Layout:
    """What lies in a folder.

    Attributes:
        pairs: in the order of their pictures' names.
        alone: {split: pictures without a mask}.
        orphans: {split: masks without a picture}.
        by_folder: folders say which files are masks, not their names alone.
        kind: "voc" and the like where the names of folders and files promise certain classes.
    """

    pairs: tuple[Pair, ...]
    alone: Mapping[str, tuple[Path, ...]] = field(default_factory=dict)
    orphans: Mapping[str, tuple[Path, ...]] = field(default_factory=dict)
    by_folder: bool = True
    kind: Literal["", "voc", "cityscapes", "cityscapes_train_ids"] = ""

    @property
    def splits(self) -> tuple[str, ...]:
        """Those of `SPLITS` that have pairs."""
        named = {pair.split for pair in self.pairs}
        return tuple(split for split in SPLITS if split in named)


@dataclass(frozen=True, slots=True)
class _Part:
    """What the path of a file says: `key` is what is left of it, `folder` all of that but the name."""

    path: Path
    role: Role
    split: str
    folder: tuple[str, ...]
    stem: str


def find_layout(root: Path, *, most: int | None = None) -> Layout:
    """Return the pairs of a folder.

    Args:
        root: the data set.
        most: files of each folder to look at, the first by name; None for all.

    Raises:
        FormatError: if a picture has two masks.
        LabelError: if two lists of `ImageSets/Segmentation` name one picture.
    """
    parts = list(_parts(root, most))
    masks = [part for part in parts if part.role == "mask"]
    others = [part for part in parts if part.role != "mask"]
    by_suffix = not masks
    if by_suffix:
        masks, others = _told_by_suffix(others)
    pictures = [part for part in others if part.role == "picture"] or others
    masks = [part for part in masks if not _NO_MASK.search(part.stem)]
    if any(not _TRAIN_IDS.search(part.stem) for part in masks):
        masks = [part for part in masks if not _TRAIN_IDS.search(part.stem)]
    lists = _lists(root)
    found, orphans = _matched(pictures, masks)
    pairs, alone = [], []
    for part in sorted(pictures, key=lambda part: part.path):
        mask = found.get(part.path)
        split = lists.get(part.stem, "") if lists else part.split or (mask.split if mask else "")
        if mask is None or (lists and not split):
            alone.append(replace(part, split=split))
        else:
            pairs.append(Pair(part.path, mask.path, split or "all"))
    if any(pair.split != "all" for pair in pairs):
        loose = [pair for pair in pairs if pair.split == "all"]
        pairs = [pair for pair in pairs if pair.split != "all"]
        outside = {pair.picture for pair in loose}
        alone += [replace(part, split="") for part in pictures if part.path in outside]
    return Layout(tuple(pairs), _by_split(alone), _by_split(orphans), not by_suffix, _kind(masks))


def _kind(masks: list[_Part]) -> Literal["", "voc", "cityscapes", "cityscapes_train_ids"]:
    first = masks[0] if masks else None
    if first is None:
        return ""
    if _LABEL_IDS.search(first.stem):
        return "cityscapes"
    if _TRAIN_IDS.search(first.stem):
        return "cityscapes_train_ids"
    return "voc" if "segmentationclass" in (part.lower() for part in first.path.parts) else ""


def _by_split(parts: Iterable[_Part]) -> dict[str, tuple[Path, ...]]:
    found: dict[str, list[Path]] = {}
    for part in parts:
        found.setdefault(part.split or "all", []).append(part.path)
    return {split: tuple(paths) for split, paths in found.items()}


def _parts(root: Path, most: int | None) -> Iterator[_Part]:
    """Yield every picture file with what its path says."""
    listed: Counter[Path] = Counter()
    for number, path in enumerate(walk(root)):
        listed[path.parent] += 1
        if most is not None and number >= _MOST_FILES:
            return
        if most is not None and listed[path.parent] > most:
            continue
        if path.suffix.lower() in PICTURE_SUFFIXES:
            part = _part(path, path.relative_to(root).parts)
            if part is not None:
                yield part


def _part(path: Path, parts: tuple[str, ...]) -> _Part | None:
    """Return what a path says; None for a file that is neither picture nor mask."""
    role: Role = ""
    split = ""
    folder: list[str] = []
    for name in parts[:-1]:
        said, part_of, rest = _folder(name)
        if said == "other":
            return None
        role = said or role
        split = part_of or split
        if rest:
            folder.append(normal(rest))
    return _Part(path, role, split, tuple(folder), normal(path.stem))


@cache
def _folder(name: str) -> tuple[Role | Literal["other"], str, str]:
    """Return what a folder's name says: role, split, and what is left of the name.

    >>> _folder("train_labels"), _folder("trainannot"), _folder("JPEGImages"), _folder("aachen")
    (('mask', 'train', ''), ('mask', 'train', ''), ('picture', '', ''), ('', '', 'aachen'))
    """
    plain = name.casefold()
    if plain in _OTHERS:
        return "other", "", ""
    words = [word for word in re.split(r"[\W_]+", plain) if word]
    joined = re.fullmatch(r"(train|valid|val|test)(annots?|masks?|labels?|gt)", plain)
    if joined:
        words = list(joined.groups())
    if plain in ("ground_truth", "ground truth"):
        words = ["groundtruth"]
    role: Role = ""
    split = ""
    rest = []
    for word in words:
        if word in _MASKS:
            role = "mask"
        elif word in _PICTURES:
            role = role or "picture"
        elif found := split_of(word):
            split = found
        else:
            rest.append(word)
    if rest:  # "no mask" is a class, and "masks_machine" another kind of masks
        return "", "", name
    return role, split, ""


def is_neutral(name: str) -> bool:
    """Return whether a folder of this name says neither role nor split, so that it may be part of a key.

    >>> is_neutral("aachen"), is_neutral("labels"), is_neutral("val")
    (True, False, False)
    """
    return _folder(name)[0] == "" and _folder(name)[1] == ""


def _told_by_suffix(parts: list[_Part]) -> tuple[list[_Part], list[_Part]]:
    """Return (masks, pictures) of folders that hold both: a mask is named as a picture and a word more."""
    known = {(part.folder, part.split, part.stem) for part in parts}
    known |= {(part.folder, part.split, _PICTURE_WORDS.sub("", part.stem)) for part in parts}
    masks: list[_Part] = []
    pictures: list[_Part] = []
    for part in parts:
        base = _MASK_WORDS.sub("", part.stem)
        is_mask = base != part.stem and (part.folder, part.split, base) in known
        (masks if is_mask else pictures).append(part)
    return masks, [part for part in pictures if not _NO_MASK.search(part.stem)] if masks else pictures


def _matched(pictures: list[_Part], masks: list[_Part]) -> tuple[dict[Path, _Part], list[_Part]]:
    """Return {picture: mask}, and the masks without a picture.

    Raises:
        FormatError: if a picture has two masks.
    """
    exact: dict[tuple[str, tuple[str, ...], str], _Part] = {}
    loose: dict[tuple[str, str], list[_Part]] = {}
    shorter = [(_PICTURE_WORDS.sub("", part.stem), part) for part in pictures]
    for stem, part in (*((part.stem, part) for part in pictures), *shorter):  # whole names come first
        exact.setdefault((part.split, part.folder, stem), part)
    for stem, part in shorter:
        if part.role == "picture":
            for split in dict.fromkeys((part.split, "")):
                loose.setdefault((split, stem), []).append(part)
    found: dict[Path, _Part] = {}
    orphans = []
    for mask in masks:
        picture = _picture_of(mask, exact, loose)
        if picture is None:
            orphans.append(mask)
            continue
        other = found.setdefault(picture.path, mask)
        if other is not mask:
            raise FormatError(
                f"{mask.path}: is a second mask of {picture.path.name}, beside {other.path}",
                hint="a picture has one mask; move the other ones out of the data set",
            )
    return found, orphans


def _picture_of(
    mask: _Part,
    exact: Mapping[tuple[str, tuple[str, ...], str], _Part],
    loose: Mapping[tuple[str, str], list[_Part]],
) -> _Part | None:
    """Return the picture of a mask: of its folders, else the only one of its name in its split."""
    stems = [mask.stem]
    while (shorter := _MASK_WORDS.sub("", stems[-1])) != stems[-1]:
        stems.append(shorter)
    for stem in stems:
        for split in dict.fromkeys((mask.split, "")):
            picture = exact.get((split, mask.folder, stem))
            if picture is not None:
                return picture
    for stem in stems:
        found = loose.get((mask.split, stem), [])
        if len(found) == 1:
            return found[0]
    return None


def _lists(root: Path) -> dict[str, str]:
    """Return {name of a picture: split} of the lists of `ImageSets/Segmentation`; {} without lists.

    Raises:
        LabelError: if two lists name one picture.
    """
    kits = [folder for folder in entries(root)[0] if folder.name.lower() == "vocdevkit"]
    tops = [root, *(sub for folder in [root, *kits] for sub in entries(folder)[0])]
    folder = next((sub for top in tops if (sub := top / "ImageSets" / "Segmentation").is_dir()), None)
    if folder is None:
        return {}
    texts = {file.stem.lower(): file for file in entries(folder)[1] if file.suffix == ".txt"}
    named = {split_of(stem): file for stem, file in texts.items() if split_of(stem)}
    if "train" not in named and "trainval" in texts:
        named = {**named, "train": texts["trainval"]}
    found: dict[str, str] = {}
    for split in (*SPLITS[1:], "train"):
        if split not in named:
            continue
        for line, text in enumerate(read_text(named[split]).splitlines(), start=1):
            name = normal(Path(text.strip().replace("\\", "/")).name)
            if not name:
                continue
            if found.setdefault(name, split) != split and named[split].stem.lower() != "trainval":
                raise LabelError(
                    f"{named[split]}:{line}: {name} is in {split}, but also in {found[name]}",
                    hint="a picture belongs to one split; remove one of the two lines",
                )
    return found
