"""Restoration as the training loop sees it: whole pictures as the truth of what was taken from them."""

# B pictures, C channels, (h, w) size of a picture

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from nayan.core.registry import resolve
from nayan.tasks.base import Batch, Item, Task, check_arguments
from nayan.tasks.cards import Entry
from nayan.tasks.generation.restoration.decode import OUTPUTS
from nayan.tasks.generation.restoration.network import Restorer


class RestorationTask(Task):
    """Learning to give back what a picture lost; what is minimised is the model's own, see `Restorer.losses`."""

    outputs: ClassVar[tuple[str, ...]] = OUTPUTS

    def __init__(self, **_options: Any) -> None:
        self._network: Restorer | None = None

    def build(self, entry: Entry, classes: Sequence[str], **args: Any) -> nn.Module:
        """Return the network of a catalogue entry with fresh weights.

        Args:
            entry: of the catalogue.
            classes: not needed.
            **args: of the entry's builder, such as size or scale; they override the entry's own.

        Raises:
            ConfigError: an argument that the builder does not know, or cannot have.
        """
        normalisation = {"mean": entry.preprocess.mean, "std": entry.preprocess.std}
        builder = resolve(entry.build)
        check_arguments(entry.name, args, inspect.signature(builder).parameters)
        network: Restorer = builder(classes, **{**normalisation, **entry.args, **args})
        self._network = network
        return network

    def inputs(
        self,
        entry: Entry,
        classes: Sequence[str],  # noqa: ARG002
        *,
        args: Mapping[str, Any],
    ) -> Mapping[str, Any]:
        """Return what the network looks at: smaller pictures, by the scale that it is built with."""
        return {
            name: {**how, "scale": args["scale"]} if "scale" in how else how
            for name, how in entry.inputs.items()
        }

    def collate(self, items: Sequence[Item]) -> Batch:
        """Stack items: images (B, C, h, w) uint8 whole pictures, which are the truth; `extra` was made of them."""
        pixels = torch.from_numpy(np.stack([item.pixels for item in items]))  # (B, h, w, C)
        extra = {
            name: torch.from_numpy(np.stack([item.extra[name] for item in items])) for name in items[0].extra
        }
        return Batch(
            images=pixels.permute(0, 3, 1, 2),  # (B, h, w, C) -> (B, C, h, w), channels last in memory
            targets=None,
            ids=tuple(item.id for item in items),
            placements=tuple(item.placement for item in items),
            truths=tuple(item.truth for item in items),
            extra=extra,
        )

    def losses(self, model: nn.Module, batch: Batch, phase: str) -> dict[str, Tensor]:  # noqa: ARG002
        """Return the parts of the loss of the network that `build` gave."""
        assert self._network is not None
        raw = model(batch.images, **batch.extra)
        return self._network.losses(raw, batch.images.float() / 255)
