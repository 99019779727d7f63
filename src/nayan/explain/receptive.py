"""The receptive field, measured: which input pixels a unit in the middle of a stage depends on.

The gradient of the unit with respect to the input is not zero exactly there. Its size shows how much
each pixel counts: the effective receptive field, which is far smaller and bell-shaped
(Luo, Li, Urtasun, Zemel 2016, arXiv:1701.04128).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from nayan.core.errors import ConfigError
from nayan.core.story import Panel, Story, Table
from nayan.core.types import Size
from nayan.explain.field import Field, FieldTracker
from nayan.explain.ledger import field_text
from nayan.explain.paint import FAINT, MARK, colour, enlarge, framed, grid
from nayan.explain.record import evaluating, record
from nayan.explain.stages import as_map, device_of, map_stages
from nayan.explain.subject import Subject

_TILE_PX = 224
_CORE = 0.9


@dataclass(frozen=True, slots=True, eq=False)
class Reach:
    """What a unit depends on.

    Attributes:
        influence: (h, w) mean magnitude of the gradient over the tried pictures.
        box: (x1, y1, x2, y2) of the pixels with any influence, right and bottom exclusive.
        core: (x1, y1, x2, y2) of the window that holds the middle 90 % of the influence, row by row and
            column by column.
        map_size: (height, width) of the stage's map.
        formula: the field that follows from kernels and strides; None where it cannot be derived.
    """

    influence: NDArray[np.floating]
    box: tuple[int, int, int, int]
    core: tuple[int, int, int, int]
    map_size: Size
    formula: Field | None

    @property
    def size(self) -> Size:
        """(height, width) of the box."""
        return _sides(self.box)


def measure_reach(
    model: nn.Module,
    input_shape: tuple[int, int, int],
    *,
    layer: str | None = None,
    samples: int = 4,
    seed: int = 0,
) -> dict[str, Reach]:
    """Return the measured receptive field of the middle unit of every stage.

    Args:
        model: any module.
        input_shape: (channels, h, w).
        layer: only this stage or sub-module.
        samples: random pictures; a max pooling passes the gradient to one pixel a picture, so that few
            pictures may miss the border of the field.
        seed: of the random pictures.
    """
    generator = torch.Generator().manual_seed(seed)
    pictures = [torch.rand(1, *input_shape, generator=generator) * 255 for _ in range(samples)]
    influence: dict[str, NDArray[np.floating]] = {}
    facts: dict[str, tuple[Size, Field | None]] = {}
    with evaluating(model):
        stages = map_stages(model, pictures[0].to(device_of(model)), layer=layer)
        for picture in pictures:
            pixels = picture.to(device_of(model)).requires_grad_()
            tracker = FieldTracker(pixels)
            with torch.enable_grad(), record(model, stages, gradients=True) as seen, tracker:
                model(pixels)
            for name in stages:
                output = as_map(seen.live[name])
                facts[name] = (output.shape[2], output.shape[3]), tracker.of(seen.live[name])
                influence[name] = influence.get(name, np.zeros(())) + _gradient(output, pixels) / samples
    return {name: _reach(influence[name], *facts[name]) for name in stages}


def explain_receptive(subject: Subject, *, layer: str | None = None, samples: int = 4) -> Story:
    """Show for every stage which input pixels the unit in the middle of its map depends on.

    Args:
        subject: only its network is needed.
        layer: only this stage or sub-module.
        samples: see `measure_reach`.
    """
    shape = (subject.preprocess.channels, *subject.preprocess.size)
    reaches = measure_reach(subject.model, shape, layer=layer, samples=samples)
    tiles, captions = [], []
    for name, reach in reaches.items():
        tiles.append(_tile(reach))
        captions.append(f"{name}: {_x(reach.size)} px")
    rows = tuple(
        (name, _x(reach.map_size), _x(reach.size), field_text(reach.formula, shape), _x(_sides(reach.core)))
        for name, reach in reaches.items()
    )
    text = (
        "The unit in the middle of each map, and how much each input pixel moves it (square root of the mean "
        f"gradient over {samples} random pictures; bright is much). The yellow frame holds every pixel with "
        "any influence: the receptive field. The gray frame holds 90 % of the influence: the effective "
        "field, which is far smaller. The formula follows from kernels and strides; at the border of the "
        "picture the measured field is cut off."
    )
    table = Table(("stage", "map", "measured", "formula", "90 % core"), rows)
    data = {name: {"box": list(reach.box), "core": list(reach.core)} for name, reach in reaches.items()}
    image = grid(tiles, captions=captions, columns=min(4, len(tiles)), gap=10)
    return Story("Receptive fields", [Panel("Receptive fields", text, image=image, table=table, data=data)])


def _gradient(output: Tensor, pixels: Tensor) -> NDArray[np.float32]:
    """Return |d(middle unit, all channels) / d(pixels)|, summed over the input's channels: (h, w)."""
    middle = output[0, :, output.shape[2] // 2, output.shape[3] // 2]
    # Distinct weights, so that channels that mirror each other do not cancel.
    weights = torch.linspace(0.5, 1.0, middle.numel(), device=middle.device)
    (gradient,) = torch.autograd.grad(
        (middle * weights).sum(), pixels, retain_graph=True, allow_unused=True
    )
    if gradient is None:
        raise ConfigError(
            "no pixel of the input reaches this map: the network looks at something else",
            hint="nayan explain MODEL IMAGE --what features shows what it makes of that",
        )
    total: NDArray[np.float32] = gradient[0].abs().sum(dim=0).float().cpu().numpy()
    return total


def _reach(influence: NDArray[np.floating], map_size: Size, formula: Field | None) -> Reach:
    ys, xs = np.flatnonzero(influence.any(axis=1)), np.flatnonzero(influence.any(axis=0))
    if not len(ys):
        return Reach(influence, (0, 0, 0, 0), (0, 0, 0, 0), map_size, formula)
    box = (int(xs[0]), int(ys[0]), int(xs[-1]) + 1, int(ys[-1]) + 1)
    return Reach(influence, box, _core(influence), map_size, formula)


def _core(influence: NDArray[np.floating]) -> tuple[int, int, int, int]:
    """Return the box of the middle 90 % of each marginal."""
    sides = []
    for axis in (0, 1):  # columns give x, rows give y
        share = np.cumsum(influence.sum(axis=axis)) / influence.sum()
        low, high = np.searchsorted(share, [(1 - _CORE) / 2, (1 + _CORE) / 2])
        sides.append((int(low), int(high) + 1))
    (x1, x2), (y1, y2) = sides
    return x1, y1, x2, y2


def _tile(reach: Reach) -> NDArray[np.uint8]:
    height, width = reach.influence.shape
    scale = max(1, _TILE_PX // max(height, width))
    image = enlarge(colour(np.sqrt(reach.influence)), (height * scale, width * scale))
    x1, y1, x2, y2 = (side * scale for side in reach.box)
    left, top, right, bottom = (side * scale for side in reach.core)
    inside = (max(x1, 2), max(y1, 2), min(x2, width * scale - 2), min(y2, height * scale - 2))
    return framed(framed(image, (left, top, right, bottom), outline=FAINT, width=1), inside, outline=MARK)


def _sides(box: tuple[int, int, int, int]) -> Size:
    return box[3] - box[1], box[2] - box[0]


def _x(size: Size) -> str:
    return f"{size[0]}x{size[1]}"
