"""Augmentation of pictures with a class for every pixel: whatever moves a picture moves its mask along."""

# (H, W) size of a picture, (h, w) of the network's input

from __future__ import annotations

import contextlib
import math
from dataclasses import dataclass, field, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from nayan.core.errors import LabelError, NayanError
from nayan.core.types import VOID, Dataset, Image, MaskSource, SemanticMask, Size
from nayan.data.cache import DecodedCache
from nayan.runtime.masks import resize_ids
from nayan.runtime.preprocess import LETTERBOX_GRAY, Placement, Preprocess, resize, to_channels
from nayan.tasks.base import Item
from nayan.training.loader import keep_all
from nayan.training.order import half_size, sample_rng, step_size
from nayan.training.recolour import Recolour

Rng = np.random.Generator


@dataclass(frozen=True, slots=True)
class DenseAugment:
    """What may happen to a training picture and its mask. The default lays the whole picture into the input.

    Attributes:
        zoom: (least, most) factor on the size at which a picture just fits; its logarithm is uniform. Where
            the picture is larger than the input a random part is seen.
        flip: probability of a mirror image.
        upside_down: probability of exchanging top and bottom.
        degrees: largest rotation either way.
        elastic: standard deviation, as a share of the input's longer side, of the shifts of a coarse grid
            between which all pixels are bent smoothly (Ronneberger et al. 2015, arXiv:1505.04597, section
            3.1: 10 px on a 3x3 grid, of pictures of 512 px). 0 = off.
        colour: what may happen to the colours.
    """

    zoom: tuple[float, float] = (1.0, 1.0)
    flip: float = 0.0
    upside_down: float = 0.0
    degrees: float = 0.0
    elastic: float = 0.0
    colour: Recolour = field(default_factory=Recolour)

    def __call__(
        self, image: Image, ids: NDArray[np.uint8], rng: Rng, *, size: Size
    ) -> tuple[Image, NDArray[np.uint8]]:
        """Return (h, w, 3) pixels and (h, w) classes; what the picture does not reach is gray and void.

        Args:
            image: (H, W, 3) uint8.
            ids: (H, W) uint8, of the same size.
            rng: decides everything.
            size: (h, w).
        """
        matrix = self._matrix((image.shape[0], image.shape[1]), rng, size)
        if self.elastic:
            bent = _bent(matrix, self.elastic * max(size), rng, size)
            pixels = cv2.remap(image, *bent, cv2.INTER_LINEAR, borderValue=(LETTERBOX_GRAY,) * 3)
            classes = cv2.remap(ids, *bent, cv2.INTER_NEAREST, borderValue=VOID)
        else:
            wide = (size[1], size[0])
            flags = cv2.WARP_INVERSE_MAP
            pixels = cv2.warpAffine(
                image, matrix, wide, flags=flags | cv2.INTER_LINEAR, borderValue=(LETTERBOX_GRAY,) * 3
            )
            classes = cv2.warpAffine(ids, matrix, wide, flags=flags | cv2.INTER_NEAREST, borderValue=VOID)
        return self.colour(np.asarray(pixels, np.uint8), rng), np.asarray(classes, np.uint8)

    def _matrix(self, original: Size, rng: Rng, size: Size) -> NDArray[np.float64]:
        """Return (2, 3): from pixels of the input to those of the picture."""
        fits = min(size[0] / original[0], size[1] / original[1])
        zoom = fits * math.exp(rng.uniform(*np.log(self.zoom)))
        angle = math.radians(rng.uniform(-self.degrees, self.degrees)) if self.degrees else 0.0
        mirror = -1.0 if rng.random() < self.flip else 1.0
        turn = -1.0 if rng.random() < self.upside_down else 1.0
        cosine, sine = math.cos(angle) / zoom, math.sin(angle) / zoom
        linear = np.array([[cosine * mirror, -sine * turn], [sine * mirror, cosine * turn]])
        # the centre of the input looks at a point of the picture, from which as much of it is seen as can be
        room = np.abs(np.array(original) * zoom - size) / 2 / zoom  # (y, x) in pixels of the picture
        still = self.zoom == (1.0, 1.0)
        shift = np.zeros(2) if still else rng.uniform(-room, room)
        seen = np.array(original)[::-1] / 2 + shift[::-1]  # x, y
        centre = np.array(size)[::-1] / 2
        half = np.full(2, 0.5)  # pixels are measured at their centres
        return np.concatenate([linear, (seen - half - linear @ (centre - half))[:, None]], axis=1)


