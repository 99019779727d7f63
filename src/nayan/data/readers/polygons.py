"""Pixels inside of polygons: those whose centre is, so that polygons that share an edge share no pixel."""

# V corners, E edges, (H, W) the mask

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from nayan.core.types import Size

Corners = NDArray[np.float64]
"""(V, 2) corners as (x, y) in pixels; (0, 0) is the upper left corner of the picture."""


def filled(corners: Corners, size: Size) -> NDArray[np.bool_]:
    """Return which pixels lie inside of a closed polygon, by the even-odd rule.

    What crosses itself has holes where it covers a place twice; bridges of no width, by which YOLO joins a
    hole to its outline, leave no trace.

    Args:
        corners: the last one is joined to the first; they may lie outside of the picture.
        size: (height, width) of the picture.

    >>> filled(np.array([[0., 0], [2, 0], [2, 1], [0, 1]]), (2, 3)).astype(int).tolist()
    [[1, 1, 0], [0, 0, 0]]
    """
    height, width = size
    following = np.roll(corners, -1, axis=0)
    # Always from the upper end down, so that an edge that is walked both ways is crossed at one place twice.
    down = (corners[:, 1] <= following[:, 1])[:, None]
    (x1, y1), (x2, y2) = np.where(down, corners, following).T, np.where(down, following, corners).T
    # An edge crosses the rows whose centres lie between its ends, the lower end not counted.
    first = np.ceil(y1 - 0.5).clip(0, height).astype(np.int64)
    last = np.ceil(y2 - 0.5).clip(0, height).astype(np.int64)
    many = last - first  # (E,)
    edges = np.repeat(np.arange(len(many)), many)
    rows = np.arange(len(edges)) - np.repeat(np.cumsum(many) - many, many) + first[edges]
    slope = (x2 - x1)[edges] / (y2 - y1)[edges]
    x = x1[edges] + (rows + 0.5 - y1[edges]) * slope
    columns = np.ceil(x - 0.5).clip(0, width).astype(np.int64)
    crossings = np.bincount(rows * (width + 1) + columns, minlength=height * (width + 1))
    inside: NDArray[np.bool_] = (crossings.reshape(height, width + 1).cumsum(axis=1) % 2 == 1)[:, :width]
    return inside


def disc(centre: tuple[float, float], edge: tuple[float, float], size: Size) -> NDArray[np.bool_]:
    """Return which pixels lie inside of a circle of which the centre and a point on it are known.

    >>> int(disc((1.5, 1.5), (1.5, 0.4), (3, 3)).sum())
    5
    """
    y, x = np.ogrid[: size[0], : size[1]]
    radius = np.hypot(edge[0] - centre[0], edge[1] - centre[1])
    inside: NDArray[np.bool_] = (x + 0.5 - centre[0]) ** 2 + (y + 0.5 - centre[1]) ** 2 <= radius**2
    return inside
