"""Curves over the epochs of a run, as SVG."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from nayan.core.svg import (
    CELL,
    INK,
    MUTED,
    SERIES,
    Frame,
    Svg,
    document,
    element,
    escape,
    label,
    shorten,
    text_width,
    ticks,
)

Points = Sequence[tuple[float, float]]

MAX_DOTS = 60
"""Lines of more points than this carry no dots, so that the page stays small."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """Epochs that belong together, both ends included: one round of training."""

    name: str
    first: float
    last: float


def line_chart(
    series: Mapping[str, Points],
    *,
    title: str,
    best: float | None = None,
    rounds: Sequence[Stretch] = (),
    percent: bool = False,
) -> Svg:
    """Draw one line a series over the epochs, each named at its end.

    Args:
        series: {name: (epoch, value) points}; at least one holds a point.
        title: read out to people who cannot see it.
        best: the epoch whose weights were kept.
        rounds: shaded in turn and named, where there is more than one.
        percent: whether values are shares in [0, 1].
    """
    epochs = [x for points in series.values() for x, _ in points]
    margin = min(120.0, max(text_width(name) for name in series)) + 16
    frame = Frame(
        (min(epochs), max(*epochs, min(epochs) + 1)),
        _range([y for points in series.values() for _, y in points], percent=percent),
        (52, 30, 500 - margin, 240),
    )
    whole = [t for t in ticks(*frame.x_range, count=7) if t == round(t)]
    rows = [t for t in ticks(*frame.y_range) if t <= frame.y_range[1]]
    parts = [*_bands(rounds, frame), *frame.rows(rows, percent=percent), *frame.columns(whole)]
    parts.append(label("epoch", (52 + frame.box[2]) / 2, 276, text_anchor="middle", fill=MUTED))
    if best is not None:
        x, near_end = frame.x(best), frame.x(best) > frame.box[2] - 60
        parts += [
            element("line", x1=x, x2=x, y1=30, y2=240, stroke=INK, stroke_dasharray="2 3"),
            label(
                f"best: {best:g}",
                x + (-5 if near_end else 5),
                234,
                text_anchor="end" if near_end else None,
                font_weight=600,
            ),
        ]
    ends = _apart([frame.y(points[-1][1]) for points in series.values()])
    for number, ((name, points), y) in enumerate(zip(series.items(), ends, strict=True)):
        colour = SERIES[number % len(SERIES)]
        parts += _line(name, points, frame, colour=colour, percent=percent)
        parts.append(label(shorten(name, margin - 12), frame.box[2] + 8, y + 4, fill=colour, font_weight=600))
    return document(parts, width=500, height=284, title=title)


def _line(name: str, points: Points, frame: Frame, *, colour: str, percent: bool) -> list[Svg]:
    path = " ".join(
        f"{'L' if i else 'M'}{frame.x(x):.1f} {frame.y(y):.1f}" for i, (x, y) in enumerate(points)
    )
    parts = [element("path", d=path, fill="none", stroke=colour, stroke_width=2.25, stroke_linejoin="round")]
    if len(points) <= MAX_DOTS:
        for x, y in points:
            told = f"epoch {x:g}, {name}: {f'{y:.2%}' if percent else f'{y:.4g}'}"
            dot = element(
                "circle", element("title", escape(told)), cx=frame.x(x), cy=frame.y(y), r=3, fill=colour
            )
            parts.append(dot)
    return parts


def _bands(rounds: Sequence[Stretch], frame: Frame) -> list[Svg]:
    """Shade every second round from half an epoch before its first to half an epoch after its last."""
    if len(rounds) < 2:
        return []
    left, top, right, bottom = frame.box
    parts = []
    for number, stretch in enumerate(rounds):
        start, end = max(left, frame.x(stretch.first - 0.5)), min(right, frame.x(stretch.last + 0.5))
        if number % 2 == 0:
            parts.append(
                element("rect", x=start, y=top - 20, width=end - start, height=bottom - top + 20, fill=CELL)
            )
        parts.append(label(shorten(stretch.name, end - start - 8), start + 5, top - 6, fill=MUTED))
    return parts


def _range(values: Sequence[float], *, percent: bool) -> tuple[float, float]:
    """Return borders with some air: scores up to 1, losses down to 0, anything else around itself."""
    low, high = min(values), max(values)
    if percent:
        return (max(0.0, int(10 * low - 0.5) / 10), 1.0)
    if low >= 0:
        return (0.0, 1.06 * high or 1.0)
    air = 0.06 * (high - low) or 1.0
    return (low - air, high + air)


def _apart(heights: Sequence[float], *, gap: float = 15) -> list[float]:
    """Return heights at least `gap` apart, in the same order of size, moved as little as a sweep can."""
    order = sorted(range(len(heights)), key=lambda i: heights[i])
    placed = list(heights)
    for before, after in pairwise(order):
        placed[after] = max(placed[after], placed[before] + gap)
    excess = max(0.0, placed[order[-1]] - max(240.0, heights[order[-1]])) if order else 0.0
    return [y - excess for y in placed]
