"""From a picture of any size to the pixels that a network takes; and where they lie in the original.

The same frozen value is used by training, validation, prediction and the exported runtime. Resizing
is Pillow's antialiased one, in 8 bits, so that the result is the same on every machine; the
normalisation by `mean` and `std` happens inside the network.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage

from nayan.core.errors import ConfigError, ShapeError
from nayan.core.types import Image, Size

Fit = Literal["stretch", "crop", "letterbox", "cut"]
Interpolation = Literal["bilinear", "bicubic"]

LETTERBOX_GRAY = 114
MAX_SIDE = 8192
"""Of a network's input, in pixels: a description from elsewhere must not fill the memory."""


@dataclass(frozen=True, slots=True)
class Placement:
    """How a picture was laid into the network's input: `input = original * scale + offset`.

    Attributes:
        original: (height, width) of the upright picture.
        scale: (y, x) factors.
        offset: (y, x) in input pixels; negative where the picture was cropped.
    """

    original: Size
    scale: tuple[float, float]
    offset: tuple[float, float]

    def into_input(self, xyxy: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return (N, 4) boxes of the original in pixels of the network's input.

        >>> half = Placement((8, 8), (0.5, 0.5), (0.0, 2.0))
        >>> half.into_input(np.array([[0, 0, 8, 4]], np.float32)).tolist()
        [[2.0, 0.0, 6.0, 2.0]]
        """
        scale, offset = self._as_xyxy()
        return (xyxy * scale + offset).astype(np.float32)

    def into_original(self, xyxy: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return (N, 4) boxes of the network's input in pixels of the original, cut to the picture."""
        scale, offset = self._as_xyxy()
        height, width = self.original
        placed = (xyxy - offset) / scale
        return np.clip(placed, 0, [width, height, width, height]).astype(np.float32)

    def _as_xyxy(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        return np.array([self.scale[1], self.scale[0]] * 2), np.array([self.offset[1], self.offset[0]] * 2)


@dataclass(frozen=True, slots=True)
class Preprocess:
    """Resize a picture to the size of a network's input.

    Attributes:
        size: (height, width) of the input.
        fit: "stretch" changes the aspect; "crop" keeps it and takes the centre; "letterbox" keeps it
            and pads with gray; "cut" takes the centre in the picture's own pixels, and enlarges only pictures
            that are smaller than that.
        crop_ratio: for "crop": the shorter side is first resized to `size / crop_ratio`.
        mean, std: per channel, for pixels in [0, 1]; applied inside the network.
        channels: 3 for RGB, 1 for gray (ITU-R 601 luma).
        interpolation: of the antialiased resize.
    """

    size: Size
    fit: Fit = "crop"
    crop_ratio: float = 1.0
    mean: tuple[float, ...] = (0.485, 0.456, 0.406)
    std: tuple[float, ...] = (0.229, 0.224, 0.225)
    channels: int = 3
    interpolation: Interpolation = "bilinear"

    def __post_init__(self) -> None:
        if self.channels not in (1, 3):
            raise ConfigError(f"a network takes 1 or 3 channels, got {self.channels}")
        if not (len(self.mean) == len(self.std) == self.channels):
            raise ConfigError(f"mean and std need {self.channels} values, got {self.mean} and {self.std}")
        sides_px = [side for side in self.size if isinstance(side, int) and 1 <= side <= MAX_SIDE]
        if len(self.size) != 2 or len(sides_px) != 2 or not 0 < self.crop_ratio <= 1:
            raise ConfigError(f"impossible preprocessing: size {self.size}, crop_ratio {self.crop_ratio}")
        if self.fit not in get_args(Fit) or self.interpolation not in get_args(Interpolation):
            raise ConfigError(f"unknown fit {self.fit!r} or interpolation {self.interpolation!r}")

    def __call__(self, image: Image, original: Size | None = None) -> tuple[NDArray[np.uint8], Placement]:
        """Return ((h, w, channels) uint8 network pixels, placement) of an (H, W, 3) uint8 RGB picture.

        Args:
            image: the picture, or a smaller version of it.
            original: (height, width) of the whole picture where `image` is smaller; places refer to it.

        Raises:
            ShapeError: if the picture is not (H, W, 3) uint8.
        """
        check_image(image)
        box, placed, offset = self.window(image.shape[:2])
        pixels = resize(image, placed, box=box, interpolation=self.interpolation)
        if placed != self.size:
            canvas = np.full((*self.size, 3), LETTERBOX_GRAY, np.uint8)
            top, left = int(offset[0]), int(offset[1])
            canvas[top : top + placed[0], left : left + placed[1]] = pixels
            pixels = canvas
        place = self.placement((image.shape[0], image.shape[1]))
        if original is not None:
            (y, x), (height, width) = place.scale, place.original
            place = Placement(original, (y * height / original[0], x * width / original[1]), place.offset)
        return to_channels(pixels, self.channels), place

    def placement(self, original: Size) -> Placement:
        """Return how a picture of this (height, width) lies in the network's input."""
        box, placed, offset = self.window(original)
        scale = (placed[0] / (box[3] - box[1]), placed[1] / (box[2] - box[0]))
        return Placement(original, scale, (offset[0] - box[1] * scale[0], offset[1] - box[0] * scale[1]))

    def at_least(self, original: Size | None = None) -> Size:
        """Return the (height, width) below which a decoder must not shrink a picture.

        Args:
            original: of the picture. A letterbox is filled in one direction only, so that knowing the aspect
                saves pixels.
        """
        if self.fit == "letterbox" and original is not None:
            return self.window(original)[1]
        if self.fit == "cut":
            return MAX_SIDE, MAX_SIDE
        if self.fit != "crop":
            return self.size
        return (round(self.size[0] / self.crop_ratio), round(self.size[1] / self.crop_ratio))

    def window(self, original: Size) -> tuple[tuple[float, float, float, float], Size, tuple[float, float]]:
        """Return (source box x1 y1 x2 y2, size of the resized part, its (y, x) offset in the input)."""
        (height, width), (target_h, target_w) = original, self.size
        if self.fit == "stretch":
            return (0.0, 0.0, width, height), self.size, (0.0, 0.0)
        if self.fit == "letterbox":
            scale = min(target_h / height, target_w / width)
            placed = (max(1, round(height * scale)), max(1, round(width * scale)))
            offset = ((target_h - placed[0]) // 2, (target_w - placed[1]) // 2)
            return (0.0, 0.0, width, height), placed, offset
        scale = max(target_h / height, target_w / width) / self.crop_ratio
        if self.fit == "cut":
            scale = max(1.0, target_h / height, target_w / width)
        crop_w, crop_h = min(width, target_w / scale), min(height, target_h / scale)
        left, top = (width - crop_w) / 2, (height - crop_h) / 2
        if self.fit == "cut":  # whole pixels, which stay as they are
            left, top = float(int(left)), float(int(top))
        return (left, top, left + crop_w, top + crop_h), self.size, (0.0, 0.0)

    def to_json(self) -> dict[str, Any]:
        """Return a JSON-serialisable mapping that `from_json` reads back to an equal value."""
        return asdict(self)

    @classmethod
    def from_json(cls, record: dict[str, Any]) -> Preprocess:
        """Read what `to_json` wrote."""
        fields: dict[str, Any] = {
            key: tuple(value) if isinstance(value, list) else value for key, value in record.items()
        }
        return cls(**fields)


def check_image(image: Image) -> None:
    """Raise ShapeError unless `image` is an (H, W, 3) uint8 array with at least one pixel."""
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or 0 in image.shape:
        raise ShapeError(
            f"a picture is (H, W, 3) uint8 RGB, got {image.shape} {image.dtype}",
            hint="read files with nayan.core.image.open_image; multiply floats in [0, 1] by 255 yourself",
        )


def resize(
    image: Image,
    size: Size,
    *,
    box: tuple[float, float, float, float] | None = None,
    interpolation: Interpolation = "bilinear",
) -> Image:
    """Resize the part `box` (x1, y1, x2, y2; pixels, fractions allowed) of a picture to `size`, antialiased.

    >>> resize(np.zeros((4, 8, 3), np.uint8), (2, 2)).shape
    (2, 2, 3)
    """
    height, width = image.shape[:2]
    if size == (height, width) and box in (None, (0, 0, width, height)):
        return image
    method = PillowImage.Resampling[interpolation.upper()]
    resized = PillowImage.fromarray(image).resize((size[1], size[0]), method, box=box)
    return np.asarray(resized)


def to_channels(pixels: Image, channels: int) -> NDArray[np.uint8]:
    """Return (h, w, 3) unchanged for 3 channels, or its (h, w, 1) ITU-R 601 luma for 1."""
    if channels == 3:
        return pixels
    return np.asarray(PillowImage.fromarray(pixels).convert("L"))[:, :, None]
