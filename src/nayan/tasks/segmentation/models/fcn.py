"""`fcn32s`, `fcn16s`, `fcn8s`: a classifier without its dense layers, asked at every place.

Paper: Long, Shelhamer, Darrell, "Fully convolutional networks for semantic segmentation", 2014,
arXiv:1411.4038.

    pixels ── Normalise ── backbone ──┬── c8 ─────── 1x1 ──────────────────────── + ── x 8 ── fcn8s
                                      ├── c16 ────── 1x1 ─────────── + ── up x 2 ─┘
                                      └── c32 ────── 1x1 ── up x 2 ──┘  K scores a cell
                                                         x 32 ── fcn32s      x 16 ── fcn16s

The scores of the coarse map are sharpened by those of finer ones: made twice as large by a transposed
convolution that begins as bilinear interpolation, and added. The last step to pixels is bilinear and stays
so, as in the paper. The scores of finer maps begin at zero, so that an `fcn8s` begins as the `fcn32s` that
it corrects.

What differs from the paper: all of it learns at once, where the paper trains 32s first, then 16s, then 8s; so
each map is batch-normalised before it is scored, where the paper scales the finer ones by hand (section 4.3,
"all-at-once"). VGG's dense layers (120 million parameters) are dropped instead of becoming 7x7 convolutions.
Of the maps of one stride the last is scored, conv4 at 8 and conv5 at 16; the paper takes the first, the
pooled conv3 and conv4. Convolutions pad by one pixel, where the paper pads the picture by 100 px and crops.
By `backbone=` any timm network takes VGG's place.
"""

# B pictures, K classes, (h, w) size of the input

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from nayan.core.errors import ConfigError
from nayan.core.types import Size
from nayan.parts.normalise import Normalise
from nayan.parts.pyramid import build_pyramid
from nayan.parts.upsample import Interpolate, check_multiple, learnt_bilinear
from nayan.tasks.segmentation.network import SegmentationRaw, Segmenter

STRIDES = (8, 16, 32)


class Score(nn.Module):
    """K scores for every cell of a map: (B, C, h, w) -> (B, K, h, w)."""

    def __init__(self, inputs: int, classes: int, *, dropout: float, from_zero: bool) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(inputs)
        self.dropout = nn.Dropout2d(dropout)
        self.score = nn.Conv2d(inputs, classes, 1)
        if from_zero:
            nn.init.zeros_(self.score.weight)
        else:
            nn.init.normal_(self.score.weight, std=0.01)
        nn.init.zeros_(self.score.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, K, h, w)."""
        y: Tensor = self.score(self.dropout(self.norm(x)))
        return y


class Fusion(nn.Module):
    """The scores of several maps, brought together at the finest.

    Args:
        inputs: channels of each map, fine to coarse; each half as large as the one before.
        classes: K.
        dropout: share of the channels of each map that is dropped while learning.
    """

    def __init__(self, inputs: Sequence[int], classes: int, *, dropout: float) -> None:
        super().__init__()
        *finer, coarsest = inputs
        self.scores = nn.ModuleList(Score(width, classes, dropout=dropout, from_zero=True) for width in finer)
        self.scores.append(Score(coarsest, classes, dropout=dropout, from_zero=False))
        self.ups = nn.ModuleList(learnt_bilinear(classes) for _ in finer)

    def forward(self, maps: Sequence[Tensor]) -> Tensor:
        """Return (B, K, h_0, w_0) of maps, fine to coarse."""
        x: Tensor = self.scores[-1](maps[-1])
        for level in reversed(range(len(maps) - 1)):
            x = self.ups[level](x) + self.scores[level](maps[level])
        return x


class Enlarge(nn.Module):
    """The last step to pixels, which has no weights."""

    def __init__(self, factor: int) -> None:
        super().__init__()
        self.enlarge = Interpolate(factor)

    def forward(self, scores: Tensor) -> SegmentationRaw:
        """Return the (B, K, h, w) logits of (B, K, h / factor, w / factor) scores."""
        return SegmentationRaw(self.enlarge(scores))


def fcn(
    classes: Sequence[str],
    *,
    stride: int = 8,
    backbone: str = "vgg16",
    channels: int = 3,
    size: Size = (256, 256),
    mean: Sequence[float],
    std: Sequence[float],
    dropout: float = 0.0,
) -> Segmenter:
    """Build a fully convolutional network with fresh weights.

    Args:
        classes: names.
        stride: of the finest map that is scored: 32, 16 or 8.
        backbone: name of a timm network that gives maps at strides up to 32.
        channels: of the pictures.
        size: (height, width) of the input, multiples of 32.
        mean: of the pixels, in [0, 1].
        std: of the pixels.
        dropout: share of the channels of each map that is dropped before it is scored; 0.5 of VGG's dense
            layers in the paper.

    Raises:
        ConfigError: for another stride, or a size that 32 does not divide.
        NotFound: if timm does not know the backbone.

    >>> network = fcn(["road", "sky"], backbone="resnet18", size=(64, 64), mean=(0.5,) * 3, std=(0.25,) * 3)
    >>> [name for name, _ in network.stages()]
    ['backbone', 'scores', 'head']
    """
    if stride not in STRIDES:
        raise ConfigError(f"an fcn ends at stride 8, 16 or 32, not {stride}")
    check_multiple(size, STRIDES[-1], name=f"fcn{stride}s")
    strides = STRIDES[STRIDES.index(stride) :]
    sees = build_pyramid(backbone, channels=channels, size=size, strides=strides)
    scores = Fusion(sees.channels, len(classes), dropout=dropout)
    stages = [("backbone", sees), ("scores", scores), ("head", Enlarge(stride))]
    return Segmenter(stages, normalise=Normalise.for_channels(mean, std, channels=channels))
