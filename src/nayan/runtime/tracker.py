"""Follow objects from frame to frame: ByteTrack (Zhang et al. 2021, arXiv:2110.06864).

    detections ── score >= high ─┬─ 1. nearest to where the known tracks are expected ── id goes on
                                 ├─ 3. nearest to a track that was seen once ─────────── id is given
                                 └─ 4. the rest begin tracks
               ── score >= low ──── 2. nearest to tracks that are still without a box ── id goes on

The idea of the paper is step 2: a box with a low score, which everyone else throws away, is good enough where
an object is expected, so half-hidden objects keep their ids. Nearness is the IoU with the box that a Kalman
filter expects (`nayan.runtime.motion`). A track without a box is kept for a while, as it may come back.

Differences from the paper: width and height are filtered instead of height and aspect; a track begins at any
detection above `high` (paper: 0.7, with high at 0.6) and gets its id after `min_hits` frames in a row.
"""

# T tracks, N detections of a frame

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from nayan.core.boxes import iou_matrix
from nayan.core.errors import ConfigError
from nayan.core.types import Boxes
from nayan.runtime.motion import Motion
from nayan.runtime.pairing import cheapest_pairs

FIRST_IOU = 0.2  # paper, section 4.1: "reject the matching if the IoU is smaller than 0.2"
LOW_IOU = 0.5  # boxes with a low score must lie better; these two are not in the paper
SECOND_SIGHT_IOU = 0.3


@dataclass(frozen=True, slots=True, eq=False)
class Tracks:
    """The objects that are seen in one frame, in the order of their ids.

    Attributes:
        ids: (N,) int64 from 1; an id is never used again.
        boxes: as detected in this frame, not as filtered.
        ended: ids of the tracks that were given up in this frame.
    """

    ids: NDArray[np.int64]
    boxes: Boxes
    ended: tuple[int, ...] = ()

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True, slots=True, eq=False)
class _Known:
    """T tracks; `ids` are 0 before they are given, `missed` counts the frames since each was seen."""

    motion: Motion
    ids: NDArray[np.int64]
    labels: NDArray[np.int64]
    hits: NDArray[np.int64]
    missed: NDArray[np.int64]

    def select(self, rows: NDArray[np.bool_]) -> _Known:
        return _Known(
            self.motion.select(rows), self.ids[rows], self.labels[rows], self.hits[rows], self.missed[rows]
        )


