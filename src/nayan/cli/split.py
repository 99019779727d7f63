"""`nayan split`: train, val and test from one heap."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from nayan.cli.output import COMMON, Common, Output
from nayan.cli.val import Data, Format, Task


def split(
    data: Data,
    out: Annotated[
        Path, Parameter(help="a new folder; or, for classes, a new .csv file that only lists them")
    ],
    /,
    *,
    val: Annotated[float, Parameter(help="fraction of the pictures to validate on")] = 0.15,
    test: Annotated[float, Parameter(help="fraction of the pictures to test on")] = 0.15,
    seed: Annotated[int, Parameter(help="of the drawing")] = 0,
    group: Annotated[
        str | None,
        Parameter(
            help="what is never parted: auto (versions, tiles and frames, by their names), none, folder, or "
            r"a pattern such as '(cam\d+)_' whose group names the camera, video, patient, ...",
            metavar="PATTERN",
        ),
    ] = None,
    task: Task = None,
    format: Format = None,
    common: Common = COMMON,
) -> Output:
    """Divide a data set into train, val and test in a new folder.

    Every class gets its share, and copies of a picture, frames of a clip and pictures of a group stay on
    one side. With --task compare whole identities are drawn, so that strangers are tested.
    """
    from nayan import api

    drawn = api.split(data, out, val=val, test=test, seed=seed, group=group, task=task, format=format)
    for note in drawn.notes:
        common.say(f"note: {note}")
    counts = {part.split: len(part) for part in (drawn.train, drawn.val, drawn.test) if part is not None}
    document = {"data": data, "out": out, "splits": counts, "notes": drawn.notes}
    return common.output(document, f"{out}: {drawn.summary}")
