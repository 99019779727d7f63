"""`nayan caption`: what pictures show, in a sentence."""

from __future__ import annotations

import csv
import io
import sys
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from cyclopts import Parameter

from nayan.cli.output import COMMON, Common, Output, sources
from nayan.cli.val import Backend, Model
from nayan.core.errors import ConfigError, DataError


def caption(
    model: Model,
    /,
    *image: Annotated[
        str,
        Parameter(
            help='pictures, folders or patterns such as "photos/**/*.jpg"; - for one path a line on stdin',
            required=True,
        ),
    ],
    top: Annotated[int, Parameter(help="so many sentences of each picture, the best first")] = 1,
    beam: Annotated[
        int | None,
        Parameter(
            help="beginnings of a sentence that are followed at the same time, 1: only the best word each "
            "time; another number than that of the export needs nayan[train] [default: as exported]"
        ),
    ] = None,
    format: Annotated[
        Literal["json", "csv"] | None,
        Parameter(help="of the result, instead of plain text; csv can be trained on and converted"),
    ] = None,
    batch: Annotated[
        int | None, Parameter(help="pictures at once [default: by the size of the input, at most 16]")
    ] = None,
    backend: Backend = "auto",
    common: Common = COMMON,
) -> Output:
    """Say in a sentence what pictures show, as MODEL (captioner) has learnt it.

    A picture that cannot be read is reported and the others follow; exit code 3 if none could be.
    """
    from nayan import api

    if common.json and format == "csv":
        raise ConfigError("--json and --format csv contradict each other", hint="give one of them")
    records = api.caption(
        model, sources(image), top=top, beam=beam, batch=batch, backend=backend, stdin=sys.stdin
    )
    failed = [record for record in records if "error" in record]
    for record in failed:
        common.say(f"warning: {record['source']}: {record['error']}")
    code = DataError.exit_code if len(failed) == len(records) else 0
    known = [record for record in records if "error" not in record]
    if format == "csv":
        return Output(_table(known).rstrip("\n"), code)
    text = "\n".join(line for record in known for line in _lines(record, several=top > 1))
    return Common(json=common.json or format == "json").output(records, text, exit_code=code)


def _lines(record: Mapping[str, Any], *, several: bool) -> list[str]:
    """Return what is said of a picture; of several sentences each with its log-probability.

    >>> _lines({"source": "a.jpg", "captions": [{"caption": "a red three", "logprob": -0.5}]}, several=True)
    ['a.jpg:', '   -0.50  a red three']
    """
    if not several:
        return [f"{record['source']}: {record['captions'][0]['caption']}"]
    rows = [f"  {row['logprob']:6.2f}  {row['caption']}" for row in record["captions"]]
    return [f"{record['source']}:", *rows]


def _table(records: Sequence[Mapping[str, Any]]) -> str:
    """Return a table that nayan reads as data of captions: one sentence a row."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["file", "caption", "score", "logprob"])
    for record in records:
        for row in record["captions"]:
            writer.writerow(
                [record["source"], row["caption"], f"{row['score']:.6f}", f"{row['logprob']:.6f}"]
            )
    return text.getvalue()
