"""A convolution that decides for every pixel and channel how much of it counts.

Paper: Yu, Lin, Yang, Shen, Lu, Huang, "Free-form image inpainting with gated convolution", 2019,
arXiv:1806.03589, section 3.1.
"""

# B pictures, C channels, (h, w) map size

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class GatedConv(nn.Module):
    """`elu(features) * sigmoid(gate)`: (B, inputs, h, w) -> (B, channels, h / stride, w / stride).

    A plain convolution treats the pixels of a hole as if they were of the picture; the gate learns to tell
    them apart, and what to make of them deeper down, where a value is partly known.

    Args:
        inputs: C of what comes in.
        channels: C of what comes out.
        kernel: odd side of the kernel.
        stride: of the convolution.
        dilation: distance of the kernel's cells.

    >>> GatedConv(4, 8, stride=2)(torch.zeros(1, 4, 6, 6)).shape
    torch.Size([1, 8, 3, 3])
    """

    def __init__(
        self, inputs: int, channels: int, *, kernel: int = 3, stride: int = 1, dilation: int = 1
    ) -> None:
        super().__init__()
        padding = dilation * (kernel // 2)
        self.conv = nn.Conv2d(inputs, 2 * channels, kernel, stride, padding, dilation)

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, channels, h / stride, w / stride)."""
        features, gate = self.conv(x).chunk(2, dim=1)
        return F.elu(features) * torch.sigmoid(gate)
