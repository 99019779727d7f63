"""The drawings of a segmenter's evaluation as SVG: overlap by class, where pixels are lost, and pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from nayan.core.svg import (
    BAD,
    CARD,
    GOOD,
    INK,
    LINE,
    MUTED,
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

WHOLE = [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
NAME_PX = 130.0
"""Longer names of classes are cut."""
BAR_PX = 250.0
VALUE_PX = 62.0
MANY = 24
"""More rows than this are lower, in smaller letters."""

BINS = 10
"""Of the histogram of pictures."""

NEAR_OPACITY = 0.4
"""Of what is lost near a border; what is lost inside is solid."""

Record = Mapping[str, Any]


def overlap_bars(rows: Sequence[Record], *, mean: float, title: str) -> Svg:
    """Draw the IoU of each class as a bar, with its 95 % interval as a line and the mean dashed.

    Args:
        rows: {label, iou, interval: [low, high] or None} each, drawn in this order.
        mean: of the classes, in [0, 1].
        title: read out to people who cannot see it.
    """
    frame, step, size = _rows([row["label"] for row in rows], full=1.0)
    parts = _axis(frame, WHOLE)
    for number, row in enumerate(rows):
        y, low_high = frame.box[1] + step * number, row.get("interval")
        told = f"{row['label']}: IoU {row['iou']:.1%}"
        told += f", 95% interval {low_high[0]:.1%} to {low_high[1]:.1%}" if low_high else ""
        bar = _bar(frame, 0.0, row["iou"], y=y, step=step, fill=GOOD, fill_opacity=0.75)
        drawn = [bar, *(_whisker(frame, low_high, y=y + step / 2) if low_high else [])]
        parts += _named(row["label"], frame, y=y, step=step, size=size)
        parts.append(element("g", element("title", escape(told)), *drawn))
        parts.append(_value(f"{100 * row['iou']:.1f}", frame, y=y, step=step, size=size))
    x, (_, top, _, bottom) = frame.x(mean), frame.box
    parts.append(element("line", x1=x, x2=x, y1=top, y2=bottom, stroke=MUTED, stroke_dasharray="4 4"))
    legend = _legend([("IoU", GOOD, 0.75)], left=frame.box[0], top=bottom + 34)
    legend += [
        element("line", x1=frame.box[0] + 64, x2=frame.box[0] + 84, y1=bottom + 37, y2=bottom + 37,
                stroke=INK, stroke_width=1.5),
        label("95 % interval", frame.box[0] + 90, bottom + 41),
        element("line", x1=frame.box[0] + 180, x2=frame.box[0] + 180, y1=bottom + 30, y2=bottom + 44,
                stroke=MUTED, stroke_dasharray="4 4"),
        label("mean", frame.box[0] + 187, bottom + 41),
    ]  # fmt: skip
    return document([*parts, *legend], width=frame.box[2] + VALUE_PX, height=bottom + 54, title=title)


def lost_bars(rows: Sequence[Record], *, title: str) -> Svg:
    """Draw which share of the pixels of each class was given to another, near a border (pale) and inside.

    Args:
        rows: {label, near, inside} each: shares of all pixels of the class, None where it has no pixel. The
            first row is set apart from the others: it is that of all classes together.
        title: read out to people who cannot see it.
    """
    most = max([0.05, *(row["near"] + row["inside"] for row in rows if row["near"] is not None)])
    frame, step, size = _rows([row["label"] for row in rows], full=most)
    parts = _axis(frame, ticks(0.0, most, count=4))
    for number, row in enumerate(rows):
        y = frame.box[1] + step * number
        parts += _named(row["label"], frame, y=y, step=step, size=size, bold=number == 0)
        if row["near"] is None:
            parts.append(_value("-", frame, y=y, step=step, size=size))
            continue
        near, whole = row["near"], row["near"] + row["inside"]
        told = f"{row['label']}: {whole:.1%} of its pixels lost, {near:.1%} near a border, "
        told += f"{row['inside']:.1%} inside"
        solid = _bar(frame, 0.0, row["inside"], y=y, step=step, fill=BAD)
        pale = _bar(frame, row["inside"], whole, y=y, step=step, fill=BAD, fill_opacity=NEAR_OPACITY)
        parts.append(element("g", element("title", escape(told)), solid, pale))
        parts.append(_value(f"{100 * whole:.1f}", frame, y=y, step=step, size=size))
    left, top, right, bottom = frame.box
    rule = {"x1": left - NAME_PX, "x2": right + VALUE_PX, "y1": top + step, "y2": top + step}
    parts.append(element("line", **rule, stroke=LINE))
    entries = [("inside of an area", BAD, 1.0), ("near a border", BAD, NEAR_OPACITY)]
    parts += _legend(entries, left=left, top=bottom + 34)
    return document(parts, width=right + VALUE_PX, height=bottom + 54, title=title)


def picture_histogram(values: Sequence[float], *, median: float, title: str) -> Svg:
    """Draw how many pictures there are of each IoU, with the median dashed.

    Args:
        values: the mean IoU of each picture, in [0, 1].
        median: of them.
        title: read out to people who cannot see it.
    """
    counts = [0] * BINS
    for value in values:
        counts[min(BINS - 1, int(value * BINS))] += 1
    most = max(1, *counts)
    frame = Frame((0.0, 1.0), (0.0, 1.3 * most), (44, 14, 424, 214))
    whole = [mark for mark in ticks(0.0, float(most), count=4) if mark == round(mark)]
    parts = [*frame.rows(whole), *frame.columns(WHOLE, percent=True)]
    for number, count in enumerate(counts):
        if not count:
            continue
        low, high = number / BINS, (number + 1) / BINS
        told = f"{count:,} picture{'s' if count > 1 else ''} with an IoU of {low:.0%} to {high:.0%}"
        x, y = frame.x(low) + 2, frame.y(count)
        bar = element("rect", x=x, y=y, width=frame.x(high) - x - 2, height=frame.y(0) - y, fill=GOOD)
        parts.append(element("g", element("title", escape(told)), bar))
        middle = (frame.x(low) + frame.x(high)) / 2
        parts.append(label(f"{count:,}", middle, y - 5, text_anchor="middle", font_size=11))
    x = frame.x(median)
    parts += [
        element("line", x1=44, x2=424, y1=214, y2=214, stroke=LINE),
        element("line", x1=x, x2=x, y1=14, y2=214, stroke=INK, stroke_dasharray="3 4"),
        _beside(f"median {median:.0%}", x, frame),
        label("mean IoU of the classes of a picture", 234, 252, text_anchor="middle", fill=MUTED),
    ]
    return document(parts, width=440, height=262, title=title)


def _rows(names: Sequence[str], *, full: float) -> tuple[Frame, float, float]:
    """Return where bars lie right of their names, the height of a row, and that of its letters."""
    step, size = (25.0, 12.0) if len(names) <= MANY else (17.0, 10.5)
    left = 1.1 * min(NAME_PX, max((text_width(name, size) for name in names), default=0.0)) + 12
    box = (left, 4.0, left + BAR_PX, 4.0 + step * len(names))
    return Frame((0.0, full), (0.0, 1.0), box), step, size


def _axis(frame: Frame, marks: Sequence[float]) -> list[Svg]:
    _, top, _, bottom = frame.box
    lines = [
        element("line", x1=frame.x(mark), x2=frame.x(mark), y1=top, y2=bottom, stroke=LINE) for mark in marks
    ]
    return [*lines, *frame.columns(marks, percent=True)]


def _named(name: str, frame: Frame, *, y: float, step: float, size: float, bold: bool = False) -> list[Svg]:
    shown = shorten(name, NAME_PX, size)
    x, weight = frame.box[0] - 10, 600 if bold else None
    text = label(shown, x, y + step / 2 + 0.36 * size, text_anchor="end", font_size=size, font_weight=weight)
    return [element("g", element("title", escape(name)), text)]


def _value(text: str, frame: Frame, *, y: float, step: float, size: float) -> Svg:
    x = frame.box[2] + 46
    return label(text, x, y + step / 2 + 0.36 * size, text_anchor="end", font_size=size, font_weight=600)


def _bar(frame: Frame, start: float, end: float, *, y: float, step: float, **look: object) -> Svg:
    height = 0.62 * step
    width = max(0.0, frame.x(end) - frame.x(start))
    return element(
        "rect", x=frame.x(start), y=y + (step - height) / 2, width=width, height=height, rx=2, **look
    )


def _whisker(frame: Frame, interval: Sequence[float], *, y: float) -> list[Svg]:
    """Return a line with two short ends, on a wider one in the colour of the page that sets it off."""
    low, high = (frame.x(value) for value in interval)
    path = f"M{low:.1f} {y:.1f}H{high:.1f}M{low:.1f} {y - 3.5:.1f}v7M{high:.1f} {y - 3.5:.1f}v7"
    return [
        element("path", d=path, stroke=CARD, stroke_width=3.5, stroke_opacity=0.8, fill="none"),
        element("path", d=path, stroke=INK, stroke_width=1.5, fill="none"),
    ]


def _beside(text: str, x: float, frame: Frame) -> Svg:
    """Return a text beside a vertical line, on the side where it fits."""
    if x + 8 + text_width(text, 11) < frame.box[2]:
        return label(text, x + 5, 24, font_size=11)
    return label(text, x - 5, 24, font_size=11, text_anchor="end")


def _legend(entries: Sequence[tuple[str, str, float]], *, left: float, top: float) -> list[Svg]:
    """Return names, each after a box of its colour and opacity."""
    parts, x = [], left
    for name, colour, opacity in entries:
        parts.append(element("rect", x=x, y=top, width=14, height=7, rx=2, fill=colour, fill_opacity=opacity))
        parts.append(label(name, x + 20, top + 7))
        x += text_width(name) + 36
    return parts
