"""From what a backbone sees to one logit a class.

Both heads keep the vector that the last linear layer sees: it is the picture's embedding.
"""

# B pictures, D values of the embedding, C classes, (h, w) map size

from __future__ import annotations

from torch import Tensor, nn

INIT_STD = 0.01
"""Logits start near 0, so that the first loss is log(C) whatever the backbone's scale."""


class LinearHead(nn.Module):
    """Dropout and one linear layer; whatever comes in is flattened to (B, D) first.

    Args:
        num_features: D.
        num_classes: C.
        dropout: probability, in [0, 1).
    """

    def __init__(self, num_features: int, num_classes: int, *, dropout: float = 0.0) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.linear = nn.Linear(num_features, num_classes)
        _start_near_zero(self.linear)

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Return ((B, C) logits, (B, D) embedding) of (B, D) or (B, D', h, w) features."""
        embedding = features.flatten(1)
        return self.linear(self.dropout(embedding)), embedding


class ConvHead(nn.Module):
    """Dropout, a 1x1 convolution to one map a class, ReLU, and the average of each map.

    Source: Iandola et al. (2016), SqueezeNet, arXiv:1602.07360; the idea is Network in Network, Lin et
    al. (2013), arXiv:1312.4400.

    Args:
        num_features: channels of the map.
        num_classes: C.
        dropout: probability, in [0, 1).
    """

    def __init__(self, num_features: int, num_classes: int, *, dropout: float = 0.0) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.conv = nn.Conv2d(num_features, num_classes, 1)
        _start_near_zero(self.conv)

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Return ((B, C) logits, (B, D) embedding: the averaged input) of (B, D, h, w) features."""
        maps = self.conv(self.dropout(features)).relu()  # (B, D, h, w) -> (B, C, h, w)
        return maps.mean((2, 3)), features.mean((2, 3))


def _start_near_zero(layer: nn.Linear | nn.Conv2d) -> None:
    nn.init.normal_(layer.weight, std=INIT_STD)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
