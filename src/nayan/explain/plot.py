"""Curves over the unit square, for scores between 0 and 1."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from nayan.core.svg import GOOD, MUTED, Frame, Svg, document, element, label


@dataclass(frozen=True, slots=True)
class Curve:
    """One line of a plot.

    Attributes:
        label: for the legend.
        x, y: its points, in [0, 1].
        stroke: its colour.
        dashed: for baselines.
    """

    label: str
    x: Sequence[float]
    y: Sequence[float]
    stroke: str = GOOD
    dashed: bool = False


def curves_svg(curves: Sequence[Curve], *, title: str, x_label: str, y_label: str) -> Svg:
    """Return a drawing of curves over the unit square, with grid lines and the legend above them.

    >>> curves_svg([Curve("a", [0, 1], [0, 1])], title="t", x_label="x", y_label="y")[:4]
    '<svg'
    """
    frame = Frame((0.0, 1.0), (0.0, 1.0), (52, 40 + 20 * len(curves), 616, 330 + 20 * len(curves)))
    left, top, right, bottom = frame.box
    ticks = [0.0, 0.25, 0.5, 0.75, 1.0]
    parts = [label(title, left, 24, font_size=15, font_weight=600)]
    parts += frame.rows(ticks) + frame.columns(ticks, percent=True)
    middle = (top + bottom) / 2
    parts.append(label(x_label, (left + right) / 2, bottom + 38, text_anchor="middle", fill=MUTED))
    turned = f"rotate(-90 14 {middle})"
    parts.append(label(y_label, 14, middle, text_anchor="middle", fill=MUTED, transform=turned))
    for number, curve in enumerate(curves):
        dash = "6 4" if curve.dashed else None
        stroke = {"stroke": curve.stroke, "stroke_width": 2, "stroke_dasharray": dash, "fill": "none"}
        points = " ".join(f"{frame.x(x):.1f},{frame.y(y):.1f}" for x, y in zip(curve.x, curve.y, strict=True))
        parts.append(element("polyline", points=points, stroke_linejoin="round", **stroke))
        height = 44 + 20 * number
        parts.append(element("line", x1=left, x2=left + 28, y1=height - 4, y2=height - 4, **stroke))
        parts.append(label(curve.label, left + 36, height))
    return document(parts, width=640, height=bottom + 50, title=title)
