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
from nayan.core.types import Size

Points = Sequence[tuple[float, float]]

LEFT = 58
"""Room for the numbers of the vertical axis in px."""

BOLD = 1.12
"""How much wider bold letters are."""

STEEP, ABOVE = 12, 3
"""Where the first half of the epochs is so many times higher than the second, it would press that one flat:
the drawing may then end at `ABOVE` times the second."""

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
    from_zero: bool = True,
    cut: bool = False,
    size: Size = (284, 500),
) -> Svg:
    """Draw one line a series over the epochs, each named at its end where there are several.

    Args:
        series: {name: (epoch, value) points}; at least one holds a point.
        title: read out to people who cannot see it.
        best: the epoch whose weights were kept.
        rounds: shaded in turn and named, where there is more than one.
        percent: whether values are shares in [0, 1].
        from_zero: whether the vertical axis of values that are not negative begins at 0.
        cut: whether a start far above the rest may leave the drawing at its top.
        size: (height, width) in pixels.
    """
    epochs = [x for points in series.values() for x, _ in points]
    widest = max(BOLD * text_width(name) for name in series)
    margin = min(max(126.0, 0.34 * size[1]), widest) + 16 if len(series) > 1 else 14
    bottom, right = size[0] - 44, size[1] - margin
    frame = Frame(
        (min(epochs), max(*epochs, min(epochs) + 1)),
        _range(list(series.values()), percent=percent, from_zero=from_zero, cut=cut),
        (LEFT, 30, right, bottom),
    )
    whole = [t for t in ticks(*frame.x_range, count=max(2, round(size[1] / 70))) if t == round(t)]
    rows = [t for t in ticks(*frame.y_range, count=max(2, round(size[0] / 55))) if t <= frame.y_range[1]]
    parts = [*_bands(rounds, frame), *frame.rows(rows, percent=percent), *frame.columns(whole)]
    parts.append(label("epoch", (LEFT + right) / 2, bottom + 36, text_anchor="middle", fill=MUTED))
    if best is not None:
        parts += _best(best, frame)
    ends = _apart([frame.y(points[-1][1]) for points in series.values()], lowest=bottom)
    for number, ((name, points), y) in enumerate(zip(series.items(), ends, strict=True)):
        colour = SERIES[number % len(SERIES)]
        parts += _line(name, points, frame, colour=colour, percent=percent)
        if len(series) > 1:
            shown = shorten(name, margin - 12, 12 * BOLD)
            parts.append(label(shown, right + 8, y + 4, fill=colour, font_weight=600))
    return document(parts, width=size[1], height=size[0], title=title)


def _best(epoch: float, frame: Frame) -> list[Svg]:
    """Return a dotted line at the epoch whose weights were kept, with its name on the side that has room."""
    x, near_end = frame.x(epoch), frame.x(epoch) > frame.box[2] - 60
    return [
        element("line", x1=x, x2=x, y1=frame.box[1], y2=frame.box[3], stroke=INK, stroke_dasharray="2 3"),
        label(
            f"best: {epoch:g}",
            x + (-5 if near_end else 5),
            frame.box[1] - 6,  # above the plot, where no curve runs
            text_anchor="end" if near_end else None,
            font_weight=600,
        ),
    ]


def _line(name: str, points: Points, frame: Frame, *, colour: str, percent: bool) -> list[Svg]:
    top = frame.y_range[1]
    path = " ".join(
        f"{'L' if i else 'M'}{frame.x(x):.1f} {frame.y(y):.1f}"
        for i, (x, y) in enumerate(_from_the_top(points, top))
    )
    parts = [element("path", d=path, fill="none", stroke=colour, stroke_width=2.25, stroke_linejoin="round")]
    if len(points) <= MAX_DOTS:
        for x, y in (point for point in points if point[1] <= top):
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


def _from_the_top(points: Points, top: float) -> Points:
    """Return a curve from where it comes down to `top` for the last time.

    >>> _from_the_top([(1, 9.0), (2, 1.0), (3, 1.0)], 5.0)
    [(1.5, 5.0), (2, 1.0), (3, 1.0)]
    """
    above = max((i for i, (_, y) in enumerate(points) if y > top), default=-1)
    if above < 0 or above + 1 == len(points):
        return points
    (x0, y0), (x1, y1) = points[above], points[above + 1]
    return [(x0 + (x1 - x0) * (y0 - top) / (y0 - y1), top), *points[above + 1 :]]


def _range(lines: Sequence[Points], *, percent: bool, from_zero: bool, cut: bool) -> tuple[float, float]:
    """Return borders with some air: scores up to 1, losses down to 0, anything else around itself."""
    values = [y for points in lines for _, y in points]
    low, high = min(values), max(values)
    if percent:
        return (max(0.0, int(10 * low - 0.5) / 10), 1.0)
    later = max(y for points in lines for _, y in points[len(points) // 2 :])
    if cut and low >= 0 and high > STEEP * later > 0:
        return (0.0, ABOVE * later)
    if low >= 0 and from_zero:
        return (0.0, 1.06 * high or 1.0)
    air = 0.06 * (high - low) or 1.0
    return (low - air, high + air)


def _apart(heights: Sequence[float], *, lowest: float, gap: float = 15) -> list[float]:
    """Return heights at least `gap` apart, in the same order of size, moved as little as two sweeps can.

    >>> _apart([50, 201, 200], lowest=210)
    [50, 210, 195]
    """
    order = sorted(range(len(heights)), key=lambda i: heights[i])
    placed = list(heights)
    for before, after in pairwise(order):
        placed[after] = max(placed[after], placed[before] + gap)
    limit = max(lowest, heights[order[-1]])
    for index in reversed(order):
        placed[index] = min(placed[index], limit)
        limit = placed[index] - gap
    return placed
