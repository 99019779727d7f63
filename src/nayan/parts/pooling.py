"""From a map to one vector: the mean, a mean that listens to the strongest, or every cell.

Source: Radenovic, Tolias, Chum, "Fine-tuning CNN image retrieval with no human annotation", 2018,
arXiv:1711.02512, eq. 2-3 (generalised mean).
"""

# B pictures, D channels, (h, w) map size

from __future__ import annotations

import torch
from torch import Tensor, nn

EPS = 1e-6
"""Least value that is raised to a power: its gradient must be finite, and it has to be above 0."""


class GeM(nn.Module):
    """The generalised mean of each channel, `(mean x^p)^(1/p)`: the mean for p = 1, the largest for p -> inf.

    >>> GeM(p=1.0)(torch.tensor([[[[1.0, 3.0]]]])).item()
    2.0

    Args:
        p: where it starts; it is learnt, one for all channels.
    """

    def __init__(self, p: float = 3.0) -> None:
        super().__init__()
        self.p = nn.Parameter(torch.tensor(p))

    def forward(self, maps: Tensor) -> Tensor:
        """Return (B, D) of (B, D, h, w) maps; negative values count as 0."""
        powers = maps.float().clamp(min=EPS) ** self.p
        return powers.mean(dim=(2, 3)) ** (1 / self.p)  # (B, D, h, w) -> (B, D)


class Mean(nn.Module):
    """The mean of each channel."""

    def forward(self, maps: Tensor) -> Tensor:
        """Return (B, D) of (B, D, h, w) maps."""
        return maps.mean(dim=(2, 3))
