"""`nayan demo`: the whole tour on data that nayan makes itself."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from nayan.cli.output import COMMON, Common, Output
from nayan.cli.val import scores_text

USUAL = "a folder a class, boxes in COCO, YOLO, VOC, ..., or masks"
DATA = {"compare": "a folder for each person, product, ...", "generate": "any folder of pictures"}
"""What pictures of one's own may look like, by the task of the demo."""


def demo(
    *,
    task: Annotated[str, Parameter(help="classify, detect, segment, compare or generate")] = "classify",
    out: Annotated[
        Path | None, Parameter(help="a new folder; by default demo, demo2, ...", metavar="DIR")
    ] = None,
    common: Common = COMMON,
) -> Output:
    """Make sample data, examine it, train on it, report, and predict: a minute or two on two cores.

    No network is needed.
    """
    from nayan import api
    from nayan.cli.progress import Progress

    with Progress(quiet=common.quiet) as progress:
        result = api.demo(out, task=task, on_event=progress)
    lines = [
        f"{result['model']}, {result['split']}:",
        scores_text(result["metrics"]),
        "",
        f"data         {result['data']}",
        f"run          {result['run']}",
        f"report       {result['report']}",
        f"predictions  {result['predictions']}",
        f"look at      {result['picture']}",
        "",
        "now with pictures of your own:",
        f"  nayan doctor PICTURES        {DATA.get(task, USUAL)}",
        f"  nayan train PICTURES{' --task generate' if task == 'generate' else ''}",
    ]
    return common.output(result, "\n".join(lines))
