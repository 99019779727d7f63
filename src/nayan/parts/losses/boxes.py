"""How wrong a box is: by its numbers, by its overlap, or by the distribution of its distances.

All are unreduced; whoever calls decides over what to average.
"""

# "..." any leading dimensions, R bins

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from nayan.core.errors import ConfigError, ShapeError
from nayan.parts import boxes as geometry

Overlap = Literal["iou", "giou", "diou", "ciou"]

_OVERLAPS = {
    "iou": geometry.iou_pairs,
    "giou": geometry.giou,
    "diou": geometry.diou,
    "ciou": geometry.ciou,
}


def smooth_l1(regressed: Tensor, target: Tensor, *, beta: float = 1.0) -> Tensor:
    """Return the absolute difference less beta / 2, or its square / (2 beta) where it is below beta.

    Args:
        regressed: (...).
        target: (...).
        beta: where the parabola ends; 0 is the absolute difference.

    Returns:
        (...) of the same shape.

    Source: Girshick (2015), Fast R-CNN, arXiv:1504.08083, eq. 3 (there beta is 1).

    >>> smooth_l1(torch.tensor([0.5, 3.0]), torch.zeros(2))
    tensor([0.1250, 2.5000])
    """
    return F.smooth_l1_loss(regressed, target, reduction="none", beta=beta)


def overlap_loss(boxes: Tensor, targets: Tensor, *, kind: Overlap = "giou") -> Tensor:
    """Return 1 less the overlap of each box with its target.

    Args:
        boxes: (..., 4) xyxy.
        targets: (..., 4) xyxy.
        kind: which overlap, see `nayan.parts.boxes`.

    Returns:
        (...) values in [0, 1] for "iou", [0, 2] for "giou" and "diou", [0, 2.5] for "ciou".

    Raises:
        ConfigError: if the kind is unknown.

    Source: Yu et al. (2016), arXiv:1608.01471, there as -log IoU; Rezatofighi et al. (2019),
    arXiv:1902.09630; Zheng et al. (2020), arXiv:1911.08287.

    >>> overlap_loss(torch.tensor([0., 0, 2, 2]), torch.tensor([0., 0, 2, 1]), kind="iou")
    tensor(0.5000)
    """
    if kind not in _OVERLAPS:
        raise ConfigError(f"no overlap is named {kind!r}", hint=f"known: {', '.join(_OVERLAPS)}")
    return 1 - _OVERLAPS[kind](boxes, targets)


def expected_distance(logits: Tensor) -> Tensor:
    """Return the mean of a distribution over the distances 0, 1, ..., R - 1: (..., R) logits -> (...).

    Source: Li et al. (2020), Generalized Focal Loss, arXiv:2006.04388, eq. 5.

    >>> expected_distance(torch.tensor([0., 9, 9, 0])).round(decimals=3)
    tensor(1.5000)
    """
    bins = torch.arange(logits.shape[-1], dtype=logits.dtype, device=logits.device)
    return (logits.softmax(-1) * bins).sum(-1)


def distribution_focal_loss(logits: Tensor, target: Tensor) -> Tensor:
    """Return the cross-entropy of the two bins around each true distance, weighted by how near each is.

    Args:
        logits: (..., R) over the distances 0, 1, ..., R - 1 in cells.
        target: (...) true distance in cells; beyond [0, R - 1] it counts as the nearest that there is.

    Returns:
        (...) values.

    Raises:
        ShapeError: if the shapes do not fit each other, or R is below 2.

    Source: Li et al. (2020), Generalized Focal Loss, arXiv:2006.04388, eq. 6.

    >>> distribution_focal_loss(torch.tensor([0., 0, 0, 0]), torch.tensor(1.5))  # log 4
    tensor(1.3863)
    """
    if logits.shape[:-1] != target.shape or logits.shape[-1] < 2:
        raise ShapeError(
            f"logits (..., R >= 2) need targets (...), got {tuple(logits.shape)} and {tuple(target.shape)}"
        )
    most = logits.shape[-1] - 1
    target = target.clamp(0, most)
    lower = target.floor().clamp(max=most - 1)
    upper_share = target - lower
    log_p = logits.log_softmax(-1)
    at_lower = log_p.gather(-1, lower.long()[..., None])[..., 0]
    at_upper = log_p.gather(-1, lower.long()[..., None] + 1)[..., 0]
    return -((1 - upper_share) * at_lower + upper_share * at_upper)
