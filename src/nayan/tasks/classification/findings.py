"""What an evaluation of a classifier found, in words, key figures and panels.

Reads the document `evaluation/<split>.json` of a run; whatever is missing in it is left out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from nayan.core.matrix import confusion_matrix
from nayan.core.story import Panel, Summary, Table, Tile
from nayan.tasks.classification.figures import reliability_diagram

FEW_PICTURES = 100
FEW_IN_CLASS = 10
MAX_MATRIX = 80

Record = Mapping[str, Any]


def summary(evaluation: Record) -> Summary:
    """Return the verdict on a classifier, what to keep in mind, and its key figures."""
    details: Record = evaluation.get("details") or {}
    metrics: Record = evaluation.get("metrics") or {}
    if "accuracy" not in metrics:
        return Summary()
    pictures = details.get("pictures", 0)
    if details and not pictures:
        return Summary(worries=(f"The {evaluation.get('split', '')} split holds no pictures to judge by.",))
    verdict = [_headline(evaluation, metrics, details), _mixes_up(details), _honesty(evaluation, details)]
    return Summary(
        tuple(sentence for sentence in verdict if sentence),
        tuple(_worries(evaluation, metrics, details)) if details else (),
        tuple(_tiles(metrics, details)),
    )


def panels(evaluation: Record) -> list[Panel]:
    """Return the panels of a classifier's evaluation, in reading order.

    `Panel.data` says how a page should lay them out: `{"layout": "half"}` may stand beside another,
    `{"folded": True}` is opened on demand, `{"bars": {column: full}}` draws a bar behind the numbers of
    a table's column, `{"pictures": [{file, title, text}]}` is a gallery.
    """
    details: Record = evaluation.get("details") or {}
    found: list[Panel] = []
    if details.get("pictures"):
        found += _matrices(details)
        found += _confusions(details)
        found += _classes(details, evaluation.get("thresholds") or ())
        found += _calibration(evaluation, details)
    return found + _worst(evaluation.get("worst") or ())


def percent(share: float, digits: int = 1) -> str:
    """Return a share as a percentage.

    >>> percent(0.9123)
    '91.2 %'
    """
    return f"{100 * share:.{digits}f} %"


def _headline(evaluation: Record, metrics: Record, details: Record) -> str:
    split, pictures = evaluation.get("split", "evaluated"), details.get("pictures")
    text = f"On {f'the {pictures:,} {split}' if pictures else split} pictures it is right in "
    text += f"{percent(metrics['accuracy'])} of cases"
    interval = (details.get("intervals") or {}).get("accuracy")
    if interval and interval[0] < interval[1]:
        text += f" (95 % interval {100 * interval[0]:.1f} to {percent(interval[1])})"
    majority = details.get("majority")
    if majority:
        text += f"; always answering “{majority['label']}”, the most frequent class, would be right in "
        text += percent(majority["accuracy"])
    return f"{text}."


def _mixes_up(details: Record) -> str:
    if not details.get("pictures"):
        return ""
    confusions = details.get("confusions") or ()
    if not confusions:
        return "It makes no mistake at all on them."
    first = confusions[0]
    times = "once" if first["count"] == 1 else f"{first['count']} times"
    text = f"Its most frequent mistake is to take “{first['truth']}” for “{first['predicted']}”: {times}, "
    text += f"{percent(first['share'], 0)} of the pictures of that class"
    if len(confusions) > 1 and confusions[1]["count"] > 1:
        text += f"; then “{confusions[1]['truth']}” for “{confusions[1]['predicted']}”"
    return f"{text}."


def _honesty(evaluation: Record, details: Record) -> str:
    """Say whether the probabilities can be believed, and what the temperature did for them."""
    if not details.get("calibration"):
        return ""
    bins, ece = details["calibration"]["bins"], details["calibration"]["ece"]
    lean = sum(b["count"] * (b["confidence"] - b["accuracy"]) for b in bins)
    if ece <= 0.03:
        text = "Its probabilities can be taken at their word"
    elif ece <= 0.08:
        text = f"Its probabilities are roughly right, a little too {'high' if lean > 0 else 'low'}"
    else:
        text = (
            f"Its probabilities are not to be trusted: it is too {'sure' if lean > 0 else 'unsure'} of itself"
        )
    text += f" (they are off by {100 * ece:.1f} points on average"
    fitted = evaluation.get("calibration") or {}
    before = (details["calibration"].get("before") or {}).get("ece", fitted.get("ece_before"))
    if before is not None and fitted.get("temperature") is not None:
        text += f"; {100 * before:.1f} before they were calibrated with a temperature of "
        text += f"{fitted['temperature']:.2f}"
    return f"{text})."


def _worries(evaluation: Record, metrics: Record, details: Record) -> list[str]:
    found, pictures, split = [], details["pictures"], evaluation.get("split", "evaluated")
    if split == "val":
        found.append(
            "These pictures also chose the best epoch, so the score flatters a little: "
            "keep a test split apart."
        )
    if pictures < FEW_PICTURES:
        found.append(f"{pictures} {split} pictures are few: take every score below with its interval.")
    if not details["confusions"]:
        least = percent(0.05 ** (1 / pictures))
        found.append(
            f"No mistake in {pictures} pictures does not mean that there will be none: a classifier that "
            f"is right in {least} of cases would manage that once in twenty times."
        )
    found += _worries_about_classes(details)
    majority, low = details.get("majority"), details["intervals"]["accuracy"][0]
    if majority and low <= majority["accuracy"] < 1:
        found.append(
            f"It is not certain that this is better than always answering “{majority['label']}”: "
            f"the interval reaches down to {percent(low)}."
        )
    if metrics.get("macro_f1", 1.0) < metrics["accuracy"] - 0.1:
        found.append(
            f"The macro F1 of {percent(metrics['macro_f1'])} lies far below the accuracy: rare classes "
            "fare much worse than frequent ones."
        )
    return found


def _worries_about_classes(details: Record) -> list[str]:
    support = {row["label"]: row["support"] for row in details["per_class"]}
    none = [name for name, count in support.items() if count == 0]
    few = [name for name, count in support.items() if 0 < count < FEW_IN_CLASS]
    found = []
    if none:
        found.append(f"{_several(none)} never tested: nothing is known about {_them(none)}.")
    if few:
        found.append(
            f"{_several(few)} tested on fewer than {FEW_IN_CLASS} pictures: the scores of "
            f"{_them(few)} say little."
        )
    return found


def _several(names: Sequence[str]) -> str:
    """Return "“a”, “b” and 3 more classes were"."""
    quoted = [f"“{name}”" for name in names]
    if len(quoted) == 1:
        return f"{quoted[0]} was"
    if len(quoted) > 4:
        quoted = [*quoted[:3], f"{len(quoted) - 3} more classes"]
    return f"{', '.join(quoted[:-1])} and {quoted[-1]} were"


def _them(names: Sequence[str]) -> str:
    return "it" if len(names) == 1 else "them"


def _tiles(metrics: Record, details: Record) -> list[Tile]:
    intervals = details.get("intervals") or {}
    titles = {"accuracy": "Accuracy", "macro_f1": "Macro F1", "top5_accuracy": "Top-5 accuracy"}
    found = []
    for name, title in titles.items():
        few_classes = name == "top5_accuracy" and len(details.get("classes", ())) <= 5
        if name in metrics and not few_classes:
            low, high = intervals.get(name, (None, None))
            note = f"{100 * low:.1f} to {percent(high)}" if low != high else ""
            found.append(Tile(title, percent(metrics[name]), note, metrics[name]))
    if "ece" in metrics:
        found.append(Tile("Calibration error", percent(metrics["ece"]), "ECE; 0 is perfect"))
    return found


def _matrices(details: Record) -> list[Panel]:
    counts, classes = details["confusion"], details["classes"]
    text = "Rows are what a picture shows, columns what it was taken for. Blue is right, orange is wrong; "
    text += "the stronger the colour, the larger the share of the row."
    if len(classes) > MAX_MATRIX:
        kept = _most_mistaken(counts)
        classes, counts = [classes[i] for i in kept], [[counts[r][c] for c in kept] for r in kept]
        text += f" Only the {MAX_MATRIX} classes with the most mistakes are shown."
    layout: Record = {"layout": "half"} if len(classes) <= 12 else {}
    folded: Record = {} if len(classes) <= 12 else {"folded": True}
    shares = "The same in per cent of each row: a class with few pictures weighs as much as one with many."
    return [
        Panel("Confusion matrix", text, svg=confusion_matrix(counts, classes), data=layout),
        Panel(
            "Row by row, in per cent",
            shares,
            svg=confusion_matrix(counts, classes, shares=True),
            data={**layout, **folded},
        ),
    ]


def _most_mistaken(counts: Sequence[Sequence[int]]) -> list[int]:
    """Return the indices of the classes with the most mistakes as truth or as answer, in their order."""
    wrong = [sum(counts[i]) + sum(row[i] for row in counts) - 2 * counts[i][i] for i in range(len(counts))]
    return sorted(sorted(range(len(counts)), key=lambda i: -wrong[i])[:MAX_MATRIX])


def _confusions(details: Record) -> list[Panel]:
    confusions = details["confusions"][:10]
    if not confusions:
        return []
    rows = tuple((c["truth"], c["predicted"], c["count"], c["share"]) for c in confusions)
    return [
        Panel(
            "What it mixes up",
            "The most frequent mistakes, with their share of all pictures of the true class.",
            table=Table(("It shows", "It was taken for", "Times", "Share of class"), rows),
            data={"bars": {"Share of class": 1.0}},
        )
    ]


def _classes(details: Record, thresholds: Sequence[float]) -> list[Panel]:
    """Return the table of the classes; with the threshold of each where there are as many."""
    columns = ["Class", "Pictures", "Precision", "Recall", "F1"]
    rows = [
        [
            r["label"],
            r["support"],
            r["precision"] if r["claimed"] else None,
            r["recall"] if r["support"] else None,
            r["f1"] if r["support"] or r["claimed"] else None,
        ]
        for r in details["per_class"]
    ]
    text = "Precision: how often it is right when it names the class. Recall: how many pictures of the class "
    text += "it finds. F1: their harmonic mean."
    if len(thresholds) == len(rows):
        columns.append("Threshold")
        rows = [[*row, float(threshold)] for row, threshold in zip(rows, thresholds, strict=True)]
        text += " Threshold: the score from which on the class should be believed, fitted on validation "
        text += "pictures; `--conf auto` uses it."
    return [
        Panel(
            "Class by class",
            text,
            table=Table(tuple(columns), tuple(tuple(row) for row in rows)),
            data={"bars": {"Precision": 1.0, "Recall": 1.0, "F1": 1.0}},
        )
    ]


def _calibration(evaluation: Record, details: Record) -> list[Panel]:
    """Return the reliability diagram, after one of the probabilities before their calibration if known."""
    after, temperature = details["calibration"], (evaluation.get("calibration") or {}).get("temperature")
    reading = (
        "Of all predictions made with some confidence, how many are right? A bar that ends on the dashed "
    )
    reading += "line is honest; orange is the gap; pale bars stand for few pictures."
    found = []
    if "before" in after:
        text = f"Error {percent(after['before']['ece'])}. {reading}"
        svg = reliability_diagram(after["before"]["bins"], title="Reliability before calibration")
        found.append(Panel("Before calibration", text, svg=svg, data={"layout": "half"}))
    scaled = f" All logits are divided by {temperature:.2f}." if temperature is not None else ""
    title = "After calibration" if found or scaled else "Can its confidence be believed?"
    text = f"Error {percent(after['ece'])}.{scaled}{'' if found else ' ' + reading}"
    svg = reliability_diagram(after["bins"], title=f"Reliability: {title}")
    return [*found, Panel(title, text, svg=svg, data={"layout": "half"})]


def _worst(worst: Sequence[Record]) -> list[Panel]:
    if not worst:
        return []
    pictures = [
        {
            "file": record.get("picture"),
            "title": f"{record['predicted']}, {percent(record['score'], 0)} sure",
            "text": f"but it shows {record['truth']}"
            + (f" ({percent(record['truth_score'], 0)})" if "truth_score" in record else ""),
            "id": record.get("id", ""),
        }
        for record in worst
    ]
    text = "The mistakes it was surest of. Look here for wrong labels, odd pictures and real difficulties."
    return [Panel("The worst mistakes", text, data={"pictures": pictures})]
