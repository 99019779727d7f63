"""Which candidates take part in the loss, so that the many of the background do not drown the few others.

Source: Girshick (2015), Fast R-CNN, arXiv:1504.08083, section 2.3; Ren et al. (2015), Faster R-CNN,
arXiv:1506.01497, section 3.1.3.
"""

# B pictures, N candidates

from __future__ import annotations

import torch
from torch import Tensor

from nayan.core.errors import ConfigError
from nayan.parts.assignment import Assignment


@torch.no_grad()
def sample_balanced(
    assignment: Assignment, *, count: int, positive_share: float, generator: torch.Generator | None = None
) -> Tensor:
    """Draw `count` candidates of each picture, at most a share of them with an object.

    Where too few have an object, background fills up; where there is too little background, fewer are drawn.

    Args:
        assignment: of (B, N) candidates.
        count: candidates a picture.
        positive_share: in [0, 1], the largest share with an object.
        generator: of the CPU, so that the draw is the same on every device; None: torch's own.

    Returns:
        (B, N) bool, true for those drawn; never an ignored one.

    Raises:
        ConfigError: if `count` is negative or the share outside [0, 1].

    >>> given = Assignment(torch.tensor([[0, 0, 0, -1, -1, -1, -2]]), torch.zeros(1, 7))
    >>> drawn = sample_balanced(given, count=4, positive_share=0.25)
    >>> drawn[:, :3].sum(), drawn[:, 3:6].sum(), drawn[:, 6].sum()
    (tensor(1), tensor(3), tensor(0))
    """
    if count < 0 or not 0 <= positive_share <= 1:
        raise ConfigError(f"count {count}, positive_share {positive_share}: count >= 0, share in [0, 1]")
    most = torch.tensor(int(count * positive_share), device=assignment.matched.device)
    chance = torch.rand(assignment.matched.shape, generator=generator).to(assignment.matched.device)
    positive = _draw(assignment.positive, chance, most.expand(len(chance)))
    negative = _draw(assignment.negative, chance, count - positive.sum(1))
    return positive | negative


def _draw(allowed: Tensor, chance: Tensor, most: Tensor) -> Tensor:
    """Return (B, N) bool: of those allowed the `most` (B,) with the smallest chance."""
    order = torch.where(allowed, chance, 2.0).argsort(1)
    place = torch.empty_like(order).scatter_(
        1, order, torch.arange(order.shape[1], device=order.device).expand_as(order)
    )
    return allowed & (place < most[:, None])
