"""R-CNN: proposals from elsewhere, and a network that looks at each of them by itself.

Paper: Girshick, Donahue, Darrell, Malik, "Rich feature hierarchies for accurate object detection and
semantic segmentation", 2013, arXiv:1311.2524.

Selective search proposes boxes. Each is cut out with a little of its surroundings, warped to one size
whatever its shape, and classified by a network that was trained on whole pictures; a regression moves its
edges. Nothing is shared between proposals that overlap: this is what makes it slow, and what Fast R-CNN
mends.

    pixels (B, 3, h, w) ── Normalise ──┐
    proposals (B, P, 4) ───────────────┴── warp ── (B * P, 3, 64, 64) ── backbone ── (B * P, D, 2, 2)
                                                classes (B, P, C + 1) ─┬─ linear 256 ─┘
                                                boxes (B, P, C, 4) ────┘

Differs from the paper: the network is trained once, with the loss of Fast R-CNN, instead of in three
steps with support vector machines at the end; crops have 64 px, not 227, so that a CPU can follow; the
warp samples four points a pixel and can be exported.
"""

# B pictures, P proposals, C classes, M objects (padded), D channels

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from nayan.core.errors import ConfigError
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
from nayan.parts.roi import roi_align
from nayan.tasks.detection.network import Targets

STRIDE = 32
CONTEXT = 16 / 227  # of a crop's side, on each side of the proposal: section 2.1 and appendix A
HIDDEN = 256


class Rcnn(nn.Module):
    """The network; see the head of this file.

    Args:
        backbone: with one map at stride 32.
        num_classes: C.
        crop: side in pixels to which proposals are warped, a multiple of 32.
        sampled: proposals a picture that a training step looks at.
        normalise: the first layer.
        dropout: of the head.
    """

    def __init__(
        self,
        backbone: Pyramid,
        num_classes: int,
        *,
        crop: int,
        sampled: int,
        normalise: Normalise,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.normalise = normalise
        self.backbone = backbone
        self.crop = crop
        self.sampled = sampled
        values = backbone.channels[0] * (crop // STRIDE) ** 2
        self.head = RegionHead(values, num_classes, hidden=(HIDDEN,), dropout=dropout)

    def forward(self, images: Tensor, targets: Targets | None = None, *, proposals: Tensor) -> Regions:
        """Return what is said about each proposal.

        Args:
            images: (B, channels, h, w) pixels.
            targets: where given, a sample of the proposals and of the objects themselves is looked at.
            proposals: (B, P, 4) xyxy in pixels of the input; rows of zeros are padding.
        """
        boxes, present = proposals, (proposals[..., 2:] > proposals[..., :2]).all(dim=-1)
        if targets is not None:
            boxes, present = sample_regions(
                proposals, present=present, boxes=targets.boxes, valid=targets.valid, count=self.sampled
            )
        crops = roi_align(self.normalise(images), with_context(boxes), size=self.crop, stride=1)
        (features,) = self.backbone(crops.flatten(0, 1))  # (B*P, 3, S, S) -> (B*P, D, S/32, S/32)
        by_picture = features.reshape(boxes.shape[0], boxes.shape[1], -1)
        logits, deltas = self.head(by_picture)
        return Regions(boxes, present, logits, deltas, (int(images.shape[2]), int(images.shape[3])))

    def assign(self, raw: Regions, targets: Targets) -> Assignment:
        """Return which object each proposal that was looked at has to find."""
        return match_regions(raw, targets.boxes, valid=targets.valid)

    def losses(self, raw: Regions, targets: Targets) -> dict[str, Tensor]:
        """Return {"class", "box"} of the proposals that were looked at."""
        found = self.assign(raw, targets)
        return region_losses(raw, found, boxes=targets.boxes, labels=targets.labels)

    def deploy(self, raw: Regions) -> dict[str, Tensor]:
        """Return {"boxes": (B, P, C, 4) in input pixels, "scores": (B, P, C)}."""
        return region_detections(raw)

    def stages(self) -> list[tuple[str, nn.Module]]:
        """Return the backbone's stages, the normalisation with the first, and the head."""
        return [*self.backbone.stages_after(self.normalise), ("head", self.head)]


def with_context(boxes: Tensor) -> Tensor:
    """Return boxes that, warped to 227 px, show 16 px around the ones that are given: (..., 4) -> (..., 4).

    >>> with_context(torch.tensor([100., 100, 295, 295]))
    tensor([ 84.,  84., 311., 311.])
    """
    margin = (boxes[..., 2:] - boxes[..., :2]) * (CONTEXT / (1 - 2 * CONTEXT))
    return torch.cat((boxes[..., :2] - margin, boxes[..., 2:] + margin), dim=-1)


def rcnn(
    classes: Sequence[str],
    *,
    backbone: str = "mobilenetv2_100",
    crop: int = 64,
    sampled: int = 32,
    channels: int = 3,
    size: Size = (320, 320),
    mean: Sequence[float] = (0.485, 0.456, 0.406),
    std: Sequence[float] = (0.229, 0.224, 0.225),
    dropout: float = 0.0,
) -> Rcnn:
    """Return an R-CNN with fresh weights; its `forward` needs `proposals`.

    Args:
        classes: their names.
        backbone: of timm, with a map at stride 32.
        crop: side in pixels to which proposals are warped, a multiple of 32.
        sampled: proposals a picture that a training step looks at.
        channels: 1 or 3, of a picture.
        size: (height, width) of the input; any, since only crops are looked at.
        mean: of each channel, in [0, 1].
        std: of each channel.
        dropout: before the last layers.

    Raises:
        NotFound: an unknown backbone.
        ConfigError: a backbone without a map at stride 32, or another crop.

    >>> network = rcnn(["cat", "dog"], backbone="resnet18", crop=32)
    >>> network(torch.zeros(2, 3, 64, 64), proposals=torch.rand(2, 5, 4) * 64).logits.shape
    torch.Size([2, 5, 3])
    """
    if crop < STRIDE or crop % STRIDE or min(size) < 1:
        raise ConfigError(f"crops are multiples of {STRIDE} px, got {crop}", hint="such as crop=64")
    body = build_pyramid(backbone, channels=channels, size=(crop, crop), strides=(STRIDE,))
    normalise = Normalise.for_channels(mean, std, channels=channels)
    return Rcnn(body, len(classes), crop=crop, sampled=sampled, normalise=normalise, dropout=dropout)
