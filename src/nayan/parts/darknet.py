"""The backbones of the first three YOLOs: plain, narrow in the middle, residual.

Papers: Redmon et al. (2015), You Only Look Once, arXiv:1506.02640, figure 3; Redmon and Farhadi (2016),
YOLO9000, arXiv:1612.08242, table 6 (Darknet-19); 2018, YOLOv3, arXiv:1804.02767, table 1 (Darknet-53).

What differs from the papers: the first network has batch normalisation too, as all that came after it. The
paper could do without because it was first trained on ImageNet for a week.
"""

# B pictures, C channels of a picture, D channels of a map, (h, w) map size

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from torch import Tensor, nn

SLOPE = 0.1  # of the leaky ReLU: arXiv:1506.02640, eq. 2


class Conv(NamedTuple):
    """A convolution in a table: output channels, side of the kernel, stride."""

    channels: int
    kernel: int = 3
    stride: int = 1


POOL = None
"""Stands in a table for a 2x2 max-pooling of stride 2."""

Stage = tuple[Conv | None, ...]
"""The layers of one stage, which halves the map first; only the very first stage of some does not."""

PAPER_V1: tuple[Stage, ...] = (
    (Conv(64, 7, 2),),
    (POOL, Conv(192)),
    (POOL, Conv(128, 1), Conv(256), Conv(256, 1), Conv(512)),
    (POOL, *(Conv(256, 1), Conv(512)) * 4, Conv(512, 1), Conv(1024)),
    (POOL, *(Conv(512, 1), Conv(1024)) * 2, Conv(1024)),
    (Conv(1024, 3, 2), Conv(1024), Conv(1024)),
)
"""The 24 convolutions of YOLO; strides 2 to 64."""

DARKNET19: tuple[Stage, ...] = (
    (Conv(32),),
    (POOL, Conv(64)),
    (POOL, Conv(128), Conv(64, 1), Conv(128)),
    (POOL, Conv(256), Conv(128, 1), Conv(256)),
    (POOL, *(Conv(512), Conv(256, 1)) * 2, Conv(512)),
    (POOL, *(Conv(1024), Conv(512, 1)) * 2, Conv(1024)),
)
"""The convolutions of YOLOv2 without the classifier's; strides 1 to 32."""

TINY: tuple[Stage, ...] = (
    (Conv(16, 3, 2),),
    (POOL, Conv(32)),
    (POOL, Conv(64)),
    (POOL, Conv(128), Conv(64, 1), Conv(128)),
    (POOL, Conv(256), Conv(128, 1), Conv(256)),
)
"""After Fast YOLO's nine convolutions, and halving sooner, so that a CPU trains it; strides 2 to 32."""

DARKNET53_BLOCKS = (1, 2, 8, 8, 4)
"""Residual blocks at strides 2 to 32."""


class ConvLeaky(nn.Sequential):
    """Convolution, BatchNorm, leaky ReLU: (B, inputs, h, w) -> (B, channels, h / stride, w / stride)."""

    def __init__(self, inputs: int, channels: int, *, kernel: int = 3, stride: int = 1) -> None:
        super().__init__(
            nn.Conv2d(inputs, channels, kernel, stride, kernel // 2, bias=False),
            nn.BatchNorm2d(channels),
            nn.LeakyReLU(SLOPE, inplace=True),
        )


class DarkResidual(nn.Module):
    """A 1x1 convolution to half the channels and a 3x3 one back, added to what came in."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            ConvLeaky(channels, channels // 2, kernel=1), ConvLeaky(channels // 2, channels)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, D, h, w)."""
        y: Tensor = x + self.body(x)
        return y


class Darknet(nn.Module):
    """Stages one after the other; some of their maps are given out.

    Args:
        stages: from a picture to the coarsest map.
        stage_strides: input pixels for a cell of each stage's map.
        stage_channels: of each stage's map.
        strides: which maps are given out, fine to coarse.
    """

    def __init__(
        self,
        stages: Sequence[nn.Module],
        *,
        stage_strides: Sequence[int],
        stage_channels: Sequence[int],
        strides: Sequence[int],
    ) -> None:
        super().__init__()
        self.stages = nn.ModuleList(stages)
        self.strides = tuple(strides)
        self._given = tuple(stage_strides.index(stride) for stride in strides)
        self.channels = tuple(stage_channels[index] for index in self._given)

    def forward(self, images: Tensor) -> list[Tensor]:
        """Return the (B, D, h, w) maps of normalised (B, C, H, W) pictures, fine to coarse."""
        maps = []
        for stage in self.stages:
            images = stage(images)
            maps.append(images)
        return [maps[index] for index in self._given]


def plain_darknet(
    table: Sequence[Stage], *, strides: Sequence[int], channels: int = 3, width: float = 1.0
) -> Darknet:
    """Return a network of plain convolutions with fresh weights.

    Args:
        table: such as `DARKNET19`.
        strides: of the maps that are given out.
        channels: of a picture.
        width: factor on all channels, which stay multiples of 8.

    >>> import torch
    >>> network = plain_darknet(TINY, strides=(16, 32))
    >>> [tuple(found.shape) for found in network(torch.zeros(1, 3, 64, 64))]
    [(1, 128, 4, 4), (1, 256, 2, 2)]
    """
    stages, stage_strides, stage_channels = [], [], []
    inputs, stride = channels, 1
    for rows in table:
        layers: list[nn.Module] = []
        for row in rows:
            if row is None:
                layers.append(nn.MaxPool2d(2))
                stride *= 2
                continue
            outputs = scaled(row.channels, width)
            layers.append(ConvLeaky(inputs, outputs, kernel=row.kernel, stride=row.stride))
            inputs, stride = outputs, stride * row.stride
        stages.append(nn.Sequential(*layers))
        stage_strides.append(stride)
        stage_channels.append(inputs)
    return Darknet(stages, stage_strides=stage_strides, stage_channels=stage_channels, strides=strides)


def residual_darknet(
    blocks: Sequence[int] = DARKNET53_BLOCKS,
    *,
    strides: Sequence[int] = (8, 16, 32),
    channels: int = 3,
    width: float = 1.0,
) -> Darknet:
    """Return Darknet-53 with fresh weights, or a smaller one.

    Args:
        blocks: residual blocks of each stage, the first at stride 2.
        strides: of the maps that are given out.
        channels: of a picture.
        width: factor on all channels, which stay multiples of 8.

    >>> residual_darknet((1, 1, 1, 1, 1), width=0.25).channels
    (64, 128, 256)
    """
    inputs = scaled(32, width)
    stages: list[nn.Module] = [ConvLeaky(channels, inputs)]
    stage_channels = [inputs]
    for level, count in enumerate(blocks):
        outputs = scaled(64 * 2**level, width)
        down = ConvLeaky(inputs, outputs, stride=2)
        stages.append(nn.Sequential(down, *(DarkResidual(outputs) for _ in range(count))))
        stage_channels.append(outputs)
        inputs = outputs
    stage_strides = [2**level for level in range(len(stages))]
    return Darknet(stages, stage_strides=stage_strides, stage_channels=stage_channels, strides=strides)


def scaled(channels: int, width: float) -> int:
    """Return a number of channels times `width`, as a multiple of 8 and at least 8.

    >>> scaled(64, 0.25), scaled(16, 0.1)
    (16, 8)
    """
    return max(8, round(channels * width / 8) * 8)
