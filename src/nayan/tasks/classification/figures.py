"""The drawing that only a classifier's evaluation has: the reliability diagram, as SVG."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from nayan.core.svg import (
    BAD,
    GOOD,
    LINE,
    MUTED,
    Frame,
    Svg,
    document,
    element,
    escape,
    label,
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
