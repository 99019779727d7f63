"""From samples to batches: decoding and augmentation in threads, ahead of the network.

Threads are enough: the decoders, Pillow's resize and NumPy all release the interpreter lock. Workers
hold no state; what a batch holds depends on (seed, epoch, step) alone.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from nayan.core.errors import DataError, NayanError
from nayan.core.image import probe
from nayan.core.types import Boxes, Dataset, Image, MaskSource, Size, Target
from nayan.data.cache import DecodedCache
from nayan.runtime.masks import place_mask
from nayan.runtime.preprocess import MAX_SIDE, Placement, Preprocess, resize
from nayan.tasks.base import Batch, Item
from nayan.training.augment import Augment
from nayan.training.order import Meetings, Shares, epoch_batches, sample_rng, split_batches

AHEAD = 3  # batches prepared beyond the one in use
CHUNK = 8  # pictures that a thread prepares in one go


class Source(Protocol):
    """Where the loop's batches come from."""

    @property
    def pictures(self) -> int:
        """Pictures in one epoch."""
        ...

    @property
    def steps(self) -> int:
        """Batches in one epoch."""
        ...

    def batches(self, epoch: int, start: int = 0) -> Iterator[Batch]:
        """Yield the batches of an epoch from step `start` on."""
        ...


Extra = Callable[[NDArray[np.uint8]], Mapping[str, NDArray[np.float32]]]


def no_extra(_pixels: NDArray[np.uint8]) -> Mapping[str, NDArray[np.float32]]:
    """Return nothing: most networks take pixels alone."""
    return {}


def placed(target: Target, placement: Placement, preprocess: Preprocess) -> Target:
    """Return a target with its places in pixels of the network's input; masks are read."""
    if isinstance(target, MaskSource):
        return place_mask(target.load(), preprocess)
    if not isinstance(target, Boxes):
        return target
    return replace(target, xyxy=placement.into_input(target.xyxy), areas=None)


@dataclass(frozen=True, eq=False)
class Prepare:
    """Reads one sample and makes it ready for validation: what prediction does, and nothing else.

    Attributes:
        data: the samples.
        preprocess: of the network.
        keep: how many ready items may stay in memory for the next epoch.
        broken: fills up with {sample id: reason} of the pictures that cannot be read.
        extra: makes the network's further inputs of one picture's pixels.
    """

    data: Dataset
    preprocess: Preprocess
    keep: int = 0
    broken: dict[str, str] = field(default_factory=dict)
    extra: Extra = no_extra
    _kept: dict[int, Item] = field(default_factory=dict, repr=False)

    def __call__(self, index: int, epoch: int) -> Item | None:  # noqa: ARG002  every epoch sees the same
        """Return sample `index`; None if its picture cannot be read."""
        if index in self._kept:
            return self._kept[index]
        sample = self.data.samples[index]
        try:
            known = probe(sample.path).size if sample.path is not None else None
            pixels, placement = self.preprocess(sample.load(self.preprocess.at_least(known)), known)
            target = placed(sample.target, placement, self.preprocess)
        except NayanError as error:
            self.broken[sample.id] = error.message
            return None
        item = Item(
            pixels,
            target,
            sample.id,
            placement,
            sample.target,
            self.extra(pixels),
        )
        if len(self._kept) < self.keep:
            self._kept[index] = item
        return item


@dataclass(frozen=True, eq=False)
class PrepareAugmented:
    """Reads one sample, augments it and makes it ready for training.

    Whether a cache is there decides how large the picture is that augmentation starts from, so the choice
    belongs to the run's configuration; whether the cache already holds a picture changes nothing.

    Attributes:
        data: the samples.
        preprocess: of the network; the last step, in training as in prediction.
        augment: what may happen to a picture.
        seed: of the run.
        cache: keeps decoded pictures, their shorter side reduced to what augmentation needs; None
            decodes each time.
        broken: fills up with {sample id: reason} of the pictures that cannot be read.
        extra: makes the network's further inputs of one picture's pixels.
    """

    data: Dataset
    preprocess: Preprocess
    augment: Augment
    seed: int = 0
    cache: DecodedCache | None = None
    broken: dict[str, str] = field(default_factory=dict)
    extra: Extra = no_extra

    def __call__(self, index: int, epoch: int) -> Item | None:
        """Return sample `index` as epoch `epoch` sees it; None if its picture cannot be read."""
        sample = self.data.samples[index]
        try:
            image = self._read(index)
        except NayanError as error:
            self.broken[sample.id] = error.message
            return None
        rng = sample_rng(self.seed, epoch, index=index)
        image = self.augment(image, rng, size=self.preprocess.size)
        pixels, placement = self._last(image)
        return Item(pixels, sample.target, sample.id, placement, sample.target, self.extra(pixels))

    @cached_property
    def _last(self) -> Preprocess:
        if self.augment.crops:  # the random crop has done the resizing
            return replace(self.preprocess, fit="stretch", crop_ratio=1.0)
        return self.preprocess

    def _read(self, index: int) -> Image:
        kept = self.cache.get(index) if self.cache is not None else None
        if kept is not None:
            return kept
        size = self.stored_size()
        image = self.data.samples[index].load(size)
        if self.cache is not None:
            image = shrink(image, min(size))
            self.cache.put(index, image)
        return image

    def stored_size(self) -> Size:
        """Return the (height, width) that a picture must keep for augmentation to have enough pixels."""
        if self.augment.spans is not None:
            return MAX_SIDE, MAX_SIDE
        height, width = self.preprocess.size if self.augment.crops else self.preprocess.at_least()
        return round(height * self.augment.headroom), round(width * self.augment.headroom)


