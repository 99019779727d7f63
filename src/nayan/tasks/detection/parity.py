"""Do two engines find the same objects? NumPy only.

The outputs of a detector cannot be compared row by row: candidates are ranked, and two that score the same
may change places by the last bit. What counts is what is decoded from them. Each detection of one engine must
be matched, one to one, by a detection of the other: the same class, IoU >= 0.999, scores within 1e-3.

Two things are not the engine's doing and are left out, and counted. A detection whose score lies on the
threshold may be shown by one engine only. And where two candidates overlap and score the same, the NMS of the
runtime may keep the one or the other; the other engine must then have the detection among its suppressed
candidates.
"""

# N candidates, C classes, D detections of one engine in one picture, E of the other

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nayan.core.boxes import iou_matrix
from nayan.core.types import Boxes
from nayan.runtime.parity import Answers
from nayan.runtime.preprocess import Placement
from nayan.tasks.detection.decode import decode
from nayan.tasks.detection.thresholds import usable

TOLERANCE = 1e-3
"""How far scores may differ, and IoUs lie below 1."""

EDGE_PX = 0.01
"""Boxes whose edges all lie closer than this are the same: of one that the border of the picture cut to a
sliver of less than a pixel the last digits of float32 decide the IoU."""

PAIRED = 0.5
"""IoU from which two detections are the same object, however much its box moved."""


@dataclass(frozen=True, slots=True)
class DetectionParity:
    """How far two engines lie apart, in detections.

    Attributes:
        pictures: that were compared.
        detections: that had to be matched: the pairs, and what only one engine found.
        matched: pairs that are close enough.
        paired: pairs of one class at IoU >= 0.5, close enough or not.
        left_out: found by one engine only because their score lies on the threshold, or because another
            candidate that overlaps them scores the same.
        lowest_iou: of a pair, close enough or not; 1 where there is none.
        score_difference: the largest of a pair; 0 where there is none.
        tolerance: that was allowed.
    """

    pictures: int
    detections: int
    matched: int
    paired: int
    left_out: int
    lowest_iou: float
    score_difference: float
    tolerance: float = TOLERANCE

    @property
    def holds(self) -> bool:
        """Whether every detection of each engine is matched."""
        return self.matched == self.detections

    @property
    def fault(self) -> str:
        """What is wrong, to stand after the name of the file."""
        return (
            f"finds other objects than the trained network: on {self.pictures} pictures {self}; "
            f"allowed is IoU >= {1 - self.tolerance:g} and scores within {self.tolerance:g}"
        )

    def __str__(self) -> str:
        """Return the share that is matched, and how closely."""
        if not self.detections:
            return f"no detections on either side{self._left_out()}"
        paired = "" if self.holds else f"{self._share(self.paired)} % paired at IoU {PAIRED}; "
        return (
            f"{self._share(self.matched)} % of {self.detections} detections matched ({paired}"
            f"lowest IoU {self.lowest_iou:.5f}, scores differ by at most {self.score_difference:.1e})"
            f"{self._left_out()}"
        )

    def _share(self, count: int) -> str:
        """Return per cent, cut and not rounded: 100 % means all."""
        return f"{1000 * count // self.detections / 10:g}"

    def _left_out(self) -> str:
        return f", {self.left_out} tied or on a threshold left out" if self.left_out else ""


def compare(
    answers: Iterable[Answers], /, *, decode_args: Mapping[str, Any], tolerance: float
) -> DetectionParity:
    """Match the detections of two engines.

    Compared is what the bundle shows: from the thresholds of the classes on, as fitted on validation, else
    from 0.25. A picture in which nothing reaches them is compared from half its best score on.

    Args:
        answers: "boxes" and "scores" of both engines, batch by batch.
        decode_args: of the spec, for `decode`.
        tolerance: of scores and IoUs where it is above 1e-3.

    Raises:
        BundleError: if boxes or scores are missing or not finite.
    """
    tally = _Tally(max(TOLERANCE, tolerance))
    for batch in answers:
        thresholds = usable(decode_args, classes=np.shape(batch.expected["scores"])[2])
        sides = [decode(raw, batch.placements, **decode_args) for raw in (batch.expected, batch.found)]
        for row, (place, expected, found) in enumerate(zip(batch.placements, *sides, strict=True)):
            engines = [
                _Engine(boxes, raw["boxes"][row], raw["scores"][row], place)
                for boxes, raw in ((expected, batch.expected), (found, batch.found))
            ]
            tally.add(*engines, floors=_floors(engines[0], np.asarray(thresholds)))
    return tally.parity()


