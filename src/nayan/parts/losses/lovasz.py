"""The IoU itself, made smooth: its loss between sets of wrong pixels, extended to how wrong each is."""

# B pictures, K classes, P known pixels, (h, w) size of the input

from __future__ import annotations

import torch
from torch import Tensor

from nayan.core.types import VOID


def lovasz_softmax_loss(
    logits: Tensor, target: Tensor, *, ignore: int = VOID, per_picture: bool = False
) -> Tensor:
    """Return the mean, over the classes that are there, of the Lovász extension of 1 - IoU.

    The error of a pixel for class k is m = 1 - p_k where it is of k, else p_k. With the errors in falling
    order the loss is their sum weighted by how much each next pixel, if it were wrong, adds to 1 - IoU:

        L_k = sum_i  m_i (J(1..i) - J(1..i-1)),    J(set) = |set| / |truth of k united with set|

    Where every probability is 0 or 1 that is 1 - IoU. It costs a sort of all pixels for every class.

    Args:
        logits: (B, K, h, w).
        target: (B, h, w) int64 classes; `ignore` where nothing is known.
        ignore: left out.
        per_picture: the mean of the loss of each picture with a known pixel, instead of one IoU of the batch.

    Returns:
        A scalar in [0, 1]; 0 with a gradient of 0 where no pixel is known.

    Source: Berman, Triki, Blaschko (2018), arXiv:1705.08790, eqs. 8-11 and algorithm 1.

    >>> logits = torch.tensor([[9.0, 9, -9], [-9, -9, 9]]).reshape(1, 2, 1, 3)
    >>> lovasz_softmax_loss(logits, torch.tensor([[[0, 1, 1]]]))  # IoU is 1/2 of either class
    tensor(0.5000)
    """
    if per_picture:
        rows = [
            lovasz_softmax_loss(logits[i : i + 1], target[i : i + 1], ignore=ignore)
            for i in range(len(target))
            if (target[i] != ignore).any()
        ]
        return torch.stack(rows).mean() if rows else logits.float().sum() * 0
    known = target.flatten() != ignore
    p = logits.float().softmax(dim=1).movedim(1, 0).flatten(1)[:, known]  # (B, K, h, w) -> (K, P)
    truth = target.flatten()[known]
    classes = torch.unique(truth)
    if not len(classes):
        return logits.float().sum() * 0
    of_class = (truth == classes[:, None]).to(p.dtype)  # (present, P)
    errors, order = (of_class - p[classes]).abs().sort(dim=1, descending=True)
    loss: Tensor = (errors * _steps(of_class.gather(1, order))).sum(dim=1).mean()
    return loss


def _steps(of_class: Tensor) -> Tensor:
    """Return (K, P): what each next pixel, taken as wrong, adds to 1 - IoU. Algorithm 1 of the paper."""
    there = of_class.sum(dim=1, keepdim=True)
    left = there - of_class.cumsum(dim=1)  # pixels of the class that are not wrong yet
    united = there + (1 - of_class).cumsum(dim=1)
    jaccard = 1 - left / united
    return torch.cat((jaccard[:, :1], jaccard[:, 1:] - jaccard[:, :-1]), dim=1)
