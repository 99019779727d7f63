"""A bounded store of decoded pictures or masks: epoch 1 fills it, later epochs read it."""

from __future__ import annotations

import contextlib
import mmap
import os
import threading
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from nayan.core.errors import ConfigError, ShapeError

_SEGMENT = 64 * 2**20  # bytes by which the store grows; a multiple of every system's mapping granularity
_GRAIN = mmap.ALLOCATIONGRANULARITY


class DecodedCache:
    """Keeps uint8 pictures or masks by their index, in memory or in a memory-mapped file.

    The store grows by segments up to its bound; then it silently keeps nothing more. Several threads
    may put and get at once. Nothing outlives the process: a file is removed when the cache is closed,
    and on POSIX systems even when the process is killed.

    Args:
        count: number of pictures there can be.
        limit_bytes: bound on what is allocated.
        path: a file that does not exist yet; None for memory.

    Raises:
        ConfigError: if the file exists or cannot be made.

    >>> cache = DecodedCache(2, limit_bytes=1000)
    >>> cache.put(0, np.zeros((2, 3, 3), np.uint8))
    >>> cache.get(0).shape, cache.get(1), len(cache)
    ((2, 3, 3), None, 1)
    """

    def __init__(self, count: int, *, limit_bytes: int, path: Path | None = None) -> None:
        self._limit = limit_bytes
        self._lock = threading.Lock()
        self._claimed = np.zeros(count, np.bool_)
        self._views: list[NDArray[np.uint8] | None] = [None] * count
        self._segment: NDArray[np.uint8] = np.empty(0, np.uint8)
        self._used = 0  # bytes of the newest segment
        self._allocated = 0  # bytes of all segments
        self._file = None if path is None else _new_file(path)
        # Without its name an open file goes with the process, however that ends. Windows keeps names.
        self._named = path if path is not None and not _forget_name(path) else None

    def __len__(self) -> int:
        """Return how many pictures are kept."""
        return sum(view is not None for view in self._views)

    @property
    def allocated_bytes(self) -> int:
        """Memory or disk that is taken, at most `limit_bytes`."""
        return self._allocated

    def get(self, index: int) -> NDArray[np.uint8] | None:
        """Return picture `index` as a read-only view, or None if it is not kept."""
        return self._views[index]

    def put(self, index: int, image: NDArray[np.uint8]) -> None:
        """Keep a copy of a picture (H, W, 3) or mask (H, W), if there is room; a second one is ignored.

        Raises:
            ShapeError: if it is neither.
        """
        if image.dtype != np.uint8 or not image.size or image.shape[2:] not in ((), (3,)):
            raise ShapeError(f"pictures (H, W, 3) and masks (H, W) are kept, uint8: got {image.shape}")
        with self._lock:
            if self._claimed[index]:
                return
            place = self._reserve(image.nbytes)
            if place is None:
                return
            self._claimed[index] = True
        view = place.reshape(image.shape)
        view[...] = image
        view.flags.writeable = False
        self._views[index] = view  # published whole: a reader sees all of the picture or None

    def close(self) -> None:
        """Forget all pictures and remove the file; views that are still held stay readable."""
        with self._lock:
            self._limit = 0
            self._views = [None] * len(self._views)
            self._segment = np.empty(0, np.uint8)
            self._used = self._allocated = 0
            if self._file is not None:
                self._file.close()
            if self._named is not None:
                self._named.unlink(missing_ok=True)

    def _reserve(self, size: int) -> NDArray[np.uint8] | None:
        """Return `size` free bytes, in a new segment if need be; None if the bound or the disk is reached."""
        if self._used + size > len(self._segment):
            wanted = min(max(_SEGMENT, -(-size // _GRAIN) * _GRAIN), self._limit - self._allocated)
            if wanted < size:
                return None
            segment = _grow(self._file, wanted)
            if segment is None:
                self._limit = 0  # the disk is full: keep what there is
                return None
            self._segment, self._used = segment, 0
            self._allocated += wanted
        place = self._segment[self._used : self._used + size]
        self._used += size
        return place


def _new_file(path: Path) -> BinaryIO:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return path.open("x+b")
    except OSError as error:
        hint = "name a file that does not exist, or use --cache ram or --cache off"
        raise ConfigError(f"{path}: the cache cannot be made: {error.strerror}", hint=hint) from error


def _forget_name(path: Path) -> bool:
    try:
        path.unlink()
    except PermissionError:
        return False
    return True


def _grow(file: BinaryIO | None, size: int) -> NDArray[np.uint8] | None:
    """Return `size` new bytes of memory, or of the file; None if the disk has no room for them.

    The room is taken by writing zeros first: a mapping of a file with holes would end the process
    (SIGBUS) when the disk fills up.
    """
    if file is None:
        return np.empty(size, np.uint8)
    # A mapping starts at a multiple of the granularity; only a last, smaller segment ends elsewhere.
    start = -(-file.seek(0, os.SEEK_END) // _GRAIN) * _GRAIN
    try:
        file.seek(start)
        for done in range(0, size, 2**20):
            file.write(bytes(min(2**20, size - done)))
        file.flush()
    except OSError:
        with contextlib.suppress(OSError):
            file.truncate(start)
        return None
    return np.frombuffer(mmap.mmap(file.fileno(), size, offset=start), np.uint8)
