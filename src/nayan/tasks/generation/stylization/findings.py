"""What an evaluation of a stylist found, in words, key figures and panels.

Reads the document `evaluation/<split>.json` of a run; whatever is missing in it is left out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from nayan.core.phrases import only, percent, pictures_of
from nayan.core.story import Panel, Summary, Tile

Record = Mapping[str, Any]

LOST = 0.3
"""Structure below which hardly anything of a photograph is to be seen."""
UNTOUCHED = 0.05
"""Mean change below which a photograph stays one."""
FEW = 10


def summary(evaluation: Record) -> Summary:
    """Return what became of the photographs, what to keep in mind, and the key figures."""
    details: Record = evaluation.get("details") or {}
    metrics: Record = evaluation.get("metrics") or {}
    if "structure" not in metrics or not details:
        return Summary()
    verdict = (
        f"Of {pictures_of(details['pictures'], evaluation.get('split', ''))}, lines and edges are where they "
        f"were by a correlation of {metrics['structure']:.2f}; the usual value was changed by "
        f"{percent(metrics['repainted'])} of its range.",
        "How well the style is met, the loss says under “How it learned”; whether it pleases, only a look.",
    )
    tiles = (
        Tile(
            "Structure",
            f"{metrics['structure']:.2f}",
            "1: drawn as in the photograph",
            max(0.0, metrics["structure"]),
        ),
        Tile("Repainted", percent(metrics["repainted"]), "0 %: nothing was changed", None),
    )
    return Summary(verdict, tuple(_worries(metrics, details)), tiles)


def panels(evaluation: Record) -> list[Panel]:
    """Return the panels of a stylist's evaluation."""
    records: Sequence[Record] = evaluation.get("worst") or ()
    if not records:
        return []
    pictures = [
        {
            "file": record.get("picture"),
            "title": f"structure {record['structure']:.2f}",
            "text": f"changed by {percent(record['repainted'])}",
            "id": record.get("id", ""),
        }
        for record in records
    ]
    text = (
        "Left the photograph as the network saw it, right what it painted. First those of which least is "
        "left, last those of which most is."
    )
    return [Panel("Photographs and their paintings", text, data={"pictures": pictures, "gallery": "pairs"})]


def _worries(metrics: Record, details: Record) -> list[str]:
    found = []
    if metrics["repainted"] < UNTOUCHED:
        found.append(
            "The photographs were hardly changed: train for longer, or with a larger --style-weight."
        )
    elif metrics["structure"] < LOST:
        found.append(
            "Hardly anything of the photographs is to be seen: train for longer, or with a larger "
            "--content-weight."
        )
    if details["pictures"] < FEW:
        found.append(f"{only(details['pictures'], 'looked at')}.")
    return found
