"""Find the boxes that overlap more than a threshold without comparing each with each.

An IoU above t on the plane needs an IoU above t along x alone: with w the width of one box, the left edge of
the other lies less than (1 - t) w to its right or (1 - t) / t w to its left. Sorted by class and left edge,
the boxes that a box may overlap are therefore one short stretch, which two binary searches find.
"""

# N boxes, P pairs

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from nayan.core.boxes import Floats
from nayan.core.errors import ShapeError

Index = NDArray[np.int64]
Mask = NDArray[np.bool_]

_ROUNDING = 1e-5
"""How much lower the threshold is for the search, so that rounding never hides a pair from the exact test."""
_LEAST_AREA = 2e-38
"""Keeps 0 / 0 away: boxes without area share nothing with any other."""
_MANY_PAIRS = 20_000
"""From here on it pays to look at the heights of a pair before anything else is computed."""


@dataclass(frozen=True, slots=True, eq=False)
class Swept:
    """Boxes in the order of a sweep: class by class, in each from left to right.

    Attributes:
        rank: (N,) int64, the number that the caller gave each box.
        span: (3, N) float64: the place in the sweep, and the least and greatest place of a partner.
        edges: (5, N) float32 or float64: x1, y1, x2, y2 and the area.
        limit: the IoU that a pair has to exceed, in the float type of the boxes.
    """

    rank: Index
    span: NDArray[np.float64]
    edges: Floats
    limit: float

    def __len__(self) -> int:
        return len(self.rank)

    def select(self, rows: Mask) -> Swept:
        """Return some of the boxes, in the same order."""
        return Swept(self.rank[rows], self.span[:, rows], self.edges[:, rows], self.limit)


def sweep(boxes: Floats, rank: Index, *, iou: float, labels: NDArray[np.integer] | None = None) -> Swept:
    """Sort boxes for the search of overlaps.

    Args:
        boxes: (N, 4) xyxy, N at least 1.
        rank: (N,) a number for each box, by which the pairs will name it.
        iou: in [0, 1]; pairs with a greater IoU are to be found.
        labels: (N,) classes; only boxes of the same class are pairs. None: all may be.

    Raises:
        ShapeError: if an edge is not finite.
    """
    lowest = float(boxes.min())
    length = float(boxes.max()) - lowest + 1
    if not math.isfinite(length):
        raise ShapeError("boxes must be finite, some edges are NaN or infinite")
    place = boxes[:, 0].astype(np.float64)
    if labels is not None:  # classes one after another, without a common stretch
        start = labels * length
        place += start
        start += lowest
    order = place.argsort()
    edges = np.empty((5, len(boxes)), boxes.dtype)
    edges[:4] = boxes.take(order, axis=0).T
    sides = edges[2:4] - edges[:2]
    np.maximum(sides, 0, out=sides)
    np.maximum(sides[0] * sides[1], _LEAST_AREA, out=edges[4])
    span = np.empty((3, len(boxes)))
    place.take(order, out=span[0])
    share = max(iou - _ROUNDING, 1e-9)
    np.subtract(span[0], sides[0] * ((1 - share) / share), out=span[1])
    np.add(span[0], sides[0] * (1 - share), out=span[2])
    if labels is not None:
        np.maximum(span[1], start.take(order), out=span[1])
    return Swept(rank.take(order), span, edges, _largest_not_above(iou, boxes.dtype))


def overlaps_within(boxes: Swept) -> tuple[Index, Index]:
    """Return (P,) twice: the ranks of both boxes of each pair with an IoU above the limit, once."""
    first = np.arange(1, len(boxes) + 1)
    last = np.maximum(boxes.span[0].searchsorted(boxes.span[2]), first)
    return _overlapping(boxes, boxes, first, last)


def overlaps_between(boxes: Swept, others: Swept) -> tuple[Index, Index]:
    """Return (P,) ranks in `boxes` and (P,) in `others` of every pair with an IoU above the limit."""
    first = others.span[0].searchsorted(boxes.span[1])
    last = np.maximum(others.span[0].searchsorted(boxes.span[2]), first)
    return _overlapping(boxes, others, first, last)


def _overlapping(boxes: Swept, others: Swept, first: Index, last: Index) -> tuple[Index, Index]:
    """Test each of `boxes` against the stretch [first, last) of `others`."""
    counts = last - first
    ends = counts.cumsum()
    j = np.arange(ends[-1] if len(ends) else 0)  # (P,)
    j += (first - ends + counts).repeat(counts)
    i = np.arange(len(boxes)).repeat(counts)
    if len(j) > _MANY_PAIRS:
        above = others.edges[1].take(j) < boxes.edges[3].repeat(counts)
        below = others.edges[3].take(j) > boxes.edges[1].repeat(counts)
        near = (above & below).nonzero()[0]
        i, j = i.take(near), j.take(near)
    hit = (_iou(boxes.edges, others.edges, i, j) > boxes.limit).nonzero()[0]
    return boxes.rank.take(i.take(hit)), others.rank.take(j.take(hit))


def _iou(a: Floats, b: Floats, i: Index, j: Index) -> Floats:
    """Return (P,) the IoU of pairs, rounded as torchvision rounds it; not above 0 where they are apart."""
    mine, theirs = a.take(i, axis=1), b.take(j, axis=1)  # (5, P); few calls count when pairs are few
    sides = np.minimum(mine[2:4], theirs[2:4])
    sides -= np.maximum(mine[:2], theirs[:2])
    shared: Floats = sides[0]
    shared *= np.maximum(sides[1], 0, out=sides[1])  # one of two negative sides is enough to be none
    union = mine[4]
    union += theirs[4]
    union -= shared
    shared /= union
    return shared


@cache
def _largest_not_above(threshold: float, kind: np.dtype[np.floating]) -> float:
    """Return the largest number of a float type that is <= threshold.

    float32(0.7) lies below 0.7, but float32(0.6) above it; compared with that, an IoU of 3/5 would not
    exceed the threshold, though its float32 exceeds 0.6 and torchvision says so.
    """
    nearest = kind.type(threshold)
    return float(nearest if float(nearest) <= threshold else np.nextafter(nearest, kind.type(-np.inf)))
