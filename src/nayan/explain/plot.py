"""Curves over the unit square, counts over a threshold, and what is left step by step."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from nayan.core.svg import (
    GOOD,
    INK,
    LINE,
    MUTED,
    SERIES,
    Frame,
    Svg,
    document,
    element,
    escape,
    label,
    text_width,
    ticks,
)


@dataclass(frozen=True, slots=True)
class Curve:
    """One line of a plot.

    Attributes:
        label: for the legend.
        x, y: its points; for `curves_svg` in [0, 1].
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


def counts_svg(
    curves: Sequence[Curve], *, title: str, x_label: str, mark: float | None = None, marked: str = ""
) -> Svg:
    """Return a drawing of how often something happens for each setting, with the legend above.

    Args:
        curves: of the same x, rising; y are counts.
        title: above.
        x_label: what is varied.
        mark: the setting in use; a vertical line.
        marked: what stands at that line.

    >>> counts_svg([Curve("kept", [0.3, 0.9], [4, 9])], title="t", x_label="x", mark=0.6)[:4]
    '<svg'
    """
    most = max(1.0, *(float(y) for curve in curves for y in curve.y))
    rows = ticks(0.0, most, count=5)
    step = rows[1] if len(rows) > 1 else most
    top = step * math.ceil(most / step - 1e-9)
    x = curves[0].x
    frame = Frame((x[0], x[-1]), (0.0, top), (64, 62 + 20 * len(curves), 616, 330 + 20 * len(curves)))
    left, upper, right, bottom = frame.box
    parts = [label(title, left - 12, 24, font_size=15, font_weight=600)]
    parts += frame.rows(ticks(0.0, top, count=5)) + frame.columns(ticks(x[0], x[-1], count=7))
    if mark is not None and x[0] <= mark <= x[-1]:
        at = frame.x(mark)
        parts.append(
            element("line", x1=at, x2=at, y1=upper - 4, y2=bottom, stroke=INK, stroke_dasharray="2 3")
        )
        parts.append(label(marked, at, upper - 9, text_anchor="middle", font_size=11, fill=MUTED))
    for number, curve in enumerate(curves):
        parts += _counted(curve, frame, height=44 + 20 * number)
    parts.append(label(x_label, (left + right) / 2, bottom + 38, text_anchor="middle", fill=MUTED))
    return document(parts, width=640, height=bottom + 50, title=title)


def lines_svg(curves: Sequence[Curve], *, title: str, x_label: str, y_label: str) -> Svg:
    """Return a drawing of lines over any numbers, with the legend in one row under the title.

    Args:
        curves: of the same x, rising.
        title: above.
        x_label: what is varied.
        y_label: what is shown.

    >>> lines_svg([Curve("a", [-1, 1], [0, -3])], title="t", x_label="x", y_label="y")[:4]
    '<svg'
    """
    x, values = curves[0].x, [float(y) for curve in curves for y in curve.y]
    low, high = min(0.0, *values), max(0.0, *values)
    frame = Frame((x[0], x[-1]), (low, high if high > low else low + 1), (64, 72, 616, 372))
    left, top, right, bottom = frame.box
    parts = [label(title, left - 12, 24, font_size=15, font_weight=600)]
    parts += frame.rows(ticks(low, high)) + frame.columns(ticks(x[0], x[-1], count=8))
    if low < 0 < high:
        parts.append(element("line", x1=left, x2=right, y1=frame.y(0), y2=frame.y(0), stroke=MUTED))
    middle = (top + bottom) / 2
    parts.append(label(x_label, (left + right) / 2, bottom + 38, text_anchor="middle", fill=MUTED))
    turned = f"rotate(-90 16 {middle})"
    parts.append(label(y_label, 16, middle, text_anchor="middle", fill=MUTED, transform=turned))
    at = left - 12
    for curve in curves:
        dash = "6 4" if curve.dashed else None
        look = {"stroke": curve.stroke, "stroke_width": 2, "stroke_dasharray": dash, "fill": "none"}
        points = " ".join(f"{frame.x(a):.1f},{frame.y(b):.1f}" for a, b in zip(curve.x, curve.y, strict=True))
        parts.append(element("polyline", points=points, stroke_linejoin="round", **look))
        parts.append(element("line", x1=at, x2=at + 22, y1=46, y2=46, **look))
        parts.append(label(curve.label, at + 28, 50))
        at += 46 + text_width(curve.label)
    return document(parts, width=640, height=bottom + 50, title=title)


def _counted(curve: Curve, frame: Frame, *, height: float) -> list[Svg]:
    """Return a curve with a dot at each of its points, and its line of the legend."""
    left = frame.box[0] - 12
    dash = "6 4" if curve.dashed else None
    look = {"stroke": curve.stroke, "stroke_width": 2, "stroke_dasharray": dash, "fill": "none"}
    places = [(frame.x(x), frame.y(y)) for x, y in zip(curve.x, curve.y, strict=True)]
    points = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    parts = [element("polyline", points=points, stroke_linejoin="round", **look)]
    parts += [
        element(
            "circle", element("title", escape(f"{at:g}: {value:g}")), cx=x, cy=y, r=3.2, fill=curve.stroke
        )
        for (x, y), at, value in zip(places, curve.x, curve.y, strict=True)
    ]
    parts.append(element("line", x1=left, x2=left + 28, y1=height - 4, y2=height - 4, **look))
    return [*parts, label(curve.label, left + 36, height)]


def funnel_svg(steps: Sequence[tuple[str, int, str]], *, title: str) -> Svg:
    """Return a drawing of how few are left after each step: bars on a logarithmic scale.

    Args:
        steps: (name, count, what is said about it) each.
        title: above.

    >>> funnel_svg([("all", 1000, "")], title="t")[:4]
    '<svg'
    """
    left, right, high = 132.0, 470.0, 46
    largest = math.log10(1 + max(count for _, count, _ in steps)) or 1.0
    parts = [label(title, 12, 24, font_size=15, font_weight=600)]
    for row, (name, count, told) in enumerate(steps):
        y = 40 + row * high
        width = max(2.0, math.log10(1 + count) / largest * (right - left))
        fill = SERIES[row % len(SERIES)]
        parts += [
            label(name, left - 12, y + 19, text_anchor="end", font_weight=600),
            element("rect", x=left, y=y, width=right - left, height=28, rx=4, fill=LINE, fill_opacity=0.5),
            element("rect", x=left, y=y, width=width, height=28, rx=4, fill=fill, fill_opacity=0.85),
            label(f"{count:,}", right + 12, y + 13, font_weight=600),
            label(told, right + 12, y + 27, font_size=10.5, fill=MUTED),
        ]
    widest = max(text_width(told, 10.5) for *_, told in steps)
    return document(parts, width=max(560, right + widest + 24), height=40 + len(steps) * high, title=title)