@dataclass(frozen=True, slots=True, eq=False)
class _Engine:
    """What one engine says about one picture.

    Attributes:
        detections: as they were decoded.
        candidates: (N, 4) or (N, C, 4) boxes in pixels of the input.
        candidate_scores: (N, C).
        place: of the picture in the input.
    """

    detections: Boxes
    candidates: NDArray[Any]
    candidate_scores: NDArray[Any]
    place: Placement

    @property
    def labels(self) -> NDArray[np.int64]:
        """(D,) classes."""
        return self.detections.labels

    @property
    def scores(self) -> NDArray[np.float64]:
        """(D,) in [0, 1]."""
        return np.asarray(self.detections.scores, np.float64)

    @property
    def xyxy(self) -> NDArray[np.float64]:
        """(D, 4) boxes in pixels of the picture; in float32 an IoU would lose its last digits."""
        return self.detections.xyxy.astype(np.float64)

    def reaching(self, floors: NDArray[np.float64]) -> _Engine:
        """Return the same with the detections that score at least `floors` (C,)."""
        kept = self.detections.select(self.scores >= floors[self.labels])
        return replace(self, detections=kept)

    def suppressed(self, other: _Engine, row: int, *, tolerance: float) -> bool:
        """Say whether a detection of the other engine is among the candidates that were not kept."""
        label, score, box = other.labels[row], other.scores[row], other.xyxy[[row]]
        near = np.flatnonzero(np.abs(self.candidate_scores[:, label] - score) <= tolerance)
        boxes = self.candidates[near] if self.candidates.ndim == 2 else self.candidates[near, label]
        placed = self.place.into_original(boxes).astype(np.float64)
        kept = (self.labels == label) & (np.abs(self.scores - score) <= tolerance)
        alike, alike_kept = (
            int((_overlap(box, each) >= 1 - tolerance).sum()) for each in (placed, self.xyxy[kept])
        )
        return alike > alike_kept


class _Tally:
    """Counts matches picture by picture."""

    def __init__(self, tolerance: float) -> None:
        self.tolerance = tolerance
        self.pictures = self.detections = self.matched = self.paired = self.left_out = 0
        self.lowest_iou, self.score_difference = 1.0, 0.0

    def add(self, expected: _Engine, found: _Engine, *, floors: NDArray[np.float64]) -> None:
        """Match the detections of a picture that score at least `floors` (C,)."""
        self.pictures += 1
        # What lies just below a threshold is the partner of what lies just above it.
        a, b = expected.reaching(floors - self.tolerance), found.reaching(floors - self.tolerance)
        rows, columns, ious = _pairs(a, b)
        apart = np.abs(a.scores[rows] - b.scores[columns])
        close = (ious >= 1 - self.tolerance) & (apart <= self.tolerance)
        shown = (a.scores >= floors[a.labels])[rows] | (b.scores >= floors[b.labels])[columns]
        for i, j, iou, difference, is_close in zip(
            rows[shown], columns[shown], ious[shown], apart[shown], close[shown], strict=True
        ):
            if not is_close and self._tied(a, i, b) and self._tied(b, j, a):
                self.left_out += 1
                continue
            self.detections += 1
            self.matched += int(is_close)
            self.paired += 1
            self.lowest_iou = min(self.lowest_iou, float(iou))
            self.score_difference = max(self.score_difference, float(difference))
        self._add_lonely(a, rows, b, floors)
        self._add_lonely(b, columns, a, floors)

    def _add_lonely(
        self, one: _Engine, paired: NDArray[np.int64], other: _Engine, floors: NDArray[np.float64]
    ) -> None:
        """Count the detections of `one` that nothing of `other` is paired with."""
        lonely = one.scores >= floors[one.labels]
        lonely[paired] = False
        on_threshold = one.scores < floors[one.labels] + self.tolerance
        for row in np.flatnonzero(lonely).tolist():
            if on_threshold[row] or self._tied(one, row, other):
                self.left_out += 1
            else:
                self.detections += 1

    def _tied(self, one: _Engine, row: int, other: _Engine) -> bool:
        return other.suppressed(one, row, tolerance=self.tolerance)

    def parity(self) -> DetectionParity:
        """Return the counts."""
        return DetectionParity(
            self.pictures,
            self.detections,
            self.matched,
            self.paired,
            self.left_out,
            self.lowest_iou,
            self.score_difference,
            self.tolerance,
        )


def _overlap(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the IoU of (D, 4) boxes with (E, 4) others, (D, E); 1 where all edges lie together."""
    together = np.abs(a[:, None] - b).max(axis=2, initial=0.0) <= EDGE_PX
    return np.where(together, 1.0, iou_matrix(a, b))


def _floors(engine: _Engine, thresholds: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return (C,) scores from which on the detections of a picture are compared."""
    best = engine.scores.max(initial=0.0)
    if not len(engine.scores) or (engine.scores >= thresholds[engine.labels]).any():
        return thresholds
    return np.full(len(thresholds), best / 2)


def _pairs(a: _Engine, b: _Engine) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Pair detections of one class, each with at most one other, the most alike first.

    Returns:
        Rows of `a` (D,), as many of `b`, and the IoU of each pair.
    """
    iou = _overlap(a.xyxy, b.xyxy)  # (D, E)
    unlike = 1 - iou + np.abs(a.scores[:, None] - b.scores)
    possible = (a.labels[:, None] == b.labels) & (iou >= PAIRED)
    rows, columns = np.nonzero(possible)
    order = np.argsort(unlike[rows, columns], kind="stable")
    free_a, free_b = np.ones(len(a.labels), np.bool_), np.ones(len(b.labels), np.bool_)
    taken = []
    for i, j in zip(rows[order], columns[order], strict=True):
        if free_a[i] and free_b[j]:
            free_a[i] = free_b[j] = False
            taken.append((i, j))
    pairs = np.array(taken, np.int64).reshape(-1, 2)
    return pairs[:, 0], pairs[:, 1], iou[pairs[:, 0], pairs[:, 1]]
