"""Any published network without its last layer, as named stages, under the names of its weight files.

Architectures come from timm, and from torchvision where timm has none (AlexNet, SqueezeNet).
"""

# B pictures, C channels of a picture, D values of the pooled vector, (h, w) map size

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import timm
import torch
import torchvision
from torch import Tensor, nn

from nayan.core.errors import ConfigError, NotFound
from nayan.core.types import Size
from nayan.parts.chain import Run, Shared, find_stages
from nayan.parts.published import architecture_names, weights_names

TORCHVISION = ("alexnet", "squeezenet1_0")
"""Backbones that timm does not have."""

PROBE_SIZES = (64, 96)
"""Sizes in pixels with which the stages are looked for; the published input size comes after them."""


@dataclass(frozen=True, slots=True)
class Published:
    """How the world knows a network, which is how weight files name their contents.

    Attributes:
        name: for `timm.create_model` or torchvision.
        source: "timm", "torchvision", or "nayan" for a network of our own.
        keys: of the whole published state dict.
        classifiers: names of the last layers, such as ("fc",).
        create: arguments that the network was created with.
        fixed_size: (height, width), where the network takes no other.
    """

    name: str
    source: str
    keys: frozenset[str] = frozenset()
    classifiers: tuple[str, ...] = ()
    create: dict[str, Any] = field(default_factory=dict)
    fixed_size: Size | None = None


class Backbone(nn.Module):
    """A network without its last layer.

    The published network is `model`, so `model.state_dict()` has the published names. The stages share
    its modules without being registered, so no parameter is listed twice.

    Args:
        model: the network; its last linear layer is gone.
        stages: the ordered (name, module) steps from (B, C, H, W) normalised pictures to the last map.
        pool: the published way from the last map to (B, num_pooled).
        num_features: channels of the last map, or length of its vectors.
        num_pooled: D, the length of the pooled vector.
        stride: input pixels for one cell of the last map; 1 where there is no map.
        published: how weight files name it.
    """

    def __init__(
        self,
        model: nn.Module,
        *,
        stages: Sequence[tuple[str, nn.Module]],
        pool: nn.Module,
        num_features: int,
        num_pooled: int,
        stride: int,
        published: Published,
    ) -> None:
        super().__init__()
        self.model = model
        self.published = published
        self.num_features = num_features
        self.num_pooled = num_pooled
        self.stride = stride
        self._stages = tuple(stages)
        self._pool = (pool,)  # in a tuple, so that it is not registered

    @property
    def stages(self) -> tuple[tuple[str, nn.Module], ...]:
        """The ordered (name, module) steps from a picture to the last map."""
        return self._stages

    @property
    def pool(self) -> nn.Module:
        """The published way from the last map to the (B, D) vector that the last layer sees."""
        return self._pool[0]

    def remove_pool(self) -> None:
        """Take the published pooling and its parameters out of the model, for heads that do without."""
        for name, _ in self.pool.named_children():
            setattr(self.model, name, nn.Identity())
        self._pool = (nn.Identity(),)

    def forward(self, images: Tensor) -> Tensor:
        """Return the last map of normalised (B, C, H, W) pictures."""
        for _, stage in self._stages:
            images = stage(images)
        return images


def build_backbone(
    name: str,
    *,
    channels: int = 3,
    size: Size | None = None,
    published_head: bool = False,
    dropout: float = 0.0,
    pad_type: str = "",
) -> Backbone:
    """Return the backbone that timm or torchvision knows by this name, with fresh weights.

    Args:
        name: such as "resnet18", or with a tag of weights: "resnet50.a1_in1k".
        channels: 1 or 3, of a picture.
        size: (height, width) of the pictures; needed only by networks that are made for one size.
        published_head: keep hidden layers between the last map and the last layer (4096-4096 of VGG)
            even where they hold most of the parameters.
        dropout: within those hidden layers.
        pad_type: "same" pads as TensorFlow does, for weights that were trained there; only the
            families of MobileNet and EfficientNet know it.

    Raises:
        NotFound: if neither knows the name, or no weights have its tag.
        ConfigError: if the network cannot be built for `size`, or does not know `pad_type`.

    >>> backbone = build_backbone("resnet18")
    >>> [name for name, _ in backbone.stages]
    ['stem', 'layer1', 'layer2', 'layer3', 'layer4']
    >>> backbone.num_pooled, backbone.stride
    (512, 32)
    """
    if name in TORCHVISION:
        return _from_torchvision(name, channels=channels, published_head=published_head, dropout=dropout)
    if not timm.is_model(name):
        raise NotFound("model", name, [*architecture_names(), *weights_names()])
    create: dict[str, Any] = {"in_chans": channels, **({"pad_type": pad_type} if pad_type else {})}
    return _from_timm(name, create, size=size, published_head=published_head, dropout=dropout)


