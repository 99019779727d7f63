"""Compare what stands on a shelf with what should: each slot of a list with the detections in its place."""

# N detections, V corners of a slot

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from nayan.core.errors import ConfigError, FormatError, NotFound
from nayan.core.types import Size
from nayan.data.readers.base import read_text
from nayan.data.video import Frame
from nayan.tasks.detection.scene.events import Event
from nayan.tasks.detection.scene.regions import (
    Points,
    Zone,
    anchors,
    make_zone,
    read_mapping,
    to_pixels,
)

Status = Literal["ok", "empty", "short", "over", "misplaced"]

HOLD = 5
"""In a video a slot has changed when so many frames in a row say the same."""

_COLUMNS = ("slot", "class", "expected", "region")


@dataclass(frozen=True, slots=True, eq=False)
class Slot:
    """One line of the list. A slot that should hold several classes has several.

    Attributes:
        name: of the place.
        label: name of the class; "" for any.
        expected: how many.
        points: (V, 2) corners, in pixels or fractions; None for the whole picture.
    """

    name: str
    label: str
    expected: int
    points: Points | None = None


@dataclass(frozen=True, slots=True)
class SlotCount:
    """What was found for one line of the list.

    Attributes:
        slot: its name.
        label: its class.
        expected: how many should be there.
        found: how many are there.
        missing: how many too few.
        surplus: how many too many.
        misplaced: how many of classes that the list does not expect in this slot.
        strangers: which classes those are.
        status: "ok"; "empty" (none found), "short", "over"; "misplaced" where only strangers are wrong.
    """

    slot: str
    label: str
    expected: int
    found: int
    missing: int
    surplus: int
    misplaced: int
    strangers: tuple[str, ...]
    status: Status

    def row(self) -> dict[str, Any]:
        """Return it as a JSON-serialisable mapping, its class under "class"."""
        record = asdict(self)
        record["class"] = record.pop("label")
        return {**record, "strangers": list(self.strangers)}


def read_slots(path: Path, classes: Sequence[str]) -> tuple[Slot, ...]:
    """Read a list of slots from CSV or YAML.

    CSV has the columns `slot`, `class` (empty: any), `expected` and, for a part of the picture, `region`:
    left top right bottom, or the corners x y x y ... of a polygon, in pixels or fractions, between spaces or
    commas. YAML has a list `slots` of mappings with the same keys.

    Raises:
        FormatError: if the file cannot be read or a line says something else; with the line.
        NotFound: for a class that the model does not know.
    """
    if path.suffix.lower() in (".yaml", ".yml"):
        entries = read_mapping(path, {"slots"}).get("slots")
        if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
            raise FormatError(f"{path}: expected a list `slots` of mappings with {', '.join(_COLUMNS)}")
        rows = [(f"{path}: slot {number}", entry) for number, entry in enumerate(entries, start=1)]
    else:
        reader = csv.DictReader(io.StringIO(read_text(path)), strict=True)
        try:
            rows = [(f"{path}:{reader.line_num}", dict(row)) for row in reader]
        except csv.Error as error:
            raise FormatError(f"{path}:{reader.line_num + 1}: {error}") from error
    if not rows:
        raise FormatError(f"{path}: lists no slot", hint=f"write the columns {','.join(_COLUMNS)}")
    return tuple(_slot(where, entry, classes) for where, entry in rows)


