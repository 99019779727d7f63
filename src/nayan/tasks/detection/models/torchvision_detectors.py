"""torchvision's detectors with their weights for COCO: to predict with, to train on from, to compare with.

Papers: Ren et al. (2015), Faster R-CNN, arXiv:1506.01497, on feature pyramids, Lin et al. (2016),
arXiv:1612.03144, its second version after Li et al. (2021), arXiv:2111.11429; Lin et al. (2017), RetinaNet,
arXiv:1708.02002, its second version after Zhang et al. (2019), ATSS, arXiv:1912.02424; Tian et al. (2019),
FCOS, arXiv:1904.01355; Liu et al. (2015), SSD, arXiv:1512.02325; Sandler et al. (2018), SSDlite,
arXiv:1801.04381, on MobileNetV3.

Layers, anchors, losses and the names of the weights are torchvision's. Ours is what is around them:

    pixels (B, 3, H, W)
      backbone  Normalise, stages of the network       maps by name
      neck      feature pyramid (none in SSD)          maps by name
      head      see `torchvision_heads`                AnchorsRaw or RegionsRaw
      deploy    (B, N, 4) or (B, N, classes, 4) boxes and (B, N, classes) scores of our labels

What differs from torchvision, and why:
- No resizing inside: `Preprocess` does that, alike in training and in every runtime. SSD's pictures are
  stretched to 300 or 320 px as there; the others are letterboxed to a square where torchvision has 800 by up
  to 1333 px.
- Candidates are given out before thresholds and NMS, as many for every picture.
- Columns of outputs that are no class (the background, ids that COCO left out) are dropped.
- Batch normalisation is trained; `frozen_norm=True` keeps its statistics as torchvision does, which is better
  for fine-tuning with a few pictures a batch. Two published networks had no epsilon in it (Faster R-CNN and
  RetinaNet on ResNet-50, first versions); ours have 1e-5.
- Its running statistics take a tenth of each batch, as elsewhere; in the two on MobileNetV3 it was 0.03 and
  0.01. That is enough for hundreds of thousands of steps, but after some hundred they are still those of the
  random start, and a network that has learnt everything finds nothing once it is evaluated.

Reference numbers: docs/models/torchvision_detectors.md.
"""

# B pictures, C classes, K columns of torchvision's classes

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

import torch
import torchvision
from torch import Tensor, nn

from nayan.core.errors import ConfigError, NotFound
from nayan.core.types import Size
from nayan.parts.assignment import Assignment
from nayan.parts.backbone import Published
from nayan.parts.normalise import Normalise
from nayan.tasks.detection.coco_classes import COCO_CLASSES, COCO_IDS, COCO_OUTPUTS
from nayan.tasks.detection.models.torchvision_heads import (
    AnchorHead,
    AnchorsRaw,
    FcosHead,
    RetinaHead,
    SsdHead,
)
from nayan.tasks.detection.models.torchvision_maps import Maps
from nayan.tasks.detection.models.torchvision_regions import RcnnHead, RegionsRaw
from nayan.tasks.detection.network import Targets

Raw = AnchorsRaw | RegionsRaw

NORM_MOMENTUM = 0.1
"""Share of a batch in the running statistics of batch normalisation."""

LEAST_SIDE = {"ssd300_vgg16": 268}
"""Pixels: the layers of SSD300 that do not pad use up a smaller picture before the last map. Others pad."""

HEADS: dict[str, type[AnchorHead] | type[RcnnHead]] = {
    "fasterrcnn_resnet50_fpn": RcnnHead,
    "fasterrcnn_resnet50_fpn_v2": RcnnHead,
    "fasterrcnn_mobilenet_v3_large_320_fpn": RcnnHead,
    "retinanet_resnet50_fpn": RetinaHead,
    "retinanet_resnet50_fpn_v2": RetinaHead,
    "fcos_resnet50_fpn": FcosHead,
    "ssd300_vgg16": SsdHead,
    "ssdlite320_mobilenet_v3_large": SsdHead,
}

CLASS_LAYERS = (
    "roi_heads.box_predictor.",
    "head.classification_head.cls_logits.",
    "head.classification_head.module_list.",
)
"""Where the number of classes decides over shapes: what cannot be filled there starts anew."""


class Body(nn.Module):
    """The first stage: from pixels to the maps of a network.

    Args:
        normalise: the first layer.
        layers: from normalised pictures to maps by name.
    """

    def __init__(self, normalise: Normalise, layers: nn.Module) -> None:
        super().__init__()
        self.normalise = normalise
        self.layers = layers

    def forward(self, images: Tensor) -> Maps:
        """Return the maps of (B, 3, H, W) pixels in [0, 255]."""
        normalised = self.normalise(images)
        return Maps(self.layers(normalised), normalised)


class Neck(nn.Module):
    """The second stage: a feature pyramid."""

    def __init__(self, layers: nn.Module) -> None:
        super().__init__()
        self.layers = layers

    def forward(self, maps: Maps) -> Maps:
        """Return as many maps with equal channels, and coarser ones."""
        found: OrderedDict[str, Tensor] = self.layers(maps.found)
        return Maps(found, maps.images)


