"""Find the boxes that overlap more than a threshold without comparing each with each.

An IoU above t on the plane needs an IoU above t along x alone: with w the width of one box, the left edge of
the other lies less than (1 - t) w to its right or (1 - t) / t w to its left. Sorted by class and left edge,
the boxes that a box may overlap are therefore one short stretch, which two binary searches find.
"""

# N boxes, P pairs

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nayan.core.boxes import Floats
from nayan.core.errors import ShapeError
from nayan.runtime.overlap import edges_of, exceeds, limit_of

Index = NDArray[np.int64]
Mask = NDArray[np.bool_]

_ROUNDING = 1e-5
"""How much lower the threshold is for the search, so that rounding never hides a pair from the exact test."""
_MANY_PAIRS = 20_000
"""From here on it pays to look at the heights of a pair before anything else is computed."""


@dataclass(frozen=True, slots=True, eq=False)
class Swept:
    """Boxes in the order of a sweep: class by class, in each from left to right.

    Attributes:
        rank: (N,) int64, the number that the caller gave each box.
        place: (N,) float64, where in the sweep the left edge is.
        reach: (N,) float64, where the partners that come later end.
        edges: (5, N) of `edges_of`.
        limit: the IoU that a pair has to exceed.
        back: how far back the partners that come earlier begin: at most, and in widths.
    """

    rank: Index
    place: NDArray[np.float64]
    reach: NDArray[np.float64]
    edges: Floats
    limit: float
    back: tuple[float, float]

    def __len__(self) -> int:
        return len(self.rank)

    def select(self, rows: Mask) -> Swept:
        """Return some of the boxes, in the same order."""
        index = rows.nonzero()[0]
        return Swept(
            self.rank.take(index),
            self.place.take(index),
            self.reach.take(index),
            self.edges.take(index, axis=1),
            self.limit,
            self.back,
        )


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
    length = float(boxes.max()) - float(boxes.min()) + 1
    if not math.isfinite(length):
        raise ShapeError("boxes must be finite, some edges are NaN or infinite")
    place = boxes[:, 0].astype(np.float64)
    if labels is not None:
        place += labels * (2 * length)  # classes one after another, out of each other's reach
    order = place.argsort()
    place = place.take(order)
    edges = edges_of(boxes.take(order, axis=0))
    share = max(iou - _ROUNDING, 1e-9)
    reach = (edges[2] - edges[0]) * (1 - share) + place
    return Swept(
        rank.take(order), place, reach, edges, limit_of(iou, boxes.dtype), (length, (1 - share) / share)
    )


def overlaps_within(boxes: Swept) -> tuple[Index, Index]:
    """Return (P,) twice: the ranks of both boxes of each pair with an IoU above the limit, once."""
    first = np.arange(1, len(boxes) + 1)
    return _overlapping(boxes, boxes, first)


def overlaps_between(boxes: Swept, others: Swept) -> tuple[Index, Index]:
    """Return (P,) ranks in `boxes` and (P,) in `others` of every pair with an IoU above the limit."""
    most, widths = boxes.back
    back = np.minimum((boxes.edges[2] - boxes.edges[0]) * widths, most)
    return _overlapping(boxes, others, others.place.searchsorted(boxes.place - back))


def _overlapping(boxes: Swept, others: Swept, first: Index) -> tuple[Index, Index]:
    """Test each of `boxes` against the stretch of `others` from `first` to its reach."""
    counts = others.place.searchsorted(boxes.reach)
    counts -= first
    np.maximum(counts, 0, out=counts)
    ends = counts.cumsum()
    j = np.arange(ends[-1] if len(ends) else 0)  # (P,)
    j += (first - ends + counts).repeat(counts)
    mine, rank = boxes.edges.repeat(counts, axis=1), boxes.rank.repeat(counts)
    if len(j) > _MANY_PAIRS:
        top, bottom = others.edges[1].take(j), others.edges[3].take(j)
        near = ((top < mine[3]) & (mine[1] < bottom)).nonzero()[0]
        j, mine, rank = j.take(near), mine.take(near, axis=1), rank.take(near)
    hit = exceeds(mine, others.edges.take(j, axis=1), boxes.limit).nonzero()[0]
    return rank.take(hit), others.rank.take(j.take(hit))
