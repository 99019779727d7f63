"""Take maps away between two stages, from outside: the network does not know.

A skip connection is a map that an encoder hands over beside its last one. Where it is replaced by its mean,
the decoder still gets numbers of the size that it is used to, and learns nothing from them about places.
"""

# C channels, (h, w) map size

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn

from nayan.core.errors import ConfigError
from nayan.explain.record import evaluating, every_tensor
from nayan.explain.segmentation.look import dense_logits
from nayan.explain.stages import own_stages

Fill = Literal["mean", "zero"]
"""What stands in the place of a map: of every channel its mean over the picture, or zeros."""


@dataclass(frozen=True, slots=True, eq=False)
class Skip:
    """A map that goes from one stage to the next beside the coarsest one.

    Attributes:
        stage: what puts it out.
        module: the same, as it runs.
        number: of the map among the tensors of that output.
        stride: pixels of the input for one cell.
        shape: (C, h, w).
    """

    stage: str
    module: nn.Module
    number: int
    stride: int
    shape: tuple[int, int, int]

    @property
    def name(self) -> str:
        """How it is called: by its size, as a part of the input's."""
        return f"1/{self.stride}"


def skips_of(model: nn.Module, pixels: Tensor) -> list[Skip]:
    """Return the skip connections of a segmenter, fine to coarse; none where its stages pass one map.

    Only what the answer depends on counts: a map that nobody looks at is no skip.

    Args:
        model: a segmenter with `stages()`.
        pixels: (1, channels, h, w) float.
    """
    found: list[Skip] = []
    with evaluating(model):
        for stage, module in list(own_stages(model).items())[:-1]:
            read = [(number, each) for number, each in _read_later(model, module, pixels) if each.ndim == 4]
            read.sort(key=lambda one: -one[1].shape[2])
            found += [_skip(stage, module, number, each, pixels) for number, each in read[:-1]]
    return found


def _read_later(model: nn.Module, module: nn.Module, pixels: Tensor) -> list[tuple[int, Tensor]]:
    """Return which tensors of a stage's output the answer depends on after the stage, with their numbers.

    Each is cut off from what it was made of, so that a map that only the stage itself goes on with has no
    gradient.
    """
    cut: list[Tensor] = []

    def hook(_module: nn.Module, _inputs: Any, output: Any) -> Any:
        tensors = every_tensor(output)
        cut.extend(each.detach().requires_grad_() for each in tensors)
        # a copy each: what comes later may work in place, but not on what a gradient is asked of
        return rebuilt(output, {id(old): new.clone() for old, new in zip(tensors, cut, strict=True)})

    handle = module.register_forward_hook(hook)
    try:
        with torch.enable_grad():
            total = dense_logits(model, model(pixels), pixels).sum()
            gradients = torch.autograd.grad(total, cut, allow_unused=True)
    finally:
        handle.remove()
    return [
        (number, each)
        for number, (each, gradient) in enumerate(zip(cut, gradients, strict=True))
        if gradient is not None
    ]


def _skip(stage: str, module: nn.Module, number: int, each: Tensor, pixels: Tensor) -> Skip:
    stride = round(pixels.shape[2] / each.shape[2])
    return Skip(stage, module, number, stride, (each.shape[1], each.shape[2], each.shape[3]))


@contextmanager
def without(skips: Sequence[Skip], *, fill: str = "mean") -> Iterator[None]:
    """Replace some maps while the block runs the network.

    Args:
        skips: of `skips_of`; none changes nothing.
        fill: see `Fill`.

    Raises:
        ConfigError: for another fill.
    """
    if fill not in get_args(Fill):
        raise ConfigError(f"--fill {fill}: expected {' or '.join(get_args(Fill))}")
    gone: dict[nn.Module, set[int]] = {}
    for skip in skips:
        gone.setdefault(skip.module, set()).add(skip.number)

    def hook(module: nn.Module, _inputs: Any, output: Any) -> Any:
        tensors = every_tensor(output)
        return rebuilt(output, {id(tensors[n]): _filled(tensors[n], fill) for n in gone[module]})

    handles = [module.register_forward_hook(hook) for module in gone]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _filled(each: Tensor, fill: str) -> Tensor:
    if fill == "zero":
        return torch.zeros_like(each)
    return each.mean(dim=(2, 3), keepdim=True).expand_as(each).contiguous()


def rebuilt(value: Any, changed: Mapping[int, Tensor]) -> Any:
    """Return a tensor, list, tuple or mapping with some of its tensors, named by their `id`, replaced.

    >>> one, two = torch.zeros(1), torch.ones(1)
    >>> rebuilt([one, {"two": two}], {id(two): torch.full((1,), 7.0)})
    [tensor([0.]), {'two': tensor([7.])}]
    """
    if isinstance(value, Tensor):
        return changed.get(id(value), value)
    if isinstance(value, Mapping):
        return type(value)({key: rebuilt(item, changed) for key, item in value.items()})  # type: ignore[call-arg]
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*(rebuilt(item, changed) for item in value))
    if isinstance(value, list | tuple):
        return type(value)(rebuilt(item, changed) for item in value)
    return value
