"""fast_style: one style, learnt once by a network that then paints any photograph in a single pass.

Papers: Johnson, Alahi, Fei-Fei, "Perceptual losses for real-time style transfer and super-resolution", 2016,
arXiv:1603.08155, and the layers in its supplement; Ulyanov, Vedaldi, Lempitsky, "Instance normalization: the
missing ingredient for fast stylization", 2016, arXiv:1607.08022; Odena, Dumoulin, Olah, "Deconvolution and
checkerboard artifacts", Distill 2016, for how maps are enlarged.

A photograph and a style say together what is wanted (see `teacher.py`). Instead of following the gradient to
one picture, as Gatys et al. do for minutes, the network learns to go there for all photographs.

    (B, 3, h, w) ── 9x9 ── (B, W, h, w) ── 3x3, stride 2 ── (B, 2 W, h/2, w/2) ── 3x3, stride 2 ──
      (B, 4 W, h/4, w/4) ── residual block, n times ── nearest x2, 3x3 ── nearest x2, 3x3 ── (B, W, h, w) ──
      9x9 ── tanh ── (B, 3, h, w)
      └── instance normalisation with weights and ReLU after each but the last; borders are mirrored ──┘

What differs from the paper, and why:
- W is 16 instead of 32: a quarter of the work, and no difference that we could see in minutes of training.
- Instance instead of batch normalisation (Ulyanov et al.): the contrast of a photograph has no part in its
  painting.
- Maps are enlarged by repeating pixels before a convolution, which draws no chequerboard, and borders are
  mirrored within the blocks instead of cut away.
- The judge is any published network; distances are relative, see `parts/losses/perceptual.py`.
"""

# B pictures, (h, w) their size, W width, n blocks

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from nayan.core.errors import ConfigError
from nayan.core.types import Size
from nayan.parts.instance_norm import ScaledInstanceNorm
from nayan.parts.normalise import Normalise
from nayan.parts.reflected import ReflectedBlock, reflected
from nayan.tasks.generation.stylization.network import Stylist

STRIDE = 4
"""Of the residual blocks: the sides of a picture are multiples of it."""
LEAST_SIDE = 16
"""Pixels; mirrored borders of 9x9 need maps of a few cells."""


def fast_style(
    classes: Sequence[str],  # noqa: ARG001  any photograph will do
    *,
    channels: int = 3,
    size: Size = (256, 256),
    width: int = 16,
    blocks: int = 5,
    mean: Sequence[float] = (0.5,),
    std: Sequence[float] = (0.5,),
    dropout: float = 0.0,
) -> Stylist:
    """Return the network with fresh weights.

    Args:
        classes: not needed.
        channels: 3.
        size: (h, w) of the pictures that it learns from, multiples of 4.
        width: W.
        blocks: n.
        mean: 0.5, so that pixels become [-1, 1].
        std: 0.5, likewise.
        dropout: within the residual blocks.

    Raises:
        ConfigError: gray pictures, or a size that does not fit.

    >>> sum(parameter.numel() for parameter in fast_style([]).parameters())
    424099
    """
    if channels != 3:
        raise ConfigError(f"fast_style paints in colours, got {channels} channel(s)")
    if size[0] % STRIDE or size[1] % STRIDE or min(size) < LEAST_SIDE:
        raise ConfigError(
            f"pictures of {size[0]}x{size[1]} px cannot be restyled: the sides are multiples of {STRIDE}, "
            f"and at least {LEAST_SIDE}",
            hint="--imgsz 192 and 256 are usual",
        )
    enter = nn.Sequential(
        *reflected(3, width, kernel=9, norm=ScaledInstanceNorm),
        *reflected(width, 2 * width, stride=2, norm=ScaledInstanceNorm),
        *reflected(2 * width, 4 * width, stride=2, norm=ScaledInstanceNorm),
    )
    middle = nn.Sequential(
        *(ReflectedBlock(4 * width, norm=ScaledInstanceNorm, dropout=dropout) for _ in range(blocks))
    )
    leave = nn.Sequential(
        nn.Upsample(scale_factor=2.0, mode="nearest"),
        *reflected(4 * width, 2 * width, norm=ScaledInstanceNorm),
        nn.Upsample(scale_factor=2.0, mode="nearest"),
        *reflected(2 * width, width, norm=ScaledInstanceNorm),
        nn.ReflectionPad2d(4),
        nn.Conv2d(width, 3, 9),
        nn.Tanh(),
    )
    return Stylist(enter, middle, leave, normalise=Normalise.for_channels(mean, std, channels=channels))
