"""A story: titled panels of picture, text and numbers. Explanations tell them, the report shows them."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nayan.core.types import Image


@dataclass(frozen=True, slots=True)
class Table:
    """Rows under headings; every cell is text or a number.

    Attributes:
        columns: the headings.
        rows: one sequence a row, as long as `columns`.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]


@dataclass(frozen=True, slots=True, eq=False)
class Panel:
    """One titled part of a story.

    Attributes:
        title: a short heading.
        text: what is seen and how to read it; plain text, may be empty.
        image: (H, W, 3) uint8 RGB.
        svg: a drawing as SVG source; used for plots.
        table: numbers in rows.
        data: the same facts for a program, JSON-serialisable.
    """

    title: str
    text: str = ""
    image: Image | None = None
    svg: str = ""
    table: Table | None = None
    data: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Tile:
    """One key figure.

    Attributes:
        label: what it is.
        value: as it is shown, such as "91.2 %".
        note: what helps to judge it, such as its interval.
        level: how full its bar is, in [0, 1]; None draws no bar.
    """

    label: str
    value: str
    note: str = ""
    level: float | None = None


@dataclass(frozen=True, slots=True)
class Summary:
    """What an evaluation comes to, in words.

    Attributes:
        verdict: sentences, the most important first.
        worries: what a reader must keep in mind before relying on it, one sentence each.
        tiles: key figures.
    """

    verdict: tuple[str, ...] = ()
    worries: tuple[str, ...] = ()
    tiles: tuple[Tile, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Story:
    """Panels in reading order under one title."""

    title: str
    panels: Sequence[Panel]

    def to_json(self) -> dict[str, Any]:
        """Return the story's texts, tables and data (no pictures) as a JSON-serialisable document."""
        return {
            "schema_version": 1,
            "title": self.title,
            "panels": [
                {
                    "title": panel.title,
                    "text": panel.text,
                    **(
                        {
                            "columns": list(panel.table.columns),
                            "rows": [list(row) for row in panel.table.rows],
                        }
                        if panel.table
                        else {}
                    ),
                    **({"data": dict(panel.data)} if panel.data else {}),
                }
                for panel in self.panels
            ],
        }

    def write(self, folder: Path) -> list[Path]:
        """Write `story.json` and one PNG or SVG a picture into `folder`; return the files in order."""
        from PIL import Image as PillowImage

        folder.mkdir(parents=True, exist_ok=True)
        written = [folder / "story.json"]
        document = self.to_json()
        for number, (panel, record) in enumerate(zip(self.panels, document["panels"], strict=True), start=1):
            stem = f"{number:02d}_{re.sub(r'[^a-z0-9]+', '_', panel.title.lower()).strip('_')[:60]}"
            if panel.image is not None:
                written.append(folder / f"{stem}.png")
                PillowImage.fromarray(panel.image).save(written[-1])
                record["image"] = written[-1].name
            if panel.svg:
                written.append(folder / f"{stem}.svg")
                written[-1].write_text(panel.svg, encoding="utf-8")
                record["svg"] = written[-1].name
        written[0].write_text(json.dumps(document, indent=2, ensure_ascii=False), encoding="utf-8")
        return written
