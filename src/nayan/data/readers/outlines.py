"""Upright boxes around other shapes: points, circles, ellipses, and rectangles that were turned."""

from __future__ import annotations

import math
from collections.abc import Sequence

from nayan.data.readers.boxes import XYXY

Point = tuple[float, float]


def around(points: Sequence[Point]) -> XYXY:
    """Return the box around points (x, y); one without area for none.

    >>> around([(3, 1), (0, 5), (2, 2)])
    (0, 1, 3, 5)
    """
    if not points:
        return 0.0, 0.0, 0.0, 0.0
    xs, ys = [x for x, _ in points], [y for _, y in points]
    return min(xs), min(ys), max(xs), max(ys)


def around_circle(centre: Point, edge: Point) -> XYXY:
    """Return the box around a circle of which the centre and a point on it are known.

    >>> around_circle((10, 10), (13, 14))
    (5.0, 5.0, 15.0, 15.0)
    """
    radius = math.dist(centre, edge)
    return centre[0] - radius, centre[1] - radius, centre[0] + radius, centre[1] + radius


def around_turned(xyxy: XYXY, degrees: float, *, about: Point | None = None) -> XYXY:
    """Return the box around a rectangle that was turned clockwise.

    Args:
        xyxy: before it was turned, in pixels.
        degrees: clockwise, as y runs down.
        about: what it was turned about; None for its centre.

    >>> [round(side, 6) for side in around_turned((0, 0, 4, 2), 90, about=(0, 0))]
    [-2.0, 0.0, 0.0, 4.0]
    """
    if degrees % 360 == 0:
        return xyxy
    x1, y1, x2, y2 = xyxy
    cx, cy = about or ((x1 + x2) / 2, (y1 + y2) / 2)
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    corners = [(x - cx, y - cy) for x in (x1, x2) for y in (y1, y2)]
    return around([(cx + x * cos - y * sin, cy + x * sin + y * cos) for x, y in corners])


def around_ellipse(centre: Point, radii: Point, degrees: float = 0.0) -> XYXY:
    """Return the box around an ellipse that was turned clockwise about its centre.

    >>> [round(side, 6) for side in around_ellipse((10, 10), (4, 2), 90)]
    [8.0, 6.0, 12.0, 14.0]
    """
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    half_width, half_height = (
        math.hypot(radii[0] * cos, radii[1] * sin),
        math.hypot(radii[0] * sin, radii[1] * cos),
    )
    x, y = centre
    return x - half_width, y - half_height, x + half_width, y + half_height
