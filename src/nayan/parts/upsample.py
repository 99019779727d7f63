"""From a coarse map to a finer one: learnt, or by a rule.

Papers: Long, Shelhamer, Darrell, "Fully convolutional networks for semantic segmentation", 2014,
arXiv:1411.4038, section 3.3 (transposed convolutions that begin as bilinear interpolation); Ronneberger,
Fischer, Brox, "U-Net", 2015, arXiv:1505.04597, section 2 (the 2x2 "up-convolution" that halves the channels);
Odena, Dumoulin, Olah, "Deconvolution and checkerboard artifacts", Distill 2016 (what a rule avoids).
"""

# B pictures, C channels, K classes, (h, w) map size, f factor

from __future__ import annotations

from typing import Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nayan.core.errors import ConfigError
from nayan.core.types import Size

Up = Literal["transposed", "bilinear", "nearest"]
UPS: tuple[Up, ...] = get_args(Up)


def usual_up(backbone: str | None) -> tuple[Up, str]:
    """Return how a U-Net enlarges its maps unless told otherwise, and why.

    >>> usual_up(None)[0], usual_up("mobilenetv2_100")[0]
    ('transposed', 'bilinear')
    """
    if backbone is None:
        return "transposed", "as in the paper, whose way down this is"
    return "bilinear", "there is less to learn than with transposed, from few pictures in little time"


def upsampling(inputs: int, channels: int, *, up: Up) -> nn.Module:
    """Return a layer (B, inputs, h, w) -> (B, channels, 2h, 2w).

    "transposed" is a 2x2 convolution of stride 2 the other way round, whose four weights a pixel are learnt.
    "bilinear" and "nearest" mix the channels first, which comes to the same as afterwards and takes a quarter
    of the work, and then interpolate by their rule.

    Raises:
        ConfigError: for another kind.

    >>> upsampling(8, 4, up="nearest")(torch.zeros(1, 8, 3, 5)).shape
    torch.Size([1, 4, 6, 10])
    """
    if up not in UPS:
        raise ConfigError(f"maps are made larger by {', '.join(UPS)}, not by {up!r}")
    if up == "transposed":
        return nn.ConvTranspose2d(inputs, channels, 2, 2)
    return nn.Sequential(nn.Conv2d(inputs, channels, 1), Interpolate(2, mode=up))


class Interpolate(nn.Module):
    """Make (B, C, h, w) maps `factor` times as large by a rule without weights.

    Args:
        factor: f, whole.
        mode: "bilinear", between the centres of cells, or "nearest".
    """

    def __init__(self, factor: int, *, mode: Literal["bilinear", "nearest"] = "bilinear") -> None:
        super().__init__()
        self.factor = factor
        self.mode = mode

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, C, f * h, f * w)."""
        if self.factor == 1:
            return x
        aligned = False if self.mode == "bilinear" else None
        return F.interpolate(x, scale_factor=float(self.factor), mode=self.mode, align_corners=aligned)

    def extra_repr(self) -> str:
        """Say what it does."""
        return f"{self.factor}, mode={self.mode!r}"


def learnt_bilinear(channels: int, *, factor: int = 2) -> nn.ConvTranspose2d:
    """Return a transposed convolution that begins as bilinear interpolation and may learn to differ.

    (B, channels, h, w) -> (B, channels, f * h, f * w). Beyond the border lie zeros, so the outermost f / 2
    cells are darker than by interpolation.

    Args:
        channels: K; at first none of them looks at another.
        factor: f, even.

    >>> layer = learnt_bilinear(1)
    >>> layer(torch.tensor([[[[0.0, 4.0]] * 3]])).detach()[0, 0, 2]
    tensor([0., 1., 3., 3.])
    """
    layer = nn.ConvTranspose2d(channels, channels, 2 * factor, factor, factor // 2, bias=False)
    with torch.no_grad():
        layer.weight.zero_()
        layer.weight[range(channels), range(channels)] = bilinear_kernel(factor)
    return layer


def bilinear_kernel(factor: int) -> Tensor:
    """Return (2f, 2f): what one cell contributes to the pixels around it, f even.

    >>> bilinear_kernel(2)[1]
    tensor([0.1875, 0.5625, 0.5625, 0.1875])
    """
    places = torch.arange(2 * factor, dtype=torch.float32)
    line = 1 - (places - (factor - 0.5)).abs() / factor
    return line[:, None] * line[None, :]


def check_multiple(size: Size, stride: int, *, name: str) -> None:
    """Refuse a size of input that the coarsest stride does not divide.

    Raises:
        ConfigError: with the nearest size that it divides.
    """
    if any(side % stride for side in size):
        near = [max(1, round(side / stride)) * stride for side in size]
        raise ConfigError(
            f"the input of {name} is a multiple of {stride} px, got {size[0]}x{size[1]}",
            hint=f"try --imgsz {near[0]}" if near[0] == near[1] else f"try {near[0]}x{near[1]}",
        )
