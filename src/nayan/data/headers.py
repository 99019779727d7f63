"""Sizes of many pictures, from their headers: plain JPEGs with a few reads, the rest through `probe`."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from nayan.core.errors import FormatError
from nayan.core.image import ImageInfo, probe

_MANY = 64  # files from which on threads pay for themselves, for most of it is waiting for the disk
_THREADS = 4
_HEAD_BYTES = 2048
_MODES = {1: "L", 3: "RGB"}
_APP1, _APP2, _START_OF_SCAN = 0xE1, 0xE2, 0xDA
_FRAMES = frozenset({0xC0, 0xC1, 0xC2})  # baseline, extended and progressive; the others are rare


def picture_infos(paths: Sequence[Path]) -> list[ImageInfo | None]:
    """Return what the headers of picture files say, as `probe` does; None for one that cannot be read."""
    if len(paths) < _MANY:
        return [_info(path) for path in paths]
    found: list[ImageInfo | None] = [None] * len(paths)
    with ThreadPoolExecutor(_THREADS) as threads:
        parts = threads.map(lambda first: [_info(path) for path in paths[first::_THREADS]], range(_THREADS))
        for first, part in enumerate(parts):
            found[first::_THREADS] = part
    return found


def _info(path: Path) -> ImageInfo | None:
    try:
        return _plain_jpeg(path) or probe(path)
    except FormatError:
        return None


def _plain_jpeg(path: Path) -> ImageInfo | None:
    """Return the header of a JPEG without EXIF, XMP or further pictures; None for all that needs a parser."""
    try:
        with path.open("rb", buffering=0) as stream:
            head = stream.read(_HEAD_BYTES)
    except OSError:
        return None  # `probe` says what is wrong
    if head[:2] != b"\xff\xd8":
        return None
    at = 2
    while at + 10 <= len(head) and head[at] == 0xFF:
        marker = head[at + 1]
        if marker in _FRAMES:
            height, width = int.from_bytes(head[at + 5 : at + 7]), int.from_bytes(head[at + 7 : at + 9])
            mode = _MODES.get(head[at + 9])
            if mode is None or head[at + 4] != 8 or not height or not width:
                return None
            return ImageInfo("JPEG", (height, width), mode, frames=1, orientation=1)
        if marker in (_APP1, _APP2, _START_OF_SCAN) or not 0xC0 < marker < 0xFF:
            return None
        at += 2 + int.from_bytes(head[at + 2 : at + 4])
    return None
