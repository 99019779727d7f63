"""From a mask to polygons: outer rings and holes along the edges of pixels, with fewer corners where asked.

Corners are (x, y) where (0, 0) is the upper left corner of the picture, not the centre of its first pixel.
So a ring encloses exactly the pixels of the mask, and its area is their number. Outer rings run clockwise on
the screen, holes the other way. Pixels that touch only at a corner belong to two rings.
"""

# E edges of pixels, V corners

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nayan.core.errors import ConfigError, ShapeError

Ring = NDArray[np.float64]
"""(V, 2) corners as (x, y); the last one is not the first again."""

_STEPS = np.array([[1, 0], [0, 1], [-1, 0], [0, -1]])  # right, down, left, up: (x, y); inside is to the right
_INSIDE = np.array([[0.5, 0.5], [-0.5, 0.5], [-0.5, -0.5], [0.5, -0.5]])
"""From where an edge of each direction starts to the centre of the pixel of the mask beside it."""


@dataclass(frozen=True, slots=True, eq=False)
class Polygon:
    """One connected part of a mask.

    Attributes:
        outer: around it.
        holes: around what is not of the mask inside of it.
    """

    outer: Ring
    holes: tuple[Ring, ...] = ()


def polygons(mask: NDArray[np.bool_], *, tolerance: float = 0.0) -> list[Polygon]:
    """Return the connected parts of a mask, the largest first.

    Args:
        mask: (H, W) bool.
        tolerance: 0 keeps every edge of a pixel. Above it, lines run through the middles of these edges, so
            that the steps of a slanting border cancel out, and a corner that is off the line that would
            replace it by no more px is left out (Ramer 1972, Douglas and Peucker 1973). A ring of which less
            than a triangle would remain keeps the edges of its pixels.

    Raises:
        ShapeError: if the mask is of another kind.
        ConfigError: if the tolerance is negative.

    >>> polygons(np.array([[0, 1, 1]], bool))[0].outer.tolist()
    [[1.0, 0.0], [3.0, 0.0], [3.0, 1.0], [1.0, 1.0]]
    """
    if mask.ndim != 2 or mask.dtype != np.bool_:
        raise ShapeError(f"a mask to trace is (H, W) bool, got {mask.shape} {mask.dtype}")
    if not tolerance >= 0:
        raise ConfigError(f"a tolerance of {tolerance} px: expected 0 or more")
    rings = [(signed_area(ring), ring, inside) for ring, inside in _trace(mask)]
    outers = sorted((each for each in rings if each[0] > 0), key=lambda each: each[0])  # the smallest first
    holes: list[list[Ring]] = [[] for _ in outers]
    for area, ring, inside in rings:
        if area < 0:
            holes[next(n for n, each in enumerate(outers) if _contains(each[1], inside))].append(ring)
    return [
        Polygon(_smoother(outer, tolerance), tuple(_smoother(hole, tolerance) for hole in own))
        for (_, outer, _), own in zip(reversed(outers), reversed(holes), strict=True)
    ]


def signed_area(ring: Ring) -> float:
    """Return the area in px^2 that a ring encloses; above 0 if it runs clockwise on the screen.

    >>> signed_area(np.array([[0., 0], [2, 0], [2, 1], [0, 1]]))
    2.0
    """
    x, y = ring.T
    return float((x @ np.roll(y, -1) - y @ np.roll(x, -1)) / 2)


