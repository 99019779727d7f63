"""Receptive fields by formula, followed from operation to operation.

A unit of a map sees `size` input pixels, and its neighbour sees the same window `jump` pixels further
on. A window of `k` taps with stride `s` and dilation `d` gives (Dumoulin & Visin 2016, arXiv:1603.07285;
Araujo et al. 2019, doi:10.23915/distill.00021):

    size' = size + d*(k - 1)*jump          jump' = jump*s

Where paths meet (residual sum, concatenation) the larger size holds. What is not understood is
unknown, and stays unknown downstream: no number is guessed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

Pair = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Field:
    """What one unit of a map sees of the input; every pair is (vertical, horizontal).

    Attributes:
        size: input pixels; may exceed the picture, the rest lies in the padding.
        jump: input pixels from one unit to the next.
        grid: units of the map.
    """

    size: Pair
    jump: Pair
    grid: tuple[int, int]

    def slide(self, kernel: Sequence[int], *, stride: Sequence[int], dilation: Sequence[int]) -> Field:
        """Return the field behind a window; the grid is still the old one.

        >>> Field((3, 3), (2, 2), (14, 14)).slide((3, 3), stride=(2, 2), dilation=(1, 1)).size
        (7, 7)
        """
        size = tuple(self.size[i] + dilation[i] * (kernel[i] - 1) * self.jump[i] for i in (0, 1))
        jump = tuple(self.jump[i] * stride[i] for i in (0, 1))
        return Field((size[0], size[1]), (jump[0], jump[1]), self.grid)

    def whole(self) -> Field:
        """Return the field of something that sees every unit of this map."""
        size = tuple(self.size[i] + (self.grid[i] - 1) * self.jump[i] for i in (0, 1))
        return Field((size[0], size[1]), self.jump, (1, 1))

    def on(self, grid: Sequence[int]) -> Field:
        """Return the same field on another grid."""
        return replace(self, grid=(int(grid[0]), int(grid[1])))


class FieldTracker(TorchFunctionMode):
    """While active, follow the receptive field of every tensor that comes from the input.

    Args:
        source: (B, C, h, w) the network's input.
    """

    def __init__(self, source: Tensor) -> None:
        super().__init__()
        # Tensors are kept, so that no id is given out twice.
        self._known: dict[int, tuple[Tensor, Field | None]] = {}
        self._put(source, Field((1, 1), (1, 1), (source.shape[-2], source.shape[-1])))

    def of(self, tensor: Tensor) -> Field | None:
        """Return the field of a tensor's units; None if its history is not understood."""
        return self._known.get(id(tensor), (tensor, None))[1]

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        output = func(*args, **kwargs)
        seen = [t for t in _tensors([args, kwargs]) if id(t) in self._known]
        results = list(_tensors([output]))
        if seen and results:
            field = self._after(getattr(func, "__name__", ""), seen, results[0], args, kwargs)
            for result in results:
                self._put(result, field)
        return output

    def _after(self, name: str, seen: list[Tensor], output: Tensor, args: Any, kwargs: Any) -> Field | None:
        fields = [self.of(tensor) for tensor in seen]
        if any(field is None for field in fields):
            return None
        field = _merge([field for field in fields if field is not None])
        if name in _WINDOWS and output.ndim == 4:
            return _WINDOWS[name](field, args, kwargs).on(output.shape[-2:])
        if name.startswith("adaptive_") and output.ndim == 4:
            return _adaptive(field, output.shape[-2:])
        if name in {"interpolate", "upsample"} and output.ndim == 4:
            return _interpolate(field, output.shape[-2:], kwargs)
        if name == "pad" and output.ndim == 4:
            return field.on(output.shape[-2:])
        if name in _EVERYTHING:
            return field.whole()
        return _follow(field, output) if name.strip("_") in _POINTWISE else None

    def _put(self, tensor: Tensor, field: Field | None) -> None:
        self._known[id(tensor)] = (tensor, field)


# By the name under which torch calls them, without underscores at the ends.
_LEAVE_POSITIONS_ALONE = """
    add sub subtract radd rsub iadd mul multiply rmul imul div true_divide truediv rtruediv pow neg abs sqrt
    exp square where clamp clamp_min clip maximum minimum lerp addcmul
    relu relu6 leaky_relu prelu elu celu selu gelu silu mish sigmoid logsigmoid tanh hardtanh hardswish
    hardsigmoid softplus glu softmax log_softmax
    dropout dropout1d dropout2d alpha_dropout feature_dropout batch_norm layer_norm rms_norm linear
    to float half bfloat16 type type_as contiguous clone detach identity get
    permute transpose movedim reshape view flatten squeeze unsqueeze expand
    cat concat concatenate stack chunk split tensor_split unbind getitem mean sum amax amin max norm
"""
# Normalisation over the map and attention mix every position with every other.
_MIX_POSITIONS = """
    group_norm instance_norm scaled_dot_product_attention multi_head_attention_forward matmul bmm einsum
"""
_POINTWISE = frozenset(_LEAVE_POSITIONS_ALONE.split())
_EVERYTHING = frozenset(_MIX_POSITIONS.split())


