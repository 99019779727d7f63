"""Count what crosses a line, once for each crossing, however the boxes tremble."""

# N objects seen in a frame

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nayan.data.video import Frame
from nayan.runtime.tracker import Tracks
from nayan.tasks.detection.scene.events import Event
from nayan.tasks.detection.scene.regions import Anchor, Line, Points, anchors

MARGIN = 0.1
"""How far behind a line an object must be to be on that side, as a part of its height."""


@dataclass(slots=True)
class _Walker:
    """What is remembered of a track: on which side it last was for certain, and where it went over since."""

    side: int
    last: Points
    passed_at: float | None = None


def margins_px(boxes: NDArray[Any]) -> Points:
    """Return (N,): by how many px the objects of (N, 4) boxes must be on a side to be there for certain."""
    margins: Points = np.maximum(2.0, MARGIN * (boxes[:, 3] - boxes[:, 1]).astype(np.float64))
    return margins


class LineCounter:
    """Counts the crossings of one line.

    A track is on a side when it is further than a margin from the line; between the margins nothing is
    decided, so trembling on the line counts nothing, and a crossing counts when the other side is reached.
    A track that walks around an end of the line has changed sides without crossing.

    Args:
        line: in pixels.
        classes: names in the order of the labels.
        anchor: where an object is.
    """

    def __init__(self, line: Line, classes: Sequence[str], *, anchor: Anchor = "bottom") -> None:
        self.line = line
        self.counts: Counter[tuple[str, str]] = Counter()
        self._classes, self._anchor = classes, anchor
        self._walkers: dict[int, _Walker] = {}

    def update(self, frame: Frame, tracks: Tracks) -> list[Event]:
        """Return the crossings that are certain since this frame."""
        points = anchors(tracks.boxes.xyxy, self._anchor)
        distances = self.line.sides(points)
        sides = np.sign(distances) * (np.abs(distances) >= margins_px(tracks.boxes.xyxy))
        events = []
        for row, track in enumerate(tracks.ids.tolist()):
            side = int(sides[row])
            if self._crosses(track, points[row], side):
                label = self._classes[tracks.boxes.labels[row]]
                direction = "in" if side > 0 else "out"
                self.counts[label, direction] += 1
                events.append(
                    Event(frame.time_s, frame.index, "cross", self.line.name, track, label, direction)
                )
        for track in tracks.ended:
            self._walkers.pop(track, None)
        return events

    def total(self, direction: str) -> int:
        """Return how many of all classes went "in" or "out"."""
        return sum(count for (_, way), count in self.counts.items() if way == direction)

    def summary(self) -> dict[str, Any]:
        """Return `{"name", "in", "out", "classes": {name: {"in", "out"}}}`."""
        names = sorted({label for label, _ in self.counts})
        classes = {name: {way: self.counts[name, way] for way in ("in", "out")} for name in names}
        return {"name": self.line.name, "in": self.total("in"), "out": self.total("out"), "classes": classes}

    def _crosses(self, track: int, point: Points, side: int) -> bool:
        """Follow a track to its next point; return whether it has now certainly crossed the line."""
        walker = self._walkers.get(track)
        if walker is None:
            if side:
                self._walkers[track] = _Walker(side, point)
            return False
        before, after = self.line.sides(np.stack((walker.last, point)))
        if (before > 0) != (after > 0):
            share = before / (before - after)
            walker.passed_at = float(self.line.places((walker.last + share * (point - walker.last))[None])[0])
        walker.last = point
        if side in (0, walker.side):
            return False
        walker.side = side
        return walker.passed_at is not None and 0 <= walker.passed_at <= 1
