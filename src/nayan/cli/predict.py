"""`nayan predict`: what a model sees in pictures."""

from __future__ import annotations

import csv
import io
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import Parameter

from nayan.cli.output import COMMON, STDIN, Common, Output
from nayan.cli.val import Backend, Model
from nayan.core.errors import ConfigError, DataError


def predict(
    model: Model,
    /,
    *source: Annotated[
        str,
        Parameter(
            help='pictures, folders or patterns such as "photos/**/*.jpg"; - for one path a line on stdin',
            required=True,
        ),
    ],
    out: Annotated[
        Path | None,
        Parameter(help="write into this folder [default with --save: runs/predict]", metavar="DIR"),
    ] = None,
    save: Annotated[bool, Parameter(help="also write the pictures, annotated", negative="")] = False,
    conf: Annotated[
        str,
        Parameter(
            help="least score that is shown: a number, or auto for the model's own thresholds",
            metavar="auto|F",
        ),
    ] = "0",
    top: Annotated[int, Parameter(help="at most so many classes a picture")] = 5,
    format: Annotated[
        Literal["json", "csv"] | None, Parameter(help="of the result, instead of plain text")
    ] = None,
    batch: Annotated[int, Parameter(help="pictures at once")] = 16,
    backend: Backend = "auto",
    strict: Annotated[bool, Parameter(help="exit 3 if any picture cannot be read", negative="")] = False,
    common: Common = COMMON,
) -> Output:
    """Say what a model sees in pictures.

    A picture that cannot be read is reported and the others follow; exit code 3 if none could be read.
    Nothing is written beside your pictures.
    """
    if common.json and format == "csv":
        raise ConfigError("--json and --format csv contradict each other", hint="give one of them")
    from nayan import api

    folder = out or (Path("runs/predict") if save else None)
    records = api.predict(
        model,
        ["-" if name == STDIN else name for name in source],
        conf="auto" if conf == "auto" else _number(conf),
        top=top,
        batch=batch,
        backend=backend,
        save=folder if save else None,
        stdin=sys.stdin,
    )
    failed = [record for record in records if "error" in record]
    for record in failed:
        common.say(f"warning: {record['source']}: {record['error']}")
    format = "json" if common.json else format
    if folder is not None:
        _write(records, folder, format or "json", common)
    code = DataError.exit_code if len(failed) == len(records) or (strict and failed) else 0
    return Output(_render(records, format), code)


def _number(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise ConfigError(f"--conf {text}: expected auto, or a number from 0 to 1")
    return value


def _render(records: Sequence[Mapping[str, Any]], format: str | None) -> str:
    if format == "json":
        return Common(json=True).output(records, "").text
    if format == "csv":
        return _csv(records).rstrip("\n")
    return "\n".join(_line(record) for record in records if "error" not in record)


def _line(record: Mapping[str, Any]) -> str:
    """Return one picture as text.

    >>> _line({"source": "a.jpg", "predictions": [{"label": "rose", "score": 0.98}]})
    'a.jpg: rose 0.98'
    """
    shown = ", ".join(f"{row['label']} {row['score']:.2f}" for row in record["predictions"])
    return f"{record['source']}: {shown or 'nothing above the threshold'}"


def _csv(records: Sequence[Mapping[str, Any]]) -> str:
    """Return one row a prediction; a picture without any, or with an error, has one row all the same."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["source", "height", "width", "rank", "label", "score", "error"])
    for record in records:
        height, width = record.get("size") or ("", "")
        rows = record.get("predictions") or [{}]
        for rank, row in enumerate(rows, start=1):
            score = f"{row['score']:.6f}" if row else ""
            place = [rank, row["label"], score] if row else ["", "", ""]
            writer.writerow([record["source"], height, width, *place, record.get("error", "")])
    return text.getvalue()


def _write(records: Sequence[Mapping[str, Any]], folder: Path, format: str, common: Common) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"predictions.{format}"
    path.write_text(_render(records, format).rstrip("\n") + "\n", encoding="utf-8")
    common.say(f"written: {path}")
