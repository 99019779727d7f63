"""What every generator with its adversary is: one that draws, one that tells drawn from real.

noise (B, Z) ─────┐
                  ├─ generator ── drawn (B, C, h, w) in [-1, 1] ─┐
condition (B, ..) ┤                                              ├─ change ── discriminator ── logits (B,)
                  │   pixels 0..255 ── Normalise ── real ────────┘                │
                  └───────────────────────────────────────────────────────────────┘

A condition is what can be asked for: a class (B,), or a sentence (B, L); some networks take none. What is
deployed is the generator alone: it looks at no picture.
"""

# B pictures, C channels, (h, w) their size, Z numbers of noise, L words of a sentence, K conditions

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from nayan.parts.differentiable_augment import DifferentiableAugment
from nayan.parts.losses.adversarial import between
from nayan.parts.normalise import Normalise


@dataclass(slots=True, eq=False)  # not frozen: Fabric casts the fields of what forward takes and returns
class Turn:
    """Who learns from a batch, and what has to be known of it for that.

    Attributes:
        learner: whose turn it is.
        drawn: (B, C, h, w) in [-1, 1], what the discriminator is to tell from the data; None draws anew.
        probe: where the slope of the discriminator is asked for: at the "data", "between" data and drawn
            pictures, or nowhere.
        wrong: (B, ...) conditions that are not those of the data, for the discriminator to see through.
    """

    learner: Literal["generator", "discriminator"]
    drawn: Tensor | None = None
    probe: Literal["", "data", "between"] = ""
    wrong: Tensor | None = None


@dataclass(slots=True, eq=False)
class SamplingRaw:
    """What a generator drew and, in training, what its adversary says of it.

    Attributes:
        drawn: (B, C, h, w) in [-1, 1].
        fake: (B,) logits of what was drawn; None where nobody asked.
        real: (B,) logits of the data; None in the generator's turn.
        wrong: (B,) logits of the data under conditions that are not theirs; None where there were none.
        probed: (B, C, h, w) pictures at which the slope of the discriminator is asked for.
        probed_logits: (B,) logits of those.
    """

    drawn: Tensor
    fake: Tensor | None = None
    real: Tensor | None = None
    wrong: Tensor | None = None
    probed: Tensor | None = None
    probed_logits: Tensor | None = None


class Adversaries(nn.Module):
    """A network with the two doors that `nayan.tasks.base.Network` promises.

    Args:
        generator: from (B, Z) noise and (B, ...) conditions, or None without any, to (B, C, h, w) in [-1, 1].
        discriminator: from such pictures and their conditions to (B,) logits, above 0 for the data. Given
            twice as many conditions as pictures, it judges each picture under the first and the second half.
        latent: Z.
        normalise: from pixels to [-1, 1].
        asked: what `forward` calls the condition; "": the generator draws what it will.
        choices: (K, ...) conditions that it can be asked for, such as every class, or some sentences.
        augment: what may happen to all pictures before the discriminator sees them.
    """

    def __init__(
        self,
        generator: nn.Module,
        discriminator: nn.Module,
        *,
        latent: int,
        normalise: Normalise,
        asked: Literal["", "label", "caption"] = "",
        choices: Tensor | None = None,
        augment: Sequence[str] = (),
    ) -> None:
        super().__init__()
        self.normalise = normalise
        self.generator = generator
        self.discriminator = discriminator
        self.augment = DifferentiableAugment(augment)
        self.latent = latent
        self.asked = asked
        self.choices: Tensor | None
        self.register_buffer("choices", choices, persistent=False)

    def forward(
        self,
        images: Tensor,
        targets: Turn | None = None,
        *,
        noise: Tensor | None = None,
        label: Tensor | None = None,
        caption: Tensor | None = None,
    ) -> SamplingRaw:
        """Draw as many pictures as there are `images`, and let them be judged.

        Args:
            images: (B, C, h, w) pixels in [0, 255], uint8 or float: the data that what is drawn is to be
                taken for. Without a turn they only say how many pictures are drawn.
            targets: whose turn it is; None: nobody learns, and nothing is judged.
            noise: (B, Z); None draws it.
            label: (B,) int64 classes of the images, which are also those that are to be drawn.
            caption: (B, L) int64 words of a sentence about each, likewise. Where a network takes one of the
                two and is given none, it draws some of its `choices`.
        """
        condition = label if caption is None else caption
        if self.choices is not None and condition is None:
            condition = self.choices[
                torch.randint(0, len(self.choices), (len(images),), device=images.device)
            ]
        if targets is None:
            return SamplingRaw(self._draw(images, noise, condition))
        if targets.learner == "generator":
            raw = SamplingRaw(self._draw(images, noise, condition))
            raw.fake = self._judge(raw.drawn, condition)
            return raw
        with torch.no_grad():
            drawn = self._draw(images, noise, condition) if targets.drawn is None else targets.drawn
        real = self.normalise(images)
        raw = SamplingRaw(drawn, fake=self._judge(drawn, condition))
        if targets.probe == "data":
            raw.probed = real = real.requires_grad_()
        if targets.wrong is None or condition is None:
            raw.real = self._judge(real, condition)
        else:
            raw.real, raw.wrong = self._judge(real, torch.cat([condition, targets.wrong])).chunk(2)
        raw.probed_logits = raw.real
        if targets.probe == "between":
            raw.probed = between(real, drawn).requires_grad_()
            raw.probed_logits = self._judge(raw.probed, condition)
        return raw

    def deploy(self, raw: SamplingRaw) -> dict[str, Tensor]:
        """Return {"picture": (B, h, w, C) float32 in [0, 1]}."""
        return {"picture": (raw.drawn.float().permute(0, 2, 3, 1) + 1) / 2}  # (B, C, h, w) -> (B, h, w, C)

    def stages(self) -> list[tuple[str, nn.Module]]:
        """Return the two adversaries. They are no chain: the second is not deployed."""
        return [("generator", self.generator), ("discriminator", self.discriminator)]

    def _draw(self, images: Tensor, noise: Tensor | None, condition: Tensor | None) -> Tensor:
        if noise is None:
            noise = torch.randn(len(images), self.latent, device=images.device)
        drawn: Tensor = self.generator(noise, condition)
        return drawn

    def _judge(self, pictures: Tensor, condition: Tensor | None) -> Tensor:
        logits: Tensor = self.discriminator(self.augment(pictures), condition)
        return logits


def with_spectral_norm(module: nn.Module) -> nn.Module:
    """Let every convolution and linear layer of a module have the spectral norm 1, and return the module.

    Source: Miyato et al. (2018), arXiv:1802.05957: it bounds the slope of a discriminator.

    >>> layer = with_spectral_norm(nn.Linear(2, 1))
    >>> layer(torch.eye(2)).shape
    torch.Size([2, 1])
    """
    for part in list(module.modules()):
        if isinstance(part, nn.Linear | nn.Conv2d):
            spectral_norm(part)
    return module