def simplified(ring: Ring, tolerance: float) -> Ring:
    """Return a ring without the corners that lie within `tolerance` px of the line that replaces them.

    >>> simplified(np.array([[0., 0], [4, 0], [4, 4], [2, 4.5], [0, 4]]), 1.0).tolist()
    [[0.0, 0.0], [4.0, 0.0], [4.0, 4.0], [0.0, 4.0]]
    """
    if tolerance <= 0 or len(ring) < 4:
        return ring
    far = int(((ring - ring[0]) ** 2).sum(axis=1).argmax())
    closed = np.concatenate((ring, ring[:1]))
    kept = np.zeros(len(closed), bool)
    kept[[0, far, -1]] = True
    waiting = [(0, far), (far, len(closed) - 1)]
    while waiting:
        first, last = waiting.pop()
        if last - first < 2:
            continue
        along = (
            closed[last] - closed[first]
        )  # never zero: `far` is the farthest, and rings do not stand still
        shift = closed[first + 1 : last] - closed[first]
        length = np.hypot(*along)  # 0 where a ring comes by the same corner twice
        across = np.abs(along[0] * shift[:, 1] - along[1] * shift[:, 0])
        off = across / length if length else np.hypot(*shift.T)
        worst = int(off.argmax())
        if off[worst] > tolerance:
            middle = first + 1 + worst
            kept[middle] = True
            waiting += [(first, middle), (middle, last)]
    fewer = closed[:-1][kept[:-1]]
    return fewer if len(fewer) >= 3 else ring


def _smoother(ring: Ring, tolerance: float) -> Ring:
    if tolerance == 0:
        return ring
    along = np.roll(ring, -1, axis=0) - ring
    half = along / (2 * np.abs(along).sum(axis=1, keepdims=True))  # half an edge of a pixel
    first, last = (
        ring + half,
        ring + along - half,
    )  # the middles of the first and last edge of a straight line
    fewer = simplified(np.stack((first, last), axis=1).reshape(-1, 2), tolerance)
    return fewer if abs(signed_area(fewer)) > 0 and len(fewer) < 2 * len(ring) else ring


def _trace(mask: NDArray[np.bool_]) -> list[tuple[Ring, NDArray[np.float64]]]:
    """Return every ring with the centre of a pixel of the mask that lies beside it."""
    starts, directions, following = _edges(mask)
    rings = []
    after, fresh = following.tolist(), [True] * len(following)
    for first in range(len(after)):
        chain, edge = [], first
        while fresh[edge]:
            fresh[edge] = False
            chain.append(edge)
            edge = after[edge]
        if chain:
            turns = directions[chain] != directions[np.roll(chain, 1)]
            ring = starts[chain][turns].astype(np.float64)
            rings.append((ring, starts[first] + _INSIDE[directions[first]]))
    return rings


def _edges(
    mask: NDArray[np.bool_],
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Return where each edge between inside and outside starts (E, 2), its direction, and which one follows.

    Where two edges start at one corner, the one that turns right follows: pixels that only touch at a corner
    are parted.
    """
    padded = np.pad(mask, 1)
    inner = padded[1:-1, 1:-1]
    neighbours = (padded[:-2, 1:-1], padded[1:-1, 2:], padded[2:, 1:-1], padded[1:-1, :-2])
    starts, directions = [], []
    for direction, neighbour in enumerate(neighbours):
        y, x = np.nonzero(inner & ~neighbour)
        corner = np.array([0.5, 0.5]) - _INSIDE[direction]
        starts.append(np.stack((x, y), axis=1) + corner.astype(np.int64))
        directions.append(np.full(len(x), direction))
    start, direction_of = np.concatenate(starts), np.concatenate(directions)
    height, width = mask.shape
    number = np.full((4, height + 1, width + 1), -1, np.int64)
    number[direction_of, start[:, 1], start[:, 0]] = np.arange(len(start))
    end = start + _STEPS[direction_of]
    following = np.full(len(start), -1, np.int64)
    for turn in (3, 0, 1):  # left, straight on, right: the last that is there wins
        candidate = number[(direction_of + turn) % 4, end[:, 1], end[:, 0]]
        following = np.where(candidate >= 0, candidate, following)
    return start, direction_of, following


def _contains(ring: Ring, point: NDArray[np.float64]) -> bool:
    """Return whether a ring of edges of pixels encloses the centre of a pixel."""
    (x, y), following = ring.T, np.roll(ring, -1, axis=0)
    upright = (x == following[:, 0]) & (x > point[0])
    crossed = upright & ((y > point[1]) != (following[:, 1] > point[1]))
    return bool(crossed.sum() % 2)
