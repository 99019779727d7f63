"""The vectors of an index: one file of float32 rows that only grows, read through memory mapping.

What lies behind the rows that `store.py` has committed is no part of the index: what a killed writer left
there is not seen, and cut off by the next one.
"""

# N rows, D dimensions

from __future__ import annotations

import os
import zlib
from io import FileIO
from pathlib import Path

import numpy as np

from nayan.core.errors import DataError
from nayan.runtime.index.contract import AGAIN, Vectors

_to_disk = getattr(os, "fdatasync", os.fsync)


class VectorFile:
    """A file of (N, D) float32, little-endian, without a header.

    Args:
        path: the file; made if it is to be written and missing.
        dim: D.
        write: whether rows will be appended.
    """

    def __init__(self, path: Path, *, dim: int, write: bool = False) -> None:
        self.path = path
        self._dim = dim
        self._stride = 4 * dim
        self._mapped = np.empty((0, dim), np.float32)
        self._file: FileIO | None = None
        if write:
            path.touch()
            self._file = path.open("r+b", buffering=0)

    def append(self, rows: Vectors, *, at: int) -> int:
        """Write rows behind the first `at` ones and onto the disk; return their CRC-32.

        Raises:
            OSError: as the operating system reports it; the first `at` rows are intact.
        """
        assert self._file is not None, "opened for reading"
        content = np.ascontiguousarray(rows, "<f4").data.cast("B")
        self._file.seek(at * self._stride)
        _write_all(self._file, content)
        _to_disk(self._file.fileno())
        return zlib.crc32(content)

    def cut(self, count: int) -> None:
        """Drop what lies behind the first `count` rows."""
        assert self._file is not None, "opened for reading"
        if self.path.stat().st_size > count * self._stride:
            self._file.truncate(count * self._stride)

    def rows(self, count: int) -> Vectors:
        """Return the first `count` rows, read from the file as they are looked at.

        Raises:
            DataError: if there are not as many.
        """
        if len(self._mapped) < count:
            size = self.path.stat().st_size
            if size < count * self._stride:
                raise DataError(
                    f"{self.path}: damaged: {size:,} bytes, expected {count * self._stride:,} "
                    f"for {count:,} vectors of {self._dim} numbers",
                    hint=AGAIN,
                )
            mapped = np.memmap(self.path, "<f4", "r", shape=(count, self._dim))
            self._mapped = mapped.view(np.ndarray)
        return self._mapped[:count]

    def check(self, first: int, count: int, crc: int) -> None:
        """Compare the rows of one batch with their CRC-32.

        Raises:
            DataError: if they differ.
        """
        if zlib.crc32(self.rows(first + count)[first:].data) != crc:
            raise DataError(
                f"{self.path}: damaged: rows {first:,} to {first + count - 1:,} are not as they were stored",
                hint=AGAIN,
            )

    def close(self) -> None:
        """Let go of the file."""
        self._mapped = np.empty((0, self._dim), np.float32)
        if self._file is not None:
            self._file.close()
            self._file = None


def _write_all(file: FileIO, content: memoryview) -> None:
    while content:  # a file without a buffer may take a part
        content = content[file.write(content) :]
