"""How alike two pictures are to a network that has learnt to see: what they show, and how they are painted.

Papers: Gatys, Ecker, Bethge, "Image style transfer using convolutional neural networks", CVPR 2016
(arXiv:1508.06576): what a picture shows is in the maps of a deep layer, how it is painted in the products of
the maps of several layers, whatever their place. Johnson, Alahi, Fei-Fei, "Perceptual losses for real-time
style transfer and super-resolution", 2016, arXiv:1603.08155: the same as a loss to train networks by.

    pixels (B, 3, H, W) 0..255 ── Features ── {layer: (B, C, h, w)} ─┬─ content_loss
                                                                     └─ a statistic (B, K) ── style_loss

Differs from both: every distance is divided by the size of what is wanted, so that layers and backbones of
any scale weigh the same, and a weight means the same everywhere.
"""

# B pictures, (h, w) size of a map, C channels of it, K numbers of a statistic

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from nayan.core.errors import ConfigError, NotFound
from nayan.parts.backbone import Backbone, build_backbone
from nayan.parts.normalise import Normalise
from nayan.parts.published import architecture
from nayan.parts.weights import load_weights

Maps = Mapping[str, Tensor]
"""(B, C, h, w) by the name of the layer."""
Statistic = Callable[[Tensor], Tensor]
"""From (B, C, h, w) maps to (B, K) numbers that know nothing of places."""

LEAST_SIZE = 1e-8
"""Below it a layer is taken for silent and its distance is not divided."""


class Features(nn.Module):
    """The maps of a frozen network at chosen layers.

    Nothing of it learns, whatever `train` and `requires_grad_` say around it; gradients pass to the pixels.
    Its weights are those of `backbone`, with the published names, and filled by `load_weights`.

    Args:
        backbone: with its weights still to come, or already there.
        layers: names of stages or of sub-modules of the published network, such as "features.3" or "layer1".
        normalise: from pixels to what the weights expect.

    Raises:
        NotFound: the network has no such layer.
        ConfigError: a layer gives no maps (B, C, h, w).
    """

    def __init__(self, backbone: Backbone, layers: Sequence[str], *, normalise: Normalise) -> None:
        super().__init__()
        self.backbone = backbone
        self.normalise = normalise
        self.layers = tuple(layers)
        self._modules_at = [(name, _layer(backbone, name)) for name in self.layers]  # looked at, not owned
        for module in backbone.modules():
            if hasattr(module, "inplace"):  # the maps that are kept would be overwritten by the next layer
                setattr(module, "inplace", False)  # noqa: B010  not every module has it
        self.requires_grad_(requires_grad=False)
        self.eval()

    def train(self, mode: bool = True) -> Features:  # noqa: ARG002  the signature of nn.Module
        """Stay in evaluation mode: statistics of batches would make the loss depend on its company."""
        return super().train(mode=False)

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """Return the maps of (B, 3, H, W) pixels in [0, 255] by layer; nothing behind the last is run."""
        found: dict[str, Tensor] = {}
        handles = [module.register_forward_hook(_keep(found, name)) for name, module in self._modules_at]
        try:
            x = self.normalise(images)
            for _, stage in self.backbone.stages:
                x = stage(x)
                if len(found) == len(self.layers):
                    break
        finally:
            for handle in handles:
                handle.remove()
        for name, maps in found.items():
            if maps.ndim != 4:
                raise ConfigError(
                    f"{name} of {self.backbone.published.name} gives {tuple(maps.shape)}, not (B, C, h, w)",
                    hint="take a layer of a convolutional network, such as vgg19 or squeezenet1_0",
                )
        return {name: found[name] for name in self.layers}


def build_features(
    name: str,
    *,
    layers: Sequence[str] = (),
    weights: str | Path = "imagenet",
    smooth: bool = False,
) -> Features:
    """Return a frozen published network that gives its maps at some layers.

    Args:
        name: of timm or torchvision, such as "vgg19", "squeezenet1_0".
        layers: where; by default after each stage but the last.
        weights: "imagenet" (the hub), a .safetensors file or bundle, or "none" (random: for tests).
        smooth: take the mean instead of the largest value in poolings, which gives smoother pictures where
            they are made by gradients (Gatys et al. 2016, section 2).

    Raises:
        NotFound: unknown network or layer.
        WeightsError: the hub cannot be reached, or the file belongs to another network.

    >>> features = build_features("resnet18", layers=("layer1", "layer3"), weights="none")
    >>> {name: tuple(maps.shape) for name, maps in features(torch.zeros(1, 3, 64, 64)).items()}
    {'layer1': (1, 64, 16, 16), 'layer3': (1, 256, 4, 4)}
    """
    backbone = build_backbone(name)
    mean, std = _normalisation(name)
    features = Features(
        backbone,
        layers or [stage for stage, _ in backbone.stages][:-1],
        normalise=Normalise.for_channels(mean, std, channels=3),
    )
    load_weights(features, weights)
    if smooth:
        for module in (backbone.model, *(stage for _, stage in backbone.stages)):
            _mean_for_max(module)
    return features


