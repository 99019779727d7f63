"""The drawings of an embedder's evaluation as SVG: errors of verification, distances, recall, a map."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from statistics import NormalDist
from typing import Any

from nayan.core.svg import (
    BAD,
    CELL,
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

WHOLE = [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
RATES = [0.0001, 0.001, 0.01, 0.05, 0.2, 0.4, 0.6, 0.8, 0.95, 0.99]
"""Marks on the axes of a DET."""
RULE_OF_30 = 30
"""Errors that it takes to know a rate to within a third of itself."""

PIXELS = Frame((0.0, 1.0), (1.0, 0.0), (0.0, 0.0, 1.0, 1.0))
"""In which a number is the pixel itself."""

Record = Mapping[str, Any]
Point = tuple[float, float]


def roc_chart(curve: Record, *, at: Record | None, title: str) -> Svg:
    """Draw the ROC: how many pairs of one identity are found, for how many false alarms.

    Args:
        curve: of `facts.curve_facts`.
        at: of `facts.threshold_facts`, the point that was chosen on validation; None where none was.
        title: read out to people who cannot see it.
    """
    frame = Frame((0.0, 1.0), (0.0, 1.0), (52, 14, 392, 304))
    points = [(0.0, 0.0), *zip(curve["far"], curve["tar"], strict=True)]
    left, top, right, bottom = frame.box
    area = f"{_path(points, frame)} L{right:.1f} {bottom:.1f}Z"
    rate = curve["equal_error"]["rate"]
    chosen = None if at is None else (at["far"], at["tar"])
    parts = [
        *frame.rows(WHOLE, percent=True),
        *frame.columns(WHOLE, percent=True),
        element("path", d=area, fill=GOOD, fill_opacity=0.12),
        element("line", x1=left, y1=bottom, x2=right, y2=top, stroke=MUTED, stroke_dasharray="5 4"),
        element("line", x1=left, y1=top, x2=right, y2=bottom, stroke=LINE),
        element("path", d=_path(points, frame), fill="none", stroke=GOOD, stroke_width=2.25),
        *_marked((rate, 1 - rate), chosen, frame),
        *_told(rate, at, right=right - 8, top=bottom - (46 if at else 28)),
        label("chance", 150, 236, fill=MUTED),
        *_titles(frame, "false accepts", "true accepts"),
    ]
    return document(parts, width=410, height=348, title=title)


def det_chart(curve: Record, *, numbers: tuple[int, int], at: Record | None, title: str) -> Svg:
    """Draw the DET: both error rates on the scale of the normal distribution, where a Gaussian is straight.

    Where fewer than 30 pairs decide, the ground is shaded: there the curve is little more than chance.

    Args:
        curve: of `facts.curve_facts`.
        numbers: of pairs of one identity, and of two.
        at: as for `roc_chart`.
        title: read out to people who cannot see it.

    Source: Martin, Doddington, Kamm, Ordowski, Przybocki (1997), The DET curve in assessment of detection
    task performance.
    """
    num_same, num_different = numbers
    low, high = max(5e-5, min(0.01, 0.7 / num_different, 0.7 / num_same)), 0.8
    frame = Frame((_probit(low), _probit(high)), (_probit(low), _probit(high)), (58, 14, 398, 304))
    left, top, right, bottom = frame.box

    def place(far: float, frr: float) -> Point | None:
        return (_probit(far), _probit(frr)) if low <= far <= high and low <= frr <= high else None

    placed = [place(far, 1 - tar) for far, tar in zip(curve["far"], curve["tar"], strict=True)]
    points = [each for each in placed if each is not None]
    x = frame.x(_probit(min(high, max(low, RULE_OF_30 / num_different))))
    y = frame.y(_probit(min(high, max(low, RULE_OF_30 / num_same))))
    rate = curve["equal_error"]["rate"]
    parts = [
        element("rect", x=left, y=top, width=x - left, height=bottom - top, fill=CELL),
        element("rect", x=left, y=y, width=right - left, height=bottom - y, fill=CELL),
        *_probit_grid([each for each in RATES if low <= each <= high], frame),
        element("line", x1=left, y1=bottom, x2=right, y2=top, stroke=LINE),
        element("path", d=_path(points, frame), fill="none", stroke=GOOD, stroke_width=2.25),
        *_marked(place(rate, rate), None if at is None else place(at["far"], 1 - at["tar"]), frame),
        *_told(rate, at, right=right - 8, top=top + 16),
        *_titles(frame, "false accepts", "false rejects"),
    ]
    return document(parts, width=416, height=348, title=title)


def distance_histogram(counts: Record, *, threshold: float | None, title: str) -> Svg:
    """Draw how far pairs lie apart, each kind as a share of its own pairs.

    Args:
        counts: of `facts.distance_facts`.
        threshold: up to which pairs are taken for the same; a dashed line. None draws none.
        title: read out to people who cannot see it.
    """
    edges, kinds = counts["edges"], (("same", GOOD), ("different", BAD))
    shares = {kind: [n / max(1, sum(counts[kind])) for n in counts[kind]] for kind, _ in kinds}
    most = max(max(each) for each in shares.values())
    frame = Frame((0.0, edges[-1]), (0.0, 1.16 * most), (52, 42, 836, 244))
    left, top, right, bottom = frame.box
    parts = [
        *frame.rows(ticks(0.0, most, count=4), percent=True),
        *frame.columns(ticks(0.0, edges[-1], count=8)),
    ]
    for kind, colour in kinds:
        outline = [(edges[0], 0.0)]
        for n, share in enumerate(shares[kind]):
            outline += [(edges[n], share), (edges[n + 1], share)]
        outline.append((edges[-1], 0.0))
        told = f"{sum(counts[kind]):,} pairs of {'one identity' if kind == 'same' else 'two identities'}"
        shape = element(
            "path", d=_path(outline, frame), fill=colour, fill_opacity=0.3, stroke=colour, stroke_width=1.5
        )
        parts.append(element("g", element("title", escape(told)), shape))
    parts += _legend([("one identity", GOOD), ("two identities", BAD)], left=left, top=14)
    if threshold is not None and 0 <= threshold <= edges[-1]:
        x = frame.x(threshold)
        near_end = x > right - 120
        parts += [
            element("line", x1=x, x2=x, y1=top - 6, y2=bottom, stroke=INK, stroke_dasharray="4 3"),
            label(f"threshold {threshold:.3f}", x + (-6 if near_end else 6), top + 2,
                  text_anchor="end" if near_end else None, font_weight=600),
        ]  # fmt: skip
    parts.append(
        label("distance of two pictures", (left + right) / 2, bottom + 38, text_anchor="middle", fill=MUTED)
    )
    return document(parts, width=850, height=bottom + 48, title=title)


def recall_chart(rows: Sequence[Record], *, title: str) -> Svg:
    """Draw the recall over k, with its 95 % interval as a band.

    Args:
        rows: of `facts.recall_facts`.
        title: read out to people who cannot see it.
    """
    known = [row["interval"][0] if row["interval"] else row["recall"] for row in rows]
    low = max(0.0, math.floor(10 * min(known) - 0.2) / 10)
    last = max(1, len(rows) - 1)
    frame = Frame((0.0, float(last)), (low, 1.0), (52, 20, 392, 254))
    parts = frame.rows(ticks(low, 1.0, count=5), percent=True)
    banded = [(n, row["interval"]) for n, row in enumerate(rows) if row["interval"]]
    if len(banded) > 1:
        upper, lower = ([(float(n), each[side]) for n, each in banded] for side in (1, 0))
        d = f"{_path(upper, frame)} {_path(lower[::-1], frame).replace('M', 'L', 1)}Z"
        parts.append(element("path", d=d, fill=GOOD, fill_opacity=0.15))
    line = [(float(n), row["recall"]) for n, row in enumerate(rows)]
    parts.append(element("path", d=_path(line, frame), fill="none", stroke=GOOD, stroke_width=2.25))
    for n, row in enumerate(rows):
        told = f"recall at {row['k']}: {row['recall']:.1%}"
        told += (
            f", 95% interval {row['interval'][0]:.1%} to {row['interval'][1]:.1%}" if row["interval"] else ""
        )
        parts.append(_dot(float(n), row["recall"], frame, told=told, fill=GOOD))
        parts.append(label(f"{row['k']}", frame.x(n), frame.box[3] + 17, text_anchor="middle", fill=MUTED))
    parts += _titles(frame, "first k answers", "queries answered")
    return document(parts, width=410, height=298, title=title)


def map_chart(points: Sequence[Sequence[float]], names: Sequence[str], *, title: str) -> Svg:
    """Draw embeddings in two dimensions: a shape and a colour for each identity that has a name.

    Args:
        points: [x, y, n] each, n being the place of its name, or -1 for a pale dot.
        names: at most twelve.
        title: read out to people who cannot see it.
    """
    width = 30 + max((text_width(shorten(name, 150)) for name in names), default=0.0)
    frame = _square_frame(points, (10, 10, 620, 430))
    left, top, right, bottom = frame.box
    parts = [element("rect", x=left, y=top, width=right - left, height=bottom - top, rx=6, fill=CELL)]
    for x, y, n in sorted(points, key=lambda each: each[2]):  # the pale ones below
        parts.append(_shape(int(n), frame.x(x), frame.y(y)))
    others = any(n < 0 for _, _, n in points)
    for n, name in enumerate([*names, *(["others"] if others else [])]):
        y = top + 14 + 21 * n
        parts.append(_shape(n if n < len(names) else -1, right + 22, y))
        parts.append(
            element("g", element("title", escape(name)), label(shorten(name, 150), right + 34, y + 4))
        )
    return document(parts, width=right + 24 + max(60, width), height=bottom + 10, title=title)


def _shape(n: int, x: float, y: float) -> Svg:
    """Return a circle, square or triangle in one of four colours; a pale dot for n < 0."""
    if n < 0:
        return element("circle", cx=x, cy=y, r=2.2, fill=MUTED, fill_opacity=0.35)
    look = {"fill": SERIES[n % len(SERIES)], "fill_opacity": 0.85}
    match n // len(SERIES) % 3:
        case 0:
            return element("circle", cx=x, cy=y, r=4.2, **look)
        case 1:
            return element("rect", x=x - 3.8, y=y - 3.8, width=7.6, height=7.6, **look)
        case _:
            return element("path", d=f"M{x:.1f} {y - 5:.1f}l4.9 8.8h-9.8z", **look)


def _square_frame(points: Sequence[Sequence[float]], box: tuple[float, float, float, float]) -> Frame:
    """Return a frame in which one unit is as long upwards as sideways."""
    left, top, right, bottom = box
    middle = [(min(each) + max(each)) / 2 for each in list(zip(*points, strict=True))[:2]]
    reach = [max(each) - min(each) for each in list(zip(*points, strict=True))[:2]]
    unit = 1.08 * max(reach[0] / (right - left), reach[1] / (bottom - top), 1e-9)
    half = (unit * (right - left) / 2, unit * (bottom - top) / 2)
    x_range, y_range = ((m - h, m + h) for m, h in zip(middle, half, strict=True))
    return Frame(x_range, y_range, box)


def _marked(equal: Point | None, chosen: Point | None, frame: Frame) -> list[Svg]:
    """Return a dot where both errors are equal, and a ring at the threshold, as far as they are in sight."""
    parts = []
    if equal is not None:
        parts.append(element("circle", cx=frame.x(equal[0]), cy=frame.y(equal[1]), r=4, fill=INK))
    if chosen is not None:
        ring = {"fill": "none", "stroke": BAD, "stroke_width": 2.25}
        parts.append(element("circle", cx=frame.x(chosen[0]), cy=frame.y(chosen[1]), r=6.5, **ring))
    return parts


def _told(rate: float, at: Record | None, *, right: float, top: float) -> list[Svg]:
    """Return the legend of what is marked, one line each, in a corner that good curves leave empty."""
    texts = [f"equal error rate {_rate(rate)}"]
    texts += [] if at is None else [f"threshold {at['threshold']:.3f}"]
    left = right - 1.04 * max(text_width(text) for text in texts)
    parts = _marked((left - 12, top - 4), None, PIXELS)
    parts += [] if at is None else _marked(None, (left - 12, top + 14), PIXELS)
    return [*parts, *(label(text, left, top + 18 * n) for n, text in enumerate(texts))]


def _dot(x: float, y: float, frame: Frame, *, told: str, fill: str) -> Svg:
    return element("circle", element("title", escape(told)), cx=frame.x(x), cy=frame.y(y), r=3.5, fill=fill)


def _path(points: Sequence[Point], frame: Frame) -> str:
    return " ".join(
        f"{'L' if n else 'M'}{frame.x(x):.1f} {frame.y(y):.1f}" for n, (x, y) in enumerate(points)
    )


def _probit(rate: float) -> float:
    return NormalDist().inv_cdf(rate)


def _probit_grid(rates: Sequence[float], frame: Frame) -> list[Svg]:
    left, top, right, bottom = frame.box
    parts = []
    for rate in rates:
        x, y, shown = frame.x(_probit(rate)), frame.y(_probit(rate)), _rate(rate)
        parts += [
            element("line", x1=left, x2=right, y1=y, y2=y, stroke=LINE),
            element("line", x1=x, x2=x, y1=top, y2=bottom, stroke=LINE),
            label(shown, left - 6, y + 4, text_anchor="end", fill=MUTED),
            label(shown, x, bottom + 17, text_anchor="middle", fill=MUTED),
        ]
    return parts


def _rate(rate: float) -> str:
    """Return a rate as a percentage with what digits it needs.

    >>> _rate(0.0001), _rate(0.05), _rate(0.0567)
    ('0.01%', '5%', '5.67%')
    """
    return f"{100 * rate:.3g}%"


def _titles(frame: Frame, across: str, upwards: str) -> list[Svg]:
    left, top, right, bottom = frame.box
    middle = (top + bottom) / 2
    turned = f"rotate(-90 12 {middle:g})"
    return [
        label(across, (left + right) / 2, bottom + 37, text_anchor="middle", fill=MUTED),
        label(upwards, 12, middle, text_anchor="middle", fill=MUTED, transform=turned),
    ]


def _legend(entries: Sequence[tuple[str, str]], *, left: float, top: float) -> list[Svg]:
    parts, x = [], left
    for name, colour in entries:
        parts.append(element("rect", x=x, y=top, width=14, height=8, rx=2, fill=colour, fill_opacity=0.75))
        parts.append(label(name, x + 20, top + 8.5))
        x += text_width(name) + 40
    return parts
