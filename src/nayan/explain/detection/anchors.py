"""Where a detector looks before it has seen anything: anchors, windows or points on a grid."""

# N candidates, M objects, A shapes a cell

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from nayan.core.boxes import iou_matrix
from nayan.core.errors import ConfigError
from nayan.core.story import Panel, Story, Table
from nayan.core.types import Boxes, Image
from nayan.explain.detection.easel import FOUND, LOST, QUIET, TILE, Easel, easel_for, names_of
from nayan.explain.detection.levels import MEANING, Level, read_levels
from nayan.explain.detection.look import look_at
from nayan.explain.paint import MARK, grid
from nayan.explain.subject import Subject
from nayan.tasks.detection.draw import colour_of

REACHED = 0.5
"""IoU from which on an anchor is near enough to an object."""

_MOST_DOTS = 6400  # of a grid; finer ones are a gray veil


def explain_anchors(subject: Subject, *, at: tuple[int, int] | None = None) -> Story:
    """Show the boxes or points of each level at one cell, and which objects of the picture they reach.

    Args:
        subject: needs a detector and a picture; its objects where they are known.
        at: (x, y) pixel of the picture whose cells are shown; by default its middle.

    Raises:
        ConfigError: if it is no detector, looks at no grid, or `at` lies outside the picture.
    """
    look = look_at(subject)
    levels = read_levels(look.raw, family=type(look.detector).__name__)
    height, width = subject.picture.shape[:2]
    x, y = at or (width // 2, height // 2)
    if not (0 <= x < width and 0 <= y < height):
        raise ConfigError(f"the point {at} lies outside the picture", hint=f"x < {width} and y < {height}")
    middle = look.placement.into_input(np.array([[x, y, x, y]], np.float32))[0, :2]
    place = (float(middle[0]), float(middle[1]))
    easel = easel_for(subject, side=TILE).dimmed(0.35)
    panels = [_levels(levels, easel, place)]
    if look.truth is not None:
        names = names_of(subject, look.scores.shape[1])
        panels.append(_reach(levels, look.truth, easel_for(subject), names))
    return Story("Where the network looks", panels)


def _levels(levels: list[Level], easel: Easel, place: tuple[float, float]) -> Panel:
    tiles = [_tile(level, easel, place) for level in levels]
    captions = [f"{level.name}: {level.grid[0]}x{level.grid[1]}, {_each(level)}" for level in levels]
    rows = tuple(
        (
            level.name,
            f"{level.stride:g} px",
            f"{level.grid[0]}x{level.grid[1]}",
            len(level.shapes),
            ", ".join(f"{w:.0f}x{h:.0f}" for w, h in level.shapes if w) or "none",
            level.count,
        )
        for level in levels
    )
    total = sum(level.count for level in levels)
    return Panel(
        "On the grid of each level",
        f"{MEANING[levels[0].kind]} There are {total:,} of them. Dots are the middles of cells; the cell "
        "nearest to the chosen point is yellow"
        + (
            ", with all its shapes around it; they are width x height in pixels of the network's input."
            if levels[0].shapes.any()
            else "."
        ),
        image=grid(tiles, captions=captions, columns=min(2, len(tiles)), font_px=13, gap=10),
        table=Table(("level", "step", "cells", "a cell has", "shapes", "in all"), rows),
        data={
            "kind": levels[0].kind,
            "total": total,
            "levels": [
                {
                    "stride": level.stride,
                    "grid": list(level.grid),
                    "shapes": np.round(level.shapes, 2).tolist(),
                    "count": level.count,
                    "cell": level.points[level.cell_at(*place)].tolist(),
                }
                for level in levels
            ],
        },
    )


def _each(level: Level) -> str:
    many = len(level.shapes) > 1
    return f"{len(level.shapes)} {level.kind}{('es' if level.kind == 'box' else 's') if many else ''} a cell"


def _tile(level: Level, easel: Easel, place: tuple[float, float]) -> Image:
    cell = level.cell_at(*place)
    dots = level.points if len(level.points) <= _MOST_DOTS else level.points[:: level.grid[1] // 64 or 1]
    spacing = level.stride * easel.scale[0]
    painted = easel.dotted(
        dots, [QUIET] * len(dots), radius=float(np.clip(spacing / 9, 0.7, 2.4)), alpha=0.75
    )
    painted = painted.filled(level.cells()[[cell]], [MARK], alphas=[0.5])
    around = level.boxes().reshape(len(level.points), -1, 4)[cell]
    drawn = around[(around[:, 2:] > around[:, :2]).all(axis=1)]
    painted = painted.outlined(drawn, [colour_of(shape) for shape in range(len(drawn))], width=2)
    return painted.dotted(level.points[[cell]], [MARK], radius=3).image


def _reach(levels: list[Level], truth: Boxes, easel: Easel, names: list[str]) -> Panel:
    if levels[0].kind in ("anchor", "window"):
        return _overlapped(levels, truth, easel, names)
    if levels[0].kind == "box":
        return _celled(levels[0], truth, easel, names)
    return _pointed(levels, truth, easel, names)


def _overlapped(levels: list[Level], truth: Boxes, easel: Easel, names: list[str]) -> Panel:
    every = np.concatenate([level.boxes() for level in levels])
    owner = np.concatenate([np.full(level.count, row) for row, level in enumerate(levels)])
    overlap = iou_matrix(truth.xyxy, every)  # (M, N)
    best = overlap.argmax(axis=1)
    iou = overlap[np.arange(len(truth)), best]
    reached = iou >= REACHED
    rows = tuple(
        (row + 1, names[int(truth.labels[row])], _sides(truth.xyxy[row]), levels[owner[best[row]]].name,
         _sides(every[best[row]]), round(float(iou[row]), 3), "yes" if reached[row] else "no")
        for row in range(len(truth))
    )  # fmt: skip
    painted = easel.dimmed(0.4).outlined(every[best], [MARK] * len(best), width=1.2, alpha=0.8)
    share = f"{reached.mean():.0%}" if len(truth) else "none"
    return Panel(
        "Which objects are reached",
        f"{int(reached.sum())} of {len(truth)} objects ({share}) are overlapped by one of the "
        f"{levels[0].kind}s with an IoU of {REACHED} or more before anything is learnt (green; the others "
        "red). Yellow is the nearest of each. Objects that nothing reaches are hard to learn: too small, "
        "too large or too narrow for the shapes there are.",
        image=_judged(painted, truth, reached),
        table=Table(("object", "class", "size", "nearest", "its size", "IoU", "reached"), rows),
        data={
            "reached": int(reached.sum()),
            "objects": len(truth),
            "iou": [round(float(each), 4) for each in iou],
        },
    )


def _celled(level: Level, truth: Boxes, easel: Easel, names: list[str]) -> Panel:
    """Return the panel of a network whose cells answer for the objects whose centres lie in them."""
    centres = (truth.xyxy[:, :2] + truth.xyxy[:, 2:]) / 2
    cells = np.array([level.cell_at(x, y) for x, y in centres.tolist()], np.int64)
    crowd = np.array([int((cells == cell).sum()) for cell in cells], np.int64)
    reached = crowd <= len(level.shapes)
    rows = tuple(
        (row + 1, names[int(truth.labels[row])], _sides(truth.xyxy[row]),
         f"{cells[row] // level.grid[1]}, {cells[row] % level.grid[1]}", int(crowd[row]))
        for row in range(len(truth))
    )  # fmt: skip
    painted = easel.dimmed(0.4).filled(level.cells()[cells], [MARK] * len(cells), alphas=[0.3] * len(cells))
    return Panel(
        "Which objects are reached",
        f"The cell that an object's centre falls into (yellow) has to find it, with one of its "
        f"{len(level.shapes)} boxes. {int(reached.sum())} of {len(truth)} objects (green) share their cell "
        "with no more objects than it has boxes; of the others (red) some cannot be found at all.",
        image=_judged(painted, truth, reached),
        table=Table(("object", "class", "size", "cell (row, column)", "objects in it"), rows),
        data={"reached": int(reached.sum()), "objects": len(truth), "cells": cells.tolist()},
    )


def _pointed(levels: list[Level], truth: Boxes, easel: Easel, names: list[str]) -> Panel:
    """Return the panel of a network without shapes: how many points lie in each object."""
    counts = np.stack([_points_inside(level, truth) for level in levels], axis=1)  # (M, levels)
    reached = counts.sum(axis=1) > 0
    rows = tuple(
        (row + 1, names[int(truth.labels[row])], _sides(truth.xyxy[row]), *counts[row].tolist())
        for row in range(len(truth))
    )
    return Panel(
        "Which objects are reached",
        f"There are no shapes that could fit or not. What counts is whether a point lies in an object: "
        f"{int(reached.sum())} of {len(truth)} objects hold at least one (green; the others red). Columns "
        "are levels; an object with few points has few chances to be learnt.",
        image=_judged(easel.dimmed(0.4), truth, reached),
        table=Table(("object", "class", "size", *(level.name for level in levels)), rows),
        data={"reached": int(reached.sum()), "objects": len(truth), "points": counts.tolist()},
    )


def _points_inside(level: Level, truth: Boxes) -> NDArray[np.int64]:
    """Return (M,) how many points of a level lie in each object."""
    above = level.points[None] > truth.xyxy[:, None, :2]
    below = level.points[None] < truth.xyxy[:, None, 2:]
    inside: NDArray[np.int64] = (above & below).all(axis=2).sum(axis=1)
    return inside


def _judged(easel: Easel, truth: Boxes, reached: NDArray[np.bool_]) -> Image:
    colours = [FOUND if good else LOST for good in reached]
    return easel.outlined(truth.xyxy, colours, width=2.4).image


def _sides(box: NDArray[np.float32]) -> str:
    return f"{box[2] - box[0]:.0f}x{box[3] - box[1]:.0f}"
