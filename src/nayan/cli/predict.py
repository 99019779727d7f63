"""`nayan predict`: what a model sees in pictures, in a video or through a camera."""

from __future__ import annotations

import csv
import io
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import Parameter

from nayan.cli.output import COMMON, STDIN, Common, Output
from nayan.cli.val import Backend, Model, Overlap, Tile
from nayan.cli.video import NO_VIDEO, VideoOptions, given, options_of, output, progress, slot_text
from nayan.core.errors import ConfigError, DataError


def predict(
    model: Model,
    /,
    *source: Annotated[
        str,
        Parameter(
            help='pictures, folders or patterns such as "photos/**/*.jpg"; - for one path a line on stdin; '
            "or one video, or camera:0",
            required=True,
        ),
    ],
    out: Annotated[
        Path | None,
        Parameter(help="write into this folder [default with --save: runs/predict]", metavar="DIR"),
    ] = None,
    save: Annotated[bool, Parameter(help="also write pictures or video, annotated", negative="")] = False,
    conf: Annotated[
        str | None,
        Parameter(
            help="least score that is shown: a number, or auto for the model's own thresholds "
            "[default: 0 for classes, auto for objects]",
            metavar="auto|F",
        ),
    ] = None,
    iou: Annotated[
        float | None,
        Parameter(help="two boxes of a class that overlap more are one object, for detectors [default: 0.6]"),
    ] = None,
    top: Annotated[
        int | None, Parameter(help="at most so many rows a picture [default: 5 classes, or all objects]")
    ] = None,
    format: Annotated[
        Literal["json", "csv"] | None, Parameter(help="of the result, instead of plain text")
    ] = None,
    tile: Tile = None,
    overlap: Overlap = None,
    stock: Annotated[
        Path | None,
        Parameter(help="compare with a list (CSV or YAML) of what should be where", metavar="FILE"),
    ] = None,
    batch: Annotated[int, Parameter(help="pictures at once")] = 16,
    backend: Backend = "auto",
    strict: Annotated[bool, Parameter(help="exit 3 if any picture cannot be read", negative="")] = False,
    video: VideoOptions = NO_VIDEO,
    common: Common = COMMON,
) -> Output:
    """Say what a model sees in pictures, or follow and count objects in a video.

    A picture that cannot be read is reported and the others follow; exit code 3 if none could be read.
    Nothing is written beside your pictures.
    """
    if common.json and format == "csv":
        raise ConfigError("--json and --format csv contradict each other", hint="give one of them")
    from nayan import api
    from nayan.data.video import is_video

    folder = out or (Path("runs/predict") if save else None)
    shared: dict[str, Any] = {"tile": tile, "overlap": overlap, "stock": stock, "batch": batch}
    if conf is not None:
        shared["conf"] = "auto" if conf == "auto" else _number(conf)
    if any(map(is_video, source)):
        _check_video(source)
        seen = api.watch(
            model,
            source[0],
            **options_of(video),
            **shared,
            backend=backend,
            out=folder,
            save=save,
            on_progress=progress(common),
        )
        return output(seen, "json" if common.json else format, common)
    if given(video):
        raise ConfigError(f"{given(video)[0]} is for a video or camera", hint="name one, such as clip.mp4")
    records = api.predict(
        model,
        ["-" if name == STDIN else name for name in source],
        **shared,
        top=top,
        iou=iou,
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


def _check_video(source: Sequence[str]) -> None:
    if len(source) > 1:
        raise ConfigError(
            f"{len(source)} sources, one of them a video: a video is watched alone",
            hint="call `nayan predict` once for each video",
        )


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
    return "\n".join(line for record in records if "error" not in record for line in _lines(record))


def _lines(record: Mapping[str, Any]) -> list[str]:
    """Return one picture as text, and each slot of its stock below.

    >>> _lines({"source": "a.jpg", "predictions": [{"label": "rose", "score": 0.98}]})
    ['a.jpg: rose 0.98']
    """
    shown = ", ".join(f"{row['label']} {row['score']:.2f}" for row in record["predictions"])
    first = f"{record['source']}: {shown or 'nothing above the threshold'}"
    return [first, *(f"  {slot_text(slot)}" for slot in record.get("stock", ()))]


def _csv(records: Sequence[Mapping[str, Any]]) -> str:
    """Return one row a prediction; a picture without any, or with an error, has one row all the same."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    sides = ["x1", "y1", "x2", "y2"] if any("box" in row for row in _rows(records)) else []
    writer.writerow(["source", "height", "width", "rank", "label", "score", *sides, "error"])
    for record in records:
        height, width = record.get("size") or ("", "")
        rows = record.get("predictions") or [{}]
        for rank, row in enumerate(rows, start=1):
            score = f"{row['score']:.6f}" if row else ""
            place = [rank, row["label"], score] if row else ["", "", ""]
            box = row.get("box", [""] * len(sides))
            writer.writerow([record["source"], height, width, *place, *box, record.get("error", "")])
    return text.getvalue()


def _rows(records: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    return [row for record in records for row in record.get("predictions", [])]


def _write(records: Sequence[Mapping[str, Any]], folder: Path, format: str, common: Common) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"predictions.{format}"
    path.write_text(_render(records, format).rstrip("\n") + "\n", encoding="utf-8")
    common.say(f"written: {path}")
