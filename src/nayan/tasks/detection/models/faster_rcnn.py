"""Faster R-CNN: the network proposes by itself; on request from a feature pyramid.

Papers: Ren, He, Girshick, Sun, "Faster R-CNN: towards real-time object detection with region proposal
networks", 2015, arXiv:1506.01497; Lin et al., "Feature pyramid networks for object detection", 2016,
arXiv:1612.03144.

Once the backbone is shared, selective search is what takes longest. A small network on the same map looks
at boxes of given shapes around every cell, the anchors, and says which of them hold something; its best
answers are the proposals of a Fast R-CNN. With a pyramid, small objects are looked for, and looked at, in
finer maps.

    pixels (B, 3, h, w) ── Normalise ── backbone ── map at stride 16            fpn=False
                                             └──── maps at 8, 16, 32 ── pyramid at 8, 16, 32, 64      fpn=True
    maps ── RPN ── objectness, deltas of N anchors ── best, NMS ── proposals (B, P, 4)
    maps, proposals ── RoI align (B, P, D, 7, 7) ── linear 256, linear 256 ─┬─ classes (B, P, C + 1)
                                                                            └─ boxes (B, P, C, 4)

Differs from the papers: everything is trained at once, not in four steps; RoI align instead of pooling;
anchors are made for inputs of 320 px, where theirs had 600 to 1000; proposals, hidden layers and the
pyramid are smaller, so that a CPU can follow; NMS goes over all levels together.
"""

# B pictures, P proposals, N anchors, C classes, M objects (padded), D channels

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from nayan.core.types import Size
from nayan.parts.anchors import anchor_shapes, anchors_on_grid
from nayan.parts.assignment import Assignment
from nayan.parts.fpn import FeaturePyramid
from nayan.parts.normalise import Normalise
from nayan.parts.pyramid import Pyramid, build_pyramid
from nayan.parts.regions import (
    RegionHead,
    Regions,
    match_regions,
    region_detections,
    region_losses,
    sample_regions,
)
from nayan.parts.roi import multi_level_roi_align
from nayan.parts.rpn import (
    RegionProposalNetwork,
    best_proposals,
    leading_anchors,
    match_anchors,
    proposal_losses,
)
from nayan.tasks.detection.network import Targets

CELLS = 7
LEADING = 3  # times as many anchors of each level go into the NMS as proposals come out of it
HIDDEN = 256
PYRAMID_CHANNELS = 128
RATIOS = (0.5, 1.0, 2.0)  # height / width of the anchors: section 3.1.1
SINGLE = (32, 64, 128, 256)  # px, sides of the square anchors on one map
PER_STRIDE = 4  # side of a pyramid's square anchors in cells of their map: 32, 64, 128 and 256 px


@dataclass(slots=True, eq=False)  # not frozen: Fabric casts the fields of what a network returns
class FasterRcnnRaw:
    """What both stages say.

    Attributes:
        regions: the second stage about the proposals, or about a sample of them while it learns.
        objectness: (B, N) logits of the anchors, the finest level first.
        moves: (B, N, 4) deltas of the anchors.
        anchors: (N, 4) xyxy in pixels of the input.
        levels: how many anchors each level has.
        proposals: (B, P, 4) xyxy, the best first; zeros where there are too few.
        proposal_scores: (B, P) in [0, 1]; 0 where there is none.
    """

    regions: Regions
    objectness: Tensor
    moves: Tensor
    anchors: Tensor
    levels: tuple[int, ...]
    proposals: Tensor
    proposal_scores: Tensor


