"""The maps of a backbone at several strides: what a detector looks at.

Paper: Lin, Dollár, Girshick, He, Hariharan, Belongie, "Feature pyramid networks for object detection",
2016, arXiv:1612.03144, section 3: "we choose the output of the last layer of each stage".
"""

# B pictures, C channels of a picture, D channels of a map, (h, w) map size

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import timm
import torch
from timm.models import FeatureInfo
from torch import Tensor, nn

from nayan.core.errors import ConfigError, NotFound
from nayan.core.types import Size
from nayan.parts.backbone import TORCHVISION, Published
from nayan.parts.chain import Stages, find_stages
from nayan.parts.published import architecture_names, weights_names

PROBE_SIZE = 64
"""Pixels of the picture with which the stages are looked for."""
EARLY_STRIDE = 4
"""Stages up to here see edges, colours and textures, which are the same in every set of pictures."""


class Pyramid(nn.Module):
    """A network that gives one map a stride, without the layers that none of them needs.

    The published network is `model`, so `model.state_dict()` has the published names and
    `parts.weights.load_weights` fills it like any backbone.

    Args:
        model: of timm, with `forward_intermediates`; the layers behind the last map are gone.
        indices: which of its maps, fine to coarse.
        channels: D of each map.
        strides: input pixels for one cell of each map.
        stages: the ordered (name, module) steps that hold every parameter once.
        early: how many of them end at a stride of `EARLY_STRIDE` or less.
        published: how weight files name it.
    """

    def __init__(
        self,
        model: nn.Module,
        *,
        indices: Sequence[int],
        channels: Sequence[int],
        strides: Sequence[int],
        stages: Stages,
        early: int,
        published: Published,
    ) -> None:
        super().__init__()
        self.model = model
        self.published = published
        self.channels = tuple(channels)
        self.strides = tuple(strides)
        self._indices = tuple(indices)
        self._stages = tuple(stages)
        self._early = early

    @property
    def early(self) -> list[nn.Module]:
        """The first stages, up to `EARLY_STRIDE`; none where the network is no chain."""
        return [stage for _, stage in self._stages[: self._early]]

    @property
    def stages(self) -> tuple[tuple[str, nn.Module], ...]:
        """The ordered (name, module) steps from a picture to the coarsest map."""
        return self._stages

    def stages_after(self, first: nn.Module) -> list[tuple[str, nn.Module]]:
        """Return the stages, the first of them with `first` (a normalisation) in front."""
        (name, stage), *others = self._stages
        return [(name, nn.Sequential(first, stage)), *others]

    def forward(self, images: Tensor) -> list[Tensor]:
        """Return the (B, D, h, w) maps of normalised (B, C, H, W) pictures, fine to coarse."""
        return _maps(self._indices, self.model, images)


def build_pyramid(
    name: str,
    *,
    channels: int = 3,
    size: Size,
    strides: Sequence[int] = (8, 16, 32),
    pad_type: str = "",
    output_stride: int = 32,
) -> Pyramid:
    """Return the maps of a timm network at some strides, with fresh weights.

    Args:
        name: such as "resnet18", or with a tag of weights: "resnet50.a1_in1k".
        channels: 1 or 3, of a picture.
        size: (height, width) of the pictures.
        strides: in pixels, rising; of several maps with the same stride the deepest is taken.
        pad_type: "same" pads as TensorFlow does, for weights that were trained there; only the families
            of MobileNet and EfficientNet know it.
        output_stride: of the coarsest map: 16 or 8 dilate the last stages instead of halving, with the same
            weights; only some families know it.

    Raises:
        NotFound: if timm does not know the name, or no weights have its tag.
        ConfigError: if the network has no map of a stride, is too coarse for `size`, or cannot be built.

    >>> pyramid = build_pyramid("resnet18", size=(64, 64))
    >>> [tuple(m.shape) for m in pyramid(torch.zeros(1, 3, 64, 64))]
    [(1, 128, 8, 8), (1, 256, 4, 4), (1, 512, 2, 2)]
    >>> [stage for stage, _ in pyramid.stages]
    ['stem', 'layer1', 'layer2', 'layer3', 'layer4']
    """
    if min(size) < max(strides):
        raise ConfigError(
            f"pictures of {size[0]}x{size[1]} px are smaller than one cell of stride {max(strides)}",
            hint=f"use --imgsz {max(strides)} or more",
        )
    model, published = _create(name, channels, size, pad_type=pad_type, output_stride=output_stride)
    rows = _rows(model, name, strides)
    indices = model.prune_intermediate_layers([index for index, _ in rows], prune_norm=True, prune_head=True)
    probe_size = published.fixed_size or (PROBE_SIZE, PROBE_SIZE)
    stages, early = _stages(model, indices, channels, probe_size)
    return Pyramid(
        model,
        indices=indices,
        channels=[row["num_chs"] for _, row in rows],
        strides=strides,
        stages=stages,
        early=early,
        published=published,
    )


