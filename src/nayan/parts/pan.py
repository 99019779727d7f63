"""Path aggregation: what is seen coarsely reaches the fine maps, and what is seen finely the coarse ones.

    c3 --lateral-----------> fuse -------------> p3
                              ^ x2                | /2
    c4 --lateral--> fuse -----+----------> fuse --+-> p4
                     ^ x2                          | /2
    c5 --lateral-----+-------------------> fuse ---+-> p5

Sources: Lin et al. (2016), Feature Pyramid Networks, arXiv:1612.03144 (the way down); Liu et al. (2018), Path
Aggregation Network, arXiv:1803.01534 (the way back up).
"""

# B pictures, C_i channels of map i, the finest first, (h_i, w_i) its size

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from nayan.parts.blocks import ConvNormAct, Fuse


class PathAggregation(nn.Module):
    """Give maps of equal width, each knowing of all others.

    Args:
        inputs: channels of each map, the finest first; each map is half as large as the one before.
        channels: of every map that comes out.
        depth: residual blocks in each fusion.
    """

    def __init__(self, inputs: Sequence[int], channels: int, *, depth: int = 1) -> None:
        super().__init__()
        pairs = len(inputs) - 1
        self.lateral = nn.ModuleList(ConvNormAct(width, channels, kernel=1) for width in inputs)
        self.down = nn.ModuleList(Fuse(2 * channels, channels, depth=depth) for _ in range(pairs))
        self.shrink = nn.ModuleList(ConvNormAct(channels, channels, stride=2) for _ in range(pairs))
        self.up = nn.ModuleList(Fuse(2 * channels, channels, depth=depth) for _ in range(pairs))

    def forward(self, maps: Sequence[Tensor]) -> list[Tensor]:
        """Return maps of the sizes that came in, (B, channels, h_i, w_i) each."""
        paths: list[Tensor] = [lateral(x) for lateral, x in zip(self.lateral, maps, strict=True)]
        for level, fuse in reversed(list(enumerate(self.down))):
            coarse = F.interpolate(paths[level + 1], size=paths[level].shape[-2:], mode="nearest")
            paths[level] = fuse(paths[level], coarse)
        for level, (shrink, fuse) in enumerate(zip(self.shrink, self.up, strict=True)):
            paths[level + 1] = fuse(shrink(paths[level]), paths[level + 1])
        return paths
