"""What one scan saw of a data set: all that the checks look at."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from nayan.core.image import ImageInfo
from nayan.core.neighbours import Neighbours, nearest
from nayan.core.types import Boxes
from nayan.data.doctor.look import Look
from nayan.data.doctor.mask_look import MaskLook
from nayan.data.hashing import near_duplicates
from nayan.data.sides import SIDES

NEIGHBOURS = 10
BLANK_CONTRAST = 3.0  # gray levels of standard deviation under which a picture shows nothing

FaultKind = Literal["empty_file", "not_a_picture", "bomb", "unreadable", "broken"]


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a picture cannot be used, with the decoder's or the system's words."""

    kind: FaultKind
    reason: str


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """One picture of the data set as the scan met it.

    Attributes:
        id: relative to the root, with forward slashes; for files of many pictures whatever the reader says.
        split: "train", "val", "test" or "all".
        label: name of its class; None where it has none, and where it has boxes.
        content: SHA-256 of its bytes, "" where it cannot be used.
        info: what its header says; None without a file of its own and where there is no header.
        look: what its pixels say; None exactly where there is a fault.
        fault: why it cannot be used.
        boxes: its objects; None where they are not known, and where it has a class.
        mask: what its mask says; None where it has none, or one that cannot be read.
        mask_fault: why that cannot be read.
        captions: what is said of it; none where nothing is.
    """

    id: str
    split: str
    label: str | None
    content: str = ""
    info: ImageInfo | None = None
    look: Look | None = None
    fault: Fault | None = None
    boxes: Boxes | None = None
    mask: MaskLook | None = None
    mask_fault: str = ""
    captions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Likeness:
    """What a network finds alike.

    Attributes:
        pictures: N of them.
        neighbours: the ten nearest of each, by their place in `pictures`.
    """

    pictures: tuple[Picture, ...]
    neighbours: Neighbours


@dataclass(frozen=True, slots=True)
class FileEntry:
    """One file below the root.

    Attributes:
        path: relative to the root, with forward slashes.
        is_hidden: it or one of its folders begins with a dot.
        is_picture: its first bytes are those of a picture.
        is_sample: it is one of the data set's pictures.
        problem: why it cannot be opened; "" where it can.
    """

    path: str
    is_hidden: bool = False
    is_picture: bool = False
    is_sample: bool = False
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Trouble:
    """A reader's refusal: of the whole data ("unrecognised") or of one split ("unreadable")."""

    kind: Literal["unrecognised", "unreadable"]
    message: str
    hint: str
    split: str | None = None


@dataclass(frozen=True, eq=False)
class Snapshot:
    """Everything that one scan saw.

    Attributes:
        root: the folder or file.
        format: name of the reader; "" where none recognises the data.
        reason: why that reader.
        splits: names of the splits that exist, in the order train, val, test; or "all" alone.
        classes: names of the classes in the order of their indices.
        pictures: every picture, good or not.
        files: every file below the root, and the folders that cannot be listed.
        folders: every folder below the root, relative to it.
        notes: what the reader said about its reading.
        troubles: what it refused.
        imgsz: longer side of the network's input in px, by which objects are small or not.
        of_identities: whether the classes are identities, of which each split has its own.
        of_domains: whether the classes are two domains that are to be translated into each other.
    """

    root: Path
    format: str = ""
    reason: str = ""
    splits: tuple[str, ...] = ("all",)
    classes: tuple[str, ...] = ()
    pictures: tuple[Picture, ...] = ()
    files: tuple[FileEntry, ...] = ()
    folders: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    troubles: tuple[Trouble, ...] = ()
    imgsz: int = SIDES[-1]
    vectors: Mapping[str, NDArray[np.float32]] = field(default_factory=dict)
    of_identities: bool = False
    of_domains: bool = False

    @cached_property
    def of_boxes(self) -> bool:
        """Whether the ground truth is boxes."""
        return any(picture.boxes is not None for picture in self.pictures)

    @cached_property
    def of_masks(self) -> bool:
        """Whether the ground truth is masks."""
        return any(picture.mask is not None or picture.mask_fault for picture in self.pictures)

    @cached_property
    def class_counts(self) -> dict[str, dict[str, int]]:
        """{class: {split: number of pictures that show it}}, with zeros, faulty pictures included."""
        counts: Counter[tuple[str | None, str]] = Counter()
        for picture in self.pictures:
            if picture.mask is not None:
                counts.update((self.classes[i], picture.split) for i in picture.mask.classes)
            elif picture.boxes is None:
                counts[picture.label, picture.split] += 1
            else:
                counts.update((self.classes[i], picture.split) for i in set(picture.boxes.labels.tolist()))
        return {name: {split: counts[name, split] for split in self.splits} for name in self.classes}

    @cached_property
    def box_counts(self) -> dict[str, dict[str, int]]:
        """{class: {split: number of boxes}}, with zeros; {} where the ground truth is not boxes."""
        if not self.of_boxes:
            return {}
        counts = Counter(
            (self.classes[label], picture.split)
            for picture in self.pictures
            if picture.boxes is not None
            for label in picture.boxes.labels.tolist()
        )
        return {name: {split: counts[name, split] for split in self.splits} for name in self.classes}

    @property
    def object_counts(self) -> dict[str, dict[str, int]]:
        """What there is to learn from: boxes where there are any, else pictures."""
        return self.box_counts or self.class_counts

    @cached_property
    def split_counts(self) -> dict[str, int]:
        """{split: number of pictures}, faulty ones included."""
        counts = Counter(picture.split for picture in self.pictures)
        return {split: counts[split] for split in self.splits}

    @cached_property
    def exact_groups(self) -> list[list[Picture]]:
        """Pictures with the same bytes, two or more in a group."""
        groups: dict[str, list[Picture]] = {}
        for picture in self.pictures:
            if picture.content:
                groups.setdefault(picture.content, []).append(picture)
        return [group for group in groups.values() if len(group) > 1]

    @cached_property
    def near_groups(self) -> list[list[Picture]]:
        """Pictures that look the same and do not all have the same bytes; blank ones stay out."""
        seen = [
            (picture, picture.look)
            for picture in self.pictures
            if picture.look and picture.look.contrast >= BLANK_CONTRAST
        ]
        if not seen:
            return []
        thumbnails = np.stack([look.small for _, look in seen])
        groups = near_duplicates([look.code for _, look in seen], thumbnails=thumbnails)
        named = ([seen[i][0] for i in group] for group in groups)
        return [group for group in named if len({picture.content for picture in group}) > 1]

    @cached_property
    def likeness(self) -> Likeness | None:
        """What a network finds alike; None where none looked. Blank pictures stay out."""
        seen = tuple(
            picture
            for picture in self.pictures
            if picture.id in self.vectors and picture.look and picture.look.contrast >= BLANK_CONTRAST
        )
        if not seen:
            return None
        stacked = np.stack([self.vectors[picture.id] for picture in seen])
        return Likeness(seen, nearest(stacked, stacked, k=NEIGHBOURS, own=np.arange(len(seen))))


def ids(pictures: Iterable[Picture]) -> tuple[str, ...]:
    """Return the ids of pictures."""
    return tuple(picture.id for picture in pictures)
