"""The two stages of torchvision's Faster R-CNN behind our doors: raw outputs first, then losses or boxes.

As in `torchvision_heads`, its own modules are asked one after the other.
"""

# B pictures, N anchors, R regions, K columns of torchvision's classes, M objects, D channels

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
import torchvision
from torch import Tensor, nn

from nayan.parts.assignment import IGNORED, Assignment
from nayan.parts.box_coder import PLAIN, SECOND_STAGE, decode, encode
from nayan.parts.matcher import match_by_iou
from nayan.parts.nms import nms_mask
from nayan.parts.roi import roi_levels
from nayan.parts.sampler import sample_balanced
from nayan.tasks.detection.models.torchvision_maps import (
    Maps,
    best_places,
    clip_to_input,
    take_rows,
)
from nayan.tasks.detection.network import Targets

LEAST_SIDE = 1e-3  # px; smaller proposals are dropped
SMOOTH = 1 / 9  # where the smooth L1 loss of Faster R-CNN turns from square to linear


@dataclass(slots=True, eq=False)
class RegionsRaw:
    """What both stages of Faster R-CNN say.

    Attributes:
        objectness: (B, N) logits of the anchors.
        proposed: (B, N, 4) deltas of the anchors.
        anchors: (N, 4) xyxy in pixels of the input.
        levels: how many anchors each level has.
        regions: (B, R, 4) xyxy, which the second stage looked at; zeros where there were too few.
        present: (B, R) bool, where there is a region.
        logits: (B, R, K) of the regions, the background first.
        deltas: (B, R, K, 4) of the regions, one box a class.
        size: (2,) width and height of the input.
    """

    objectness: Tensor
    proposed: Tensor
    anchors: Tensor
    levels: tuple[int, ...]
    regions: Tensor
    present: Tensor
    logits: Tensor
    deltas: Tensor
    size: Tensor


