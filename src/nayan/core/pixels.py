"""From the modes and orientations in which files store pixels to upright 8-bit RGB.

The second half of `nayan.core.image`, whose head says what is done and why.
"""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage

from nayan.core.types import Image

_BITS_PER_SAMPLE, _PHOTOMETRIC, _SAMPLE_FORMAT = 258, 262, 339  # TIFF tags
_WHITE_IS_ZERO, _UNSIGNED = 0, 1

# How stored rows and columns become upright: (swap the axes first, reverse rows, reverse columns).
_TURNS = {
    2: (False, False, True),
    3: (False, True, True),
    4: (False, True, False),
    5: (True, False, False),
    6: (True, False, True),
    7: (True, True, True),
    8: (True, True, False),
}


def to_rgb(image: PillowImage.Image) -> PillowImage.Image:
    """Convert a loaded picture of any mode to RGB; transparency is laid on white.

    >>> to_rgb(PillowImage.new("LA", (1, 1), (0, 0))).getpixel((0, 0))
    (255, 255, 255)
    """
    if image.mode in ("I", "F") or image.mode.startswith("I;"):
        image = to_eight_bits(image)
    elif image.mode == "CMYK":
        return _cmyk_to_rgb(image)
    elif image.has_transparency_data:
        layer = image.convert("RGBA")
        image = PillowImage.new("RGB", image.size, "white")
        image.paste(layer, mask=layer)
    return image if image.mode == "RGB" else image.convert("RGB")


def to_eight_bits(image: PillowImage.Image) -> PillowImage.Image:
    """Scale a gray picture of 16 or 32 bits a pixel to 8 by its range of values.

    >>> wide = PillowImage.fromarray(np.array([[0, 32768, 65535]], np.uint16))
    >>> np.asarray(to_eight_bits(wide)).tolist()
    [[0, 128, 255]]
    """
    tags: Any = getattr(image, "tag_v2", {})
    bits = tags.get(_BITS_PER_SAMPLE, (16,))[0]
    values: NDArray[Any] = np.asarray(image)
    if bits == 32 and tags.get(_SAMPLE_FORMAT, (_UNSIGNED,))[0] == _UNSIGNED:
        values = values.view(np.uint32)  # Pillow keeps these bits in a signed type
    if image.mode.startswith("I;") or image.format == "PPM":
        low, high = 0.0, float(2**bits - 1)
    else:
        low, high = _usual_range(values)
    with np.errstate(all="ignore"):  # infinities and NaN are dealt with in the next line
        scaled = values.astype(np.float32) * (255 / (high - low)) - low * 255 / (high - low) + 0.5
        pixels = np.clip(np.nan_to_num(scaled, nan=0.0), 0, 255).astype(np.uint8)
    if tags.get(_PHOTOMETRIC) == _WHITE_IS_ZERO:
        pixels = 255 - pixels  # Pillow does this for 8 bits only
    transparent = image.info.get("transparency")
    if isinstance(transparent, int):
        pixels[values == transparent] = 255
    return PillowImage.fromarray(pixels)


def _usual_range(values: NDArray[Any]) -> tuple[float, float]:
    """Return the (black, white) of values whose type has no range that means white."""
    finite = values[np.isfinite(values)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)
    limits = (1.0, 255.0, 65535.0) if values.dtype.kind == "f" else (255.0, 65535.0)
    if low >= 0 and high <= limits[-1]:
        return 0.0, next(limit for limit in limits if high <= limit)
    return low, high if high > low else low + 1


def _cmyk_to_rgb(image: PillowImage.Image) -> PillowImage.Image:
    """Convert through the embedded CMYK profile; plainly if there is none or it cannot be used."""
    profile = image.info.get("icc_profile")
    if profile:
        from PIL import ImageCms

        try:
            embedded = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            transform = ImageCms.buildTransform(embedded, ImageCms.createProfile("sRGB"), "CMYK", "RGB")
            return transform.apply(image)
        except (ImageCms.PyCMSError, OSError):
            pass  # a broken profile, or one of another colour space, must not stop good pixels
    return image.convert("RGB")


def valid_orientation(value: object) -> int:
    """Return an EXIF orientation, 1 to 8; 1 for anything else that was found in its place.

    >>> [valid_orientation(value) for value in (6, 0, 9, "6", (6,), None)]
    [6, 1, 1, 1, 1, 1]
    """
    return value if isinstance(value, int) and value in _TURNS else 1


def upright(pixels: Image, orientation: int) -> Image:
    """Turn and mirror stored (H, W, 3) pixels as the EXIF orientation asks; the result is contiguous.

    >>> stored = np.arange(6, dtype=np.uint8).reshape(1, 2, 3)
    >>> upright(stored, 6).shape, upright(stored, 2)[0, 0].tolist()
    ((2, 1, 3), [3, 4, 5])
    """
    if orientation == 1:
        return pixels
    whole = pixels.view("V3")[..., 0]  # one item a pixel: copying turned rows is then twice as fast
    return turned(whole, orientation)[..., None].view(np.uint8)


def turned(values: NDArray[Any], orientation: int) -> NDArray[Any]:
    """Turn and mirror stored (H, W) values of any type as the EXIF orientation asks; contiguous.

    >>> turned(np.array([[1, 2]]), 6).tolist()
    [[1], [2]]
    """
    if orientation == 1:
        return np.ascontiguousarray(values)
    swap, rows, columns = _TURNS[orientation]
    return np.ascontiguousarray((values.T if swap else values)[:: -1 if rows else 1, :: -1 if columns else 1])