def check_stock(
    slots: Sequence[Slot], labels: Sequence[str], boxes: NDArray[Any], *, size: Size
) -> list[SlotCount]:
    """Compare the slots with the detections of a picture; a detection is where its centre is.

    Args:
        slots: the list.
        labels: names of the N detections' classes.
        boxes: (N, 4) xyxy in pixels.
        size: (height, width) of the picture.

    Returns:
        One count a line of the list, in its order.
    """
    centres = anchors(np.asarray(boxes).reshape(-1, 4), "centre")
    counts = []
    for slot in slots:
        inside = np.ones(len(centres), np.bool_)
        if slot.points is not None:
            inside = Zone(slot.name, to_pixels(slot.points, size, slot.name)).depths(centres) >= 0
        here = [labels[row] for row in np.flatnonzero(inside).tolist()]
        wanted = {other.label for other in slots if other.name == slot.name}
        # A list for the whole picture need not name everything that is in it.
        strangers = [] if "" in wanted or slot.points is None else [n for n in here if n not in wanted]
        counts.append(_count(slot, len(here) if not slot.label else here.count(slot.label), strangers))
    return counts


class StockWatch:
    """Follows the slots through a video and reports each change that lasts for `HOLD` frames.

    Args:
        slots: the list.
        size: (height, width) of the picture.

    Attributes:
        places: the (V, 2) corners of each slot in pixels; None for the whole picture.
        counts: what holds now for each slot; None as long as it never held still.
    """

    def __init__(self, slots: Sequence[Slot], *, size: Size) -> None:
        self._slots, self._size = slots, size
        self.places = [
            None if slot.points is None else to_pixels(slot.points, size, slot.name) for slot in slots
        ]
        self._new: list[tuple[SlotCount | None, int]] = [(None, 0)] * len(slots)
        self.counts: list[SlotCount | None] = [None] * len(slots)

    def update(self, frame: Frame, labels: Sequence[str], boxes: NDArray[Any]) -> list[Event]:
        """Return what has changed for certain since this frame."""
        events = []
        for row, count in enumerate(check_stock(self._slots, labels, boxes, size=self._size)):
            before, times = self._new[row]
            self._new[row] = (count, times + 1 if count == before else 1)
            if self._new[row][1] >= HOLD and count != self.counts[row]:
                self.counts[row] = count
                detail = f"{count.status}: {count.found} of {count.expected}"
                events.append(
                    Event(frame.time_s, frame.index, "stock", count.slot, label=count.label, detail=detail)
                )
        return events

    def summary(self) -> list[dict[str, Any]]:
        """Return the rows of what holds at the end; none for a slot that never held still."""
        return [count.row() for count in self.counts if count is not None]


def _count(slot: Slot, found: int, strangers: Sequence[str]) -> SlotCount:
    status: Status = "misplaced" if strangers else "ok"
    if found != slot.expected:
        status = "over" if found > slot.expected else "short" if found else "empty"
    return SlotCount(
        slot.name,
        slot.label,
        slot.expected,
        found,
        max(0, slot.expected - found),
        max(0, found - slot.expected),
        len(strangers),
        tuple(sorted(set(strangers))),
        status,
    )


def _slot(where: str, entry: dict[str, Any], classes: Sequence[str]) -> Slot:
    missing = [name for name in ("slot", "expected") if entry.get(name) in (None, "")]
    unknown = [str(name) for name in entry if name not in _COLUMNS]
    if missing or unknown:
        found = f"without {missing[0]}" if missing else f"with an unknown column {unknown[0]!r}"
        raise FormatError(f"{where}: a slot {found}", hint=f"the columns are {','.join(_COLUMNS)}")
    name, label = str(entry["slot"]).strip(), str(entry.get("class") or "").strip()
    if label and label not in classes:
        raise NotFound("class", label, classes, hint=f"it stands in {where}")
    expected = str(entry["expected"]).strip()
    if not expected.isdecimal():
        raise FormatError(f"{where}: expected {expected!r} pieces; a whole number from 0 is needed")
    region = entry.get("region")
    if region in (None, "", []):
        return Slot(name, label, int(expected))
    numbers = re.split(r"[\s,;]+", region.strip()) if isinstance(region, str) else region
    try:
        return Slot(name, label, int(expected), make_zone(name, numbers, where=where).points)
    except ConfigError as error:
        raise FormatError(
            error.message, hint="region is left top right bottom, or x y x y x y ..."
        ) from error