def _from_timm(
    name: str, create: dict[str, Any], *, size: Size | None, published_head: bool, dropout: float
) -> Backbone:
    config = _config(name)
    size = size or config.input_size[1:]
    if config.fixed_input_size and size != config.input_size[1:]:
        create["img_size"] = size
    try:
        model: Any = timm.create_model(name, **create, **_thin_vgg(name, published_head=published_head))
    except (TypeError, AssertionError, ValueError) as error:
        wanted = {key: value for key, value in create.items() if key != "in_chans"}
        raise ConfigError(
            f"{name} cannot be built with {wanted or create}: {error}",
            hint=f"its pictures are {config.input_size[1]}x{config.input_size[2]} px",
        ) from error
    keys = frozenset(model.state_dict())
    model.reset_classifier(0)
    if isinstance(model, timm.models.VGG):
        _adapt_vgg(model, published_head=published_head, dropout=dropout)
    classifiers = (config.classifier,) if isinstance(config.classifier, str) else (config.classifier or ())
    published = Published(
        name, "timm", keys, tuple(classifiers), create, size if config.fixed_input_size else None
    )
    sizes = [size] if config.fixed_input_size else [*((s, s) for s in PROBE_SIZES), config.input_size[1:]]
    return _probed(
        model, sizes, channels=create["in_chans"], features=_features, pool=_pool, published=published
    )


def _config(name: str) -> Any:
    """Return timm's facts about the weights of a name (with or without tag)."""
    try:
        return timm.get_pretrained_cfg(name, allow_unregistered=False)
    except RuntimeError as error:
        if "." not in name:  # an architecture without weights
            return timm.models.PretrainedCfg()
        raise NotFound("model", name, weights_names()) from error


def _thin_vgg(name: str, *, published_head: bool) -> dict[str, Any]:
    """Return arguments that make VGG's hidden layers one value wide: they are dropped, so why draw them."""
    return {"mlp_ratio": 1 / 4096} if name.startswith("vgg") and not published_head else {}


def _adapt_vgg(model: Any, *, published_head: bool, dropout: float) -> None:
    """Drop VGG's two hidden layers (120 of 138 million parameters) unless the published head is wanted."""
    if not published_head:
        model.pre_logits = nn.Identity()
        return
    for module in model.pre_logits.modules():
        if isinstance(module, nn.Dropout):
            module.p = dropout


def _features(model: nn.Module, images: Tensor) -> Tensor:
    return model.forward_features(images)  # type: ignore[operator, no-any-return]


def _pool(model: nn.Module, maps: Tensor) -> Tensor:
    return model.forward_head(maps, pre_logits=True).flatten(1)  # type: ignore[operator, no-any-return]


def _from_torchvision(name: str, *, channels: int, published_head: bool, dropout: float) -> Backbone:
    model = torchvision.models.get_model(name, weights=None)
    keys = frozenset(model.state_dict())
    if channels != 3:
        model.features[0] = _with_channels(model.features[0], channels)
    pool = _mean_pool
    if name == "alexnet" and published_head:
        last, pool = "classifier.6", _alexnet_hidden
        model.classifier[6] = nn.Identity()
        model.classifier[0].p = model.classifier[3].p = dropout
    elif name == "alexnet":
        last, model.classifier, model.avgpool = "classifier.6", nn.Identity(), nn.Identity()
    else:
        last, model.classifier = "classifier.1", nn.Identity()
    published = Published(name, "torchvision", keys, (last,))
    return _probed(
        model,
        [(224, 224)],
        channels=channels,
        features=_named_features,
        pool=pool,
        published=published,
    )


