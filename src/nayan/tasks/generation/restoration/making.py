"""Picture files restored by a trained model: what is read, and where it is written."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage

from nayan.core.errors import ConfigError, DataError
from nayan.core.image import open_image
from nayan.core.types import Image, Sample, Size
from nayan.data.results import QUALITY, result_files
from nayan.runtime.predictor import Predictor
from nayan.tasks.generation.restoration.filling import Box, boxes_mask, check_fills, fill
from nayan.tasks.generation.restoration.upscaling import enlarge, scale_of

WHITE = 128
"""Gray value from which on a pixel of a mask means: to be filled."""


def enlarge_files(predictor: Predictor, samples: Iterable[Sample], *, out: Path) -> list[dict[str, Any]]:
    """Write each picture larger; one that cannot be read does not stop the others.

    Args:
        predictor: of a model that enlarges.
        samples: files.
        out: a file for one picture, or a folder, where results are PNG.

    Returns:
        `{"source", "file", "size": [h, w]}` each, or `{"source", "error"}`.

    Raises:
        ConfigError: if the model does not enlarge, or `out` does not fit.
    """
    scale_of(predictor.spec)
    listed = list(samples)
    records: list[dict[str, Any]] = []
    for sample, file in zip(listed, result_files(listed, out, suffix=".png"), strict=True):
        try:
            large = enlarge(predictor, sample.load())
        except DataError as error:
            records.append({"source": sample.id, "error": error.message})
            continue
        _write(large, file)
        records.append({"source": sample.id, "file": str(file), "size": list(large.shape[:2])})
    return records


def fill_file(
    predictor: Predictor, sample: Sample, *, mask: Path | None, boxes: Sequence[str], out: Path
) -> dict[str, Any]:
    """Write a picture with its holes filled.

    Args:
        predictor: of a model that fills.
        sample: a file.
        mask: a picture as large as that, white where it is to be filled.
        boxes: "left,top,right,bottom" in px, in place of a mask or with one.
        out: a file.

    Returns:
        `{"source", "file", "size": [h, w], "filled"}`, the last the share of the picture.

    Raises:
        ConfigError: if the model does not fill, or there is neither mask nor box, or one that cannot be.
        DataError: if a file cannot be read, or the mask has another size, or nothing is to be filled.
    """
    check_fills(predictor.spec)
    if mask is None and not boxes:
        raise ConfigError("nothing says what is to be filled", hint="give --mask FILE or --box x1,y1,x2,y2")
    (file,) = result_files([sample], out, suffix=".png")
    image = sample.load()
    size = (image.shape[0], image.shape[1])
    missing = boxes_mask(size, [parse_box(box) for box in boxes])
    if mask is not None:
        missing |= _read_mask(mask, size)
    _write(fill(predictor, image, missing), file)
    return {
        "source": sample.id,
        "file": str(file),
        "size": list(size),
        "filled": round(float(missing.mean()), 6),
    }


def parse_box(text: str) -> Box:
    """Return the numbers of "left,top,right,bottom".

    Raises:
        ConfigError: if it is something else.

    >>> parse_box("10, 20,30,40")
    (10, 20, 30, 40)
    """
    parts = text.split(",")
    try:
        left, top, right, bottom = (int(part) for part in parts)
    except ValueError as error:
        raise ConfigError(
            f"--box {text}: expected four whole numbers", hint="left,top,right,bottom in pixels: 10,20,80,60"
        ) from error
    return left, top, right, bottom


def _read_mask(path: Path, size: Size) -> NDArray[np.bool_]:
    found = open_image(path)
    if found.shape[:2] != size:
        raise DataError(
            f"{path}: is {found.shape[1]}x{found.shape[0]} px, the picture is {size[1]}x{size[0]}",
            hint="a mask is as large as its picture",
        )
    marked: NDArray[np.bool_] = found.mean(axis=2) >= WHITE
    return marked


def _write(image: Image, file: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    PillowImage.fromarray(image).save(file, quality=QUALITY)
