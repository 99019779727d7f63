"""Watch a video: find, follow, count, and write down what happens.

video ── frames ── detector ── boxes ── tracker ── tracks ─┬─ lines, zones, slots ── events, summary.json
├─ tracks.csv, occupancy.csv
└─ painter ── annotated.webm
"""

from __future__ import annotations

import contextlib
import itertools
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nayan.core.errors import ConfigError
from nayan.core.types import Boxes, Image, Size
from nayan.data.video import Frame, Video
from nayan.data.video_writer import VideoWriter
from nayan.runtime.tracker import Tracker, Tracks
from nayan.tasks.detection.scene.events import Event, Table, write_json
from nayan.tasks.detection.scene.lines import LineCounter
from nayan.tasks.detection.scene.regions import Scene
from nayan.tasks.detection.scene.stock import Slot, StockWatch
from nayan.tasks.detection.scene.zones import ZoneWatch

Look = Callable[[Sequence[Image]], Sequence[Boxes]]
"""From pictures to their boxes: a detector."""

Progress = Callable[[int, int | None, float], None]
"""Called with (frames read, frames in all where known, seconds of video)."""

_EVENT_COLUMNS = ("time_s", "frame", "kind", "place", "track", "class", "direction", "dwell_s", "detail")
_TRACK_COLUMNS = ("frame", "time_s", "track", "class", "score", "x1", "y1", "x2", "y2")


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """What to watch, and how closely.

    Attributes:
        classes: names in the order of the labels.
        scene: lines, zones and the anchor.
        slots: the expected stock.
        high: score from which on a detection is trusted; one for all, or one a class.
        low: score from which on one may continue a track.
        min_hits: frames in a row in which an object must be seen before it counts.
        max_lost_s: for how long an object may be hidden and keep its id.
        every: only each so manieth frame.
        fps: at most so many frames for each second of the video.
        seconds: of the video after which to stop; None for all of it.
        batch: frames at once; a camera is always watched frame by frame.
    """

    classes: Sequence[str]
    scene: Scene = field(default_factory=Scene)
    slots: tuple[Slot, ...] = ()
    high: float | Sequence[float] = 0.5
    low: float = 0.1
    min_hits: int = 2
    max_lost_s: float = 1.0
    every: int = 1
    fps: float | None = None
    seconds: float | None = None
    batch: int = 8


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """A frame with the objects in it and what happened."""

    frame: Frame
    tracks: Tracks
    events: tuple[Event, ...]


class Watch:
    """Follows objects through lines, zones and slots, frame by frame; it reads and writes nothing.

    Args:
        plan: what to watch.
        size: (height, width) of the frames.
        fps: of the frames that are watched.

    Attributes:
        lines, zones, stock: with the counts so far; stock is None without slots.
        tracks: how many objects of each class have been followed.
    """

    def __init__(self, plan: Plan, size: Size, *, fps: float) -> None:
        scene = plan.scene.in_pixels(size)
        self.classes, self.size, self.anchor = plan.classes, size, scene.anchor
        self.lines = [LineCounter(line, plan.classes, anchor=scene.anchor) for line in scene.lines]
        self.zones = [ZoneWatch(zone, plan.classes, size=size, anchor=scene.anchor) for zone in scene.zones]
        self.stock = StockWatch(plan.slots, size=size) if plan.slots else None
        self.tracks: Counter[str] = Counter()
        max_lost = max(1, round(plan.max_lost_s * fps))
        self._tracker = Tracker(high=plan.high, low=plan.low, min_hits=plan.min_hits, max_lost=max_lost)
        self._last_id = 0

    def update(self, frame: Frame, boxes: Boxes) -> Seen:
        """Return what is seen in the next frame, given its detections."""
        tracks = self._tracker.update(boxes)
        names = [self.classes[label] for label in tracks.boxes.labels.tolist()]
        new = [name for id, name in zip(tracks.ids.tolist(), names, strict=True) if id > self._last_id]
        self.tracks.update(new)
        self._last_id = max(self._last_id, *tracks.ids.tolist(), 0)
        events = [event for line in self.lines for event in line.update(frame, tracks)]
        events += [event for zone in self.zones for event in zone.update(frame, tracks)]
        if self.stock is not None:
            events += self.stock.update(frame, names, tracks.boxes.xyxy)
        return Seen(frame, tracks, tuple(events))

    def summary(self) -> dict[str, Any]:
        """Return `{"tracks", "lines", "zones", "stock"}` as counted so far."""
        return {
            "tracks": {"total": sum(self.tracks.values()), "classes": dict(sorted(self.tracks.items()))},
            "lines": [line.summary() for line in self.lines],
            "zones": [zone.summary() for zone in self.zones],
            "stock": self.stock.summary() if self.stock is not None else [],
        }


