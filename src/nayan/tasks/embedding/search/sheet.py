"""A sheet to look at: what was asked for, and what was found."""

# (H, W) size of a picture

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image as PillowImage
from PIL import ImageDraw

from nayan.core.errors import FormatError
from nayan.core.image import open_image
from nayan.core.lettering import fitted, font_for
from nayan.core.types import Image
from nayan.runtime.fsio import write_file
from nayan.runtime.index import Hit
from nayan.tasks.embedding.search.names import Names

COLUMNS = 5
SIDE = 200
"""Of a square in pixels."""
GROUPS, MEMBERS = 25, 10
"""On a sheet of pictures that are alike, at most, and pictures of each."""

PAPER, CELL, INK, MUTED = (255, 255, 255), (241, 244, 247), (29, 39, 51), (96, 110, 126)
ASKED, AGAINST, LINE = (42, 111, 187), (217, 98, 43), (214, 221, 228)
_GAP, _MARGIN, _FRAME = 14, 24, 4
_TITLE, _TEXT = 18, 13  # sizes of letters
_LINE = 18  # pixels from line to line


@dataclass(frozen=True, slots=True)
class Card:
    """A picture on the sheet.

    Attributes:
        file: of the picture; one that cannot be read leaves an empty cell.
        lines: what stands below it, the first one dark.
        frame: its colour; None for none.
    """

    file: Path
    lines: tuple[str, ...] = ()
    frame: tuple[int, int, int] | None = None


@dataclass(frozen=True, slots=True)
class Band:
    """Cards under a title."""

    title: str
    cards: tuple[Card, ...]


def asked_band(files: Sequence[Path], minus: Sequence[Path] = (), *, title: str = "looked for") -> Band:
    """Return what was asked for: like the first, unlike the second."""
    plus = [Card(file, (file.name,), ASKED) for file in files]
    return Band(title, (*plus, *(Card(file, (f"not like {file.name}",), AGAINST) for file in minus)))


def found_band(hits: Sequence[Hit], files: Sequence[Path]) -> Band:
    """Return hits with their similarity, name and metadata; the title says how many there are."""
    cards = [
        Card(file, (f"{rank} · {hit.similarity:.3f}", file.name, *told(hit.metadata)))
        for rank, (hit, file) in enumerate(zip(hits, files, strict=True), start=1)
    ]
    return Band(f"found: {len(hits)}", tuple(cards))


def group_band(files: Sequence[Path], names: Sequence[str]) -> Band:
    """Return a group of pictures that are alike."""
    cards = [Card(file, (name,)) for file, name in zip(files, names, strict=True)]
    return Band(f"{len(names):,} alike", tuple(cards[:MEMBERS]))


def hit_record(hit: Hit, names: Names) -> dict[str, Any]:
    """Return a hit as JSON has it."""
    return {
        "id": hit.id,
        "file": str(names.file(hit.id)),
        "similarity": round(hit.similarity, 6),
        "distance": round(hit.distance, 6),
        "metadata": dict(hit.metadata),
    }


def save_hits(folder: Path, asked: Band, hits: Sequence[Hit], names: Names) -> None:
    """Write `hits.json`, and `hits.png` with what was asked for above what was found."""
    found = found_band(hits, [names.file(hit.id) for hit in hits])
    _save(folder, "hits", [hit_record(hit, names) for hit in hits], (asked, found))


def save_groups(folder: Path, groups: Sequence[Sequence[str]], names: Names) -> None:
    """Write `duplicates.json` with all groups, and `duplicates.png` with the largest ones."""
    bands = [group_band([names.file(name) for name in group], group) for group in groups[:GROUPS]]
    _save(folder, "duplicates", [list(group) for group in groups], bands)


def _save(folder: Path, name: str, document: Any, bands: Sequence[Band]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    write_file(folder / f"{name}.json", json.dumps(document, indent=2, ensure_ascii=False) + "\n")
    stream = io.BytesIO()
    PillowImage.fromarray(paint(bands)).save(stream, format="PNG")
    write_file(folder / f"{name}.png", stream.getvalue())


def told(metadata: Mapping[str, object]) -> tuple[str, ...]:
    """Return the values of metadata in two lines at most.

    >>> told({"role": "gallery", "product": "Pink-Lady", "price": 2.5, "organic": None})
    ('gallery, Pink-Lady', '2.5')
    """
    values = [str(value) for value in metadata.values() if value is not None]
    half = (len(values) + 1) // 2
    lines = [", ".join(values[:half]), ", ".join(values[half:])]
    return tuple(line for line in lines if line)


def paint(bands: Sequence[Band]) -> Image:
    """Return bands below each other as one picture, (H, W, 3) uint8 RGB."""
    columns = max(1, min(COLUMNS, max((len(band.cards) for band in bands), default=1)))
    width = 2 * _MARGIN + columns * SIDE + (columns - 1) * _GAP
    height = 2 * _MARGIN + sum(_band_height(band, columns) for band in bands) - _MARGIN
    canvas = PillowImage.new("RGB", (width, height), PAPER)
    pen = ImageDraw.Draw(canvas)
    y = _MARGIN
    for band in bands:
        text = fitted(band.title, width - 2 * _MARGIN, _TITLE)
        pen.text((_MARGIN, y), text, font=font_for(text, _TITLE), fill=INK)
        pen.line((_MARGIN, y + 27, width - _MARGIN, y + 27), fill=LINE)
        top = y + 2 * _LINE
        for row in _rows(band, columns):
            for number, card in enumerate(row):
                _paint_card(canvas, pen, card, (_MARGIN + number * (SIDE + _GAP), top))
            top += _row_height(row)
        y += _band_height(band, columns)
    return np.asarray(canvas)


def _band_height(band: Band, columns: int) -> int:
    return 2 * _LINE + sum(map(_row_height, _rows(band, columns))) + _MARGIN


def _rows(band: Band, columns: int) -> list[tuple[Card, ...]]:
    return [band.cards[start : start + columns] for start in range(0, len(band.cards), columns)]


def _row_height(cards: Sequence[Card]) -> int:
    return SIDE + _LINE * max(len(card.lines) for card in cards) + 2 * _GAP


def _paint_card(
    canvas: PillowImage.Image, pen: ImageDraw.ImageDraw, card: Card, corner: tuple[int, int]
) -> None:
    x, y = corner
    pen.rectangle((x, y, x + SIDE - 1, y + SIDE - 1), fill=CELL)
    try:
        picture = PillowImage.fromarray(open_image(card.file, (SIDE, SIDE)))
    except FormatError:
        pen.text((x + SIDE / 2, y + SIDE / 2), "cannot be read", fill=MUTED, anchor="mm", font_size=_TEXT)
    else:
        scale = SIDE / max(picture.size)
        size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
        small = picture.resize(size, PillowImage.Resampling.LANCZOS)
        canvas.paste(small, (x + (SIDE - size[0]) // 2, y + (SIDE - size[1]) // 2))
    if card.frame is not None:
        pen.rectangle((x, y, x + SIDE - 1, y + SIDE - 1), outline=card.frame, width=_FRAME)
    for number, line in enumerate(card.lines):
        text = fitted(line, SIDE, _TEXT)
        place = (x, y + SIDE + 6 + number * _LINE)
        pen.text(place, text, font=font_for(text, _TEXT), fill=MUTED if number else INK)
