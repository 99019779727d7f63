"""Drawing as the training loop sees it: two phases a step, one for each adversary."""

# B pictures, C channels

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from torch import Tensor, nn

from nayan.core.errors import ConfigError, LabelError, NotFound
from nayan.core.registry import resolve
from nayan.core.types import Image, Label, Original
from nayan.parts.losses.adversarial import ADVERSARIAL, discriminator_loss, generator_loss, slope_penalty
from nayan.tasks.base import Batch, Item, Phase, Task, check_arguments
from nayan.tasks.cards import Entry
from nayan.tasks.generation.mosaic import mosaic
from nayan.tasks.generation.sampling.network import Adversaries, SamplingRaw, Turn

GENERATOR: Literal["generator"] = "generator"
DISCRIMINATOR: Literal["discriminator"] = "discriminator"
SHOWN = 64
"""Pictures that are drawn after each epoch."""
BETAS = (0.5, 0.999)
"""Of AdamW: with the usual 0.9 the two chase each other in circles (Radford et al. 2015, section 4)."""
WASSERSTEIN_PENALTY = 10.0
"""Weight of the slope where the loss cannot do without (Gulrajani et al. 2017)."""


class SamplingTask(Task):
    """Learning to draw what could be of the data.

    Args:
        loss: one of `nayan.parts.losses.adversarial.ADVERSARIAL`; "auto" is non_saturating.
        gradient_penalty: weight of the penalty on the discriminator's slope: R1 at the data, and for
            "wasserstein" between data and drawn pictures; None: none, but 10 for "wasserstein".
        ttur: rate of the discriminator in units of the generator's (Heusel et al. 2017, arXiv:1706.08500).

    Raises:
        NotFound: another loss.
        ConfigError: "wasserstein" without a penalty.
    """

    outputs: ClassVar[tuple[str, ...]] = ("picture",)
    validation_loss: ClassVar[bool] = False  # what the adversary says of pictures is no score of them
    recorded: ClassVar[tuple[str, ...]] = ("D(x)", "D(G(z))")

    def __init__(
        self,
        loss: str = "auto",
        gradient_penalty: float | None = None,
        ttur: float | None = None,
        **_options: Any,
    ) -> None:
        self.loss = "non_saturating" if loss == "auto" else loss
        if self.loss not in ADVERSARIAL:
            raise NotFound("adversarial loss", self.loss, ADVERSARIAL)
        wasserstein = self.loss == "wasserstein"
        if wasserstein and gradient_penalty == 0:
            raise ConfigError(
                "--loss wasserstein measures a distance only where the discriminator's slope is bounded",
                hint="leave out --gradient-penalty 0",
            )
        usual = WASSERSTEIN_PENALTY if wasserstein else 0.0
        self.penalty = usual if gradient_penalty is None else gradient_penalty
        self.ttur = 1.0 if ttur is None else ttur
        self._shown: tuple[Batch, Tensor] | None = None

    def build(self, entry: Entry, classes: Sequence[str], **args: Any) -> nn.Module:
        """Return the network of a catalogue entry with fresh weights.

        Args:
            entry: of the catalogue.
            classes: of the data.
            **args: of the entry's builder, such as channels, size, spectral_norm; they override the entry's
                own. Mean and std come from the entry's preprocessing unless given.

        Raises:
            ConfigError: an argument that the builder does not know, or a size that it cannot draw.
        """
        normalisation = {"mean": entry.preprocess.mean, "std": entry.preprocess.std}
        builder = resolve(entry.build)
        check_arguments(entry.name, args, inspect.signature(builder).parameters)
        network: Adversaries = builder(classes, **{**normalisation, **entry.args, **args})
        return network

    def inputs(
        self,
        entry: Entry,
        classes: Sequence[str],
        *,
        args: Mapping[str, Any],  # noqa: ARG002
    ) -> Mapping[str, Any]:
        """Return what the network draws from; the class that is asked for is one of `classes`."""
        asked = {"label": {**entry.inputs["label"], "count": len(classes)}} if "label" in entry.inputs else {}
        return {**entry.inputs, **asked}

    def phases(self, model: nn.Module) -> list[Phase]:
        """Return the generator's turn and the discriminator's.

        The generator goes first: what it drew in its turn is what the discriminator is shown in its own, so
        that nothing is drawn twice.
        """
        assert isinstance(model, Adversaries)
        return [
            Phase(GENERATOR, model.generator, betas=BETAS),
            Phase(DISCRIMINATOR, model.discriminator, rate=self.ttur, betas=BETAS),
        ]

    def collate(self, items: Sequence[Item]) -> Batch:
        """Stack items: images (B, C, h, w) uint8 in channels_last order, targets (B,) int64 classes.

        The class of a picture of which none is known is -1.
        """
        pixels = torch.from_numpy(np.stack([item.pixels for item in items]))  # (B, h, w, C)
        extra = {name: np.stack([item.extra[name] for item in items]) for name in items[0].extra}
        return Batch(
            images=pixels.permute(0, 3, 1, 2),  # (B, h, w, C) -> (B, C, h, w), channels last in memory
            targets=torch.tensor([_class(item) for item in items]),
            ids=tuple(item.id for item in items),
            placements=tuple(item.placement for item in items),
            truths=tuple(item.truth for item in items),
            extra={name: torch.from_numpy(values) for name, values in extra.items()},
        )

    def losses(self, model: nn.Module, batch: Batch, phase: str) -> dict[str, Tensor]:
        """Return what the one whose turn it is minimises, and what the discriminator believed.

        "D(x)" and "D(G(z))" are the mean probability, in [0, 1], that real and that drawn pictures are real;
        with losses that know no probabilities, the sigmoid of what the discriminator says.

        Raises:
            LabelError: a picture without a class, where the class is to be drawn.
        """
        drawing = phase == GENERATOR
        shown = self._shown[1] if self._shown is not None and self._shown[0] is batch else None
        self._shown = None
        probe: Literal["between", "data"] = "between" if self.loss == "wasserstein" else "data"
        probed = self.penalty > 0 and torch.is_grad_enabled()  # a slope is asked for by a gradient
        turn = Turn(GENERATOR) if drawing else Turn(DISCRIMINATOR, shown, probe if probed else "")
        raw: SamplingRaw = model(batch.images, turn, **self._asked(model, batch))
        assert raw.fake is not None
        if drawing:
            self._shown = batch, raw.drawn.detach()
            return {GENERATOR: generator_loss(self.loss, raw.fake)}
        assert raw.real is not None
        found = {DISCRIMINATOR: discriminator_loss(self.loss, raw.real, raw.fake)}
        if raw.probed is not None and raw.probed_logits is not None:
            slope = 1.0 if probe == "between" else 0.0
            penalty = slope_penalty(raw.probed_logits, raw.probed, slope=slope)
            found["slope"] = self.penalty * penalty
        found["D(x)"] = raw.real.detach().sigmoid().mean()
        found["D(G(z))"] = raw.fake.detach().sigmoid().mean()
        return found

    @torch.no_grad()
    def snapshot(self, network: nn.Module) -> Image:
        """Return a sheet of what the network draws from the same noise each time, of all classes in turn."""
        assert isinstance(network, Adversaries)
        device, training = next(network.parameters()).device, network.training
        noise = torch.randn(SHOWN, network.latent, generator=torch.Generator().manual_seed(0)).to(device)
        label = torch.arange(SHOWN, device=device) % network.classes if network.classes else None
        nothing = torch.empty(SHOWN, 0, device=device)  # only says how many pictures are drawn
        drawn = network.eval().deploy(network(nothing, noise=noise, label=label))["picture"]
        network.train(training)
        pixels = (drawn.clamp(0, 1) * 255).round().byte().cpu().numpy()  # (B, h, w, C)
        return mosaic([np.repeat(picture, 3 // picture.shape[2], axis=2) for picture in pixels], columns=8)

    def _asked(self, model: nn.Module, batch: Batch) -> dict[str, Tensor]:
        """Return the classes of the batch where they are to be drawn."""
        if not model.classes:
            return {}
        if bool((batch.targets < 0).any()):
            unknown = batch.ids[int((batch.targets < 0).nonzero()[0])]
            raise LabelError(
                f"{unknown}: to learn to draw classes, every picture needs one",
                hint="put each class into a folder of its name, or use --model dcgan",
            )
        return {"label": batch.targets}


def _class(item: Item) -> int:
    about = item.target.about if isinstance(item.target, Original) else item.target
    return about.index if isinstance(about, Label) else -1
