"""Convolutions with a stride in place of pooling: from a vector up to a picture, and back down.

Source: Radford, Metz, Chintala, "Unsupervised representation learning with deep convolutional generative
adversarial networks", 2015, arXiv:1511.06434, section 3 and figure 1.

    vector (B, D) ── linear ── (B, 4 W, s, s) ── twice as large ── (B, 2 W, 2 s, 2 s) ── ... ── tanh ─┐
                              └─ BatchNorm, ReLU after each but the last ─┘             (B, C, h, w) ─┘

    (B, C, h, w) ── half as large ── (B, W, h/2, w/2) ── half as large ── (B, 2 W, ...) ── ... ── (B, D)
                      └── LeakyReLU after each, BatchNorm before it but in the first ──┘
"""

# B pictures, C channels, (h, w) their size, (s, s) the smallest map, W width of the largest map, D values

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

from nayan.core.errors import ConfigError
from nayan.core.types import Size

SLOPE = 0.2
"""Of LeakyReLU below 0."""
STD = 0.02
"""Of all weights at the beginning."""
LARGEST_START = 7
"""Pixels: a map is halved while its side is even and larger than this."""
MOST_START = 9
"""Pixels that the side of the smallest map may have."""


def halvings(size: Size) -> int:
    """Return how often pictures of a size are halved.

    Raises:
        ConfigError: for pictures that are not square, or whose side cannot be halved often enough.

    >>> halvings((28, 28)), halvings((64, 64)), halvings((96, 96))
    (2, 4, 4)
    """
    side, count = size[0], 0
    while side > LARGEST_START and side % 2 == 0:
        side, count = side // 2, count + 1
    if size[0] != size[1] or side > MOST_START or count < 1 or side < 2:
        raise ConfigError(
            f"pictures of {size[0]}x{size[1]} px cannot be drawn by doubling a small map",
            hint="--imgsz 28, 32, 48, 64 and 96 can: up to 7 px times a power of 2",
        )
    return count


class StridedGenerator(nn.Module):
    """From (B, D) vectors to (B, C, h, w) pictures in [-1, 1].

    Args:
        inputs: D.
        channels: C.
        size: (h, w), see `halvings`.
        width: maps of the last layer but one; doubled with each halving.

    Raises:
        ConfigError: for pictures that cannot be drawn so.
    """

    def __init__(self, inputs: int, *, channels: int, size: Size, width: int) -> None:
        super().__init__()
        count = halvings(size)
        self.start = size[0] >> count
        widths = [width << depth for depth in reversed(range(count))]  # such as 512, 256, 128, 64
        self.project = nn.Linear(inputs, widths[0] * self.start**2, bias=False)
        layers: list[nn.Module] = [nn.BatchNorm2d(widths[0]), nn.ReLU(inplace=True)]
        for before, after in pairwise(widths):
            layers += [
                nn.ConvTranspose2d(before, after, 4, stride=2, padding=1, bias=False),
                nn.BatchNorm2d(after),
                nn.ReLU(inplace=True),
            ]
        self.layers = nn.Sequential(
            *layers, nn.ConvTranspose2d(widths[-1], channels, 4, stride=2, padding=1), nn.Tanh()
        )
        self.apply(start_small)

    def forward(self, vectors: Tensor) -> Tensor:
        """Return the pictures."""
        maps = self.project(vectors).unflatten(
            1, (self.start, self.start, -1)
        )  # (B, s, s, W), as channels_last
        drawn: Tensor = self.layers(maps.permute(0, 3, 1, 2))
        return drawn


class StridedEncoder(nn.Module):
    """From (B, C, h, w) pictures in [-1, 1] to (B, D) vectors.

    Args:
        channels: C.
        size: (h, w), see `halvings`.
        width: maps of the first layer; doubled with each halving.
        normalised: whether BatchNorm follows each layer but the first.
        dropout: share of the vector that is dropped while learning.

    Attributes:
        outputs: D.

    Raises:
        ConfigError: for pictures of another size.
    """

    def __init__(
        self, *, channels: int, size: Size, width: int, normalised: bool = True, dropout: float = 0.0
    ) -> None:
        super().__init__()
        count = halvings(size)
        layers: list[nn.Module] = []
        before = channels
        for depth in range(count):
            after = width << depth
            normal = normalised and depth > 0
            layers.append(nn.Conv2d(before, after, 4, stride=2, padding=1, bias=not normal))
            layers += [nn.BatchNorm2d(after)] if normal else []
            layers.append(nn.LeakyReLU(SLOPE, inplace=True))
            before = after
        self.layers = nn.Sequential(*layers)
        self.dropout = nn.Dropout(dropout)
        self.outputs = before * (size[0] >> count) ** 2
        self.apply(start_small)

    def forward(self, pictures: Tensor) -> Tensor:
        """Return the vectors."""
        maps: Tensor = self.layers(pictures)
        vectors: Tensor = self.dropout(maps.permute(0, 2, 3, 1).flatten(1))  # in the order of the memory
        return vectors


@torch.no_grad()
def start_small(module: nn.Module) -> None:
    """Draw the weights of a layer as the paper does: from a normal distribution with a deviation of 0.02."""
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
        nn.init.normal_(module.weight, 0.0, STD)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
    elif isinstance(module, nn.BatchNorm2d):
        nn.init.normal_(module.weight, 1.0, STD)
