"""`nayan convert`: the same data in another format."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from nayan.cli.output import COMMON, Common, Output
from nayan.cli.val import Data, Format
from nayan.data.formats import BOX_FORMATS, CLASS_FORMATS, MASK_FORMATS

NewFolder = Annotated[Path, Parameter(help="a new folder")]


def convert(
    data: Data,
    out: NewFolder,
    /,
    *,
    to: Annotated[
        str,
        Parameter(
            help=f"format to write: {', '.join(CLASS_FORMATS)}; for boxes: {', '.join(BOX_FORMATS)}; "
            f"for masks: {', '.join(MASK_FORMATS[:-1])}; also captions, domains, pictures",
            metavar="FORMAT",
        ),
    ],
    format: Format = None,
    common: Common = COMMON,
) -> Output:
    """Rewrite a data set in another format into a new folder; the original is never changed."""
    from nayan import api

    report = api.convert(data, out, to=to, format=format)
    for note in report.notes:
        common.say(f"note: {note}")
    return common.output(
        asdict(report), f"{report.source} -> {report.target}\n{counts_text(out, report.pictures)}"
    )


def counts_text(out: Path, pictures: Mapping[str, int]) -> str:
    """Return where a data set was written, and how many pictures each split has.

    >>> counts_text(Path("new"), {"train": 1200, "val": 3})
    'new: train 1,200, val 3 pictures'
    """
    return f"{out}: {', '.join(f'{name} {count:,}' for name, count in pictures.items())} pictures"