def _create(
    name: str, channels: int, size: Size, *, pad_type: str, output_stride: int
) -> tuple[Any, Published]:
    """Return the whole network of timm and how the world knows it."""
    if name in TORCHVISION:
        raise ConfigError(
            f"the layers of {name} do not pad, so the cells of its maps lie on no grid",
            hint="take another backbone, such as mobilenetv2_100 or resnet18",
        )
    if not timm.is_model(name):
        raise NotFound("model", name, [*architecture_names(), *weights_names()])
    if "." in name and name not in weights_names():
        raise NotFound("model", name, weights_names())
    create: dict[str, Any] = {"in_chans": channels, **({"pad_type": pad_type} if pad_type else {})}
    if output_stride != 32:
        create["output_stride"] = output_stride
    config = timm.get_pretrained_cfg(name, allow_unregistered=True) or timm.models.PretrainedCfg()
    if config.fixed_input_size:
        create["img_size"] = size
    # VGG's hidden layers are dropped below, so they are made one value wide: why draw 120 million numbers
    thin: dict[str, Any] = {"mlp_ratio": 1 / 4096} if name.startswith("vgg") else {}
    try:
        model = timm.create_model(name, **create, **thin)
    except (TypeError, AssertionError, ValueError) as error:
        raise ConfigError(
            f"{name} cannot be built for {size[0]}x{size[1]} px and {channels} channels: {error}",
            hint=f"its own pictures are {config.input_size[1]}x{config.input_size[2]} px",
        ) from error
    classifiers = (config.classifier,) if isinstance(config.classifier, str) else (config.classifier or ())
    keys = frozenset(model.state_dict())
    fixed_size = size if config.fixed_input_size else None
    return model, Published(name, "timm", keys, tuple(classifiers), create, fixed_size)


def _rows(model: Any, name: str, strides: Sequence[int]) -> list[tuple[int, dict[str, Any]]]:
    """Return (index of the map, what timm says of it) for each stride."""
    stated = getattr(model, "feature_info", [])
    rows = stated.info if isinstance(stated, FeatureInfo) else stated
    deepest = {row["reduction"]: (index, row) for index, row in enumerate(rows)}
    lacking = [stride for stride in strides if stride not in deepest]
    if lacking or list(strides) != sorted(set(strides)):
        raise ConfigError(
            f"{name} has maps of the strides {sorted(deepest)}, but {list(strides)} are needed",
            hint="take a backbone that halves its maps step by step, such as mobilenetv2_100 or resnet18",
        )
    return [deepest[stride] for stride in strides]


def _stages(model: nn.Module, indices: Sequence[int], channels: int, probe_size: Size) -> tuple[Stages, int]:
    """Return the steps that hold the parameters, and how many are early; one step where it is no chain."""
    was_training = model.training
    model.eval()
    parameter = next(model.parameters())
    probe = torch.linspace(-1, 1, channels * probe_size[0] * probe_size[1], device=parameter.device)
    x = probe.reshape(1, channels, *probe_size)
    stages, _, _ = find_stages(model, functools.partial(_last_map, indices), x)
    early = 0
    with torch.no_grad():
        for _, stage in stages if len(stages) > 1 else ():
            x = stage(x)
            if x.shape[-2] * EARLY_STRIDE < probe_size[0]:
                break
            early += 1
    model.train(was_training)
    return stages, early


def _last_map(indices: Sequence[int], model: nn.Module, images: Tensor) -> Tensor:
    return _maps(indices, model, images)[-1]


def _maps(indices: Sequence[int], model: Any, images: Tensor) -> list[Tensor]:
    maps: list[Tensor] = model.forward_intermediates(
        images, indices=list(indices), norm=False, output_fmt="NCHW", intermediates_only=True
    )
    return maps
