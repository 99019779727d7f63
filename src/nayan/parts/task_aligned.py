"""Task-aligned assignment: a candidate learns an object if it scores and places it well already.

Source: Feng et al. (2021), TOOD: Task-aligned One-stage Object Detection, arXiv:2108.07755, section 3.2.
"""

# B pictures, M objects in the fullest one, N candidate points, C classes, P pairs (object, point near it)

from __future__ import annotations

import torch
from torch import Tensor

from nayan.parts.assignment import BACKGROUND, Assignment
from nayan.parts.boxes import iou_pairs

TOP = 13  # section 3.2: the m best-aligned points of an object learn it
ALPHA, BETA = 1.0, 6.0


@torch.no_grad()
def assign_task_aligned(
    points: Tensor,
    strides: Tensor,
    *,
    boxes: Tensor,
    scores: Tensor,
    truth: Tensor,
    labels: Tensor,
    top: int = TOP,
    alpha: float = ALPHA,
    beta: float = BETA,
) -> Assignment:
    """Let each object be learnt by the points inside it whose prediction fits it best.

    The alignment of a point with an object is `score ** alpha * iou ** beta`. The `top` best-aligned points
    of each object learn it; a point that several objects claim goes to the one that it overlaps most. Objects
    too small to hold the centre of a cell are widened to one cell of each level for this choice, so that none
    is left without candidates (the paper has no such rule; its smallest stride is 8, its pictures are large).

    Args:
        points: (N, 2) centres x, y of the cells, in input pixels.
        strides: (N,) side of each cell in input pixels.
        boxes: (B, N, 4) predicted, xyxy in input pixels.
        scores: (B, N, C) predicted, in [0, 1].
        truth: (B, M, 4) objects, xyxy; M may be 0.
        labels: (B, M) int64, -1 for padding.
        top: points an object.
        alpha: weight of the score.
        beta: weight of the overlap.

    Returns:
        `matched` (B, N) and as `weight` the alignment, scaled so that an object's largest is its best IoU:
        the target that the score of the point has to reach (section 3.2, eq. 4).
    """
    batch, count = scores.shape[:2]
    objects = truth.shape[1]
    matched = torch.full((batch, count), BACKGROUND, device=scores.device)
    weight = scores.new_zeros(batch, count)
    near = _near(points, strides, truth) & (labels >= 0)[..., None]  # (B, M, N)
    picture, item, point = near.nonzero(as_tuple=True)  # (P,) each
    if not len(picture):
        return Assignment(matched, weight)
    overlap = iou_pairs(boxes[picture, point], truth[picture, item]).clamp(min=0)  # (P,)
    score = scores[picture, point, labels[picture, item]]
    alignment = scores.new_zeros(batch, objects, count)
    alignment[picture, item, point] = score.pow(alpha) * overlap.pow(beta)
    ious = scores.new_zeros(batch, objects, count)
    ious[picture, item, point] = overlap
    chosen = _top(alignment, near, min(top, count))  # (B, M, N)
    best_iou, owner = (ious + 1e-9).mul(chosen).max(dim=1)  # (B, N); 1e-9: a chosen point may overlap nothing
    taken = best_iou > 0
    matched[taken] = owner[taken]
    own = chosen & (torch.arange(objects, device=owner.device)[:, None] == owner[:, None])  # (B, M, N)
    alignment, ious = alignment * own, ious * own
    scale = ious.amax(dim=2) / alignment.amax(dim=2).clamp(min=1e-12)  # (B, M)
    weight = (alignment * scale[..., None]).amax(dim=1)
    return Assignment(matched, weight)


def _near(points: Tensor, strides: Tensor, truth: Tensor) -> Tensor:
    """Return (B, M, N): whether a point lies in an object, or in one cell's square around its centre."""
    centre = (truth[..., :2] + truth[..., 2:]) / 2  # (B, M, 2)
    half = (truth[..., 2:] - truth[..., :2]) / 2
    reach = torch.maximum(half[:, :, None], strides[:, None] / 2)  # (B, M, N, 2)
    near: Tensor = ((points - centre[:, :, None]).abs() <= reach).all(dim=-1)
    return near


def _top(alignment: Tensor, near: Tensor, top: int) -> Tensor:
    """Return (B, M, N): the `top` best-aligned of the points near each object."""
    # An untrained network may align nothing (0 everywhere): then any of the points near the object will do.
    ranked = torch.where(near, alignment, alignment.new_tensor(-1.0))
    values, index = ranked.topk(top, dim=2)
    chosen = torch.zeros_like(near)
    chosen.scatter_(2, index, values >= 0)
    return chosen
