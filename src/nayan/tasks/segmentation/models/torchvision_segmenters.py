"""torchvision's segmenters with their weights for COCO: to train on from, and to compare with.

Papers: Long, Shelhamer, Darrell (2014), FCN, arXiv:1411.4038, here on a dilated ResNet; Chen, Papandreou,
Schroff, Adam (2017), DeepLabV3, arXiv:1706.05587; Howard et al. (2019), MobileNetV3 with LR-ASPP,
arXiv:1905.02244.

Layers and the names of the weights are torchvision's. Ours is what is around them:

    pixels (B, 3, H, W)
      backbone  Normalise, stages of the network       maps by name: "out", "aux" or "low", "high"
      head      classifier, bilinear to (H, W)         SegmentationRaw; "aux" while learning only

The published weights were learnt on pictures of COCO with the 20 classes of Pascal VOC and a background: 21
outputs. For another number of classes the last layers start anew.

What differs from torchvision, and why:
- Outputs are the dataclass of every segmenter, and the auxiliary head is asked only while it is trained.
- Running statistics of batch normalisation take a tenth of each batch everywhere; in the MobileNets it was
  0.01, with which a short training is evaluated with those of the random start.
- The global pooling of DeepLabV3 learns from a batch of one picture too (`parts.lone_norm`).

Reference numbers: docs/models/torchvision_segmenters.md.
"""

# B pictures, K classes, (H, W) size of the input

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch.nn.functional as F
import torchvision
from torch import Tensor, nn

from nayan.core.errors import ConfigError, NotFound
from nayan.core.types import Size
from nayan.parts.backbone import Published
from nayan.parts.lone_norm import learn_from_one
from nayan.parts.normalise import Normalise
from nayan.tasks.segmentation.network import SegmentationRaw

LEAST_SIDE = 32
NORM_MOMENTUM = 0.1
"""Share of a batch in the running statistics of batch normalisation."""

CLASS_LAYERS: dict[str, tuple[str, ...]] = {
    "fcn_resnet50": ("classifier.4.", "aux_classifier.4."),
    "fcn_resnet101": ("classifier.4.", "aux_classifier.4."),
    "deeplabv3_resnet50": ("classifier.4.", "aux_classifier.4."),
    "deeplabv3_resnet101": ("classifier.4.", "aux_classifier.4."),
    "deeplabv3_mobilenet_v3_large": ("classifier.4.", "aux_classifier.4."),
    "lraspp_mobilenet_v3_large": ("classifier.low_classifier.", "classifier.high_classifier."),
}
"""The architectures, and the layers whose shapes the number of classes decides over."""


class Maps(NamedTuple):
    """What goes from the backbone to the head.

    Attributes:
        found: maps by name.
        size: (H, W) of the input.
    """

    found: dict[str, Tensor]
    size: Size


class Body(nn.Module):
    """The first stage: from pixels to the maps of a network."""

    def __init__(self, normalise: Normalise, layers: nn.Module) -> None:
        super().__init__()
        self.normalise = normalise
        self.layers = layers

    def forward(self, images: Tensor) -> Maps:
        """Return the maps of (B, 3, H, W) pixels in [0, 255]."""
        return Maps(self.layers(self.normalise(images)), (images.shape[2], images.shape[3]))


class Head(nn.Module):
    """The last stage: torchvision's classifier, and bilinear interpolation to the size of the input."""

    def __init__(self, classifier: nn.Module, auxiliary: nn.Module | None) -> None:
        super().__init__()
        self.classifier = classifier
        self.auxiliary = auxiliary

    def forward(self, maps: Maps) -> SegmentationRaw:
        """Return the (B, K, H, W) logits."""
        # LR-ASPP looks at two maps, the others at the last one
        seen: Any = maps.found.get("out", maps.found)
        logits = _enlarged(self.classifier(seen), maps.size)
        if self.auxiliary is None or not self.training:
            return SegmentationRaw(logits)
        return SegmentationRaw(logits, _enlarged(self.auxiliary(maps.found["aux"]), maps.size))


