"""Which object a candidate has to find, decided by overlap alone.

Source: Girshick et al. (2014), arXiv:1311.2524, section 2.3; Ren et al. (2015), Faster R-CNN,
arXiv:1506.01497, section 3.1.2.
"""

# B pictures, N candidates (anchors or proposals), M objects (padded)

from __future__ import annotations

import torch
from torch import Tensor

from nayan.core.errors import ConfigError, ShapeError
from nayan.parts.assignment import BACKGROUND, IGNORED, Assignment
from nayan.parts.boxes import iou_matrix


@torch.no_grad()
def match_by_iou(
    candidates: Tensor,
    targets: Tensor,
    *,
    valid: Tensor,
    positive: float = 0.5,
    negative: float = 0.5,
    force_best: bool = False,
) -> Assignment:
    """Match each candidate with the object that it overlaps most, if it overlaps it enough.

    Args:
        candidates: (N, 4) the same for every picture, or (B, N, 4); xyxy.
        targets: (B, M, 4) xyxy objects; M may be 0.
        valid: (B, M) bool, where there is an object.
        positive: from this IoU on a candidate learns the object.
        negative: below this IoU it learns the background; in between, nothing.
        force_best: the candidate or, in a tie, the candidates that overlap an object most learn it too, if
            they overlap it at all; so that no object is lost for want of a fitting anchor. Each goes on
            with the object that *it* overlaps most, as in the paper's code.

    Returns:
        `matched` (B, N), `weight` 1 where an object is matched.

    Raises:
        ConfigError: if not 0 <= negative <= positive <= 1.
        ShapeError: if the shapes do not fit each other.

    >>> anchors = torch.tensor([[0., 0, 8, 8], [0, 0, 8, 4], [50, 50, 60, 60]])
    >>> objects, valid = torch.tensor([[[0., 0, 8, 9]]]), torch.tensor([[True]])
    >>> match_by_iou(anchors, objects, valid=valid, positive=0.7, negative=0.3).matched.tolist()
    [[0, -2, -1]]
    """
    if not 0 <= negative <= positive <= 1:
        raise ConfigError(f"negative {negative} and positive {positive}: 0 <= negative <= positive <= 1")
    _check(candidates, targets, valid)
    batch, objects = valid.shape
    count = candidates.shape[-2]
    if objects == 0:
        nothing = torch.full((batch, count), BACKGROUND, device=candidates.device)
        return Assignment(nothing, candidates.new_zeros(batch, count))
    iou = iou_matrix(candidates, targets)  # (N, 4) or (B, N, 4) -> (B, N, M)
    iou = torch.where(valid[:, None], iou, -1.0)  # padding never wins, not even a tie at 0
    best, matched = iou.max(2)  # (B, N)
    learns = best >= positive
    if force_best:
        most = iou.amax(1, keepdim=True)  # (B, 1, M), what each object gets at best
        learns |= ((iou == most) & (iou > 0)).any(2)
    learns &= best >= 0  # a picture without objects
    matched = torch.where(learns, matched, torch.where(best < negative, BACKGROUND, IGNORED))
    return Assignment(matched, learns.to(iou.dtype))


def _check(candidates: Tensor, targets: Tensor, valid: Tensor) -> None:
    if targets.ndim != 3 or targets.shape[:2] != valid.shape:
        raise ShapeError(
            f"objects (B, M, 4) need valid (B, M), got {tuple(targets.shape)} and {tuple(valid.shape)}"
        )
    if candidates.ndim not in (2, 3) or (candidates.ndim == 3 and len(candidates) != len(targets)):
        raise ShapeError(
            f"candidates are (N, 4) or ({len(targets)}, N, 4) for as many pictures, "
            f"got {tuple(candidates.shape)}"
        )
