"""CycleGAN: to another look and back, learnt from two heaps of pictures of which no two belong together.

Paper: Zhu, Park, Isola, Efros, "Unpaired image-to-image translation using cycle-consistent adversarial
networks", 2017, arXiv:1703.10593. The generator is that of Johnson, Alahi, Fei-Fei, 2016, arXiv:1603.08155.

A discriminator alone would be content with any picture of the other domain. That the way back has to give the
picture again (the cycle) forces the translation to keep what is shown and to change only how it looks.

    (B, C, h, w) ── 7x7 ── (B, W, h, w) ── 3x3, stride 2 ── (B, 2 W, h/2, w/2) ── stride 2 ──
      (B, 4 W, h/4, w/4) ── residual block, n times ── twice as large ── twice as large ── (B, W, h, w) ──
      7x7 ── tanh ── (B, C, h, w)
      └── instance normalisation and ReLU after each but the last; borders are mirrored, not filled with 0 ──┘

What differs from the paper, and why:
- W is 16 instead of 64, and pictures of less than 128 px get 4 residual blocks (the paper has 6 for 128 px
  and 9 from 256 px on): sixteen times less work a picture, for a CPU. `--width 64` is the paper's.
- Maps are enlarged by transposed convolutions of 4x4 instead of 3x3. With a stride of 2, each of their
  outputs is the sum of as many inputs as its neighbours: no chequerboard is drawn (Odena et al. 2016).
- The rate falls along half a cosine, as all of nayan's, instead of staying constant for half of the time and
  falling in a line; and what is kept are averaged weights.
- A step sees as many pictures of either domain, in every order; the paper pairs them at random.
"""

# B pictures, C channels, (h, w) their size, W width, n blocks

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from nayan.core.errors import ConfigError
from nayan.core.types import Size
from nayan.parts.instance_norm import InstanceNorm
from nayan.parts.normalise import Normalise
from nayan.parts.patch_discriminator import LEAST_SIDE, PatchDiscriminator
from nayan.parts.reflected import ReflectedBlock, reflected
from nayan.tasks.generation.translation.network import Translator

WIDTH = 16
STRIDE = 4
"""Of the residual blocks: the sides of a picture are multiples of it."""
STD = 0.02
"""Of all weights at the beginning."""


def cyclegan(
    classes: Sequence[str],
    *,
    channels: int = 3,
    size: Size = (128, 128),
    width: int | None = None,
    blocks: int | None = None,
    mean: Sequence[float] = (0.5,),
    std: Sequence[float] = (0.5,),
    dropout: float = 0.0,
) -> Translator:
    """Return a CycleGAN with fresh weights.

    Args:
        classes: the names of the two domains.
        channels: C, 1 or 3.
        size: (h, w) of the pictures that it learns from, multiples of 4.
        width: W of the generators; the discriminators have twice as many maps. None for 16.
        blocks: n; None for 4 below 128 px, 6 below 256 px, else 9.
        mean: of each channel, 0.5.
        std: of each channel, 0.5, so that pixels become [-1, 1].
        dropout: within the residual blocks.

    Raises:
        ConfigError: other than two domains, or pictures that do not fit.

    >>> network = cyclegan(["A", "B"], size=(32, 32), width=4)
    >>> sum(parameter.numel() for parameter in network.generators["to_b"].parameters())
    23611
    """
    if len(classes) != 2:
        raise ConfigError(
            f"a translator goes between two domains, the data have {len(classes)}: {', '.join(classes)}",
            hint="put the pictures of one into trainA/ and those of the other into trainB/",
        )
    if size[0] % STRIDE or size[1] % STRIDE or min(size) < LEAST_SIDE:
        raise ConfigError(
            f"pictures of {size[0]}x{size[1]} px cannot be translated: the sides are multiples of {STRIDE}, "
            f"and at least {LEAST_SIDE}",
            hint="--imgsz 96 and 128 are usual",
        )
    width = width or WIDTH
    blocks = blocks or (4 if max(size) < 128 else 6 if max(size) < 256 else 9)
    to_a, to_b = (_generator(channels, width, blocks, dropout) for _ in "ab")
    judge_a, judge_b = (PatchDiscriminator(channels, width=2 * width) for _ in "ab")
    network = Translator(
        to_a,
        to_b,
        judge_a,
        judge_b,
        normalise=Normalise.for_channels(mean, std, channels=channels),
        channels=channels,
        size=size,
    )
    network.apply(_start_small)
    return network


def _generator(channels: int, width: int, blocks: int, dropout: float) -> nn.Sequential:
    return nn.Sequential(
        *reflected(channels, width, norm=InstanceNorm, kernel=7),
        *_halved(width),
        *_halved(2 * width),
        *(ReflectedBlock(4 * width, norm=InstanceNorm, dropout=dropout) for _ in range(blocks)),
        *_doubled(4 * width),
        *_doubled(2 * width),
        nn.ReflectionPad2d(3),
        nn.Conv2d(width, channels, 7),
        nn.Tanh(),
    )


def _halved(before: int) -> list[nn.Module]:
    convolution = nn.Conv2d(before, 2 * before, 3, stride=2, padding=1, bias=False)
    return [convolution, InstanceNorm(2 * before), nn.ReLU(inplace=True)]


def _doubled(before: int) -> list[nn.Module]:
    # kernel 4, stride 2: every output sums as many inputs as its neighbours
    convolution = nn.ConvTranspose2d(before, before // 2, 4, stride=2, padding=1, bias=False)
    return [convolution, InstanceNorm(before // 2), nn.ReLU(inplace=True)]


def _start_small(module: nn.Module) -> None:
    """Draw the weights of a layer from a normal distribution with a deviation of 0.02."""
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
        nn.init.normal_(module.weight, 0.0, STD)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
