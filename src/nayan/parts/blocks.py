"""The small blocks that today's detectors are made of."""

# B pictures, C channels, (h, w) map size

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class ConvNormAct(nn.Sequential):
    """Convolution, BatchNorm, SiLU: (B, C, h, w) -> (B, channels, h / stride, w / stride).

    The SiLU is not in place: its gradient needs what came in, so autograd would copy that first.
    """

    def __init__(self, inputs: int, channels: int, *, kernel: int = 3, stride: int = 1) -> None:
        super().__init__(
            nn.Conv2d(inputs, channels, kernel, stride, (kernel - stride + 1) // 2, bias=False),
            nn.BatchNorm2d(channels, eps=1e-3, momentum=0.03),
            nn.SiLU(),
        )


class Residual(nn.Module):
    """Two 3x3 convolutions around a narrower middle, added to what came in: He et al. 2015, 1512.03385.

    Plain convolutions: on a CPU they do more multiplications a second than depthwise ones do.
    """

    def __init__(self, channels: int, *, middle: int | None = None) -> None:
        super().__init__()
        middle = middle or channels // 2
        self.body = nn.Sequential(ConvNormAct(channels, middle), ConvNormAct(middle, channels))

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, C, h, w)."""
        y: Tensor = x + self.body(x)
        return y


class Fuse(nn.Module):
    """Bring several maps of one size together: concatenate, mix by a 1x1 convolution, refine."""

    def __init__(self, inputs: int, channels: int, *, depth: int = 1) -> None:
        super().__init__()
        self.mix = ConvNormAct(inputs, channels, kernel=1)
        self.refine = nn.Sequential(*(Residual(channels) for _ in range(depth)))

    def forward(self, *maps: Tensor) -> Tensor:
        """Return (B, channels, h, w) of maps (B, C_i, h, w) whose C_i add up to `inputs`."""
        y: Tensor = self.refine(self.mix(torch.cat(maps, dim=1)))
        return y


class PyramidPool(nn.Module):
    """Max-pool at growing windows and concatenate: He et al. (2014), arXiv:1406.4729.

    Three 5x5 pools in a row see what 5x5, 9x9 and 13x13 pools side by side see.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.squeeze = ConvNormAct(channels, channels // 2, kernel=1)
        self.mix = ConvNormAct(2 * channels, channels, kernel=1)

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, C, h, w)."""
        maps = [self.squeeze(x)]
        for _ in range(3):
            maps.append(F.max_pool2d(maps[-1], 5, stride=1, padding=2))
        y: Tensor = self.mix(torch.cat(maps, dim=1))
        return y
