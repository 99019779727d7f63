"""The decoders of segmentation_models.pytorch on any timm encoder, behind our doors.

Source: https://github.com/qubvel-org/segmentation_models.pytorch (MIT).
Papers: U-Net arXiv:1505.04597, U-Net++ arXiv:1807.10165, LinkNet arXiv:1707.03718, feature pyramids
arXiv:1612.03144, PSPNet arXiv:1612.01105, DeepLabV3+ arXiv:1802.02611, MA-Net (Fan et al. 2020,
10.1109/ACCESS.2020.3025372), PAN arXiv:1805.10180, UPerNet arXiv:1807.10221, SegFormer arXiv:2105.15203.

    pixels ── Normalise ── backbone, a timm network ── maps ── decoder ── head ── logits (B, K, h, w)
              ours         ours: parts.pyramid                 theirs     theirs

The encoder is a `Pyramid`, so that published weights, freezing and the glass box work as elsewhere; with the
same weights the network gives the numbers of theirs on `tu-NAME` (tests/parity/test_smp_segmenters.py). What
differs: PAN keeps the encoder's stride of 32, where theirs may dilate it to 16, and its sides are 256 px or
more. Pooled branches learn from a batch of one picture too (`parts.lone_norm`), and are exported at every
size (`parts.grid_pool`).
"""

# B pictures, K classes, (h, w) size of the input

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from nayan.core.errors import ConfigError, MissingExtra, NotFound
from nayan.core.types import Size
from nayan.parts.grid_pool import GridPool
from nayan.parts.lone_norm import learn_from_one
from nayan.parts.normalise import Normalise
from nayan.parts.pyramid import Pyramid, build_pyramid
from nayan.parts.upsample import check_multiple
from nayan.tasks.segmentation.network import SegmentationRaw, Segmenter


@dataclass(frozen=True, slots=True)
class Architecture:
    """How one of their architectures is built and what it looks at.

    Attributes:
        kind: their class.
        strides: of the maps that its decoder needs; 2 is left out where an encoder has none.
        options: that differ from theirs.
        output_stride: of the coarsest map.
        dropout: name of their option for it, where they have one.
        least: smallest side of the input, in pixels.
    """

    kind: str
    strides: tuple[int, ...] = (2, 4, 8, 16, 32)
    options: tuple[tuple[str, Any], ...] = ()
    output_stride: int = 32
    dropout: str = ""
    least: int = 32


PYRAMID = (4, 8, 16, 32)
ARCHITECTURES = {
    "unet": Architecture("Unet"),
    "unetplusplus": Architecture("UnetPlusPlus"),
    "linknet": Architecture("Linknet"),
    "manet": Architecture("MAnet"),
    "segformer": Architecture("Segformer"),
    "fpn": Architecture("FPN", PYRAMID, dropout="decoder_dropout"),
    "upernet": Architecture("UPerNet", PYRAMID),
    "pan": Architecture("PAN", PYRAMID, (("encoder_output_stride", 32),), least=256),
    "pspnet": Architecture("PSPNet", (8,), dropout="psp_dropout"),
    "deeplabv3plus": Architecture("DeepLabV3Plus", (4, 16), output_stride=16, dropout="decoder_aspp_dropout"),
}


