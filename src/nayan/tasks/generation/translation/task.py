"""Translation as the training loop sees it: two phases a step, for the generators and for their judges."""

# B pictures, C channels

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from nayan.core.errors import LabelError, NayanError, NotFound
from nayan.core.registry import resolve
from nayan.core.types import Dataset, Domain, Image, Original, Target
from nayan.parts.losses.adversarial import ADVERSARIAL, discriminator_loss, generator_loss
from nayan.runtime.preprocess import Placement, Preprocess
from nayan.tasks.base import Batch, Item, Phase, Task, check_arguments
from nayan.tasks.cards import Entry
from nayan.tasks.generation.mosaic import mosaic
from nayan.tasks.generation.translation.decode import across, decode
from nayan.tasks.generation.translation.network import TranslationRaw, Translator, Turn

BETAS = (0.5, 0.999)
"""Of AdamW: adversaries want little momentum."""
CYCLE, IDENTITY = 10.0, 5.0
"""Weights of the paper, section 4 and 5.2."""
SHOWN = 4
"""Pictures of either domain in the film of a run."""


class TranslationTask(Task):
    """Learning to turn pictures of A into pictures of B, and back, from unpaired heaps of them.

    Args:
        loss: one of `nayan.parts.losses.adversarial.ADVERSARIAL`; "auto" is least_squares, as in the paper.
        cycle: weight of the way back, in mean absolute difference of values in [-1, 1] (eq. 3 of the paper);
            None for 10.
        identity: weight of the same for pictures that are of the wanted domain already (section 5.2); None
            for 5. 0 leaves it out, which saves a third of the time and lets colours drift.
        ttur: rate of the discriminators in units of the generators' (Heusel et al. 2017, arXiv:1706.08500).

    Raises:
        NotFound: another loss.
    """

    outputs: ClassVar[tuple[str, ...]] = ("to_a", "to_b", "back_a", "back_b")
    validation_loss: ClassVar[bool] = False  # what an adversary says of pictures is no score of them
    recorded: ClassVar[tuple[str, ...]] = ("D(real)", "D(made)")

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
        self._shown: tuple[Tensor, list[int]] | None = None

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

    def data_args(
        self,
        entry: Entry,  # noqa: ARG002
        dataset: Dataset,
        *,
        preprocess: Preprocess,
    ) -> dict[str, Any]:
        """Keep some pictures of either domain, evenly spaced, of which `snapshot` shows the translations.

        They decide nothing about the network.
        """
        pixels, domains = [], []
        for domain in (0, 1):
            members = [sample for sample in dataset.samples if _about(sample.target) == domain]
            for row in np.unique(np.linspace(0, max(0, len(members) - 1), SHOWN).astype(int)):
                with contextlib.suppress(NayanError, IndexError):  # the doctor names broken pictures
                    pixels.append(preprocess(members[row].load(preprocess.at_least()))[0])
                    domains.append(domain)
        if pixels:
            self._shown = torch.from_numpy(np.stack(pixels)).permute(0, 3, 1, 2), domains
        return {}

    @torch.no_grad()
    def snapshot(self, network: nn.Module) -> Image | None:
        """Return a sheet of three rows: some pictures, their translations, and the way back."""
        if self._shown is None:
            return None
        assert isinstance(network, Translator)
        images, domains = self._shown
        training = network.training
        raw: TranslationRaw = network.eval()(images.to(next(network.parameters()).device))
        network.train(training)
        outputs = {name: value.cpu().numpy() for name, value in network.deploy(raw).items()}
        place = Placement((images.shape[2], images.shape[3]), (1.0, 1.0), (0.0, 0.0))
        made = [across(*each) for each in zip(decode(outputs, [place] * len(domains)), domains, strict=True)]
        seen = [np.repeat(each, 3 // each.shape[2], axis=2) for each in images.permute(0, 2, 3, 1).numpy()]
        rows = [*seen, *(there for there, _ in made), *(back for _, back in made)]
        return mosaic(rows, columns=len(domains))

    def phases(self, model: nn.Module) -> list[Phase]:
        """Return the generators' turn and the discriminators'.

        The generators go first: what they made in their turn is what the discriminators are shown in theirs,
        so that nothing is translated twice.
        """
        assert isinstance(model, Translator)
        return [
            Phase("generators", model.generators, betas=BETAS),
            Phase("discriminators", model.discriminators, rate=self.ttur, betas=BETAS),
        ]

    def collate(self, items: Sequence[Item]) -> Batch:
        """Stack items: images (B, C, h, w) uint8 in channels_last order, targets (B,), 0 for A and 1 for B.

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

        "D(real)" and "D(made)" are the mean logits of the discriminators for real pictures and for
        translations: with least squares, 1 and 0 where they see through all of them, both 0.5 where they
        cannot tell.
        """
        if phase == "generators":
            turn = Turn("generators", batch.targets, identity=self.identity > 0)
            raw: TranslationRaw = model(batch.images, turn)
            self._made = batch, _detached(raw.to_a), _detached(raw.to_b)
            return self._generators_losses(raw)
        made_a, made_b = self._made[1:] if self._made and self._made[0] is batch else (None, None)
        self._made = None
        raw = model(batch.images, Turn("discriminators", batch.targets, made_a, made_b))
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
            "D(real)": torch.stack([logits.detach().mean() for logits in reals]).mean(),
            "D(made)": torch.stack([logits.detach().mean() for logits in fakes]).mean(),
        }


def _apart(*pairs: tuple[Tensor | None, Tensor | None]) -> Tensor:
    """Return the mean absolute difference of each pair of pictures that there is, summed over the pairs."""
    found = [(made - known).abs().mean() for made, known in pairs if made is not None and known is not None]
    return torch.stack(found).sum()


def _detached(pictures: Tensor | None) -> Tensor | None:
    return None if pictures is None else pictures.detach()


def _about(target: Target) -> int | None:
    """Return the domain of a picture, None where it is not known."""
    about = target.about if isinstance(target, Original) else target
    return about.index if isinstance(about, Domain) else None


def _domain(item: Item) -> int:
    domain = _about(item.target)
    if domain is None:
        raise LabelError(
            f"{item.id}: to learn to translate, every picture is of one of two domains",
            hint="put the pictures of one into trainA/ and those of the other into trainB/",
        )
    return domain
