"""Fast R-CNN: one pass of the backbone for the whole picture, then a look at each proposal in its map.

Paper: Girshick, "Fast R-CNN", 2015, arXiv:1504.08083.

R-CNN runs a network for every proposal, and most of what it computes it computes hundreds of times. Here
the picture goes through the backbone once; RoI pooling cuts a grid of 7 x 7 maxima from the map for each
proposal, and class and box are learnt together, in one step.

    pixels (B, 3, h, w) ── Normalise ── backbone ── map (B, D, h/16, w/16) ──┐
    proposals (B, P, 4) ─────────────────────────────────────────────────────┴── RoI pooling (B, P, D, 7, 7)
                                                       classes (B, P, C + 1) ─┬─ linear 256, linear 256 ─┘
                                                       boxes (B, P, C, 4) ────┘

Differs from the paper: the hidden layers have 256 values instead of 4096, since there is no published
classifier whose weights they could take; pictures have 320 px instead of 600.
"""

# B pictures, P proposals, C classes, M objects (padded), D channels

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from nayan.core.types import Size
from nayan.parts.assignment import Assignment
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
from nayan.parts.roi import roi_pool
from nayan.tasks.detection.network import Targets

STRIDE = 16
CELLS = 7  # along each side of what RoI pooling gives: section 2.1
HIDDEN = 256


class FastRcnn(nn.Module):
    """The network; see the head of this file.

    Args:
        backbone: with one map at stride 16.
        num_classes: C.
        sampled: proposals a picture that a training step looks at.
        normalise: the first layer.
        dropout: of the head.
    """

    def __init__(
        self,
        backbone: Pyramid,
        num_classes: int,
        *,
        sampled: int,
        normalise: Normalise,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.normalise = normalise
        self.backbone = backbone
        self.sampled = sampled
        values = backbone.channels[0] * CELLS**2
        self.head = RegionHead(values, num_classes, hidden=(HIDDEN, HIDDEN), dropout=dropout)

    def forward(self, images: Tensor, targets: Targets | None = None, *, proposals: Tensor) -> Regions:
        """Return what is said about each proposal.

        Args:
            images: (B, channels, h, w) pixels.
            targets: where given, a sample of the proposals and of the objects themselves is looked at.
            proposals: (B, P, 4) xyxy in pixels of the input; rows of zeros are padding.
        """
        (features,) = self.backbone(self.normalise(images))
        boxes, present = proposals, (proposals[..., 2:] > proposals[..., :2]).all(dim=-1)
        if targets is not None:
            boxes, present = sample_regions(
                proposals, present=present, boxes=targets.boxes, valid=targets.valid, count=self.sampled
            )
        logits, deltas = self.head(roi_pool(features, boxes, size=CELLS, stride=STRIDE))
        return Regions(boxes, present, logits, deltas, (int(images.shape[2]), int(images.shape[3])))

    def assign(self, raw: Regions, targets: Targets) -> Assignment:
        """Return which object each proposal that was looked at has to find."""
        return match_regions(raw, targets.boxes, valid=targets.valid)

    def losses(self, raw: Regions, targets: Targets) -> dict[str, Tensor]:
        """Return {"class", "box"} of the proposals that were looked at: eq. 1."""
        found = self.assign(raw, targets)
        return region_losses(raw, found, boxes=targets.boxes, labels=targets.labels)

    def deploy(self, raw: Regions) -> dict[str, Tensor]:
        """Return {"boxes": (B, P, C, 4) in input pixels, "scores": (B, P, C)}."""
        return region_detections(raw)

    def stages(self) -> list[tuple[str, nn.Module]]:
        """Return the backbone's stages, the normalisation with the first, and the head."""
        return [*self.backbone.stages_after(self.normalise), ("head", self.head)]


def fast_rcnn(
    classes: Sequence[str],
    *,
    backbone: str = "mobilenetv2_100",
    sampled: int = 64,
    channels: int = 3,
    size: Size = (320, 320),
    mean: Sequence[float] = (0.485, 0.456, 0.406),
    std: Sequence[float] = (0.229, 0.224, 0.225),
    dropout: float = 0.0,
) -> FastRcnn:
    """Return a Fast R-CNN with fresh weights; its `forward` needs `proposals`.

    Args:
        classes: their names.
        backbone: of timm, with a map at stride 16.
        sampled: proposals a picture that a training step looks at; section 2.3 has 64.
        channels: 1 or 3, of a picture.
        size: (height, width) of the input.
        mean: of each channel, in [0, 1].
        std: of each channel.
        dropout: after each hidden layer.

    Raises:
        NotFound: an unknown backbone.
        ConfigError: a backbone without a map at stride 16, or pictures smaller than one of its cells.

    >>> import torch
    >>> network = fast_rcnn(["cat", "dog"], backbone="resnet18", size=(64, 64))
    >>> network(torch.zeros(2, 3, 64, 64), proposals=torch.rand(2, 5, 4) * 64).logits.shape
    torch.Size([2, 5, 3])
    """
    body = build_pyramid(backbone, channels=channels, size=size, strides=(STRIDE,))
    normalise = Normalise.for_channels(mean, std, channels=channels)
    return FastRcnn(body, len(classes), sampled=sampled, normalise=normalise, dropout=dropout)
