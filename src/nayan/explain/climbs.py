"""Watch from outside where a network makes its maps larger, by whatever means."""

# C channels, (h, w) before, (H, W) after

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

_UP = frozenset({"interpolate", "upsample", "conv_transpose2d", "pixel_shuffle"})


@dataclass(frozen=True, slots=True, eq=False)
class Climb:
    """One step from a coarse map to a finer one.

    Attributes:
        name: of the innermost module that did it.
        kind: "transposed 2x2, stride 2", "bilinear", "nearest", "pixel shuffle", ...
        kernel: side of a transposed convolution's kernel; 0 for others.
        stride: of it; 0 for others.
        unevenness: of a transposed convolution: what a map of ones becomes, the spread over the f x f places
            of a cell as a share of the root mean square; None for others.
        before: (C, h, w) of the first picture.
        after: (C, H, W).
    """

    name: str
    kind: str
    kernel: int
    stride: int
    unevenness: float | None
    before: NDArray[np.float32]
    after: NDArray[np.float32]

    @property
    def factor(self) -> int:
        """By how much the height grew, as a whole number."""
        return max(1, round(int(self.after.shape[1]) / int(self.before.shape[1])))


class _Watch(TorchFunctionMode):
    """Collects every call that makes a map larger, with the name of the module that it happens in."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[Climb] = []
        self.within: list[str] = []

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        output = func(*args, **kwargs)
        name = getattr(func, "__name__", "")
        source = args[0] if args else kwargs.get("input")
        if name in _UP and _is_larger(source, output):
            self.found.append(
                _climb(self.within[-1] if self.within else "", name, source, output, args, kwargs)
            )
        return output


@contextmanager
def watching(model: nn.Module) -> Iterator[list[Climb]]:
    """Collect the steps up while the block runs the model.

    >>> with watching(nn.Upsample(scale_factor=2)) as found:
    ...     _ = nn.Upsample(scale_factor=2)(torch.zeros(1, 1, 2, 2))
    >>> [(climb.kind, climb.factor) for climb in found]
    [('nearest', 2)]
    """
    watch = _Watch()
    handles: list[Any] = []
    for name, module in model.named_modules():
        handles.append(module.register_forward_pre_hook(_entering(watch, name)))
        handles.append(module.register_forward_hook(_leaving(watch)))
    try:
        with watch:
            yield watch.found
    finally:
        for handle in handles:
            handle.remove()


def _entering(watch: _Watch, name: str) -> Callable[..., None]:
    return lambda _module, _inputs: watch.within.append(name)


def _leaving(watch: _Watch) -> Callable[..., None]:
    def leave(_module: nn.Module, _inputs: Any, _output: Any) -> None:
        watch.within.pop()

    return leave


def _is_larger(source: Any, output: Any) -> bool:
    """Say whether a map of several cells grew; one cell that is spread everywhere is no step up."""
    if not (isinstance(source, Tensor) and isinstance(output, Tensor) and source.ndim == output.ndim == 4):
        return False
    return output.shape[2] > source.shape[2] and max(source.shape[2:]) > 1


def _climb(name: str, called: str, source: Tensor, output: Tensor, args: Any, kwargs: Any) -> Climb:
    before, after = (each[0].detach().float().cpu().numpy().copy() for each in (source, output))
    if called == "conv_transpose2d":
        weight = _given(args, kwargs, 1, "weight", None)
        stride = _given(args, kwargs, 3, "stride", 1)
        side = stride if isinstance(stride, int) else int(stride[0])
        groups = int(_given(args, kwargs, 6, "groups", 1))
        kernel = int(weight.shape[2])
        kind = f"transposed {kernel}x{weight.shape[3]}, stride {side}"
        return Climb(
            name, kind, kernel, side, unevenness_of(weight.detach(), side, groups=groups), before, after
        )
    kind = "pixel shuffle" if called == "pixel_shuffle" else str(_given(args, kwargs, 3, "mode", "nearest"))
    return Climb(name, kind, 0, 0, None, before, after)


def _given(args: Any, kwargs: Any, position: int, name: str, default: Any) -> Any:
    return args[position] if len(args) > position else kwargs.get(name, default)


def unevenness_of(weight: Tensor, stride: int, *, groups: int = 1) -> float:
    """Return how uneven a map of ones becomes within a cell, far from the border; 0 is perfectly even.

    Args:
        weight: (inputs, outputs / groups, k, k) of a transposed convolution.
        stride: s.
        groups: of its channels.

    Returns:
        The spread over the s x s places of a cell as a share of the root mean square, over all outputs.

    >>> unevenness_of(torch.ones(1, 1, 2, 2), 2), round(unevenness_of(torch.ones(1, 1, 3, 3), 2), 3)
    (0.0, 0.436)
    """
    inputs, _, rows, columns = weight.shape
    cells = 2 * max(2, -(-max(rows, columns) // stride)) + 1
    ones = torch.ones(1, inputs, cells, cells, dtype=torch.float32, device=weight.device)
    out = F.conv_transpose2d(ones, weight.float(), stride=stride, groups=groups)[0]
    first = (cells // 2) * stride
    cell = out[:, first : first + stride, first : first + stride]
    spread = cell - cell.mean(dim=(1, 2), keepdim=True)
    return float((spread.pow(2).mean() / cell.pow(2).mean().clamp(min=1e-12)).sqrt())