def _enlarged(logits: Tensor, size: Size) -> Tensor:
    return F.interpolate(logits, size=size, mode="bilinear", align_corners=False)


class TorchvisionSegmenter(nn.Module):
    """A segmenter of torchvision behind the doors of `nayan.tasks.base.Network`.

    Args:
        model: of torchvision.
        normalise: the first layer.
        published: how the world knows the weights.
    """

    def __init__(self, model: Any, *, normalise: Normalise, published: Published) -> None:
        super().__init__()
        self.normalise = normalise
        self.model = model
        self.published = published
        self.class_layers = CLASS_LAYERS[published.name]
        # in a tuple, so that no parameter has two names
        auxiliary = getattr(model, "aux_classifier", None)
        self._stages = (
            ("backbone", Body(normalise, model.backbone)),
            ("head", Head(model.classifier, auxiliary)),
        )

    def forward(self, images: Tensor, targets: Any = None) -> SegmentationRaw:  # noqa: ARG002
        """Return the logits of (B, 3, H, W) pixels in [0, 255], uint8 or float; `targets` are not needed."""
        x: Any = images
        for _, stage in self._stages:
            x = stage(x)
        raw: SegmentationRaw = x
        return raw

    def deploy(self, raw: SegmentationRaw) -> dict[str, Tensor]:
        """Return {"probabilities": (B, K, H, W)}, softmax over the classes."""
        return {"probabilities": raw.logits.float().softmax(dim=1)}

    def stages(self) -> list[tuple[str, nn.Module]]:
        """Return the named steps whose chain is `forward`; the last one is ("head", ...)."""
        return list(self._stages)

    def train(self, mode: bool = True) -> TorchvisionSegmenter:
        """Switch to training or evaluation, the stages too, which are not registered."""
        super().train(mode)
        for _, stage in self._stages:
            stage.train(mode)
        return self


def torchvision_segmenter(
    classes: Sequence[str],
    *,
    architecture: str,
    channels: int = 3,
    size: Size = (384, 384),
    mean: Sequence[float],
    std: Sequence[float],
    dropout: float = 0.0,
) -> TorchvisionSegmenter:
    """Build a segmenter of torchvision with fresh weights.

    Args:
        classes: names.
        architecture: as torchvision calls it, such as "deeplabv3_resnet50".
        channels: 3.
        size: (height, width) of the input.
        mean: of each channel, in [0, 1].
        std: of each channel.
        dropout: within the classifiers; 0 leaves torchvision's own (0.1, or 0.5 in DeepLabV3's pyramid).

    Raises:
        NotFound: for an architecture that is not in `CLASS_LAYERS`.
        ConfigError: for gray pictures, or too small ones.

    >>> network = torchvision_segmenter(["road", "sky"], architecture="lraspp_mobilenet_v3_large",
    ...     mean=(0.5,) * 3, std=(0.5,) * 3)
    >>> [name for name, _ in network.stages()]
    ['backbone', 'head']
    """
    if architecture not in CLASS_LAYERS:
        raise NotFound("model", architecture, CLASS_LAYERS)
    if channels != 3:
        raise ConfigError(f"{architecture} takes pictures of 3 channels, got {channels}")
    if min(size) < LEAST_SIDE:
        raise ConfigError(
            f"{architecture} needs pictures of at least {LEAST_SIDE} px, got {size[0]}x{size[1]}",
            hint=f"use --imgsz {LEAST_SIDE} or more",
        )
    auxiliary = {} if architecture.startswith("lraspp") else {"aux_loss": True}
    model = torchvision.models.get_model(
        architecture, weights=None, weights_backbone=None, num_classes=len(classes), **auxiliary
    )
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = NORM_MOMENTUM
        if isinstance(module, nn.Dropout) and dropout:
            module.p = dropout
    learn_from_one(model.classifier)
    return TorchvisionSegmenter(
        model, normalise=Normalise(mean, std), published=Published(architecture, "torchvision")
    )
