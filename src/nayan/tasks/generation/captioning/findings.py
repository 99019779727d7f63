"""What an evaluation of a captioner found, in words, key figures and panels.

Reads the document `evaluation/<split>.json` of a run; whatever is missing in it is left out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from nayan.core.phrases import percent, pictures_of, several
from nayan.core.story import Panel, Summary, Table, Tile

Record = Mapping[str, Any]

ALIKE = 0.2
"""Different sentences for each picture below which nearly the same is said of all of them."""
SILENT = 0.5
"""Share of the words of people below which a captioner knows few of them."""
FEW = 30


def summary(evaluation: Record) -> Summary:
    """Return the verdict on a captioner, what to keep in mind, and its key figures."""
    details: Record = evaluation.get("details") or {}
    metrics: Record = evaluation.get("metrics") or {}
    if "exact" not in metrics or not details:
        return Summary()
    of = pictures_of(details["pictures"], str(evaluation.get("split", "")))
    verdict = (
        f"Of {percent(metrics['exact'])} of {of} it says word for word one of the true sentences; BLEU-4 is "
        f"{metrics['bleu4']:.3f}.",
        f"It says {details['sentences']:,} different sentences of {details['words']:,} different words; the "
        f"true ones have {details['known_words']:,}.",
    )
    tiles = (
        Tile("True captions", percent(metrics["exact"]), "word for word", metrics["exact"]),
        *(Tile(f"BLEU-{n}", f"{metrics[f'bleu{n}']:.3f}", "", metrics[f"bleu{n}"]) for n in (1, 4)),
    )
    return Summary(verdict, tuple(_worries(details)), tiles)


def panels(evaluation: Record) -> list[Panel]:
    """Return the panels of a captioner's evaluation, in reading order."""
    details: Record = evaluation.get("details") or {}
    metrics: Record = evaluation.get("metrics") or {}
    if "exact" not in metrics or not details:
        return []
    shown: Sequence[Record] = evaluation.get("worst") or ()
    wrong = [record for record in shown if not record["is_true"]]
    right = [record for record in shown if record["is_true"]]
    return [
        *_pictures(
            "The worst captions", wrong, "The most words wrong first, and beside it the nearest truth."
        ),
        *_confusions(details),
        *_silence(details),
        *_pictures("True captions", right, "Where there is room: what it says right, the least sure first."),
        _numbers(metrics, details),
    ]


def _worries(details: Record) -> list[str]:
    found = []
    pictures = details["pictures"]
    if details["sentences"] <= max(1, ALIKE * pictures) and details["known_words"] > details["words"]:
        found.append(
            f"It says only {details['sentences']:,} different sentences of {pictures:,} pictures: nearly the "
            "same of all of them. Train for longer, or on more pictures."
        )
    if details["words"] < SILENT * details["known_words"]:
        names = [record["word"] for record in details["never_said"][:3]]
        found.append(
            f"{details['never_said_count']:,} words that people say here it never says, such as "
            f"{several(names, noun='words')}."
        )
    if pictures < FEW:
        found.append(f"Only {pictures} pictures were judged: another few may give other scores.")
    return found


def _pictures(title: str, records: Sequence[Record], text: str) -> list[Panel]:
    if not records:
        return []
    pictures = [
        {
            "file": record.get("picture"),
            "title": record["said"],
            "text": f"{percent(record['score'], 0)} sure a word"
            + ("" if record["is_true"] else f"; true: {record['truth']}"),
            "id": record.get("id", ""),
        }
        for record in records
    ]
    return [Panel(title, text, data={"pictures": pictures})]


def _confusions(details: Record) -> list[Panel]:
    if not details["confusions"]:
        return []
    rows = tuple((c["truth"] or "nothing", c["said"] or "nothing", c["count"]) for c in details["confusions"])
    return [
        Panel(
            "Words that it mixes up",
            "Against the nearest true sentence, the most frequent first; “nothing” stands for a word that is "
            "missing or too much.",
            table=Table(("True", "It says", "Times"), rows),
        )
    ]


def _silence(details: Record) -> list[Panel]:
    if not details["never_said"]:
        return []
    rows = tuple((record["word"], record["count"]) for record in details["never_said"])
    return [
        Panel(
            "Words that it never says",
            f"{details['never_said_count']:,} of the {details['known_words']:,} words of the true sentences, "
            "the most frequent first.",
            table=Table(("Word", "Pictures of which people say it"), rows),
        )
    ]


def _numbers(metrics: Record, details: Record) -> Panel:
    named = [("True, word for word", "exact"), *((f"BLEU-{order}", f"bleu{order}") for order in range(1, 5))]
    rows = tuple((name, f"{metrics[key]:.4f}") for name, key in named)
    return Panel("The scores", f"Measured by {details['protocol']}.", table=Table(("", "Score"), rows))
