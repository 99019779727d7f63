"""`nayan portrait`: a person before another background, or before the same one out of focus."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from nayan.cli.output import COMMON, Common, Output, sources
from nayan.cli.val import Backend, Model


def portrait(
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
            help="write to this file (.jpg, .png, .webp) or into this folder [default: runs/portrait]",
            metavar="FILE|DIR",
            show_default=False,
        ),
    ] = Path("runs/portrait"),
    background: Annotated[
        str,
        Parameter(
            help="blur, gray, white, black, #rrggbb, none (transparent), or a picture",
            metavar="blur|gray|none|COLOUR|IMAGE",
        ),
    ] = "blur",
    strength: Annotated[
        float, Parameter(help="of the blur: 1 is a fast portrait lens, 0 none, up to 5", metavar="F")
    ] = 1.0,
    feather: Annotated[
        float,
        Parameter(help="soften the border of the person, in thousandths of the diagonal", metavar="F"),
    ] = 0.0,
    person: Annotated[
        str | None,
        Parameter(
            help="the class that is cut out [default: person or the like; of two classes the foreground]",
            metavar="CLASS",
        ),
    ] = None,
    backend: Backend = "auto",
    common: Common = COMMON,
) -> Output:
    """Put a person before another background, or the background out of focus.

    A picture in which no person is found is reported and the others follow; exit code 3 if there is none in
    any. Your pictures are never changed.
    """
    from nayan import api

    records = api.portrait(
        model,
        sources(image),
        out=out,
        background=background,
        strength=strength,
        feather=feather,
        person=person,
        backend=backend,
        stdin=sys.stdin,
    )
    return common.files(records)
