"""Find the boxes that overlap more than a threshold without comparing each with each.

An IoU above t on the plane needs an IoU above t along x alone: with w the width of one box, the left edge of
the other lies less than (1 - t) w to its right or (1 - t) / t w to its left. Sorted by class and left edge,
the boxes that a box may overlap are therefore one short stretch, which two binary searches find.
"""

# N boxes, P pairs

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nayan.core.boxes import Floats
from nayan.core.errors import ShapeError

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
        rank: (N,) a number for each box.
        iou: in [0, 1]; pairs with a greater IoU are to be found.
        labels: (N,) classes; only boxes of the same class are pairs. None: all may be.

    Raises:
        ShapeError: if a left or right edge is not finite.
    """
    start = boxes[:, 0].min()
    length = float(boxes[:, 2].max()) - float(start) + 1
    if not np.isfinite(length):
        raise ShapeError("boxes must be finite, some are NaN or infinite")
    place = boxes[:, 0].astype(np.float64)
    place -= start
    if labels is not None:
        place += labels * length  # classes one after another, without a common stretch
    order = place.argsort()
    edges = np.empty((5, len(boxes)), boxes.dtype)
    edges[:4] = boxes.T.take(order, axis=1)
    width = edges[2] - edges[0]
    np.multiply(width, edges[3] - edges[1], out=edges[4])
    share = max(iou - _ROUNDING, 1e-9)
    span = np.empty((3, len(boxes)))
    place.take(order, out=span[0])
    np.subtract(span[0], width * ((1 - share) / share), out=span[1])
    np.add(span[0], width * (1 - share), out=span[2])
    if labels is not None:
        np.maximum(span[1], labels.take(order) * length, out=span[1])
    return Swept(rank.take(order), span, edges, _largest_not_above(iou, boxes.dtype))


def overlaps_within(boxes: Swept) -> tuple[Index, Index]:
    """Return (P,) twice: the positions of both boxes of every pair with an IoU above the limit, each once."""
    first = np.arange(1, len(boxes) + 1)
    last = np.maximum(boxes.span[0].searchsorted(boxes.span[2]), first)
    return _overlapping(boxes, boxes, first, last)


def overlaps_between(boxes: Swept, others: Swept) -> tuple[Index, Index]:
    """Return (P,) positions in `boxes` and (P,) in `others` of every pair with an IoU above the limit."""
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
        _, top, _, bottom, _ = others.edges
        top, bottom = top.take(j), bottom.take(j)
        near = (boxes.edges[1].repeat(counts) < bottom) & (top < boxes.edges[3].repeat(counts))
        i, j = i[near], j[near]
    hit = (_iou(boxes.edges, others.edges, i, j) > boxes.limit).nonzero()[0]
    return i.take(hit), j.take(hit)


def _iou(a: Floats, b: Floats, i: Index, j: Index) -> Floats:
    """Return (P,) the IoU of pairs, rounded as torchvision rounds it; NaN where neither has an area."""
    x1, y1, x2, y2, area = a
    left, top, right, bottom, other_area = b
    shared: Floats = np.minimum(x2.take(i), right.take(j))
    shared -= np.maximum(x1.take(i), left.take(j))
    height = np.minimum(y2.take(i), bottom.take(j))
    height -= np.maximum(y1.take(i), top.take(j))
    np.maximum(shared, 0, out=shared)
    np.maximum(height, 0, out=height)
    shared *= height
    union = area.take(i)
    union += other_area.take(j)
    union -= shared
    with np.errstate(divide="ignore", invalid="ignore"):
        shared /= union
    return shared


def _largest_not_above(threshold: float, kind: np.dtype[np.floating]) -> float:
    """Return the largest number of a float type that is <= threshold.

    float32(0.7) lies below 0.7, but float32(0.6) above it; compared with that, an IoU of 3/5 would not
    exceed the threshold, though its float32 exceeds 0.6 and torchvision says so.
    """
    nearest = kind.type(threshold)
    return float(nearest if float(nearest) <= threshold else np.nextafter(nearest, kind.type(-np.inf)))
