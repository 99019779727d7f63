"""What each stage of a network sees in a picture."""

# C channels, (h, w) map size

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from nayan.core.story import Panel, Story
from nayan.core.types import Image
from nayan.explain.paint import as_rgb, colour, fit, grid, row
from nayan.explain.record import evaluating, every_tensor, record
from nayan.explain.segmentation.look import logits_of_pixels
from nayan.explain.segmentation.way import inner_steps, way_panel
from nayan.explain.stages import as_map, is_map, map_stages, own_stages, pixel_batch
from nayan.explain.subject import Subject

_TILE_PX = 84
_PICTURE_PX = 300


def explain_features(subject: Subject, *, layer: str | None = None, channels: int = 12) -> Story:
    """Show the strongest channels of every stage as heat maps beside the picture.

    A stage that puts out several maps shows each of them. Of a segmenter the steps of the way up are shown
    too, and first of all the whole way, down and up.

    Args:
        subject: needs a network and a picture.
        layer: only this stage or sub-module.
        channels: how many are shown a map.

    Raises:
        NotFound: if there is no such layer.
        ConfigError: if no stage puts out a map.
    """
    model, picture = subject.model, as_rgb(subject.pixels())
    with evaluating(model), torch.no_grad():
        pixels = pixel_batch(subject, model)
        stages = map_stages(model, pixels, layer=layer)
        is_way = layer is None and len(own_stages(model)) > 1
        is_way = is_way and logits_of_pixels(model(pixels), pixels) is not None
        watched = inner_steps(stages) if is_way else stages
        with record(model, watched, pick=_new_maps(len(pixels))) as seen:
            model(pixels)
    maps = {name: as_map(each)[0].float().cpu().numpy() for name, each in seen.items() if "#" not in name}
    panels = [_panel(name, each, picture, channels=channels) for name, each in maps.items()]
    if is_way:
        panels.insert(0, way_panel(maps, picture, first=next(iter(stages))))
    return Story("What each stage sees", panels)


def _new_maps(batch: int) -> Callable[[Any], dict[str, Tensor]]:
    """Return what picks the maps of an output that no earlier step has put out: some are handed on."""
    known: list[Tensor] = []

    def pick(output: Any) -> dict[str, Tensor]:
        maps = [each for each in every_tensor(output) if is_map(each) and len(each) == batch]
        fresh = {
            f"[{number}]" if len(maps) > 1 else "": each
            for number, each in enumerate(maps)
            if not any(each is old for old in known)
        }
        known.extend(fresh.values())
        return fresh

    return pick


def _panel(name: str, maps: NDArray[np.floating], picture: Image, *, channels: int) -> Panel:
    """Return the panel of (C, h, w) maps."""
    spread = maps.std(axis=(1, 2))
    order = np.argsort(-spread, kind="stable")[:channels]
    depth, height, width = maps.shape
    tiles = [fit(colour(maps[k], palette="viridis"), _TILE_PX) for k in order]
    sheet = grid(tiles, captions=[str(k) for k in order], columns=min(4, len(tiles)))
    silent = int((np.ptp(maps, axis=(1, 2)) == 0).sum())
    quiet = f" {silent} channels are the same everywhere." if silent else ""
    return Panel(
        f"Stage {name}",
        f"{depth} maps of {height}x{width}; one cell stands for about {picture.shape[0] / height:.3g} "
        f"pixels of the input. Shown are the {len(order)} channels that vary most over this picture, each on "
        f"a scale of its own from its lowest (dark blue) to its highest (yellow).{quiet}",
        image=row(
            [fit(picture, _PICTURE_PX), sheet],
            captions=[
                f"network input {picture.shape[0]}x{picture.shape[1]}",
                f"{len(order)} of {depth} channels, {height}x{width} each",
            ],
        ),
        data={
            "stage": name,
            "shape": [depth, height, width],
            "channels": [int(k) for k in order],
            "spread": [float(spread[k]) for k in order],
            "constant_channels": silent,
        },
    )
