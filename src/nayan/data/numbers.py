"""Numbers of two scanned digits: a hundred identities out of ten, for those who learn to compare.

    scan of a 3 (8, 8) ┐
                       ├── side by side, (28, 40), white on black ── a picture of "37"
    scan of a 7 (8, 8) ┘

Whoever tells 37 from 73 must look at both digits and their order. The numbers of val and test are strangers:
the network has seen their digits, but in other numbers and other scans.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import PIL.Image
from numpy.typing import NDArray

from nayan.core.errors import ConfigError
from nayan.data.readers.pair_tables import write_pairs

NUMBERS = {"train": 64, "val": 18, "test": 18}
EACH = 10  # pictures of a number
PAIRS = 300  # half of them same
_INK = slice(4, 24)  # columns of a scan of 28 that are kept
_LEAST = 2
_INNER = 24  # px that the 10 x 10 scan (8 x 8 and an empty border) spans, so that a digit is 20 px high
_MARGIN = 2  # to 28 px, as in MNIST


def write_numbers(
    scans: NDArray[np.float64],
    labels: NDArray[np.int64],
    out: Path,
    *,
    count: int | None,
    rng: np.random.Generator,
) -> None:
    """Write folders of numbers by split, and `pairs_val.csv` and `pairs_test.csv`.

    Args:
        scans: (N, 8, 8) with ink from 0 to 16.
        labels: (N,) digits.
        out: an empty or new folder.
        count: pictures in all; None for 1,000.
        rng: decides everything.

    Raises:
        ConfigError: if `count` is not 200 to 1,000 pictures.
    """
    total = sum(NUMBERS.values())
    if count is not None and not _LEAST * total <= count <= EACH * total:
        raise ConfigError(
            f"count {count}: there are {_LEAST * total} to {EACH * total} pictures of {total} numbers",
            hint="leave it out for all of them",
        )
    numbers = rng.permutation(total)
    hands = {split: np.array_split(rng.permutation(len(scans)), 3)[n] for n, split in enumerate(NUMBERS)}
    done = 0
    for split, many in NUMBERS.items():
        files: list[list[str]] = []
        for number in sorted(numbers[done : done + many].tolist()):
            each = EACH if count is None else count // total + (number < count % total)
            folder = out / split / f"{number:02d}"
            folder.mkdir(parents=True)
            files.append([])
            for each_one in range(each):
                picture = _number(scans[hands[split]], labels[hands[split]], number, rng)
                PIL.Image.fromarray(picture).save(folder / f"{each_one}.png")
                files[-1].append(f"{split}/{number:02d}/{each_one}.png")
        done += many
        if split != "train":
            write_pairs(_pairs(files, rng), out / f"pairs_{split}.csv")


def enlarge(digit: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Return an (8, 8) scan with ink from 0 to 16 as a smooth (28, 28) picture, white on black.

    >>> enlarge(np.zeros((8, 8))).shape
    (28, 28)
    """
    scan = PIL.Image.fromarray(np.pad(digit.astype(np.float32) * (255 / 16), 1))  # strokes end smoothly
    large = np.asarray(scan.resize((_INNER, _INNER), PIL.Image.Resampling.BICUBIC))
    return np.pad(large.round().clip(0, 255).astype(np.uint8), _MARGIN)


def _number(
    scans: NDArray[np.float64], labels: NDArray[np.int64], number: int, rng: np.random.Generator
) -> NDArray[np.uint8]:
    digits = [rng.choice(np.flatnonzero(labels == digit)) for digit in divmod(number, 10)]
    return np.concatenate([enlarge(scans[digit])[:, _INK] for digit in digits], axis=1)


def _pairs(files: list[list[str]], rng: np.random.Generator) -> list[tuple[str, str, bool]]:
    """Return pairs of files, every other one of two pictures of one number; none twice."""
    pairs: dict[tuple[str, str], bool] = {}
    most = sum(len(group) * (len(group) - 1) // 2 for group in files)
    wanted = min(PAIRS // 2, most)
    while sum(pairs.values()) < wanted:
        first, second = rng.choice(files[int(rng.integers(len(files)))], 2, replace=False)
        pairs[min(first, second), max(first, second)] = True
    while len(pairs) < 2 * wanted:
        one, other = rng.choice(len(files), 2, replace=False)
        pairs[str(rng.choice(files[min(one, other)])), str(rng.choice(files[max(one, other)]))] = False
    return [(str(first), str(second), same) for (first, second), same in pairs.items()]
