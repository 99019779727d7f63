"""From the record of a run to what stands on its page: verdict, key figures and sections, as plain values.

This module knows no task: what only a task can say comes from the `summary` and `panels` of its card's
`draw` module.
"""

from __future__ import annotations

import datetime
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nayan.core.registry import resolve
from nayan.core.story import Panel, Summary, Table, Tile
from nayan.report.curves import best_epoch, charts_of, curves, group_of
from nayan.report.record import RunRecord
from nayan.tasks import CARDS, use_of

FEW_ROWS = 40
"""Longer tables of the data are opened on demand."""


@dataclass(frozen=True, slots=True, eq=False)
class Section:
    """Panels under one heading.

    Attributes:
        id: the anchor.
        title: the heading.
        short: its name in the list of contents.
        panels: in order; a section without any is left out.
    """

    id: str
    title: str
    short: str
    panels: Sequence[Panel]


@dataclass(frozen=True, slots=True, eq=False)
class Page:
    """All that the template fills in.

    Attributes:
        title: of the page.
        eyebrow: a line above it: the task, the day.
        verdict: sentences.
        worries: one sentence each, the most serious first.
        tiles: key figures.
        sections: in order.
    """

    title: str
    eyebrow: str
    verdict: Sequence[str]
    worries: Sequence[str]
    tiles: Sequence[Tile]
    sections: Sequence[Section]


def make_page(run: RunRecord) -> Page:
    """Return the page of a run."""
    task = str(run.spec.get("task") or _evaluation(run).get("task") or run.option("task"))
    summary, panels = _of_task(run, task)
    split = _evaluation(run).get("split", "")
    sections = [
        Section("scores", "Scores by split", "Scores", _scores(run)),
        Section("learning", "How it learned", "Learning", curves(run)),
        Section("evaluation", f"What it gets right and wrong ({split})", "Evaluation", panels),
        Section("augmented", "What it saw while training", "Augmented", _augmented(run)),
        Section("data", "The data", "Data", _data(run)),
        Section("time", "Where the time went", "Time", _times(run)),
        Section("options", "Every option", "Options", _options(run)),
        Section("environment", "Environment", "Environment", _environment(run)),
        Section("next", "Commands", "Commands", _commands(run)),
    ]
    worries = [*_stopped(run), *run.damaged, *summary.worries, *_unread(run), *_warnings(run)]
    return Page(
        title=_title(run),
        eyebrow=" · ".join(part for part in (task, _day(run)) if part),
        verdict=[*_trained(run), *(summary.verdict or _best_so_far(run))],
        worries=list(dict.fromkeys(worries)),
        tiles=[*summary.tiles, *_tiles(run)],
        sections=[section for section in sections if section.panels],
    )


