"""Detection: the objects of a picture, each with a box and a class."""

# B pictures, C classes, M objects in the fullest picture of the batch

from __future__ import annotations

import inspect
from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from nayan.core.errors import LabelError
from nayan.core.registry import resolve
from nayan.core.types import Boxes, Dataset
from nayan.parts.anchors import kmeans_anchors
from nayan.runtime.preprocess import Preprocess
from nayan.tasks.base import Batch, Item, Judged, Task, check_arguments
from nayan.tasks.cards import Entry
from nayan.tasks.detection.decode import decode
from nayan.tasks.detection.network import Targets
from nayan.tasks.detection.shapes import box_shapes
from nayan.tasks.detection.thresholds import fit_thresholds


class DetectionTask(Task):
    """The loss is the model family's own; what is common is here: targets, thresholds, the batch.

    Args:
        classes: how many there are; needed by `collate`. `build` sets it too.
    """

    outputs: ClassVar[tuple[str, ...]] = ("boxes", "scores")

    def __init__(self, classes: int = 0, **_options: Any) -> None:
        self.num_classes = classes
        self._network: Any = None

    def build(self, entry: Entry, classes: Sequence[str], **args: Any) -> nn.Module:
        """Return the network of a catalogue entry with fresh weights; the task asks it for its losses.

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
        self._network = network
        return network

    def data_args(self, entry: Entry, dataset: Dataset, *, preprocess: Preprocess) -> dict[str, Any]:
        """Return {"anchors": ((width, height), ...)} where the entry's `fitted` asks for a number of them.

        They are the usual shapes of the training boxes as fractions of the input's sides, by k-means; without
        any box nothing is returned, and the builder's own are used.
        """
        count = entry.fitted.get("anchors")
        if count is None:
            return {}
        shapes = box_shapes(dataset, preprocess)
        if not len(shapes):
            return {}
        found = kmeans_anchors(torch.from_numpy(shapes), count, seed=0)
        return {"anchors": tuple((round(w, 4), round(h, 4)) for w, h in found.tolist())}

    def collate(self, items: Sequence[Item]) -> Batch:
        """Stack items: images (B, C, h, w) uint8 in channels_last order, and padded `Targets`.

        Boxes of crowds teach nothing and are left out of the targets; the truths keep them.

        Raises:
            LabelError: a picture about whose objects nothing is known, or a class that the network lacks.
        """
        pixels = torch.from_numpy(np.stack([item.pixels for item in items]))  # (B, h, w, C)
        objects = [self._objects(item) for item in items]
        most = max(len(found) for found in objects)
        boxes = torch.zeros(len(items), most, 4)
        labels = torch.full((len(items), most), -1)
        for row, found in enumerate(objects):
            boxes[row, : len(found)] = torch.from_numpy(found.xyxy)
            labels[row, : len(found)] = torch.from_numpy(found.labels)
        extra = {
            name: torch.from_numpy(np.stack([item.extra[name] for item in items])) for name in items[0].extra
        }
        return Batch(
            images=pixels.permute(0, 3, 1, 2),  # (B, h, w, C) -> (B, C, h, w), channels last in memory
            targets=Targets(boxes, labels),
            ids=tuple(item.id for item in items),
            placements=tuple(item.placement for item in items),
            truths=tuple(item.truth for item in items),
            extra=extra,
        )

    def _objects(self, item: Item) -> Boxes:
        if not isinstance(item.target, Boxes):
            raise LabelError(
                f"{item.id}: to learn to detect, every picture needs boxes, if only an empty list of them"
            )
        found = item.target if item.target.crowd is None else item.target.select(~item.target.crowd)
        if len(found) and int(found.labels.max()) >= self.num_classes:
            raise LabelError(
                f"{item.id}: class {found.labels.max()}, but there are {self.num_classes} (from 0)"
            )
        return found

    def losses(self, model: nn.Module, batch: Batch, phase: str) -> dict[str, Tensor]:  # noqa: ARG002
        """Return the parts of the loss of the network that `build` gave."""
        raw = model(batch.images, batch.targets, **batch.extra)
        parts: dict[str, Tensor] = self._network.losses(raw, batch.targets)
        return parts

    def calibrate(self, network: nn.Module, judged: Iterable[Judged]) -> dict[str, Any]:  # noqa: ARG002
        """Fit a score threshold for each class: the one with the best F1 at IoU 0.5 on validation.

        Returns:
            "thresholds", one a class.
        """
        found: list[Boxes] = []
        known: list[Boxes] = []
        for batch in judged:
            joined = batch.predictions
            predictions = decode(batch.outputs, batch.placements) if joined is None else joined
            for prediction, truth in zip(predictions, batch.truths, strict=True):
                if isinstance(truth, Boxes):
                    found.append(prediction)
                    known.append(truth)
        return {"thresholds": list(fit_thresholds(found, known, self.num_classes))}
