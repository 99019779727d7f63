"""Drawing as the training loop sees it: two phases a step, one for each adversary."""

# B pictures, C channels, T sentences about one, L words of a sentence

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from torch import Tensor, nn

from nayan.core.errors import ConfigError, LabelError, NotFound
from nayan.core.registry import resolve
from nayan.core.types import Dataset, Image
from nayan.core.vocabulary import Vocabulary, longest
from nayan.parts.losses.adversarial import ADVERSARIAL, discriminator_loss, generator_loss, slope_penalty
from nayan.runtime.preprocess import Preprocess
from nayan.tasks.base import Batch, Item, Phase, Task, check_arguments
from nayan.tasks.cards import Entry
from nayan.tasks.generation.mosaic import mosaic
from nayan.tasks.generation.sampling.conditions import (
    classes_of,
    drawn_conditions,
    sentences_of,
    some_texts,
    texts_of,
    wrong_conditions,
)
from nayan.tasks.generation.sampling.network import Adversaries, SamplingRaw, Turn

GENERATOR: Literal["generator"] = "generator"
DISCRIMINATOR: Literal["discriminator"] = "discriminator"
SHOWN = 64
"""Pictures that are drawn after each epoch."""
BETAS = (0.5, 0.999)
"""Of AdamW: with the usual 0.9 the two chase each other in circles (Radford et al. 2015, section 4)."""
WASSERSTEIN_PENALTY = 10.0
"""Weight of the slope where the loss cannot do without (Gulrajani et al. 2017)."""


