"""LeNet-5: the first convolutional network that read digits for a living.

Paper: LeCun, Bottou, Bengio, Haffner, "Gradient-based learning applied to document recognition",
Proceedings of the IEEE 86(11), 1998.

Two convolutions look for strokes and their arrangements, each followed by a pooling that forgets where
exactly they were; three dense layers decide. 61,706 parameters for ten classes of 28x28 gray pictures.

    pixels (B, 1, 28, 28)
      c1   conv 6 @ 5x5, pad 2   (B, 6, 28, 28)    ReLU, max pooling 2x2  (B, 6, 14, 14)
      c3   conv 16 @ 5x5         (B, 16, 10, 10)   ReLU, max pooling 2x2  (B, 16, 5, 5)
      c5   flatten 400, dense    (B, 120)          ReLU
      f6   dense                 (B, 84)           ReLU                   the embedding
      head dense                 (B, classes)

What differs from the paper, as in every LeNet that is trained today: ReLU instead of the scaled tanh,
max pooling instead of the trainable averages, every map of c3 sees all six of c1 (the paper wires ten
of the sixteen to fewer, to save work), and a linear layer with cross-entropy instead of the radial
basis functions. The paper pads digits to 32x32; padding c1 by 2 does the same for 28x28.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

from torch import nn

from nayan.core.errors import ConfigError
from nayan.core.types import Size
from nayan.parts.backbone import Backbone, Published
from nayan.parts.heads import LinearHead
from nayan.parts.normalise import Normalise
from nayan.tasks.classification.network import Classifier

MINIMUM = 12
"""Pixels: 12 -> pooled 6 -> convolved 2 -> pooled 1."""


def build(
    classes: Sequence[str],
    *,
    channels: int = 1,
    size: Size = (28, 28),
    dropout: float = 0.0,
    mean: Sequence[float] = (0.5,),
    std: Sequence[float] = (0.5,),
) -> Classifier:
    """Return LeNet-5 with fresh weights.

    Args:
        classes: their names.
        channels: 1 or 3, of a picture.
        size: (height, width) of the pictures, at least 12 px each.
        dropout: before the last layer.
        mean: of each channel, in [0, 1]; one value stands for all channels.
        std: of each channel; one value stands for all channels.

    Raises:
        ConfigError: if the pictures are too small.

    >>> network = build(["zero", "one"])
    >>> [name for name, _ in network.stages()]
    ['c1', 'c3', 'c5', 'f6', 'head']
    """
    if min(size) < MINIMUM:
        raise ConfigError(
            f"lenet needs pictures of at least {MINIMUM} px, got {size[0]}x{size[1]}: two poolings halve the "
            "picture and the second 5x5 convolution takes 4 px off it",
            hint=f"use --imgsz {MINIMUM} or more; 28 is usual",
        )
    height, width = ((side // 2 - 4) // 2 for side in size)
    layers: OrderedDict[str, nn.Module] = OrderedDict(
        c1=nn.Sequential(nn.Conv2d(channels, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2)),
        c3=nn.Sequential(nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2)),
        c5=nn.Sequential(nn.Flatten(), nn.Linear(16 * height * width, 120), nn.ReLU()),
        f6=nn.Sequential(nn.Linear(120, 84), nn.ReLU()),
    )
    backbone = Backbone(
        nn.Sequential(layers),
        stages=tuple(layers.items()),
        pool=nn.Identity(),
        num_features=84,
        num_pooled=84,
        stride=1,
        published=Published("lenet", "nayan"),
    )
    return Classifier(
        backbone,
        LinearHead(84, len(classes), dropout=dropout),
        normalise=Normalise.for_channels(mean, std, channels=channels),
        pooled=False,
    )