def duration(seconds: float) -> str:
    """Return seconds as a person says them.

    >>> duration(0.4), duration(95), duration(7300)
    ('0.4 s', '1 min 35 s', '2 h 1 min')
    """
    if seconds < 10:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s" if minutes else f"{rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


def _evaluation(run: RunRecord) -> Mapping[str, Any]:
    """Return the evaluation that counts: test before validation before any other."""
    return next(iter(run.evaluations.values()), {})


def _of_task(run: RunRecord, task: str) -> tuple[Summary, Sequence[Panel]]:
    if task not in CARDS or not run.evaluations:
        return Summary(), ()
    draw = CARDS[task].draw
    evaluation = _evaluation(run)
    return resolve(f"{draw}:summary")(evaluation), resolve(f"{draw}:panels")(evaluation)


def _model(run: RunRecord) -> str:
    return str(run.spec.get("model") or run.option("model") or "A model")


def _data_name(run: RunRecord) -> str:
    path = str((run.first("start").get("data") or {}).get("path") or run.option("data"))
    return Path(path).name or path


def _title(run: RunRecord) -> str:
    name = _data_name(run)
    return f"{_model(run)} on {name}" if name else _model(run)


def _day(run: RunRecord) -> str:
    started = run.first("start").get("time")
    if not isinstance(started, int | float):
        return ""
    return datetime.datetime.fromtimestamp(started, tz=datetime.UTC).strftime("%-d %B %Y, %H:%M UTC")


def _counts(run: RunRecord) -> dict[str, dict[str, int] | int]:
    """Return pictures, or objects, a split: by class where that is known, else their number."""
    data = run.first("start").get("data") or {}
    classes = [str(name) for name in data.get("classes") or ()]
    found: dict[str, dict[str, int] | int] = {}
    for split, count in (data.get("counts") or {}).items():
        if isinstance(count, Mapping):
            found[split] = {str(name): int(number) for name, number in count.items()}
        elif isinstance(count, list):
            found[split] = dict(zip(classes, map(int, count), strict=False))
        else:
            found[split] = int(count)
    return found


def _pictures(run: RunRecord) -> dict[str, int]:
    """Return the number of pictures of each split."""
    known = (run.first("start").get("data") or {}).get("pictures")
    if isinstance(known, Mapping):
        return {str(split): int(number) for split, number in known.items()}
    return {split: n if isinstance(n, int) else sum(n.values()) for split, n in _counts(run).items()}


def _seconds(run: RunRecord) -> float:
    """Return how long the run took; the sum of its epochs where it has no end."""
    whole = run.last("end").get("seconds")
    if isinstance(whole, int | float):
        return float(whole)
    return sum(s for row in run.rows if isinstance(s := row.get("seconds"), float))


def _trained(run: RunRecord) -> list[str]:
    """Say what was trained on what, and for how long."""
    counts, data = _pictures(run), run.first("start").get("data") or {}
    classes = len(data.get("classes") or run.spec.get("classes") or ())
    card = CARDS[task] if (task := str(run.spec.get("task") or "")) in CARDS else None
    is_own_truth = card is not None and "Original" in card.targets  # what its pictures are of is left aside
    text = f"`{_model(run)}` was trained"
    if "train" in counts:
        text += f" on {counts['train']:,} pictures"
        text += f" of {classes} classes" if classes and not is_own_truth else ""
    if _data_name(run):
        text += f" from `{_data_name(run)}`"
    if run.rows:
        text += f" for {len(run.rows)} epoch{'s' if len(run.rows) > 1 else ''}"
    if _seconds(run):
        text += f" in {duration(_seconds(run))}"
    return [f"{text}."] if run.rows or counts else []


def _best_so_far(run: RunRecord) -> list[str]:
    """Return the validation scores of the best epoch: all there is before an evaluation."""
    best = best_epoch(run)
    row: Mapping[str, float | str] = next((r for r in run.rows if r.get("epoch") == best), {})
    scores = [
        f"{name} {100 * value:.1f} %"
        for column, value in row.items()
        if isinstance(value, float) and column not in charts_of(run)
        for group, name in [group_of(column, [value])]
        if group == "Scores"
    ]
    return [f"Its best epoch so far, {best:g}, gave on validation: {', '.join(scores)}."] if scores else []


def _stopped(run: RunRecord) -> list[str]:
    """Say so where a run has no end."""
    if run.last("end"):
        return []
    reason = run.last("stop").get("reason")
    text = f"This run did not reach its end ({reason})" if reason else "This run did not reach its end"
    return [f"{text}: what follows is what had been finished. `nayan train --resume {_quoted(run)}` goes on."]


def _unread(run: RunRecord) -> list[str]:
    """Say which pictures of the evaluation could not be read."""
    failures = _evaluation(run).get("failures") or ()
    if not failures:
        return []
    names = ", ".join(str(failure.get("id", "")) for failure in failures[:3])
    more = ", ..." if len(failures) > 3 else ""
    return [f"Left out of the evaluation because they cannot be read: {len(failures)} ({names}{more})."]


def _warnings(run: RunRecord) -> list[str]:
    return [
        ": ".join(str(part).rstrip(".") for part in (event.get("text"), event.get("hint")) if part) + "."
        for event in run.events
        if event.get("event") == "warning"
    ]


def _tiles(run: RunRecord) -> list[Tile]:
    counts, tiles = _pictures(run), []
    if "train" in counts:
        rest = ", ".join(f"{number:,} {split}" for split, number in counts.items() if split != "train")
        tiles.append(Tile("Training pictures", f"{counts['train']:,}", rest))
    if _seconds(run):
        rows = f"{len(run.rows)} epochs" if len(run.rows) > 1 else ""
        tiles.append(Tile("Time", duration(_seconds(run)), rows))
    return tiles


def _scores(run: RunRecord) -> list[Panel]:
    """Return the scores of every split, where there is more than one."""
    metrics = {split: document.get("metrics") or {} for split, document in run.evaluations.items()}
    if not metrics:
        metrics = {
            str(event.get("split")): event.get("metrics") or {}
            for event in run.events
            if event.get("event") == "evaluation"
        }
    elif len(metrics) == 1:
        return []
    names = list(dict.fromkeys(name for scores in metrics.values() for name in scores))
    rows = tuple((split, *(scores.get(name, "") for name in names)) for split, scores in metrics.items())
    return [Panel("", table=Table(("Split", *names), rows))] if rows else []


def _augmented(run: RunRecord) -> list[Panel]:
    if not (run.folder / "evaluation" / "augmented.jpg").is_file():
        return []
    text = "Some training pictures as the network saw them"
    if run.option("augment") == "none":
        text += "; nothing was changed by chance."
    else:
        text += ": cropped, turned and recoloured by chance. If a person could not name these any more, the "
        text += "augmentation is too strong."
    return [Panel("", text, data={"picture": "augmented.jpg", "alt": "Grid of training pictures"})]


def _data(run: RunRecord) -> list[Panel]:
    data, counts = run.first("start").get("data") or {}, _counts(run)
    facts = [("Folder", data.get("path")), ("Format", data.get("format"))]
    facts += [(f"Pictures, {split}", number) for split, number in _pictures(run).items()]
    facts += [("Classes", len(data.get("classes") or ()) or None), ("Fingerprint", data.get("fingerprint"))]
    rows = tuple((name, value) for name, value in facts if value not in (None, ""))
    notes = [str(e["text"]) for e in run.events if e.get("event") == "note" and e.get("text")]
    panels = [Panel("", table=Table(("", ""), rows))] if rows else []
    by_class = {split: count for split, count in counts.items() if not isinstance(count, int)}
    if any(by_class.values()):
        noun = str(data.get("counted") or "pictures").capitalize()
        names = list(dict.fromkeys(name for count in by_class.values() for name in count))
        table = tuple((name, *(count.get(name, 0) for count in by_class.values())) for name in names)
        full = {split: float(max(count.values(), default=0)) for split, count in by_class.items()}
        long = {"folded": True} if len(names) > FEW_ROWS else {}
        panels.append(
            Panel(f"{noun} a class", table=Table(("Class", *by_class), table), data={"bars": full, **long})
        )
    if notes:
        panels.append(Panel("Notes", data={"list": list(dict.fromkeys(notes))}))
    return panels


def _times(run: RunRecord) -> list[Panel]:
    timings = {
        str(part): float(seconds)
        for part, seconds in (run.last("end").get("timings") or {}).items()
        if isinstance(seconds, int | float)
    }
    total = sum(timings.values())
    if not total:
        return []
    longest = max(timings.values()) / total
    rows = tuple(
        (part.replace("_", " "), duration(seconds), seconds / total)
        for part, seconds in sorted(timings.items(), key=lambda item: -item[1])
    )
    return [Panel("", table=Table(("Part", "Time", "Share"), rows), data={"bars": {"Share": longest}})]


def _options(run: RunRecord) -> list[Panel]:
    """Return the options that somebody chose, and, on demand, those that were left alone."""
    chosen = tuple((o.name, o.value, o.origin) for o in run.options if o.origin != "default")
    default = tuple((o.name, o.value) for o in run.options if o.origin == "default")
    panels = []
    if chosen:
        panels.append(Panel("Not the default", table=Table(("Option", "Value", "From"), chosen)))
    if default:
        title = f"{len(default)} options at their default"
        panels.append(Panel(title, table=Table(("Option", "Value"), default), data={"folded": True}))
    return panels


def _environment(run: RunRecord) -> list[Panel]:
    versions = run.last("start").get("versions") or {}
    rows = tuple((str(name), str(version)) for name, version in versions.items())
    return [Panel("", table=Table(("What", "Version"), rows))] if rows else []


def _commands(run: RunRecord) -> list[Panel]:
    command = run.first("start").get("command") or ""
    again = command if isinstance(command, str) else shlex.join(str(word) for word in command)
    path = _quoted(run)
    data = shlex.quote(str((run.first("start").get("data") or {}).get("path") or "DATA"))
    following = [
        ("Use it", _use(run)),
        ("Score it on other data", f"nayan val {path} {data}"),
        ("See where it looks", f"nayan explain {path} PICTURE --what {_look(run)}"),
        ("Deploy it", f"nayan export {path} --to onnx"),
    ]
    if not run.spec:
        following = [("Go on where it stopped", f"nayan train --resume {path}")]
    panels = [Panel("Train it again", data={"commands": [("", again)]})] if again else []
    return [*panels, Panel("What to do next", data={"commands": following})]


def _use(run: RunRecord) -> str:
    task = str(run.spec.get("task") or "")
    return use_of(task if task in CARDS else "classification", _model(run), path=_quoted(run))


def _look(run: RunRecord) -> str:
    task = str(run.spec.get("task") or "")
    return CARDS[task].look if task in CARDS else "cam"


def _quoted(run: RunRecord) -> str:
    return shlex.quote(str(run.folder))