def keep_all(keep: Callable[[int], bool], count: int, threads: int) -> bool:
    """Read samples 0 to `count` - 1 once, in order, by `keep`; return whether it kept all of them.

    Tiles of one picture follow each other, so that each picture is decoded once; in the order of training it
    would be decoded again for each of its tiles.
    """
    with ThreadPoolExecutor(threads, thread_name_prefix="nayan-loader") as pool:
        waiting = [pool.submit(keep, index) for index in range(count)]
        fits = all(future.result() for future in waiting)
        pool.shutdown(cancel_futures=True)
    return fits


def shrink(image: Image, side: int) -> Image:
    """Resize a picture so that its shorter side is `side` px; smaller ones stay as they are.

    >>> shrink(np.zeros((300, 600, 3), np.uint8), 100).shape
    (100, 200, 3)
    """
    height, width = image.shape[:2]
    shorter = min(height, width)
    if shorter <= side:
        return image
    size: Size = (max(1, round(height * side / shorter)), max(1, round(width * side / shorter)))
    return resize(image, size)


@dataclass(frozen=True, eq=False)
class StreamSource:
    """Batches made from pictures.

    Attributes:
        prepare: (index, epoch) -> Item.
        at_step: (epoch, step) -> what prepares the pictures of that step, where that differs between steps;
            None: `prepare` does.
        count: number of samples.
        collate: of the task.
        batch: pictures a step, over all processes together.
        seed: of the run.
        threads: that decode and augment.
        shuffle: False keeps the order of the data set (validation).
        weights: one a sample, for balanced drawing.
        meetings: who is in the samples, where they are to meet themselves in a batch, or what they are of,
            where as many of each go into it.
        rank, world: this process and the number of processes; each takes its slice of every batch.
    """

    prepare: Callable[[int, int], Item | None]
    count: int
    collate: Callable[[Sequence[Item]], Batch]
    batch: int
    seed: int = 0
    threads: int = 2
    shuffle: bool = True
    weights: Sequence[float] | None = None
    rank: int = 0
    world: int = 1
    at_step: Callable[[int, int], Callable[[int, int], Item | None]] | None = None
    meetings: Meetings | Shares | None = None

    @property
    def pictures(self) -> int:
        """Pictures in one epoch."""
        return self.count

    @property
    def steps(self) -> int:
        """Batches in one epoch."""
        return max(1, -(-self.count // self.batch))

    def batches(self, epoch: int, start: int = 0) -> Iterator[Batch]:
        """Yield the batches of an epoch from step `start` on.

        Raises:
            DataError: if no picture of a training batch can be read, or none at all without `shuffle`.
        """
        if self.shuffle:
            whole = epoch_batches(
                self.seed,
                epoch,
                count=self.count,
                batch=self.batch,
                weights=self.weights,
                meetings=self.meetings,
            )
        else:
            whole = split_batches(np.arange(self.count), self.batch)
        parts = [np.array_split(part, self.world)[self.rank] for part in whole]
        given = start >= len(parts)
        for items in self._ahead(parts[start:], epoch, start):
            if items:
                given = True
                yield self.collate(items)
            elif self.shuffle:  # a step without pictures would be no step
                raise _unreadable("a batch")
        if not given:
            raise _unreadable("the data")

    def _ahead(self, parts: Sequence[NDArray[np.int64]], epoch: int, start: int) -> Iterator[list[Item]]:
        """Yield the items of each part that can be read, while those of the next parts are prepared."""
        with ThreadPoolExecutor(self.threads, thread_name_prefix="nayan-loader") as pool:
            waiting: deque[list[Future[list[Item]]]] = deque()
            try:
                for step, part in enumerate(parts, start):
                    prepare = self.prepare if self.at_step is None else self.at_step(epoch, step)
                    chunks = np.array_split(part, max(1, -(-len(part) // CHUNK)))
                    waiting.append([pool.submit(_several, prepare, chunk, epoch) for chunk in chunks])
                    if len(waiting) > AHEAD:
                        yield _results(waiting.popleft())
                while waiting:
                    yield _results(waiting.popleft())
            finally:  # the loop may leave early
                for futures in waiting:
                    for future in futures:
                        future.cancel()


def _several(
    prepare: Callable[[int, int], Item | None], indices: NDArray[np.int64], epoch: int
) -> list[Item]:
    """Return the items that can be read; several at once, since handing over costs as much as a crop."""
    prepared = (prepare(index, epoch) for index in indices.tolist())
    return [item for item in prepared if item is not None]


def _results(futures: Sequence[Future[list[Item]]]) -> list[Item]:
    return [item for future in futures for item in future.result()]


def _unreadable(what: str) -> DataError:
    return DataError(
        f"none of the pictures of {what} can be read",
        hint="run `nayan doctor DATA` for the list of broken files",
    )


def class_weights(labels: Sequence[int], classes: int) -> NDArray[np.float64]:
    """Return a weight a class, inversely proportional to its number of samples, with mean 1 over the samples.

    >>> class_weights([0, 0, 0, 1], 2).round(3).tolist()
    [0.667, 2.0]
    """
    counts = np.bincount(np.asarray(labels, np.int64), minlength=classes)
    return len(labels) / (np.maximum(counts, 1) * max(1, int((counts > 0).sum())))
