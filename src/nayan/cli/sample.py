"""`nayan sample`: data to try things on."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from nayan.cli.convert import NewFolder
from nayan.cli.output import COMMON, Common, Output


def sample(
    task: Annotated[str, Parameter(help="classify, detect, segment, compare or generate")],
    out: NewFolder,
    /,
    *,
    count: Annotated[
        int | None, Parameter(help="pictures in all; by default all digits, 300 scenes or 1,000 numbers")
    ] = None,
    seed: Annotated[int, Parameter(help="of which pictures there are and in which split")] = 0,
    format: Annotated[
        str | None,
        Parameter(
            help="to write for detect: coco (by default), yolo, voc, ...; for segment: masks (by default), "
            "coco, yolo; for generate: captions (by default), domains, pictures",
            metavar="FORMAT",
        ),
    ] = None,
    common: Common = COMMON,
) -> Output:
    """Write a sample data set in its usual format; no network is needed."""
    from nayan import api

    folder = api.sample(task, out, seed=seed, count=count, format=format)
    return common.output({"task": task, "data": folder}, f"{folder}\nnext: nayan doctor {folder}")