def watch_video(
    look: Look,
    video: Video,
    plan: Plan,
    *,
    out: Path | None = None,
    save: bool = False,
    on_progress: Progress | None = None,
) -> dict[str, Any]:
    """Watch a video to its end, or until the user interrupts: what was seen until then is kept and counted.

    Args:
        look: the detector.
        video: open; it is read to its end.
        plan: what to watch.
        out: folder for the tables and `summary.json`; None writes nothing.
        save: also write the annotated video into it.
        on_progress: called after every batch.

    Returns:
        The document of `summary.json`, see `docs/guides/video.md`, with the "events" beside.

    Raises:
        ConfigError: for an impossible plan, or `save` without `out`.
        FormatError: if not one frame can be decoded.
    """
    if plan.batch < 1 or (plan.seconds is not None and plan.seconds <= 0) or (save and out is None):
        raise ConfigError("batch is at least 1, seconds are above 0, and saving a video needs a folder")
    watched, events, watch, ended = 0, list[Event](), None, "end"
    with contextlib.ExitStack() as stack:
        writers = _Writers(stack, out, save)
        try:
            for frames in _batches(video, plan):
                if watch is None:
                    watch = Watch(plan, _size(frames[0]), fps=_fps(video, plan))
                    writers.open(watch, fps=_fps(video, plan))
                for frame, boxes in zip(frames, look([frame.image for frame in frames]), strict=True):
                    seen = watch.update(frame, boxes)
                    events += seen.events
                    watched += 1
                    writers.write(seen)
                if on_progress is not None:
                    on_progress(video.num_read, video.num_frames, video.last_s)
            if plan.seconds is not None and video.last_s >= plan.seconds:
                ended = "limit"
        except KeyboardInterrupt:
            ended = "interrupted"
    document = {
        "source": video.source,
        "size": list(watch.size if watch is not None else video.size),
        "fps": round(video.fps, 3),
        "frames": {"announced": video.num_frames, "read": video.num_read, "watched": watched},
        "seconds": round(video.last_s, 3),
        "ended": ended,
        "notes": [*video.notes, *writers.notes],
        **(watch.summary() if watch is not None else {}),
        "files": writers.files,
    }
    told = {"events": [_named(event) for event in events]}
    if out is not None and watch is not None:
        write_json(out / "summary.json", document)
        write_json(out / "events.json", {"source": video.source, **told})
    return {**document, **told}


class _Writers:
    """The files that are written while a video is watched; none without a folder."""

    def __init__(self, stack: contextlib.ExitStack, out: Path | None, save: bool) -> None:
        self._stack, self._out, self._save = stack, out, save
        self._tables: dict[str, Table] = {}
        self._video: VideoWriter | None = None
        self.notes: list[str] = []
        self.files: list[str] = []

    def open(self, watch: Watch, *, fps: float) -> None:
        """Make the files, now that the size of the frames is known."""
        self._watch = watch
        if self._out is None:
            return
        self._out.mkdir(parents=True, exist_ok=True)
        headings: dict[str, tuple[str, ...]] = {"events": _EVENT_COLUMNS, "tracks": _TRACK_COLUMNS}
        if watch.zones:
            headings["occupancy"] = ("frame", "time_s", *(zone.zone.name for zone in watch.zones))
        for name, columns in headings.items():
            path = self._out / f"{name}.csv"
            self._tables[name] = self._stack.enter_context(Table(path, columns))
            self.files.append(str(path))
        if self._save:
            from nayan.tasks.detection.scene.paint import Painter

            self._painter = Painter(watch)
            writer = VideoWriter(self._out / "annotated", fps=fps, size=watch.size)
            self._video = self._stack.enter_context(writer)
            self.files.append(str(writer.path))
            if not writer.plays_in_browsers:
                self.notes.append(f"{writer.path}: plays in VLC and the like, not in a browser (no VP8 here)")
        self.files += [str(self._out / "events.json"), str(self._out / "summary.json")]

    def write(self, seen: Seen) -> None:
        """Add a frame to every file."""
        if not self._tables:
            return
        frame, tracks = seen.frame, seen.tracks
        for event in seen.events:
            self._tables["events"].add(*_named(event).values())
        for row, track in enumerate(tracks.ids.tolist()):
            name = self._watch.classes[tracks.boxes.labels[row]]
            score = 1.0 if tracks.boxes.scores is None else float(tracks.boxes.scores[row])
            place = tracks.boxes.xyxy[row].tolist()
            self._tables["tracks"].add(frame.index, frame.time_s, track, name, score, *place)
        if "occupancy" in self._tables:
            counts = (zone.occupancy for zone in self._watch.zones)
            self._tables["occupancy"].add(frame.index, frame.time_s, *counts)
        if self._video is not None:
            self._video.write(self._painter.paint(seen))


def _batches(video: Video, plan: Plan) -> Iterator[list[Frame]]:
    frames = video.frames(every=plan.every, fps=plan.fps)
    if plan.seconds is not None:
        limit = plan.seconds
        frames = itertools.takewhile(lambda frame: frame.time_s < limit, frames)
    while batch := list(itertools.islice(frames, 1 if video.live else plan.batch)):
        yield batch


def _fps(video: Video, plan: Plan) -> float:
    fps = video.fps / plan.every
    return fps if plan.fps is None else min(fps, plan.fps)


def _size(frame: Frame) -> Size:
    height, width = frame.image.shape[:2]
    return height, width


def _named(event: Event) -> dict[str, Any]:
    """Return the columns of an event: its row with the name of its class under "class"."""
    row = event.row()
    row["time_s"], row["class"] = round(event.time_s, 3), row.pop("label")
    return {column: row[column] for column in _EVENT_COLUMNS}
