"""What each stage of a network sees in a picture."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from nayan.core.story import Panel, Story
from nayan.core.types import Image
from nayan.explain.paint import as_rgb, colour, fit, grid, row
from nayan.explain.record import evaluating, record
from nayan.explain.stages import as_map, map_stages, pixel_batch
from nayan.explain.subject import Subject

_TILE_PX = 84
_PICTURE_PX = 300


def explain_features(subject: Subject, *, layer: str | None = None, channels: int = 12) -> Story:
    """Show the strongest channels of every stage as heat maps beside the picture.

    Args:
        subject: needs a network and a picture.
        layer: only this stage or sub-module.
        channels: how many are shown a stage.

    Raises:
        NotFound: if there is no such layer.
        ConfigError: if no stage puts out a map.
    """
    model, picture = subject.model, as_rgb(subject.pixels())
    with evaluating(model), torch.no_grad():
        pixels = pixel_batch(subject, model)
        stages = map_stages(model, pixels, layer=layer)
        with record(model, stages) as seen:
            model(pixels)
    panels = [
        _panel(name, as_map(seen[name])[0].float().cpu().numpy(), picture, channels=channels)
        for name in stages
    ]
    return Story("What each stage sees", panels)


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
