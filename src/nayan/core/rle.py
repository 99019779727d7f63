"""Masks as run lengths, in the words of COCO: column by column, beginning with a run of zeros."""

# H rows, W columns, R runs

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nayan.core.errors import FormatError, ShapeError

MAX_PIXELS = 2**28
"""Of a mask that is read: a few letters must not fill the memory."""


def encode(mask: NDArray[np.bool_]) -> dict[str, Any]:
    """Return `{"size": [H, W], "counts": text}`, byte for byte what pycocotools writes.

    Args:
        mask: (H, W) bool.

    Raises:
        ShapeError: if the mask is of another kind.

    Source: Lin et al. (2014), arXiv:1405.0312; the text is the compressed form of COCO's API.

    >>> encode(np.array([[0, 1], [0, 1]], bool))
    {'size': [2, 2], 'counts': '22'}
    """
    if mask.ndim != 2 or mask.dtype != np.bool_:
        raise ShapeError(f"a mask to encode is (H, W) bool, got {mask.shape} {mask.dtype}")
    return {"size": [int(side) for side in mask.shape], "counts": _to_text(run_lengths(mask))}


def decode(record: Mapping[str, Any]) -> NDArray[np.bool_]:
    """Return the (H, W) mask of `{"size": [H, W], "counts": text or list}`.

    Raises:
        FormatError: if the runs do not fill the mask, or are no runs at all.

    >>> decode({"size": [2, 2], "counts": [2, 2]}).astype(int).tolist()
    [[0, 1], [0, 1]]
    """
    height, width = _size(record)
    counts = record.get("counts")
    if isinstance(counts, bytes):
        counts = counts.decode("ascii", errors="replace")
    runs = _from_text(counts) if isinstance(counts, str) else _as_runs(counts)
    if min(runs, default=0) < 0 or sum(runs) != height * width:
        raise FormatError(
            f"run lengths of {sum(runs):,} pixels for a mask of {height} x {width} = {height * width:,}",
            hint="the mask was cut off, or its size is not [height, width]",
        )
    filled = np.repeat(np.arange(len(runs)) % 2 == 1, np.array(runs, np.int64))
    return np.ascontiguousarray(filled.reshape(width, height).T)


def run_lengths(mask: NDArray[np.bool_]) -> list[int]:
    """Return the lengths of the runs of 0, 1, 0, ... down each column in turn; the first may be 0.

    >>> run_lengths(np.array([[1, 0], [1, 0]], bool))
    [0, 2, 2]
    """
    flat = mask.ravel(order="F")
    if not len(flat):
        return []
    ends = np.append(np.flatnonzero(flat[1:] != flat[:-1]) + 1, len(flat))
    lengths = np.diff(ends, prepend=0).tolist()
    return [0, *lengths] if flat[0] else lengths


def _to_text(runs: Sequence[int]) -> str:
    """Return runs as printable text: from the fourth on differences to the last but one, five bits a letter.

    The sixth bit says that more follow, and the highest of the last five is the sign.
    """
    letters = []
    for number, run in enumerate(runs):
        value = run - runs[number - 2] if number > 2 else run
        while True:
            bits, value = value & 31, value >> 5
            more = value != (-1 if bits & 16 else 0)
            letters.append(chr(48 + bits + (32 if more else 0)))
            if not more:
                break
    return "".join(letters)


def _from_text(text: str) -> list[int]:
    runs: list[int] = []
    value = shift = 0
    for letter in text:
        bits = ord(letter) - 48
        if not 0 <= bits < 64:
            raise FormatError(
                f"a compressed mask holds the letter {letter!r}, which none can",
                hint="export the annotations again; JSON text must not be escaped twice",
            )
        value |= (bits & 31) << shift
        shift += 5
        if not bits & 32:
            value -= (1 << shift) if bits & 16 else 0
            runs.append(value + (runs[-2] if len(runs) > 2 else 0))
            value = shift = 0
    if shift:
        raise FormatError("a compressed mask ends inside a number", hint="the file was cut off")
    return runs


def _size(record: Mapping[str, Any]) -> tuple[int, int]:
    size = record.get("size")
    sides = size if isinstance(size, list | tuple) else ()
    if len(sides) != 2 or not all(isinstance(side, int) and side >= 0 for side in sides):
        raise FormatError(f"the size of a mask is [height, width], got {size!r}")
    if sides[0] * sides[1] > MAX_PIXELS:
        raise FormatError(f"a mask of {sides[0]} x {sides[1]} pixels; at most {MAX_PIXELS:,} are read")
    return sides[0], sides[1]


def _as_runs(counts: Any) -> list[int]:
    if not isinstance(counts, list | tuple) or not all(isinstance(run, int) for run in counts):
        raise FormatError(f"the counts of a mask are text or whole numbers, got {type(counts).__name__}")
    return list(counts)
