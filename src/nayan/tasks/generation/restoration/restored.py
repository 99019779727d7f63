"""What a network made of a picture that lacked something, beside what it was given."""

# (h, w) size of a picture, (gh, gw) size of what was given

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nayan.core.errors import ShapeError
from nayan.core.types import Image, Picture

KNOWN = 255
"""Value of the fourth channel of what was given where a pixel is known; it is 0 where it is missing."""


@dataclass(frozen=True, slots=True, eq=False)
class Restored(Picture):
    """A restored picture.

    Attributes:
        pixels: (h, w, 3) uint8 RGB.
        given: (gh, gw, 3) uint8, the smaller picture that it was made of; or (h, w, 4), where the fourth
            channel says which pixels are known.
    """

    given: NDArray[np.uint8]

    def __post_init__(self) -> None:
        # not super(): a dataclass with slots is made twice
        Picture.__post_init__(self)
        if self.given.ndim != 3 or self.given.shape[2] not in (3, 4) or self.given.dtype != np.uint8:
            raise ShapeError(
                f"what was given is (h, w, 3 or 4) uint8, got {self.given.shape} {self.given.dtype}"
            )

    @property
    def missing(self) -> NDArray[np.bool_] | None:
        """(h, w), where the picture had holes; None where it was small instead."""
        return None if self.given.shape[2] == 3 else self.given[..., 3] != KNOWN

    @property
    def scale(self) -> int:
        """How many times larger the picture became."""
        return int(self.pixels.shape[0] // self.given.shape[0])

    @property
    def seen(self) -> Image:
        """(gh, gw, 3), what was given without what it says about holes."""
        return np.ascontiguousarray(self.given[..., :3])