def content_loss(maps: Maps, wanted: Maps) -> Tensor:
    """Return how far apart what two pictures show is: the mean over the layers of |F - P|^2 / |P|^2.

    Args:
        maps: F, of the picture that is made.
        wanted: P, of the picture that it should show, or of as many as there are.

    Returns:
        A scalar; 0 for the same maps, about 1 for a picture that shows nothing.

    Source: Gatys et al. (2016), eq. 1; Johnson et al. (2016), eq. 2; here relative to what is wanted.

    >>> float(content_loss({"a": torch.zeros(1, 1, 2, 2)}, {"a": torch.ones(1, 1, 2, 2)}))
    1.0
    """
    return torch.stack([_relative(maps[name], target) for name, target in wanted.items()]).mean()


def style_loss(
    maps: Maps, wanted: Maps, statistic: Statistic, *, unit: Mapping[str, Tensor] | None = None
) -> Tensor:
    """Return how differently two pictures are painted: the mean over the layers of |S(F) - A|^2 / unit.

    Args:
        maps: F, of the pictures that are made.
        wanted: A, (1, K) by layer, as `describe` gives it for the style.
        statistic: S, the one that `wanted` was made by.
        unit: what counts as 1 for each layer, such as the `style_distances` of the photographs; None: |A|^2.

    Source: Gatys et al. (2016), eq. 4 and 5; here relative.
    """
    distances = style_distances(maps, wanted, statistic)
    units = {name: target.square().mean() for name, target in wanted.items()} if unit is None else unit
    return torch.stack([distances[name] / units[name].clamp(min=LEAST_SIZE) for name in distances]).mean()


def style_distances(maps: Maps, wanted: Maps, statistic: Statistic) -> dict[str, Tensor]:
    """Return |S(F) - A|^2, the mean square of the difference, by layer; arguments as for `style_loss`."""
    return {name: (statistic(maps[name]) - target).square().mean() for name, target in wanted.items()}


def describe(maps: Maps, statistic: Statistic) -> dict[str, Tensor]:
    """Return a statistic of the maps of each layer, (B, K), with no way back to the pixels."""
    return {name: statistic(layer).detach() for name, layer in maps.items()}


def gram(maps: Tensor) -> Tensor:
    """Return the mean product of every two channels over all places, (B, C * C).

    Source: Gatys et al. (2016), eq. 3.

    >>> gram(torch.tensor([[[[1., 3.]], [[0., 2.]]]]))
    tensor([[5., 3., 3., 2.]])
    """
    flat = maps.flatten(2)  # (B, C, h, w) -> (B, C, h*w)
    return (flat @ flat.transpose(1, 2)).flatten(1) / flat.shape[2]


def moments(maps: Tensor) -> Tensor:
    """Return the mean of every channel over all places and the root of its variance, (B, 2 * C).

    Source: Li, Wang, Liu, Hou (2017), "Demystifying neural style transfer", arXiv:1701.01036, section 4.2;
    Huang, Belongie (2017), arXiv:1703.06868, eq. 13.

    >>> moments(torch.tensor([[[[1., 3.]]]]))
    tensor([[2., 1.]])
    """
    var, mean = torch.var_mean(maps.flatten(2), dim=2, correction=0)  # (B, C)
    return torch.cat([mean, (var + LEAST_SIZE).sqrt()], dim=1)


def total_variation(images: Tensor) -> Tensor:
    """Return the mean square of the difference of neighbouring pixels of (B, C, H, W), in units of 255^2.

    Source: Rudin, Osher, Fatemi (1992); for pictures made by gradients Mahendran, Vedaldi (2014),
    arXiv:1412.0035, eq. 3 with beta = 2.

    >>> float(total_variation(torch.tensor([[[[0., 255.], [0., 255.]]]])))
    1.0
    """
    down = (images[:, :, 1:] - images[:, :, :-1]).square().mean()
    right = (images[:, :, :, 1:] - images[:, :, :, :-1]).square().mean()
    return (down + right) / 255**2


def _relative(given: Tensor, wanted: Tensor) -> Tensor:
    """Return the mean square of the difference as a share of that of what is wanted."""
    size = wanted.detach().square().mean()
    return (given - wanted).square().mean() / size.clamp(min=LEAST_SIZE)


def _layer(backbone: Backbone, name: str) -> nn.Module:
    stages = dict(backbone.stages)
    modules = dict(backbone.model.named_modules())
    if name not in stages and name not in modules:
        raise NotFound("layer", name, [*stages, *(known for known in modules if known)])
    return stages[name] if name in stages else modules[name]


def _keep(found: dict[str, Tensor], name: str) -> Callable[[nn.Module, Any, Tensor], None]:
    def hook(module: nn.Module, args: Any, given: Tensor) -> None:  # noqa: ARG001
        found[name] = given

    return hook


def _normalisation(name: str) -> tuple[Sequence[float], Sequence[float]]:
    """Return the (mean, std) that the published weights of a network expect; those of ImageNet by default."""
    base, _, tag = name.partition(".")
    weights = [row for row in architecture(base).weights if not tag or row.tag == tag]
    if not weights:
        return (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    return weights[0].mean, weights[0].std


def _mean_for_max(model: nn.Module) -> None:
    """Replace every largest-value pooling by the mean of the same window."""
    for parent in list(model.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, nn.MaxPool2d):
                mean = nn.AvgPool2d(
                    child.kernel_size, child.stride, child.padding, child.ceil_mode, count_include_pad=False
                )
                setattr(parent, name, mean)
