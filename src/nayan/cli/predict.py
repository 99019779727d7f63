"""`nayan predict`: what a model sees in pictures, in a video or through a camera."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import Parameter

from nayan.cli.found import Rendering
from nayan.cli.masks import NO_MASKS, MaskOptions, masks_of
from nayan.cli.output import COMMON, Common, Output, sources
from nayan.cli.val import Backend, Model, Overlap, Tile
from nayan.cli.video import NO_VIDEO, VideoOptions, given, options_of, output, progress
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
        Parameter(
            help="write into this folder [default with --save and --format yolo or npz: runs/predict]",
            metavar="DIR",
        ),
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
        Literal["json", "csv", "npz", "coco", "yolo"] | None,
        Parameter(
            help="of the result, instead of plain text; npz: vectors of an embedder; coco and yolo: boxes as "
            "labels to correct"
        ),
    ] = None,
    tile: Tile = None,
    overlap: Overlap = None,
    stock: Annotated[
        Path | None,
        Parameter(help="compare with a list (CSV or YAML) of what should be where", metavar="FILE"),
    ] = None,
    batch: Annotated[
        int | None, Parameter(help="pictures at once [default: by the size of the input, at most 16]")
    ] = None,
    backend: Backend = "auto",
    strict: Annotated[bool, Parameter(help="exit 3 if any picture cannot be read", negative="")] = False,
    mask: MaskOptions = NO_MASKS,
    video: VideoOptions = NO_VIDEO,
    common: Common = COMMON,
) -> Output:
    """Say what a model sees in pictures, or follow and count objects in a video.

    A picture that cannot be read is reported and the others follow; exit code 3 if none could be read.
    Nothing is written beside your pictures.
    """
    _check_format(format, common, stock=stock)
    from nayan import api
    from nayan.data.video import is_video

    writes = save or format in ("yolo", "npz") or mask.masks
    folder = out or (Path("runs/predict") if writes else None)
    format = "json" if common.json else format
    shared: dict[str, Any] = {"tile": tile, "overlap": overlap, "stock": stock, "batch": batch}
    if conf is not None:
        shared["conf"] = "auto" if conf == "auto" else _number(conf)
    if any(map(is_video, source)):
        _check_video(source, format, mask)
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
        return output(seen, format, common)
    if given(video):
        raise ConfigError(f"{given(video)[0]} is for a video or camera", hint="name one, such as clip.mp4")
    rendering = _rendering(model, format, folder)
    records = api.predict(
        model,
        sources(source),
        **shared,
        top=top,
        iou=iou,
        backend=backend,
        save=folder if save else None,
        stdin=sys.stdin,
        out=folder,
        **masks_of(mask),
    )
    failed = [record for record in records if "error" in record]
    for record in failed:
        common.say(f"warning: {record['source']}: {record['error']}")
    if folder is not None:
        common.say(rendering.write(records, folder))
    code = DataError.exit_code if len(failed) == len(records) or (strict and failed) else 0
    return Output(rendering.text(records, folder), code)


def _check_format(format: str | None, common: Common, *, stock: Path | None) -> None:
    if common.json and format not in (None, "json"):
        raise ConfigError(f"--json and --format {format} contradict each other", hint="give one of them")
    if stock is not None and format in ("coco", "yolo"):
        raise ConfigError(f"--format {format} has no place for --stock", hint="use json, or leave one out")


def _rendering(model: Path, format: str | None, folder: Path | None) -> Rendering:
    """Return how predictions are shown; in some formats the model's task decides over that.

    Raises:
        ConfigError: if its predictions cannot be written so.
        DataError: if labels lie in the folder already: someone may have corrected them.
    """
    if format is None or format == "json":
        return Rendering(format)
    from nayan.runtime.bundle import open_bundle
    from nayan.tasks.records import prelabeller, row_columns

    spec = open_bundle(model).spec
    if format in ("csv", "npz"):
        columns = row_columns(spec)
        if format == "npz" and columns != ("embedding",):
            raise ConfigError(
                f"--format npz is for vectors, this model is for {spec.task}", hint="use csv or json"
            )
        return Rendering(format, columns)
    rendering = Rendering(format, prelabel=prelabeller(spec, format))
    if format == "yolo" and folder is not None:
        _check_free(folder)
    return rendering


def _check_free(folder: Path) -> None:
    for path in (folder / "data.yaml", folder / "labels"):
        if path.exists():
            raise DataError(
                f"{path}: is there already, and labels are never overwritten",
                hint="name another folder with --out, or move it away",
            )


def _check_video(source: Sequence[str], format: str | None, mask: MaskOptions) -> None:
    for name in masks_of(mask):
        raise ConfigError(f"--{name.replace('_', '-')} is for pictures, not for a video", hint="leave it out")
    if format in ("coco", "yolo", "npz"):
        raise ConfigError(f"--format {format} is for pictures, a video has events", hint="use json or csv")
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
