"""`nayan stylize`: what a photograph shows, painted as another picture is painted."""

from __future__ import annotations

import sys
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated

from cyclopts import Group, Parameter

from nayan.cli.output import COMMON, STDIN, Common, Output
from nayan.cli.val import Backend


@Parameter(name="*", group=Group("By gradients", sort_key=1))
@dataclass(frozen=True)
class Gradients:
    """How a painting is made in the style of any picture; a trained model needs none of it."""

    backbone: Annotated[
        str | None,
        Parameter(help="the network by which pictures are judged [default: vgg19]", metavar="NAME"),
    ] = None
    weights: Annotated[
        str | None, Parameter(help="of it: imagenet (fetched), or a .safetensors FILE", metavar="W")
    ] = None
    steps: Annotated[int | None, Parameter(help="at each scale [default: 100]", metavar="N")] = None
    content_weight: Annotated[
        float | None, Parameter(help="of what the photograph shows [default: 1.0]", metavar="F")
    ] = None
    style_weight: Annotated[
        float | None, Parameter(help="of how the style is painted [default: 10.0]", metavar="F")
    ] = None
    tv: Annotated[float | None, Parameter(help="of smoothness [default: 1.0]", metavar="F")] = None
    seed: Annotated[int | None, Parameter(help="of what is random [default: 0]", metavar="N")] = None


def stylize(
    content: Annotated[
        str,
        Parameter(
            help='photographs: a picture, a folder or a pattern such as "photos/*.jpg"; '
            "- for one path a line on stdin"
        ),
    ],
    style: Annotated[Path | None, Parameter(help="a picture that has the style")] = None,
    /,
    *,
    out: Annotated[
        Path,
        Parameter(
            help="write to this file (.jpg, .png, .webp) or into this folder [default: runs/stylize]",
            metavar="FILE|DIR",
            show_default=False,
        ),
    ] = Path("runs/stylize"),
    model: Annotated[
        Path | None,
        Parameter(help="in place of a style: a run or bundle of a trained fast_style", metavar="RUN"),
    ] = None,
    size: Annotated[
        int | None,
        Parameter(
            help="longer side in px at which it is painted [default: 512, by a model 1024]; the "
            "result is as large as your photograph either way",
            metavar="N",
        ),
    ] = None,
    keep_colours: Annotated[
        bool, Parameter(help="paint the brightness only, in the colours of the photograph", negative="")
    ] = False,
    gradients: Gradients = Gradients(),
    backend: Backend = "auto",
    common: Common = COMMON,
) -> Output:
    """Paint what a photograph shows as another picture is painted.

    nayan stylize PHOTOGRAPH STYLE follows gradients for minutes, in the style of any picture. --model RUN
    paints in a
    second in the one style that was learnt: nayan train PHOTOGRAPHS --task generate --model fast_style
    --style FILE. A picture that cannot be read is reported and the others follow; exit code 3 if none can.
    Your pictures are never changed.
    """
    from nayan import api
    from nayan.cli.progress import Progress

    options = {field.name: getattr(gradients, field.name) for field in fields(gradients)}
    with Progress(quiet=common.quiet) as progress:
        records = api.stylize(
            "-" if content == STDIN else content,
            style,
            out=out,
            model=model,
            size=size,
            keep_colours=keep_colours,
            backend=backend,
            on_step=progress.steps,
            stdin=sys.stdin,
            **options,
        )
    return common.files(records)