def _named_features(model: nn.Module, images: Tensor) -> Tensor:
    return model.get_submodule("features")(images)  # type: ignore[no-any-return]


def _mean_pool(model: nn.Module, maps: Tensor) -> Tensor:  # noqa: ARG001
    return maps.mean((2, 3))


def _alexnet_hidden(model: nn.Module, maps: Tensor) -> Tensor:
    pooled = model.get_submodule("avgpool")(maps)  # (B, 256, h, w) -> (B, 256, 6, 6)
    return model.get_submodule("classifier")(pooled.flatten(1))  # type: ignore[no-any-return]


def _with_channels(conv: nn.Conv2d, channels: int) -> nn.Conv2d:
    return nn.Conv2d(
        channels,
        conv.out_channels,
        conv.kernel_size,  # type: ignore[arg-type]
        stride=conv.stride,  # type: ignore[arg-type]
        padding=conv.padding,  # type: ignore[arg-type]
        bias=conv.bias is not None,
    )


def _probed(
    model: nn.Module, sizes: list[Size], *, channels: int, features: Run, pool: Run, published: Published
) -> Backbone:
    """Return the backbone, looked at with the first size that the network accepts.

    Raises:
        ConfigError: if it accepts none of them.
    """
    device = next(model.parameters()).device
    reason: Exception | None = None
    for height, width in sizes:
        probe = torch.linspace(-1, 1, channels * height * width, device=device)
        probe = probe.reshape(1, channels, height, width)
        try:
            return _look(model, features=features, pool=pool, published=published, probe=probe)
        except (RuntimeError, AssertionError, ValueError) as error:
            reason = error
    raise ConfigError(
        f"{published.name} does not run on pictures of {sizes[-1][0]}x{sizes[-1][1]} px: {reason}",
        hint="leave out --imgsz for the size that it was made for, or take another model",
    ) from reason


def _look(model: nn.Module, *, features: Run, pool: Run, published: Published, probe: Tensor) -> Backbone:
    """Run the probe (1, C, H, W) through the network to find its stages, its pooling and their sizes."""
    was_training = model.training
    model.eval()
    stages, used, last = find_stages(model, features, probe)
    if not isinstance(last, Tensor):  # several maps, which only the network's own pooling can join
        joined = functools.partial(_joined, features, pool)
        stages, used, last = find_stages(model, joined, probe)
        pool = _as_it_is
    with torch.no_grad():
        pooled = pool(model, last)
    model.train(was_training)
    num_features, stride = _map_facts(model, probe, last)
    rest = [name for name, _ in model.named_children() if name not in used]
    return Backbone(
        model,
        stages=stages,
        pool=Shared(model, pool, children_names=rest, own_parameters=False),
        num_features=num_features,
        num_pooled=int(pooled.shape[1]),
        stride=stride,
        published=published,
    )


def _joined(features: Run, pool: Run, model: nn.Module, images: Tensor) -> Tensor:
    return pool(model, features(model, images))


def _as_it_is(model: nn.Module, vector: Tensor) -> Tensor:  # noqa: ARG001
    return vector


def _map_facts(model: nn.Module, probe: Tensor, last: Tensor) -> tuple[int, int]:
    """Return (channels of the last map, input pixels a cell; 1 where there is no map)."""
    if last.ndim != 4:
        return int(last.shape[-1]), 1
    channels = getattr(model, "num_features", last.shape[1])
    is_channels_last = last.shape[1] != channels and last.shape[3] == channels
    cells = last.shape[2] if not is_channels_last else last.shape[1]
    stated = getattr(model, "feature_info", None) or [{}]
    if isinstance(stated[-1], dict) and "reduction" in stated[-1]:
        return int(channels), int(stated[-1]["reduction"])
    # layers without padding lose cells at the border, so the ratio is a little above the power of two
    return int(channels), 2 ** int(math.log2(probe.shape[2] / cells))
