"""How little the found and the true pixels of each class overlap."""

# B pictures, K classes, (h, w) size of the input

from __future__ import annotations

from torch import Tensor

from nayan.core.types import VOID
from nayan.parts.losses.soft_counts import mean_over_classes, soft_counts


def dice_loss(
    logits: Tensor, target: Tensor, *, ignore: int = VOID, smooth: float = 1.0, absent: bool = False
) -> Tensor:
    """Return the mean over the classes of 1 less their soft Dice score.

        D_k = (2 sum_x p_k g_k + s)  /  (sum_x p_k + sum_x g_k + s)

    where p_k(x) is the probability of class k and g_k(x) says whether the pixel is of it; sums go over the
    known pixels of the whole batch. A small class counts as much as a large one.

    Args:
        logits: (B, K, h, w).
        target: (B, h, w) int64 classes; `ignore` where nothing is known.
        ignore: left out.
        smooth: s, in pixels: keeps classes of few pixels calm.
        absent: count classes of which the batch has no pixel, too. Their score says only how much was found
            of them in vain.

    Returns:
        A scalar in [0, 1]; 0 with a gradient of 0 where no pixel is known.

    Source: Milletari, Navab, Ahmadi (2016), V-Net, arXiv:1606.04797, section 3; there with squares below.
    For several classes without squares: Sudre et al. (2017), arXiv:1707.03237, eq. 3 without its weights.

    >>> import torch
    >>> logits = torch.zeros(1, 2, 1, 2)
    >>> dice_loss(logits, torch.tensor([[[0, 1]]]), smooth=0)  # each: 2 x 0.5 / (1 + 1)
    tensor(0.5000)
    """
    counts = soft_counts(logits, target, ignore=ignore)
    below = counts.said + counts.there + smooth
    score = (2 * counts.hit + smooth) / below.clamp(min=1e-7)
    return mean_over_classes(1 - score, counts, absent=absent)
