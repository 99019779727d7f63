"""The mean of a map in each cell of a coarse grid, in a form that every runtime has.

Paper: Zhao, Shi, Qi, Wang, Jia, "Pyramid scene parsing network", 2016, arXiv:1612.01105, section 3.2.
"""

# B pictures, C channels, (h, w) map size, n cells a side

from __future__ import annotations

import torch
from torch import Tensor, nn


class GridPool(nn.Module):
    """Give what `nn.AdaptiveAvgPool2d(n)` gives: (B, C, h, w) -> (B, C, n, n).

    Cells may overlap by a row where n does not divide the map. ONNX has no operator for that, so the means
    are two products with constant matrices.

    Args:
        cells: n.

    >>> GridPool(2)(torch.tensor([[[[1.0, 3.0, 5.0]]]]))
    tensor([[[[2., 4.],
              [2., 4.]]]])
    """

    def __init__(self, cells: int) -> None:
        super().__init__()
        self.cells = cells

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, C, n, n)."""
        down, across = (_shares(int(side), self.cells).to(x) for side in x.shape[2:])
        return down @ x @ across.T

    def extra_repr(self) -> str:
        """Say how many cells."""
        return f"{self.cells}"


def _shares(side: int, cells: int) -> Tensor:
    """Return (n, side): the share of each row of the map in each cell."""
    cell = torch.arange(cells)[:, None]
    row = torch.arange(side)
    first, end = cell * side // cells, -(-(cell + 1) * side // cells)  # rounded down and up
    return ((row >= first) & (row < end)) / (end - first)
