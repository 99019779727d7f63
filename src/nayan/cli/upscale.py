"""`nayan upscale`: pictures two or four times larger."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from nayan.cli.output import COMMON, Common, Output, sources
from nayan.cli.val import Backend, Model


def upscale(
    model: Model,
    /,
    *image: Annotated[
        str,
        Parameter(
            help='pictures, folders or patterns such as "photos/**/*.jpg"; - for one path a line on stdin',
            required=True,
        ),
    ],
    out: Annotated[
        Path,
        Parameter(
            help="write to this file (.png, .jpg, .webp) or into this folder [default: runs/upscale]",
            metavar="FILE|DIR",
            show_default=False,
        ),
    ] = Path("runs/upscale"),
    backend: Backend = "auto",
    common: Common = COMMON,
) -> Output:
    """Make pictures of any size two or four times larger, as MODEL (super_resolution) was trained.

    A picture that cannot be read is reported and the others follow; exit code 3 if none could be. Your
    pictures are never changed.
    """
    from nayan import api

    records = api.upscale(model, sources(image), out=out, backend=backend, stdin=sys.stdin)
    return common.files(records)
