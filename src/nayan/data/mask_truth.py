"""What the masks of a data set say, to compare two ways of storing them: pixels of each class, and which."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from nayan.core.errors import DataError
from nayan.core.types import VOID, Dataset, Sample
from nayan.data.hashing import content_hash
from nayan.data.readers.masks import mask_of


@dataclass(frozen=True, slots=True, eq=False)
class MaskTruth:
    """What the masks of a data set say.

    Attributes:
        pixels: {split: {class: pixels}}; those that are void are not counted.
        pictures: {split: {id: (content of the picture, content of its mask by the names of the classes)}}.
    """

    pixels: Mapping[str, Mapping[str, int]]
    pictures: Mapping[str, Mapping[str, tuple[str, str]]]


def mask_truth(splits: Mapping[str, Dataset], *, by_pixels: bool) -> MaskTruth:
    """Read every mask.

    Args:
        splits: data sets with masks.
        by_pixels: whether pictures are told by their pixels, not by the bytes of their files.

    Raises:
        LabelError: if a picture has no mask.
        DataError: if one cannot be read.
    """
    pixels: dict[str, dict[str, int]] = {}
    pictures: dict[str, dict[str, tuple[str, str]]] = {}
    for split, data in splits.items():
        counts: Counter[str] = Counter()
        pictures[split] = {}
        for sample in data.samples:
            ids, digest = _mask(sample, data.classes)
            counts.update(ids)
            content = content_hash(replace(sample, path=None) if by_pixels else sample)
            pictures[split][sample.id] = content, digest
        pixels[split] = {name: counts[name] for name in data.classes if counts[name]}
    return MaskTruth(pixels, pictures)


def compare_masks(before: MaskTruth, after: MaskTruth) -> None:
    """Raise DataError, naming the first difference, unless every picture has the mask that it had."""
    for split, pictures in before.pictures.items():
        left = Counter(after.pictures.get(split, {}).values())
        for id, truth in pictures.items():
            if not left[truth]:
                raise DataError(
                    f"{split}, {id}: the picture is missing in the copy, or has another mask",
                    hint="the format may not be able to hold it; try --to masks",
                )
            left[truth] -= 1
        if extra := left.total():
            raise DataError(f"{split}: the copy has {extra} pictures more; nothing was written",
                            hint="run `nayan doctor DATA`, and report this with what it says")  # fmt: skip


def _mask(sample: Sample, classes: Sequence[str]) -> tuple[dict[str, int], str]:
    """Return {class: pixels} and a digest that does not depend on the order of the classes."""
    ids = mask_of(sample).ids
    counts = np.bincount(ids.ravel(), minlength=VOID + 1)
    digest = hashlib.sha256(repr(ids.shape).encode())
    for number in sorted(range(len(classes)), key=classes.__getitem__):
        if counts[number]:
            digest.update(classes[number].encode() + b"\0" + np.packbits(ids == number).tobytes())
    return {name: int(counts[number]) for number, name in enumerate(classes)}, digest.hexdigest()
