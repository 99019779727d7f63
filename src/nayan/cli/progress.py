"""Shows a run's events on stderr: a moving line in a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import TracebackType
from typing import Any

from nayan.core.events import Event


class Progress:
    """A listener for `core.events`; use it as a context manager, so that the moving line ends with the run.

    Args:
        quiet: show warnings only.
        moving: draw a progress line; by default in a terminal.
    """

    def __init__(self, *, quiet: bool = False, moving: bool | None = None) -> None:
        self._quiet = quiet
        self._moving = (sys.stderr.isatty() if moving is None else moving) and not quiet
        self._bar: Any = None
        self._task: Any = None

    def __call__(self, event: Event) -> None:
        """Show one event."""
        if event["event"] == "progress":
            if self._moving:
                self._move(event)
            return
        text = _TEXTS[event["event"]](event) if event["event"] in _TEXTS else ""
        if text and (not self._quiet or event["event"] == "warning"):
            self._print(text)

    def count(self, done: int, total: int) -> None:
        """Show how many pictures are done, in a terminal only."""
        if self._moving:
            self._update("pictures", done, total)

    def steps(self, done: int, total: int) -> None:
        """Show how many steps of a long computation are done: a line each quarter where nothing moves."""
        if self._moving:
            self._update("steps", done, total)
        elif not self._quiet and done in {total * quarter // 4 for quarter in (1, 2, 3, 4)}:
            self._print(f"step {done} of {total}")

    def __enter__(self) -> Progress:
        """Begin; nothing is shown before the first event."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Take the moving line away."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def _print(self, text: str) -> None:
        if self._bar is None:
            print(text, file=sys.stderr, flush=True)
        else:
            self._bar.console.print(text, markup=False, highlight=False, soft_wrap=True)

    def _move(self, event: Event) -> None:
        """Draw `epoch 3/10 ━━━━ 40/120 512 pictures/s 0:00:12 left` in place."""
        self._update(
            f"epoch {_of(event, 'epoch', 'epochs')}",
            event.get("step", 0),
            event.get("steps"),
            rate=f"{event.get('pictures_per_s') or 0:,.0f} pictures/s",
            left=f"{duration(event['eta_s'])} left" if event.get("eta_s") is not None else "",
        )

    def _update(self, what: str, done: int, total: int | None, *, rate: str = "", left: str = "") -> None:
        if self._bar is None:
            self._start()
        self._bar.update(self._task, description=what, completed=done, total=total, rate=rate, left=left)

    def _start(self) -> None:
        from rich import progress
        from rich.console import Console

        self._bar = progress.Progress(
            progress.TextColumn("{task.description}"),
            progress.BarColumn(bar_width=None),
            progress.MofNCompleteColumn(),
            progress.TextColumn("{task.fields[rate]}"),
            progress.TextColumn("{task.fields[left]}"),
            console=Console(stderr=True),
            transient=True,
        )
        self._task = self._bar.add_task("", total=None, rate="", left="")
        self._bar.start()


def duration(seconds: float) -> str:
    """Return seconds as a person says them.

    >>> duration(8.2), duration(95), duration(7380)
    ('8.2s', '1m35s', '2h03m')
    """
    if seconds < 60:
        return f"{seconds:.1f}s" if seconds < 10 else f"{seconds:.0f}s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes}m{rest:02d}s"
    return f"{minutes // 60}h{minutes % 60:02d}m"


def _start_text(event: Event) -> str:
    data = event.get("data") or {}
    because = f", because {data['reason']}" if data.get("reason") else ""
    return f"data: {data.get('path', '')}: {data.get('summary', '')}{because}"


def _plan_text(event: Event) -> str:
    return f"plan: {event['text']}" if event.get("text") else ""


def _warning_text(event: Event) -> str:
    hint = f" ({event['hint']})" if event.get("hint") else ""
    return f"warning: {event['text']}{hint}"


def _epoch_text(event: Event) -> str:
    parts = [f"epoch {_of(event, 'epoch', 'epochs')}"]
    for split in ("train", "val"):
        scores = {name: v for name, v in (event.get(split) or {}).items() if isinstance(v, float)}
        shown = scores if split == "train" else dict.fromkeys([*list(scores)[:1], *scores.keys() & {"loss"}])
        parts += [f"{split} {name} {scores[name]:.4f}" for name in shown]
    if event.get("pictures_per_s"):
        parts.append(f"{event['pictures_per_s']:,.0f} pictures/s")
    if event.get("seconds") is not None:
        parts.append(duration(event["seconds"]))
    return "  ".join(parts) + ("  best" if event.get("best") is True else "")


def _evaluation_text(event: Event) -> str:
    scores = "  ".join(
        f"{name} {value:.4f}" for name, value in event["metrics"].items() if isinstance(value, float)
    )
    return f"{event['split']}: {scores}"


def _end_text(event: Event) -> str:
    return f"done in {duration(event['seconds'])}" if event.get("seconds") is not None else "done"


def _of(event: Event, part: str, whole: str) -> str:
    return f"{event.get(part)}/{event[whole]}" if event.get(whole) else f"{event.get(part)}"


_TEXTS: dict[str, Callable[[Event], str]] = {
    "start": _start_text,
    "note": lambda event: str(event["text"]),
    "warning": _warning_text,
    "plan": _plan_text,
    "epoch": _epoch_text,
    "stop": lambda event: f"stopped: {event['reason']}",
    "evaluation": _evaluation_text,
    "end": _end_text,
}
