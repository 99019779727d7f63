"""How surprising the class of each pixel is."""

# B pictures, K classes, (h, w) size of the input

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from nayan.core.types import VOID


def dense_cross_entropy(
    logits: Tensor,
    target: Tensor,
    *,
    ignore: int = VOID,
    class_weights: Tensor | None = None,
    label_smoothing: float = 0.0,
    pixel_weights: Tensor | None = None,
) -> Tensor:
    """Return the mean surprise about the known pixels, each by its weights.

        sum_x  v_x w_t(x)  -log p_t(x)(x)   /   sum_x  v_x w_t(x)

    Divided by the weights, a batch pushes as hard whatever they add up to. (U-Net's eq. 1 is the sum alone,
    which makes the learning rate depend on the size of the picture.)

    Args:
        logits: (B, K, h, w).
        target: (B, h, w) int64 classes t; `ignore` where nothing is known.
        ignore: left out.
        class_weights: (K,) w, such as the inverse frequency of each class.
        label_smoothing: share of the truth that is spread over all classes, in [0, 1).
        pixel_weights: (B, h, w) v, such as U-Net's map of narrow gaps.

    Returns:
        A scalar >= 0; 0 with a gradient of 0 where no pixel is known.

    Source: Long, Shelhamer, Darrell (2015), arXiv:1411.4038, section 4.4 (over every pixel); Ronneberger,
    Fischer, Brox (2015), arXiv:1505.04597, eq. 1 (weights); Szegedy et al. (2015), arXiv:1512.00567,
    section 7 (smoothing).

    >>> logits = torch.tensor([[2.0, 0.0], [0.0, 0.0]]).reshape(1, 2, 1, 2)
    >>> dense_cross_entropy(logits, torch.tensor([[[0, 255]]]))
    tensor(0.1269)
    """
    shape = target.shape
    logits = logits.float()
    if logits.is_contiguous(memory_format=torch.channels_last):
        # the classes of a pixel lie side by side: as rows that takes a third of the time with 32 of them
        logits = logits.permute(0, 2, 3, 1).flatten(0, 2)  # (B, K, h, w) -> (B*h*w, K), a view
        target = target.flatten()
    loss = F.cross_entropy(
        logits,
        target,
        weight=class_weights,
        ignore_index=ignore,
        label_smoothing=label_smoothing,
        reduction="none",
    ).reshape(shape)  # 0 where ignored
    target = target.reshape(shape)
    known = target != ignore
    weights = known.to(loss.dtype)
    if class_weights is not None:
        weights = weights * class_weights.to(loss.dtype)[target.masked_fill(~known, 0)]
    if pixel_weights is not None:
        loss = loss * pixel_weights
        weights = weights * pixel_weights
    total = weights.sum()
    return loss.sum() / total.where(total > 0, 1)
