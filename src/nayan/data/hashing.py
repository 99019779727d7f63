"""Find pictures that are the same: byte for byte, or to the eye.

    content_hash     the same bytes                     -> the same hex text
    perceptual_hash  the same picture, saved otherwise  -> 64 bits that differ in a few places
    thumbnail        the same picture, saved otherwise  -> 16 x 16 gray values that nearly agree
    near_duplicates  groups the hashes; with thumbnails every pair is confirmed by them

A hash alone is not enough: 64 bits of low frequencies cannot tell two slim digits "1" apart. The
thumbnail can, so whoever blames somebody's data passes both. A mirrored, cropped or turned copy is
another picture to these hashes.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Sequence
from functools import cache

import numpy as np
import PIL.Image
from numpy.typing import NDArray

from nayan.core.errors import ConfigError
from nayan.core.types import Image, Sample

THUMBNAIL_SIDE = 16
# Copies at half the size and JPEG quality 70 stay below 0.09; at 0.2 slim handwritten digits begin to agree.
MAX_RELATIVE_DIFFERENCE = 0.1

_GRID = 32  # side of the gray picture that is transformed
_KEPT = 8  # lowest frequencies kept in each direction, without the constant one
_FLAT = 2.0  # standard deviation in gray levels under which the transform is only noise
_ROUNDING = 16.0  # what rounding to whole gray levels can add to one frequency: 3.5 deviations
_COLOUR_STEP = 8  # flat pictures of one step of mean colour are the same picture
_CHUNK = 1 << 16  # pairs of thumbnails compared at once


def content_hash(sample: Sample) -> str:
    """Return the SHA-256 of a picture as 64 hex digits.

    Args:
        sample: of its file the bytes count; without a file of its own, its shape and pixels.

    Raises:
        OSError: if the file cannot be read.
    """
    if sample.path is not None:
        with sample.path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    image = sample.load()
    return hashlib.sha256(repr(image.shape).encode() + np.ascontiguousarray(image).tobytes()).hexdigest()


def perceptual_hash(image: Image) -> int:
    """Return 64 bits that stay nearly the same when a picture is scaled or compressed again.

    Each bit says whether one of the 8 x 8 lowest frequencies (without the constant ones) of the
    32 x 32 gray picture lies above their median. Copies of a picture differ in 0 to 4 bits, two
    pictures that have nothing in common in about 32. A flat picture has no frequencies to compare:
    it is hashed by its mean colour, so that only flat pictures of one colour agree.

    Args:
        image: (H, W, 3) uint8 RGB, of any size.

    Source: Zauner (2010), Implementation and Benchmarking of Perceptual Image Hash Functions, 3.2.1.

    >>> ramp = np.repeat(np.arange(0, 256, 4, dtype=np.uint8)[:, None, None], 48, axis=1).repeat(3, axis=2)
    >>> (perceptual_hash(ramp) ^ perceptual_hash(ramp[::2, ::2])).bit_count() <= 4
    True
    """
    gray = _gray(image, _GRID).astype(np.float64)
    if gray.std() < _FLAT:
        colour = (image.reshape(-1, 3).mean(axis=0) / _COLOUR_STEP).astype(np.uint8)
        return int.from_bytes(hashlib.sha256(colour.tobytes()).digest()[:8], "big")
    basis = _cosines()
    frequencies = (basis @ gray @ basis.T).ravel()
    # A drawing has many frequencies of exactly nothing; without a margin rounding decides their bits.
    bits = np.packbits(frequencies > np.median(frequencies) + _ROUNDING)
    return int.from_bytes(bits.tobytes(), "big")


def thumbnail(image: Image) -> NDArray[np.uint8]:
    """Return the picture as (16, 16) gray values, to confirm what two equal hashes suggest."""
    return _gray(image, THUMBNAIL_SIDE)


def near_duplicates(
    hashes: Sequence[int],
    max_distance: int = 4,
    *,
    thumbnails: NDArray[np.uint8] | None = None,
) -> list[list[int]]:
    """Return the groups of pictures that are the same to the eye.

    A group is a connected component: A and C are in one group when B is near to both.

    Args:
        hashes: 64-bit perceptual hashes.
        max_distance: bits in which two of one picture may differ, 0 to 32.
        thumbnails: (N, 16, 16) gray values; with them a pair also has to look alike.

    Returns:
        Groups of two or more positions, each sorted, in the order of their first members.

    Raises:
        ConfigError: if `max_distance` is outside 0 to 32, or the lengths differ.

    >>> near_duplicates([0b1111, 0xFF00FF00, 0b0111])
    [[0, 2]]
    """
    if not 0 <= max_distance <= 32:
        raise ConfigError(f"max_distance counts bits, 0 to 32, got {max_distance}", hint="4 is usual")
    if thumbnails is not None and len(thumbnails) != len(hashes):
        raise ConfigError(f"{len(hashes)} hashes, but {len(thumbnails)} thumbnails; one each is needed")
    codes = np.array(hashes, dtype=np.uint64)
    small = np.zeros((len(codes), 0), np.uint8) if thumbnails is None else thumbnails.reshape(len(codes), -1)
    # Many exact copies would make a square number of pairs, so each distinct picture is taken once.
    rows = np.concatenate([codes[:, None].view(np.uint8).reshape(len(codes), 8), small], axis=1)
    _, first, member = np.unique(rows, axis=0, return_index=True, return_inverse=True)
    left, right = _close_pairs(codes[first], max_distance)
    if thumbnails is not None:
        alike = _look_alike(small[first], left, right)
        left, right = left[alike], right[alike]
    component = _components(len(first), left, right)[member.ravel()]
    groups: dict[int, list[int]] = {}
    for position, label in enumerate(component.tolist()):
        groups.setdefault(label, []).append(position)
    return [group for group in groups.values() if len(group) > 1]


def _gray(image: Image, side: int) -> NDArray[np.uint8]:
    picture = PIL.Image.fromarray(image).convert("L")
    return np.asarray(picture.resize((side, side), PIL.Image.Resampling.BILINEAR, reducing_gap=3.0))


@cache
def _cosines() -> NDArray[np.float64]:
    """Return the rows 1 to 8 of the 32-point cosine transform (DCT-II); row 0 is the mean."""
    k = np.arange(1, _KEPT + 1)[:, None]
    n = np.arange(_GRID)[None, :]
    return np.cos(np.pi * k * (2 * n + 1) / (2 * _GRID))


def _close_pairs(codes: NDArray[np.uint64], max_distance: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the pairs within a distance, some of them more than once.

    Two codes that differ in at most d bits agree wholly in one of d + 1 bands (pigeonhole), so only
    codes that share a band are compared: in the order of the band's value, each with its successor,
    then the one after it, as long as any two still share the value.
    """
    edges = np.linspace(0, 64, max_distance + 2).round().astype(np.int64)
    found: list[tuple[NDArray[np.int64], NDArray[np.int64]]] = []
    for low, high in itertools.pairwise(edges.tolist()):
        keys = codes << np.uint64(64 - high) >> np.uint64(64 - high + low)
        order = np.argsort(keys, kind="stable")
        keys = keys[order]
        at = np.arange(len(codes))
        step = 1
        while len(at := at[at < len(codes) - step]) and len(at := at[keys[at] == keys[at + step]]):
            a, b = order[at], order[at + step]
            near = np.bitwise_count(codes[a] ^ codes[b]) <= max_distance
            found.append((a[near], b[near]))
            step += 1
    if not found:
        return np.empty(0, np.int64), np.empty(0, np.int64)
    return np.concatenate([pair[0] for pair in found]), np.concatenate([pair[1] for pair in found])


def _look_alike(
    small: NDArray[np.uint8], left: NDArray[np.int64], right: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """Return for each pair whether its thumbnails agree, whatever their brightness.

    The root mean square of their difference has to be small against the contrast of the stronger one.
    """
    values = small.astype(np.float32)
    values -= values.mean(axis=1, keepdims=True)
    contrast = np.maximum(values.std(axis=1), _FLAT)
    alike = np.zeros(len(left), np.bool_)
    for start in range(0, len(left), _CHUNK):
        a, b = left[start : start + _CHUNK], right[start : start + _CHUNK]
        difference = np.sqrt(np.square(values[a] - values[b]).mean(axis=1))
        alike[start : start + _CHUNK] = difference <= MAX_RELATIVE_DIFFERENCE * np.maximum(
            contrast[a], contrast[b]
        )
    return alike


def _components(count: int, left: NDArray[np.int64], right: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return for each of `count` nodes the lowest node that it is connected with."""
    label = np.arange(count)
    while True:
        before = label.copy()
        low = np.minimum(label[left], label[right])
        for end in (left, right):
            np.minimum.at(label, before[end], low)
            np.minimum.at(label, end, low)
        label = label[label]
        if np.array_equal(label, before):
            return label
