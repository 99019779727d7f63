"""The sums of a layer written out: output size, parameters, multiply-adds.

Every text is a sum that can be checked by hand: `(28 - 3 + 2*0)/1 + 1 = 26`. A text is only
given where its result is what the layer really does; otherwise it is empty or says so.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from torch import nn

from nayan.parts.upsample import Interpolate

Shape = tuple[int, ...]
"""Of one picture's activations, without the batch axis."""


@dataclass(frozen=True, slots=True)
class Sum:
    """A number with the sum that gives it; the text may be empty."""

    value: int
    text: str = ""


@dataclass(frozen=True, slots=True)
class Window:
    """A kernel that slides along one axis.

    Attributes:
        kernel: its length.
        stride: step.
        before, after: padding at the two ends.
        dilation: distance between taps.
        ceil: round the number of steps up (PyTorch's `ceil_mode`).
    """

    kernel: int
    stride: int = 1
    before: int = 0
    after: int = 0
    dilation: int = 1
    ceil: bool = False

    def slide(self, size: int) -> Sum:
        """Return the output length for an input of `size`, with its arithmetic.

        >>> Window(3).slide(28).text
        '(28 - 3 + 2*0)/1 + 1 = 26'
        >>> Window(3, stride=2).slide(28).text
        'floor((28 - 3 + 2*0)/2) + 1 = 13'
        >>> Window(3, dilation=2).slide(28).text
        '(28 - (2*(3-1)+1) + 2*0)/1 + 1 = 24'
        """
        span = self.dilation * (self.kernel - 1) + 1
        kernel = f"({self.dilation}*({self.kernel}-1)+1)" if self.dilation != 1 else f"{self.kernel}"
        pads = f"2*{self.before}" if self.before == self.after else f"({self.before} + {self.after})"
        steps = size - span + self.before + self.after
        fraction = f"({size} - {kernel} + {pads})/{self.stride}"
        if steps % self.stride == 0:
            return Sum(steps // self.stride + 1, f"{fraction} + 1 = {steps // self.stride + 1}")
        if not self.ceil:
            return Sum(steps // self.stride + 1, f"floor({fraction}) + 1 = {steps // self.stride + 1}")
        result = -(-steps // self.stride) + 1
        if (result - 1) * self.stride >= size + self.before:
            return Sum(
                result - 1,
                f"ceil({fraction}) + 1 - 1 = {result - 1} (the last window would lie in the padding only)",
            )
        return Sum(result, f"ceil({fraction}) + 1 = {result}")


def windows(layer: nn.Module, shape: Shape) -> tuple[Window, Window] | None:
    """Return the vertical and horizontal window of a convolution or pooling on a (C, h, w) input, or None."""
    if isinstance(layer, nn.ConvTranspose2d) or not isinstance(
        layer, nn.Conv2d | nn.MaxPool2d | nn.AvgPool2d
    ):
        return None
    kernel, dilation = _pair(layer.kernel_size), _pair(getattr(layer, "dilation", 1))
    stride = _pair(layer.stride if layer.stride is not None else layer.kernel_size)
    made = []
    for axis in (0, 1):
        before, after = _padding(layer, axis, shape[axis - 2])
        ceil = bool(getattr(layer, "ceil_mode", False))
        made.append(Window(kernel[axis], stride[axis], before, after, dilation[axis], ceil))
    return made[0], made[1]


def size_text(layer: nn.Module, source: Shape, output: Shape) -> str:
    """Return how the output's height and width (or length) follow from the input's.

    Args:
        layer: any leaf module.
        source: shape of its input without the batch.
        output: shape of its output without the batch.

    Returns:
        One sum where height and width agree, otherwise one for each; empty where nothing changes.
    """
    slid = windows(layer, source) if len(source) == 3 else None
    if slid is not None:
        return _checked([slid[0].slide(source[1]), slid[1].slide(source[2])], output)
    if isinstance(layer, nn.ConvTranspose2d) and len(source) == 3:
        return _checked([_unslide(layer, axis, source[axis + 1]) for axis in (0, 1)], output)
    if isinstance(layer, nn.AdaptiveAvgPool2d | nn.AdaptiveMaxPool2d) and len(source) == 3:
        return _each_axis([_adaptive(source[axis], output[axis]) for axis in (1, 2)])
    if isinstance(layer, nn.Upsample | Interpolate) and len(source) == 3:
        return _each_axis([_upsample(source[axis], output[axis]) for axis in (1, 2)])
    if isinstance(layer, nn.Linear):
        return f"{source[-1]} -> {output[-1]}"
    if len(output) == 1 and len(source) > 1 and math.prod(source) == output[0]:
        return f"{'*'.join(map(str, source))} = {output[0]}"
    return "" if source == output else f"{_x(source)} -> {_x(output)}"


def parameters_sum(layer: nn.Module, names: Iterable[str] | None = None) -> Sum:
    """Return the number of a layer's own parameters with its arithmetic.

    Args:
        layer: any module; parameters of its children do not count.
        names: only these parameters; by default all.

    >>> parameters_sum(nn.Conv2d(3, 100, 3)).text
    '(3*3*3 + 1)*100 = 2800'
    """
    own = dict(layer.named_parameters(recurse=False))
    if names is not None:
        own = {name: own[name] for name in names}
    total = sum(parameter.numel() for parameter in own.values())
    if not total:
        return Sum(0)
    bias = " + 1" if "bias" in own else ""
    text = ""
    if isinstance(layer, nn.ConvTranspose2d) and "weight" in own:
        kernel = "*".join(map(str, layer.kernel_size))
        text = f"{kernel}*{layer.in_channels}*{_share(layer.out_channels, layer.groups)}"
        text += f" + {layer.out_channels}" if bias else ""
    elif isinstance(layer, nn.Conv1d | nn.Conv2d | nn.Conv3d) and "weight" in own:
        kernel = "*".join(map(str, layer.kernel_size))
        text = _times(f"{kernel}*{_share(layer.in_channels, layer.groups)}", bias, layer.out_channels)
    elif isinstance(layer, nn.Linear) and "weight" in own:
        text = _times(f"{layer.in_features}", bias, layer.out_features)
    elif set(own) == {"weight", "bias"} and own["weight"].shape == own["bias"].shape:
        text = f"2*{'*'.join(map(str, own['weight'].shape))}"
    else:
        text = " + ".join("*".join(map(str, parameter.shape)) or "1" for parameter in own.values())
    return Sum(total, f"{text} = {total}")


def macs_sum(layer: nn.Module, source: Shape, output: Shape) -> Sum:
    """Return the multiply-adds of one picture through a convolution or linear layer; 0 for all others.

    Additions of the bias, activations, normalisation and pooling are not counted, as is usual.

    >>> macs_sum(nn.Conv2d(3, 100, 3), (3, 28, 28), (100, 26, 26)).text
    '26*26*100*3*3*3 = 1825200'
    """
    if isinstance(layer, nn.ConvTranspose2d) and len(source) == 3:
        factors = [*source[1:], layer.in_channels, *layer.kernel_size]
        return _product([*factors, _share(layer.out_channels, layer.groups)])
    if isinstance(layer, nn.Conv1d | nn.Conv2d | nn.Conv3d) and len(source) == len(layer.kernel_size) + 1:
        factors = [*output[1:], layer.out_channels, *layer.kernel_size]
        return _product([*factors, _share(layer.in_channels, layer.groups)])
    if isinstance(layer, nn.Linear):
        return _product([*output[:-1], layer.in_features, layer.out_features])
    return Sum(0)


def _padding(layer: nn.Module, axis: int, size: int) -> tuple[int, int]:
    """Return the padding before and after on one axis (0 vertical, 1 horizontal)."""
    padding = layer.padding
    kernel, dilation = _pair(layer.kernel_size)[axis], _pair(getattr(layer, "dilation", 1))[axis]
    if type(layer).__name__ in {"Conv2dSame", "MaxPool2dSame", "AvgPool2dSame"}:
        # timm's port of TensorFlow's rule: the output is ceil(size/stride), the odd pixel goes last.
        stride = _pair(layer.stride)[axis]
        wanted = (-(-size // stride) - 1) * stride + dilation * (kernel - 1) + 1
        total = max(wanted - size, 0)
    elif padding == "same":
        total = dilation * (kernel - 1)
    elif padding == "valid":
        total = 0
    else:
        total = 2 * _pair(padding)[axis]
    return total // 2, total - total // 2


def _unslide(layer: nn.ConvTranspose2d, axis: int, size: int) -> Sum:
    """Return a transposed convolution's output length: the window arithmetic solved for the input."""
    stride, pad = _pair(layer.stride)[axis], _pair(layer.padding)[axis]
    kernel, dilation = _pair(layer.kernel_size)[axis], _pair(layer.dilation)[axis]
    extra = _pair(layer.output_padding)[axis]
    result = (size - 1) * stride - 2 * pad + dilation * (kernel - 1) + 1 + extra
    span = f"({dilation}*({kernel}-1)+1)" if dilation != 1 else f"{kernel}"
    return Sum(result, f"({size} - 1)*{stride} - 2*{pad} + {span} + {extra} = {result}")


def _adaptive(size: int, result: int) -> str:
    if size % result == 0:
        return f"{size}/{size // result} = {result} (adaptive: windows of {size // result})"
    return f"{size} -> {result} (adaptive: windows of {size // result} to {_adaptive_window(size, result)})"


def _adaptive_window(size: int, result: int) -> int:
    """Return the longest window of adaptive pooling: from floor(i*size/result) to ceil((i+1)*size/result)."""
    return max(-(-(i + 1) * size // result) - i * size // result for i in range(result))


def _upsample(size: int, result: int) -> str:
    return f"{size}*{result // size} = {result}" if result % size == 0 else f"{size} -> {result}"


def _checked(sums: Sequence[Sum], output: Shape) -> str:
    """Join the sums of height and width if they hold; a subclass may do something else than its parent."""
    if tuple(item.value for item in sums) != tuple(output[1:]):
        return f"-> {_x(output)} (this layer does not follow the usual rule)"
    return _each_axis([item.text for item in sums])


def _each_axis(texts: Sequence[str]) -> str:
    return texts[0] if texts[0] == texts[1] else f"h: {texts[0]}; w: {texts[1]}"


def _times(inner: str, bias: str, outer: int) -> str:
    return f"({inner}{bias})*{outer}" if bias else f"{inner}*{outer}"


def _share(channels: int, groups: int) -> str:
    return f"({channels}/{groups})" if groups != 1 else f"{channels}"


def _product(factors: Sequence[int | str]) -> Sum:
    """Multiply factors of which one may be written as a quotient, such as "(32/32)"."""
    value = 1
    for factor in factors:
        over, _, under = str(factor).strip("()").partition("/")
        value *= int(over) // int(under or 1)
    return Sum(value, f"{'*'.join(map(str, factors))} = {value}")


def _pair(value: Any) -> tuple[int, int]:
    return (int(value[0]), int(value[-1])) if isinstance(value, Sequence) else (int(value), int(value))


def _x(shape: Shape) -> str:
    return "x".join(map(str, shape))
