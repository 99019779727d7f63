"""Instance normalisation: every map of every picture gets mean 0 and variance 1, whatever its contrast was.

Source: Ulyanov, Vedaldi, Lempitsky, "Instance normalization: the missing ingredient for fast stylization",
2016, arXiv:1607.08022.
"""

# B pictures, C channels, (h, w) map size

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

EPS = 1e-5


class InstanceNorm(nn.Module):
    """Normalise (B, C, h, w) over h and w; alike in training and evaluation, without weights.

    What torch calls group normalisation with a group a channel is the same, and on a CPU several times as
    fast, where the maps lie one after the other in memory: hence the copy.

    >>> import torch
    >>> InstanceNorm(1)(torch.tensor([[[[1.0, 3.0]]]])).round().flatten().tolist()
    [-1.0, 1.0]

    Args:
        channels: C.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.channels = channels

    def forward(self, maps: Tensor) -> Tensor:
        """Return maps of the same shape."""
        return F.group_norm(maps.contiguous(), self.channels, eps=EPS)

    def extra_repr(self) -> str:
        """Say how many channels there are."""
        return str(self.channels)


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
