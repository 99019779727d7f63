"""`nayan translate`: pictures as another domain would show them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from nayan.cli.output import COMMON, Common, Output, sources
from nayan.cli.val import Model


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
        sources(image),
        to=to,
        out=out,
        imgsz=imgsz,
        stdin=sys.stdin,
    )
    return common.files(records)
