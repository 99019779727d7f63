"""The values that mask files hold: counted in many files, and turned into classes in each.

A mask holds the numbers of classes, gray levels, or colours. Which of these is decided once for a data set
(`mask_meaning`), from what `count_values` found; `ValueMap` then turns each file into classes.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from nayan.core.errors import FormatError
from nayan.core.machine import cores
from nayan.core.stored import Stored, open_stored
from nayan.core.types import VOID
from nayan.data.sides import spaced

ALL = 512
"""Masks up to which every one is looked at, before it is said what their values mean."""
SPREAD = 256
"""Masks, evenly spaced, that are looked at of more than that."""

_GRAY = 0x010101  # a gray level times this is its colour

Kind = Literal["ids", "gray", "colours", "threshold"]


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """The values of one mask.

    Attributes:
        path: of the file.
        counts: {value: pixels}; of a file that stores colours 0xRRGGBB.
        coloured: the file stores colours.
        palette: {value: colour} where the file has a palette.
        lossy: its values were changed by compression.
    """

    path: Path
    counts: Mapping[int, int]
    coloured: bool
    palette: Mapping[int, int] | None
    lossy: bool

    @property
    def colours(self) -> dict[int, int]:
        """{colour: pixels}, of gray levels too."""
        found: dict[int, int] = {}
        for value, count in self.counts.items():
            colour = value if self.coloured else value * _GRAY
            if self.palette is not None:
                colour = self.palette.get(value, 0)
            found[colour] = found.get(colour, 0) + count
        return found


def count_values(paths: Sequence[Path]) -> list[Seen]:
    """Return what masks hold: all of them, or `SPREAD` evenly spaced ones of more than `ALL`.

    Those that cannot be decoded are left out: whoever loads them is told. The answer is kept until a file
    changes, since every split of a data set asks for it.

    Raises:
        FormatError: if not one can be decoded; the words are those of the first.
    """
    chosen = [paths[row] for row in spaced(len(paths), SPREAD)] if len(paths) > ALL else paths
    states = (os.stat(path) for path in chosen)  # noqa: PTH116 - Path.stat takes twice as long
    return _counted(tuple((path, s.st_mtime_ns, s.st_size) for path, s in zip(chosen, states, strict=True)))


@lru_cache(maxsize=8)
def _counted(files: tuple[tuple[Path, int, int], ...]) -> list[Seen]:
    with ThreadPoolExecutor(cores()) as pool:
        found = list(pool.map(lambda file: _seen(file[0]), files))
    seen = [each for each in found if isinstance(each, Seen)]
    if not seen:
        raise next(each for each in found if isinstance(each, FormatError))
    return seen


def _seen(path: Path) -> Seen | FormatError:
    try:
        stored = open_stored(path)
    except FormatError as error:
        return error
    counts = counted(stored.values)
    palette = stored.palette
    known = None if palette is None else {v: int(palette[v]) for v in counts if v < len(palette)}
    return Seen(path, counts, stored.coloured, known, stored.lossy)


def counted(values: NDArray[Any]) -> dict[int, int]:
    """Return {value: how often}; quick where neighbours are alike, as they are in masks.

    >>> counted(np.array([[7, 7, 3], [3, 3, 7]]))
    {3: 3, 7: 3}
    """
    flat = values.ravel()
    if not len(flat):
        return {}
    if flat.dtype == np.uint8:
        counts = np.bincount(flat)
        return {int(value): int(counts[value]) for value in np.flatnonzero(counts)}
    starts = np.append(0, np.flatnonzero(flat[1:] != flat[:-1]) + 1)
    lengths = np.diff(starts, append=len(flat))
    unique, places = np.unique(flat[starts], return_inverse=True)
    totals = np.bincount(places, weights=lengths)
    return {int(value): int(total) for value, total in zip(unique, totals, strict=True)}


@dataclass(frozen=True, slots=True)
class ValueMap:
    """Which class each value of a mask stands for.

    Attributes:
        kind: what is looked up: the number that is stored ("ids"), the gray level of what is shown ("gray"),
            or its colour as 0xRRGGBB ("colours"); "threshold" takes gray levels from 128 on for class 1.
        ids: (value, class) for each known value, `VOID` where it stands for none; sorted.
        nearest: unknown colours, made by compression, count as the nearest known one.
    """

    kind: Kind
    ids: tuple[tuple[int, int], ...]
    nearest: bool = False

    def apply(self, stored: Stored, path: Path) -> NDArray[np.uint8]:
        """Return (H, W) classes.

        Raises:
            FormatError: if a value is not known, with the first pixel that has it.
        """
        values = self._values(stored, path)
        if self.kind == "threshold":
            return np.asarray(values >= 128, np.uint8)
        if self.nearest:
            values = _nearest(values, [value for value, _ in self.ids])
        classes, known = _looked_up(values, self.ids)
        if not known.all():
            y, x = (int(at) for at in np.argwhere(~known)[0])
            raise FormatError(
                f"{path}: {self.shown(int(values[y, x]))} at x {x}, y {y} stands for no class "
                f"({int((~known).sum()):,} such pixels)",
                hint="known are " + ", ".join(self.shown(value) for value, _ in self.ids[:20])
                + "; correct the mask, or name every class in a classes.csv (id,name,r,g,b) beside the masks",
            )  # fmt: skip
        return classes

    def shown(self, value: int) -> str:
        """Return a value as a user writes it.

        >>> ValueMap("colours", ()).shown(0x800040), ValueMap("ids", ()).shown(7)
        ('the colour 128,0,64', 'the value 7')
        """
        if self.kind == "colours":
            return f"the colour {value >> 16},{value >> 8 & 255},{value & 255}"
        return f"the value {value}"

    def _values(self, stored: Stored, path: Path) -> NDArray[Any]:
        """Return what is looked up of a file, however that stores it."""
        if self.kind == "ids" and not stored.coloured:
            return stored.values
        colours = stored.values if stored.coloured else stored.values.astype(np.int64) * _GRAY
        if stored.palette is not None:
            colours = _shown_colours(stored)
        if self.kind == "colours":
            return colours
        levels = colours & 0xFF
        odd = levels * _GRAY != colours
        if odd.any():
            y, x = (int(at) for at in np.argwhere(odd)[0])
            raise FormatError(
                f"{path}: {ValueMap('colours', ()).shown(int(colours[y, x]))} at x {x}, y {y}, but the other "
                "masks hold gray levels",
                hint="give all masks one kind of values; this file may be the picture itself",
            )
        return levels


def _shown_colours(stored: Stored) -> NDArray[Any]:
    palette = np.zeros(256, np.int64)
    if stored.palette is not None:
        palette[: len(stored.palette)] = stored.palette
    colours: NDArray[np.int64] = palette[stored.values]
    return colours


def _looked_up(
    values: NDArray[Any], ids: Sequence[tuple[int, int]]
) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Return the class of every value, and whether it has one."""
    keys = np.array([value for value, _ in ids], np.int64)
    classes = np.array([number for _, number in ids], np.uint8)
    if values.dtype == np.uint8:
        table, known = np.full(256, VOID, np.uint8), np.zeros(256, bool)
        small = keys < 256
        table[keys[small]], known[keys[small]] = classes[small], True
        return table[values], known[values]
    places = np.searchsorted(keys, values).clip(max=len(keys) - 1)
    return classes[places], keys[places] == values


def _nearest(values: NDArray[Any], known: Sequence[int]) -> NDArray[Any]:
    """Return for every colour the nearest known one, by the distance of their numbers of red, green, blue."""
    unique, places = np.unique(values, return_inverse=True)
    parts = np.stack([unique >> 16, unique >> 8 & 255, unique & 255], axis=1).astype(np.int64)
    colours = np.array(known, np.int64)
    targets = np.stack([colours >> 16, colours >> 8 & 255, colours & 255], axis=1)
    best = np.zeros(len(unique), np.int64)
    least = np.full(len(unique), np.iinfo(np.int64).max)
    for number, target in enumerate(targets):
        distance = ((parts - target) ** 2).sum(axis=1)
        closer = distance < least
        best[closer], least[closer] = number, distance[closer]
    return colours[best][places].reshape(values.shape)
