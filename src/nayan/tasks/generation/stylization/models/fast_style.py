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

from torch import Tensor, nn

from nayan.core.errors import ConfigError
from nayan.core.types import Size
from nayan.parts.normalise import Normalise
from nayan.tasks.generation.stylization.network import Stylist

STRIDE = 4
"""Of the residual blocks: the sides of a picture are multiples of it."""
LEAST_SIDE = 16
"""Pixels; mirrored borders of 9x9 need maps of a few cells."""
EPS = 1e-5


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
        *_convolved(3, width, kernel=9),
        *_convolved(width, 2 * width, stride=2),
        *_convolved(2 * width, 4 * width, stride=2),
    )
    middle = nn.Sequential(*(ResidualBlock(4 * width, dropout=dropout) for _ in range(blocks)))
    leave = nn.Sequential(
        nn.Upsample(scale_factor=2.0, mode="nearest"),
        *_convolved(4 * width, 2 * width),
        nn.Upsample(scale_factor=2.0, mode="nearest"),
        *_convolved(2 * width, width),
        nn.ReflectionPad2d(4),
        nn.Conv2d(width, 3, 9),
        nn.Tanh(),
    )
    return Stylist(enter, middle, leave, normalise=Normalise.for_channels(mean, std, channels=channels))


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions whose result is added to what came in: (B, channels, h, w) stays so.

    Args:
        channels: of the maps.
        dropout: share of the values between the two that is dropped while learning.
    """

    def __init__(self, channels: int, *, dropout: float) -> None:
        super().__init__()
        self.body = nn.Sequential(
            *_convolved(channels, channels),
            nn.Dropout(dropout),
            nn.ReflectionPad2d(1),
            nn.Conv2d(channels, channels, 3, bias=False),
            ScaledInstanceNorm(channels),
        )

    def forward(self, maps: Tensor) -> Tensor:
        """Return maps of the same shape."""
        changed: Tensor = maps + self.body(maps)
        return changed


class ScaledInstanceNorm(nn.GroupNorm):
    """Instance normalisation with a weight and a bias a channel, (B, C, h, w): what a style is written in.

    A group a channel is the same, and on a CPU several times as fast.

    Args:
        channels: C.
    """

    def __init__(self, channels: int) -> None:
        super().__init__(channels, channels, eps=EPS)

    def forward(self, maps: Tensor) -> Tensor:
        """Return maps of the same shape."""
        return super().forward(maps.contiguous())


def _convolved(before: int, after: int, *, kernel: int = 3, stride: int = 1) -> list[nn.Module]:
    # no bias: the normalisation that follows would take it away again
    convolution = nn.Conv2d(before, after, kernel, stride=stride, bias=False)
    return [nn.ReflectionPad2d(kernel // 2), convolution, ScaledInstanceNorm(after), nn.ReLU(inplace=True)]
