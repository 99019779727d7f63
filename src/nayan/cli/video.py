"""`nayan predict` on a video or camera: its options, and what it prints."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import Group, Parameter

from nayan.cli.output import Common, Output

INTERRUPTED = 130
_STEP = 250  # frames between two lines of progress


@Parameter(name="*", group=Group("Video and camera", sort_key=50))
@dataclass(frozen=True, slots=True)
class VideoOptions:
    """Options that only mean something for frames that follow one another."""

    line: Annotated[
        tuple[str, ...],
        Parameter(
            help="count what crosses x1,y1,x2,y2[:name], in pixels or fractions; may be repeated",
            negative="",
            metavar="POINTS",
        ),
    ] = ()
    zone: Annotated[
        tuple[str, ...],
        Parameter(
            help="watch who is in x,y,x,y,x,y[,...][:name] or left,top,right,bottom[:name]; may be repeated",
            negative="",
            metavar="POINTS",
        ),
    ] = ()
    scene: Annotated[Path | None, Parameter(help="lines and zones from a YAML file", metavar="FILE")] = None
    anchor: Annotated[
        Literal["bottom", "centre"] | None,
        Parameter(help="where an object is: the middle of its lower edge (default), or its centre"),
    ] = None
    every: Annotated[int, Parameter(help="look at each N-th frame only")] = 1
    fps: Annotated[float | None, Parameter(help="look at no more than F frames a second")] = None
    seconds: Annotated[float | None, Parameter(help="stop after F seconds of the video")] = None


NO_VIDEO = VideoOptions()


def given(options: VideoOptions) -> list[str]:
    """Return the names of the options that were given.

    >>> given(VideoOptions(line=("0,0,1,1",), every=2))
    ['--line', '--every']
    """
    default = asdict(NO_VIDEO)
    return [f"--{name}" for name, value in asdict(options).items() if value != default[name]]


def options_of(options: VideoOptions) -> dict[str, Any]:
    """Return the options as those of `nayan.watch`."""
    named = asdict(options)
    return {"lines": named.pop("line"), "zones": named.pop("zone"), **named}


def progress(common: Common) -> Callable[[int, int | None, float], None]:
    """Return what tells every few hundred frames how far a video is read."""
    said = 0

    def tell(read: int, announced: int | None, seconds: float) -> None:
        nonlocal said
        if read >= said + _STEP:
            said = read
            common.say(f"{read:,} of {announced or '?':,} frames, {seconds:.0f} s of video")

    return tell


def output(seen: Mapping[str, Any], format: str | None, common: Common) -> Output:
    """Return the summary as text or JSON, or the events as CSV; exit code 130 after an interrupt."""
    for note in seen["notes"]:
        common.say(f"note: {note}")
    for file in seen["files"]:
        common.say(f"written: {file}")
    code = INTERRUPTED if seen["ended"] == "interrupted" else 0
    if format == "json":
        return Common(json=True).output(seen, "", exit_code=code)
    if format == "csv":
        return Output(_events_csv(seen["events"]), code)
    return Output("\n".join(_lines(seen)), code)


def _events_csv(events: Sequence[Mapping[str, Any]]) -> str:
    text = io.StringIO()
    columns = ("time_s", "frame", "kind", "place", "track", "class", "direction", "dwell_s", "detail")
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(events)
    return text.getvalue().rstrip("\n")


def _lines(seen: Mapping[str, Any]) -> list[str]:
    """Return the summary as lines of text."""
    frames, tracks = seen["frames"], seen.get("tracks", {"total": 0, "classes": {}})
    text = f"{seen['source']}: {frames['watched']:,} frames watched, {seen['seconds']:.1f} s, "
    lines = [text + f"{tracks['total']} object{'s' * (tracks['total'] != 1)}{_by_class(tracks['classes'])}"]
    for line in seen.get("lines", ()):
        both = {name: counts["in"] + counts["out"] for name, counts in line["classes"].items()}
        lines.append(f"line {line['name']}: in {line['in']}, out {line['out']}{_by_class(both)}")
    return [*lines, *map(_zone_text, seen.get("zones", ())), *map(slot_text, seen.get("stock", ()))]


def _zone_text(zone: Mapping[str, Any]) -> str:
    return (
        f"zone {zone['name']}: {zone['entries']} entered{_by_class(zone['classes'])}, "
        f"{zone['inside_at_end']} inside at the end, at most {zone['occupancy_max']} at once, "
        f"{zone['occupancy_mean']:.2f} on average; stay {zone['dwell_mean_s']:.1f} s on average"
    )


def slot_text(slot: Mapping[str, Any]) -> str:
    """Return one line of the stock list as text.

    >>> row = {"slot": "A", "class": "milk", "expected": 2, "found": 1, "status": "short"}
    >>> slot_text({**row, "strangers": ["jam"]})
    'slot A: milk 1 of 2, short; misplaced: jam'
    """
    name = f"{slot['class']} " if slot["class"] else ""
    strangers = f"; misplaced: {', '.join(slot['strangers'])}" if slot["strangers"] else ""
    return f"slot {slot['slot']}: {name}{slot['found']} of {slot['expected']}, {slot['status']}{strangers}"


def _by_class(counts: Mapping[str, int]) -> str:
    """Return counts in brackets.

    >>> _by_class({"car": 3, "bus": 1}), _by_class({})
    (' (car 3, bus 1)', '')
    """
    return f" ({', '.join(f'{name} {count}' for name, count in counts.items())})" if counts else ""
