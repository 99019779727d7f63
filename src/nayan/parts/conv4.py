"""`conv4`: four convolutions for small pictures, the usual backbone of learning from few examples.

Paper: Vinyals, Blundell, Lillicrap, Kavukcuoglu, Wierstra, "Matching networks for one shot learning", 2016,
arXiv:1606.04080, section 4.1.

    pixels (B, C, h, w) ── block1 (B, 64, h/2, w/2) ── block2 h/4 ── block3 h/8 ── block4 (B, 64, h/16, w/16)

Each block: 3x3 convolution, batch normalisation, ReLU, 2x2 max-pooling.
"""

# B pictures, C channels, (h, w) size of the input

from __future__ import annotations

from collections import OrderedDict

from torch import nn

from nayan.core.errors import ConfigError
from nayan.core.types import Size
from nayan.parts.backbone import Backbone, Published
from nayan.parts.pooling import Mean

STRIDE = 16


def build_conv4(*, channels: int = 1, size: Size | None = None, width: int = 64) -> Backbone:
    """Return the backbone with fresh weights.

    Args:
        channels: 1 or 3, of a picture.
        size: (height, width) of the pictures, at least 16 px each; None where it is not known.
        width: channels of every block; 64 in the paper.

    Raises:
        ConfigError: if the pictures are too small.

    >>> sum(p.numel() for p in build_conv4().parameters())
    111680
    """
    if size is not None and min(size) < STRIDE:
        raise ConfigError(
            f"conv4 needs pictures of at least {STRIDE} px, got {size[0]}x{size[1]}: four poolings halve "
            "them",
            hint=f"use --imgsz {STRIDE} or more; 64 is usual",
        )
    blocks: OrderedDict[str, nn.Module] = OrderedDict()
    for number, before in enumerate((channels, width, width, width), start=1):
        blocks[f"block{number}"] = nn.Sequential(
            nn.Conv2d(before, width, 3, padding=1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(2),
        )
    return Backbone(
        nn.Sequential(blocks),
        stages=tuple(blocks.items()),
        pool=Mean(),
        num_features=width,
        num_pooled=width,
        stride=STRIDE,
        published=Published("conv4", "nayan"),
    )
