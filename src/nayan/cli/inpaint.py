"""`nayan inpaint`: fill parts of a picture in."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from nayan.cli.output import COMMON, Common, Output
from nayan.cli.val import Backend, Model


def inpaint(
    model: Model,
    image: Annotated[Path, Parameter(help="a picture of any size")],
    /,
    *,
    out: Annotated[
        Path, Parameter(help="write to this file: .png keeps every other pixel as it is", metavar="FILE")
    ],
    mask: Annotated[
        Path | None,
        Parameter(help="a picture as large as IMAGE, white where it is to be filled", metavar="FILE"),
    ] = None,
    box: Annotated[
        tuple[str, ...] | None,
        Parameter(help="fill this box, in pixels; repeat for more", metavar="X1,Y1,X2,Y2", negative=""),
    ] = None,
    backend: Backend = "auto",
    common: Common = COMMON,
) -> Output:
    """Fill parts of a picture in from what is around: a logo, a date, a scratch on a picture of your own.

    All other pixels stay as they are. IMAGE is never changed.
    """
    from nayan import api

    record = api.inpaint(model, image, out=out, mask=mask, boxes=box or (), backend=backend)
    return common.output(record, record["file"])
