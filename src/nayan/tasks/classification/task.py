"""Classification: one class for a whole picture."""

# B pictures, C channels, K classes

from __future__ import annotations

import inspect
from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nayan.core.errors import ConfigError, LabelError
from nayan.core.registry import resolve
from nayan.core.types import Label
from nayan.tasks.base import Batch, Item, Judged, Task, check_arguments
from nayan.tasks.cards import Entry
from nayan.tasks.classification.calibration import (
    expected_calibration_error,
    fit_temperature,
    fit_thresholds,
    softmax,
)
from nayan.tasks.classification.network import Classifier, ClassLogits


class ClassificationTask(Task):
    """Cross-entropy on one-hot or soft targets.

    Args:
        classes: how many there are; needed by `collate`. `build` sets it too.
        label_smoothing: share of each target that is spread over all classes, in [0, 1).
        class_weights: one factor a class on the loss of its pictures; None for 1 each.
    """

    outputs: ClassVar[tuple[str, ...]] = ("logits", "probabilities")

    def __init__(
        self, classes: int = 0, *, label_smoothing: float = 0.0, class_weights: Sequence[float] | None = None
    ) -> None:
        if not 0 <= label_smoothing < 1:
            raise ConfigError(f"label smoothing lies in [0, 1), got {label_smoothing}")
        self.num_classes = classes
        self.label_smoothing = label_smoothing
        self.class_weights = (
            None if class_weights is None else torch.tensor(class_weights, dtype=torch.float32)
        )

    def build(self, entry: Entry, classes: Sequence[str], **args: Any) -> nn.Module:
        """Return the network of a catalogue entry with fresh weights.

        Args:
            entry: of the catalogue.
            classes: their names.
            **args: of the entry's builder, such as channels, size, head, dropout; they override the
                entry's own. Mean and std come from the entry's preprocessing unless given.

        Raises:
            ConfigError: an argument that the builder does not know, or a picture too small for it.
        """
        if self.class_weights is not None and len(self.class_weights) != len(classes):
            raise ConfigError(f"{len(self.class_weights)} class weights for {len(classes)} classes")
        normalisation = {"mean": entry.preprocess.mean, "std": entry.preprocess.std}
        self.num_classes = len(classes)
        builder = resolve(entry.build)
        check_arguments(entry.name, args, inspect.signature(builder).parameters)
        network: Classifier = builder(classes, **{**normalisation, **entry.args, **args})
        return network

    def collate(self, items: Sequence[Item]) -> Batch:
        """Stack items: images (B, C, h, w) uint8 in channels_last order, targets (B, K) float32 one-hot.

        Raises:
            LabelError: a picture without a class, or with one that the network does not have.
        """
        pixels = torch.from_numpy(np.stack([item.pixels for item in items]))  # (B, h, w, C)
        targets = torch.zeros(len(items), self.num_classes)
        for row, item in enumerate(items):
            targets[row, self._index(item)] = 1
        return Batch(
            images=pixels.permute(0, 3, 1, 2),  # (B, h, w, C) -> (B, C, h, w), channels last in memory
            targets=targets,
            ids=tuple(item.id for item in items),
            placements=tuple(item.placement for item in items),
            truths=tuple(item.target for item in items),
        )

    def _index(self, item: Item) -> int:
        if not isinstance(item.target, Label):
            raise LabelError(f"{item.id}: to learn to classify, every picture needs a class")
        if item.target.index >= self.num_classes:
            raise LabelError(
                f"{item.id}: class {item.target.index}, but there are {self.num_classes} (from 0)"
            )
        return item.target.index

    def calibrate(self, network: nn.Module, judged: Iterable[Judged]) -> dict[str, Any]:
        """Fit the temperature, set it in the network, and fit a threshold a class.

        Returns:
            "temperature", "ece_before", "ece_after" and "thresholds", all on validation.
        """
        batches = list(judged)
        truths = [truth for batch in batches for truth in batch.truths]
        labels = [truth.index for truth in truths if isinstance(truth, Label)]
        logits = np.concatenate([batch.outputs["logits"] for batch in batches])
        temperature = fit_temperature(logits, labels)
        network.get_buffer("temperature").fill_(temperature)
        before, after = softmax(logits), softmax(logits, temperature=temperature)
        return {
            "temperature": temperature,
            "ece_before": expected_calibration_error(before, labels),
            "ece_after": expected_calibration_error(after, labels),
            "thresholds": list(fit_thresholds(after, labels)),
        }

    def losses(self, model: nn.Module, batch: Batch, phase: str) -> dict[str, Tensor]:  # noqa: ARG002
        """Return {"cross_entropy": mean over the batch}; `batch.targets` may be soft (mixup, cutmix).

        `model` may be the tail of a network and `batch.images` the activations that it takes. With class
        weights each picture counts as its target weighs, and the mean is a weighted one.
        """
        raw: ClassLogits = model(batch.images)
        targets: Tensor = batch.targets
        log_probabilities = F.log_softmax(raw.logits.float(), dim=1)
        smooth = targets * (1 - self.label_smoothing) + self.label_smoothing / targets.shape[1]
        losses = -(smooth * log_probabilities).sum(dim=1)  # (B, K) -> (B,)
        if self.class_weights is None:
            return {"cross_entropy": losses.mean()}
        weights = targets @ self.class_weights.to(targets.device)  # (B, K) @ (K,) -> (B,)
        return {"cross_entropy": (losses * weights).sum() / weights.sum()}
