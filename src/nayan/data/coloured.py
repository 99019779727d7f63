"""Scanned digits for those who learn to make pictures, 32 x 32, in three kinds.

    captions   ink in one of six colours on black or white, with all that a small grammar can say of it
    domains    A: dark ink on white paper; B: light ink in any colour on a piece of a photograph
    pictures   white on black, of which nothing is said

The training pictures of the two domains are of different scans, so that none has a twin. In val and test each
scan is in both, under one name: there one can see what a translation should have been.
"""

from __future__ import annotations

import colorsys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import PIL.Image
from numpy.typing import ArrayLike, NDArray

from nayan.core.types import Caption, Dataset, Domain, Image, Sample
from nayan.data.numbers import enlarge
from nayan.data.readers.domains import DOMAINS

SIDE = 32
WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
COLOURS = {
    "red": (225, 40, 40),
    "yellow": (235, 190, 0),
    "green": (30, 165, 60),
    "cyan": (0, 180, 205),
    "blue": (50, 80, 235),
    "purple": (155, 50, 195),
}
"""The inks by name, RGB: far enough from each other and from both grounds to be told apart."""
GROUNDS = {"black": (0, 0, 0), "white": (255, 255, 255)}
SENTENCES = (
    "a {colour} {word}",
    "the digit {digit} in {colour}",
    "a {colour} {word} on {ground}",
    "the digit {digit} in {colour} on {ground}",
)

_PAPER, _DARK = 245, 30  # gray levels of the domain A
_CROP = (64, 192)  # px of a photograph that the ground of the domain B shows
_SHADE, _CALM = 75, 0.6  # its mean level, and how much of its contrast it keeps
_LIGHTNESS = (0.8, 0.92)  # of its ink

Scans = NDArray[np.float64]
"""(N, 8, 8) with ink from 0 to 16."""


def coloured(
    format: str,
    scans: Scans,
    labels: NDArray[np.int64],
    *,
    parts: Mapping[str, Sequence[int]],
    photographs: Sequence[Image],
    rng: np.random.Generator,
) -> dict[str, Dataset]:
    """Return the pictures of every split.

    Args:
        format: "captions", "domains" or "pictures".
        scans: all of them.
        labels: (N,) their digits.
        parts: which of them each split has.
        photographs: (H, W, 3) each, 192 px or more wide and high.
        rng: draws colours and grounds.
    """
    splits: dict[str, Dataset] = {}
    for split, numbers in parts.items():
        if format == "captions":
            samples = [_captioned(scans[n], n, int(labels[n]), rng) for n in numbers]
        elif format == "domains":
            in_a, in_b = (numbers[::2], numbers[1::2]) if split == "train" else (numbers, numbers)
            samples = [_in_domain(0, n, _on_paper(scans[n])) for n in in_a]
            samples += [_in_domain(1, n, _on_photograph(scans[n], photographs, rng)) for n in in_b]
        else:
            samples = [_sample(f"digit_{n:04d}", _mixed(_ink(scans[n]), 255, 0)) for n in numbers]
        classes = DOMAINS if format == "domains" else ()
        splits[split] = Dataset(tuple(samples), classes, Path(format), format, split)
    return splits


def _captioned(scan: NDArray[np.float64], number: int, digit: int, rng: np.random.Generator) -> Sample:
    """Return a scan in some colour on some ground, with all that the grammar says of it."""
    colour, ground = str(rng.choice(list(COLOURS))), str(rng.choice(list(GROUNDS)))
    image = _mixed(_ink(scan), COLOURS[colour], GROUNDS[ground])
    words = {"digit": digit, "word": WORDS[digit], "colour": colour, "ground": ground}
    target = Caption(tuple(sentence.format(**words) for sentence in SENTENCES))
    return replace(_sample(f"digit_{number:04d}", image), target=target)


def _in_domain(domain: int, number: int, image: Image) -> Sample:
    return replace(_sample(f"{DOMAINS[domain]}/digit_{number:04d}", image), target=Domain(domain))


def _on_paper(scan: NDArray[np.float64]) -> Image:
    """Return a scan as the domain A shows it; there is only one way."""
    return _mixed(_ink(scan), _DARK, _PAPER)


def _on_photograph(
    scan: NDArray[np.float64], photographs: Sequence[Image], rng: np.random.Generator
) -> Image:
    """Return a scan as the domain B shows it, on some ground in some colour."""
    photograph = photographs[int(rng.integers(len(photographs)))]
    side = int(rng.integers(*_CROP))
    y, x = (int(rng.integers(length - side + 1)) for length in photograph.shape[:2])
    crop = PIL.Image.fromarray(photograph[y : y + side, x : x + side])
    pixels = np.asarray(crop.resize((SIDE, SIDE), PIL.Image.Resampling.LANCZOS), np.float32)
    ground = (_SHADE + _CALM * (pixels - pixels.mean())).clip(0, 255)
    colour = colorsys.hls_to_rgb(rng.random(), rng.uniform(*_LIGHTNESS), rng.uniform(0.5, 1.0))
    return _mixed(_ink(scan), np.array(colour) * 255, ground)


def _ink(scan: NDArray[np.float64]) -> NDArray[np.float32]:
    """Return how much of each pixel an enlarged scan covers, (32, 32, 1) in [0, 1]."""
    large = np.asarray(enlarge(scan), np.float32) / 255
    margin = (SIDE - len(large)) // 2
    return np.pad(large, margin)[:, :, None].astype(np.float32)


def _mixed(ink: NDArray[np.float32], colour: ArrayLike, ground: ArrayLike) -> Image:
    """Return a (32, 32, 3) picture of ink in a colour on a ground: a colour, or (32, 32, 3) pixels."""
    over, under = np.asarray(colour, np.float32), np.asarray(ground, np.float32)
    pixels = np.broadcast_to(under + ink * (over - under), (SIDE, SIDE, 3))
    return pixels.round().clip(0, 255).astype(np.uint8)


def _sample(id: str, image: Image) -> Sample:
    return Sample(id, partial(np.copy, image))
