"""Where a detector looks: the grid of each of its levels, read from the fields of its `Raw`.

Anchors, the windows of a sliding window and the points of an anchor-free network all lie on grids: level by
level, row by row, those of one cell beside each other (`nayan.parts.anchors`).
"""

# N candidates of all levels, n of one, (h, w) cells of its grid, A candidates a cell

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from nayan.core.errors import ConfigError
from nayan.core.types import Size
from nayan.explain.detection.look import as_array

Kind = Literal["anchor", "window", "point", "box"]

MEANING: dict[Kind, str] = {
    "anchor": "Anchors: boxes of fixed shapes around the middle of every cell. The network does not invent a "
    "box, it moves and stretches an anchor until it fits the object.",
    "window": "Windows: squares that are laid over the picture step by step; the network looks into each "
    "one, and moves it until it fits the object.",
    "point": "No anchors: every cell has one point in its middle, and the network says from there how far it "
    "is to the four sides of the object.",
    "box": "No anchors: every cell answers with boxes of the network's own making, whose centres lie in it "
    "and whose sides are free.",
}


@dataclass(frozen=True, slots=True, eq=False)
class Level:
    """One grid of candidates.

    Attributes:
        kind: what a candidate is.
        start: the number of its first candidate among those of all levels.
        grid: (h, w) cells.
        stride: px of the input between two cells.
        points: (h * w, 2) centres x, y of the cells in pixels of the input.
        shapes: (A, 2) width, height of a cell's candidates in pixels of the input; those of points and boxes,
            which have none, are zeros.
    """

    kind: Kind
    start: int
    grid: Size
    stride: float
    points: NDArray[np.float32]
    shapes: NDArray[np.float32]

    @property
    def count(self) -> int:
        """How many candidates it has."""
        return len(self.points) * len(self.shapes)

    @property
    def name(self) -> str:
        """Such as "stride 16"; windows are told apart by their side."""
        if self.kind == "window":
            return f"windows of {self.shapes[0, 0]:.0f} px"
        return f"stride {self.stride:g}"

    def rows(self) -> slice:
        """Return where its candidates are among those of all levels."""
        return slice(self.start, self.start + self.count)

    def boxes(self) -> NDArray[np.float32]:
        """Return (n, 4) xyxy of its candidates; points have no area."""
        half = self.shapes[None] / 2  # (1, A, 2)
        centre = self.points[:, None]  # (h*w, 1, 2)
        return np.concatenate((centre - half, centre + half), axis=2).reshape(-1, 4).astype(np.float32)

    def cells(self) -> NDArray[np.float32]:
        """Return (h * w, 4) xyxy of its cells."""
        half = self.stride / 2
        return np.concatenate((self.points - half, self.points + half), axis=1).astype(np.float32)

    def cell_at(self, x: float, y: float) -> int:
        """Return the number of the cell whose middle is nearest to a point of the input."""
        return int(((self.points - (x, y)) ** 2).sum(axis=1).argmin())


def read_levels(raw: Any, *, family: str) -> list[Level]:
    """Return the levels of what a detector said, in the order of its candidates.

    Args:
        raw: the family's own, of a batch of one.
        family: its name, for the error.

    Raises:
        ConfigError: if its candidates lie on no grid.
    """
    if hasattr(raw, "anchors") and hasattr(raw, "levels"):
        boxes = as_array(raw.anchors)
        kind: Kind = "point" if getattr(raw, "centerness", None) is not None else "anchor"
        return _of_boxes(boxes, tuple(raw.levels), kind=kind)
    if hasattr(raw, "points"):
        return _of_points(raw)
    if _are_windows(raw):
        windows = as_array(raw.boxes[0])
        return _of_boxes(windows, _runs(windows[:, 2] - windows[:, 0]), kind="window")
    raise ConfigError(
        f"{family} looks at no grid: it has neither anchors nor points",
        hint="see where it looks with --what proposals or --what candidates",
    )


def _of_boxes(boxes: NDArray[np.float32], counts: tuple[int, ...], *, kind: Kind) -> list[Level]:
    """Return the levels of (N, 4) boxes, of which each level has so many."""
    levels, start = [], 0
    for count in counts:
        part = boxes[start : start + count]
        centre = ((part[:, :2] + part[:, 2:]) / 2).astype(np.float32)
        xs, ys = _distinct(centre[:, 0]), _distinct(centre[:, 1])
        each = count // (len(xs) * len(ys))
        sides = part[:each, 2:] - part[:each, :2]
        steps = np.concatenate((np.diff(xs), np.diff(ys), [sides.max()]))  # a single cell has no neighbour
        shapes = np.zeros_like(sides[:1]) if kind == "point" else sides
        grid = (len(ys), len(xs))
        levels.append(Level(kind, start, grid, round(float(steps[0]), 2), centre[::each], shapes))
        start += count
    return levels


def _of_points(raw: Any) -> list[Level]:
    """Return the levels of a head that lists its points, with or without shapes."""
    points = as_array(raw.points)
    if hasattr(raw, "answers"):  # the first YOLO: boxes of its own for each cell
        each = raw.answers.shape[2]
        grid = (len(np.unique(points[:, 1])), len(np.unique(points[:, 0])))
        return [Level("box", 0, grid, float(raw.stride[0]), points, np.zeros((each, 2), np.float32))]
    strides = as_array(raw.strides).reshape(-1)
    shapes = as_array(raw.shapes) if hasattr(raw, "shapes") else None
    levels, start = [], 0
    for count in _runs(strides):
        part = points[start : start + count]
        xs, ys = np.unique(part[:, 0]), np.unique(part[:, 1])
        each = count // (len(xs) * len(ys))
        sides = np.zeros((1, 2), np.float32) if shapes is None else shapes[start : start + each]
        kind: Kind = "point" if shapes is None else "anchor"
        levels.append(Level(kind, start, (len(ys), len(xs)), float(strides[start]), part[::each], sides))
        start += count
    return levels


def _are_windows(raw: Any) -> bool:
    """Say whether regions are squares, all of one size after the other, as only windows are."""
    if not hasattr(raw, "present") or not hasattr(raw, "boxes"):
        return False
    boxes = as_array(raw.boxes[0])
    width, height = boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]
    return np.array_equal(width, height) and len(_runs(width)) == len(np.unique(width))


def _distinct(values: NDArray[np.floating]) -> NDArray[np.floating]:
    """Return the different values, rising; what differs by rounding alone is one."""
    ordered = np.sort(values)
    return ordered[np.diff(ordered, prepend=-np.inf) > 0.1]


def _runs(values: NDArray[np.float32]) -> tuple[int, ...]:
    """Return the lengths of the runs of equal values.

    >>> _runs(np.array([8, 8, 8, 16], np.float32))
    (3, 1)
    """
    borders = [0, *(np.flatnonzero(np.diff(values)) + 1).tolist(), len(values)]
    return tuple(b - a for a, b in pairwise(borders))
