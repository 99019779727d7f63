"""Embedding as the training loop sees it: the batch, the loss, the threshold of "the same"."""

# B pictures, C channels, D values of the embedding

from __future__ import annotations

import inspect
from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from nayan.core.errors import LabelError
from nayan.core.registry import resolve
from nayan.core.types import Identity, Label
from nayan.tasks.base import Batch, Item, Judged, Task, check_arguments
from nayan.tasks.cards import Entry
from nayan.tasks.embedding.calibration import fit_same
from nayan.tasks.embedding.decode import decode
from nayan.tasks.embedding.network import Criterion, Embedder, EmbeddingRaw


class EmbeddingTask(Task):
    """Learning who is alike: what is minimised is the model's own, see `network.Criterion`.

    Args:
        far: the false-accept rate for which the threshold of "the same" is fitted, in (0, 1).
    """

    outputs: ClassVar[tuple[str, ...]] = ("embedding",)
    # The loss of a batch depends on who else is in it. Training's are drawn so that each identity meets
    # itself; those of validation come in order, with identities of their own, so that their loss would say
    # nothing.
    validation_loss: ClassVar[bool] = False

    def __init__(self, far: float = 1e-3, **_options: Any) -> None:
        self.far = far
        self.num_identities = 0
        self._criterion: Criterion | None = None

    def build(self, entry: Entry, classes: Sequence[str], **args: Any) -> nn.Module:
        """Return the network of a catalogue entry with fresh weights.

        Args:
            entry: of the catalogue.
            classes: the identities that it learns from.
            **args: of the entry's builder, such as channels, size, backbone, dim; they override the entry's
                own. Mean and std come from the entry's preprocessing unless given.

        Raises:
            ConfigError: an argument that the builder does not know, or a picture too small for it.
        """
        normalisation = {"mean": entry.preprocess.mean, "std": entry.preprocess.std}
        builder = resolve(entry.build)
        check_arguments(entry.name, args, inspect.signature(builder).parameters)
        network: Embedder = builder(classes, **{**normalisation, **entry.args, **args})
        self.num_identities, self._criterion = len(classes), network.criterion
        return network

    def collate(self, items: Sequence[Item]) -> Batch:
        """Stack items: images (B, C, h, w) uint8 in channels_last order, targets (B,) int64 identities.

        Raises:
            LabelError: a picture without an identity.
        """
        pixels = torch.from_numpy(np.stack([item.pixels for item in items]))  # (B, h, w, C)
        return Batch(
            images=pixels.permute(0, 3, 1, 2),  # (B, h, w, C) -> (B, C, h, w), channels last in memory
            targets=torch.tensor([_index(item) for item in items]),
            ids=tuple(item.id for item in items),
            placements=tuple(item.placement for item in items),
            truths=tuple(item.truth for item in items),
        )

    def losses(self, model: nn.Module, batch: Batch, phase: str) -> dict[str, Tensor]:  # noqa: ARG002
        """Return the parts of the loss of the network that `build` gave.

        `model` may be the tail of a network and `batch.images` the activations that it takes.
        """
        assert self._criterion is not None
        raw: EmbeddingRaw = model(batch.images)
        return self._criterion(raw, batch.targets)

    def calibrate(self, network: nn.Module, judged: Iterable[Judged]) -> dict[str, Any]:  # noqa: ARG002
        """Fit, on validation, from which distance on two pictures show different ones, and how sure that is.

        Returns:
            "thresholds" with the distance, "same" as `calibration.fit_same` gives it, for decode arguments.
        """
        vectors: list[Any] = []
        truths: list[Identity] = []
        for batch in judged:
            for prediction, truth in zip(decode(batch.outputs, batch.placements), batch.truths, strict=True):
                if isinstance(truth, Identity):
                    vectors.append(prediction.vector)
                    truths.append(truth)
        return fit_same(np.stack(vectors), truths, far=self.far)


def _index(item: Item) -> int:
    if not isinstance(item.target, Label):
        raise LabelError(f"{item.id}: to learn who is alike, every picture needs an identity")
    return item.target.index
