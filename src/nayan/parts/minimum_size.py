"""The smallest picture that a network accepts, and the layer that sets it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Size as Shape
from torch import Tensor, nn
from torch.func import functional_call

from nayan.core.errors import ConfigError
from nayan.core.types import Size
from nayan.parts.backbone import Backbone

LARGEST_LOOKED_AT = 1024


@dataclass(frozen=True, slots=True)
class Minimum:
    """The smallest square picture that a network accepts.

    Attributes:
        size: its side in pixels.
        reason: one sentence.
    """

    size: int
    reason: str


def output_shape(module: nn.Module, shape: tuple[int, ...]) -> Shape:
    """Return the shape that `module` gives for an input of `shape`, without computing any number.

    >>> output_shape(nn.Conv2d(3, 8, 3), (1, 3, 10, 12))
    torch.Size([1, 8, 8, 10])
    """
    tensors = {**dict(module.named_parameters()), **dict(module.named_buffers())}
    shapes = {name: torch.empty_like(tensor, device="meta") for name, tensor in tensors.items()}
    was_training = module.training
    module.eval()
    try:
        with torch.no_grad():
            output: Tensor = functional_call(module, shapes, torch.empty(shape, device="meta"))
    finally:
        module.train(was_training)
    return output.shape


def minimum_size(backbone: Backbone, *, channels: int = 3) -> Minimum:
    """Return the smallest square picture that the backbone accepts.

    For a network that is made for one size (position embeddings, windows), that size.
    Found by bisection; every network that takes pictures of s px is assumed to take larger ones.

    Raises:
        ConfigError: if it takes no picture of up to 1024 px.
    """
    fixed = backbone.published.fixed_size
    if fixed is not None:
        return Minimum(min(fixed), f"this network is made for pictures of exactly {fixed[0]}x{fixed[1]} px")
    low, high = 0, 32
    while not _accepts(backbone, (high, high), channels=channels):
        low, high = high, 2 * high
        if high > LARGEST_LOOKED_AT:
            raise ConfigError(f"{backbone.published.name} takes no picture of up to {LARGEST_LOOKED_AT} px")
    while high - low > 1:
        middle = (low + high) // 2
        if _accepts(backbone, (middle, middle), channels=channels):
            high = middle
        else:
            low = middle
    return Minimum(high, _reason(backbone, high, channels=channels))


def check_size(backbone: Backbone, size: Size, *, channels: int = 3) -> None:
    """Refuse a size that the backbone does not accept.

    Raises:
        ConfigError: with the smallest size that it accepts, and why.
    """
    fixed = backbone.published.fixed_size
    if fixed is not None or _accepts(backbone, size, channels=channels):
        return
    minimum = minimum_size(backbone, channels=channels)
    raise ConfigError(
        f"{backbone.published.name} needs pictures of at least {minimum.size}x{minimum.size} px, "
        f"got {size[0]}x{size[1]}: {minimum.reason}",
        hint=f"use --imgsz {minimum.size} or more, or a model for small pictures such as lenet",
    )


def _accepts(backbone: Backbone, size: Size, *, channels: int) -> bool:
    try:
        shape = output_shape(backbone, (1, channels, *size))
    except (RuntimeError, ValueError, AssertionError):
        return False
    return 0 not in shape


def _reason(backbone: Backbone, size: int, *, channels: int) -> str:
    """Say why `size` is the minimum, from the layer that fails one pixel below it."""
    if size == 1:
        return (
            "every layer pads its border, so any size runs; below its stride of "
            f"{backbone.stride} px the last map is a single cell"
        )
    calls = _calls(backbone, (1, channels, size - 1, size - 1))
    name, layer, taken = calls[-1]
    halvings = [c for c in calls if _halves(c[1])]
    if _halves(layer) and all(_keeps_size(c[1]) or _halves(c[1]) for c in calls):
        count = NUMBERS.get(len(halvings), str(len(halvings)))
        return f"{count} poolings halve the picture, 2^{len(halvings)} = {size}"
    kernel = _pair(layer.kernel_size)
    return (
        f"at {size - 1} px the layer {name} ({kernel[0]}x{kernel[1]}, padding {_pair(layer.padding)[0]}) "
        f"would get a map of {taken[-2]}x{taken[-1]}"
    )


NUMBERS = {2: "two", 3: "three", 4: "four", 5: "five", 6: "six"}


def _calls(backbone: Backbone, shape: tuple[int, ...]) -> list[tuple[str, Any, Shape]]:
    """Return (name, layer, shape of its input) of the convolutions and poolings until one fails."""
    calls: list[tuple[str, Any, Shape]] = []

    def watch(name: str) -> Callable[..., None]:
        return lambda layer, args: calls.append((name, layer, args[0].shape))

    handles = [
        layer.register_forward_pre_hook(watch(name))
        for name, layer in backbone.model.named_modules()
        if isinstance(layer, (nn.Conv2d, nn.MaxPool2d, nn.AvgPool2d))
    ]
    try:
        output_shape(backbone, shape)
    except (RuntimeError, ValueError, AssertionError):
        pass
    finally:
        for handle in handles:
            handle.remove()
    return calls


def _halves(layer: Any) -> bool:
    return (
        isinstance(layer, nn.MaxPool2d) and (_pair(layer.kernel_size), _pair(layer.stride)) == ((2, 2),) * 2
    )


def _keeps_size(layer: Any) -> bool:
    return _pair(layer.stride) == (1, 1) and all(
        2 * p == k - 1 for p, k in zip(_pair(layer.padding), _pair(layer.kernel_size), strict=True)
    )


def _pair(value: Any) -> tuple[Any, Any]:
    return (value[0], value[1]) if isinstance(value, tuple) else (value, value)
