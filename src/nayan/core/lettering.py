"""Text on pictures: letters that some font has, in a given width."""

from __future__ import annotations

import unicodedata
from functools import cache

from PIL import ImageFont

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont

FONTS = ("DejaVuSans.ttf", "NotoSans-Regular.ttf", "Arial Unicode.ttf", "arialuni.ttf", "Arial.ttf")
"""Tried in this order for letters beyond ASCII."""


def fitted(text: str, width: float, size: int) -> str:
    """Return the text in characters that can be painted, cut with dots where it is too wide."""
    text = paintable(" ".join(text.split()))
    if width_of(text, size) <= width:
        return text
    while text and width_of(text + "...", size) > width:
        text = text[:-1]
    return text.rstrip() + "..."


def width_of(text: str, size: int) -> float:
    """Return how many pixels a text takes."""
    return float(font_for(text, size).getlength(text))


def font_for(text: str, size: int) -> Font:
    """Return Pillow's own font for ASCII, so that a label looks the same everywhere; else a system's."""
    return (None if text.isascii() else _system_font(size)) or ImageFont.load_default(size)


@cache
def _system_font(size: int) -> ImageFont.FreeTypeFont | None:
    for name in FONTS:
        try:
            return ImageFont.truetype(name, size)
        except OSError:  # not installed
            continue
    return None


def paintable(text: str) -> str:
    """Return the text with what no font at hand can paint replaced: accents dropped, other letters as "?"."""
    font = None if text.isascii() else _system_font(16)
    if text.isascii() or (font and all(c == " " or _has_glyph(font, c) for c in text)):
        return text
    plain = unicodedata.normalize("NFKD", text)
    return "".join(c if c.isascii() else "?" for c in plain if not unicodedata.combining(c))


def _has_glyph(font: ImageFont.FreeTypeFont, character: str) -> bool:
    missing = font.getmask("\uffff")
    return bytes(font.getmask(character)) != bytes(missing)
