"""A confusion matrix as SVG: rows the truth, columns the prediction, blue right and orange wrong."""

from __future__ import annotations

import math
from collections.abc import Sequence

from nayan.core.svg import (
    BAD,
    CARD,
    CELL,
    GOOD,
    INK,
    MUTED,
    ON_FILL,
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


CELLS_PX = ((6, 52), (12, 40), (20, 30), (40, 25))
"""Sides of a cell, for matrices of at most so many classes."""


def confusion_matrix(
    counts: Sequence[Sequence[int]], classes: Sequence[str], *, shares: bool = False, background: str = ""
) -> Svg:
    """Draw a confusion matrix: rows the truth, columns the prediction, colour the share of the row.

    Args:
        counts: (C, C); (C + 1, C + 1) with a background, which is the last row and column.
        classes: C names.
        shares: write percentages of the row into the cells rather than counts.
        background: what nothing is called, where objects can be missed and invented; "" where they cannot.

    Returns:
        A drawing as wide as its cells need; cells too small for a number carry it as a tooltip only.
    """
    names = [*classes, background] if background else list(classes)
    number = len(names)
    cell = next((px for most, px in CELLS_PX if number <= most), max(11, 900 // number))
    size = min(12, cell - 1)
    longest = min(150.0, max((text_width(name, size) for name in names), default=0.0))
    left, top = longest + 34, longest * math.sin(math.radians(LEAN)) + 40
    side = number * cell
    parts = [
        label("predicted →", left, 13, fill=MUTED),
        label("true →", 0, 0, fill=MUTED, transform=f"translate(12 {top + side:.1f}) rotate(-90)"),
    ]
    for index, name in enumerate(names):
        parts += _names(shorten(name, longest + 1, size), name, index, place=(left, top, cell), size=size)
    parts += _grid(number, place=(left, top, cell))
    if background:
        parts += _border(len(classes), place=(left, top, cell))
    for row, values in enumerate(counts):
        for column in (c for c, count in enumerate(values) if count):
            parts += _cell(
                values[column],
                sum(values),
                place=(left + column * cell, top + row * cell, cell),
                told=_told(names[row], names[column], background=background),
                right=row == column,
                shares=shares,
            )
    width = left + side + longest * math.cos(math.radians(LEAN)) - cell / 2 + 12
    kind = "shares of each row" if shares else "counts"
    return document(
        parts, width=width, height=top + side + 4, title=f"Confusion matrix of {len(classes)} classes: {kind}"
    )


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


def _border(number: int, *, place: tuple[float, float, float]) -> list[Svg]:
    """Return the lines before the background, and a hole where it would be found: nobody counts that."""
    left, top, cell = place
    start, side = number * cell, (number + 1) * cell
    path = f"M{left + start:.1f} {top:.1f}v{side}M{left:.1f} {top + start:.1f}h{side}"
    return [
        element("path", d=path, stroke=CARD, stroke_width=5, fill="none"),
        element("rect", x=left + start, y=top + start, width=cell, height=cell, fill=CARD),
    ]


def _told(truth: str, predicted: str, *, background: str) -> str:
    """Return what a cell counts, in words."""
    if truth == predicted:
        return f"{truth}, recognised"
    if background and predicted == background:
        return f"{truth} missed"
    if background and truth == background:
        return f"{predicted} where there is none"
    return f"{truth} taken for {predicted}"


def _cell(
    count: int,
    total: int,
    *,
    place: tuple[float, float, float],
    told: str,
    right: bool,
    shares: bool,
) -> list[Svg]:
    """Return one cell that is not empty: blue where the prediction is right, orange where it is wrong."""
    x, y, side = place
    share = count / total
    opacity = 0.08 + 0.92 * share if right else 0.15 + 0.85 * math.sqrt(share)
    box = {"x": x + 0.75, "y": y + 0.75, "width": side - 1.5, "height": side - 1.5, "rx": min(4.0, side / 8)}
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


def _percent(share: float) -> str:
    return "<1" if share < 0.005 else f"{100 * share:.0f}"
