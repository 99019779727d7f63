"""The drawings of a classifier's evaluation: confusion matrix and reliability diagram, as SVG."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from nayan.core.svg import (
    BAD,
    CARD,
    CELL,
    GOOD,
    INK,
    LINE,
    MUTED,
    ON_FILL,
    Frame,
    Svg,
    document,
    element,
    escape,
    label,
    shorten,
    text_width,
)

LEAN = 50
"""Degrees by which the names over the columns lean."""


def confusion_matrix(counts: Sequence[Sequence[int]], classes: Sequence[str], *, shares: bool = False) -> Svg:
    """Draw a confusion matrix: rows the truth, columns the prediction, colour the share of the row.

    Args:
        counts: (C, C).
        classes: C names.
        shares: write percentages of the row into the cells rather than counts.

    Returns:
        A drawing as wide as its cells need; cells too small for a number carry it as a tooltip only.
    """
    number = len(classes)
    cell = 40 if number <= 12 else 30 if number <= 20 else 25 if number <= 40 else max(11, 900 // number)
    size = min(12, cell - 1)
    longest = min(150.0, max((text_width(name, size) for name in classes), default=0.0))
    left, top = longest + 34, longest * math.sin(math.radians(LEAN)) + 40
    side = number * cell
    parts = [
        label("predicted →", left, 13, fill=MUTED),
        label("true →", 0, 0, fill=MUTED, transform=f"translate(12 {top + side:.1f}) rotate(-90)"),
    ]
    for index, name in enumerate(classes):
        parts += _names(shorten(name, longest + 1, size), name, index, place=(left, top, cell), size=size)
    parts += _grid(number, place=(left, top, cell))
    for row, values in enumerate(counts):
        for column in (c for c, count in enumerate(values) if count):
            parts += _cell(
                values[column],
                sum(values),
                place=(left + column * cell, top + row * cell, cell),
                names=(classes[row], classes[column]),
                right=row == column,
                shares=shares,
            )
    width = left + side + longest * math.cos(math.radians(LEAN)) - cell / 2 + 12
    kind = "shares of each row" if shares else "counts"
    return document(
        parts, width=width, height=top + side + 4, title=f"Confusion matrix of {number} classes: {kind}"
    )


def reliability_diagram(bins: Sequence[Mapping[str, Any]], *, title: str) -> Svg:
    """Draw how often pictures of each confidence were right, and how many there are of each.

    Args:
        bins: `CalibrationBin`s as mappings.
        title: read out to people who cannot see it.
    """
    frame = Frame((0.0, 1.0), (0.0, 1.0), (44, 12, 344, 252))
    strip = Frame(
        (0.0, 1.0), (0.0, float(max((b["count"] for b in bins), default=0) or 1)), (44, 300, 344, 344)
    )
    scale = [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
    parts = [*frame.rows(scale, percent=True), *frame.columns(scale, percent=True)]
    parts += [_bar(b, frame, strip) for b in bins if b["count"]]
    ends = {"x1": frame.x(0), "y1": frame.y(0), "x2": frame.x(1), "y2": frame.y(1)}
    parts += [
        element("line", **ends, stroke=MUTED, stroke_width=1.5, stroke_dasharray="5 4"),
        label("share that is right", 50, 24, fill=MUTED),
        element("line", x1=44, x2=344, y1=344, y2=344, stroke=LINE),
        label("confidence of the prediction", 194, 290, text_anchor="middle", fill=MUTED),
        label("number of pictures", 194, 361, text_anchor="middle", fill=MUTED),
    ]
    return document(parts, width=360, height=368, title=title)


def _names(shown: str, name: str, index: int, *, place: tuple[float, float, float], size: float) -> list[Svg]:
    """Return a class's name at the left of its row and, leaning, over its column."""
    left, top, cell = place
    middle = (index + 0.5) * cell
    lean = f"translate({left + middle + size / 3:.1f} {top - 7:.1f}) rotate(-{LEAN})"
    texts = (
        label(shown, left - 8, top + middle + size * 0.36, text_anchor="end", font_size=size),
        label(shown, 0, 0, font_size=size, transform=lean),
    )
    return [element("g", element("title", escape(name)), text) for text in texts]


def _grid(number: int, *, place: tuple[float, float, float]) -> list[Svg]:
    """Return the empty cells: one pale square, ruled in the colour of the page."""
    left, top, cell = place
    side = number * cell
    lines = [f"M{left + i * cell:.1f} {top:.1f}v{side}" for i in range(1, number)]
    lines += [f"M{left:.1f} {top + i * cell:.1f}h{side}" for i in range(1, number)]
    return [
        element("rect", x=left, y=top, width=side, height=side, rx=4, fill=CELL),
        element("path", d=" ".join(lines), stroke=CARD, stroke_width=1.5, fill="none"),
    ]


def _cell(
    count: int,
    total: int,
    *,
    place: tuple[float, float, float],
    names: tuple[str, str],
    right: bool,
    shares: bool,
) -> list[Svg]:
    """Return one cell that is not empty: blue where the prediction is right, orange where it is wrong."""
    x, y, side = place
    share = count / total
    opacity = 0.08 + 0.92 * share if right else 0.15 + 0.85 * math.sqrt(share)
    box = {"x": x + 0.75, "y": y + 0.75, "width": side - 1.5, "height": side - 1.5, "rx": min(4.0, side / 8)}
    told = f"{names[0]} taken for {names[1]}" if not right else f"{names[0]}, recognised"
    parts = [
        element("title", escape(f"{told}: {count} of {total} ({share:.1%})")),
        element("rect", **box, fill=CARD),
        element("rect", **box, fill=GOOD if right else BAD, fill_opacity=opacity),
    ]
    if side >= 23:
        size = 12 if side >= 30 else 10.5
        shown = _percent(share) if shares else str(count)
        parts.append(
            label(
                shown,
                x + side / 2,
                y + side / 2 + size * 0.36,
                text_anchor="middle",
                font_size=size if text_width(shown, size) < side - 2 else 8.5,
                fill=ON_FILL if opacity > 0.6 else INK,
                font_weight=600 if right else None,
            )
        )
    return [element("g", *parts)]


def _bar(b: Mapping[str, Any], frame: Frame, strip: Frame) -> Svg:
    """Return one bin: its accuracy in blue, the gap to its confidence in orange, its size below."""
    left, right = frame.x(b["low"]) + 1, frame.x(b["high"]) - 1
    low, high = sorted((b["accuracy"], b["confidence"]))
    solid = 0.35 + 0.65 * min(1.0, b["count"] / 10)
    told = (
        f"{b['count']} pictures with a confidence of {b['low']:.0%} to {b['high']:.0%}: "
        f"on average {b['confidence']:.1%} sure, {b['accuracy']:.1%} right"
    )

    def box(within: Frame, bottom: float, top: float, **look: object) -> Svg:
        y = within.y(top)
        return element("rect", x=left, y=y, width=right - left, height=within.y(bottom) - y, **look)

    return element(
        "g",
        element("title", escape(told)),
        box(frame, 0.0, low, fill=GOOD, fill_opacity=0.8 * solid),
        box(frame, low, high, fill=BAD, fill_opacity=0.6 * solid),
        box(strip, 0.0, float(b["count"]), fill=MUTED, fill_opacity=0.7),
    )


def _percent(share: float) -> str:
    return "<1" if share < 0.005 else f"{100 * share:.0f}"
