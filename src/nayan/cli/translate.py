"""`nayan translate`: pictures as another domain would show them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from nayan.cli.output import COMMON, STDIN, Common, Output
from nayan.cli.val import Model
from nayan.core.errors import DataError


def translate(
    model: Model,
    /,
    *image: Annotated[
        str,
        Parameter(
            help='pictures, folders or patterns such as "photos/**/*.jpg"; - for one path a line on stdin',
            required=True,
        ),
    ],
    to: Annotated[str, Parameter(help="the domain: A or B, or its name", metavar="A|B")],
    out: Annotated[
        Path,
        Parameter(
            help="write to this file (.jpg, .png, .webp) or into this folder [default: runs/translate]",
            metavar="FILE|DIR",
            show_default=False,
        ),
    ] = Path("runs/translate"),
    imgsz: Annotated[
        int | None,
        Parameter(
            help="shorter side in px of what the network looks at [default: as it learnt]; the result is as "
            "large as your picture either way",
            metavar="N",
        ),
    ] = None,
    common: Common = COMMON,
) -> Output:
    """Turn pictures of one domain into pictures of another.

    MODEL was trained on two domains: nayan train DATA --task generate. A picture that cannot be read is
    reported and the others follow; exit code 3 if none can. Your pictures are never changed.
    """
    from nayan import api

    records = api.translate(
        model,
        ["-" if name == STDIN else name for name in image],
        to=to,
        out=out,
        imgsz=imgsz,
        stdin=sys.stdin,
    )
    failed = [record for record in records if "error" in record]
    for record in failed:
        common.say(f"warning: {record['source']}: {record['error']}")
    code = DataError.exit_code if len(failed) == len(records) else 0
    text = "\n".join(record["file"] for record in records if "file" in record)
    return common.output(records, text, exit_code=code)
