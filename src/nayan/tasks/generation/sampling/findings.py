"""What an evaluation of a generator found, in words, key figures and panels.

Reads the document `evaluation/<split>.json` of a run; whatever is missing in it is left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nayan.core.story import Panel, Summary, Table, Tile

Record = Mapping[str, Any]


def summary(evaluation: Record) -> Summary:
    """Return the verdict on a generator, what to keep in mind, and its key figures."""
    metrics: Record = evaluation.get("metrics") or {}
    if "kid" not in metrics:
        return Summary()
    tiles = [Tile("KID", f"{metrics['kid']:.4f}", "less is better"), Tile("FID", f"{metrics['fid']:.1f}")]
    return Summary((), (), tuple(tiles))


def panels(evaluation: Record) -> list[Panel]:
    """Return the panels of a generator's evaluation, in reading order."""
    details: Record = evaluation.get("details") or {}
    if not details:
        return []
    return [Panel("", table=Table(("", ""), (("Compared by", details.get("protocol", "")),)))]
