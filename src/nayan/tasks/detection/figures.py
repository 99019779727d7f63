"""The drawings of a detector's evaluation as SVG: precision and recall, kinds of mistakes, sizes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from nayan.core.svg import (
    BAD,
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
    shorten,
    text_width,
    ticks,
)

MAX_NAMED = len(SERIES)
"""Curves that get a colour and a name each; more are thin and gray."""

WHOLE = [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]

KIND_NAMES = {
    "class": "wrong class",
    "place": "badly placed",
    "duplicate": "found twice",
    "both": "class and place",
    "background": "invented",
    "missed": "missed",
}


def precision_recall(
    curves: Mapping[str, Sequence[float]],
    *,
    mean: Sequence[float],
    points: Mapping[str, tuple[float, float]],
    title: str,
) -> Svg:
    """Draw precision over recall: the mean of the classes in bold, and one curve a class.

    Args:
        curves: {class: precisions at evenly spaced recalls from 0 to 1}. Up to four are coloured and named,
            more are thin lines with a tooltip.
        mean: the mean of the classes at the same recalls.
        points: {class: (recall, precision)} where the fitted threshold puts it; a dot on the drawing.
        title: read out to people who cannot see it.
    """
    frame = Frame((0.0, 1.0), (0.0, 1.0), (64, 14, 404, 294))
    parts = [*frame.rows(WHOLE, percent=True), *frame.columns(WHOLE, percent=True)]
    few = len(curves) <= MAX_NAMED
    for number, (name, precisions) in enumerate(curves.items()):
        colour = SERIES[number] if few else MUTED
        look: dict[str, object] = {"stroke_width": 2} if few else {"stroke_width": 1, "stroke_opacity": 0.45}
        parts.append(_curve(precisions, frame, told=name, stroke=colour, **look))
        if name in points:
            recall, precision = points[name]
            told = f"{name} at its threshold: recall {recall:.1%}, precision {precision:.1%}"
            x, y, r = frame.x(recall), frame.y(precision), 4.5 if few else 2.5
            dot = {"cx": x, "cy": y, "r": r, "fill": colour, "stroke": "var(--card, #ffffff)"}
            parts.append(element("circle", element("title", escape(told)), **dot, stroke_width=1.5))
    if len(curves) > 1:
        parts.append(_curve(mean, frame, told="mean of the classes", stroke=INK, stroke_width=3))
    parts.append(label("recall", 234, 330, text_anchor="middle", fill=MUTED))
    parts.append(
        label("precision", 0, 0, fill=MUTED, transform="translate(12 154) rotate(-90)", text_anchor="middle")
    )
    legend = [(name, SERIES[n]) for n, name in enumerate(curves)] if few else [("each class", MUTED)]
    legend += [("mean of the classes", INK)] if len(curves) > 1 else []
    rows, height = _legend(legend, left=64, top=352, width=352)
    return document([*parts, *rows], width=420, height=352 + height, title=title)


def anatomy_bars(anatomy: Sequence[Mapping[str, Any]], *, title: str) -> Svg:
    """Draw how much AP50 the cure of each kind of mistake would win, and how often it is made.

    Args:
        anatomy: {kind, count, gain} each.
        title: read out to people who cannot see it.
    """
    left, right, step = 112.0, 400.0, 42
    top = max(0.05, *(each["gain"] for each in anatomy))
    frame = Frame((0.0, top), (0.0, 1.0), (left, 10, right, 10 + step * len(anatomy)))
    marks = ticks(0.0, top, count=4)
    parts = []
    for value in marks:
        x = frame.x(value)
        parts.append(element("line", x1=x, x2=x, y1=10, y2=frame.box[3], stroke=LINE))
        shown = "0" if value == 0 else f"+{100 * value:g}"
        parts.append(label(shown, x, frame.box[3] + 18, text_anchor="middle", fill=MUTED))
    for row, each in enumerate(anatomy):
        y, name = 10 + step * row, KIND_NAMES.get(each["kind"], each["kind"])
        told = (
            f"{name}: {each['count']} times; without it AP50 would be {100 * each['gain']:.1f} points higher"
        )
        width = max(1.5, frame.x(each["gain"]) - left)
        bar = element(
            "rect", x=left, y=y + 8, width=width, height=step - 16, rx=3, fill=BAD, fill_opacity=0.85
        )
        parts += [
            label(name, left - 10, y + step / 2 + 4, text_anchor="end"),
            element("g", element("title", escape(told)), bar),
            label(f"+{100 * each['gain']:.1f}", left + width + 8, y + step / 2 - 2, font_weight=600),
            label(
                f"{each['count']:,} times", left + width + 8, y + step / 2 + 12, font_size=10.5, fill=MUTED
            ),
        ]
    parts.append(
        label(
            "points of AP50 to win", (left + right) / 2, frame.box[3] + 38, text_anchor="middle", fill=MUTED
        )
    )
    return document(parts, width=right + 64, height=frame.box[3] + 48, title=title)


def size_histogram(bins: Sequence[Mapping[str, Any]], *, small_px: int, title: str) -> Svg:
    """Draw how many objects there are of each size, and which share of them was found.

    Args:
        bins: {low, high (None: open), count, found} each, in pixels of the network's input.
        small_px: objects below this are too small; a line marks it.
        title: read out to people who cannot see it.
    """
    left, right = 48.0, 428.0
    most = max(1, *(each["count"] for each in bins))
    frame = Frame((0.0, float(len(bins))), (0.0, 1.12 * most), (left, 14, right, 254))
    parts = [*frame.rows([t for t in ticks(0.0, float(most), count=5) if t == round(t)])]
    for number, each in enumerate(bins):
        parts.append(label(each["low"], frame.x(number), 272, text_anchor="middle", fill=MUTED))
        if each["count"]:
            parts += _size_bar(each, left=frame.x(number) + 4, width=frame.x(1) - frame.x(0) - 8, frame=frame)
    cut = sum(each["high"] is not None and each["high"] <= small_px for each in bins)
    x = frame.x(cut)
    parts += [
        element("line", x1=x, x2=x, y1=14, y2=254, stroke=INK, stroke_dasharray="3 4"),
        label(f"{small_px} px", x + 5, 24, fill=INK, font_size=11),
        element("line", x1=left, x2=right, y1=254, y2=254, stroke=LINE),
        label(
            "side of the object in pixels of the network's input",
            (left + right) / 2,
            294,
            text_anchor="middle",
            fill=MUTED,
        ),
    ]
    rows, height = _legend([("found", GOOD), ("not found", BAD)], left=left, top=312, width=right - left)
    return document([*parts, *rows], width=444, height=312 + height, title=title)


def _size_bar(each: Mapping[str, Any], *, left: float, width: float, frame: Frame) -> list[Svg]:
    """Return how many objects of a size were found, blue, and were not, pale, with the share above."""
    share, floor = each["found"] / each["count"], frame.y(0)
    size = f"{each['low']} to {each['high']} px" if each["high"] else f"{each['low']} px and more"
    told = f"{size}: {each['found']:,} of {each['count']:,} found ({share:.0%})"
    top, middle = frame.y(each["count"]), frame.y(each["found"])
    box: dict[str, object] = {"x": left, "width": width}
    lost = element("rect", **box, y=top, height=middle - top, fill=BAD, fill_opacity=0.55)
    found = element("rect", **box, y=middle, height=floor - middle, fill=GOOD)
    return [
        element("g", element("title", escape(told)), lost, found),
        label(f"{share:.0%}", left + width / 2, top - 6, text_anchor="middle", font_weight=600),
    ]


def _curve(values: Sequence[float], frame: Frame, *, told: str, **look: object) -> Svg:
    """Return precisions at evenly spaced recalls as a line; it ends at the last recall that is reached."""
    last = max((n for n, value in enumerate(values) if value > 0), default=0)
    step = 1 / max(1, len(values) - 1)
    path = " ".join(
        f"{'L' if n else 'M'}{frame.x(n * step):.1f} {frame.y(value):.1f}"
        for n, value in enumerate(values[: last + 1])
    )
    return element(
        "path", element("title", escape(told)), d=path, fill="none", stroke_linejoin="round", **look
    )


def _legend(
    entries: Sequence[tuple[str, str]], *, left: float, top: float, width: float
) -> tuple[list[Svg], float]:
    """Return coloured names in as many lines as they need, and how high they are."""
    parts: list[Svg] = []
    x, y = left, top
    for name, colour in entries:
        shown = shorten(name, width - 24)
        needed = text_width(shown) + 34
        if x > left and x + needed > left + width + 16:
            x, y = left, y + 20
        parts.append(element("rect", x=x, y=y, width=14, height=5, rx=2.5, fill=colour))
        parts.append(label(shown, x + 20, y + 6))
        x += needed
    return parts, y - top + 16
