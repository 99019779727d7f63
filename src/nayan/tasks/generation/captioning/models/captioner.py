"""`captioner`: a sentence about a picture, written word by word while looking at the cells of a map.

Papers: Vinyals, Toshev, Bengio, Erhan, "Show and tell: a neural image caption generator", 2014,
arXiv:1411.4555 (one network from pixels to words); Xu et al., "Show, attend and tell", 2015, arXiv:1502.03044
(cells of a map are looked at anew for each word); Vaswani et al., "Attention is all you need", 2017,
arXiv:1706.03762 (the decoder).

    pixels (B, C, h, w) ── small: halved until 7 cells a side remain, or a published backbone
        ── map (B, C', y, x) ── linear, places ── y*x cells ── asked by each of the decoder's blocks
    START a red three ── embedding, places ── block 1 ── block 2 ── norm ── what follows: a red three END
    a block: listen to the words before ── look at the cells ── think; each added to what came in

What differs: the decoder is a Transformer in place of an LSTM; it has two blocks of 128 values where the
paper has six of 512, which two cores can train; it is normalised before each part (see `decoder`). All
sentences of a picture are learnt from in each step, so that the picture is looked at once for all of them.
"""

# B pictures, C channels, (h, w) their size, (y, x) that of the last map, D values of a word

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Sequence

from torch import nn

from nayan.core.errors import ConfigError
from nayan.core.types import Size
from nayan.core.vocabulary import SPECIAL
from nayan.parts.backbone import Backbone, Published, build_backbone
from nayan.parts.minimum_size import check_size, output_shape
from nayan.parts.normalise import Normalise
from nayan.parts.pooling import Mean
from nayan.tasks.generation.captioning.decoder import Decoder
from nayan.tasks.generation.captioning.network import Captioner, CaptionHead

CELLS = 7
"""At most so many cells a side has the map of the small backbone: as a published one has at 224 px."""
LEAST_PX = 16
FIRST, WIDEST = 32, 256
"""Channels of the first map of the small backbone, and the most."""


def build_small(*, channels: int, size: Size) -> Backbone:
    """Return a backbone of plain convolutions with fresh weights, each block half as large and twice as wide.

    Args:
        channels: 1 or 3, of a picture.
        size: (height, width) of the pictures, at least 16 px each.

    Raises:
        ConfigError: if the pictures are too small.

    >>> [name for name, _ in build_small(channels=3, size=(32, 32)).stages]
    ['block1', 'block2', 'block3']
    """
    if min(size) < LEAST_PX:
        raise ConfigError(
            f"captioner needs pictures of at least {LEAST_PX} px, got {size[0]}x{size[1]}",
            hint=f"use --imgsz {LEAST_PX} or more",
        )
    count = max(2, math.ceil(math.log2(max(size) / CELLS)))
    widths = [channels, *(min(FIRST * 2**number, WIDEST) for number in range(count))]
    blocks: OrderedDict[str, nn.Module] = OrderedDict()
    for number in range(count):
        blocks[f"block{number + 1}"] = nn.Sequential(
            nn.Conv2d(widths[number], widths[number + 1], 3, padding=1, bias=False),
            nn.BatchNorm2d(widths[number + 1]),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(2),
        )
    return Backbone(
        nn.Sequential(blocks),
        stages=tuple(blocks.items()),
        pool=Mean(),
        num_features=widths[-1],
        num_pooled=widths[-1],
        stride=2**count,
        published=Published("small", "nayan"),
    )


def captioner(
    classes: Sequence[str],  # noqa: ARG001  captions are of words, not of classes
    *,
    words: int = 1000,
    length: int = 16,
    backbone: str = "small",
    channels: int = 3,
    size: Size = (224, 224),
    dim: int = 128,
    layers: int = 2,
    heads: int = 4,
    beam: int = 3,
    mean: Sequence[float],
    std: Sequence[float],
    dropout: float = 0.1,
) -> Captioner:
    """Build a network that writes captions, with fresh weights.

    Args:
        classes: not needed.
        words: of the vocabulary, without the numbers that are no words.
        length: the most numbers of a sentence, its beginning and end included; 3 or more.
        backbone: "small", or a name of timm or torchvision.
        channels: 1 or 3, of a picture.
        size: (height, width) of the pictures.
        dim: D, a multiple of `heads`.
        layers: blocks of the decoder.
        heads: of each attention.
        beam: sentences that are searched for and given.
        mean: of each channel, in [0, 1].
        std: of each channel.
        dropout: share of values in the decoder that is dropped while learning.

    Raises:
        NotFound: unknown backbone.
        ConfigError: pictures that are too small, a backbone that gives no map, or a `dim` that cannot be.

    >>> network = captioner((), words=9, size=(32, 32), mean=(0.5,), std=(0.5,))
    >>> [name for name, _ in network.stages()]
    ['block1', 'block2', 'block3', 'head']
    """
    if dim % heads:
        raise ConfigError(f"--dim {dim} is no multiple of {heads}, the heads of the decoder", hint="try 128")
    if beam < 1 or length < 3:
        raise ConfigError(f"a captioner writes a sentence or more of a word or more, got {beam} of {length}")
    if backbone == "small":
        body = build_small(channels=channels, size=size)
    else:
        body = build_backbone(backbone, channels=channels, size=size)
        check_size(body, size, channels=channels)
    body.remove_pool()
    shape = output_shape(body, (1, channels, *size))
    if len(shape) != 4 or shape[1] != body.num_features:
        raise ConfigError(
            f"a captioner looks at maps (channels, h, w), {backbone} gives {tuple(shape[1:])}",
            hint="use --backbone mobilenetv2_100 or resnet18",
        )
    decoder = Decoder(
        SPECIAL + words, length=length - 1, dim=dim, layers=layers, heads=heads, dropout=dropout
    )
    return Captioner(
        body,
        CaptionHead(shape[1], shape[2] * shape[3], decoder),
        normalise=Normalise.for_channels(mean, std, channels=channels),
        beam=beam,
        length=length - 1,
    )
