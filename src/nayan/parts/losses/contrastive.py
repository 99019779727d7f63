"""Pairs that show the same are pulled together, others pushed apart until they are far enough.

Source: Hadsell, Chopra, LeCun, "Dimensionality reduction by learning an invariant mapping", CVPR 2006, eq. 4;
there the two halves have a factor 1/2 and Y = 1 means different.
"""

# M pairs, B vectors, D values of each

from __future__ import annotations

import torch
from torch import Tensor

SMALLEST = 1e-12
"""Of squared distances: the gradient of the root at 0 is infinite."""


def contrastive_loss(distances: Tensor, same: Tensor, *, margin: float) -> Tensor:
    """Return `y d^2 + (1 - y) max(0, m - d)^2` of each pair.

    Args:
        distances: (M,) between the two vectors of each pair, 0 or more.
        same: (M,) bool, y: whether both show the same.
        margin: m, the distance from which on different ones are far enough.

    Returns:
        (M,), 0 or more.

    >>> contrastive_loss(torch.tensor([0.5, 0.5, 2.0]), torch.tensor([True, False, False]), margin=1.0)
    tensor([0.2500, 0.2500, 0.0000])
    """
    return torch.where(same, distances**2, (margin - distances).clamp(min=0) ** 2)


def pair_distances(vectors: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return the Euclidean distances of all pairs of vectors, and which two each pair is.

    Args:
        vectors: (B, D).

    Returns:
        (M,) distances, and (M,) first and second rows, with M = B (B - 1) / 2.
    """
    first, second = torch.triu_indices(len(vectors), len(vectors), offset=1, device=vectors.device)
    squares = (vectors[first] - vectors[second]).square().sum(dim=1)
    return squares.clamp(min=SMALLEST).sqrt(), first, second
