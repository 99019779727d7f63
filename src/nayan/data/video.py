"""Frames of videos and cameras, upright and in RGB, with the time at which each is shown.

OpenCV decodes, through the FFmpeg that its wheels bring along. Frames that cannot be decoded are passed over
and counted; a file that ends before its announced end gives what it has. `Video.notes` says so afterwards.
Rotation that a phone wrote into the file is applied.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType, TracebackType
from typing import Any, Protocol

import numpy as np

from nayan.core.errors import ConfigError, DataError, FormatError, MissingExtra
from nayan.core.image import MAX_PIXELS, probe
from nayan.core.magic import HEAD_BYTES, beginning_of, kind_of
from nayan.core.types import Image, Size

VIDEO_SUFFIXES = frozenset(
    (
        *(".3gp", ".asf", ".avi", ".flv", ".m2ts", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg"),
        *(".mts", ".ogv", ".ts", ".webm", ".wmv"),
    )
)
"""Lower-case suffixes of the files that are taken for videos."""

# Only containers of pixels: FFmpeg would also follow playlists and scripts that name other files.
_CONTAINERS = re.compile(
    rb"....(ftyp|moov|mdat|free|wide|skip|pnot)|RIFF....AVI |\x1aE\xdf\xa3|GIF8[79]a|FLV\x01|OggS"
    rb"|\x30\x26\xb2\x75\x8e\x66\xcf\x11|\x00\x00\x01[\xba\xb3]|\x47|....\x47",
    re.DOTALL,
)
_MATROSKA = b"\x1aE\xdf\xa3"
_CAMERA = re.compile(r"camera:(\d{1,2})")

# After a frame that cannot be decoded so many more are tried before it counts as the end.
_ATTEMPTS = 100
_FALLBACK_FPS = 25.0


class Capture(Protocol):
    """What is used of OpenCV's `VideoCapture`."""

    def grab(self) -> bool:
        """Advance to the next frame; False at the end, or where it cannot be decoded."""
        ...

    def retrieve(self) -> tuple[bool, Any]:
        """Return (True, (H, W, 3) BGR) of the current frame."""
        ...

    def get(self, prop: int, /) -> float:
        """Return a property; 0 where it is unknown."""
        ...

    def release(self) -> None:
        """Close the source."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One picture of a video.

    Attributes:
        index: counts the frames that could be read, from 0; those that are left out by `every` count too.
        time_s: when it is shown, from the start of the video; for a camera, since the first frame.
        image: (H, W, 3) uint8 RGB, upright.
    """

    index: int
    time_s: float
    image: Image


