"""The way of a segmenter in one picture: what it sees at each size, going down and coming up again."""

# C channels, (h, w) map size

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage
from PIL import ImageDraw
from torch import nn

from nayan.core.story import Panel, Table
from nayan.core.types import Image
from nayan.explain.paint import FAINT, INK, PAPER, colour, fit, font
from nayan.explain.stages import parts_of

_TILE_PX = 148
_GAP = 14
_LINE = 17
_MARGIN = 66


def inner_steps(stages: Mapping[str, nn.Module]) -> dict[str, nn.Module]:
    """Return the stages with the steps within those between the first and the last one, by full names.

    The way down is the first stage, which puts out its maps; the last one puts out the answer.
    """
    first, *between, last = stages
    found = {first: stages[first]}
    for name in between:
        found |= {f"{name}.{part}": module for part, module in parts_of(stages[name]).items()}
        found[name] = stages[name]
    return {**found, last: stages[last]}


def way_panel(maps: Mapping[str, NDArray[np.floating]], picture: Image, *, first: str) -> Panel:
    """Return the panel with one map of each step, in columns by size.

    Args:
        maps: (C, h, w) by the name of the step, in the order in which they ran.
        picture: (h, w, 3), the network's input.
        first: name of the stage that is the way down.
    """
    down = [name for name in maps if name == first or name.startswith(f"{first}[")]
    up = [name for name in maps if name not in down]
    rows = tuple(
        (name, "down" if name in down else "up", _fraction(each, picture), "x".join(map(str, each.shape)))
        for name, each in maps.items()
    )
    return Panel(
        "The way down and up",
        "One map of each step, the one that varies most over this picture; columns are sizes, as parts of "
        "the input's. On the way down (above) maps get coarser and say more of what there is; on the way up "
        "(below, from right to left, in each column from above to below) they get finer and say where. Maps "
        "of one column can be laid side by side: that is what a skip connection does.",
        image=_board(maps, picture, down=down, up=up),
        table=Table(("step", "way", "size", "channels x height x width"), rows),
        data={"down": down, "up": up},
    )


def _fraction(each: NDArray[np.floating], picture: Image) -> str:
    times = picture.shape[0] / each.shape[1]
    return f"1/{times:.3g}" if times >= 1 else f"{1 / times:.3g}x"


def _board(
    maps: Mapping[str, NDArray[np.floating]], picture: Image, *, down: list[str], up: list[str]
) -> Image:
    sizes = sorted({maps[name].shape[1] for name in maps}, reverse=True)
    places: dict[str, tuple[int, int]] = {}  # (row, column)
    filled = dict.fromkeys(sizes, 0)
    for name in down:
        places[name] = (filled[maps[name].shape[1]], sizes.index(maps[name].shape[1]))
        filled[maps[name].shape[1]] += 1
    turn = max(filled.values())
    filled = dict.fromkeys(sizes, turn)
    for name in up:
        places[name] = (filled[maps[name].shape[1]], sizes.index(maps[name].shape[1]))
        filled[maps[name].shape[1]] += 1
    rows = max(filled.values())
    tile_h = math.ceil(_TILE_PX * picture.shape[0] / max(picture.shape[:2]))
    tile_w = math.ceil(_TILE_PX * picture.shape[1] / max(picture.shape[:2]))
    step_x, step_y = tile_w + _GAP, tile_h + 2 * _LINE + _GAP
    width, height = _MARGIN + len(sizes) * step_x, 30 + rows * step_y
    canvas = PillowImage.new("RGB", (width, height), PAPER)
    pen = ImageDraw.Draw(canvas)
    for column, side in enumerate(sizes):
        centre = _MARGIN + column * step_x + tile_w / 2
        text = _fraction(np.empty((1, side, side)), picture)
        pen.text((centre, 8), text, fill=INK, font=font(14), anchor="ma")
    for first_row, text in ((0, "down"), (turn, "up")):
        y = 30 + first_row * step_y + tile_h / 2
        pen.text((10, y), text, fill=INK, font=font(14), anchor="lm")
        _arrow(pen, (12, y + 18), right=text == "down")
    for name, (each_row, column) in places.items():
        left, top = _MARGIN + column * step_x, 30 + each_row * step_y
        strongest = maps[name][int(maps[name].std(axis=(1, 2)).argmax())]
        tile = fit(colour(strongest, palette="viridis"), _TILE_PX)
        canvas.paste(PillowImage.fromarray(tile), (left, top))
        below = (name, f"{maps[name].shape[0]} x {maps[name].shape[1]}x{maps[name].shape[2]}")
        for line, text in enumerate(below):
            ink = INK if line == 0 else FAINT
            y = top + tile_h + 2 + line * (_LINE - 2)
            pen.text((left + tile_w / 2, y), _cut(text, step_x - 4), fill=ink, font=font(12), anchor="ma")
    return np.asarray(canvas)


def _arrow(pen: ImageDraw.ImageDraw, start: tuple[float, float], *, right: bool) -> None:
    x, y = start
    end = x + 38
    pen.line((x, y, end, y), fill=INK, width=2)
    tip, way = (end, -6) if right else (x, 6)
    pen.polygon([(tip, y), (tip + way, y - 4), (tip + way, y + 4)], fill=INK)


def _cut(text: str, width: float) -> str:
    """Return the text, or as much of its end as fits behind an ellipsis."""
    shown = text
    while len(shown) > 2 and font(12).getlength(shown) > width:
        shown = f"…{shown[2:]}"
    return shown
