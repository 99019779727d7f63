"""The difference by seed as a drawing."""

from __future__ import annotations

from collections.abc import Sequence

from nayan.core.svg import BAD, GOOD, INK, LINE, MUTED, Frame, Svg, document, element, escape, label, ticks

LEFT, RIGHT, TOP, STEP = 118.0, 560.0, 12.0, 26.0


def differences(
    seeds: Sequence[int], apart: Sequence[float], interval: tuple[float, float, float], *, title: str
) -> Svg:
    """Draw the difference of each seed as a dot, and below their mean with its interval.

    Args:
        seeds: their numbers.
        apart: one difference a seed, a share in [-1, 1].
        interval: mean, low end, high end.
        title: read out to people who cannot see it.
    """
    points = [100 * value for value in apart]
    mean, low, high = (100 * value for value in interval)
    widest = max(1.0, *(abs(value) for value in (*points, low, high)))
    bottom = TOP + STEP * (len(seeds) + 1)
    frame = Frame((-1.08 * widest, 1.08 * widest), (0.0, 1.0), (LEFT, TOP, RIGHT, bottom))
    parts = []
    for value in ticks(-widest, widest):
        x = frame.x(value)
        look = {"stroke": MUTED, "stroke_dasharray": "4 4"} if value == 0 else {"stroke": LINE}
        parts.append(element("line", x1=x, x2=x, y1=TOP, y2=bottom, **look))
        parts.append(label(f"{value:+g}" if value else "0", x, bottom + 17, text_anchor="middle", fill=MUTED))
    for row, (seed, value) in enumerate(zip(seeds, points, strict=True)):
        y = TOP + STEP * (row + 0.5)
        told = element("title", escape(f"seed {seed}: {value:+.2f} points"))
        dot = element("circle", cx=frame.x(value), cy=y, r=4.5, fill=GOOD if value >= 0 else BAD)
        parts += [label(f"seed {seed}", LEFT - 8, y + 4, text_anchor="end"), element("g", told, dot)]
    y = TOP + STEP * (len(seeds) + 0.5)
    ends = f"M{frame.x(low):.1f} {y:.1f}H{frame.x(high):.1f}"
    ends += f"M{frame.x(low):.1f} {y - 4:.1f}v8M{frame.x(high):.1f} {y - 4:.1f}v8"
    parts += [
        label("mean, 95 %", LEFT - 8, y + 4, text_anchor="end", font_weight=600),
        element("path", d=ends, stroke=INK, stroke_width=1.5, fill="none"),
        element("rect", x=frame.x(mean) - 4, y=y - 4, width=8, height=8, fill=INK),
        label("points of accuracy, with synthetic pictures against without", (LEFT + RIGHT) / 2, bottom + 36,
              text_anchor="middle", fill=MUTED),
    ]  # fmt: skip
    return document(parts, width=RIGHT + 20, height=bottom + 46, title=title)
