"""A mask in little memory: what an evaluation of many pictures can keep of each."""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nayan.core.types import SemanticMask, Size


@dataclass(frozen=True, slots=True)
class PackedMask:
    """The classes of a mask, compressed; its scores are gone.

    >>> compact(SemanticMask(np.array([[0, 255]], np.uint8))).ids.tolist()
    [[0, 255]]
    """

    data: bytes
    size: Size

    @property
    def ids(self) -> NDArray[np.uint8]:
        """(H, W) uint8, unpacked anew each time."""
        return np.frombuffer(zlib.decompress(self.data), np.uint8).reshape(self.size)


def compact(prediction: SemanticMask) -> PackedMask:
    """Return what has to be kept of a prediction until its picture is known to be among the worst."""
    return PackedMask(zlib.compress(np.ascontiguousarray(prediction.ids).tobytes(), 1), prediction.size)
