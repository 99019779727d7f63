"""Segmentation as the training loop sees it: the batch, the loss, the threshold."""

# B pictures, C channels, K classes, (h, w) size of the input

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from nayan.core.errors import LabelError
from nayan.core.registry import resolve
from nayan.core.types import VOID, MaskSource, SemanticMask
from nayan.parts.upsample import usual_up
from nayan.tasks.base import Batch, Item, Judged, Task, check_arguments
from nayan.tasks.cards import Entry
from nayan.tasks.segmentation.decode import probability_map
from nayan.tasks.segmentation.losses import SegmentationLoss
from nayan.tasks.segmentation.network import SegmentationRaw
from nayan.tasks.segmentation.thresholds import ThresholdFit

AUXILIARY = 0.4
"""Weight of an earlier head's loss: Zhao et al. (2016), arXiv:1612.01105, section 3.3."""


class SegmentationTask(Task):
    """Pixels are classified: the losses are of the task, not of a model.

    Args:
        loss: as `SegmentationLoss` takes it.
        class_weights: (K,) of the cross-entropy; None weighs all classes alike.
        label_smoothing: of the cross-entropy, in [0, 1).
    """

    outputs: ClassVar[tuple[str, ...]] = ("probabilities",)

    def __init__(
        self,
        loss: str = "auto",
        class_weights: Sequence[float] | None = None,
        label_smoothing: float | None = 0.0,
        **_options: Any,
    ) -> None:
        self.num_classes = 0
        self._loss = SegmentationLoss(
            loss, class_weights=class_weights, label_smoothing=label_smoothing or 0.0
        )

    def build(self, entry: Entry, classes: Sequence[str], **args: Any) -> nn.Module:
        """Return the network of a catalogue entry with fresh weights.

        Args:
            entry: of the catalogue.
            classes: their names.
            **args: of the entry's builder, such as channels, size, backbone; they override the entry's own.
                Mean and std come from the entry's preprocessing unless given.

        Raises:
            ConfigError: an argument that the builder does not know, or a picture too small for it.
        """
        normalisation = {"mean": entry.preprocess.mean, "std": entry.preprocess.std}
        self.num_classes = len(classes)
        builder = resolve(entry.build)
        check_arguments(entry.name, args, inspect.signature(builder).parameters)
        network: nn.Module = builder(classes, **{**normalisation, **entry.args, **args})
        return network

    def choices(self, entry: Entry, args: Mapping[str, Any]) -> dict[str, tuple[Any, str]]:
        """Return how the decoder enlarges its maps, where the network has a choice and nobody made it."""
        if args.get("up") or "up" not in inspect.signature(resolve(entry.build)).parameters:
            return {}
        return {"up": usual_up(args.get("backbone"))}

    def collate(self, items: Sequence[Item]) -> Batch:
        """Stack items: images (B, C, h, w) uint8 in channels_last order, masks (B, h, w) int64.

        Raises:
            LabelError: a picture without a mask, or a class that the network lacks.
        """
        pixels = torch.from_numpy(np.stack([item.pixels for item in items]))  # (B, h, w, C)
        masks = torch.from_numpy(np.stack([self._ids(item) for item in items])).long()
        return Batch(
            images=pixels.permute(0, 3, 1, 2),  # (B, h, w, C) -> (B, C, h, w), channels last in memory
            targets=masks,
            ids=tuple(item.id for item in items),
            placements=tuple(item.placement for item in items),
            truths=tuple(item.truth for item in items),
        )

    def _ids(self, item: Item) -> Any:
        if not isinstance(item.target, SemanticMask):
            raise LabelError(f"{item.id}: to learn to segment, every picture needs a mask")
        known = item.target.ids[item.target.ids != VOID]
        if self.num_classes and known.size and int(known.max()) >= self.num_classes:
            raise LabelError(f"{item.id}: class {known.max()}, but there are {self.num_classes} (from 0)")
        return item.target.ids

    def losses(self, model: nn.Module, batch: Batch, phase: str) -> dict[str, Tensor]:  # noqa: ARG002
        """Return the parts of the loss, and "auxiliary" of an earlier head where there is one."""
        raw: SegmentationRaw = model(batch.images, batch.targets)
        parts = self._loss(raw.logits, batch.targets)
        if raw.auxiliary is not None:
            early = self._loss(raw.auxiliary, batch.targets)
            parts["auxiliary"] = AUXILIARY * torch.stack(list(early.values())).sum()
        return parts

    def calibrate(self, network: nn.Module, judged: Iterable[Judged]) -> dict[str, Any]:  # noqa: ARG002
        """Fit, for two classes, the probability from which on a pixel is of the second one.

        Returns:
            "thresholds" with one value; nothing where there are more classes.
        """
        if self.num_classes != 2:
            return {}
        fit = ThresholdFit()
        for batch in judged:
            rows = batch.outputs.get("probabilities", ())
            for row, place, truth in zip(rows, batch.placements, batch.truths, strict=False):
                if isinstance(truth, MaskSource | SemanticMask):
                    ids = (truth.load() if isinstance(truth, MaskSource) else truth).ids
                    known = ids != VOID
                    fit.update(probability_map(row, place, 1)[known], ids[known] == 1)
        return {"thresholds": [fit.best()]}
