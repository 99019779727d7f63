"""Boxes around COCO's segmentations: polygons, and run lengths plain or compressed.

Run lengths alternate between background and object, down one column after the other. The compressed ones
are text: groups of five bits, the lowest first, one a character from "0" on; the sixth bit says that the
number goes on. From the fourth number on it is the difference to the one two places before.

Source: Lin et al. (2014), Microsoft COCO, and the format notes of its API (github.com/cocodataset/cocoapi).
"""

from __future__ import annotations

from typing import Any, TypeGuard

import numpy as np

from nayan.core.errors import FormatError
from nayan.data.readers.boxes import XYXY, Place, number, where

_MAX_BITS = 40  # of a run length; hostile text could go on for ever


def enclosing(segmentation: Any, *, line: Place) -> XYXY | None:
    """Return the box around a segmentation, None where it covers nothing.

    Raises:
        FormatError: if it is neither a list of polygons nor run lengths.

    >>> enclosing([[1, 2, 5, 2, 5, 4]], line="a.json:1")
    (1.0, 2.0, 5.0, 4.0)
    >>> enclosing({"size": [3, 4], "counts": [4, 2, 6]}, line="a.json:1")
    (1.0, 1.0, 2.0, 3.0)
    """
    if isinstance(segmentation, dict):
        return _around_runs(segmentation, line=line)
    if not isinstance(segmentation, list) or not all(isinstance(polygon, list) for polygon in segmentation):
        raise FormatError(
            f"{where(line)}: the segmentation is neither a list of polygons nor run lengths",
            hint="add a bbox of x, y, width, height",
        )
    xs = [number(x, line=line, what="x") for polygon in segmentation for x in polygon[::2]]
    ys = [number(y, line=line, what="y") for polygon in segmentation for y in polygon[1::2]]
    if len(xs) != len(ys):
        raise FormatError(f"{where(line)}: a polygon has an x without its y", hint="correct or remove it")
    return (min(xs), min(ys), max(xs), max(ys)) if xs else None


def _around_runs(segmentation: dict[str, Any], *, line: Place) -> XYXY | None:
    size, counts = segmentation.get("size"), segmentation.get("counts")
    counts = run_lengths(counts) if isinstance(counts, str) else counts
    if not _whole(size) or not _whole(counts) or len(size) != 2 or sum(counts) != size[0] * size[1]:
        raise FormatError(
            f"{where(line)}: the run lengths do not fill a mask of the size {size!r:.40}",
            hint="add a bbox of x, y, width, height",
        )
    ends = np.cumsum(counts)
    starts, ends = ends[:-1:2], ends[1::2]
    starts, ends = starts[starts < ends], ends[starts < ends]
    if not len(starts):
        return None
    height = size[0]
    left, right = starts[0] // height, (ends[-1] - 1) // height + 1
    tall = bool((starts // height != (ends - 1) // height).any())  # a run over two columns touches both edges
    top = 0 if tall else (starts % height).min()
    bottom = height if tall else ((ends - 1) % height).max() + 1
    return float(left), float(top), float(right), float(bottom)


def _whole(values: Any) -> TypeGuard[list[int]]:
    return isinstance(values, list) and all(isinstance(value, int) and 0 <= value < 2**40 for value in values)


def run_lengths(text: str) -> list[int]:
    """Return the run lengths that compressed text stands for; a negative one where the text is damaged.

    >>> run_lengths("426")
    [4, 2, 6]
    """
    counts: list[int] = []
    value = shift = 0
    for character in text:
        bits = ord(character) - 48
        value |= (bits & 0x1F) << shift
        shift += 5
        if bits & 0x20 and shift < _MAX_BITS:
            continue
        if bits & 0x10:
            value -= 1 << shift
        counts.append(value + (counts[-2] if len(counts) > 2 else 0))
        value = shift = 0
    return counts
