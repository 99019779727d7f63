"""The kernels of a convolution as pictures."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from torch import nn

from nayan.core.errors import ConfigError, NotFound
from nayan.core.story import Panel, Story
from nayan.core.types import Image
from nayan.explain.paint import colour, enlarge, grid
from nayan.explain.subject import Subject

_MOST_SHOWN = 128
_WEAK = 0.05

_COLOUR = (
    "Each square is one kernel in the colours that it answers to most: it is the patch of the picture that "
    "excites the unit. Gray is zero. Blobs of colour look for colours, stripes for edges of that slant."
)
_GRAY = (
    "Each square is one kernel: gray is zero, white positive, black negative. It answers most where the "
    "picture is bright under white and dark under black."
)
_DEEP = (
    "A kernel here has {inputs} layers, one an input channel. Each row is one of the strongest kernels, each "
    "square one of its first layers (kernel:channel); blue is negative, red positive. Deep kernels combine "
    "maps, not pixels, so they say little by themselves: look at `features` too."
)


def explain_filters(subject: Subject, *, layer: str | None = None) -> Story:
    """Show the kernels of the first convolution, or of another one.

    Args:
        subject: only its network is needed.
        layer: name of a convolution; by default the first.

    Raises:
        NotFound: if no convolution has that name.
        ConfigError: if the network has no 2-D convolution.
    """
    name, conv = _find(subject.model, layer)
    weights = conv.weight.detach().float().cpu().numpy()  # (out, in/groups, k, k)
    title = f"Filters of {name}: {weights.shape[0]} of {weights.shape[2]}x{weights.shape[3]}"
    return Story(title, [_panel(name, weights)])


def _find(model: nn.Module, layer: str | None) -> tuple[str, nn.Conv2d]:
    convs = {name: module for name, module in model.named_modules() if isinstance(module, nn.Conv2d)}
    if not convs:
        raise ConfigError("the network has no 2-D convolution, so it has no filters to show")
    if layer is None:
        return next(iter(convs.items()))
    if layer not in convs:
        raise NotFound("convolution", layer, convs)
    return layer, convs[layer]


def _panel(name: str, weights: NDArray[np.floating]) -> Panel:
    strength = np.sqrt((weights**2).sum(axis=(1, 2, 3)))
    weak = strength < _WEAK * strength.max()
    outputs, inputs, height, width = weights.shape
    tile_px = max(height, 56 // height * height), max(width, 56 // width * width)
    if inputs in (1, 3):
        shown = min(outputs, _MOST_SHOWN)
        tiles = [enlarge(kernel_image(weights[k]), tile_px) for k in range(shown)]
        captions = [str(k) for k in range(shown)]
        columns = math.ceil(math.sqrt(shown * 2))
        how = _COLOUR if inputs == 3 else _GRAY
    else:
        order = np.argsort(-strength, kind="stable")[:8]
        slices = min(inputs, 16)
        tiles = [
            enlarge(colour(weights[k, c], palette="signed", high=float(np.abs(weights[k]).max())), tile_px)
            for k in order
            for c in range(slices)
        ]
        captions = [f"{k}:{c}" for k in order for c in range(slices)]
        columns, shown = slices, len(order)
        how = _DEEP.format(inputs=inputs)
    return Panel(
        f"Filters of {name}",
        f"{outputs} kernels of {inputs}x{height}x{width}; {shown} are shown, "
        f"each scaled by its own largest weight. {how} {_weak_text(weak)}",
        image=grid(tiles, captions=captions, columns=columns),
        data={
            "layer": name,
            "shape": list(weights.shape),
            "strength": [round(float(s), 6) for s in strength],
            "weak": [int(k) for k in np.flatnonzero(weak)],
        },
    )


def kernel_image(kernel: NDArray[np.floating]) -> Image:
    """Return a (1 or 3, k, k) kernel as (k, k, 3): zero is middle gray, the largest magnitude black or white.

    >>> kernel_image(np.array([[[-1.0, 0.0, 1.0]]]))[0, :, 0].tolist()
    [0, 128, 255]
    """
    largest = float(np.abs(kernel).max()) or 1.0
    painted = np.rint((kernel / largest + 1) * 127.5).astype(np.uint8).transpose(1, 2, 0)
    return np.ascontiguousarray(np.broadcast_to(painted, (*painted.shape[:2], 3)))


def _weak_text(weak: NDArray[np.bool_]) -> str:
    if not weak.any():
        return ""
    names = ", ".join(str(k) for k in np.flatnonzero(weak)[:12])
    return f"{int(weak.sum())} kernels are almost zero (below {_WEAK:.0%} of the strongest): {names}."