class Decoder(nn.Module):
    """One of their decoders, given the maps that it looks at and empty ones where it looks at none."""

    def __init__(self, layers: nn.Module, strides: Sequence[int]) -> None:
        super().__init__()
        self.layers = layers
        self.strides = tuple(strides)

    def forward(self, maps: Sequence[Tensor]) -> Tensor:
        """Return the decoder's last map of the backbone's maps, fine to coarse."""
        finest = maps[0]
        sides = [side * self.strides[0] for side in finest.shape[2:]]
        before, stride = [], 1
        while stride < self.strides[0]:  # the picture itself first: they ask for its size only
            before.append(finest.new_empty(finest.shape[0], 0, sides[0] // stride, sides[1] // stride))
            stride *= 2
        y: Tensor = self.layers([*before, *maps])
        return y


class Surroundings(nn.Module):
    """A branch of their PSPNet: pool to a grid, mix, enlarge. Theirs takes another way while it is exported.

    Args:
        pool: pooling and 1x1 convolution.
    """

    def __init__(self, pool: nn.Module) -> None:
        super().__init__()
        self.pool = pool

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, C / 4, h, w) of (B, C, h, w)."""
        return F.interpolate(self.pool(x), size=x.shape[2:], mode="bilinear", align_corners=True)


def _export_pools(decoder: nn.Module) -> None:
    """Replace poolings to more than one cell by those that every runtime has; names and values stay."""
    for parent in list(decoder.modules()):
        for name, child in parent.named_children():
            if type(child).__name__ == "PSPBlock":
                setattr(parent, name, Surroundings(child.get_submodule("pool")))
            if isinstance(child, nn.AdaptiveAvgPool2d) and child.output_size not in (1, (1, 1)):
                cells: Any = child.output_size
                setattr(parent, name, GridPool(cells if isinstance(cells, int) else cells[0]))


class Head(nn.Module):
    """Their last layers, with the dataclass of every segmenter around what they give."""

    def __init__(self, layers: nn.Module) -> None:
        super().__init__()
        self.layers = layers

    def forward(self, x: Tensor) -> SegmentationRaw:
        """Return the (B, K, h, w) logits."""
        return SegmentationRaw(self.layers(x))


def smp_segmenter(
    classes: Sequence[str],
    *,
    architecture: str,
    backbone: str = "mobilenetv2_100",
    channels: int = 3,
    size: Size = (384, 384),
    mean: Sequence[float],
    std: Sequence[float],
    dropout: float = 0.0,
) -> Segmenter:
    """Build a segmenter with one of their decoders, with fresh weights.

    Args:
        classes: names.
        architecture: a name in `ARCHITECTURES`.
        backbone: name of a timm network, without their prefix "tu-".
        channels: of the pictures.
        size: (height, width) of the input, multiples of 32.
        mean: of the pixels, in [0, 1].
        std: of the pixels.
        dropout: 0 leaves theirs: 0.2 in FPN and PSPNet, 0.5 in DeepLabV3+, none in the others.

    Raises:
        MissingExtra: segmentation_models.pytorch is not installed, or too old for this architecture.
        NotFound: for an unknown architecture or backbone.
        ConfigError: for a size that does not fit, a backbone without the maps that the decoder needs, or a
            dropout where the architecture has none.
    """
    if architecture not in ARCHITECTURES:
        raise NotFound("model", f"smp/{architecture}", [f"smp/{name}" for name in ARCHITECTURES])
    chosen = ARCHITECTURES[architecture]
    name = f"smp/{architecture}"
    check_multiple(size, 32, name=name)
    if min(size) < chosen.least:
        raise ConfigError(
            f"{name} needs pictures of at least {chosen.least} px, got {size[0]}x{size[1]}",
            hint=f"use --imgsz {chosen.least} or more",
        )
    sees = _pyramid(chosen, backbone, channels=channels, size=size)
    model = _theirs(chosen, backbone, classes=len(classes), channels=channels, dropout=dropout, name=name)
    learn_from_one(model.decoder)
    _export_pools(model.decoder)
    stages = [
        ("backbone", sees),
        ("decoder", Decoder(model.decoder, sees.strides)),
        ("head", Head(model.segmentation_head)),
    ]
    return Segmenter(stages, normalise=Normalise.for_channels(mean, std, channels=channels))


def _pyramid(chosen: Architecture, backbone: str, *, channels: int, size: Size) -> Pyramid:
    args: dict[str, Any] = {"channels": channels, "size": size, "output_stride": chosen.output_stride}
    try:
        return build_pyramid(backbone, strides=chosen.strides, **args)
    except ConfigError:
        if chosen.strides[0] != 2:
            raise
        return build_pyramid(backbone, strides=chosen.strides[1:], **args)


def _theirs(
    chosen: Architecture, backbone: str, *, classes: int, channels: int, dropout: float, name: str
) -> Any:
    """Return their whole network; its encoder is not used, but its decoder was made for it."""
    kind = getattr(_package(), chosen.kind, None)
    if kind is None:
        raise MissingExtra(f"a newer segmentation_models_pytorch, which has {chosen.kind},", "smp")
    options = dict(chosen.options)
    if dropout and not chosen.dropout:
        raise ConfigError(f"{name} has no dropout, got {dropout}", hint="leave out --dropout")
    if dropout:
        options[chosen.dropout] = dropout
    if chosen.output_stride != 32 and "encoder_output_stride" in inspect.signature(kind).parameters:
        options["encoder_output_stride"] = chosen.output_stride
    try:
        return kind(f"tu-{backbone}", encoder_weights=None, in_channels=channels, classes=classes, **options)
    except (ValueError, TypeError, RuntimeError) as error:
        raise ConfigError(
            f"{name} cannot be built on {backbone}: {error}",
            hint="take another backbone, such as mobilenetv2_100 or resnet18",
        ) from error


def _package() -> ModuleType:
    try:
        import segmentation_models_pytorch
    except ImportError as error:
        raise MissingExtra("segmentation_models_pytorch", "smp") from error
    package: ModuleType = segmentation_models_pytorch
    return package
