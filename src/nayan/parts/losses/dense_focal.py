"""The surprise about each pixel, less where the network is nearly right already."""

# B pictures, K classes, (h, w) size of the input

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

from nayan.core.types import VOID

SURE = 1e-6
"""What is nearer to certainty than that has no slope: that of x^gamma at 0 is infinite where gamma < 1."""


def dense_focal_loss(
    logits: Tensor,
    target: Tensor,
    *,
    ignore: int = VOID,
    gamma: float = 2.0,
    class_weights: Tensor | None = None,
) -> Tensor:
    """Return the mean of the focal loss over the known pixels.

        -w_t (1 - p_t)^gamma  log p_t

    with the probability p_t of the pixel's own class by softmax. For two classes that is the paper's sigmoid
    of the difference of their logits. `nayan.parts.losses.focal` has it for boxes, class by class.

    Args:
        logits: (B, K, h, w).
        target: (B, h, w) int64 classes; `ignore` where nothing is known.
        ignore: left out.
        gamma: how fast the easy pixels fade; 0 is the cross-entropy.
        class_weights: (K,) w, the paper's alpha.

    Returns:
        A scalar >= 0; 0 with a gradient of 0 where no pixel is known.

    Source: Lin et al. (2017), arXiv:1708.02002, eq. 5.

    >>> import torch
    >>> logits = torch.tensor([2.0, 0.0]).reshape(1, 2, 1, 1)
    >>> dense_focal_loss(logits, torch.tensor([[[0]]]))  # 0.119^2 x 0.127
    tensor(0.0018)
    """
    known = target != ignore
    # ignored pixels give 0, which counts as being sure
    log_p = -F.cross_entropy(logits.float(), target, ignore_index=ignore, reduction="none")  # (B, h, w)
    loss = -((1 - log_p.exp()).clamp(min=SURE) ** gamma) * log_p
    if class_weights is not None:
        loss = loss * class_weights.to(loss.dtype)[target.masked_fill(~known, 0)]
    return loss.sum() / known.sum().clamp(min=1)
