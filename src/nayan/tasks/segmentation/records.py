"""What is said of a mask: rows for JSON and CSV, and files that other tools read."""

# H rows, W columns of the original picture

from __future__ import annotations

import base64
import binascii
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage

from nayan.core import rle
from nayan.core.errors import ConfigError, FormatError, ShapeError
from nayan.core.outline import Ring, polygons
from nayan.core.types import VOID, SemanticMask
from nayan.runtime.fsio import write_file
from nayan.tasks.segmentation.colours import colour_table, is_ground

Form = Literal["ids", "colour", "rle", "polygons"]
"""A kind of file; see `mask_files`."""

TOLERANCE_PX = 0.75
"""Of polygons: the steps of a slanting border become a line, and the area changes by about 1 %."""

_MOST_PIXELS = 2**26
"""Of a packed mask that is read."""


def rows(
    prediction: SemanticMask,
    classes: Sequence[str],
    *,
    conf: float | None = None,
    top: int = VOID,
    mm_per_px: float | None = None,
    mask: Literal["rle", "polygons"] | None = None,
    tolerance: float = TOLERANCE_PX,
) -> list[dict[str, Any]]:
    """Return one row for each class that is in the picture, the largest first.

    Args:
        prediction: of one picture, in pixels of the original.
        classes: names in the order of the ids.
        conf: the least score that is shown; None shows all.
        top: the largest number of rows.
        mm_per_px: how wide a pixel is in mm, where that is known.
        mask: as what the pixels of each class are added; None leaves them out.
        tolerance: of polygons, in px: see `core.outline.polygons`.

    Returns:
        `{"label", "score", "area", "share"}` each: the mean probability of the class over its own pixels (1
        for ground truth), their number, and their share of the picture. With a scale also "area_mm2". With
        "rle" `"mask": {"size": [H, W], "counts": text}` as COCO has it; with "polygons" `"mask": [{"outer":
        [[x, y], ...], "holes": [[[x, y], ...], ...]}, ...]`, one a connected part, the largest first.

    Raises:
        ShapeError: if a class has no name.
        ConfigError: if the scale is not above 0, or `top` is below 1.

    >>> half = SemanticMask(np.array([[0, 1]], np.uint8), np.array([[0.5, 1.0]], np.float32))
    >>> rows(half, ["sky", "road"], mm_per_px=2.0, top=1)
    [{'label': 'sky', 'score': 0.5, 'area': 1, 'share': 0.5, 'area_mm2': 4.0}]
    """
    if top < 1 or (mm_per_px is not None and not 0 < mm_per_px < np.inf):
        raise ConfigError(f"top = {top}, {mm_per_px} mm a pixel: at least one row, and more than 0 mm")
    ids = prediction.ids.ravel()
    areas = np.bincount(ids, minlength=VOID + 1)[:VOID]
    present = np.flatnonzero(areas)
    if len(present) and present[-1] >= len(classes):
        raise ShapeError(f"class {present[-1]} needs a name, there are {len(classes)}")
    weights = None if prediction.scores is None else prediction.scores.ravel()
    sums = np.bincount(ids, weights=weights, minlength=VOID + 1)
    found = []
    for index in sorted(present.tolist(), key=lambda index: -int(areas[index])):
        area, score = int(areas[index]), min(1.0, float(sums[index] / areas[index]))
        if conf is not None and score < conf:
            continue
        row = {"label": classes[index], "score": score, "area": area, "share": area / len(ids)}
        if mm_per_px is not None:
            row["area_mm2"] = area * mm_per_px**2
        if mask is not None:
            row["mask"] = _shape(prediction.ids == index, mask, tolerance=tolerance)
        found.append(row)
    return found[:top]


