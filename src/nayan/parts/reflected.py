"""Convolutions that see their map mirrored at its border, for networks from picture to picture.

Zeros beyond the border would be a frame that a generator draws again; a mirrored border is more of the same.
Source: Johnson, Alahi, Fei-Fei, "Perceptual losses for real-time style transfer and super-resolution", 2016,
arXiv:1603.08155, supplement, whose residual blocks are those of He et al. (2015) without the last ReLU.
"""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn

Norm = Callable[[int], nn.Module]
"""Makes the normalisation of so many channels."""


def reflected(
    before: int, after: int, *, norm: Norm, kernel: int = 3, stride: int = 1
) -> tuple[nn.Module, ...]:
    """Return a mirrored border, a convolution, its normalisation and a ReLU.

    Args:
        before: channels of the map.
        after: channels of the result.
        norm: of the result.
        kernel: side in px, odd.
        stride: in px.

    >>> [type(layer).__name__ for layer in reflected(3, 8, norm=nn.BatchNorm2d)]
    ['ReflectionPad2d', 'Conv2d', 'BatchNorm2d', 'ReLU']
    """
    # no bias: the normalisation that follows would take it away again
    convolution = nn.Conv2d(before, after, kernel, stride=stride, bias=False)
    return nn.ReflectionPad2d(kernel // 2), convolution, norm(after), nn.ReLU(inplace=True)


class ReflectedBlock(nn.Module):
    """Two 3x3 convolutions whose result is added to what came in: (B, channels, h, w) stays so.

    Args:
        channels: of the maps.
        norm: of both results.
        dropout: share of the values between the two that is dropped while learning.
    """

    def __init__(self, channels: int, *, norm: Norm, dropout: float) -> None:
        super().__init__()
        self.body = nn.Sequential(
            *reflected(channels, channels, norm=norm),
            nn.Dropout(dropout),
            nn.ReflectionPad2d(1),
            nn.Conv2d(channels, channels, 3, bias=False),
            norm(channels),
        )

    def forward(self, maps: Tensor) -> Tensor:
        """Return maps of the same shape."""
        changed: Tensor = maps + self.body(maps)
        return changed
