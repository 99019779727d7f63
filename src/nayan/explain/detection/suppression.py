"""Which candidates score enough, which of them stay, and which better one each of the others gave way to.

The steps are those of `nayan.tasks.detection.decode`, which only says what is left; here every step is kept.
"""

# N candidates, C classes, P pairs (candidate, class) that score enough

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nayan.core.boxes import iou_matrix
from nayan.core.errors import ConfigError
from nayan.core.types import Boxes
from nayan.explain.detection.look import Look
from nayan.runtime.nms import nms
from nayan.tasks.detection.decode import CANDIDATES, MOST, SAME

USUAL = 0.25
"""Score from which on a detection is looked at, where nothing was fitted and nothing is said."""

LOOKED_AT = 100
"""Pairs that are looked at where none scores enough."""

KEPT = -1
_BLOCK = 1000


@dataclass(frozen=True, slots=True, eq=False)
class Pairs:
    """Candidates with a class that score enough, the best first.

    Attributes:
        candidate: (P,) number of the candidate.
        labels: (P,) its class.
        scores: (P,).
        xyxy: (P, 4) in pixels of the network's input.
        by: (P,) number of the better pair that suppressed it; -1 where none did.
        overlap: (P,) IoU with that; 0 where none did.
        left_out: (P,) not suppressed, but beyond the greatest number of objects, or outside of the picture.
    """

    candidate: NDArray[np.int64]
    labels: NDArray[np.int64]
    scores: NDArray[np.float32]
    xyxy: NDArray[np.float32]
    by: NDArray[np.int64]
    overlap: NDArray[np.float32]
    left_out: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.candidate)

    @property
    def kept(self) -> NDArray[np.bool_]:
        """(P,) what becomes a detection."""
        kept: NDArray[np.bool_] = (self.by == KEPT) & ~self.left_out
        return kept

    @property
    def suppressed(self) -> NDArray[np.bool_]:
        """(P,) what gave way to a better one."""
        gone: NDArray[np.bool_] = self.by != KEPT
        return gone

    def as_boxes(self, rows: NDArray[Any]) -> Boxes:
        """Return some of them, by a mask or numbers, in pixels of the network's input."""
        return Boxes(self.xyxy[rows], self.labels[rows], self.scores[rows])


@dataclass(frozen=True, slots=True, eq=False)
class Limit:
    """From which score on candidates are looked at.

    Attributes:
        least: (C,) for each class.
        told: what those do that reach it, such as "score at least 0.25".
    """

    least: NDArray[np.float32]
    told: str


def limit_of(look: Look, decode_args: Mapping[str, Any], conf: float | None) -> Limit:
    """Return the least scores: those that are asked for, else those fitted on validation, else 0.25.

    Where nothing scores as much, that of the hundredth pair, which is said.

    Raises:
        ConfigError: if `conf` is not in [0, 1].
    """
    count = look.scores.shape[1]
    if conf is not None and not 0 <= conf <= 1:
        raise ConfigError(f"conf = {conf}: a score lies in [0, 1]")
    fitted: Sequence[float] | None = decode_args.get("thresholds")
    if conf is not None or not fitted:
        shown = USUAL if conf is None else conf
        limit = Limit(np.full(count, shown, np.float32), f"score at least {shown:g}")
    else:
        least = np.asarray(fitted, np.float32)
        spread = f"{least.min():.2f}" + (f" to {least.max():.2f}" if np.ptp(least) > 0 else "")
        limit = Limit(least, f"reach the thresholds that were fitted on validation ({spread})")
    if conf is not None or (look.scores >= limit.least).any() or not look.scores.size:
        return limit
    ranked = np.sort(look.scores, axis=None)[::-1]
    floor = float(ranked[min(LOOKED_AT, ranked.size) - 1])
    told = (
        f"are the best {min(LOOKED_AT, ranked.size)}, since none of them is sure "
        f"(the best score is {ranked[0]:.3f})"
    )
    return Limit(np.full(count, floor, np.float32), told)


def iou_of(decode_args: Mapping[str, Any], iou: float | None) -> float:
    """Return the IoU above which two boxes are one object: what is asked for, else the model's.

    Raises:
        ConfigError: if it is not in [0, 1].
    """
    if iou is not None and not 0 <= iou <= 1:
        raise ConfigError(f"iou = {iou}: an overlap lies in [0, 1]")
    return float(decode_args.get("iou", SAME) if iou is None else iou)


def pairs_of(
    look: Look, least: NDArray[np.float32], *, iou: float, agnostic: bool = False, max_det: int = MOST
) -> Pairs:
    """Return what scores enough, and what becomes of it.

    Args:
        look: at a picture.
        least: (C,) scores.
        iou: two boxes of a class that overlap more are one object.
        agnostic: boxes of different classes suppress each other too.
        max_det: at most so many objects, the best ones.
    """
    candidate, labels = np.nonzero(look.scores >= least)
    scores = look.scores[candidate, labels]
    order = np.argsort(-scores, kind="stable")[:CANDIDATES]
    candidate, labels, scores = candidate[order], labels[order], scores[order]
    xyxy = look.boxes[candidate, labels] if look.boxes.ndim == 3 else look.boxes[candidate]
    kept = nms(xyxy, scores, iou=iou, labels=None if agnostic else labels)
    by, overlap = _suppressors(xyxy, labels, kept, iou=iou, agnostic=agnostic)
    placed = look.placement.into_original(xyxy)
    left_out = (by == KEPT) & ~(placed[:, 2:] > placed[:, :2]).all(axis=1)
    left_out[kept[max_det:]] = True
    return Pairs(candidate, labels, scores, xyxy, by, overlap, left_out)


def _suppressors(
    xyxy: NDArray[np.float32],
    labels: NDArray[np.int64],
    kept: NDArray[np.int64],
    *,
    iou: float,
    agnostic: bool,
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Return for each pair, the best first, the best kept one that drops it, and their IoU."""
    by = np.full(len(xyxy), KEPT)
    overlap = np.zeros(len(xyxy), np.float32)
    rest = np.setdiff1d(np.arange(len(xyxy)), kept)
    for start in range(0, len(rest), _BLOCK):
        rows = rest[start : start + _BLOCK]
        shared = iou_matrix(xyxy[rows], xyxy[kept])
        drops = (shared > iou) & (kept < rows[:, None])
        if not agnostic:
            drops &= labels[rows][:, None] == labels[kept]
        first = drops.argmax(axis=1)
        by[rows] = kept[first]
        overlap[rows] = shared[np.arange(len(rows)), first]
    return by, overlap


def found_of(found: Boxes, truth: Boxes, *, iou: float = 0.5) -> tuple[int, int]:
    """Return how many objects were found, and how many detections are duplicates of one that was found.

    Detections are taken by falling score, and each takes the object of its class that it overlaps most, if
    by `iou`.

    Args:
        found: by falling score.
        truth: the objects, in the same pixels.
        iou: the least overlap.
    """
    overlaps = iou_matrix(found.xyxy, truth.xyxy)
    overlaps[found.labels[:, None] != truth.labels] = 0
    taken = np.zeros(len(truth), np.bool_)
    again = 0
    for row in overlaps:
        free = np.where(taken, 0, row)
        if len(row) and free.max() >= iou:
            taken[free.argmax()] = True
        elif len(row) and row.max() >= iou:
            again += 1
    return int(taken.sum()), again
