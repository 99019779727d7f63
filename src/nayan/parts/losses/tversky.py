"""The overlap of each class, with a price of its own for what is found in vain and what is missed."""

# B pictures, K classes, (h, w) size of the input

from __future__ import annotations

from torch import Tensor

from nayan.core.types import VOID
from nayan.parts.losses.soft_counts import mean_over_classes, soft_counts


def tversky_loss(
    logits: Tensor,
    target: Tensor,
    *,
    ignore: int = VOID,
    alpha: float = 0.3,
    beta: float = 0.7,
    smooth: float = 1.0,
    absent: bool = False,
) -> Tensor:
    """Return the mean over the classes of 1 less their Tversky index.

        T_k = (TP + s)  /  (TP + alpha FP + beta FN + s)

    with soft counts: TP is what was found of the class, FP what was found in vain, FN what was missed.
    alpha = beta = 0.5 is Dice (with half its s), alpha = beta = 1 is the IoU.

    Args:
        logits: (B, K, h, w).
        target: (B, h, w) int64 classes; `ignore` where nothing is known.
        ignore: left out.
        alpha: price of a pixel found in vain.
        beta: price of a missed one; more than `alpha` finds small things rather than too little.
        smooth: s, in pixels.
        absent: count classes of which the batch has no pixel, too.

    Returns:
        A scalar in [0, 1]; 0 with a gradient of 0 where no pixel is known.

    Source: Salehi, Erdogmus, Gholipour (2017), arXiv:1706.05721, eq. 3.

    >>> import torch
    >>> logits = torch.zeros(1, 2, 1, 2)
    >>> tversky_loss(logits, torch.tensor([[[0, 1]]]), smooth=0)  # 0.5 / (0.5 + 0.3 x 0.5 + 0.7 x 0.5)
    tensor(0.5000)
    """
    counts = soft_counts(logits, target, ignore=ignore)
    in_vain, missed = counts.said - counts.hit, counts.there - counts.hit
    below = counts.hit + alpha * in_vain + beta * missed + smooth
    index = (counts.hit + smooth) / below.clamp(min=1e-7)
    return mean_over_classes(1 - index, counts, absent=absent)
