"""Any published backbone with a head of one's own: transfer learning in one builder.

Paper: Yosinski, Clune, Bengio, Lipson, "How transferable are features in deep neural networks?", 2014,
arXiv:1411.1792; Donahue et al., "DeCAF", 2013, arXiv:1310.1531.

What a network learnt on ImageNet (edges, textures, parts) is of use for other pictures. Only the last
layer speaks of its 1000 classes, and it is replaced.

    pixels (B, C, h, w)
      stem     Normalise, first layers        (B, ., h/2 or h/4, .)
      ...      the backbone's stages          (B, D', h/32, w/32)
      pool     the backbone's own pooling     (B, D)               head="pool", "published"
      head     dropout, linear                (B, classes)

head="pool": whatever the published network does between its last map and its last layer (mostly a
global average; a normalisation or a small convolution in some), then dropout and a linear layer. AlexNet
and VGG lose their two hidden layers of 4096 this way, which are most of their parameters.
head="flatten": no pooling; the linear layer sees every cell of the last map, and the size is fixed.
head="paper": the published classifier, its hidden layers included.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, get_args

from torch import nn

from nayan.core.errors import ConfigError, NotFound
from nayan.core.types import Size
from nayan.parts.backbone import Backbone, build_backbone
from nayan.parts.heads import ConvHead, LinearHead
from nayan.parts.minimum_size import check_size, output_shape
from nayan.parts.normalise import Normalise
from nayan.tasks.classification.network import Classifier

HeadName = Literal["pool", "flatten", "paper"]


def build(
    classes: Sequence[str],
    *,
    backbone: str,
    channels: int = 3,
    head: HeadName = "pool",
    size: Size | None = None,
    dropout: float = 0.2,
    mean: Sequence[float] = (0.485, 0.456, 0.406),
    std: Sequence[float] = (0.229, 0.224, 0.225),
    pad_type: str = "",
) -> Classifier:
    """Return a classifier with fresh weights on a backbone known to timm or torchvision.

    Args:
        classes: their names.
        backbone: such as "resnet18" or "resnet50.a1_in1k".
        channels: 1 or 3, of a picture.
        head: see the module.
        size: (height, width) of the pictures; needed by "flatten" and by networks made for one size.
        dropout: before the last layer, and between the hidden ones of "paper".
        mean: of each channel, in [0, 1].
        std: of each channel.
        pad_type: "same" for weights that come from TensorFlow; see `build_backbone`.

    Raises:
        NotFound: unknown backbone or head.
        ConfigError: the pictures are too small for the backbone, or "flatten" without a size.

    >>> network = build(["cat", "dog"], backbone="resnet18")
    >>> [name for name, _ in network.stages()]
    ['stem', 'layer1', 'layer2', 'layer3', 'layer4', 'pool', 'head']
    """
    if head not in get_args(HeadName):
        raise NotFound("head", head, get_args(HeadName))
    body = build_backbone(
        backbone,
        channels=channels,
        size=size,
        published_head=head == "paper",
        dropout=dropout,
        pad_type=pad_type,
    )
    if size is not None:
        check_size(body, size, channels=channels)
    layers, pooled = _head(body, head, len(classes), size=size, channels=channels, dropout=dropout)
    normalise = Normalise.for_channels(mean, std, channels=channels)
    return Classifier(body, layers, normalise=normalise, pooled=pooled)


def _head(
    body: Backbone, head: str, num_classes: int, *, size: Size | None, channels: int, dropout: float
) -> tuple[nn.Module, bool]:
    """Return the layers after the backbone and whether its pooling comes before them."""
    if head == "paper" and body.published.name == "squeezenet1_0":
        return ConvHead(body.num_features, num_classes, dropout=dropout), False
    if head != "flatten":
        return LinearHead(body.num_pooled, num_classes, dropout=dropout), True
    if size is None:
        raise ConfigError("the head 'flatten' needs the size of the pictures", hint="pass size=(224, 224)")
    body.remove_pool()
    num_values = output_shape(body, (1, channels, *size)).numel()
    return LinearHead(num_values, num_classes, dropout=dropout), False
