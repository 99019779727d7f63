"""`conditional_gan`: both adversaries are told the class, so that one can ask for it.

Paper: Mirza and Osindero, "Conditional generative adversarial nets", 2014, arXiv:1411.1784.

    noise (B, Z) ────────────┐
                             ├── StridedGenerator ── drawn (B, C, h, w) ─┐
    class (B,) ── embedding ─┘                                           ├─ StridedEncoder ── v (B, D)
                                                     real (B, C, h, w) ──┘

    logit (B,) = w · v + embedding(class) · v

What differs from the paper: the networks are those of DCGAN instead of perceptrons, and the discriminator
compares the class with what it sees by an inner product (Miyato and Koyama 2018, arXiv:1802.05637, figure 1d)
instead of taking it as one more input.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from nayan.core.errors import ConfigError
from nayan.core.types import Size
from nayan.parts.normalise import Normalise
from nayan.tasks.generation.sampling.network import Adversaries, with_spectral_norm
from nayan.tasks.generation.sampling.strided import StridedEncoder, StridedGenerator, start_small

EMBEDDED = 32
"""Numbers by which the generator knows a class."""


def conditional_gan(
    classes: Sequence[str],
    *,
    channels: int = 3,
    size: Size = (64, 64),
    latent: int = 100,
    width: int = 64,
    mean: Sequence[float] = (0.5,),
    std: Sequence[float] = (0.5,),
    dropout: float = 0.0,
    spectral_norm: bool = False,
    diffaug: Sequence[str] = (),
) -> Adversaries:
    """Build a conditional GAN with fresh weights.

    Args:
        classes: that can be asked for.
        channels: 1 or 3, of a picture.
        size: (height, width) of the pictures: the same, up to 7 px times a power of 2.
        latent: numbers of noise.
        width: maps of the layers next to the picture.
        mean: of each channel, in [0, 1].
        std: of each channel.
        dropout: before the last layer of the discriminator.
        spectral_norm: whether the discriminator's layers are bounded, in place of BatchNorm.
        diffaug: differentiable augmentation, see `nayan.parts.differentiable_augment`.

    Raises:
        ConfigError: without classes, or for pictures of another size.

    >>> conditional_gan(["cat", "dog"], size=(32, 32)).choices
    tensor([0, 1])
    """
    if not classes:
        raise ConfigError(
            "a conditional GAN learns to draw classes, and the data have none",
            hint="put each class into a folder of its name, or use --model dcgan",
        )
    discriminator: nn.Module = ConditionalDiscriminator(
        StridedEncoder(
            channels=channels, size=size, width=width, normalised=not spectral_norm, dropout=dropout
        ),
        len(classes),
    )
    return Adversaries(
        ConditionalGenerator(len(classes), latent=latent, channels=channels, size=size, width=width),
        with_spectral_norm(discriminator) if spectral_norm else discriminator,
        latent=latent,
        normalise=Normalise.for_channels(mean, std, channels=channels),
        asked="label",
        choices=torch.arange(len(classes)),
        augment=diffaug,
    )


class ConditionalGenerator(nn.Module):
    """From noise and a class to a picture.

    Args:
        classes: how many.
        latent: numbers of noise.
        channels: of a picture.
        size: of it.
        width: of the last layer but one.
    """

    def __init__(self, classes: int, *, latent: int, channels: int, size: Size, width: int) -> None:
        super().__init__()
        self.embed = nn.Embedding(classes, EMBEDDED)
        self.draw = StridedGenerator(latent + EMBEDDED, channels=channels, size=size, width=width)

    def forward(self, noise: Tensor, condition: Tensor) -> Tensor:
        """Return (B, C, h, w) in [-1, 1] for (B, Z) noise and (B,) classes."""
        drawn: Tensor = self.draw(torch.cat([noise, self.embed(condition)], dim=1))
        return drawn


class ConditionalDiscriminator(nn.Module):
    """From pictures and their classes to one decision each.

    Args:
        encoder: from pictures to vectors.
        classes: how many.
    """

    def __init__(self, encoder: StridedEncoder, classes: int) -> None:
        super().__init__()
        self.encoder = encoder
        self.decide = nn.Linear(encoder.outputs, 1)
        self.embed = nn.Embedding(classes, encoder.outputs)
        start_small(self.decide)
        nn.init.normal_(self.embed.weight, 0.0, 0.02)

    def forward(self, pictures: Tensor, condition: Tensor) -> Tensor:
        """Return (B,) logits of (B, C, h, w) pictures in [-1, 1] of (B,) classes."""
        vectors = self.encoder(pictures)
        logits: Tensor = self.decide(vectors)[:, 0] + (self.embed(condition) * vectors).sum(dim=1)
        return logits
