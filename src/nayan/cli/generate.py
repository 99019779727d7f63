"""`nayan generate`: pictures drawn by a trained generator."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from nayan.cli.output import COMMON, Common, Output
from nayan.cli.val import Backend, Model


def generate(
    model: Model,
    /,
    *,
    n: Annotated[int, Parameter(name=["-n", "--n"], help="how many pictures", metavar="N")] = 16,
    out: Annotated[Path, Parameter(help="write into this folder", metavar="DIR", show_default=True)] = Path(
        "runs/generated"
    ),
    seed: Annotated[int, Parameter(help="of the noise; the same seed draws the same pictures")] = 0,
    label: Annotated[
        str | None,
        Parameter(
            help="the class to draw [default: all in turn, where the model knows classes]", metavar="NAME"
        ),
    ] = None,
    caption: Annotated[
        list[str] | None,
        Parameter(
            help="the sentence to draw, where the model reads; several in turn [default: training captions]",
            metavar="TEXT",
            negative="",
        ),
    ] = None,
    grid: Annotated[
        bool, Parameter(help="also write all of them on one sheet, grid.png", negative="")
    ] = False,
    interpolate: Annotated[
        bool, Parameter(help="draw the way from one picture to another; also as way.gif", negative="")
    ] = False,
    backend: Backend = "auto",
    common: Common = COMMON,
) -> Output:
    """Draw pictures with a trained generator.

    The same model and seed draw the same pictures. Files are named by what they
    are asked to show, the seed and their number.
    """
    from nayan import api

    records = api.generate(
        model,
        n,
        out=out,
        seed=seed,
        label=label,
        caption=caption or (),
        grid=grid,
        interpolate=interpolate,
        backend=backend,
    )
    together = [record["file"] for record in records if "kind" in record]
    drawn = len(records) - len(together)
    text = "\n".join([f"{drawn} picture{'s' if drawn > 1 else ''} in {out}", *together])
    return common.output(records, text)
