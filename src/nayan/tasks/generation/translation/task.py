"""Translation as the training loop sees it: two phases a step, one for the generators, one for their judges."""

# B pictures, C channels

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from nayan.core.errors import LabelError, NotFound
from nayan.core.registry import resolve
from nayan.core.types import Domain, Original
from nayan.parts.losses.adversarial import ADVERSARIAL, discriminator_loss, generator_loss
from nayan.tasks.base import Batch, Item, Phase, Task, check_arguments
from nayan.tasks.cards import Entry
from nayan.tasks.generation.translation.network import TranslationRaw, Translator, Turn

GENERATORS, DISCRIMINATORS = "generators", "discriminators"
BETAS = (0.5, 0.999)
"""Of AdamW: adversaries want little momentum."""
CYCLE, IDENTITY = 10.0, 5.0
"""Weights of the paper, section 4 and 5.2."""


class TranslationTask(Task):
    """Learning to turn pictures of A into pictures of B, and back, from unpaired heaps of them.

    Args:
        loss: one of `nayan.parts.losses.adversarial.ADVERSARIAL`; "auto" is least_squares, as in the paper.
        cycle: weight of the way back, in mean absolute difference of values in [-1, 1] (eq. 3 of the paper);
            None for 10.
        identity: weight of the same for pictures that are of the wanted domain already (section 5.2); None for
            5. 0 leaves it out, which saves a third of the time and lets colours drift.
        ttur: rate of the discriminators in units of the generators' (Heusel et al. 2017, arXiv:1706.08500).

    Raises:
        NotFound: another loss.
    """

    outputs: ClassVar[tuple[str, ...]] = ("to_a", "to_b", "back_a", "back_b")
    validation_loss: ClassVar[bool] = False  # what an adversary says of pictures is no score of them
    recorded: ClassVar[tuple[str, ...]] = ("real_believed", "made_believed")

    def __init__(
        self,
        loss: str = "auto",
        cycle: float | None = None,
        identity: float | None = None,
        ttur: float | None = None,
        **_options: Any,
    ) -> None:
        self.loss = "least_squares" if loss == "auto" else loss
        if self.loss not in ADVERSARIAL:
            raise NotFound("adversarial loss", self.loss, ADVERSARIAL)
        self.cycle = CYCLE if cycle is None else cycle
        self.identity = IDENTITY if identity is None else identity
        self.ttur = 1.0 if ttur is None else ttur
        self._made: tuple[Batch, Tensor | None, Tensor | None] | None = None

    def build(self, entry: Entry, classes: Sequence[str], **args: Any) -> nn.Module:
        """Return the network of a catalogue entry with fresh weights.

        Args:
            entry: of the catalogue.
            classes: the two domains.
            **args: of the entry's builder, such as channels, size, width; they override the entry's own. Mean
                and std come from the entry's preprocessing unless given.

        Raises:
            ConfigError: an argument that the builder does not know, or pictures that it cannot translate.
        """
        normalisation = {"mean": entry.preprocess.mean, "std": entry.preprocess.std}
        builder = resolve(entry.build)
        check_arguments(entry.name, args, inspect.signature(builder).parameters)
        network: Translator = builder(classes, **{**normalisation, **entry.args, **args})
        return network

    def phases(self, model: nn.Module) -> list[Phase]:
        """Return the generators' turn and the discriminators'.

        The generators go first: what they made in their turn is what the discriminators are shown in theirs, so
        that nothing is translated twice.
        """
        assert isinstance(model, Translator)
        return [
            Phase(GENERATORS, model.generators, betas=BETAS),
            Phase(DISCRIMINATORS, model.discriminators, rate=self.ttur, betas=BETAS),
        ]

    def collate(self, items: Sequence[Item]) -> Batch:
        """Stack items: images (B, C, h, w) uint8 in channels_last order, targets (B,) int64, 0 for A, 1 for B.

        Raises:
            LabelError: a picture without a domain.
        """
        pixels = torch.from_numpy(np.stack([item.pixels for item in items]))  # (B, h, w, C)
        return Batch(
            images=pixels.permute(0, 3, 1, 2),  # (B, h, w, C) -> (B, C, h, w), channels last in memory
            targets=torch.tensor([_domain(item) for item in items]),
            ids=tuple(item.id for item in items),
            placements=tuple(item.placement for item in items),
            truths=tuple(item.truth for item in items),
        )

    def losses(self, model: nn.Module, batch: Batch, phase: str) -> dict[str, Tensor]:
        """Return what those whose turn it is minimise, and what the discriminators believed.

        "real_believed" and "made_believed" are the mean logits of the discriminators for real pictures and for
        translations: 1 and 0 where they see through all of them, both 0.5 where they cannot tell.
        """
        if phase == GENERATORS:
            raw: TranslationRaw = model(
                batch.images, Turn(GENERATORS, batch.targets, identity=self.identity > 0)
            )
            made = (None if part is None else part.detach() for part in (raw.to_a, raw.to_b))
            self._made = (batch, *made)
            return self._generators_losses(raw)
        made_a, made_b = self._made[1:] if self._made and self._made[0] is batch else (None, None)
        self._made = None
        raw = model(batch.images, Turn(DISCRIMINATORS, batch.targets, made_a, made_b))
        return self._discriminators_losses(raw)

    def _generators_losses(self, raw: TranslationRaw) -> dict[str, Tensor]:
        fooled = [
            generator_loss(self.loss, logits) for logits in (raw.fake_a, raw.fake_b) if logits is not None
        ]
        losses = {
            "adversarial": torch.stack(fooled).sum(),
            "cycle": self.cycle * _apart((raw.back_a, raw.a), (raw.back_b, raw.b)),  # eq. 2
        }
        if self.identity:
            losses["identity"] = self.identity * _apart((raw.same_a, raw.a), (raw.same_b, raw.b))
        return losses

    def _discriminators_losses(self, raw: TranslationRaw) -> dict[str, Tensor]:
        reals = [logits for logits in (raw.real_a, raw.real_b) if logits is not None]
        fakes = [logits for logits in (raw.fake_a, raw.fake_b) if logits is not None]
        # where the only picture of a domain could not be read, its discriminator has nothing to compare
        judged = [
            discriminator_loss(self.loss, real, fake)
            for real, fake in ((raw.real_a, raw.fake_a), (raw.real_b, raw.fake_b))
            if real is not None and fake is not None
        ] or [0 * torch.stack([logits.sum() for logits in (*reals, *fakes)]).sum()]
        return {
            "discriminators": torch.stack(judged).sum(),
            "real_believed": torch.stack([logits.detach().mean() for logits in reals]).mean(),
            "made_believed": torch.stack([logits.detach().mean() for logits in fakes]).mean(),
        }


def _apart(*pairs: tuple[Tensor | None, Tensor | None]) -> Tensor:
    """Return the mean absolute difference of each pair of pictures that there is, summed over the pairs."""
    found = [(made - known).abs().mean() for made, known in pairs if made is not None and known is not None]
    return torch.stack(found).sum()


def _domain(item: Item) -> int:
    about = item.target.about if isinstance(item.target, Original) else item.target
    if not isinstance(about, Domain):
        raise LabelError(
            f"{item.id}: to learn to translate, every picture is of one of two domains",
            hint="put the pictures of one into trainA/ and those of the other into trainB/",
        )
    return about.index
