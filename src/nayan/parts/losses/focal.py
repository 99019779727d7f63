"""How wrong a score is, when almost everything is background and easy.

All take logits, compute in them (no log of a rounded 0), and are unreduced: divide the sum by the number of
positives, not of candidates, as the papers do.
"""

# "..." any shape, usually (B, N, C)

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F


def focal_loss(logits: Tensor, target: Tensor, *, alpha: float | None = 0.25, gamma: float = 2.0) -> Tensor:
    """Return the cross-entropy of each score, less for those that are nearly right already.

    Args:
        logits: (...).
        target: (...) 0 or 1, float.
        alpha: weight of the positives, 1 - alpha that of the negatives; None weighs neither.
        gamma: how fast the easy ones fade; 0 is the plain cross-entropy.

    Returns:
        (...) of the same shape.

    Source: Lin et al. (2017), arXiv:1708.02002, eqs. 4 and 5.

    >>> import torch
    >>> focal_loss(torch.tensor([0.0, 2.0]), torch.ones(2), alpha=None)  # 0.25 log 2, and almost nothing
    tensor([0.1733, 0.0018])
    """
    p = logits.sigmoid()
    wrong = p + target - 2 * p * target  # 1 - p_t
    loss = wrong**gamma * F.binary_cross_entropy_with_logits(logits, target, reduction="none")
    if alpha is None:
        return loss
    return loss * (alpha * target + (1 - alpha) * (1 - target))


def quality_focal_loss(logits: Tensor, quality: Tensor, *, beta: float = 2.0) -> Tensor:
    """Return the cross-entropy of scores with soft targets, less for those that are near their target.

    Args:
        logits: (...).
        quality: (...) in [0, 1]: the IoU of the box for the class of its object, else 0.
        beta: how fast those that are near fade.

    Returns:
        (...) of the same shape; its least value, at score = quality, is 0.

    Source: Li et al. (2020), Generalized Focal Loss, arXiv:2006.04388, eq. 2.

    >>> import torch
    >>> quality_focal_loss(torch.tensor([0.0, 0.0]), torch.tensor([0.5, 1.0]))
    tensor([0.0000, 0.1733])
    """
    apart = (quality - logits.sigmoid()).abs()
    return apart**beta * F.binary_cross_entropy_with_logits(logits, quality, reduction="none")


def varifocal_loss(logits: Tensor, quality: Tensor, *, alpha: float = 0.75, gamma: float = 2.0) -> Tensor:
    """Return the cross-entropy of scores with soft targets: good objects count more, easy background less.

    Args:
        logits: (...).
        quality: (...) in [0, 1]: the IoU of the box for the class of its object, else 0.
        alpha: weight of the background.
        gamma: how fast easy background fades.

    Returns:
        (...) of the same shape.

    Source: Zhang et al. (2021), VarifocalNet, arXiv:2008.13367, eq. 2.

    >>> import torch
    >>> varifocal_loss(torch.tensor([0.0, 0.0]), torch.tensor([0.5, 0.0]))
    tensor([0.3466, 0.1300])
    """
    weight = quality + alpha * logits.sigmoid() ** gamma * (quality == 0)
    return weight * F.binary_cross_entropy_with_logits(logits, quality, reduction="none")
