"""A look at some training pictures, on which choices rest: how large they are, and of what colours."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nayan.core.errors import DataError, NayanError
from nayan.core.image import probe
from nayan.core.types import Dataset, Size
from nayan.data.sides import spaced

DRAWN = 0.6
"""Share of the greatest variance from which on pictures are black and white; 0.84 of MNIST, 0.2 of faces."""


@dataclass(frozen=True, slots=True)
class Looks:
    """What pictures are like.

    Attributes:
        gray: whether all of them are.
        sizes: (height, width) of each that can be read.
        mean: of each channel, for pixels in [0, 1].
        std: of each channel.
    """

    gray: bool
    sizes: tuple[Size, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]

    @property
    def median(self) -> int:
        """The usual shorter side in pixels."""
        return int(np.median([min(size) for size in self.sizes])) if self.sizes else 0

    @property
    def drawn(self) -> bool:
        """Whether pixels are mostly black or white, as of letters and drawings.

        Of values in [0, 1] with a mean m the variance is m (1 - m) where all are 0 or 1, and less for grays.
        """
        return self.gray and self.std[0] ** 2 > DRAWN * self.mean[0] * (1 - self.mean[0])


def look_at(data: Dataset) -> Looks:
    """Look at evenly spaced pictures: their sizes, their colours, and whether all are gray.

    Raises:
        DataError: if none of them can be read.
    """
    rows = spaced(len(data))
    sizes: list[Size] = []
    moments: list[NDArray[np.float64]] = []
    gray = True
    for row in rows:
        sample = data.samples[row]
        try:
            image = sample.load((64, 64))
            sizes.append(probe(sample.path).size if sample.path else (image.shape[0], image.shape[1]))
        except NayanError:  # broken pictures are counted and reported by the loader
            continue
        pixels = image.reshape(-1, 3) / 255.0
        moments.append(np.stack([pixels.mean(0), (pixels**2).mean(0)]))
        gray = gray and bool(
            (image[..., 0] == image[..., 1]).all() and (image[..., 1] == image[..., 2]).all()
        )
    if not sizes:
        raise DataError(
            f"{data.root}: none of {len(rows)} training pictures that were looked at can be read",
            hint="run `nayan doctor DATA` for the list of broken files",
        )
    mean, square = np.mean(moments, axis=0)
    std = np.sqrt(np.maximum(square - mean**2, 1e-4))
    return Looks(gray, tuple(sizes), _rounded(mean), _rounded(std))


def _rounded(values: NDArray[np.float64]) -> tuple[float, ...]:
    return tuple(round(float(value), 4) for value in values)
