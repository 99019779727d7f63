"""Greedy suppression, two ways to one answer: compare all where they are few, else only what is near."""

# N boxes, K kept, n of a block

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from nayan.core.boxes import Floats
from nayan.core.errors import ShapeError
from nayan.runtime.overlap import edges_of, exceeds, limit_of
from nayan.runtime.sweep import Index, Mask, Swept, overlaps_between, overlaps_within, sweep

_FEW = 400  # boxes, up to which comparing all is quicker
_FEW_OF_FEW_CLASSES = 640  # the same where most boxes compete
_FEW_CLASSES = 16

_BLOCK_OF_FEW = 64
_BLOCK = 400
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
    if not math.isfinite(float(boxes.max()) - float(boxes.min())):
        raise ShapeError("boxes must be finite, some edges are NaN or infinite")
    few_classes = labels is None or int(labels.max()) < _FEW_CLASSES
    if len(boxes) <= (_FEW_OF_FEW_CLASSES if few_classes else _FEW):
        return _compare_all(boxes, order, limit_of(iou, boxes.dtype), labels)[:enough]
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    return order[_compare_near(sweep(boxes, rank, iou=iou, labels=labels), enough)]


def _compare_all(boxes: Floats, left: Index, limit: float, labels: NDArray[np.integer] | None) -> Index:
    edges = edges_of(boxes.take(left, axis=0))
    # int32 is compared quicker than int64.
    kinds = np.zeros(len(left), np.int32) if labels is None else labels.take(left).astype(np.int32)
    kept, block = [], max(_BLOCK_OF_FEW, len(left) // 5)
    while True:
        head, head_kinds = edges[:, :block], kinds[:block]
        clash = exceeds(head[:, :, None], head[:, None], limit)  # (n, n)
        clash &= head_kinds[:, None] == head_kinds
        alive = _settle_rows(clash)
        kept.append(left[alive])
        if len(left) <= block:
            return np.concatenate(kept)
        left, edges, kinds = left[block:], edges[:, block:], kinds[block:]
        clash = exceeds(head.take(alive, axis=1)[:, :, None], edges[:, None], limit)
        clash &= head_kinds.take(alive)[:, None] == kinds
        spared = np.flatnonzero(~clash.any(0))
        left, edges, kinds = left.take(spared), edges.take(spared, axis=1), kinds.take(spared)
        block *= 2


def _settle_rows(clash: Mask) -> list[int]:
    """Return the rows that clash with no kept row before them; the set of the dropped is one long number."""
    rows = np.packbits(clash, axis=1, bitorder="little")
    width, data = rows.shape[1], rows.tobytes()
    kept, dropped = [], 0
    for row in range(len(clash)):
        if not dropped >> row & 1:
            kept.append(row)
            dropped |= int.from_bytes(data[row * width : (row + 1) * width], "little")
    return kept


def _compare_near(left: Swept, enough: int) -> Index:
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