class TorchvisionDetector(nn.Module):
    """A detector of torchvision behind the doors of `nayan.tasks.detection.network.Detector`.

    Args:
        model: of torchvision; its `transform` is not used.
        head: of the family.
        columns: for each class its column in the model's outputs.
        normalise: the first layer.
        published: how the world knows the weights.
        frozen_norm: keep the statistics of batch normalisation while training.
    """

    columns: Tensor

    def __init__(
        self,
        model: Any,
        *,
        head: AnchorHead | RcnnHead,
        columns: Sequence[int],
        normalise: Normalise,
        published: Published,
        frozen_norm: bool = False,
    ) -> None:
        super().__init__()
        self.normalise = normalise
        self.model = model
        self.published = published
        self.class_layers = CLASS_LAYERS
        self.frozen_norm = frozen_norm
        self.register_buffer("columns", torch.tensor(columns))
        pyramid = hasattr(model.backbone, "fpn")
        body = Body(normalise, model.backbone.body if pyramid else model.backbone)
        necks = (("neck", Neck(model.backbone.fpn)),) if pyramid else ()
        # in a tuple, so that no parameter has two names
        self._head = (head,)
        self._stages = (("backbone", body), *necks, ("head", head))

    def forward(self, images: Tensor, targets: Targets | None = None) -> Raw:
        """Return what the head says of (B, 3, H, W) pixels; `targets` choose what Faster R-CNN looks at."""
        x: Any = images
        for _, stage in self._stages[:-1]:
            x = stage(x)
        raw: Raw = self._head[0](x, None if targets is None else self._in_columns(targets))
        return raw

    def losses(self, raw: Any, targets: Targets) -> dict[str, Tensor]:
        """Return {"class", "box"} and what else the family has: "centerness"; "rpn_objectness", "rpn_box"."""
        return self._head[0].losses(raw, self._in_columns(targets))

    def assign(self, raw: Any, targets: Targets) -> Assignment:
        """Return which object each anchor or point has to find."""
        return self._head[0].assign(raw, targets)

    def deploy(self, raw: Any) -> dict[str, Tensor]:
        """Return {"boxes": (B, N, 4) or (B, N, C, 4) in pixels of the input, "scores": (B, N, C)}."""
        found = self._head[0].deploy(raw)
        boxes, scores = found["boxes"], found["scores"].index_select(2, self.columns)
        if boxes.ndim == 4:
            boxes = boxes.index_select(2, self.columns)
        return {"boxes": boxes, "scores": scores}

    def stages(self) -> list[tuple[str, nn.Module]]:
        """Return the named steps whose chain is `forward`; the last one is ("head", ...)."""
        return list(self._stages)

    def train(self, mode: bool = True) -> TorchvisionDetector:
        """Switch to training or evaluation; frozen batch normalisation stays in evaluation."""
        super().train(mode)
        if self.frozen_norm:
            for module in self.model.modules():
                if isinstance(module, nn.BatchNorm2d):
                    module.eval()
        return self

    def _in_columns(self, targets: Targets) -> Targets:
        """Return the targets with torchvision's labels."""
        labels = torch.where(targets.valid, self.columns[targets.labels.clamp(min=0)], -1)
        return Targets(targets.boxes, labels)


class TorchvisionTwoStage(TorchvisionDetector):
    """Faster R-CNN, whose proposals can be looked at too."""

    def assign_proposals(self, raw: RegionsRaw, targets: Targets) -> Assignment:
        """Return which object each region that the second stage looked at has to find."""
        found: Assignment = self._stages[-1][1].assign_proposals(raw, targets)
        return found

    def proposed(self, raw: RegionsRaw) -> tuple[Tensor, Tensor]:
        """Return what went into the NMS of the proposals: (B, n, 4) xyxy and their (B, n) scores."""
        found: tuple[Tensor, Tensor] = self._stages[-1][1].proposed(raw)
        return found


def torchvision_detector(
    classes: Sequence[str],
    *,
    architecture: str,
    channels: int = 3,
    size: Size = (640, 640),
    mean: Sequence[float],
    std: Sequence[float],
    dropout: float = 0.0,  # noqa: ARG001  every builder takes it; these networks have no layer for it
    frozen_norm: bool = False,
) -> TorchvisionDetector:
    """Build a detector of torchvision with fresh weights.

    For exactly the 80 classes of COCO the outputs are those of the published weights, which then fit whole;
    for other classes the layers that tell them apart are made for these.

    Args:
        classes: names.
        architecture: as torchvision calls it, such as "retinanet_resnet50_fpn".
        channels: 3.
        size: (height, width) of the input.
        mean: of each channel, in [0, 1].
        std: of each channel.
        dropout: not used.
        frozen_norm: keep the statistics of batch normalisation while training: for training on from published
            weights.

    Raises:
        NotFound: for an architecture that is not in `HEADS`.
        ConfigError: for gray pictures, or too small ones.

    >>> network = torchvision_detector(["cat"], architecture="ssdlite320_mobilenet_v3_large", mean=(0.5,) * 3,
    ...     std=(0.5,) * 3)
    >>> [name for name, _ in network.stages()]
    ['backbone', 'head']
    """
    if architecture not in HEADS:
        raise NotFound("model", architecture, HEADS)
    if channels != 3:
        raise ConfigError(f"{architecture} takes pictures of 3 channels, got {channels}")
    least = LEAST_SIDE.get(architecture, 32)
    if min(size) < least:
        raise ConfigError(
            f"{architecture} needs pictures of at least {least} px, got {size[0]}x{size[1]}",
            hint=f"use --imgsz {least} or more",
        )
    head = HEADS[architecture]
    as_published = tuple(classes) == COCO_CLASSES
    columns = COCO_IDS if as_published else tuple(range(head.first, head.first + len(classes)))
    outputs = COCO_OUTPUTS if as_published else head.first + len(classes)
    model = torchvision.models.get_model(
        architecture, weights=None, weights_backbone=None, num_classes=outputs
    )
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = NORM_MOMENTUM
    kind = TorchvisionTwoStage if head is RcnnHead else TorchvisionDetector
    return kind(
        model,
        head=head(model),
        columns=columns,
        normalise=Normalise(mean, std),
        published=Published(architecture, "torchvision"),
        frozen_norm=frozen_norm,
    )
