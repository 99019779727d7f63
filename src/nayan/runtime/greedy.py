"""Greedy suppression: the best candidates first, and only those that are near each other are compared."""

# N boxes, K kept

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from nayan.core.boxes import Floats
from nayan.runtime.sweep import Index, Mask, Swept, overlaps_between, overlaps_within, sweep

_BLOCK = 400  # up to twice as many, one block is quicker than several
_GROWTH = 4


def greedy(
    boxes: Floats, order: Index, *, iou: float, labels: NDArray[np.integer] | None, enough: int
) -> Index:
    """Return the first `enough` boxes that are kept when each drops what overlaps it and comes later.

    The first candidates are settled by themselves and drop most of the others, before those are compared.

    Args:
        boxes: (N, 4) xyxy, N at least 1.
        order: (N,) int64, the numbers of the boxes, the best first.
        iou: in [0, 1]; a box goes if its IoU with a kept one is greater.
        labels: (N,) classes that do not touch each other; None: all compete.
        enough: at least 1.

    Returns:
        (K,) int64 numbers of boxes, in the given order.

    Raises:
        ShapeError: if an edge is not finite.
    """
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    return order[_greedy(sweep(boxes, rank, iou=iou, labels=labels), enough)]


def _greedy(left: Swept, enough: int) -> Index:
    """Return the sorted ranks of the first `enough` boxes that are kept."""
    alive = np.ones(len(left), np.bool_)  # by rank
    found, block = 0, _BLOCK
    while len(left) > 2 * block:
        best = left.rank < np.partition(left.rank, block)[block]
        head, left = left.select(best), left.select(~best)
        _settle(head, alive)
        head = head.select(alive.take(head.rank))
        found += len(head)
        if found >= enough:  # the first that are alive are settled, whatever becomes of the others
            return alive.nonzero()[0][:enough]
        alive[overlaps_between(head, left)[1]] = False
        left = left.select(alive.take(left.rank))
        block *= _GROWTH
    _settle(left, alive)
    return alive.nonzero()[0][:enough]


def _settle(boxes: Swept, alive: Mask) -> None:
    """Mark what greedy suppression drops of these boxes, many decisions at a time.

    A box that no undecided better box overlaps stays; what it overlaps goes; then the next are free.
    """
    i, j = overlaps_within(boxes)
    winner, loser = np.minimum(i, j), np.maximum(i, j)
    while len(winner):
        free = np.ones(len(alive), np.bool_)
        free[loser] = False
        alive[loser[free.take(winner)]] = False
        undecided = alive.take(loser)
        undecided &= alive.take(winner)
        winner, loser = winner[undecided], loser[undecided]
