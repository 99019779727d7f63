"""What a run folder says, read with patience: a part that is missing or damaged is left out and named."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nayan.core.events import Event, read_events


@dataclass(frozen=True, slots=True)
class Option:
    """One line of a run's configuration.

    Attributes:
        name: of the option.
        value: as it is written.
        origin: "default", "option", the name of a file, or what it was chosen from.
    """

    name: str
    value: str
    origin: str


@dataclass(frozen=True, slots=True, eq=False)
class RunRecord:
    """All that the report knows about a run.

    Attributes:
        folder: of the run.
        options: its configuration, in order.
        events: in order.
        rows: of `results.csv`, one an epoch; numbers where a cell holds one, else text.
        evaluations: {split: document}, the test split first, then validation.
        status: `status.json`.
        spec: `model/spec.json`.
        damaged: what could not be read, one sentence each.
    """

    folder: Path
    options: tuple[Option, ...]
    events: tuple[Event, ...]
    rows: tuple[Mapping[str, float | str], ...]
    evaluations: Mapping[str, Mapping[str, Any]]
    status: Mapping[str, Any]
    spec: Mapping[str, Any]
    damaged: tuple[str, ...]

    def last(self, kind: str) -> Event:
        """Return the last event of a kind, or an empty one."""
        return next((e for e in reversed(self.events) if e.get("event") == kind), {})

    def first(self, kind: str) -> Event:
        """Return the first event of a kind, or an empty one."""
        return next((e for e in self.events if e.get("event") == kind), {})

    def option(self, name: str) -> str:
        """Return the value of an option as text; "" where it is not known or null."""
        value = next((o.value for o in self.options if o.name == name), "")
        return "" if value == "null" else value.strip("'\"")


def read_run(folder: Path) -> RunRecord:
    """Read what is there of a run folder."""
    damaged: list[str] = []
    events: list[Event] = []
    try:
        events += (e for e in read_events(folder / "events.jsonl") if isinstance(e, dict))
    except (OSError, ValueError) as error:
        damaged.append(f"`events.jsonl` cannot be read: {error}")
    found = {path.stem: _read_json(path, damaged) for path in sorted((folder / "evaluation").glob("*.json"))}
    order = sorted(found, key=lambda split: ({"test": 0, "val": 1}.get(split, 2), split))
    return RunRecord(
        folder=folder,
        options=_read_options(folder / "config.yaml"),
        events=tuple(events),
        rows=_read_rows(folder / "results.csv"),
        evaluations={split: found[split] for split in order if found[split]},
        status=_read_json(folder / "status.json", damaged),
        spec=_read_json(folder / "model" / "spec.json", damaged),
        damaged=tuple(damaged),
    )


def _read_json(path: Path, damaged: list[str]) -> Mapping[str, Any]:
    if not path.exists():
        return {}
    try:
        document = json.loads(path.read_text(encoding="utf-8"), parse_constant=lambda _: None)
    except (OSError, ValueError) as error:
        damaged.append(f"`{path.name}` cannot be read: {error}")
        return {}
    return document if isinstance(document, dict) else {}


def _read_options(path: Path) -> tuple[Option, ...]:
    """Read lines of the form `key: value  # origin`."""
    if not path.exists():
        return ()
    found = []
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        name, colon, rest = line.partition(":")
        if colon and not line.startswith("#"):
            value, mark, origin = rest.rpartition("  # ")
            found.append(Option(name.strip(), (value if mark else rest).strip(), origin if mark else ""))
    return tuple(found)


def _read_rows(path: Path) -> tuple[Mapping[str, float | str], ...]:
    if not path.exists():
        return ()
    with path.open(encoding="utf-8", errors="replace", newline="") as file:
        rows = [
            {key: _cell(value) for key, value in row.items() if key and value} for row in csv.DictReader(file)
        ]
    return tuple(rows)


def _cell(text: str) -> float | str:
    """Return a finite number, or the text; NaN and infinities become ""."""
    try:
        number = float(text)
    except ValueError:
        return text
    return number if math.isfinite(number) else ""
