"""Sample data made on the spot, without a network, from material that comes with scikit-learn."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import PIL.Image
from numpy.typing import NDArray

from nayan.core.errors import ConfigError, MissingExtra, NotFound
from nayan.core.types import Dataset, Image, MaskSource, Sample, SemanticMask
from nayan.data.coloured import coloured
from nayan.data.formats import DRAWN
from nayan.data.numbers import enlarge, write_numbers
from nayan.data.pictures import file_sample
from nayan.data.readers import READERS
from nayan.data.readers.base import check_new
from nayan.data.readers.drawn import BACKGROUND
from nayan.data.scenes import BACKGROUND as EMPTY
from nayan.data.scenes import is_legible, masked_scene

FORMATS = {
    "classify": ("folder",),
    "detect": ("coco", "yolo", "voc", "csv_boxes", "labelme", "cvat", "label_studio"),
    "segment": ("masks", "coco", "yolo"),
    "compare": ("identities",),
    "generate": ("captions", "domains", "pictures"),
}
"""Formats in which the sample of each task can be written, the usual one first."""

SCENES = {"train": 200, "val": 50, "test": 50}
CLASSES = ("0", "1", "2")
"""Digits on photographs: few, so that a small network learns to find them within a minute."""

_SHARES = (("train", 0.7), ("val", 0.15), ("test", 0.15))
_LEAST = 4  # pictures of a class, so that each split has one
_LEAST_SCENES = 12


def write_sample(
    task: str, out: Path, *, seed: int = 0, count: int | None = None, format: str | None = None
) -> Path:
    """Write a small data set for a task into a new folder and return it.

    For "classify": scanned handwritten digits (UCI Optical Recognition of Handwritten Digits, 1,797
    of 8 x 8, shipped with scikit-learn), enlarged smoothly to white on black 28 x 28 as in MNIST, in
    folders train/val/test by class with about 70, 15 and 15 %.

    For "detect": the same scans of the digits 0, 1 and 2, large and coloured on crops of scikit-learn's two
    photographs, 320 x 240, with up to five digits each and exact boxes: 200 pictures to train, 50 to
    validate and 50 to test, each digit in one split only. See `data.scenes`.

    For "segment": the same pictures with a mask each, whose classes are the background and the three digits;
    in folders images/ and masks/, or as outlines in COCO or YOLO.

    For "compare": numbers of two digits as identities, ten pictures of each of the hundred from different
    scans, with 64, 18 and 18 of them in train, val and test, and 300 pairs to compare in val and in test.

    For "generate": the digits at 32 x 32, each once, in the same shares. As "captions" each has one of six
    colours on black or white and four sentences that say so; as "domains" one half is dark on white paper,
    the other light on pieces of photographs, and those of val and test are there in both; as "pictures" they
    are white on black, without a word. See `data.coloured`.

    Args:
        task: what the data is for.
        out: does not exist, or is an empty folder.
        seed: of the order in which pictures go to the splits, and of the scenes.
        count: pictures in all, except for scenes in equal parts a class; None for the usual number.
        format: one of `FORMATS`; None for the usual one.

    Raises:
        NotFound: if there is no sample for the task, or not in that format.
        DataError: if the folder is not empty.
        ConfigError: if `count` is too small for all classes and splits, or more than there are.
        MissingExtra: if scikit-learn is not installed.

    Source: Alpaydin and Kaynak (1998), Cascading classifiers, Kybernetika 34(4).
    """
    if task not in FORMATS:
        raise NotFound("task", task, FORMATS)
    if format is not None and format not in FORMATS[task]:
        raise NotFound("format", format, FORMATS[task], hint=f"the sample for {task} is written in these")
    try:
        from sklearn.datasets import load_digits
    except ImportError as error:
        raise MissingExtra("scikit-learn, which the sample digits come with,", "train") from error
    out = Path(out)
    check_new(out)
    digits = load_digits()
    pictures, labels = np.asarray(digits.images), np.asarray(digits.target)
    rng = np.random.default_rng(seed)
    if task == "compare":
        write_numbers(pictures, labels, out, count=count, rng=rng)
    elif task == "generate":
        _write_coloured(pictures, labels, out, count=count, format=format or FORMATS[task][0], rng=rng)
    elif task != "classify":
        _write_scenes(
            pictures, labels, out, task=task, count=count, format=format or FORMATS[task][0], rng=rng
        )
    else:
        _write_digits(pictures, labels, out, count=count, rng=rng)
    return out


def _write_digits(
    pictures: NDArray[np.float64],
    labels: NDArray[np.int64],
    out: Path,
    *,
    count: int | None,
    rng: np.random.Generator,
) -> None:
    for split, numbers in _digits(labels, count=count, rng=rng).items():
        for number in numbers:
            file = out / split / str(labels[number]) / f"digit_{number:04d}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            PIL.Image.fromarray(enlarge(pictures[number])).save(file)


def _write_coloured(
    pictures: NDArray[np.float64],
    labels: NDArray[np.int64],
    out: Path,
    *,
    count: int | None,
    format: str,
    rng: np.random.Generator,
) -> None:
    parts = _digits(labels, count=count, rng=rng)
    splits = coloured(format, pictures, labels, parts=parts, photographs=_photographs(), rng=rng)
    READERS[format].write(splits, out)


def _digits(
    labels: NDArray[np.int64], *, count: int | None, rng: np.random.Generator
) -> dict[str, list[int]]:
    """Return which scans each split has: all, or `count` of them, in equal parts a digit."""
    _check_count(count, labels)
    parts: dict[str, list[int]] = {split: [] for split, _ in _SHARES}
    for label in range(10):
        members = rng.permutation(np.flatnonzero(labels == label))
        if count is not None:
            members = members[: count // 10 + (label < count % 10)]
        for split, numbers in _share(members).items():
            parts[split] += numbers.tolist()
    return parts


def _write_scenes(
    pictures: NDArray[np.float64],
    labels: NDArray[np.int64],
    out: Path,
    *,
    task: str,
    count: int | None,
    format: str,
    rng: np.random.Generator,
) -> None:
    usual = sum(SCENES.values())
    if count is not None and count < _LEAST_SCENES:
        raise ConfigError(f"count {count}: three splits need {_LEAST_SCENES} pictures or more",
                          hint=f"leave it out for {usual}")  # fmt: skip
    wanted = {split: round((count or usual) * part / usual) for split, part in SCENES.items()}
    wanted["train"] = (count or usual) - wanted["val"] - wanted["test"]
    scans: dict[str, dict[int, NDArray[np.float64]]] = {split: {} for split in SCENES}
    for label in range(len(CLASSES)):
        legible = [number for number in np.flatnonzero(labels == label) if is_legible(pictures[number])]
        for split, numbers in _share(rng.permutation(legible)).items():
            scans[split][label] = pictures[numbers]
    photographs = _photographs()
    number = 0
    splits: dict[str, Dataset] = {}
    classes = CLASSES if task == "detect" else (BACKGROUND, *CLASSES)
    with tempfile.TemporaryDirectory() as drafts:
        for split, many in wanted.items():
            samples: list[Sample] = []
            empty = set(rng.permutation(many)[: round(EMPTY * many)].tolist())
            for index in range(many):
                number += 1
                image, boxes, ids = masked_scene(
                    photographs, scans[split], is_background=index in empty, rng=rng
                )
                mask = MaskSource(partial(SemanticMask, ids))
                path = Path(drafts) / f"digits_{number:04d}.jpg"
                PIL.Image.fromarray(image).save(path, quality=92)
                samples.append(
                    replace(file_sample(path, id=path.name), target=boxes if task == "detect" else mask)
                )
            splits[split] = Dataset(tuple(samples), classes, out, format, split)
        READERS[format if task == "detect" else DRAWN.get(format, format)].write(splits, out)


def _photographs() -> list[Image]:
    from sklearn.datasets import load_sample_images

    return [np.asarray(image, np.uint8) for image in load_sample_images().images]


def _check_count(count: int | None, labels: NDArray[np.int64]) -> None:
    most = 10 * int(np.bincount(labels).min())
    if count is not None and not 10 * _LEAST <= count <= most:
        raise ConfigError(f"count {count}: there are {10 * _LEAST} to {most} digits in equal parts a class",
                          hint="leave it out for all of them")  # fmt: skip


def _share(members: NDArray[np.int64]) -> dict[str, NDArray[np.int64]]:
    """Return the members in the shares of the splits; val and test have at least one."""
    parts: dict[str, NDArray[np.int64]] = {}
    rest = members
    for split, share in _SHARES[1:]:
        take = max(1, round(len(members) * share))
        parts[split], rest = rest[:take], rest[take:]
    return {"train": rest, **parts}
