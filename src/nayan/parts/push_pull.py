"""Fill holes with the mean of what is known near them, without learning: push-pull interpolation.

Source: Gortler, Grzeszczuk, Szeliski, Cohen, "The Lumigraph", SIGGRAPH 1996, section 3.4.
"""

# B pictures, C channels, (h, w) size of a picture, L levels

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def push_pull(values: Tensor, known: Tensor, *, levels: int) -> Tensor:
    """Return (B, C, h, w) with what is known as it was, and smoothly filled holes.

    The picture is halved L times, each cell the mean of what is known below it ("pull"); on the way back
    every cell takes from the coarser picture what it lacks ("push").

    Args:
        values: (B, C, h, w), anything where they are not known.
        known: (B, 1, h, w), 1 or 0.
        levels: L; h and w are multiples of 2 ** L. What no known pixel is near to, even there, becomes the
            mean of all known pixels, or 0 where there are none.

    >>> line = torch.tensor([0.0, 9, 9, 4]).reshape(1, 1, 1, 4).expand(1, 1, 4, 4)
    >>> push_pull(line, (line != 9).float(), levels=1)[0, 0, 0]
    tensor([0., 1., 3., 4.])
    """
    weights, totals = [known], [values * known]
    for _ in range(levels):
        weights.append(F.avg_pool2d(weights[-1], 2))
        totals.append(F.avg_pool2d(totals[-1], 2))
    mean = totals[-1].mean((2, 3), keepdim=True) / weights[-1].mean((2, 3), keepdim=True).clamp(min=1e-6)
    filled = _complete(totals[-1], weights[-1], mean)
    for weight, total in zip(reversed(weights[:-1]), reversed(totals[:-1]), strict=True):
        coarse = F.interpolate(filled, scale_factor=2.0, mode="bilinear", align_corners=False)
        filled = _complete(total, weight, coarse)
    return filled


def _complete(total: Tensor, weight: Tensor, rest: Tensor) -> Tensor:
    """Return the mean of a cell that is known at all, else `rest`."""
    return torch.where(weight > 0, total / weight.clamp(min=1e-6), rest)
