"""What one mask says: its classes, its specks, and whether its borders lie on edges of the picture."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import PIL.Image
from numpy.typing import NDArray

from nayan.core.types import VOID, Image
from nayan.data.readers.masks import resized

REACH = 20
"""Pixels, of the picture scaled down to `_SIDE`, by which a mask may have been shifted to be noticed."""

_SIDE = 512
_LEAST_BORDER = 40  # pixels; of less nothing can be said


@dataclass(frozen=True, slots=True, eq=False)
class MaskLook:
    """Measures of one mask.

    Attributes:
        counts: (256,) pixels of each class; the last are void.
        specks: pixels in islands of at most 3 x 3 pixels.
        border: pixels that differ from the one to their right or below.
        fit: (2 * REACH + 1, 2 * REACH + 1) how much steeper the picture is where the borders would lie if the
            mask were shifted by so much down and right, in standard deviations; None where not measured.
        scale: pixels of the original per step of `fit`.
    """

    counts: NDArray[np.int64]
    specks: int
    border: int
    fit: NDArray[np.float32] | None = None
    scale: float = 1.0

    @property
    def classes(self) -> list[int]:
        """The classes that it shows."""
        return [int(number) for number in np.flatnonzero(self.counts[:VOID])]


def look_at_mask(ids: NDArray[np.uint8], image: Image | None) -> MaskLook:
    """Measure a mask, (H, W) uint8.

    Args:
        ids: classes.
        image: the picture, to see whether the mask lies where that has edges; None to leave it out.
    """
    counts = np.bincount(ids.ravel(), minlength=VOID + 1).astype(np.int64)
    border = int((ids[:, 1:] != ids[:, :-1]).sum() + (ids[1:] != ids[:-1]).sum())
    specks = _specks(ids) if border else 0
    if image is None:
        return MaskLook(counts, specks, border)
    scale = max(1.0, max(ids.shape) / _SIDE)
    return MaskLook(counts, specks, border, _fit(ids, image, scale), scale)


def _specks(ids: NDArray[np.uint8]) -> int:
    """Return how many pixels have none of their class among the 16 at two pixels' distance around them."""
    padded = np.pad(ids, 2, mode="edge")
    height, width = ids.shape
    alone = np.ones(ids.shape, np.bool_)
    for dy in range(5):
        for dx in range(5):
            if max(abs(dy - 2), abs(dx - 2)) == 2:
                alone &= padded[dy : dy + height, dx : dx + width] != ids
    return int(alone.sum())


def _fit(ids: NDArray[np.uint8], image: Image, scale: float) -> NDArray[np.float32] | None:
    """Return how well borders lie on edges at every shift; None without a border."""
    size = (max(1, round(ids.shape[0] / scale)), max(1, round(ids.shape[1] / scale)))
    small = ids if scale == 1 else resized(ids, size)
    gray = PIL.Image.fromarray(image).convert("L").resize(size[::-1], PIL.Image.Resampling.BOX)
    steep = _steepness(np.asarray(gray, np.float32))
    border = np.zeros(size, np.float32)
    for a, b, part in (
        (small[:, 1:], small[:, :-1], border[:, 1:]),
        (small[1:], small[:-1], border[1:]),
    ):
        part[(a != b) & (a != VOID) & (b != VOID)] = 1
    if border.sum() < _LEAST_BORDER or min(size) <= 2 * REACH:
        return None
    # What is shifted out of the picture must not come in again on the other side.
    shape = (size[0] + REACH, size[1] + REACH)
    spectrum = np.fft.rfft2(steep, shape) * np.conj(np.fft.rfft2(border, shape))
    sums = np.fft.irfft2(spectrum, shape)
    window = np.roll(sums, (REACH, REACH), axis=(0, 1))[: 2 * REACH + 1, : 2 * REACH + 1]
    deviation = float(window.std())
    if deviation == 0:
        return None
    fit: NDArray[np.float32] = ((window - window.mean()) / deviation).astype(np.float32)
    return fit


def _steepness(gray: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return how much each pixel differs from its neighbours; large steps count little more than others."""
    steep = np.zeros_like(gray)
    steep[:, 1:] += np.abs(gray[:, 1:] - gray[:, :-1])
    steep[1:] += np.abs(gray[1:] - gray[:-1])
    root = np.sqrt(steep)
    centred: NDArray[np.float32] = root - root.mean()
    return centred
