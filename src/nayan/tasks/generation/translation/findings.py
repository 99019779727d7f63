"""What an evaluation of a translator found, in words, key figures and panels.

Reads the document `evaluation/<split>.json` of a run; whatever is missing in it is left out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from nayan.core.phrases import percent, quoted
from nayan.core.story import Panel, Summary, Table, Tile

Record = Mapping[str, Any]

LEAST_CYCLE = 17.0
"""dB of the way back; below, another picture comes home."""
HARDLY = 0.25
"""Share of the distance between two domains; a translation that covers less of it changes hardly anything."""
FEW = 100
"""Pictures of a domain below which distances are rough."""


def summary(evaluation: Record) -> Summary:
    """Return the verdict on a translator, what to keep in mind, and its key figures."""
    metrics: Record = evaluation.get("metrics") or {}
    if "kid_untranslated" not in metrics:
        return Summary()
    return Summary(
        tuple(_verdict(evaluation, metrics)), tuple(_worries(evaluation, metrics)), tuple(_tiles(metrics))
    )


def panels(evaluation: Record) -> list[Panel]:
    """Return the panels of a translator's evaluation, in reading order."""
    metrics: Record = evaluation.get("metrics") or {}
    details: Record = evaluation.get("details") or {}
    shown: Record = evaluation.get("exhibit") or {}
    return [
        *_journeys(evaluation.get("worst") or ()),
        *_film(shown),
        *_ways(metrics, details),
    ]


def covered(metrics: Record, name: str = "kid") -> float | None:
    """Return which share of the distance between two domains translations cover; None where there is none.

    Args:
        metrics: of the evaluation.
        name: "kid", or that of one way.

    >>> covered({"kid": 0.02, "kid_untranslated": 0.08})
    0.75
    """
    before = float(metrics["kid_untranslated"])
    return 1 - float(metrics[name]) / before if before > 0 else None


def _verdict(evaluation: Record, metrics: Record) -> list[str]:
    share, before, after = covered(metrics), metrics["kid_untranslated"], metrics["kid"]
    counts: Mapping[str, int] = (evaluation.get("details") or {}).get("pictures") or {}
    of = " and ".join(f"{count:,} of {quoted(name)}" for name, count in counts.items())
    start = (
        f"Of the {evaluation.get('split', '')} pictures ({of}), the domains lie a KID of {before:.4f} apart"
    )
    if share is None or share <= 0:
        told = f"{start}; translated, they are no nearer to the other one ({after:.4f})."
    else:
        told = (
            f"{start}. Translated, {after:.4f} is left: {percent(min(1.0, share), 0)} of the way is covered."
        )
    home = f"There and back, a picture comes home with {metrics['cycle_psnr']:.1f} dB on average."
    return [told, home]


def _worries(evaluation: Record, metrics: Record) -> list[str]:
    details: Record = evaluation.get("details") or {}
    counts: Mapping[str, int] = details.get("pictures") or {}
    names = list(counts)
    found = []
    share = covered(metrics)
    if share is not None and share < HARDLY:
        found.append(
            "The translations are hardly nearer to the other domain than the pictures were: train longer, "
            "with more pictures, or with --width 32."
        )
    elif len(names) == 2:
        for way, name in (("kid_to_a", names[0]), ("kid_to_b", names[1])):
            one = covered(metrics, way)
            if one is not None and one < HARDLY:
                found.append(
                    f"The way to {quoted(name)} is not learnt yet ({percent(max(0.0, one), 0)} covered)."
                )
    if metrics["cycle_psnr"] < LEAST_CYCLE:
        found.append(
            f"The way back gives another picture ({metrics['cycle_psnr']:.1f} dB): what is shown may not "
            "survive the translation. A larger --cycle keeps more of it."
        )
    if counts and min(counts.values()) < FEW:
        found.append(
            f"Distances of {min(counts.values())} pictures are rough: look at the translations themselves."
        )
    return found


def _tiles(metrics: Record) -> list[Tile]:
    return [
        Tile(
            "KID to the other domain",
            f"{metrics['kid']:.4f}",
            f"{metrics['kid_untranslated']:.4f} untranslated",
        ),
        Tile("There and back", f"{metrics['cycle_psnr']:.1f} dB", "PSNR; 100 is the picture itself"),
    ]


def _journeys(worst: Sequence[Record]) -> list[Panel]:
    """Return a gallery for each way, of pictures with their translation and the way back."""
    found = []
    for start in dict.fromkeys(record["from"] for record in worst if "from" in record):
        records = [record for record in worst if record.get("from") == start]
        end = records[0]["to"]
        pictures = [
            {
                "file": record.get("picture"),
                "title": f"{record['cycle_psnr']:.1f} dB there and back",
                "text": "",
                "id": record.get("id", ""),
            }
            for record in records
        ]
        text = "The picture, its translation, and what comes home; evenly spaced, none chosen."
        found.append(
            Panel(f"{start} → {end} → {start}", text, data={"pictures": pictures, "gallery": "journeys"})
        )
    return found


def _film(shown: Record) -> list[Panel]:
    if not shown.get("film"):
        return []
    text = "Some pictures of the training data, their translations, and the way back, after each epoch."
    data = {"picture": shown["film"], "alt": "The same pictures after each epoch"}
    return [Panel("How it learned to translate", text, data=data)]


def _ways(metrics: Record, details: Record) -> list[Panel]:
    counts: Mapping[str, int] = details.get("pictures") or {}
    if "kid_untranslated" not in metrics or len(counts) != 2:
        return []
    a, b = counts
    home: Record = details.get("cycle_psnr") or {}
    before = metrics["kid_untranslated"]
    rows = (
        (f"{a} → {b}", counts[a], before, metrics["kid_to_b"], home.get(a, "")),
        (f"{b} → {a}", counts[b], before, metrics["kid_to_a"], home.get(b, "")),
    )
    columns = ("Way", "Pictures", "KID before", "KID after", "There and back, dB")
    text = f"How far pictures are from those of the other domain. Measured by {details.get('protocol', '')}."
    return [Panel("Both ways", text, table=Table(columns, rows))]
