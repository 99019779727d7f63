"""The curves of a run: a chart for its losses, one for its scores, one for each other number of an epoch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from nayan.core.errors import NotFound
from nayan.core.story import Panel
from nayan.report.charts import Stretch, line_chart
from nayan.report.record import RunRecord
from nayan.tasks import CARDS, card_of_model

MANY_SCORES, HEADLINES = 5, 3
"""From so many scores on only the first ones are drawn; a metric names those that matter most first."""

DECIBELS = "PSNR in dB"


def curves(run: RunRecord) -> list[Panel]:
    """Return one chart for losses, one for scores, and one for each other number of an epoch."""
    charts = charts_of(run)
    groups: dict[str, dict[str, list[tuple[float, float]]]] = {}
    columns = list(dict.fromkeys(name for row in run.rows for name in row))
    for column in columns:
        points = [
            (float(x), float(y))
            for row in run.rows
            if isinstance(y := row.get(column), float) and isinstance(x := row.get("epoch"), float)
        ]
        if points and column not in ("epoch", "round", "seconds"):
            group, name = charts.get(column) or group_of(column, [y for _, y in points])
            groups.setdefault(group, {})[name] = points
    scores = groups.get("Scores", {})
    if len(scores) >= MANY_SCORES:
        groups["Scores"] = dict(list(scores.items())[:HEADLINES])
    best = best_epoch(run)
    order = sorted(groups, key=lambda group: {"Loss": 0, "Scores": 1}.get(group, 2))
    others = [group for group in order if group not in ("Loss", "Scores")]
    third = len(others) % 3 == 0
    return [
        Panel(
            group,
            svg=line_chart(
                groups[group],
                title=f"{group} over the epochs",
                best=best if group in ("Loss", "Scores") else None,
                rounds=_rounds(run),
                percent=group == "Scores",
                from_zero=group != DECIBELS,  # the zero of decibels means nothing
                cut=group not in ("Loss", "Scores"),
                size=(200, 330) if third and group in others else (284, 500),
            ),
            data={"layout": "third" if third and group in others else "half"},
        )
        for group in order
    ]


def charts_of(run: RunRecord) -> Mapping[str, tuple[str, str]]:
    """Return the columns for which the task of a run has charts of its own; {} where it is not known."""
    task = str(run.spec.get("task") or "")
    if task in CARDS:
        return CARDS[task].charts
    try:
        return card_of_model(run.option("task"), run.option("model")).charts
    except NotFound:
        return {}


def group_of(column: str, values: Sequence[float]) -> tuple[str, str]:
    """Return the chart and the name of the line that a column of `results.csv` belongs to."""
    named = {"lr": "Learning rate", "pictures_per_s": "Pictures a second"}
    split, _, measure = column.partition("_")
    if split not in ("train", "val") or not measure:
        return named.get(column, column), named.get(column, column).lower()
    shown = {"train": "training", "val": "validation"}[split]
    if measure == "loss":
        return "Loss", shown
    if measure == "ece":
        return "Calibration error", shown
    if "psnr" in measure:
        return DECIBELS, {"psnr": shown}.get(measure, measure.replace("_", " "))
    if split == "train" or "loss" in measure or not 0 <= min(values) <= max(values) <= 1:
        return "Loss", f"{shown} {measure.replace('_', ' ')}"
    return "Scores", measure.replace("_", " ")


def best_epoch(run: RunRecord) -> float | None:
    """Return the last epoch that was better than all before it."""
    epochs = (
        e.get("epoch") for e in reversed(run.events) if e.get("event") == "epoch" and e.get("best") is True
    )
    return next((float(epoch) for epoch in epochs if isinstance(epoch, int | float)), None)


def _rounds(run: RunRecord) -> list[Stretch]:
    found: list[Stretch] = []
    for row in run.rows:
        name, epoch = row.get("round"), row.get("epoch")
        if name in (None, "") or not isinstance(epoch, float):
            continue
        shown = f"round {name:g}" if isinstance(name, float) else str(name)
        if found and found[-1].name == shown:
            found[-1] = Stretch(shown, found[-1].first, epoch)
        else:
            found.append(Stretch(shown, epoch, epoch))
    return found
