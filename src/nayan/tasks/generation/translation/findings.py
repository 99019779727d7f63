"""What an evaluation of a translator found, in words, key figures and panels.

Reads the document `evaluation/<split>.json` of a run; whatever is missing in it is left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nayan.core.story import Panel, Summary, Table, Tile

Record = Mapping[str, Any]

LEAST_CYCLE = 18.0
"""dB; below, the way back is another picture to anyone who looks."""


def summary(evaluation: Record) -> Summary:
    """Return the verdict on a translator, what to keep in mind, and its key figures."""
    return Summary()


def panels(evaluation: Record) -> list[Panel]:
    """Return the panels of a translator's evaluation, in reading order."""
    return []
