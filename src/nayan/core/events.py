"""What happens in a run, one JSON object a line: the command line shows it, the report reads it.

Every record has "event" (its kind) and "time" (seconds since the epoch). Kinds, with their own fields:

    start       config, origins, command, versions, data (path, format, counts, classes, fingerprint)
    note        text                                      something the user should know
    warning     text, hint
    plan        pictures, rounds, steps, seconds, memory_mb, bottleneck, text
    progress    round, epoch, epochs, step, steps, pictures_per_s, eta_s, losses    (not written to disk)
    epoch       round, epoch, epochs, seconds, pictures_per_s, lr, train {…}, val {…}, best
    checkpoint  path, round, epoch, step
    stop        reason                                    early stop, budget, signal
    evaluation  split, metrics, seconds
    end         seconds, bundle, report, timings {part: seconds}
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

Event = dict[str, Any]
Listener = Callable[[Event], None]


class EventLog:
    """Appends events to a JSONL file and passes each on to the listeners.

    Args:
        path: the file; None keeps nothing on disk.
        listeners: called with every record, in order.
    """

    def __init__(self, path: Path | None, *listeners: Listener) -> None:
        self._path = path
        self._listeners = listeners

    def __call__(self, event: str, **fields: Any) -> None:
        """Record one event."""
        record = {"event": event, "time": round(time.time(), 3), **fields}
        if self._path is not None and event != "progress":
            with self._path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(json_safe(record), ensure_ascii=False, default=str) + "\n")
        for listener in self._listeners:
            listener(record)


def read_events(path: Path) -> Iterator[Event]:
    """Yield the records of a log; a last line that a killed run left unfinished is passed over."""
    if not path.exists():
        return
    lines = path.read_text(encoding="utf-8").splitlines()
    for number, line in enumerate(lines, start=1):
        try:
            yield json.loads(line)
        except json.JSONDecodeError:
            if number != len(lines):
                raise


def json_safe(value: Any) -> Any:
    """Return the value with NaN and infinities as None: JSON has neither."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: json_safe(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [json_safe(item) for item in value]
    return value