class Tracker:
    """Gives every object an id that stays the same as long as it is followed.

    Args:
        high: score from which on a detection is trusted: one for all, or one a class.
        low: score from which on a detection may continue a track; clipped to half of `high`.
        min_hits: frames in a row in which an object must be seen before it gets an id.
        max_lost: frames for which a track without a detection is kept.
        per_class: never let a track change its class. False for detectors that call one object now this,
            now that: a track then keeps the class of its first detection.

    Raises:
        ConfigError: for an impossible score or number.
    """

    def __init__(
        self,
        *,
        high: float | Sequence[float] = 0.5,
        low: float = 0.1,
        min_hits: int = 2,
        max_lost: int = 30,
        per_class: bool = True,
    ) -> None:
        self._high = np.atleast_1d(np.asarray(high, np.float64))
        if self._high.ndim != 1 or not ((self._high > 0) & (self._high <= 1)).all() or not 0 <= low <= 1:
            raise ConfigError(f"tracking needs scores above 0 and up to 1, got high {high}, low {low}")
        if min_hits < 1 or max_lost < 0:
            raise ConfigError(f"min_hits {min_hits}, max_lost {max_lost}: at least 1 and 0 frames")
        self._low = np.minimum(low, self._high / 2)
        self._min_hits, self._max_lost, self._per_class = min_hits, max_lost, per_class
        nothing = np.zeros(0, np.int64)
        self._known = _Known(Motion.start(np.zeros((0, 4))), nothing, nothing, nothing, nothing)
        self._next_id = 1

    def update(self, boxes: Boxes) -> Tracks:
        """Return the tracks that are seen in the next frame.

        Args:
            boxes: the detections; without scores all are trusted.
        """
        scores = np.ones(len(boxes)) if boxes.scores is None else boxes.scores
        is_high = scores >= self._of_class(self._high, boxes.labels)
        is_low = ~is_high & (scores >= self._of_class(self._low, boxes.labels))
        known = replace(self._known, motion=self._known.motion.step(keep_size=self._known.missed > 0))
        has_id, match = known.ids > 0, np.full(len(known.ids), -1)
        self._pair(known, boxes, match, has_id, is_high, FIRST_IOU)
        self._pair(known, boxes, match, has_id & (known.missed == 0), is_low, LOW_IOU)
        self._pair(known, boxes, match, ~has_id, is_high, SECOND_SIGHT_IOU)
        fresh = is_high.copy()
        fresh[match[match >= 0]] = False
        known, match, ended = self._settle(known, boxes, match)
        known, match = self._begin(known, boxes, match, np.flatnonzero(fresh))
        self._known = known
        seen = np.flatnonzero((match >= 0) & (known.ids > 0))
        seen = seen[known.ids[seen].argsort()]
        found = replace(boxes.select(match[seen]), labels=known.labels[seen])
        return Tracks(known.ids[seen], found, ended)

    def _of_class(self, values: NDArray[np.float64], labels: NDArray[np.int64]) -> NDArray[np.float64]:
        return values[labels if len(values) > 1 else np.zeros_like(labels)]

    def _pair(
        self,
        known: _Known,
        boxes: Boxes,
        match: NDArray[np.int64],
        tracks: NDArray[np.bool_],
        detections: NDArray[np.bool_],
        least_iou: float,
    ) -> None:
        """Write into `match` (T,) the detection of each of the `tracks` that has none and finds one."""
        free = detections.copy()
        free[match[match >= 0]] = False
        rows, columns = np.flatnonzero(tracks & (match < 0)), np.flatnonzero(free)
        cost = 1 - iou_matrix(known.motion.boxes[rows], boxes.xyxy[columns])
        if self._per_class:
            cost[known.labels[rows, None] != boxes.labels[None, columns]] = 2.0
        for row, column in cheapest_pairs(cost, limit=1 - least_iou):
            match[rows[row]] = columns[column]

    def _settle(
        self, known: _Known, boxes: Boxes, match: NDArray[np.int64]
    ) -> tuple[_Known, NDArray[np.int64], tuple[int, ...]]:
        """Correct the tracks that were seen, give ids, and forget those that were lost for too long."""
        seen = match >= 0
        rows = np.flatnonzero(seen)
        hits, missed = np.where(seen, known.hits + 1, 0), np.where(seen, 0, known.missed + 1)
        ids = known.ids.copy()
        for row in np.flatnonzero(seen & (ids == 0) & (hits >= self._min_hits)):
            ids[row] = self._new_id()
        motion = known.motion.correct(rows, boxes.xyxy[match[rows]])
        kept = seen | ((ids > 0) & (missed <= self._max_lost))
        ended = tuple(int(id) for id in np.sort(ids[~kept & (ids > 0)]))
        known = _Known(motion, ids, known.labels, hits, missed).select(kept)
        return known, match[kept], ended

    def _begin(
        self, known: _Known, boxes: Boxes, match: NDArray[np.int64], rows: NDArray[np.int64]
    ) -> tuple[_Known, NDArray[np.int64]]:
        """Add a track for each of the detections `rows`."""
        ids = np.array([self._new_id() if self._min_hits == 1 else 0 for _ in rows], np.int64)
        added = _Known(
            known.motion.joined(Motion.start(boxes.xyxy[rows])),
            np.concatenate((known.ids, ids)),
            np.concatenate((known.labels, boxes.labels[rows])),
            np.concatenate((known.hits, np.ones(len(rows), np.int64))),
            np.concatenate((known.missed, np.zeros(len(rows), np.int64))),
        )
        return added, np.concatenate((match, rows))

    def _new_id(self) -> int:
        self._next_id += 1
        return self._next_id - 1
