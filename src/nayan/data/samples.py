"""Sample data made on the spot, without a network, from material that comes with scikit-learn."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import PIL.Image
from numpy.typing import NDArray

from nayan.core.errors import ConfigError, MissingExtra, NotFound
from nayan.data.readers.base import check_new

TASKS = ("classify",)
_SHARES = (("train", 0.7), ("val", 0.15), ("test", 0.15))
_INNER = 24  # px that the 10 x 10 scan (8 x 8 and an empty border) spans, so that a digit is 20 px high
_MARGIN = 2  # to 28 px, as in MNIST
_LEAST = 4  # pictures of a class, so that each split has one


def write_sample(task: str, out: Path, *, seed: int = 0, count: int | None = None) -> Path:
    """Write a small data set for a task into a new folder and return it.

    For "classify": scanned handwritten digits (UCI Optical Recognition of Handwritten Digits, 1,797
    of 8 x 8, shipped with scikit-learn), enlarged smoothly to white on black 28 x 28 as in MNIST, in
    folders train/val/test by class with about 70, 15 and 15 %.

    Args:
        task: what the data is for.
        out: does not exist, or is an empty folder.
        seed: of the order in which pictures go to the splits.
        count: pictures in all, in equal parts a class; None for every one.

    Raises:
        NotFound: if there is no sample for the task.
        DataError: if the folder is not empty.
        ConfigError: if `count` is too small for ten classes and three splits, or more than there are.
        MissingExtra: if scikit-learn is not installed.

    Source: Alpaydin and Kaynak (1998), Cascading classifiers, Kybernetika 34(4).
    """
    if task not in TASKS:
        raise NotFound("task", task, TASKS)
    try:
        from sklearn.datasets import load_digits
    except ImportError as error:
        raise MissingExtra("scikit-learn, which the sample digits come with,", "train") from error
    out = Path(out)
    check_new(out)
    digits = load_digits()
    pictures, labels = np.asarray(digits.images), np.asarray(digits.target)
    _check_count(count, labels)
    rng = np.random.default_rng(seed)
    for label in range(10):
        members = rng.permutation(np.flatnonzero(labels == label))
        if count is not None:
            members = members[: count // 10 + (label < count % 10)]
        for split, numbers in _share(members).items():
            folder = out / split / str(label)
            folder.mkdir(parents=True)
            for number in numbers:
                PIL.Image.fromarray(enlarge(pictures[number])).save(folder / f"digit_{number:04d}.png")
    return out


def enlarge(digit: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Return an (8, 8) scan with ink from 0 to 16 as a smooth (28, 28) picture, white on black.

    >>> enlarge(np.zeros((8, 8))).shape
    (28, 28)
    """
    scan = PIL.Image.fromarray(np.pad(digit.astype(np.float32) * (255 / 16), 1))  # strokes end smoothly
    large = np.asarray(scan.resize((_INNER, _INNER), PIL.Image.Resampling.BICUBIC))
    return np.pad(large.round().clip(0, 255).astype(np.uint8), _MARGIN)


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
