"""What an evaluation of a restorer found, in words, key figures and panels.

Reads the document `evaluation/<split>.json` of a run; whatever is missing in it is left out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from nayan.core.phrases import only, percent, pictures_of
from nayan.core.story import Panel, Summary, Table, Tile

Record = Mapping[str, Any]

PLAIN = {"enlarged": "bicubic enlarging", "filled": "Telea's filling (OpenCV)"}
COUNTED = {
    "enlarged": "of all pixels but a border as wide as the scale",
    "filled": "of the pixels in the holes",
}
LITTLE_DB = 0.3
"""A gain that a look can hardly tell."""
FEW = 20


def summary(evaluation: Record) -> Summary:
    """Return the verdict on a restorer, what to keep in mind, and its key figures."""
    details: Record = evaluation.get("details") or {}
    metrics: Record = evaluation.get("metrics") or {}
    if "psnr" not in metrics or not details:
        return Summary()
    kind = details["kind"]
    judged = pictures_of(details["pictures"], evaluation.get("split", ""))
    told = "more" if metrics["psnr_gain"] >= 0 else "less"
    verdict = (
        f"{_decibels(metrics['psnr'])} PSNR on {judged}, RGB, {COUNTED[kind]}: "
        f"{_decibels(abs(metrics['psnr_gain']))} {told} than {PLAIN[kind]} of the same.",
        f"{_share(details['better'])} come nearer to their originals than by that; the mean structural "
        f"similarity is {metrics['ssim']:.4f} against {metrics['ssim_plain']:.4f}.",
    )
    tiles = (
        Tile("PSNR", _decibels(metrics["psnr"]), "", None),
        Tile(f"Won over {PLAIN[kind].split()[0]}", f"{metrics['psnr_gain']:+.2f} dB", "", None),
        Tile("SSIM", f"{metrics['ssim']:.4f}", f"{metrics['ssim_plain']:.4f} without a network", None),
    )
    return Summary(verdict, tuple(_worries(metrics, details)), tiles)


def panels(evaluation: Record) -> list[Panel]:
    """Return the panels of a restorer's evaluation, in reading order."""
    details: Record = evaluation.get("details") or {}
    metrics: Record = evaluation.get("metrics") or {}
    if not details or "psnr" not in metrics:
        return []
    found = [_numbers(metrics, details)]
    for kind, title in (("worst", "Farthest from the original"), ("typical", "Usual ones")):
        records = [record for record in evaluation.get("worst") or () if record.get("kind") == kind]
        if records:
            found.append(_pictures(title, records, details["kind"]))
    return found


def _worries(metrics: Record, details: Record) -> list[str]:
    found = []
    plain = PLAIN[details["kind"]]
    if metrics["psnr_gain"] <= 0:
        found.append(f"The network is no better than {plain}: train for longer, or on more pictures.")
    elif metrics["psnr_gain"] < LITTLE_DB:
        found.append(f"{metrics['psnr_gain']:.2f} dB more than {plain} can hardly be seen.")
    if details["pictures"] < FEW:
        found.append(f"{only(details['pictures'], 'judged')}: another few may give other scores.")
    return found


def _numbers(metrics: Record, details: Record) -> Panel:
    each = details["each"]
    gains = np.array([record["psnr"] - record["plain_psnr"] for record in each])
    low, middle, high = np.quantile(gains, (0.1, 0.5, 0.9))
    plain = PLAIN[details["kind"]]
    rows = (
        ("The network", f"{metrics['psnr']:.2f}", f"{metrics['ssim']:.4f}"),
        (plain[0].upper() + plain[1:], f"{metrics['psnr_plain']:.2f}", f"{metrics['ssim_plain']:.4f}"),
    )
    text = (
        f"Means over {details['pictures']:,} pictures, {COUNTED[details['kind']]}. The median picture wins "
    )
    text += f"{middle:+.2f} dB, eight of ten lie between {low:+.2f} and {high:+.2f} dB."
    return Panel("The scores", text, table=Table(("Made by", "PSNR in dB", "SSIM"), rows))


def _pictures(title: str, records: Sequence[Record], kind: str) -> Panel:
    pictures = [
        {
            "file": record.get("picture"),
            "title": f"{record['psnr']:.1f} dB",
            "text": f"{record['psnr'] - record['psnr_plain']:+.1f} dB over {PLAIN[kind]}",
            "id": record.get("id", ""),
        }
        for record in records
    ]
    text = "From left to right: what the network was given, what it made of it, and the original."
    return Panel(title, text, data={"pictures": pictures, "gallery": "journeys"})


def _share(share: float) -> str:
    """Return which share of the pictures, in words.

    >>> _share(1.0), _share(0.904)
    ('All of them', '90.4 % of them')
    """
    return "All of them" if share == 1 else f"{percent(share)} of them"


def _decibels(value: float) -> str:
    return f"{value:.2f} dB"
