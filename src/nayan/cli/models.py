"""`nayan models`: the catalogue."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

from cyclopts import Parameter

from nayan.cli.output import COMMON, Common, Output
from nayan.cli.table import fitted


def models(
    *,
    task: Annotated[str | None, Parameter(help="of one task only: classify or detect")] = None,
    all: Annotated[bool, Parameter(help="also every other backbone of timm", negative="")] = False,
    search: Annotated[str, Parameter(help="only names and summaries that contain this")] = "",
    common: Common = COMMON,
) -> Output:
    """List what can be trained by name."""
    from nayan import api

    entries = api.models(task, search=search, all=all)
    columns = ("name", "parameters", "code", "weights", "paper", "summary")
    rows = [(e.name, e.parameters, e.licence, e.weights, e.paper, e.summary) for e in entries]
    more = (
        ""
        if all
        else "\n\nnayan models --all lists every timm backbone too; each can be trained by its name."
    )
    text = f"{fitted(columns, rows)}{more}" if entries else f"no model contains {search!r}"
    return common.output({"models": [asdict(entry) for entry in entries]}, text)