class RcnnHead(nn.Module):
    """Faster R-CNN: proposals from a network of its own, then a class and a box for each.

    Ren et al. (2015), arXiv:1506.01497. Proposals, matching and sampling are our words, in a form with as
    many regions for every picture, which can be exported; layers and numbers are torchvision's.

    Args:
        model: the whole torchvision network, of which this uses RPN and RoI heads.
    """

    first = 1

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.rpn: Any = model.rpn
        self.roi: Any = model.roi_heads

    def forward(self, maps: Maps, targets: Targets | None = None) -> RegionsRaw:
        """Return what both stages say; with `targets`, about regions drawn for learning from them."""
        features = list(maps.found.values())
        objectness, proposed = _flat(*self.rpn.head(features))  # (B, N), (B, N, 4)
        anchors, levels = maps.anchors(self.rpn.anchor_generator)
        size = anchors.new_tensor(maps.size[::-1])
        regions, present = self._propose(objectness.detach(), proposed.detach(), anchors, levels, size)
        if targets is not None:
            regions, present = self._draw(regions, present, targets)
        pooled = _pool(maps, regions, self.roi.box_roi_pool)  # (B*R, D, S, S)
        logits, deltas = self.roi.box_predictor(self.roi.box_head(pooled))
        shape = (regions.shape[0], regions.shape[1], -1)
        logits = logits.reshape(shape)
        boxes = deltas.reshape(*shape, 4)
        return RegionsRaw(objectness, proposed, anchors, levels, regions, present, logits, boxes, size)

    def proposed(self, raw: RegionsRaw) -> tuple[Tensor, Tensor]:
        """Return the moved anchors that went into the NMS: (B, n, 4) xyxy and their (B, n) scores."""
        levels = self._leading(raw.objectness, raw.proposed, raw.anchors, raw.levels, raw.size)
        boxes = torch.cat([boxes for boxes, _, _ in levels], 1)
        chances = torch.cat([chances * large for _, chances, large in levels], 1)
        return boxes, chances

    def _leading(
        self, objectness: Tensor, proposed: Tensor, anchors: Tensor, levels: tuple[int, ...], size: Tensor
    ) -> list[tuple[Tensor, Tensor, Tensor]]:
        """Return of each level the best anchors, moved: (B, n, 4), (B, n) chances, (B, n) large enough."""
        boxes = clip_to_input(decode(proposed.float(), anchors, weights=PLAIN), size)
        chances = objectness.float().sigmoid()
        large = (boxes[..., 2:] - boxes[..., :2] >= LEAST_SIDE).all(-1)
        found, start = [], 0
        for count in levels:
            best = best_places(chances[:, start : start + count], self.rpn.pre_nms_top_n()) + start
            found.append((take_rows(boxes, best), chances.gather(1, best), large.gather(1, best)))
            start += count
        return found

    def _propose(
        self, objectness: Tensor, proposed: Tensor, anchors: Tensor, levels: tuple[int, ...], size: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return (B, R, 4) regions and (B, R) where there are any: the best of each level after NMS."""
        found_boxes, found_chances = [], []
        for near, chance, large in self._leading(objectness, proposed, anchors, levels, size):
            kept = nms_mask(near, chance, iou=self.rpn.nms_thresh) & large
            found_boxes.append(near)
            found_chances.append(torch.where(kept, chance, -1.0))
        every, chance = torch.cat(found_boxes, 1), torch.cat(found_chances, 1)
        best = best_places(chance, self.rpn.post_nms_top_n())
        nobody = chance.shape[1]  # those that are not there go last: which of them are taken is arbitrary
        best = torch.where(chance.gather(1, best) >= 0, best, nobody).sort(1).values
        present = best < nobody
        return take_rows(every, best.clamp(max=nobody - 1)) * present[..., None], present

    def _draw(self, regions: Tensor, present: Tensor, targets: Targets) -> tuple[Tensor, Tensor]:
        """Return the regions that are learnt from: some near objects, the objects themselves, and others."""
        regions = torch.cat((regions, targets.boxes.to(regions.dtype)), 1)
        present = torch.cat((present, targets.valid), 1)
        drawn = self._sample(self._match(regions, present, targets))
        count = min(self.roi.fg_bg_sampler.batch_size_per_image, regions.shape[1])
        taken = drawn.float().topk(count, 1)
        present = taken.values > 0
        return take_rows(regions, taken.indices) * present[..., None], present

    def _match(self, regions: Tensor, present: Tensor, targets: Targets) -> Assignment:
        matcher = self.roi.proposal_matcher
        found = match_by_iou(
            regions,
            targets.boxes,
            valid=targets.valid,
            positive=matcher.high_threshold,
            negative=matcher.low_threshold,
        )
        return Assignment(found.matched.masked_fill(~present, IGNORED), found.weight * present)

    def _sample(self, assignment: Assignment) -> Tensor:
        sampler = self.roi.fg_bg_sampler
        return sample_balanced(
            assignment, count=sampler.batch_size_per_image, positive_share=sampler.positive_fraction
        )

    def assign(self, raw: RegionsRaw, targets: Targets) -> Assignment:
        """Return which object each anchor has to find; every object has at least one."""
        matcher = self.rpn.proposal_matcher
        return match_by_iou(
            raw.anchors,
            targets.boxes,
            valid=targets.valid,
            positive=matcher.high_threshold,
            negative=matcher.low_threshold,
            force_best=True,
        )

    def assign_proposals(self, raw: RegionsRaw, targets: Targets) -> Assignment:
        """Return which object each region that the second stage looked at has to find."""
        return self._match(raw.regions, raw.present, targets)

    def losses(self, raw: RegionsRaw, targets: Targets) -> dict[str, Tensor]:
        """Return {"rpn_objectness", "rpn_box", "class", "box"}; labels are torchvision's columns."""
        return {**self._rpn_losses(raw, targets), **self._roi_losses(raw, targets)}

    def _rpn_losses(self, raw: RegionsRaw, targets: Targets) -> dict[str, Tensor]:
        assignment, sampler = self.assign(raw, targets), self.rpn.fg_bg_sampler
        drawn = sample_balanced(
            assignment, count=sampler.batch_size_per_image, positive_share=sampler.positive_fraction
        )
        wanted = assignment.positive[drawn].float()
        objectness = F.binary_cross_entropy_with_logits(
            raw.objectness.float()[drawn], wanted, reduction="sum"
        )
        picture, row = (drawn & assignment.positive).nonzero(as_tuple=True)
        truth = targets.boxes[picture, assignment.matched[picture, row]]
        deltas = encode(truth, raw.anchors[row], weights=PLAIN)
        box = F.smooth_l1_loss(raw.proposed.float()[picture, row], deltas, beta=SMOOTH, reduction="sum")
        total = drawn.sum().clamp(min=1)
        return {"rpn_objectness": objectness / total, "rpn_box": box / total}

    def _roi_losses(self, raw: RegionsRaw, targets: Targets) -> dict[str, Tensor]:
        assignment = self.assign_proposals(raw, targets)
        drawn = self._sample(assignment)  # of regions that were drawn already, all
        picture, row = drawn.nonzero(as_tuple=True)
        item = assignment.matched[picture, row]
        positive = item >= 0
        labels = torch.zeros_like(item)
        labels[positive] = targets.labels[picture[positive], item[positive]]
        kind = F.cross_entropy(raw.logits.float()[picture, row], labels, reduction="sum")
        picture, row, item, labels = picture[positive], row[positive], item[positive], labels[positive]
        wanted = encode(targets.boxes[picture, item], raw.regions[picture, row], weights=SECOND_STAGE)
        given = raw.deltas.float()[picture, row, labels]
        box = F.smooth_l1_loss(given, wanted, beta=SMOOTH, reduction="sum")
        total = drawn.sum().clamp(min=1)
        return {"class": kind / total, "box": box / total}

    def deploy(self, raw: RegionsRaw) -> dict[str, Tensor]:
        """Return {"boxes": (B, R, K, 4), "scores": (B, R, K)}; a region that is not there has scores of 0."""
        boxes = decode(raw.deltas.float(), raw.regions[:, :, None], weights=SECOND_STAGE)
        scores = raw.logits.float().softmax(-1) * raw.present[..., None]
        return {"boxes": clip_to_input(boxes, raw.size), "scores": scores}


def _flat(objectness: list[Tensor], deltas: list[Tensor]) -> tuple[Tensor, Tensor]:
    """Return (B, N) and (B, N, 4) of maps (B, A, h, w) and (B, A * 4, h, w), in the order of the anchors."""
    scores = [x.permute(0, 2, 3, 1).flatten(1) for x in objectness]
    boxes = [x.permute(0, 2, 3, 1).reshape(x.shape[0], -1, 4) for x in deltas]
    return torch.cat(scores, 1), torch.cat(boxes, 1)


def _pool(maps: Maps, regions: Tensor, pooler: Any) -> Tensor:
    """Return (B*R, D, S, S): each region on the map that suits its size, as torchvision's weights expect it.

    They come from a time when RoIAlign took cells for points (`aligned=False`), which `parts.roi` does not.
    """
    features = [x for name, x in maps.found.items() if name in pooler.featmap_names]
    by_stride = {2 ** round(math.log2(maps.size[1] / int(x.shape[3]))): x for x in reversed(features)}
    strides = sorted(by_stride)  # of two maps with one stride (MobileNet) torchvision uses the first
    picture = torch.ones_like(regions[..., :1]).cumsum(0) - 1  # traced for any B, unlike arange(len(regions))
    rows = torch.cat((picture, regions), 2).float().reshape(-1, 5)  # (B, R, 5) -> (B*R, 5)
    levels = roi_levels(regions, strides).flatten()
    members = [(levels == level).nonzero()[:, 0] for level in range(len(strides))]
    pooled = [
        torchvision.ops.roi_align(
            by_stride[stride].float(),
            rows[index],
            pooler.output_size,
            1 / stride,
            sampling_ratio=pooler.sampling_ratio,
        )
        for index, stride in zip(members, strides, strict=True)
    ]
    order = torch.cat(members)  # where each row of `pooled` belongs
    place = torch.zeros_like(order).scatter(0, order, torch.ones_like(order).cumsum(0) - 1)
    found: Tensor = torch.cat(pooled)[place].to(features[0].dtype)
    return found
