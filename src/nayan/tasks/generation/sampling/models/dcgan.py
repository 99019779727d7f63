"""`dcgan`: two convolutional networks against each other, one that draws and one that tells drawn from real.

Paper: Radford, Metz, Chintala, "Unsupervised representation learning with deep convolutional generative
adversarial networks", 2015, arXiv:1511.06434.

    noise (B, Z) ── StridedGenerator ── drawn (B, C, h, w) ─┐
                                                            ├─ StridedEncoder ── linear ── logit (B,)
                                        real (B, C, h, w) ──┘

What differs from the paper: how many layers there are follows the size of the pictures (two doublings for 28
px, four for 64), and the smallest map may have 4 to 7 pixels a side. With spectral normalisation the
discriminator has no BatchNorm, as in Miyato et al. (2018).
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from nayan.core.types import Size
from nayan.parts.normalise import Normalise
from nayan.tasks.generation.sampling.network import Adversaries, with_spectral_norm
from nayan.tasks.generation.sampling.strided import StridedEncoder, StridedGenerator, start_small


def dcgan(
    classes: Sequence[str],  # noqa: ARG001  it draws what it will
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
    """Build a DCGAN with fresh weights.

    Args:
        classes: of the data; not needed.
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
        ConfigError: for pictures of another size.

    >>> network = dcgan((), channels=1, size=(28, 28))
    >>> sum(p.numel() for p in network.generator.parameters())
    759681
    """
    discriminator: nn.Module = Discriminator(
        StridedEncoder(
            channels=channels, size=size, width=width, normalised=not spectral_norm, dropout=dropout
        )
    )
    return Adversaries(
        Generator(latent, channels=channels, size=size, width=width),
        with_spectral_norm(discriminator) if spectral_norm else discriminator,
        latent=latent,
        normalise=Normalise.for_channels(mean, std, channels=channels),
        augment=diffaug,
    )


class Generator(StridedGenerator):
    """From noise to pictures."""

    def forward(self, noise: Tensor, condition: Tensor | None = None) -> Tensor:  # noqa: ARG002
        """Return (B, C, h, w) in [-1, 1] for (B, Z) noise; `condition` is not needed."""
        return super().forward(noise)


class Discriminator(nn.Module):
    """From pictures to one decision.

    Args:
        encoder: from pictures to vectors.
    """

    def __init__(self, encoder: StridedEncoder) -> None:
        super().__init__()
        self.encoder = encoder
        self.decide = nn.Linear(encoder.outputs, 1)
        start_small(self.decide)

    def forward(self, pictures: Tensor, condition: Tensor | None = None) -> Tensor:  # noqa: ARG002
        """Return (B,) logits of (B, C, h, w) pictures in [-1, 1]; `condition` is not needed."""
        logits: Tensor = self.decide(self.encoder(pictures))
        return logits[:, 0]
