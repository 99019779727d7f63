"""`unet`: down to what there is, up to where it is, with a bridge at every size.

Paper: Ronneberger, Fischer, Brox, "U-Net: convolutional networks for biomedical image segmentation", 2015,
arXiv:1505.04597.

    pixels ── Normalise ── c1 ───────────────── skip ────────────────> d1 ── 1x1 ── logits (B, K, h, w)
                           └ c2 ────────────── skip ─────────────> d2 ┘
                              └ c4 ─────────── skip ──────────> d4 ┘
                                 └ c8 ──────── skip ───────> d8 ┘
                                    └ c16 ──── up ────────── ┘            numbers are strides

What differs from the paper: 16 channels at the first size where it has 64 (`width=64` is the paper's 31
million parameters), for CPUs; convolutions pad, so the output is as large as the input instead of 92 px
smaller on each side; batch normalisation; dropout only if asked for. By `backbone=` any timm network with
maps at strides 4, 8, 16 and 32 is the way down, with its published weights. The way up then ends at the
finest of its maps, at stride 2 where it has one, and the logits are interpolated from there: what a further
step on the full size would cost is shown in docs/models/unet.md.
"""

# B pictures, K classes, (h, w) size of the input

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

from nayan.core.errors import ConfigError
from nayan.core.types import Size
from nayan.parts.decoder import DoubleConv, UNetDecoder
from nayan.parts.normalise import Normalise
from nayan.parts.pyramid import Pyramid, build_pyramid
from nayan.parts.upsample import Interpolate, Up, check_multiple, usual_up
from nayan.tasks.segmentation.network import SegmentationRaw, Segmenter

WIDTHS = {2: 16, 4: 32, 8: 64, 16: 128}
"""Channels of the way up at each stride, on a backbone of timm."""
STRIDES = (2, 4, 8, 16, 32)


class PlainEncoder(nn.Module):
    """The paper's way down: two 3x3 convolutions at every size, a max-pooling between.

    Args:
        inputs: channels of the pictures.
        width: channels at stride 1; they double where the size halves.
        depth: how often it does.
        dropout: share of the values of the coarsest map that is dropped while learning.
    """

    def __init__(self, inputs: int, *, width: int, depth: int = 4, dropout: float = 0.0) -> None:
        super().__init__()
        self.channels = tuple(width * 2**level for level in range(depth + 1))
        self.strides = tuple(2**level for level in range(depth + 1))
        self.levels = nn.ModuleList(
            DoubleConv(before, after)
            for before, after in zip((inputs, *self.channels), self.channels, strict=False)
        )
        self.pool = nn.MaxPool2d(2)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> list[Tensor]:
        """Return maps at `strides` of (B, inputs, h, w) normalised pixels."""
        maps: list[Tensor] = []
        for level in self.levels:
            x = level(self.pool(x) if maps else x)
            maps.append(x)
        maps[-1] = self.dropout(maps[-1])
        return maps


class Head(nn.Module):
    """From the finest map to logits of every pixel: a 1x1 convolution, enlarged where the map is coarser."""

    def __init__(self, inputs: int, classes: int, *, stride: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.dropout = nn.Dropout2d(dropout)
        self.logits = nn.Conv2d(inputs, classes, 1)
        self.enlarge = Interpolate(stride)

    def forward(self, x: Tensor) -> SegmentationRaw:
        """Return the (B, K, h, w) logits of a (B, inputs, h / stride, w / stride) map."""
        return SegmentationRaw(self.enlarge(self.logits(self.dropout(x))))


def unet(
    classes: Sequence[str],
    *,
    backbone: str | None = None,
    width: int = 16,
    up: Up | None = None,
    skips: bool = True,
    channels: int = 3,
    size: Size = (384, 384),
    mean: Sequence[float],
    std: Sequence[float],
    dropout: float = 0.0,
) -> Segmenter:
    """Build a U-Net with fresh weights.

    Args:
        classes: names.
        backbone: name of a timm network that gives maps at strides 4 to 32, such as "mobilenetv2_100"; None
            for the paper's own way down.
        width: channels of the first size of the paper's own; 64 there.
        up: how maps are made larger: "transposed" learns it, "bilinear" and "nearest" are rules; None for
            what is `usual_up`.
        skips: False takes the bridges away, to see what they carry.
        channels: of the pictures.
        size: (height, width) of the input, multiples of 32, or of 16 without a backbone.
        mean: of the pixels, in [0, 1].
        std: of the pixels.
        dropout: share dropped while learning: of the coarsest map's values without a backbone, of the finest
            map's channels with one.

    Raises:
        ConfigError: for a size that the coarsest stride does not divide, or an unknown way up.
        NotFound: if timm does not know the backbone.

    >>> network = unet(["background", "cell"], channels=1, size=(64, 64), mean=(0.5,), std=(0.25,))
    >>> sum(p.numel() for p in network.parameters())
    1942306
    >>> [name for name, _ in network.stages()]
    ['backbone', 'decoder', 'head']
    """
    sees: Pyramid | PlainEncoder
    if backbone is None:
        check_multiple(size, 16, name="unet")
        sees = PlainEncoder(channels, width=width, dropout=dropout)
        widths: Sequence[int] = sees.channels[:-1]
        at_head = 0.0
    else:
        check_multiple(size, STRIDES[-1], name=f"unet on {backbone}")
        sees = finest_pyramid(backbone, channels=channels, size=size)
        widths = [WIDTHS[stride] for stride in sees.strides[:-1]]
        at_head = dropout
    up = up or usual_up(backbone)[0]
    decoder = UNetDecoder(sees.channels, widths, strides=sees.strides[:-1], up=up, skips=skips)
    head = Head(decoder.channels, len(classes), stride=sees.strides[0], dropout=at_head)
    stages = [("backbone", sees), ("decoder", decoder), ("head", head)]
    return Segmenter(stages, normalise=Normalise.for_channels(mean, std, channels=channels))


def finest_pyramid(backbone: str, **args: Any) -> Pyramid:
    """Return the maps of a timm network at strides 2 to 32, or 4 to 32 where it has none of 2.

    Args:
        backbone: its name.
        **args: of `build_pyramid`.
    """
    try:
        return build_pyramid(backbone, strides=STRIDES, **args)
    except ConfigError:
        return build_pyramid(backbone, strides=STRIDES[1:], **args)
