"""A feature pyramid: what is seen coarsely is brought to the fine maps.

    c3 ──1x1──(+)──3x3── p3
               ↑ x2
    c4 ──1x1──(+)──3x3── p4
               ↑ x2
    c5 ──1x1───┴───3x3── p5 ── every second value ── p6

Paper: Lin, Dollár, Girshick, He, Hariharan, Belongie, "Feature pyramid networks for object detection",
2016, arXiv:1612.03144, section 3, and for p6 section 4.1.
"""

# B pictures, D channels of every map that comes out, (h_i, w_i) size of map i, the finest first

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn


class FeaturePyramid(nn.Module):
    """Give maps of equal width at the strides of the backbone, and one more at twice the coarsest.

    Args:
        inputs: channels of each map of the backbone, the finest first.
        channels: D.
    """

    def __init__(self, inputs: Sequence[int], channels: int) -> None:
        super().__init__()
        self.lateral = nn.ModuleList(nn.Conv2d(width, channels, 1) for width in inputs)
        self.smooth = nn.ModuleList(nn.Conv2d(channels, channels, 3, padding=1) for _ in inputs)
        for layer in (*self.lateral, *self.smooth):
            nn.init.kaiming_uniform_(layer.weight, a=1)  # no activation follows
            nn.init.zeros_(layer.bias)

    def forward(self, maps: Sequence[Tensor]) -> list[Tensor]:
        """Return one map more than came in, (B, D, h_i, w_i) each."""
        paths = [lateral(x) for lateral, x in zip(self.lateral, maps, strict=True)]
        for level in range(len(paths) - 2, -1, -1):
            size = paths[level].shape[-2:]
            paths[level] = paths[level] + F.interpolate(paths[level + 1], size=size, mode="nearest")
        levels = [smooth(x) for smooth, x in zip(self.smooth, paths, strict=True)]
        return [*levels, F.max_pool2d(levels[-1], kernel_size=1, stride=2)]
