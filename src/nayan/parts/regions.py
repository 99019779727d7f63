"""What R-CNN and its heirs say about proposals: a class or the background, and a better box for each class.

Papers: Girshick, Donahue, Darrell, Malik, "Rich feature hierarchies for accurate object detection and
semantic segmentation" (R-CNN), 2013, arXiv:1311.2524; Girshick, "Fast R-CNN", 2015, arXiv:1504.08083:
sampling in section 2.3, the loss of class and box in eq. 1.
"""

# B pictures, P proposals, S of them sampled, C classes, M objects (padded), D values of a region's features

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nayan.core.types import Size
from nayan.parts.assignment import IGNORED, Assignment
from nayan.parts.box_coder import SECOND_STAGE, decode, encode
from nayan.parts.boxes import clip
from nayan.parts.losses.boxes import smooth_l1
from nayan.parts.matcher import match_by_iou
from nayan.parts.sampler import sample_balanced

POSITIVE = 0.5  # IoU from which a proposal is its object: Fast R-CNN, section 2.3
POSITIVE_SHARE = 0.25  # of the sampled proposals: the same section


@dataclass(slots=True, eq=False)  # not frozen: Fabric casts the fields of what a network returns
class Regions:
    """What a network says about the proposals of each picture.

    Attributes:
        boxes: (B, P, 4) xyxy in pixels of the input: the proposals; zeros where there is none.
        present: (B, P) bool, where there is a proposal.
        logits: (B, P, C + 1) of the classes, the background last.
        deltas: (B, P, C, 4) from the proposal to the object, for each class.
        size: (height, width) of the input.
    """

    boxes: Tensor
    present: Tensor
    logits: Tensor
    deltas: Tensor
    size: Size


class RegionHead(nn.Module):
    """Linear layers from a region's features to its classes and boxes.

    Args:
        num_features: D.
        num_classes: C.
        hidden: widths of the layers between, each followed by ReLU.
        dropout: after each of them.
    """

    def __init__(
        self, num_features: int, num_classes: int, *, hidden: Sequence[int], dropout: float = 0.0
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for width in hidden:
            layers += [nn.Linear(num_features, width), nn.ReLU(), nn.Dropout(dropout)]
            num_features = width
        self.hidden = nn.Sequential(*layers)
        self.classes = nn.Linear(num_features, num_classes + 1)
        self.boxes = nn.Linear(num_features, 4 * num_classes)
        for layer, std in ((self.classes, 0.01), (self.boxes, 0.001)):  # Fast R-CNN, section 2.3
            nn.init.normal_(layer.weight, std=std)
            nn.init.zeros_(layer.bias)

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Return the (B, P, C + 1) logits and the (B, P, C, 4) deltas of (B, P, D, ...) features."""
        hidden = self.hidden(features.flatten(2))
        return self.classes(hidden), self.boxes(hidden).unflatten(2, (-1, 4))


@torch.no_grad()
def sample_regions(
    proposals: Tensor, *, present: Tensor, boxes: Tensor, valid: Tensor, count: int
) -> tuple[Tensor, Tensor]:
    """Draw the proposals that a training step looks at, the objects themselves among the candidates.

    Args:
        proposals: (B, P, 4) xyxy.
        present: (B, P) bool, where there is one.
        boxes: (B, M, 4) xyxy objects.
        valid: (B, M) bool, where there is an object.
        count: S, of each picture; a quarter of them with an object where there are as many.

    Returns:
        (B, S, 4) boxes and (B, S) bool, where there is one; boxes are zero elsewhere.
    """
    candidates = torch.cat((boxes, proposals), 1)  # (B, M + P, 4)
    there = torch.cat((valid, present), 1)
    found = match_by_iou(candidates, boxes, valid=valid, positive=POSITIVE, negative=POSITIVE)
    known = Assignment(found.matched.masked_fill(~there, IGNORED), found.weight)
    drawn = sample_balanced(known, count=count, positive_share=POSITIVE_SHARE)
    first = drawn.int().argsort(dim=1, descending=True, stable=True)[:, :count]  # (B, S)
    taken = drawn.gather(1, first)
    return candidates.gather(1, first[..., None].expand(-1, -1, 4)) * taken[..., None], taken


def match_regions(regions: Regions, boxes: Tensor, *, valid: Tensor) -> Assignment:
    """Return which object each proposal has to find; one that is only padding is ignored.

    Args:
        regions: what the network says, of which the proposals count here.
        boxes: (B, M, 4) xyxy objects.
        valid: (B, M) bool, where there is an object.
    """
    found = match_by_iou(regions.boxes, boxes, valid=valid, positive=POSITIVE, negative=POSITIVE)
    return Assignment(found.matched.masked_fill(~regions.present, IGNORED), found.weight)


def region_losses(
    regions: Regions, assignment: Assignment, *, boxes: Tensor, labels: Tensor
) -> dict[str, Tensor]:
    """Return {"class", "box"}: eq. 1 of Fast R-CNN, each over the number of proposals that learn.

    Args:
        regions: what the network says.
        assignment: which object each of the proposals has to find.
        boxes: (B, M, 4) xyxy objects.
        labels: (B, M) their classes.
    """
    learns = assignment.matched != IGNORED  # (B, P)
    total = learns.sum().clamp(min=1)
    picture, row = assignment.positive.nonzero(as_tuple=True)  # (K,)
    item = assignment.matched[picture, row]
    label = labels[picture, item]
    background = regions.deltas.shape[2]
    wanted = torch.full_like(assignment.matched, background)
    wanted[picture, row] = label
    entropy = F.cross_entropy(regions.logits.float().flatten(0, 1), wanted.flatten(), reduction="none")
    target = encode(boxes[picture, item], regions.boxes[picture, row], weights=SECOND_STAGE)
    apart = smooth_l1(regions.deltas[picture, row, label].float(), target)
    return {"class": (entropy * learns.flatten()).sum() / total, "box": apart.sum() / total}


def region_detections(regions: Regions) -> dict[str, Tensor]:
    """Return {"boxes": (B, P, C, 4) cut at the edges of the input, "scores": (B, P, C)}."""
    moved = decode(regions.deltas.float(), regions.boxes[:, :, None], weights=SECOND_STAGE)
    scores = regions.logits.float().softmax(dim=-1)[..., :-1]
    return {"boxes": clip(moved, regions.size), "scores": scores * regions.present[..., None]}