def _conv(field: Field, args: Any, kwargs: Any) -> Field:
    weight = _argument(args, kwargs, 1, "weight", None)
    stride = _two(_argument(args, kwargs, 3, "stride", 1))
    return field.slide(
        weight.shape[-2:], stride=stride, dilation=_two(_argument(args, kwargs, 5, "dilation", 1))
    )


def _max_pool(field: Field, args: Any, kwargs: Any) -> Field:
    kernel = _two(_argument(args, kwargs, 1, "kernel_size", 1))
    stride = _argument(args, kwargs, 2, "stride", None)
    dilation = _two(_argument(args, kwargs, 4, "dilation", 1))
    return field.slide(kernel, stride=_two(stride) if stride else kernel, dilation=dilation)


def _avg_pool(field: Field, args: Any, kwargs: Any) -> Field:
    kernel = _two(_argument(args, kwargs, 1, "kernel_size", 1))
    stride = _argument(args, kwargs, 2, "stride", None)
    return field.slide(kernel, stride=_two(stride) if stride else kernel, dilation=(1, 1))


def _transposed(field: Field, args: Any, kwargs: Any) -> Field:
    """An output unit is fed by ceil(span/stride) input units at most; units lie `stride` times closer."""
    kernel = _argument(args, kwargs, 1, "weight", None).shape[-2:]
    stride = _two(_argument(args, kwargs, 3, "stride", 1))
    dilation = _two(_argument(args, kwargs, 7, "dilation", 1))
    feeding = [-(-(dilation[i] * (kernel[i] - 1) + 1) // stride[i]) for i in (0, 1)]
    wider = field.slide(feeding, stride=(1, 1), dilation=(1, 1))
    return replace(wider, jump=(field.jump[0] / stride[0], field.jump[1] / stride[1]))


_WINDOWS: Mapping[str, Callable[[Field, Any, Any], Field]] = {
    "conv2d": _conv,
    "max_pool2d": _max_pool,
    "max_pool2d_with_indices": _max_pool,
    "avg_pool2d": _avg_pool,
    "conv_transpose2d": _transposed,
}


def _adaptive(field: Field, grid: Sequence[int]) -> Field:
    longest = [
        max(-(-(j + 1) * field.grid[i] // grid[i]) - j * field.grid[i] // grid[i] for j in range(grid[i]))
        for i in (0, 1)
    ]
    wider = field.slide(longest, stride=(1, 1), dilation=(1, 1))
    step = (field.jump[0] * field.grid[0] / grid[0], field.jump[1] * field.grid[1] / grid[1])
    return replace(wider, jump=step).on(grid)


def _interpolate(field: Field, grid: Sequence[int], kwargs: Mapping[str, Any]) -> Field | None:
    taps = {"nearest": 1, "nearest-exact": 1, "bilinear": 2, "bicubic": 4}.get(kwargs.get("mode", "nearest"))
    if taps is None or kwargs.get("antialias"):
        return None
    wider = field.slide((taps, taps), stride=(1, 1), dilation=(1, 1))
    step = (field.jump[0] * field.grid[0] / grid[0], field.jump[1] * field.grid[1] / grid[1])
    return replace(wider, jump=step).on(grid)


def _follow(field: Field, output: Tensor) -> Field | None:
    """Return the field after an operation that leaves positions alone or joins all of them."""
    shape = tuple(output.shape)
    if field.grid == (1, 1):
        return field
    if len(shape) == 4 and field.grid in {shape[2:], shape[1:3]}:  # (B, C, h, w) or (B, h, w, C)
        return field
    if len(shape) == 3 and field.grid[0] * field.grid[1] in shape[1:]:  # (B, tokens, C)
        return field
    if len(shape) <= 2 or (1, 1) in {shape[2:4], shape[1:3]}:
        return field.whole()
    return None


def _merge(fields: Sequence[Field]) -> Field:
    """Return the largest size on the finest grid of several inputs."""
    finest = max(fields, key=lambda field: field.grid[0] * field.grid[1])
    size = (max(field.size[0] for field in fields), max(field.size[1] for field in fields))
    return replace(finest, size=size)


def _tensors(values: Iterable[Any]) -> Iterable[Tensor]:
    for value in values:
        if isinstance(value, torch.Tensor):
            yield value
        elif isinstance(value, list | tuple):
            yield from _tensors(value)
        elif isinstance(value, dict):
            yield from _tensors(value.values())


def _argument(args: Sequence[Any], kwargs: Mapping[str, Any], position: int, name: str, default: Any) -> Any:
    return args[position] if len(args) > position else kwargs.get(name, default)


def _two(value: Any) -> tuple[int, int]:
    return (int(value[0]), int(value[-1])) if isinstance(value, Sequence) else (int(value), int(value))