@dataclass(frozen=True, slots=True, eq=False)
class _Drawn:
    """What the generator drew in its turn, for the discriminator's."""

    batch: Batch
    pictures: Tensor
    given: dict[str, Tensor]


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
    recorded: ClassVar[tuple[str, ...]] = ("D(x)", "D(G(z))", "D(wrong)")

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
        self._drawn: _Drawn | None = None
        self._vocabulary: Vocabulary | None = None
        self._length = 0

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

    def data_args(
        self,
        entry: Entry,
        dataset: Dataset,
        *,
        preprocess: Preprocess,  # noqa: ARG002
    ) -> dict[str, Any]:
        """Return the words of the captions, their longest length, and some of them, where `fitted` asks so.

        From then on `collate` gives sentences in place of classes.

        Raises:
            ConfigError: if the data have no captions.
        """
        if "words" not in entry.fitted:
            return {}
        texts = [text for sample in dataset.samples for text in texts_of(sample.target)]
        if not texts:
            raise ConfigError(
                f"{entry.name} learns from pictures with captions, and these have none",
                hint="write a table with the columns file and caption, or use --model dcgan",
            )
        self._vocabulary = Vocabulary.fit(texts, most=entry.fitted["words"])
        self._length = longest(texts)
        said = some_texts(dataset, entry.fitted["captions"])
        return {"words": self._vocabulary.words, "length": self._length, "captions": said}

    def inputs(self, entry: Entry, classes: Sequence[str], *, args: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return what the network draws from: beside noise, one of `classes`, or one of the captions kept."""
        given = dict(entry.inputs)
        if "label" in given:
            given["label"] = {**given["label"], "count": len(classes)}
        if "caption" in given:
            vocabulary = Vocabulary(tuple(args["words"]))
            rows = [vocabulary.encode(text, length=args["length"]).tolist() for text in args["captions"]]
            given["caption"] = {**given["caption"], "rows": rows}
        return given

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
        """Stack items: images (B, C, h, w) uint8 in channels_last order, targets as `conditions` makes them.

        These are (B,) classes or, for a network that reads, (B, T, L) sentences.
        """
        pixels = torch.from_numpy(np.stack([item.pixels for item in items]))  # (B, h, w, C)
        extra = {name: np.stack([item.extra[name] for item in items]) for name in items[0].extra}
        known = [item.target for item in items]
        return Batch(
            images=pixels.permute(0, 3, 1, 2),  # (B, h, w, C) -> (B, C, h, w), channels last in memory
            targets=classes_of(known)
            if self._vocabulary is None
            else sentences_of(known, self._vocabulary, length=self._length),
            ids=tuple(item.id for item in items),
            placements=tuple(item.placement for item in items),
            truths=tuple(item.truth for item in items),
            extra={name: torch.from_numpy(values) for name, values in extra.items()},
        )

    def losses(self, model: nn.Module, batch: Batch, phase: str) -> dict[str, Tensor]:
        """Return what the one whose turn it is minimises, and what the discriminator believed.

        "D(x)" and "D(G(z))" are the mean probability, in [0, 1], that real and that drawn pictures are real,
        and "D(wrong)" that real ones with another one's caption are; with losses that know no
        probabilities, the sigmoid of what the discriminator says.

        Raises:
            LabelError: a picture without a class or a caption, where that is to be drawn.
        """
        if phase == GENERATOR:
            given = self._asked(model, batch)
            raw: SamplingRaw = model(batch.images, Turn(GENERATOR), **given)
            assert raw.fake is not None
            self._drawn = _Drawn(batch, raw.drawn.detach(), given)
            return {GENERATOR: generator_loss(self.loss, raw.fake)}
        former = self._drawn if self._drawn is not None and self._drawn.batch is batch else None
        self._drawn = None
        given = self._asked(model, batch) if former is None else former.given
        turn, is_wrong = Turn(DISCRIMINATOR, None if former is None else former.pictures), None
        if self.penalty > 0 and torch.is_grad_enabled():  # a slope is asked for by a gradient
            turn.probe = "between" if self.loss == "wasserstein" else "data"
        if "caption" in given:
            turn.wrong, is_wrong = wrong_conditions(batch.targets, given["caption"])
        return self._judged(model(batch.images, turn, **given), is_wrong)

    def _judged(self, raw: SamplingRaw, is_wrong: Tensor | None) -> dict[str, Tensor]:
        """Return the losses of the discriminator; `is_wrong` says which of `raw.wrong` are really false."""
        assert raw.real is not None
        assert raw.fake is not None
        found, false = {}, raw.fake
        if raw.wrong is not None and is_wrong is not None:
            false = torch.cat([raw.fake, raw.wrong[is_wrong]])  # Reed et al., algorithm 1, line 8
            found["D(wrong)"] = raw.wrong.detach().sigmoid().mean()
        found[DISCRIMINATOR] = discriminator_loss(self.loss, raw.real, false)
        if raw.probed is not None and raw.probed_logits is not None:
            slope = 1.0 if self.loss == "wasserstein" else 0.0
            penalty = slope_penalty(raw.probed_logits, raw.probed, slope=slope)
            found["slope"] = self.penalty * penalty
        found["D(x)"] = raw.real.detach().sigmoid().mean()
        found["D(G(z))"] = raw.fake.detach().sigmoid().mean()
        return found

    @torch.no_grad()
    def snapshot(self, network: nn.Module) -> Image:
        """Return a sheet of what the network draws from the same noise each time, of all choices in turn."""
        assert isinstance(network, Adversaries)
        device, training = next(network.parameters()).device, network.training
        noise = torch.randn(SHOWN, network.latent, generator=torch.Generator().manual_seed(0)).to(device)
        given: dict[str, Tensor] = {}
        if network.choices is not None:
            given[network.asked] = network.choices[torch.arange(SHOWN, device=device) % len(network.choices)]
        nothing = torch.empty(SHOWN, 0, device=device)  # only says how many pictures are drawn
        drawn = network.eval().deploy(network(nothing, noise=noise, **given))["picture"]
        network.train(training)
        pixels = (drawn.clamp(0, 1) * 255).round().byte().cpu().numpy()  # (B, h, w, C)
        return mosaic([np.repeat(picture, 3 // picture.shape[2], axis=2) for picture in pixels], columns=8)

    def _asked(self, model: nn.Module, batch: Batch) -> dict[str, Tensor]:
        """Return what is known of the pictures of a batch, as the argument of `forward` that asks for it."""
        asked = str(model.asked)
        if not asked:
            return {}
        unknown = (batch.targets < 0).reshape(len(batch.ids), -1).any(dim=1)
        if bool(unknown.any()):
            what, how = _NEEDED[asked]
            raise LabelError(
                f"{batch.ids[int(unknown.nonzero()[0])]}: to learn to draw {what}, every picture needs one",
                hint=f"{how}, or use --model dcgan",
            )
        return {asked: drawn_conditions(batch.targets)}


_NEEDED = {
    "label": ("classes", "put each class into a folder of its name"),
    "caption": ("from sentences", "describe it, or leave it out"),
}
"""What cannot be learnt from a picture of which nothing is known, and what to do."""
