"""`nayan upscale`: pictures two or four times larger."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from nayan.cli.output import COMMON, STDIN, Common, Output
from nayan.cli.val import Backend, Model
from nayan.core.errors import DataError


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

    records = api.upscale(
        model, ["-" if name == STDIN else name for name in image], out=out, backend=backend, stdin=sys.stdin
    )
    failed = [record for record in records if "error" in record]
    for record in failed:
        common.say(f"warning: {record['source']}: {record['error']}")
    code = DataError.exit_code if len(failed) == len(records) else 0
    text = "\n".join(record["file"] for record in records if "file" in record)
    return common.output(records, text, exit_code=code)
