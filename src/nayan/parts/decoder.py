"""From the maps of an encoder back to a fine one, looking again at what was seen on the way down.

Paper: Ronneberger, Fischer, Brox, "U-Net: convolutional networks for biomedical image segmentation", 2015,
arXiv:1505.04597, section 2.

    coarse (B, C, h, w) ── up ── (B, width, 2h, 2w) ─┬─ concatenate ── conv ── conv ── (B, width, 2h, 2w)
                         skip of the encoder ────────┘

What differs from the paper: convolutions pad, so a skip needs no cropping and the output is as large as the
input; batch normalisation follows each of them. The upsampling narrows to the width of the step at once, also
where an encoder is far wider than the decoder: the 3x3 convolutions on large maps are what takes the time.
"""

# B pictures, C channels, (h, w) map size

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from nayan.parts.upsample import Up, upsampling


class DoubleConv(nn.Sequential):
    """Twice: 3x3 convolution, BatchNorm, ReLU. (B, inputs, h, w) -> (B, channels, h, w)."""

    def __init__(self, inputs: int, channels: int) -> None:
        super().__init__(*_conv(inputs, channels), *_conv(channels, channels))


def _conv(inputs: int, channels: int) -> list[nn.Module]:
    # in place: the gradient of BatchNorm needs its input, that of ReLU its output
    return [
        nn.Conv2d(inputs, channels, 3, padding=1, bias=False),
        nn.BatchNorm2d(channels),
        nn.ReLU(inplace=True),
    ]


class UpStep(nn.Module):
    """One step up: make a map twice as large, put the skip beside it, mix the two.

    Args:
        inputs: channels of the coarser map.
        skip: channels of the encoder's map at the finer size; 0 for none.
        channels: of what comes out.
        up: how maps are made larger, see `nayan.parts.upsample`.
    """

    def __init__(self, inputs: int, skip: int, channels: int, *, up: Up) -> None:
        super().__init__()
        self.up = upsampling(inputs, channels, up=up)
        self.mix = DoubleConv(channels + skip, channels)

    def forward(self, x: Tensor, skip: Tensor | None) -> Tensor:
        """Return (B, channels, 2h, 2w) of (B, inputs, h, w) and (B, skip, 2h, 2w)."""
        x = self.up(x)
        if skip is not None:
            x = torch.cat((x, skip), dim=1)
        y: Tensor = self.mix(x)
        return y


class UNetDecoder(nn.Module):
    """Climb from the coarsest of several maps to the finest.

    The steps are named by the stride to which they lead ("16", "8", ...), so that each can be watched.

    Args:
        inputs: channels of each map, fine to coarse; each is half as large as the one before.
        widths: channels after each step, fine to coarse; one fewer than maps.
        strides: of each map, for names.
        up: how maps are made larger.
        skips: whether the finer maps are looked at again.
    """

    def __init__(
        self,
        inputs: Sequence[int],
        widths: Sequence[int],
        *,
        strides: Sequence[int],
        up: Up = "transposed",
        skips: bool = True,
    ) -> None:
        super().__init__()
        self.skips = skips
        self.channels = widths[0]
        self.steps = nn.ModuleDict()
        coarser = inputs[-1]
        for skip, width, stride in reversed(list(zip(inputs, widths, strides, strict=False))):
            self.steps[str(stride)] = UpStep(coarser, skip if skips else 0, width, up=up)
            coarser = width

    def forward(self, maps: Sequence[Tensor]) -> Tensor:
        """Return (B, widths[0], h_0, w_0) of maps, fine to coarse."""
        x = maps[-1]
        for step, skip in zip(self.steps.values(), reversed(maps[:-1]), strict=True):
            x = step(x, skip if self.skips else None)
        return x
