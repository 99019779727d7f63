"""What an evaluation of a generator found, in words, key figures and panels.

Reads the document `evaluation/<split>.json` of a run; whatever is missing in it is left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nayan.core.phrases import percent, pictures_of, several
from nayan.core.story import Panel, Summary, Table, Tile

Record = Mapping[str, Any]

ALIKE = 0.8
"""Share of the spread of real pictures below which drawn ones are too much alike."""
MISSED = 0.25
"""Recall below which kinds of pictures are missing; held-out real pictures reach about 0.85."""
RARE = 0.25
"""Share of what is usual below which a class is hardly ever drawn."""
COPIED = 0.2
"""Share of drawn pictures nearer to a training picture than 95 % of unseen ones; chance gives 0.05."""
FEW = 300
"""Pictures below which the scores are rough."""


def summary(evaluation: Record) -> Summary:
    """Return the verdict on a generator, what to keep in mind, and its key figures."""
    metrics: Record = evaluation.get("metrics") or {}
    if "kid" not in metrics:
        return Summary()
    return Summary(tuple(_verdict(evaluation, metrics)), tuple(_worries(evaluation)), tuple(_tiles(metrics)))


def panels(evaluation: Record) -> list[Panel]:
    """Return the panels of a generator's evaluation, in reading order."""
    details: Record = evaluation.get("details") or {}
    shown: Record = evaluation.get("exhibit") or {}
    found = [*_samples(shown), *_copies(shown), *_ways(shown), *_classes(shown)]
    return [*found, *_numbers(evaluation.get("metrics") or {}, details)]


def _verdict(evaluation: Record, metrics: Record) -> list[str]:
    details: Record = evaluation.get("details") or {}
    against = pictures_of(details.get("pictures"), str(evaluation.get("split", "")))
    told = [
        f"Against {against} its drawings have a KID of {metrics['kid']:.4f} and an FID of "
        f"{metrics['fid']:.1f}."
    ]
    if "precision" in metrics:
        told.append(
            f"{percent(metrics['precision'], 0)} of them lie among the real pictures, and "
            f"{percent(metrics['recall'], 0)} of the real pictures among them."
        )
    return told


def _worries(evaluation: Record) -> list[str]:
    metrics: Record = evaluation["metrics"]
    details: Record = evaluation.get("details") or {}
    shown: Record = evaluation.get("exhibit") or {}
    spread: Record = details.get("spread") or {}
    found = []
    if spread.get("real") and spread["drawn"] < ALIKE * spread["real"]:
        found.append(
            "Drawn pictures are more alike than real ones: two of them differ by "
            f"{percent(spread['drawn'] / spread['real'], 0)} of what two real ones do. The generator may "
            "have collapsed to a few kinds of pictures; --diffaug, --spectral-norm or --loss hinge help."
        )
    if metrics.get("recall", 1.0) < MISSED:
        found.append(
            f"Most kinds of real pictures are never drawn (recall {percent(metrics['recall'], 0)}): train "
            "longer, or use a larger network."
        )
    rare = [name for name, drawn, real in shown.get("drawn_classes") or () if drawn < RARE * real]
    if rare:
        found.append(f"Hardly ever drawn: {several(rare)}.")
    if shown.get("near_share", 0.0) > COPIED:
        found.append(
            f"{percent(shown['near_share'], 0)} of the drawn pictures lie as near to a training picture as "
            "only 5 % of pictures do that it has not seen: it may repeat what it learnt from. More pictures "
            "help, or --diffaug."
        )
    if details.get("pictures", FEW) < FEW:
        found.append(
            f"KID and FID of {details['pictures']} pictures are rough; FID is larger the fewer there are."
        )
    return found


def _tiles(metrics: Record) -> list[Tile]:
    tiles = [
        Tile("KID", f"{metrics['kid']:.4f}", "0: no difference can be seen"),
        Tile("FID", f"{metrics['fid']:.1f}", "comparable for as many pictures only"),
    ]
    for name, note in (("precision", "drawn among the real"), ("recall", "real among the drawn")):
        if name in metrics:
            tiles.append(Tile(name.capitalize(), percent(metrics[name], 0), note, float(metrics[name])))
    return tiles


def _samples(shown: Record) -> list[Panel]:
    found = []
    if shown.get("samples"):
        text = "The first of what it draws with the seed 0, none chosen."
        if shown.get("asked") == "caption":
            text += (
                " Below each picture is the sentence that it was asked for, one of the training pictures'."
            )
        found.append(_picture("Drawn", text, shown["samples"], "Grid of drawn pictures"))
    if shown.get("film"):
        text = "From the same noise after each epoch: what it had learnt by then."
        found.append(
            _picture("How it learned to draw", text, shown["film"], "The same noise after each epoch")
        )
    return found


def _copies(shown: Record) -> list[Panel]:
    if not shown.get("nearest"):
        return []
    text = (
        "Above, the drawn pictures that lie nearest to a training picture; below, that picture. Were they "
        "the same, it would have copied. "
    )
    if "near_share" in shown:
        text += (
            f"{percent(shown['near_share'], 0)} of its drawings lie as near to one as 5 % of unseen real "
            f"pictures do; the usual distance is {shown['nearest_drawn']:.2f} for drawings and "
            f"{shown['nearest_unseen']:.2f} for those."
        )
    return [_picture("Is it copied?", text, shown["nearest"], "Drawn pictures above training pictures", "")]


def _ways(shown: Record) -> list[Panel]:
    if not shown.get("ways"):
        return []
    text = (
        "Each row goes from one noise to another in equal steps. Where every step is a picture of its own, "
        "the network has learnt a space; where it jumps, it knows single pictures."
    )
    return [
        _picture(
            "From one to another", text, shown["ways"], "Rows of drawn pictures that change step by step", ""
        )
    ]


def _classes(shown: Record) -> list[Panel]:
    rows = [tuple(row) for row in shown.get("drawn_classes") or ()]
    if not rows:
        return []
    full = max(max(drawn, real) for _, drawn, real in rows)
    return [
        Panel(
            "Which classes are drawn",
            "What most of the nearest training pictures are. A class that is never drawn was forgotten.",
            table=Table(("Class", "Drawn", "In the data"), tuple(rows)),
            data={"bars": {"Drawn": full, "In the data": full}},
        )
    ]


def _numbers(metrics: Record, details: Record) -> list[Panel]:
    if not metrics:
        return []
    spread: Record = details.get("spread") or {}
    rows: list[tuple[str, Any]] = [
        (name.upper() if len(name) == 3 else name, value) for name, value in metrics.items()
    ]
    if spread:
        rows += [
            ("Distance of two real pictures", spread["real"]),
            ("Distance of two drawn ones", spread["drawn"]),
        ]
    text = f"Measured by {details['protocol']}." if details.get("protocol") else ""
    return [Panel("Scores", text, table=Table(("Score", "Value"), tuple(rows)))]


def _picture(title: str, text: str, file: str, alt: str, layout: str = "half") -> Panel:
    return Panel(title, text, data={"picture": file, "alt": alt, **({"layout": layout} if layout else {})})
