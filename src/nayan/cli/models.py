"""`nayan models`: the catalogue."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

from cyclopts import Parameter

from nayan.cli.output import COMMON, Common, Output, aligned


def models(
    *,
    task: Annotated[str | None, Parameter(help="of one task only: classify")] = None,
    all: Annotated[
        bool, Parameter(help="also every timm backbone (needs the train extra)", negative="")
    ] = False,
    search: Annotated[str, Parameter(help="only names and summaries that contain this")] = "",
    common: Common = COMMON,
) -> Output:
    """List what can be trained by name."""
    from nayan import api

    entries = api.models(task, search=search, all=all)
    rows = [[entry.name, entry.parameters, entry.licence, entry.paper, entry.summary] for entry in entries]
    table = aligned(["name", "parameters", "licence", "paper", "summary"], rows)
    more = (
        ""
        if all
        else "\n\nnayan models --all lists every timm backbone too; each can be trained by its name."
    )
    text = f"{table}{more}" if entries else f"no model contains {search!r}"
    return common.output({"models": [asdict(entry) for entry in entries]}, text)
