"""Who is in a zone, since when, and how it fills."""

# N objects seen in a frame

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nayan.core.types import Size
from nayan.data.video import Frame
from nayan.runtime.tracker import Tracks
from nayan.tasks.detection.scene.events import Event, Kind
from nayan.tasks.detection.scene.lines import margins_px
from nayan.tasks.detection.scene.regions import Anchor, Points, Zone, anchors


@dataclass(slots=True)
class _Visit:
    entered_s: float
    seen_s: float
    label: str


class ZoneWatch:
    """Watches one zone.

    A track is in when it is further inside than a margin, and out when it is as far outside; so trembling on
    the border is no coming and going. One that is first seen inside enters then. One that is lost inside has
    left when it was last seen.

    Args:
        zone: in pixels. One that reaches the edge of the picture goes on behind it.
        classes: names in the order of the labels.
        size: (height, width) of the picture.
        anchor: where an object is.
    """

    def __init__(self, zone: Zone, classes: Sequence[str], *, size: Size, anchor: Anchor = "bottom") -> None:
        self.zone = zone
        self.occupancy = 0
        self._classes, self._anchor, self._size = classes, anchor, size
        self._inside: dict[int, _Visit] = {}
        self._entries: Counter[str] = Counter()
        self._exits = self._lost = self._frames = self._sum = self._most = 0
        self._dwells_s: list[float] = []

    def update(self, frame: Frame, tracks: Tracks) -> list[Event]:
        """Return who came and went; `occupancy` is then the number of objects seen inside in this frame."""
        # In a thin zone no point is far inside, so the margin shrinks with it.
        margins = np.minimum(margins_px(tracks.boxes.xyxy), self.zone.thickness)
        depths = self.zone.depths(self._points(tracks.boxes.xyxy, margins))
        events: list[Event] = []
        for row, track in enumerate(tracks.ids.tolist()):
            if track not in self._inside and depths[row] >= margins[row]:
                label = self._classes[tracks.boxes.labels[row]]
                self._inside[track] = _Visit(frame.time_s, frame.time_s, label)
                self._entries[label] += 1
                events.append(Event(frame.time_s, frame.index, "enter", self.zone.name, track, label))
            elif track in self._inside and depths[row] <= -margins[row]:
                self._exits += 1
                events.append(self._leave(frame, track, until_s=frame.time_s))
            elif track in self._inside:
                self._inside[track].seen_s = frame.time_s
        for track in tracks.ended:
            if track in self._inside:
                self._lost += 1
                events.append(self._leave(frame, track, until_s=None))
        self._count(len(self._inside.keys() & set(tracks.ids.tolist())))
        return events

    def summary(self) -> dict[str, Any]:
        """Return entries, exits, occupancy and the seconds of all stays, also of those still inside."""
        stays = [*self._dwells_s, *(visit.seen_s - visit.entered_s for visit in self._inside.values())]
        return {
            "name": self.zone.name,
            "entries": sum(self._entries.values()),
            "classes": dict(sorted(self._entries.items())),
            "exits": self._exits,
            "lost": self._lost,
            "inside_at_end": len(self._inside),
            "occupancy_mean": round(self._sum / self._frames, 3) if self._frames else 0.0,
            "occupancy_max": self._most,
            "dwell_mean_s": round(sum(stays) / len(stays), 3) if stays else 0.0,
            "dwell_max_s": round(max(stays, default=0.0), 3),
        }

    def _points(self, boxes: NDArray[Any], margins: Points) -> Points:
        """Return where objects are; those at the picture's edge a margin inside, for zones that end there."""
        width_height = np.array(self._size[::-1])
        inset = np.minimum(margins[:, None] + 0.5, width_height / 2)
        return anchors(boxes, self._anchor).clip(inset, width_height - inset)

    def _leave(self, frame: Frame, track: int, *, until_s: float | None) -> Event:
        """End a visit: with an exit at `until_s`, or lost (None) when it was last seen."""
        visit = self._inside.pop(track)
        dwell = (visit.seen_s if until_s is None else until_s) - visit.entered_s
        self._dwells_s.append(dwell)
        kind: Kind = "lost" if until_s is None else "exit"
        return Event(
            frame.time_s, frame.index, kind, self.zone.name, track, visit.label, dwell_s=round(dwell, 3)
        )  # fmt: skip

    def _count(self, occupancy: int) -> None:
        self.occupancy = occupancy
        self._frames += 1
        self._sum += occupancy
        self._most = max(self._most, occupancy)
