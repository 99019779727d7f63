"""A small network that proposes where objects are, from the features that find out what they are.

Paper: Ren, He, Girshick, Sun, "Faster R-CNN: towards real-time object detection with region proposal
networks", 2015, arXiv:1506.01497, section 3.1.

    map (B, D, h, w) ── 3x3, ReLU ──┬── 1x1 ── objectness (B, N)       N = h * w * A, all levels one after
                                    └── 1x1 ── deltas (B, N, 4)        the other

Differs from the paper: anchors that reach over the edge of the picture learn too, because letterboxed
pictures of 320 px leave few others for large objects; one sigmoid instead of a softmax over two.
"""

# B pictures, D channels, A anchors a cell, N anchors in all, M objects (padded), P proposals

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nayan.core.types import Size
from nayan.parts.assignment import Assignment
from nayan.parts.box_coder import decode, encode
from nayan.parts.boxes import clip
from nayan.parts.losses.boxes import smooth_l1
from nayan.parts.matcher import match_by_iou
from nayan.parts.nms import nms_mask
from nayan.parts.sampler import sample_balanced

POSITIVE, NEGATIVE = 0.7, 0.3  # section 3.1.2
SAMPLED = 256  # anchors a picture, at most half of them with an object: section 3.1.3
BETA = 1 / 9  # where smooth L1 becomes linear; the paper's 1 would leave all but gross errors in the parabola
LEAST_SIDE = 1.0  # px; smaller proposals are dropped


class RegionProposalNetwork(nn.Module):
    """Say of every anchor whether it holds an object and how it has to be moved; shared by all levels.

    Args:
        channels: D.
        anchors: A.
    """

    def __init__(self, channels: int, anchors: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, padding=1)
        self.objectness = nn.Conv2d(channels, anchors, 1)
        self.deltas = nn.Conv2d(channels, 4 * anchors, 1)
        for layer in (self.conv, self.objectness, self.deltas):
            nn.init.normal_(layer.weight, std=0.01)  # section 3.1.3
            nn.init.zeros_(layer.bias)  # type: ignore[arg-type]

    def forward(self, maps: Sequence[Tensor]) -> list[tuple[Tensor, Tensor]]:
        """Return for each map the (B, n) logits and the (B, n, 4) deltas of its anchors, cell by cell."""
        levels = []
        for x in maps:
            hidden = self.conv(x).relu()
            logits = self.objectness(hidden).permute(0, 2, 3, 1).flatten(1)  # (B, A, h, w) -> (B, h*w*A)
            deltas = self.deltas(hidden).permute(0, 2, 3, 1)  # (B, 4*A, h, w) -> (B, h, w, 4*A)
            levels.append((logits, deltas.reshape(deltas.shape[0], -1, 4)))  # -> (B, h*w*A, 4)
        return levels


@torch.no_grad()
def leading_anchors(
    levels: Sequence[tuple[Tensor, Tensor]], anchors: Sequence[Tensor], *, size: Size, before: int
) -> tuple[Tensor, Tensor]:
    """Return the anchors of each level, moved, that most probably hold an object: what goes into the NMS.

    Args:
        levels: what `RegionProposalNetwork` gives.
        anchors: (n, 4) xyxy of each level.
        size: (height, width) of the input, at whose edges they are cut.
        before: how many of each level.

    Returns:
        (B, K, 4) xyxy in pixels of the input and (B, K) scores in [0, 1], level by level. What is left of
        less than a pixel is a box of zeros with the score 0.
    """
    boxes, scores = [], []
    for (logits, deltas), level in zip(levels, anchors, strict=True):
        best, index = logits.float().sigmoid().topk(min(before, len(level)), dim=1)  # (B, K)
        moved = deltas.float().gather(1, index[..., None].expand(-1, -1, 4))  # (B, K, 4)
        boxes.append(clip(decode(moved, level[index]), size))
        scores.append(best)
    every, score = torch.cat(boxes, 1), torch.cat(scores, 1)  # (B, L*K, 4), (B, L*K)
    is_large = ((every[..., 2:] - every[..., :2]) >= LEAST_SIDE).all(dim=-1)
    return every * is_large[..., None], score * is_large  # a box without area suppresses nothing


@torch.no_grad()
def best_proposals(
    levels: Sequence[tuple[Tensor, Tensor]],
    anchors: Sequence[Tensor],
    *,
    size: Size,
    before: int,
    after: int,
    iou: float = 0.7,
) -> tuple[Tensor, Tensor]:
    """Return the anchors, moved, that most probably hold an object and do not repeat a better one.

    The number is the same for every picture, so that an exported graph has fixed shapes: what NMS drops or
    a picture does not have is a box of zeros with the score 0.

    Args:
        levels: what `RegionProposalNetwork` gives.
        anchors: (n, 4) xyxy of each level.
        size: (height, width) of the input, at whose edges proposals are cut.
        before: best anchors of each level that go into NMS.
        after: P.
        iou: of NMS, over all levels together.

    Returns:
        (B, P, 4) xyxy in pixels of the input and (B, P) scores in [0, 1], the best first; P is smaller where
        there are fewer anchors.
    """
    every, score = leading_anchors(levels, anchors, size=size, before=before)
    score = score * nms_mask(every, score, iou=iou)
    score, index = score.topk(min(after, score.shape[1]), dim=1)  # (B, P)
    kept = every.gather(1, index[..., None].expand(-1, -1, 4))
    return kept * (score > 0)[..., None], score


def match_anchors(anchors: Tensor, boxes: Tensor, *, valid: Tensor) -> Assignment:
    """Return which object each anchor has to find; every object has at least one: section 3.1.2.

    Args:
        anchors: (N, 4) xyxy.
        boxes: (B, M, 4) xyxy objects.
        valid: (B, M) bool, where there is an object.
    """
    return match_by_iou(anchors, boxes, valid=valid, positive=POSITIVE, negative=NEGATIVE, force_best=True)


def proposal_losses(
    objectness: Tensor, deltas: Tensor, *, anchors: Tensor, boxes: Tensor, valid: Tensor
) -> dict[str, Tensor]:
    """Return {"rpn_object", "rpn_box"} of a random half-and-half choice of anchors.

    Args:
        objectness: (B, N) logits.
        deltas: (B, N, 4).
        anchors: (N, 4) xyxy.
        boxes: (B, M, 4) xyxy objects.
        valid: (B, M) bool, where there is an object.
    """
    found = match_anchors(anchors, boxes, valid=valid)
    drawn = sample_balanced(found, count=SAMPLED, positive_share=0.5)  # (B, N)
    total = drawn.sum().clamp(min=1)
    wanted = found.positive.float()
    entropy = F.binary_cross_entropy_with_logits(objectness.float(), wanted, reduction="none")
    picture, row = (drawn & found.positive).nonzero(as_tuple=True)  # (K,)
    truth = boxes[picture, found.matched[picture, row]]  # (K, 4)
    apart = smooth_l1(deltas[picture, row].float(), encode(truth, anchors[row]), beta=BETA)
    return {"rpn_object": (entropy * drawn).sum() / total, "rpn_box": apart.sum() / total}
