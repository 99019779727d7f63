"""Write frames as a video that a browser plays.

H.264 is missing from OpenCV's wheels (its encoder is not theirs to give away), and MPEG-4 Part 2 (`mp4v`),
which is there, plays in no browser. VP8 in WebM is in every wheel and plays in browsers, so it comes first.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

from nayan.core.errors import DataError
from nayan.core.types import Image, Size
from nayan.data.video import opencv

CODECS = (("VP80", ".webm"), ("mp4v", ".mp4"))
"""(FourCC, suffix) in the order in which they are tried."""


class VideoWriter:
    """An open video file; use it in a `with` block.

    Args:
        stem: the path without a suffix; the first codec that works decides on it.
        fps: frames a second.
        size: (height, width); an odd last row or column is cut off by the codec.
        codecs: (FourCC, suffix) to try.

    Attributes:
        path: of the file.
        plays_in_browsers: False for the fallback.

    Raises:
        DataError: if no codec works, or the file cannot be written.
    """

    def __init__(
        self, stem: Path, *, fps: float, size: Size, codecs: tuple[tuple[str, str], ...] = CODECS
    ) -> None:
        cv2 = opencv()
        stem.parent.mkdir(parents=True, exist_ok=True)
        self.size = size
        self._cv2 = cv2
        for fourcc, suffix in codecs:
            self.path = stem.with_name(stem.name + suffix)
            code = cv2.VideoWriter.fourcc(*fourcc)
            with _silent_stderr():
                self._writer: Any = cv2.VideoWriter(
                    str(self.path.resolve()), cv2.CAP_FFMPEG, code, fps, size[::-1]
                )
            if self._writer.isOpened():
                self.plays_in_browsers = suffix == ".webm"
                return
            self.path.unlink(missing_ok=True)
        tried = ", ".join(fourcc for fourcc, _ in codecs)
        raise DataError(
            f"{stem}: no video can be written here (tried {tried})",
            hint="check that the folder can be written to; the tables need no codec: leave out --save",
        )

    def __enter__(self) -> VideoWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._writer.release()

    def write(self, image: Image) -> None:
        """Add a frame, (H, W, 3) uint8 RGB; one of another size is resized."""
        cv2 = self._cv2
        if image.shape[:2] != self.size:
            image = cv2.resize(image, self.size[::-1], interpolation=cv2.INTER_AREA)
        self._writer.write(cv2.cvtColor(image, cv2.COLOR_RGB2BGR))


@contextlib.contextmanager
def _silent_stderr() -> Iterator[None]:
    """Send the process's stderr nowhere: OpenCV prints about harmless tags there, whatever its log level."""
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
