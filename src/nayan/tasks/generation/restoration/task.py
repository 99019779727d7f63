"""Restoration as the training loop sees it: whole pictures as the truth of what was taken from them.

A first training minimises the content loss of the network. A second one, from its weights, may also ask
that pictures look real: `--adversarial`, `--perceptual FILE`. They come out sharper, and farther from the
truth: no score of validation can say when to stop, so that the last weights are kept.
"""

# B pictures, C channels, (h, w) size of a picture

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from nayan.core.registry import resolve
from nayan.parts.losses.adversarial import discriminator_loss, generator_loss
from nayan.parts.losses.perceptual import content_loss
from nayan.tasks.base import Batch, Item, Phase, Task, check_arguments
from nayan.tasks.cards import Entry
from nayan.tasks.generation.restoration.decode import OUTPUTS
from nayan.tasks.generation.restoration.network import RestorationRaw, Restorer, Turn
from nayan.tasks.generation.restoration.perception import features_of

RESTORER: Turn = "main"
JUDGE: Turn = "discriminator"
BETAS = (0.5, 0.999)
KIND = "non_saturating"
ADVERSARIAL = 5e-3
"""Weight of looking real, as of Wang et al. (2018), ESRGAN, arXiv:1809.00219, section 4.1."""
PERCEPTUAL = 0.05
"""Weight of looking alike to a frozen network, as of Liu et al. (2018), arXiv:1804.07723, eq. 7."""


class RestorationTask(Task):
    """Learning to give back what a picture lost; the content loss is the model's own, see `Restorer.losses`.

    Args:
        perceptual: weights of a frozen network to which restored pictures have to look like whole ones.
    """

    outputs: ClassVar[tuple[str, ...]] = OUTPUTS

    def __init__(self, perceptual: Path | None = None, **_options: Any) -> None:
        self._network: Restorer | None = None
        self._features = None if perceptual is None else features_of(perceptual)

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
        if network.discriminator is not None or self._features is not None:
            self.best_by = ""
        return network

    def phases(self, model: nn.Module) -> list[Phase]:
        """Return the restorer's turn, and where there is a judge that of the judge."""
        assert isinstance(model, Restorer)
        if model.discriminator is None:
            return [Phase(RESTORER, model)]
        return [
            Phase(RESTORER, model.restoring),
            Phase(JUDGE, model.discriminator, betas=BETAS),
        ]

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
        """Stack items: images (B, C, h, w) uint8 whole pictures, the truth; `extra` was made of them."""
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

    def losses(self, model: nn.Module, batch: Batch, phase: str) -> dict[str, Tensor]:
        """Return what the one whose turn it is minimises.

        The restorer: the parts of the content loss, and "perceptual" and "adversarial" where they are asked
        for. The judge: "discriminator".
        """
        assert self._network is not None
        raw: RestorationRaw = model(batch.images, phase if self._judges(model) else None, **batch.extra)
        if phase == JUDGE:
            assert raw.real is not None
            assert raw.fake is not None
            return {JUDGE: discriminator_loss(KIND, raw.real, raw.fake)}
        truth = batch.images.float() / 255
        parts = self._network.losses(raw, truth)
        if self._features is not None:
            features = self._features.to(truth.device)
            seen = raw.picture if raw.known is None else torch.where(raw.known > 0, truth, raw.picture)
            with torch.no_grad():
                wanted = features(255 * truth)
            parts["perceptual"] = PERCEPTUAL * content_loss(features(255 * seen), wanted)
        if raw.fake is not None:
            parts["adversarial"] = ADVERSARIAL * generator_loss(KIND, raw.fake)
        return parts

    def _judges(self, model: nn.Module) -> bool:
        """Say whether a judge has to look: not where the answer is replayed in validation."""
        return self._network is not None and self._network.discriminator is not None and model.training
