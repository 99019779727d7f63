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
from nayan.explain.record import evaluating, every_tensor, record
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
    source = pixels.detach().clone().requires_grad_()
    stages = own_stages(model)
    pick = lambda output: {f"[{n}]": t for n, t in enumerate(every_tensor(output))}  # noqa: E731
    with evaluating(model), torch.enable_grad(), record(model, stages, gradients=True, pick=pick) as seen:
        total = dense_logits(model, model(source), source).sum()
        live = seen.live
        looked_at = torch.autograd.grad(total, list(live.values()), allow_unused=True)
    found: list[Skip] = []
    for stage, module in list(stages.items())[:-1]:
        used = [
            (int(key[len(stage) + 1 : -1]), live[key])
            for key, gradient in zip(live, looked_at, strict=True)
            if key.startswith(f"{stage}[") and gradient is not None and live[key].ndim == 4
        ]
        used.sort(key=lambda each: -each[1].shape[2])
        found += [_skip(stage, module, number, each, source) for number, each in used[:-1]]
    return found


def _skip(stage: str, module: nn.Module, number: int, each: Tensor, source: Tensor) -> Skip:
    stride = round(source.shape[2] / each.shape[2])
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
