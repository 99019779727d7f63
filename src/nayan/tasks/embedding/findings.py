"""What an evaluation of an embedder found, in words, key figures and panels.

Reads the document `evaluation/<split>.json` of a run; whatever is missing in it is left out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from nayan.core.phrases import NAME_PX, between, percent, pictures_of, quoted
from nayan.core.story import Panel, Summary, Table, Tile
from nayan.core.svg import shorten
from nayan.tasks.embedding.figures import (
    det_chart,
    distance_histogram,
    map_chart,
    recall_chart,
    roc_chart,
)
from nayan.tasks.embedding.worries import worries

TITLES = {
    "auc": "AUC of pairs",
    "eer": "Equal error rate",
    "tar_at_far_1e-2": "True accepts at 1 % false accepts",
    "tar_at_far_1e-3": "True accepts at 0.1 % false accepts",
    "recall_at_1": "Recall at 1",
    "recall_at_10": "Recall at 10",
    "r_precision": "R-precision",
    "map_at_r": "MAP at R",
    "one_shot_accuracy": "One-shot accuracy",
}
TILES = ("auc", "eer", "recall_at_1", "one_shot_accuracy")

Record = Mapping[str, Any]


def summary(evaluation: Record) -> Summary:
    """Return the verdict on an embedder, what to keep in mind, and its key figures."""
    details: Record = evaluation.get("details") or {}
    metrics: Record = evaluation.get("metrics") or {}
    if "recall_at_1" not in metrics:
        return Summary()
    verdict = [
        _verification(evaluation, metrics, details),
        _decision(details),
        _search(metrics, details),
        _one_shot(metrics, details),
        _confuses(details),
    ]
    return Summary(
        tuple(sentence for sentence in verdict if sentence),
        tuple(worries(evaluation)) if details else (),
        tuple(_tiles(metrics, details)),
    )


def panels(evaluation: Record) -> list[Panel]:
    """Return the panels of an embedder's evaluation, in reading order.

    `Panel.data` says how a page should lay them out, as in `nayan.tasks.classification.findings.panels`;
    `{"gallery": "pairs"}` asks for wide pictures, `{"gallery": "rows"}` for one below the other.
    """
    details: Record = evaluation.get("details") or {}
    found: list[Panel] = []
    if details.get("pictures"):
        metrics: Record = evaluation.get("metrics") or {}
        found += [*_errors(metrics, details), _distances(details), *_recall(details)]
        found += [_numbers(metrics, details), *_confused(details), *_strangers(details), _map(details)]
    worst: Sequence[Record] = evaluation.get("worst") or ()
    return found + _pairs(worst, details) + _searches(worst, details)


def _verification(evaluation: Record, metrics: Record, details: Record) -> str:
    text = f"On {pictures_of(details.get('pictures'), evaluation.get('split', 'evaluated'))}"
    text += f" of {details['identities']:,} identities" if details.get("identities") else ""
    text += ", two pictures of one identity lie nearer than two of different ones in "
    text += f"{percent(metrics['auc'])} of cases (AUC{_interval(details, 'auc')}); where both kinds of error "
    return f"{text}are equally frequent, they are {percent(metrics['eer'])} (EER{_interval(details, 'eer')})."


def _interval(details: Record, name: str) -> str:
    told = between((details.get("intervals") or {}).get(name))
    return f"; 95 % interval {told}" if told else ""


def _decision(details: Record) -> str:
    """Say what the threshold that was fitted on validation does to these pairs."""
    at, same, pairs = details.get("at_threshold"), details.get("same") or {}, details.get("pairs") or {}
    if not at or at["threshold"] < 0:
        return ""
    wanted = f", chosen on validation for a false-accept rate of {percent(same['wanted'])}" if same else ""
    text = (
        f"Up to a distance of {at['threshold']:.3f}{wanted}, pictures are taken for the same: here that is "
    )
    text += f"right for {percent(at['tar'])} of the {pairs['same']:,} pairs of one identity, and wrong for "
    return f"{text}{percent(at['far'])} of the {pairs['different']:,} pairs of two."


def _search(metrics: Record, details: Record) -> str:
    if not details:
        return ""
    gallery = details.get("gallery")
    where = "all the others" if gallery is None else f"the {gallery:,} of the gallery"
    text = f"Searched for among {where}, {percent(metrics['recall_at_1'])} of the "
    text += f"{details['queries'] - details.get('unanswerable', 0):,} queries find one of the same first"
    if metrics.get("recall_at_10", 0) > metrics["recall_at_1"]:
        text += f", and {percent(metrics['recall_at_10'])} within ten"
    if "r_precision" in metrics:
        text += f"; of as many answers as there could be right ones, {percent(metrics['r_precision'])} are"
    return f"{text}."


def _one_shot(metrics: Record, details: Record) -> str:
    trial = details.get("one_shot")
    if not trial or "one_shot_accuracy" not in metrics:
        return ""
    text = (
        f"Shown a single picture of each of {trial['ways']} identities, it knows whose a new picture is in "
    )
    text += f"{percent(metrics['one_shot_accuracy'])} of cases, where guessing would be right in "
    return f"{text}{percent(1 / trial['ways'])}."


def _confuses(details: Record) -> str:
    listed = (details.get("confused") or {}).get("listed") or []
    if not listed:
        return ""
    worst = listed[0]
    text = f"Most often taken for one another are {quoted(worst['first'])} and {quoted(worst['second'])}: "
    which = "the threshold" if details.get("at_threshold") else "the distance of the equal error rate"
    return f"{text}{worst['accepted']:,} of their {worst['pairs']:,} pairs lie within {which}."


def _tiles(metrics: Record, details: Record) -> list[Tile]:
    intervals, trial = details.get("intervals") or {}, details.get("one_shot") or {}
    titles = {**TITLES, "one_shot_accuracy": f"{trial.get('ways', 'N')}-way one-shot"}
    return [
        Tile(titles[name], percent(metrics[name]), between(intervals.get(name)), float(metrics[name]))
        for name in TILES
        if name in metrics
    ]


def _errors(metrics: Record, details: Record) -> list[Panel]:
    """Return the ROC beside the DET."""
    pairs, at = details["pairs"], details.get("at_threshold")
    drawn = "the pairs that the data give" if pairs["given"] else "pairs of all pictures with one another"
    text = (
        f"By {drawn}, {pairs['same']:,} of one identity and {pairs['different']:,} of two: how many of the "
    )
    text += "first a threshold takes for the same, for how many of the second. The blue area is the AUC, "
    text += f"{percent(metrics['auc'])}."
    roc = roc_chart(details["curve"], at=at, title="ROC: true accepts over false accepts")
    told = "The same two errors on scales that make the small ones large: lower and further left is better. "
    told += "On shaded ground fewer than 30 pairs decide, so that others might draw another line."
    numbers = (pairs["same"], pairs["different"])
    det = det_chart(details["curve"], numbers=numbers, at=at, title="DET: false rejects over false accepts")
    half = {"layout": "half"}
    return [Panel("Hits and false alarms", text, svg=roc, data=half),
            Panel("The two errors", told, svg=det, data=half)]  # fmt: skip


def _distances(details: Record) -> Panel:
    text = "How far the pictures of a pair lie apart, from 0 (the same) over 1.41 (nothing in common), each "
    text += "kind as a share of its own pairs. Where both hills overlap, no threshold is right for all."
    at = details.get("at_threshold")
    svg = distance_histogram(
        details["distances"], threshold=at["threshold"] if at else None, title="Distances of pairs"
    )
    return Panel("How far apart", text, svg=svg)


def _recall(details: Record) -> list[Panel]:
    rows = details.get("recall") or []
    if len(rows) < 2:
        return []
    text = "For how many queries one of the first k answers shows the same identity. The band is the 95 % "
    text += "interval."
    svg = recall_chart(rows, title="Recall over the number of answers")
    return [Panel("Searching", text, svg=svg, data={"layout": "half"})]


def _numbers(metrics: Record, details: Record) -> Panel:
    """Return every score with its interval."""
    intervals = details.get("intervals") or {}
    rows = tuple(
        (title, percent(metrics[name]), _unbroken(between(intervals.get(name))))
        for name, title in TITLES.items()
        if name in metrics
    )
    text = "R-precision: the share of right ones among as many answers as there are right pictures; MAP at R "
    text += "asks for their order too. The intervals come from drawing whole identities again."
    trial = details.get("one_shot")
    if trial:
        text += f" One-shot: {trial['runs']} runs, each with {trial['ways']} of {trial['identities']} "
        text += "identities, one picture shown and one asked for of each."
    half: Record = {"layout": "half"} if len(details.get("recall") or []) > 1 else {}
    return Panel("The scores", text, table=Table(("Score", "Value", "95 % interval"), rows), data=half)


def _confused(details: Record) -> list[Panel]:
    confused = details["confused"]
    if not confused["listed"]:
        return []
    number, shown = confused["identities"], len(confused["listed"])
    which = "the threshold" if details.get("at_threshold") else "the distance of the equal error rate"
    text = f"Identities of which pairs lie within {which}, and are so taken for one another"
    text += f"; the worst {shown} of {number:,}." if number > shown else "."
    rows = tuple(
        (_cut(each["first"]), _cut(each["second"]), each["accepted"], each["accepted"] / each["pairs"])
        for each in confused["listed"]
    )
    table = Table(("Identity", "Taken for", "Pairs", "Of their pairs"), rows)
    return [Panel("Who is taken for whom", text, table=table, data={"bars": {"Of their pairs": 1.0}})]


def _strangers(details: Record) -> list[Panel]:
    strangers = details["strangers"]
    if not strangers["listed"]:
        return []
    number, shown = strangers["pictures"], len(strangers["listed"])
    text = "Pictures whose mean similarity to another identity is larger than that to the rest of their own"
    text += f"; the clearest {shown} of {number:,}" if number > shown else ""
    text += ". Look here for wrong labels first."
    rows = tuple(
        (each["id"], _cut(each["identity"]), each["own_similarity"], _cut(each["nearest"]),
         each["other_similarity"])
        for each in strangers["listed"]
    )  # fmt: skip
    table = Table(("Picture", "Identity", "Similar", "Nearest other", "Similar to it"), rows)
    return [Panel("Nearer to others than to their own", text, table=table)]


def _map(details: Record) -> Panel:
    seen = details["map"]
    named = len(seen["identities"])
    text = "The pictures in the two directions in which they differ most, which hold "
    text += f"{percent(seen['share'], 0)} of all differences: what lies apart here "
    text += "is apart, what lies together need not be near."
    if named < details["identities"]:
        text += f" {named} of {details['identities']:,} identities have a colour: those that are taken for "
        text += "one another, then those with most pictures."
    svg = map_chart(seen["points"], seen["identities"], title="Embeddings in two dimensions")
    return Panel("A map of the pictures", text, svg=svg)


def _pairs(worst: Sequence[Record], details: Record) -> list[Panel]:
    records = [record for record in worst if record.get("kind") == "pair"]
    if not records:
        return []
    pictures = [
        {
            "file": record.get("picture"),
            "title": f"{'one identity' if record['same'] else 'two identities'}, "
            f"{record['distance']:.2f} apart",
            "text": _cut(record["names"][0]) if record["same"] else " and ".join(map(_cut, record["names"])),
            "id": record.get("id", ""),
        }
        for record in records
    ]
    if details.get("at_threshold"):
        text = "Pairs on the wrong side of the threshold, the most wrong of each kind in turns: "
    else:
        text = "The pairs of two identities that lie nearest, and those of one that lie farthest, in turns: "
    text += "look for wrong labels, odd pictures and real likeness."
    return [Panel("The hardest pairs", text, data={"pictures": pictures, "gallery": "pairs"})]


def _searches(worst: Sequence[Record], details: Record) -> list[Panel]:
    records = [record for record in worst if record.get("kind") == "search"]
    if not records:
        return []
    kept = max((row["k"] for row in details.get("recall") or ()), default=10)
    pictures = [
        {
            "file": record.get("picture"),
            "title": _cut(record["names"][0]),
            "text": _found(record, kept=kept),
            "id": record.get("id", ""),
        }
        for record in records
    ]
    text = "Queries with their nearest pictures, the nearest first: those that found least, then some that "
    text += "went well. Blue frames show the same identity, orange ones another."
    return [Panel("Searches", text, data={"pictures": pictures, "gallery": "rows"})]


def _found(record: Record, *, kept: int) -> str:
    right, first = record["right"], record["first"]
    text = f"{sum(right)} of the first {len(right)} are right"
    if first is None:
        return f"{text}; none of the first {kept} is"
    return text if any(right) else f"{text}; the first right one is number {first}"


def _cut(name: str) -> str:
    return shorten(name, NAME_PX)


def _unbroken(text: str) -> str:
    return text.replace(" ", "\N{NO-BREAK SPACE}")