class Video:
    """An open video or camera; iterate over `frames` once, then read `notes`.

    Args:
        source: its name, for messages.
        capture: what gives the frames.
        live: a camera: it has no end, and the time is that of the clock.
        estimated: whether the announced number of frames is only computed from the duration.

    Attributes:
        fps: frames a second as the container announces it; 25 where it does not.
        size: (height, width) of the upright frames as announced.
        num_frames: as announced; None where it is unknown.
        num_read: frames that could be decoded so far.
        last_s: time of the last of them.
    """

    def __init__(self, source: str, capture: Capture, *, live: bool = False, estimated: bool = False) -> None:
        cv2 = opencv()
        self.source, self.live = source, live
        self._capture, self._estimated = capture, estimated
        fps = capture.get(cv2.CAP_PROP_FPS)
        self.fps = fps if 0 < fps < 1000 else _FALLBACK_FPS
        self.size: Size = (
            int(capture.get(cv2.CAP_PROP_FRAME_HEIGHT)),
            int(capture.get(cv2.CAP_PROP_FRAME_WIDTH)),
        )
        count = int(capture.get(cv2.CAP_PROP_FRAME_COUNT))
        self.num_frames = count if count > 0 and not live else None
        self.num_read = 0
        self.last_s = 0.0
        self._ended = False

    def __enter__(self) -> Video:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._capture.release()

    def frames(self, *, every: int = 1, fps: float | None = None) -> Iterator[Frame]:
        """Yield the frames in order, all or some of them; those in between are not converted.

        Args:
            every: only each so manieth frame, beginning with the first.
            fps: at most so many frames for each second of the video; not together with `every`.

        Raises:
            ConfigError: for an impossible `every` or `fps`.
            FormatError: if not one frame can be decoded.
        """
        _check_step(every, fps)
        cv2 = opencv()
        due = start = 0.0
        while self._advance():
            if self.num_read == 1:
                start = time.monotonic()
            index, time_s = self.num_read - 1, self._time(cv2, start)
            if index % every or (fps is not None and time_s < due - 1e-6):
                continue
            if fps is not None:
                due = max(due + 1 / fps, time_s)
            readable, pixels = self._capture.retrieve()
            if not readable:
                self.num_read -= 1
            else:
                yield Frame(index, time_s, np.asarray(cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB), np.uint8))
        if not self.num_read:
            raise FormatError(
                f"{self.source}: not one frame can be decoded",
                hint="the file is damaged or its codec is unknown; convert it to H.264 in MP4",
            )

    @property
    def notes(self) -> tuple[str, ...]:
        """What was missing, in sentences; none before the last frame was read."""
        if not self._ended:
            return ()
        if self.live:
            return (f"{self.source}: the camera stopped giving frames",)
        announced = self.num_frames or 0
        missing = announced - self.num_read
        if missing <= (max(2, announced // 100) if self._estimated else 0):
            return ()
        if self.last_s + 2.5 / self.fps < announced / self.fps:
            return (
                f"{self.source}: ends early: {announced:,} frames are announced, {self.num_read:,} could be "
                f"read, the last at {self.last_s:.1f} s of {announced / self.fps:.1f} s",
            )
        return (f"{self.source}: {missing:,} of {announced:,} frames could not be decoded and were skipped",)

    def _advance(self) -> bool:
        for _ in range(1 if self.live else _ATTEMPTS):
            if self._capture.grab():
                self.num_read += 1
                return True
        self._ended = True
        return False

    def _time(self, cv2: ModuleType, start: float) -> float:
        """Return the time of the frame; by its number where the container has none that grows."""
        if self.live:
            self.last_s = time.monotonic() - start
            return self.last_s
        shown = self._capture.get(cv2.CAP_PROP_POS_MSEC) / 1000
        if self.num_read > 1 and shown <= self.last_s:
            shown = self.last_s + 1 / self.fps
        self.last_s = max(0.0, shown)
        return self.last_s


def is_video(source: str | Path) -> bool:
    """Tell by its name whether a source is a camera or a video; a GIF is one if it has several frames.

    >>> [is_video(name) for name in ("clip.MP4", "camera:0", "photo.jpg", "photos")]
    [True, True, False, False]
    """
    if _CAMERA.fullmatch(str(source)):
        return True
    suffix = Path(source).suffix.lower()
    if suffix != ".gif" or not Path(source).is_file():
        return suffix in VIDEO_SUFFIXES
    try:
        return probe(Path(source)).animated
    except FormatError:
        return False


def open_video(source: str | Path) -> Video:
    """Open a video file, an animated GIF, or `camera:N`; use it in a `with` block.

    Raises:
        DataError: if there is no such file or camera.
        FormatError: if the file is no video, or too damaged to be opened.
        MissingExtra: without OpenCV.
    """
    cv2 = opencv()
    camera = _CAMERA.fullmatch(str(source))
    if camera:
        capture = cv2.VideoCapture(int(camera[1]))
        if not capture.isOpened():
            raise DataError(f"{source}: cannot be opened", hint="is it plugged in, and free? Try camera:1")
        return Video(str(source), capture, live=True)
    path = Path(source)
    head = _head(path)
    if not _CONTAINERS.match(head):
        found = f"a {kind}" if (kind := kind_of(head)) else f"begins with {beginning_of(head)}"
        raise FormatError(
            f"{path}: not a video: {found}", hint="name an MP4, AVI, MOV, MKV, WebM or GIF file"
        )
    # Resolved, so that no name can be taken for one of FFmpeg's protocols.
    capture = cv2.VideoCapture(str(path.resolve()), cv2.CAP_FFMPEG)
    if not capture.isOpened():
        raise FormatError(
            f"{path}: the video cannot be opened: it is damaged, or was cut off before it was finished",
            hint="get the file again from its source, or convert it to H.264 in MP4",
        )
    video = Video(str(source), capture, estimated=head.startswith(_MATROSKA))
    if not 0 < video.size[0] * video.size[1] <= MAX_PIXELS:
        capture.release()
        raise FormatError(f"{path}: frames of {video.size[0]} x {video.size[1]} px cannot be decoded")
    return video


@cache
def opencv() -> ModuleType:
    """Return OpenCV, told to keep its and FFmpeg's complaints about every damaged block to itself."""
    # Read by OpenCV when it opens its first file. -8 is FFmpeg's "quiet"; damage is told by `Video.notes`.
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    try:
        import cv2
    except ImportError as error:
        raise MissingExtra("OpenCV, which reads and writes video,", "video") from error
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    return cv2


def _check_step(every: int, fps: float | None) -> None:
    if every < 1 or (fps is not None and fps <= 0):
        raise ConfigError(f"every {every}, fps {fps}: both must be above 0")
    if fps is not None and every != 1:
        raise ConfigError("every and fps contradict each other", hint="give one of them")


def _head(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            head = file.read(HEAD_BYTES)
    except FileNotFoundError as error:
        raise DataError(f"{path}: there is no such file", hint="check the path") from error
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error
    if not head:
        raise FormatError(f"{path}: the file is empty", hint="get it again from its source")
    return head
