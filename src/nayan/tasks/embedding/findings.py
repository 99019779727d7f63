"""What an evaluation of an embedder found, in words, key figures and panels.

Reads the document `evaluation/<split>.json` of a run; whatever is missing in it is left out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from nayan.core.story import Panel, Summary, Table, Tile

FEW_IDENTITIES = 30
"""Below, the interval over identities is more of a guess."""

Record = Mapping[str, Any]


def summary(evaluation: Record) -> Summary:
    """Return the verdict on an embedder, what to keep in mind, and its key figures."""
    details: Record = evaluation.get("details") or {}
    metrics: Record = evaluation.get("metrics") or {}
    if "recall_at_1" not in metrics:
        return Summary()
    verdict = [
        _search(evaluation, metrics, details),
        _verification(metrics, details),
        _one_shot(metrics, details),
    ]
    return Summary(
        tuple(sentence for sentence in verdict if sentence),
        tuple(_worries(details)),
        tuple(_tiles(metrics, details)),
    )


def panels(evaluation: Record) -> list[Panel]:
    """Return the panels of an embedder's evaluation, in reading order."""
    details: Record = evaluation.get("details") or {}
    found: list[Panel] = []
    metrics: Record = evaluation.get("metrics") or {}
    intervals = details.get("intervals") or {}
    if metrics:
        rows = tuple((name, value, *intervals.get(name, ("", ""))) for name, value in metrics.items())
        found.append(
            Panel(
                "Scores with their intervals",
                "95 % of data sets like this one, with other identities, would score between low and high.",
                table=Table(("Score", "Value", "Low", "High"), rows),
            )
        )
    return found + _hardest(evaluation.get("worst") or ())


def percent(share: float, digits: int = 1) -> str:
    """Return a share as a percentage.

    >>> percent(0.9123)
    '91.2 %'
    """
    return f"{100 * share:.{digits}f} %"


def _search(evaluation: Record, metrics: Record, details: Record) -> str:
    what = f"Of {details.get('queries', 0):,} pictures of the {evaluation.get('split', '')} split"
    where = "all others" if details.get("gallery") is None else f"{details['gallery']:,} of the gallery"
    first, ten = percent(metrics["recall_at_1"]), percent(metrics.get("recall_at_10", 0.0))
    text = f"{what}, looked for among {where}, {first} have one of the same at the first place and "
    return f"{text}{ten} within ten."


def _verification(metrics: Record, details: Record) -> str:
    if "auc" not in metrics:
        return ""
    pairs = details.get("pairs") or {}
    how = "given" if pairs.get("given") else "drawn"
    text = f"On {pairs.get('same', 0):,} same and {pairs.get('different', 0):,} different pairs, {how}, the "
    text += f"area under the ROC is {metrics['auc']:.4f}; where both errors are equal they are "
    text += f"{percent(metrics['eer'])}."
    same = details.get("same") or {}
    if same.get("threshold", -1) >= 0:
        text += (
            f" Two pictures are taken for the same up to a distance of {same['threshold']:.3f}, which let "
        )
        text += f"{percent(same['far'], 2)} of the different pairs of validation through and found "
        text += f"{percent(same['tar'])} of the same."
    return text


def _one_shot(metrics: Record, details: Record) -> str:
    trial = details.get("one_shot")
    if not trial or "one_shot_accuracy" not in metrics:
        return ""
    return (
        f"Shown one picture of each of {trial['ways']} identities, it gives "
        f"{percent(metrics['one_shot_accuracy'])} "
        f"of new ones to the right one; by chance it would be {percent(1 / trial['ways'])}."
    )


def _worries(details: Record) -> list[str]:
    worries = []
    identities = details.get("identities", 0)
    if 0 < identities < FEW_IDENTITIES:
        worries.append(
            f"There are only {identities} identities to judge by: with others the scores may be different."
        )
    same = details.get("same") or {}
    if same and same["num_different"] * same["wanted"] < 1:
        worries.append(
            f"The threshold was wanted for a false-accept rate of {same['wanted']:g}, but validation has "
            "only "
            f"{same['num_different']:,} pairs of different ones: all that is known is that the rate is below "
            f"{percent(same['far_bound'], 2)}."
        )
    return worries


def _tiles(metrics: Record, details: Record) -> list[Tile]:
    names = {
        "recall_at_1": "Recall at 1",
        "auc": "Area under the ROC",
        "one_shot_accuracy": "One-shot accuracy",
    }
    intervals = details.get("intervals") or {}
    found = []
    for name, label in names.items():
        if name in metrics:
            low, high = intervals.get(name, (None, None))
            note = "" if low is None else f"{100 * low:.1f} to {percent(high)}"
            found.append(Tile(label, percent(metrics[name]), note, level=float(metrics[name])))
    return found


def _hardest(worst: Sequence[Record]) -> list[Panel]:
    if not worst:
        return []
    pictures = [
        {
            "file": record.get("picture"),
            "title": f"{'the same' if record['same'] else 'different'}, distance {record['distance']:.2f}",
            "text": record["first"] if record["same"] else f"{record['first']} and {record['second']}",
            "id": record.get("id", ""),
        }
        for record in worst
    ]
    text = "Pairs on the wrong side of the threshold: different ones that lie nearest, and the same that lie "
    text += "farthest apart. Look here for wrong labels, odd pictures and real difficulties."
    return [Panel("The hardest pairs", text, data={"pictures": pictures})]
