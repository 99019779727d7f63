"""Training pictures with objects: read, put together, cut and recoloured, boxes and all."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from nayan.core.errors import NayanError
from nayan.core.image import probe
from nayan.core.types import Boxes, Dataset, Size
from nayan.data.cache import DecodedCache
from nayan.runtime.preprocess import Placement, Preprocess, resize, to_channels
from nayan.tasks.base import Item
from nayan.training.loader import Extra, keep_all, no_extra
from nayan.training.order import sample_rng, step_size
from nayan.training.scene import Scene, SceneAugment


@dataclass(frozen=True, eq=False)
class PrepareScene:
    """Reads one sample, and others to mix it with, and makes a training picture of them.

    Attributes:
        data: the samples; their targets are `Boxes`.
        preprocess: of the network; only its size and channels count, augmentation does the fitting.
        sizes: (height, width) of the input between which steps change, the largest last; () for that of
            `preprocess`. Pictures are kept as large as the largest needs.
        augment: what may happen to a picture.
        seed: of the run.
        cache: keeps decoded pictures, no larger than the network's input needs; None decodes each time.
        calm_from: the epoch from which on nothing is mixed.
        broken: fills up with {sample id: reason} of the pictures that cannot be read.
        extra: makes the network's further inputs of one picture's pixels.
    """

    data: Dataset
    preprocess: Preprocess
    augment: SceneAugment
    seed: int = 0
    cache: DecodedCache | None = None
    calm_from: int = 1_000_000
    broken: dict[str, str] = field(default_factory=dict)
    extra: Extra = no_extra
    sizes: tuple[Size, ...] = ()
    _sizes: dict[int, Size] = field(default_factory=dict, repr=False)

    def __call__(self, index: int, epoch: int) -> Item | None:
        """Return sample `index` as epoch `epoch` sees it; None if its picture cannot be read."""
        sample = self.data.samples[index]
        first = self._read(index)
        if first is None:
            return None
        rng = sample_rng(self.seed, epoch, index=index)
        calm = epoch >= self.calm_from
        others = [] if calm else rng.integers(len(self.data), size=self.augment.partners).tolist()
        partners = [self._read(int(other)) or first for other in others]
        size = self.preprocess.size
        scene = self.augment.compose([first, *partners], rng, size=size, calm=calm)
        pixels = to_channels(scene.image, self.preprocess.channels)
        place = Placement(size, (1.0, 1.0), (0.0, 0.0))
        return Item(pixels, scene.boxes, sample.id, place, scene.boxes, self.extra(pixels))

    def at_step(self, epoch: int, step: int) -> PrepareScene:
        """Return the same for the pictures of one step of an epoch; both share what they have read."""
        if not self.sizes:
            return self
        size = step_size(self.seed, epoch, step=step, sizes=self.sizes)
        return replace(self, preprocess=replace(self.preprocess, size=size))

    def keep_all(self, threads: int) -> bool:
        """Read every sample once, in order, and keep it; return whether there was room for all."""
        if self.cache is None:
            return False
        cache = self.cache

        def keep(index: int) -> bool:
            return self._read(index) is None or cache.get(index) is not None

        return keep_all(keep, len(self.data), threads)

    def _read(self, index: int) -> Scene | None:
        """Return a sample with its boxes in pixels of the picture as it was loaded."""
        sample = self.data.samples[index]
        kept = self.cache.get(index) if self.cache is not None else None
        try:
            if index not in self._sizes and sample.path is not None:
                self._sizes[index] = probe(sample.path).size
            # where no file says it, only the whole picture knows its size, not what is kept of it
            if kept is None or index not in self._sizes:
                kept = sample.load(self._stored(self._sizes.get(index)))
                self._sizes.setdefault(index, (kept.shape[0], kept.shape[1]))
                if self.cache is not None:
                    height, width = self._stored(self._sizes[index])
                    if height < kept.shape[0] and width < kept.shape[1]:
                        kept = resize(kept, (height, width))
                    self.cache.put(index, kept)
        except NayanError as error:
            self.broken[sample.id] = error.message
            return None
        height, width = self._sizes[index]
        scale = np.array([kept.shape[1] / width, kept.shape[0] / height] * 2)
        truth = sample.target if isinstance(sample.target, Boxes) else Boxes.none()
        boxes = replace(truth, xyxy=(truth.xyxy * scale).astype(np.float32), areas=None)
        return Scene(kept, boxes)

    def _stored(self, original: Size | None) -> Size:
        """Return the (height, width) at which a picture just fills the network's largest input."""
        size = self.sizes[-1] if self.sizes else self.preprocess.size
        return replace(self.preprocess, fit="letterbox", size=size).at_least(original)
