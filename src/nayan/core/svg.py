"""Drawings as SVG source: escaped by type, coloured by the page that shows them, readable without one.

Colours are CSS variables with a fallback, so that a drawing follows a page's light or dark scheme
and still shows when it stands alone.
"""

from __future__ import annotations

import html
import math
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NewType

Svg = NewType("Svg", str)
"""Markup that is safe to show: made by the functions of this file only."""

INK = "var(--ink, #1d2733)"
MUTED = "var(--muted, #5b6775)"
LINE = "var(--line, #dde3ea)"
CARD = "var(--card, #ffffff)"
CELL = "var(--cell, #f1f4f7)"
GOOD = "var(--good, #2a6fbb)"
BAD = "var(--bad, #d9622b)"
ON_FILL = "var(--on-fill, #ffffff)"
SERIES = (GOOD, BAD, "var(--third, #3c9a72)", "var(--fourth, #8a5fb5)", "var(--fifth, #a8781c)")


def escape(text: object) -> Svg:
    """Return `visible` text with the characters that XML gives a meaning replaced.

    >>> escape("<b> & 'x'")
    '&lt;b&gt; &amp; &#x27;x&#x27;'
    """
    return Svg(html.escape(visible(str(text))))


def visible(text: str) -> str:
    r"""Return text on one line, with what XML forbids or what turns the reading direction shown as U+FFFD.

    >>> visible("a\tb\x00")
    'a b�'
    """
    if text.isprintable():
        return text
    return "".join(
        " " if c in "\t\n\r" else "\N{REPLACEMENT CHARACTER}" if _is_control(c) else c for c in text
    )


def element(name: str, *children: Svg, **attributes: object) -> Svg:
    """Return one element; `font_size=12` becomes font-size="12", `class_` becomes class, None is left out.

    >>> element("rect", width=2.50001, fill="red")
    '<rect width="2.5" fill="red"/>'
    """
    words = [name]
    for key, value in attributes.items():
        if value is not None:
            shown = f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else value
            words.append(f'{key.rstrip("_").replace("_", "-")}="{escape(shown)}"')
    start = " ".join(words)
    return Svg(f"<{start}>{''.join(children)}</{name}>" if children else f"<{start}/>")


def label(content: object, x: float, y: float, **attributes: object) -> Svg:
    """Return a text element; 12 px and in the ink's colour unless told otherwise."""
    return element("text", escape(content), x=x, y=y, **{"font_size": 12, "fill": INK, **attributes})


def document(parts: Sequence[Svg], *, width: float, height: float, title: str) -> Svg:
    """Return a whole drawing that shrinks with the page to two thirds of its size, then scrolls.

    Args:
        parts: its elements, the first painted first.
        width: natural width in CSS pixels.
        height: natural height.
        title: read out to people who cannot see it.
    """
    return element(
        "svg",
        element("title", escape(title)),
        *parts,
        xmlns="http://www.w3.org/2000/svg",
        viewBox=f"0 0 {width:.0f} {height:.0f}",
        role="img",
        font_family="system-ui, 'Segoe UI', 'DejaVu Sans', sans-serif",
        style=f"width:100%;max-width:{width:.0f}px;min-width:{0.64 * width:.0f}px;height:auto",
    )


def text_width(text: str, size: float = 12) -> float:
    """Return about how many pixels a text takes; wide East Asian characters count double."""
    wide = sum(unicodedata.east_asian_width(c) in "WF" for c in text)
    return size * (0.56 * (len(text) - wide) + wide)


def shorten(text: str, width: float, size: float = 12) -> str:
    """Return the text, cut with an ellipsis where it would be wider than `width` pixels.

    >>> shorten("chrysanthemum", 60)
    'chrysan…'
    """
    if text_width(text, size) <= width:
        return text
    kept = text
    while kept and text_width(kept + "…", size) > width:
        kept = kept[:-1]
    return kept.rstrip() + "…"


def ticks(low: float, high: float, *, count: int = 5) -> list[float]:
    """Return about `count` round numbers within [low, high].

    >>> ticks(0.0, 1.0)
    [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
    """
    if not high > low:
        return [low]
    rough = (high - low) / count
    power = 10.0 ** math.floor(math.log10(rough))
    step = next((f * power for f in (1, 2, 2.5, 5) if f * power >= rough * 0.999), 10 * power)
    first = math.ceil(low / step - 1e-9)
    return [round(n * step, 12) for n in range(first, math.floor(high / step + 1e-9) + 1)]


@dataclass(frozen=True, slots=True)
class Frame:
    """Where numbers lie on a drawing.

    Attributes:
        x_range, y_range: the numbers at the borders, low then high.
        box: (left, top, right, bottom) in pixels.
    """

    x_range: tuple[float, float]
    y_range: tuple[float, float]
    box: tuple[float, float, float, float]

    def x(self, value: float) -> float:
        """Return the pixel of a number on the horizontal axis."""
        low, high = self.x_range
        return self.box[0] + (value - low) / (high - low) * (self.box[2] - self.box[0])

    def y(self, value: float) -> float:
        """Return the pixel of a number on the vertical axis, which points up."""
        low, high = self.y_range
        return self.box[3] - (value - low) / (high - low) * (self.box[3] - self.box[1])

    def rows(self, values: Sequence[float], *, percent: bool = False) -> list[Svg]:
        """Return a horizontal line with its number for each value."""
        left, _, right, _ = self.box
        parts = []
        for value in values:
            y, shown = self.y(value), f"{value:.0%}" if percent else f"{value:g}"
            parts.append(element("line", x1=left, x2=right, y1=y, y2=y, stroke=LINE))
            parts.append(label(shown, left - 6, y + 4, text_anchor="end", fill=MUTED))
        return parts

    def columns(self, values: Sequence[float], *, percent: bool = False) -> list[Svg]:
        """Return the numbers under the drawing."""
        bottom = self.box[3]
        return [
            label(
                f"{v:.0%}" if percent else f"{v:g}", self.x(v), bottom + 17, text_anchor="middle", fill=MUTED
            )
            for v in values
        ]


def _is_control(character: str) -> bool:
    """Return whether XML forbids a character, or it would turn the direction of the text after it."""
    return (
        unicodedata.category(character) in {"Cc", "Cs", "Cn"} or character in "\u202a\u202b\u202c\u202d\u202e"
    )
