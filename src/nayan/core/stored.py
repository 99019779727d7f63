"""The numbers that a picture file stores, for pictures whose pixels are no colours: masks of classes.

What `nayan.core.image` does to show a picture (palettes resolved, 16 bits scaled, alpha laid on white) would
destroy them.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage

from nayan.core.errors import FormatError
from nayan.core.image import as_stored
from nayan.core.magic import HEAD_BYTES
from nayan.core.pixels import turned

_LOSSY = frozenset({"JPEG", "MPO", "JPEG2000"})
_GRAY_SPREAD = 24  # levels by which compression may part the channels of a gray picture
_PNG_DEPTH, _PNG_COLOUR = 24, 25  # bytes of a PNG's header
_STEPS = {2: 85, 4: 17}  # by which Pillow spreads gray of so many bits over 0 to 255


@dataclass(frozen=True, slots=True, eq=False)
class Stored:
    """What a file stores of each pixel.

    Attributes:
        values: (H, W) upright; uint8, or int32 of wider numbers and of colours as 0xRRGGBB. Alpha is ignored.
        coloured: the values are colours.
        palette: (N,) int32 colours of the values where these are indices; None where they are not.
        lossy: the file was compressed so that values changed.
    """

    values: NDArray[Any]
    coloured: bool = False
    palette: NDArray[np.int32] | None = None
    lossy: bool = False


def open_stored(path: Path) -> Stored:
    """Decode the numbers that a picture file stores, upright.

    Raises:
        FormatError: as `open_image` does, or if the numbers are fractions.
    """
    with as_stored(path) as (image, orientation):
        lossy = str(image.format) in _LOSSY
        if image.mode in ("P", "PA"):
            values = np.asarray(image if image.mode == "P" else image.getchannel(0))
            colours = np.asarray(image.getpalette("RGB") or [], np.uint8).reshape(-1, 3)
            return Stored(turned(values, orientation), palette=packed(colours))
        if image.mode in ("1", "L", "LA", "La", "I", "F") or image.mode.startswith("I;"):
            values = np.asarray(image.getchannel(0) if len(image.getbands()) > 1 else image)
            return Stored(turned(_whole(values, path), orientation), lossy=lossy)
        colours = np.asarray(_rgb(image))[..., :3]
    if lossy and int(np.ptp(colours, axis=2).max()) <= _GRAY_SPREAD:
        return Stored(turned(colours[..., 1], orientation), lossy=True)
    return Stored(turned(packed(colours), orientation), coloured=True, lossy=lossy)


def packed(colours: NDArray[np.uint8]) -> NDArray[np.int32]:
    """Return (..., 3) colours as one number each.

    >>> f"{int(packed(np.array([128, 0, 64], np.uint8))):06x}"
    '800040'
    """
    wide = colours.astype(np.int32)
    joined: NDArray[np.int32] = wide[..., 0] << 16 | wide[..., 1] << 8 | wide[..., 2]
    return joined


def _rgb(image: PillowImage.Image) -> PillowImage.Image:
    return image if image.mode in ("RGB", "RGBA", "RGBX", "RGBa") else image.convert("RGB")


def _whole(values: NDArray[Any], path: Path) -> NDArray[Any]:
    """Return whole numbers as uint8 or int32."""
    if values.dtype == np.uint8:
        step = _STEPS.get(_gray_bits(path), 1)
        return values // step if step > 1 else values
    if values.dtype == np.bool_:
        return values.astype(np.uint8)
    if values.dtype.kind == "f" and not (np.isfinite(values) & (values == np.round(values))).all():
        raise FormatError(f"{path}: the pixels are fractions, expected the numbers of classes",
                          hint="save the mask as PNG, with one whole number a pixel")  # fmt: skip
    return values.astype(np.int32)


def _gray_bits(path: Path) -> int:
    """Return how many bits a gray PNG has a pixel; 8 for any other file."""
    with path.open("rb") as stream:
        head = stream.read(HEAD_BYTES)
    is_gray_png = head[:4] == b"\x89PNG" and len(head) > _PNG_COLOUR and head[_PNG_COLOUR] == 0
    return head[_PNG_DEPTH] if is_gray_png else 8
