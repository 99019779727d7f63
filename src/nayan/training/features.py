"""Cached features: a frozen base sees each picture once a view, and the rest trains on what it gave.

With everything up to some stage frozen, what that stage gives out for a picture never changes. Kept in
memory it turns an epoch from minutes into milliseconds. Augmentation survives as several views a picture:
view 0 is the plain picture, the others are augmented; epoch e uses view e mod views.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from lightning_fabric import Fabric
from numpy.typing import NDArray
from torch import Tensor, nn

from nayan.core.errors import NayanError
from nayan.parts.trace import trace_onnx
from nayan.runtime.backends.onnx import OnnxBackend
from nayan.runtime.preprocess import Placement
from nayan.tasks.base import Batch
from nayan.training.freeze import Stages
from nayan.training.loader import Source
from nayan.training.order import Meetings, Shares, epoch_batches, split_batches

COMPARED = 4  # pictures on which another engine has to give what torch gives
VIEW_EPOCH = 1 << 20  # augmentation of the views must not repeat that of any epoch


@dataclass(frozen=True, eq=False)
class FeatureSource:
    """Batches of cached activations.

    Attributes:
        views: (n, ...) activations of the same n pictures, one tensor a view, in the data set's order.
        targets: (n, ...) as the task's collate made them.
        ids, placements, truths: of the n pictures.
        batch: pictures a step.
        seed: of the run.
        shuffle: False keeps the order.
        weights: one a picture, for balanced drawing.
        meetings: who is in the pictures, where they are to meet themselves in a batch.
        rank, world: this process takes its slice of every batch.
    """

    views: Sequence[Tensor]
    targets: Tensor
    ids: tuple[str, ...]
    placements: tuple[Placement, ...]
    truths: tuple[Any, ...]
    batch: int
    seed: int = 0
    shuffle: bool = True
    weights: Sequence[float] | None = None
    rank: int = 0
    world: int = 1
    meetings: Meetings | Shares | None = None

    @property
    def pictures(self) -> int:
        """Pictures in one epoch."""
        return len(self.ids)

    @property
    def steps(self) -> int:
        """Batches in one epoch."""
        return max(1, -(-self.pictures // self.batch))

    def batches(self, epoch: int, start: int = 0) -> Iterator[Batch]:
        """Yield the batches of an epoch from step `start` on."""
        features = self.views[epoch % len(self.views)]
        for part in self._parts(epoch)[start:]:
            chosen = torch.tensor_split(torch.from_numpy(part), self.world)[self.rank]
            rows = chosen.tolist()
            yield Batch(
                images=features[chosen],
                targets=self.targets[chosen],
                ids=tuple(self.ids[row] for row in rows),
                placements=tuple(self.placements[row] for row in rows),
                truths=tuple(self.truths[row] for row in rows),
            )

    def _parts(self, epoch: int) -> list[NDArray[np.int64]]:
        if not self.shuffle:
            return split_batches(np.arange(self.pictures), self.batch)
        return epoch_batches(
            self.seed,
            epoch,
            count=self.pictures,
            batch=self.batch,
            weights=self.weights,
            meetings=self.meetings,
        )


def extract(
    stages: Stages,
    sources: Sequence[tuple[Source, int]],
    *,
    fabric: Fabric,
    batch: int,
    seed: int = 0,
    shuffle: bool = True,
    on_batch: Callable[[int], None] | None = None,
) -> FeatureSource:
    """Run frozen stages over every view of a data set and keep what comes out.

    Args:
        stages: the frozen ones, from the input on.
        sources: (source, epoch) a view; each must give the same pictures in the same order.
        fabric: device and precision.
        batch: of the source that is returned.
        seed: of the source that is returned.
        shuffle: whether it changes the order of each epoch, and gives each process a slice of each batch.
        on_batch: called with the number of pictures done.
    """
    run = frozen_runner(stages, fabric)
    views: list[Tensor] = []
    first: list[Batch] = []
    for number, (source, epoch) in enumerate(sources):
        parts = []
        for item in source.batches(epoch):
            parts.append(run(item.images))
            if number == 0:
                first.append(item)
            if on_batch:
                on_batch(len(item.ids))
        views.append(torch.cat(parts))
    return FeatureSource(
        views=views,
        targets=torch.cat([item.targets for item in first]),
        ids=tuple(name for item in first for name in item.ids),
        placements=tuple(place for item in first for place in item.placements),
        truths=tuple(truth for item in first for truth in item.truths),
        batch=batch,
        seed=seed,
        shuffle=shuffle,
        # every process validates on all pictures, so that all decide alike
        rank=fabric.global_rank if shuffle else 0,
        world=fabric.world_size if shuffle else 1,
    )


def frozen_runner(stages: Stages, fabric: Fabric) -> Callable[[Tensor], Tensor]:
    """Return a function from (B, C, h, w) uint8 pixels to the (B, ...) output of frozen stages, on the CPU.

    On a CPU in float32 it is ONNX Runtime that runs them, at about half the time of torch; its first
    answer is compared with torch's, and where they differ, or the stages cannot be traced, torch stays.
    """
    base = _Frozen(nn.Sequential(*(module for _, module in stages)).eval())

    def in_torch(images: Tensor) -> Tensor:
        with torch.inference_mode(), fabric.autocast():
            features: Tensor = base(fabric.to_device(images).permute(0, 2, 3, 1)).cpu()
        return features.clone()  # made outside inference mode, so that autograd may save it

    precise = fabric.device.type == "cpu" and fabric.strategy.precision.precision == "32-true"
    return _OnnxRunner(base, in_torch) if precise else in_torch


class _Frozen(nn.Module):
    """Frozen stages with the input of a deployed network: (B, h, w, C) uint8."""

    def __init__(self, stages: nn.Module) -> None:
        super().__init__()
        self.stages = stages

    def forward(self, images: Tensor) -> Tensor:
        features: Tensor = self.stages(images.permute(0, 3, 1, 2))
        return features


class _OnnxRunner:
    """Frozen stages in ONNX Runtime; in torch where that does not give the same."""

    def __init__(self, base: nn.Module, in_torch: Callable[[Tensor], Tensor]) -> None:
        self._base = base
        self._in_torch = in_torch
        self._backend: OnnxBackend | None = None
        self._tried = False

    def __call__(self, images: Tensor) -> Tensor:
        if not self._tried:
            self._tried = True
            self._choose(images[:COMPARED])
        if self._backend is None:
            return self._in_torch(images)
        return torch.from_numpy(self._backend(images.permute(0, 2, 3, 1).numpy())["features"])

    def _choose(self, images: Tensor) -> None:
        """Use ONNX Runtime from now on if it gives the same as torch."""
        expected = self._in_torch(images)
        pixels = images.permute(0, 2, 3, 1)
        try:
            backend = OnnxBackend(trace_onnx(self._base, pixels[:2], ["features"]))
            found = torch.from_numpy(backend(pixels.numpy())["features"])
        except (NayanError, RuntimeError, TypeError, ValueError, AttributeError):
            return  # slower, and just as right
        scale = max(1.0, float(expected.abs().max()))
        if found.shape == expected.shape and float((found - expected).abs().max()) <= 1e-3 * scale:
            self._backend = backend


def feature_bytes(stages: Stages, pixels: Tensor, fabric: Fabric) -> int:
    """Return the memory that one view of one picture takes behind frozen stages; `pixels` is (1, C, h, w)."""
    base = nn.Sequential(*(module for _, module in stages)).eval()
    with torch.inference_mode(), fabric.autocast():
        features = base(fabric.to_device(pixels))
    return int(features.numel() * features.element_size())