def mask_files(
    prediction: SemanticMask,
    classes: Sequence[str],
    forms: Sequence[Form],
    *,
    mm_per_px: float | None = None,
    tolerance: float = TOLERANCE_PX,
) -> dict[str, bytes]:
    """Return the bytes of each file by the end of its name.

    | form | end of the name | holds |
    |---|---|---|
    | ids | .ids.png | one gray byte a pixel: the number of the class, 255 where nothing is known |
    | colour | .colour.png | a palette: the same numbers, shown in the colours of the overlay |
    | rle | .rle.json | `{"size", "classes", "predictions"}` with the rows of `rows` |
    | polygons | .polygons.json | the same with polygons; a background has none |

    Args:
        prediction: of one picture.
        classes: names.
        forms: which files.
        mm_per_px: as for `rows`.
        tolerance: as for `rows`.

    Raises:
        ConfigError: for an unknown form.
    """
    unknown = [form for form in forms if form not in get_args(Form)]
    if unknown:
        raise ConfigError(
            f"no form of masks is named {unknown[0]!r}", hint=f"known: {', '.join(get_args(Form))}"
        )
    files: dict[str, bytes] = {}
    for form in dict.fromkeys(forms):
        if form == "ids":
            files[".ids.png"] = ids_png(prediction.ids)
        elif form == "colour":
            files[".colour.png"] = colour_png(prediction.ids, classes)
        else:
            found = rows(prediction, classes, mm_per_px=mm_per_px, mask=form, tolerance=tolerance)
            shown = [row for row in found if form == "rle" or not is_ground(row["label"])]
            document = {"size": list(prediction.size), "classes": list(classes), "predictions": shown}
            files[f".{form}.json"] = json.dumps(document, ensure_ascii=False).encode()
    return files


def write_masks(files: Mapping[str, bytes], folder: Path, name: str) -> list[Path]:
    """Write what `mask_files` returned under a name; return the paths."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{name}{end}" for end in files]
    for path, content in zip(paths, files.values(), strict=True):
        write_file(path, content)
    return paths


def ids_png(ids: NDArray[np.uint8]) -> bytes:
    """Return a gray PNG whose values are the classes."""
    return _png(PillowImage.fromarray(ids))


def colour_png(ids: NDArray[np.uint8], classes: Sequence[str]) -> bytes:
    """Return a PNG in the colours of the classes that still holds their numbers, as a palette."""
    image = PillowImage.fromarray(ids).convert("P")
    image.putpalette(colour_table(classes).tobytes())
    return _png(image)


def packed(ids: NDArray[np.uint8], *, side: int) -> str:
    """Return a small copy of a mask as text for JSON: a gray PNG in base64.

    Args:
        ids: (H, W) uint8.
        side: the longer side of the copy in px; a smaller mask stays as it is. Classes are picked, not mixed.
    """
    height, width = ids.shape
    scale = min(1.0, side / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    small = PillowImage.fromarray(ids).resize(size, PillowImage.Resampling.NEAREST)
    return base64.b64encode(_png(small)).decode("ascii")


def unpacked(text: str) -> NDArray[np.uint8]:
    """Return the (h, w) mask of `packed`.

    Raises:
        FormatError: if the text holds no such mask.

    >>> unpacked(packed(np.array([[0, 255]], np.uint8), side=9)).tolist()
    [[0, 255]]
    """
    try:
        image = PillowImage.open(io.BytesIO(base64.b64decode(text, validate=True)), formats=("PNG",))
        if image.mode != "L" or image.width * image.height > _MOST_PIXELS:
            raise FormatError(f"a packed mask is a gray PNG, got {image.mode} of {image.size} pixels")
        return np.array(image, np.uint8)
    except (binascii.Error, ValueError, OSError, SyntaxError) as error:
        if isinstance(error, FormatError):
            raise
        raise FormatError(
            f"a packed mask cannot be read: {error}", hint="evaluate the model again"
        ) from error


def _shape(mask: NDArray[np.bool_], form: str, *, tolerance: float) -> Any:
    if form == "rle":
        return rle.encode(mask)
    return [
        {"outer": _corners(part.outer), "holes": [_corners(hole) for hole in part.holes]}
        for part in polygons(mask, tolerance=tolerance)
    ]


def _corners(ring: Ring) -> list[list[float]]:
    return [[float(x), float(y)] for x, y in ring]


def _png(image: PillowImage.Image) -> bytes:
    stream = io.BytesIO()
    image.save(stream, "PNG")
    return stream.getvalue()
