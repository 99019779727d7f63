"""`gan`: two perceptrons against each other, one that draws and one that tells drawn from real.

Paper: Goodfellow et al., "Generative adversarial nets", 2014, arXiv:1406.2661.

    noise (B, Z) ── linear 256 ── linear 512 ── linear 1024 ── linear C h w ── tanh ── drawn (B, C, h, w)
                      └─ BatchNorm and LeakyReLU each ──┘

    picture (B, C, h, w) ── linear 1024 ── linear 512 ── linear 256 ── linear 1 ── logit (B,)
                              └── LeakyReLU and dropout after each ──┘

What differs from the paper: LeakyReLU in place of ReLU and maxout, three hidden layers in each as is usual
since, and pixels in [-1, 1] out of a tanh. BatchNorm in the generator (Ioffe and Szegedy 2015) is ten years
younger than the idea of a perceptron and one than the paper; without it the generator collapses to two or
three pictures within a thousand steps. The sigmoid of the decision is part of the loss.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from torch import Tensor, nn

from nayan.core.types import Size
from nayan.parts.normalise import Normalise
from nayan.tasks.generation.sampling.network import Adversaries, with_spectral_norm

SLOPE = 0.2
"""Of LeakyReLU below 0."""


def gan(
    classes: Sequence[str],  # noqa: ARG001  it draws what it will
    *,
    channels: int = 3,
    size: Size = (64, 64),
    latent: int = 100,
    hidden: Sequence[int] = (256, 512, 1024),
    mean: Sequence[float] = (0.5,),
    std: Sequence[float] = (0.5,),
    dropout: float = 0.3,
    spectral_norm: bool = False,
    diffaug: Sequence[str] = (),
) -> Adversaries:
    """Build a generative adversarial network with fresh weights.

    Args:
        classes: of the data; not needed.
        channels: 1 or 3, of a picture.
        size: (height, width) of the pictures.
        latent: numbers of noise.
        hidden: widths of the generator's hidden layers; the discriminator's are the same backwards.
        mean: of each channel, in [0, 1].
        std: of each channel.
        dropout: share of each hidden layer of the discriminator that is dropped while learning.
        spectral_norm: whether the discriminator's layers are bounded.
        diffaug: differentiable augmentation, see `nayan.parts.differentiable_augment`.

    >>> [name for name, _ in gan((), channels=1, size=(28, 28)).stages()]
    ['generator', 'discriminator']
    """
    shape = (channels, *size)
    discriminator: nn.Module = MlpDiscriminator(shape, hidden=hidden[::-1], dropout=dropout)
    return Adversaries(
        MlpGenerator(shape, latent=latent, hidden=hidden),
        with_spectral_norm(discriminator) if spectral_norm else discriminator,
        latent=latent,
        normalise=Normalise.for_channels(mean, std, channels=channels),
        augment=diffaug,
    )


class MlpGenerator(nn.Module):
    """Linear layers from noise to every pixel.

    Args:
        shape: (channels, height, width) of a picture.
        latent: numbers of noise.
        hidden: widths of the layers between.
    """

    def __init__(self, shape: tuple[int, int, int], *, latent: int, hidden: Sequence[int]) -> None:
        super().__init__()
        widths = (latent, *hidden)
        layers: list[nn.Module] = []
        for before, after in zip(widths, hidden, strict=False):
            layers += [nn.Linear(before, after), nn.BatchNorm1d(after), nn.LeakyReLU(SLOPE, inplace=True)]
        self.layers = nn.Sequential(*layers, nn.Linear(widths[-1], math.prod(shape)), nn.Tanh())
        self.shape = shape

    def forward(self, noise: Tensor, condition: Tensor | None = None) -> Tensor:  # noqa: ARG002
        """Return (B, C, h, w) in [-1, 1] for (B, Z) noise; `condition` is not needed."""
        pixels: Tensor = self.layers(noise)
        return pixels.reshape(-1, *self.shape)  # (B, C h w) -> (B, C, h, w)


class MlpDiscriminator(nn.Module):
    """Linear layers from every pixel to one decision.

    Args:
        shape: (channels, height, width) of a picture.
        hidden: widths of the layers between.
        dropout: after each of them.
    """

    def __init__(self, shape: tuple[int, int, int], *, hidden: Sequence[int], dropout: float) -> None:
        super().__init__()
        widths = (math.prod(shape), *hidden)
        layers: list[nn.Module] = []
        for before, after in zip(widths, hidden, strict=False):
            layers += [nn.Linear(before, after), nn.LeakyReLU(SLOPE, inplace=True), nn.Dropout(dropout)]
        self.layers = nn.Sequential(*layers, nn.Linear(widths[-1], 1))

    def forward(self, pictures: Tensor, condition: Tensor | None = None) -> Tensor:  # noqa: ARG002
        """Return (B,) logits of (B, C, h, w) pictures in [-1, 1]; `condition` is not needed."""
        logits: Tensor = self.layers(pictures.flatten(1))
        return logits[:, 0]
