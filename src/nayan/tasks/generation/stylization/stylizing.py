"""Photographs painted file by file, by a network that learnt one style. No torch.

The network looks at a picture no larger than its strokes allow: what a photograph has beyond that, its fine
detail, is kept in the brightness of the painting.
"""

# (H, W) size of a picture

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image as PillowImage

from nayan.core.errors import ConfigError, DataError
from nayan.core.types import Image, Sample
from nayan.data.results import QUALITY, result_files
from nayan.runtime.predictor import Backend
from nayan.runtime.preprocess import Placement, resize
from nayan.tasks.generation.pictures import decode_pictures
from nayan.tasks.generation.stylization.colours import luminance, with_colours_of

STRIDE = 4
"""Of the networks: the sides of what they take are multiples of it."""
SIDES = (32, 4096)
"""Least and most pixels of the longer side at which a picture is painted: beyond, it takes gigabytes."""
USUAL_SIDE = 1024
"""Most pixels of the longer side at which a network paints unless it is told: its strokes are small."""
DETAIL = 0.5
"""Share of the fine detail that is kept: without it a painting is blurred, with all of it a photograph."""

Paint = Callable[[Image], Image]
"""From a photograph (H, W, 3) to its painting of the same size."""


def painter(run: Backend, *, size: int | None = None, keep_colours: bool = False) -> Paint:
    """Return a trained stylist as something that turns pictures into paintings of their size.

    Args:
        run: of a bundle whose graph takes a "photograph" of any size.
        size: pixels of the longer side at which it paints; None: the picture's own, up to 1024.
        keep_colours: whether only the brightness is painted.

    Raises:
        ConfigError: for an impossible size.
    """
    side = USUAL_SIDE if size is None else checked_side(size)

    def paint(photograph: Image) -> Image:
        seen = sized(photograph, min(side, max(photograph.shape[:2])))
        painting = full_size(_painted(run, seen), photograph)
        return with_colours_of(photograph, painting) if keep_colours else painting

    return paint


def checked_side(size: int) -> int:
    """Return a size that pictures can be painted at; raise ConfigError for another one."""
    if not SIDES[0] <= size <= SIDES[1]:
        raise ConfigError(
            f"--size {size}: pictures are painted at {SIDES[0]} to {SIDES[1]} px", hint="512 is usual"
        )
    return size


def sized(image: Image, side: int) -> Image:
    """Return a picture whose longer side is `side`.

    >>> sized(np.zeros((40, 80, 3), np.uint8), 20).shape
    (10, 20, 3)
    """
    scale = side / max(image.shape[:2])
    size = (max(1, round(image.shape[0] * scale)), max(1, round(image.shape[1] * scale)))
    return resize(image, size, interpolation="bicubic")


def full_size(painting: Image, photograph: Image) -> Image:
    """Return a painting as large as its photograph, with the fine detail of its brightness.

    Args:
        painting: (h, w, 3), of the photograph made smaller to that size; or as large as it, and returned as
        it is.
        photograph: (H, W, 3).
    """
    size, small = photograph.shape[:2], painting.shape[:2]
    if size == small:
        return painting
    coarse = resize(resize(photograph, small, interpolation="bicubic"), size, interpolation="bicubic")
    detail = luminance(photograph) - luminance(coarse)  # (H, W)
    large = resize(painting, size, interpolation="bicubic") + DETAIL * detail[..., None]
    return large.clip(0, 255).round().astype(np.uint8)


def stylize_files(samples: Sequence[Sample], paint: Paint, *, out: Path) -> list[dict[str, Any]]:
    """Write the painting of each picture file; one that cannot be read does not stop the others.

    Args:
        samples: files.
        paint: makes the paintings.
        out: a file for one picture, or a folder.

    Returns:
        `{"source", "file", "size": [height, width], "seconds"}` each, or `{"source", "error"}`.

    Raises:
        ConfigError: if `out` does not fit.
    """
    records: list[dict[str, Any]] = []
    for sample, file in zip(samples, result_files(samples, out), strict=True):
        begun = time.monotonic()
        try:
            photograph = sample.load()
        except DataError as error:
            records.append({"source": sample.id, "error": error.message})
            continue
        painting = paint(photograph)
        file.parent.mkdir(parents=True, exist_ok=True)
        PillowImage.fromarray(painting).save(file, quality=QUALITY)
        seconds = round(time.monotonic() - begun, 3)
        records.append(
            {"source": sample.id, "file": str(file), "size": list(painting.shape[:2]), "seconds": seconds}
        )
    return records


def _painted(run: Backend, seen: Image) -> Image:
    """Return what the network makes of a picture, whose sides need not be multiples of its stride."""
    height, width = seen.shape[:2]
    margins = ((0, -height % STRIDE), (0, -width % STRIDE), (0, 0))
    pixels = np.pad(seen, margins, mode="symmetric")[None]
    placement = Placement((height, width), (1.0, 1.0), (0.0, 0.0))
    (made,) = decode_pictures(run(pixels, photograph=pixels), [placement])
    return np.ascontiguousarray(made.pixels[:height, :width])
