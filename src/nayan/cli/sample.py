"""`nayan sample`: data to try things on."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from nayan.cli.convert import NewFolder
from nayan.cli.output import COMMON, Common, Output


def sample(
    task: Annotated[str, Parameter(help="classify")],
    out: NewFolder,
    /,
    *,
    count: Annotated[int | None, Parameter(help="pictures in all; by default every one there is")] = None,
    seed: Annotated[int, Parameter(help="of the order in which pictures go to the splits")] = 0,
    common: Common = COMMON,
) -> Output:
    """Write a sample data set in its usual format; no network is needed."""
    from nayan import api

    folder = api.sample(task, out, seed=seed, count=count)
    return common.output({"task": task, "data": folder}, f"{folder}\nnext: nayan doctor {folder}")
