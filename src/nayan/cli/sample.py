"""`nayan sample`: data to try things on."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from nayan.cli.convert import NewFolder, counts_text
from nayan.cli.output import COMMON, Common, Output


def sample(
    task: Annotated[str, Parameter(help="classify")],
    out: NewFolder,
    /,
    *,
    format: Annotated[
        str | None, Parameter(help="to write instead of the usual one: folder, csv, idx")
    ] = None,
    seed: Annotated[int, Parameter(help="of everything random")] = 0,
    common: Common = COMMON,
) -> Output:
    """Write a sample data set in its usual format; no network is needed."""
    from nayan import api

    result = api.sample(task, out, format=format, seed=seed)
    return common.output(result, f"{counts_text(out, result['splits'])}\nnext: nayan doctor {out}")