class FasterRcnn(nn.Module):
    """The network; see the head of this file.

    Args:
        backbone: with one map, or with three for a pyramid.
        num_classes: C.
        neck: the pyramid; None to work on the backbone's only map.
        proposals: P, of each picture.
        sampled: proposals a picture that a training step looks at.
        normalise: the first layer.
        dropout: of the head.
    """

    def __init__(
        self,
        backbone: Pyramid,
        num_classes: int,
        *,
        neck: FeaturePyramid | None,
        proposals: int,
        sampled: int,
        normalise: Normalise,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.normalise = normalise
        self.backbone = backbone
        self.neck = neck
        channels = PYRAMID_CHANNELS if neck else backbone.channels[0]
        per_cell = len(RATIOS) * (1 if neck else len(SINGLE))
        self.rpn = RegionProposalNetwork(channels, per_cell)
        self.head = RegionHead(channels * CELLS**2, num_classes, hidden=(HIDDEN, HIDDEN), dropout=dropout)
        self.proposals = proposals
        self.sampled = sampled

    def forward(self, images: Tensor, targets: Targets | None = None) -> FasterRcnnRaw:
        """Return what both stages say.

        Args:
            images: (B, channels, h, w) pixels.
            targets: where given, the second stage looks at a sample of the proposals and of the objects.
        """
        size = (int(images.shape[2]), int(images.shape[3]))
        maps: list[Tensor] = self.backbone(self.normalise(images))
        if self.neck is not None:
            maps = self.neck(maps)
        levels = self.rpn(maps)
        anchors = self._anchors(maps)
        proposals, scores = best_proposals(
            levels, anchors, size=size, before=LEADING * self.proposals, after=self.proposals
        )
        boxes, present = proposals, scores > 0
        if targets is not None:
            boxes, present = sample_regions(
                proposals, present=present, boxes=targets.boxes, valid=targets.valid, count=self.sampled
            )
        strides = self.backbone.strides
        cut = multi_level_roi_align(maps[: len(strides)], boxes, size=CELLS, strides=strides)
        logits, deltas = self.head(cut)
        return FasterRcnnRaw(
            regions=Regions(boxes, present, logits, deltas, size),
            objectness=torch.cat([logits for logits, _ in levels], 1),
            moves=torch.cat([moves for _, moves in levels], 1),
            anchors=torch.cat(anchors),
            levels=tuple(len(level) for level in anchors),
            proposals=proposals,
            proposal_scores=scores,
        )

    def proposed(self, raw: FasterRcnnRaw) -> tuple[Tensor, Tensor]:
        """Return the moved anchors that went into the NMS: (B, K, 4) xyxy and their (B, K) scores."""
        counts = list(raw.levels)
        objectness, moves = torch.split(raw.objectness, counts, 1), torch.split(raw.moves, counts, 1)
        anchors = torch.split(raw.anchors, counts)
        levels = list(zip(objectness, moves, strict=True))
        return leading_anchors(levels, anchors, size=raw.regions.size, before=LEADING * self.proposals)

    def assign(self, raw: FasterRcnnRaw, targets: Targets) -> Assignment:
        """Return which object each anchor has to find."""
        return match_anchors(raw.anchors, targets.boxes, valid=targets.valid)

    def assign_proposals(self, raw: FasterRcnnRaw, targets: Targets) -> Assignment:
        """Return which object each proposal that the second stage looked at has to find."""
        return match_regions(raw.regions, targets.boxes, valid=targets.valid)

    def losses(self, raw: FasterRcnnRaw, targets: Targets) -> dict[str, Tensor]:
        """Return {"rpn_object", "rpn_box", "class", "box"}."""
        first = proposal_losses(
            raw.objectness, raw.moves, anchors=raw.anchors, boxes=targets.boxes, valid=targets.valid
        )
        found = self.assign_proposals(raw, targets)
        second = region_losses(raw.regions, found, boxes=targets.boxes, labels=targets.labels)
        return {**first, **second}

    def deploy(self, raw: FasterRcnnRaw) -> dict[str, Tensor]:
        """Return {"boxes": (B, P, C, 4) in input pixels, "scores": (B, P, C)}."""
        return region_detections(raw.regions)

    def stages(self) -> list[tuple[str, nn.Module]]:
        """Return the backbone's stages, the normalisation with the first, then neck, RPN and head."""
        neck = [] if self.neck is None else [("neck", self.neck)]
        body = self.backbone.stages_after(self.normalise)
        return [*body, *neck, ("rpn", self.rpn), ("head", self.head)]

    def _anchors(self, maps: Sequence[Tensor]) -> list[Tensor]:
        """Return the anchors of each map, (n, 4) in pixels of the input."""
        strides = [self.backbone.strides[0] * 2**level for level in range(len(maps))]
        if self.neck is None:
            shapes = [torch.cat([anchor_shapes(side, RATIOS) for side in SINGLE])]
        else:
            shapes = [anchor_shapes(PER_STRIDE * stride, RATIOS) for stride in strides]
        sizes = [(int(x.shape[2]), int(x.shape[3])) for x in maps]
        return [level.to(maps[0].device) for level in anchors_on_grid(sizes, strides, shapes=shapes)]


def faster_rcnn(
    classes: Sequence[str],
    *,
    backbone: str = "mobilenetv2_100",
    fpn: bool = False,
    proposals: int = 100,
    sampled: int = 64,
    channels: int = 3,
    size: Size = (320, 320),
    mean: Sequence[float] = (0.485, 0.456, 0.406),
    std: Sequence[float] = (0.229, 0.224, 0.225),
    dropout: float = 0.0,
) -> FasterRcnn:
    """Return a Faster R-CNN with fresh weights.

    Args:
        classes: their names.
        backbone: of timm, with a map at stride 16, or at 8, 16 and 32 for a pyramid.
        fpn: whether a feature pyramid stands between.
        proposals: of each picture that the second stage looks at.
        sampled: proposals a picture that a training step looks at.
        channels: 1 or 3, of a picture.
        size: (height, width) of the input.
        mean: of each channel, in [0, 1].
        std: of each channel.
        dropout: after each hidden layer.

    Raises:
        NotFound: an unknown backbone.
        ConfigError: a backbone without these maps, or pictures smaller than a cell of the coarsest.

    >>> network = faster_rcnn(["cat", "dog"], backbone="resnet18", size=(64, 64), proposals=20)
    >>> network.deploy(network(torch.zeros(2, 3, 64, 64)))["boxes"].shape
    torch.Size([2, 20, 2, 4])
    """
    body = build_pyramid(backbone, channels=channels, size=size, strides=(8, 16, 32) if fpn else (16,))
    return FasterRcnn(
        body,
        len(classes),
        neck=FeaturePyramid(body.channels, PYRAMID_CHANNELS) if fpn else None,
        proposals=proposals,
        sampled=sampled,
        normalise=Normalise.for_channels(mean, std, channels=channels),
        dropout=dropout,
    )
