"""Paint a watched frame: boxes with ids and trails, lines with their counts, zones with who is in them."""

from __future__ import annotations

from collections import deque
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage
from PIL import ImageDraw

from nayan.core.lettering import font_for, paintable, width_of
from nayan.core.types import Image
from nayan.data.video import opencv
from nayan.tasks.detection.draw import INK, PAPER, Colour, colour_of
from nayan.tasks.detection.scene.regions import Line, Points, anchors
from nayan.tasks.detection.scene.watch import Seen, Watch

TRAIL_S = 2.0
"""How long a trail is."""

LINE_COLOUR: Colour = (255, 214, 10)
ZONE_COLOUR: Colour = (64, 196, 255)
STATUS_COLOURS: dict[str, Colour] = {
    "ok": (52, 199, 89),
    "short": (255, 159, 10),
    "over": (255, 159, 10),
    "empty": (255, 69, 58),
    "misplaced": (191, 90, 242),
}


class Painter:
    """Paints one frame after the other; it remembers the trails.

    Args:
        watch: what is watched; its counts are read when a frame is painted.
        trail_s: length of the trails.
    """

    def __init__(self, watch: Watch, *, trail_s: float = TRAIL_S) -> None:
        self._watch, self._trail_s = watch, trail_s
        self._trails: dict[int, deque[tuple[float, NDArray[np.float64]]]] = {}
        longer = max(watch.size)
        self._width = max(2, round(0.0035 * longer))
        self._letters = max(12, round(0.021 * longer))

    def paint(self, seen: Seen) -> Image:
        """Return a copy of the frame with all that is known about it."""
        self._remember(seen)
        image = seen.frame.image.copy()
        image = self._zones(image)
        slots = self._slots()
        for points, _, status in slots:
            self._outline(image, points, STATUS_COLOURS[status])
        for line in self._watch.lines:
            self._line(image, line.line)
        self._objects(image, seen)
        # The counts come last, so that no object hides them.
        for zone in self._watch.zones:
            points = zone.zone.points
            corner = points[points.sum(axis=1).argmin()]
            self._tag(image, f"{zone.zone.name}: {zone.occupancy}", corner, ZONE_COLOUR)
        for points, text, status in slots:
            self._tag(image, text, points.min(axis=0), STATUS_COLOURS[status])
        for line in self._watch.lines:
            text = f"{line.line.name}  in {line.total('in')}  out {line.total('out')}"
            self._tag(image, text, line.line.points[0], LINE_COLOUR)
        return image

    def _remember(self, seen: Seen) -> None:
        points = anchors(seen.tracks.boxes.xyxy, self._watch.anchor)
        for track, point in zip(seen.tracks.ids.tolist(), points, strict=True):
            self._trails.setdefault(track, deque()).append((seen.frame.time_s, point))
        for track in seen.tracks.ended:
            self._trails.pop(track, None)
        for trail in self._trails.values():
            while trail and trail[0][0] < seen.frame.time_s - self._trail_s:
                trail.popleft()

    def _slots(self) -> list[tuple[Points, str, str]]:
        """Return (corners, text, status) of the slots that have a place and have been counted."""
        stock = self._watch.stock
        pairs = zip(stock.places, stock.counts, strict=True) if stock else ()
        return [
            (points, f"{count.slot}: {count.label} {count.found}/{count.expected}", count.status)
            for points, count in pairs
            if points is not None and count is not None
        ]

    def _zones(self, image: Image) -> Image:
        """Return the picture with a veil over each zone."""
        cv2 = opencv()
        for zone in self._watch.zones:
            veil = image.copy()
            cv2.fillPoly(veil, [np.rint(zone.zone.points).astype(np.int32)], ZONE_COLOUR)
            image = np.asarray(cv2.addWeighted(veil, 0.16, image, 0.84, 0), np.uint8)
            self._outline(image, zone.zone.points, ZONE_COLOUR)
        return image

    def _objects(self, image: Image, seen: Seen) -> None:
        """Paint the trails, then the boxes with class and id."""
        labels = dict(zip(seen.tracks.ids.tolist(), seen.tracks.boxes.labels.tolist(), strict=True))
        for track, trail in self._trails.items():
            if track in labels:
                self._path(image, np.array([point for _, point in trail]), colour_of(labels[track]))
        for row, (track, label) in enumerate(labels.items()):
            self._box(image, seen.tracks.boxes.xyxy[row], f"{self._watch.classes[label]} {track}", label)

    def _outline(self, image: Image, points: Points, colour: Colour) -> None:
        corners = [np.rint(points).astype(np.int32)]
        opencv().polylines(image, corners, True, INK, self._width + 2, opencv().LINE_AA)
        opencv().polylines(image, corners, True, colour, self._width, opencv().LINE_AA)

    def _line(self, image: Image, line: Line) -> None:
        """Paint a line with a short arrow that shows which way is in."""
        cv2 = opencv()
        start, end = line.points
        along = (end - start) / np.hypot(*(end - start))
        middle = (start + end) / 2
        tip = middle + np.array([-along[1], along[0]]) * 2 * self._letters
        for colour, width in ((INK, self._width + 3), (LINE_COLOUR, self._width + 1)):
            cv2.line(image, _pixel(start), _pixel(end), colour, width, cv2.LINE_AA)
            cv2.arrowedLine(image, _pixel(middle), _pixel(tip), colour, width, cv2.LINE_AA, tipLength=0.35)

    def _path(self, image: Image, points: Points, colour: Colour) -> None:
        track = [np.rint(points).astype(np.int32)]
        opencv().polylines(image, track, False, INK, self._width + 2, opencv().LINE_AA)
        opencv().polylines(image, track, False, colour, self._width, opencv().LINE_AA)

    def _box(self, image: Image, box: NDArray[Any], text: str, label: int) -> None:
        cv2 = opencv()
        first, last = _pixel(box[:2]), _pixel(box[2:] - 1)
        cv2.rectangle(image, first, last, INK, self._width + 2)
        cv2.rectangle(image, first, last, colour_of(label), self._width)
        self._tag(image, text, box[:2], colour_of(label))

    def _tag(self, image: Image, text: str, corner: NDArray[Any], colour: Colour) -> None:
        """Lay a name on the picture, above `corner` (left, top) where there is room, else below."""
        tag = _lettered(text, self._letters, colour)
        height, width = min(tag.shape[0], image.shape[0]), min(tag.shape[1], image.shape[1])
        above = round(float(corner[1])) - height
        x = int(np.clip(round(float(corner[0])), 0, image.shape[1] - width))
        y = int(np.clip(above if above >= 0 else above + height, 0, image.shape[0] - height))
        image[y : y + height, x : x + width] = tag[:height, :width]


@lru_cache(maxsize=512)
def _lettered(text: str, size: int, colour: Colour) -> Image:
    """Return a name on its colour as a small picture; the same names come frame after frame."""
    text = paintable(text)
    gap = max(2, size // 4)
    tag = PillowImage.new("RGB", (round(width_of(text, size)) + 2 * gap, round(1.35 * size)), colour)
    bright = 0.299 * colour[0] + 0.587 * colour[1] + 0.114 * colour[2]
    pen, font = ImageDraw.Draw(tag), font_for(text, size)
    pen.text((gap, tag.height / 2), text, font=font, fill=INK if bright > 110 else PAPER, anchor="lm")
    return np.asarray(tag)


def _pixel(point: NDArray[Any]) -> tuple[int, int]:
    return round(float(point[0])), round(float(point[1]))
