"""Things that happen, one row each."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, TextIO

from nayan.core.events import json_safe

Kind = Literal["cross", "enter", "exit", "lost", "stock"]


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened in a frame.

    Attributes:
        time_s: of the frame, from the start of the video.
        frame: its number.
        kind: "cross" a line; "enter" and "exit" a zone; "lost" for a track that ended inside a zone; "stock"
            when what is seen in a slot has changed.
        place: name of the line, zone or slot.
        track: id of the track; None for "stock".
        label: name of its class.
        direction: "in" or "out" across a line.
        dwell_s: how long it was in the zone, when that ends.
        detail: what changed, in words.
    """

    time_s: float
    frame: int
    kind: Kind
    place: str
    track: int | None = None
    label: str = ""
    direction: str = ""
    dwell_s: float | None = None
    detail: str = ""

    def row(self) -> dict[str, Any]:
        """Return it as a JSON-serialisable mapping."""
        return asdict(self)


class Table:
    """A CSV file that grows row by row, so that nothing is lost when the program is stopped.

    Args:
        path: overwritten.
        columns: headings.
    """

    def __init__(self, path: Path, columns: Sequence[str]) -> None:
        self._file: TextIO = path.open("w", encoding="utf-8", newline="")
        self._writer = csv.writer(self._file, lineterminator="\n")
        self._writer.writerow(columns)

    def __enter__(self) -> Table:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def add(self, *cells: Any) -> None:
        """Write a row: None is an empty cell, seconds and pixels have three decimals."""
        self._writer.writerow([_cell(cell) for cell in cells])


def write_json(path: Path, document: dict[str, Any]) -> None:
    """Write a document with its `schema_version` first."""
    text = json.dumps(json_safe({"schema_version": 1, **document}), indent=2, ensure_ascii=False)
    path.write_text(text + "\n", encoding="utf-8")


def _cell(value: Any) -> Any:
    if value is None:
        return ""
    return f"{value:.3f}".rstrip("0").rstrip(".") if isinstance(value, float) else value