def _bent(
    matrix: NDArray[np.float64], deviation: float, rng: Rng, size: Size
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return two (h, w): where in the picture each pixel lies, by a matrix and a smooth field."""
    height, width = size
    coarse = rng.normal(0, deviation, (3, 3, 2)).astype(np.float32)
    field = np.asarray(cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC))
    ys, xs = np.mgrid[:height, :width].astype(np.float32)
    xs, ys = xs + field[..., 0], ys + field[..., 1]
    flat = matrix.astype(np.float32)
    across = flat[0, 0] * xs + flat[0, 1] * ys + flat[0, 2]
    down = flat[1, 0] * xs + flat[1, 1] * ys + flat[1, 2]
    return across, down


DENSE: dict[str, DenseAugment] = {
    "none": DenseAugment(),
    "photo": DenseAugment(
        zoom=(0.75, 2.0), flip=0.5, colour=Recolour(hue_deg=6, saturation=0.4, brightness=0.3)
    ),
    "symbol": DenseAugment(zoom=(0.8, 1.3), degrees=10, colour=Recolour(brightness=0.3)),
    "tissue": DenseAugment(
        zoom=(0.9, 1.5),
        flip=0.5,
        upside_down=0.5,
        degrees=180,
        elastic=0.02,
        colour=Recolour(brightness=0.25),
    ),
}
"""By name. "tissue" is for pictures without an up and a down, of which there are few: it bends them too."""


HEADROOM = 1.25
"""How much larger than the network's input pictures are kept, so that zooming in finds more to see."""


@dataclass(frozen=True, eq=False)
class PrepareDense:
    """Reads one sample and its mask, and makes a training picture of them.

    Attributes:
        data: the samples; their targets are `MaskSource`.
        preprocess: of the network; only its size and channels count, augmentation does the fitting.
        augment: what may happen to a picture.
        seed: of the run.
        pictures, masks: keep what was read, no larger than needed; None reads each time.
        broken: fills up with {sample id: reason} of the pictures that cannot be read.
        sizes: (height, width) of the input between which steps change, the largest last; () for that of
            `preprocess`.
        small: how many epochs, from the first on, see pictures of half the side.
    """

    data: Dataset
    preprocess: Preprocess
    augment: DenseAugment
    seed: int = 0
    pictures: DecodedCache | None = None
    masks: DecodedCache | None = None
    broken: dict[str, str] = field(default_factory=dict)
    sizes: tuple[Size, ...] = ()
    small: int = 0

    def __call__(self, index: int, epoch: int) -> Item | None:
        """Return sample `index` as epoch `epoch` sees it; None if it cannot be read."""
        sample = self.data.samples[index]
        try:
            image, ids = self._read(index)
        except NayanError as error:
            self.broken[sample.id] = error.message
            return None
        size = self.preprocess.size
        image, ids = self.augment(image, ids, sample_rng(self.seed, epoch, index=index), size=size)
        mask = SemanticMask(ids)
        place = Placement(size, (1.0, 1.0), (0.0, 0.0))
        return Item(to_channels(image, self.preprocess.channels), mask, sample.id, place, mask)

    def at_step(self, epoch: int, step: int) -> PrepareDense:
        """Return the same for the pictures of one step of an epoch; both share what they have read."""
        if not self.sizes and epoch >= self.small:
            return self
        sizes = self.sizes or (self.preprocess.size,)
        size = step_size(self.seed, epoch, step=step, sizes=sizes)
        size = half_size(size) if epoch < self.small else size
        return replace(self, preprocess=replace(self.preprocess, size=size))

    def keep_all(self, threads: int) -> bool:
        """Read every sample once, in order, and keep it; return whether there was room for all."""
        if self.pictures is None:
            return False
        cache = self.pictures

        def keep(index: int) -> bool:
            with contextlib.suppress(NayanError):  # told when its turn comes
                self._read(index)
            return cache.get(index) is not None

        return keep_all(keep, len(self.data), threads)

    def _read(self, index: int) -> tuple[Image, NDArray[np.uint8]]:
        """Return a picture and its mask, of one size."""
        image = self.pictures.get(index) if self.pictures is not None else None
        ids = self.masks.get(index) if self.masks is not None else None
        if image is not None and ids is not None:
            return image, ids
        sample = self.data.samples[index]
        if not isinstance(sample.target, MaskSource):
            raise LabelError(f"{sample.id}: to learn to segment, every picture needs a mask")
        ids = sample.target.load().ids
        original = (ids.shape[0], ids.shape[1])
        size = self._stored(original)
        image = sample.load(size)
        if size[0] < image.shape[0]:
            image = resize(image, size)
        ids = resize_ids(ids, (image.shape[0], image.shape[1]))
        if self.pictures is not None:
            self.pictures.put(index, image)
        if self.masks is not None:
            self.masks.put(index, ids)
        return image, ids

    def _stored(self, original: Size) -> Size:
        """Return the (height, width) at which a picture is kept: its own, or a little above the input's."""
        height, width = self.sizes[-1] if self.sizes else self.preprocess.size
        scale = min(1.0, HEADROOM * min(height / original[0], width / original[1]))
        return max(1, round(original[0] * scale)), max(1, round(original[1] * scale))
