"""Augmentation of pictures with objects in them: whatever moves a picture moves its boxes along.

Pictures are only scaled, shifted and mirrored, so that a box stays the tightest box around its object.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from nayan.core.types import Boxes, Image, Size
from nayan.runtime.preprocess import LETTERBOX_GRAY
from nayan.training.recolour import Recolour

Rng = np.random.Generator

VISIBLE = 0.25
"""Share of an object's area below which what a cut left of it is no longer that object."""
LEAST_SIDE = 2.0
"""Pixels of the network's input: what is narrower cannot be told from noise."""


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """A picture with the places of its objects in it.

    Attributes:
        image: (H, W, 3) uint8.
        boxes: in pixels of `image`.
    """

    image: Image
    boxes: Boxes


@dataclass(frozen=True, slots=True)
class SceneAugment:
    """What may happen to a training picture with objects. The default changes nothing.

    Attributes:
        mosaic: probability that four pictures are put together (Bochkovskiy et al. 2020, arXiv:2004.10934).
        mixup: Beta parameter of a blend with another picture, whose objects are all kept (Zhang et al. 2019,
            arXiv:1902.04103); half of the pictures are blended. 0 = off.
        scale: (least, most) factor on the size at which a picture just fits; its logarithm is uniform.
        flip: probability of a mirror image.
        upside_down: probability of exchanging top and bottom.
        hue_deg: largest shift of the hue, either way.
        saturation, brightness: largest relative change.
        calm: share of the epochs, the last ones, without mosaic and mixup, so that training ends on pictures
            as they will be met (Ge et al. 2021, arXiv:2107.08430).
    """

    mosaic: float = 0.0
    mixup: float = 0.0
    scale: tuple[float, float] = (1.0, 1.0)
    flip: float = 0.0
    upside_down: float = 0.0
    hue_deg: float = 0.0
    saturation: float = 0.0
    brightness: float = 0.0
    calm: float = 0.15

    @property
    def partners(self) -> int:
        """How many other pictures `compose` needs at most."""
        return (7 if self.mixup else 3) if self.mosaic else int(self.mixup > 0)

    def compose(self, scenes: Sequence[Scene], rng: Rng, *, size: Size, calm: bool = False) -> Scene:
        """Return one training picture of `size` made of the first of `scenes`, and of others where it mixes.

        Args:
            scenes: the picture itself and `partners` others; the others are not needed when `calm`.
            rng: decides everything.
            size: (height, width) of the result.
            calm: without mosaic and mixup.
        """
        first, others = scenes[0], scenes[1:]
        if not calm and rng.random() < self.mosaic:
            result = self._mosaic([first, *others[:3]], rng, size)
        else:
            result = self._single(first, rng, size)
        if self.mixup and not calm and rng.random() < 0.5:
            second = others[-4:] if self.mosaic else others[-1:]
            other = (
                self._mosaic(second, rng, size) if len(second) == 4 else self._single(second[0], rng, size)
            )
            share = rng.beta(self.mixup, self.mixup)
            image = cv2.addWeighted(result.image, share, other.image, 1 - share, 0)
            result = Scene(np.asarray(image), join([result.boxes, other.boxes]))
        mirrored = self._mirror(result, rng)
        recolour = Recolour(self.hue_deg, self.saturation, self.brightness)
        return replace(mirrored, image=recolour(mirrored.image, rng))

    def _single(self, scene: Scene, rng: Rng, size: Size) -> Scene:
        """Lay one picture somewhere on the canvas: parts may be cut off, or gray left around it."""
        zoom = _fit(scene.image, size) * math.exp(rng.uniform(*np.log(self.scale)))
        room = np.array(size) - np.array(scene.image.shape[:2]) * zoom  # negative where the picture is larger
        if self.scale == (1.0, 1.0):
            top, left = np.floor(room / 2)  # as a letterbox
        else:
            top, left = rng.uniform(np.minimum(room, 0), np.maximum(room, 0))
        canvas = _canvas(size)
        return Scene(canvas, _lay(canvas, scene, zoom, (float(top), float(left)), (0, 0, *size)))

    def _mosaic(self, scenes: Sequence[Scene], rng: Rng, size: Size) -> Scene:
        """Lay four pictures into the quarters around a random point, each with a corner at the point."""
        canvas = _canvas(size)
        height, width = size
        middle_y, middle_x = (round(side * rng.uniform(0.3, 0.7)) for side in size)
        quarters = (
            (0, 0, middle_y, middle_x),
            (0, middle_x, middle_y, width),
            (middle_y, 0, height, middle_x),
            (middle_y, middle_x, height, width),
        )
        found = []
        for number, (scene, quarter) in enumerate(zip(scenes, quarters, strict=True)):
            zoom = _fit(scene.image, size) * math.exp(rng.uniform(*np.log(self.scale)))
            tall, wide = scene.image.shape[0] * zoom, scene.image.shape[1] * zoom
            top = middle_y - tall if number < 2 else middle_y
            left = middle_x - wide if number % 2 == 0 else middle_x
            found.append(_lay(canvas, scene, zoom, (float(top), float(left)), quarter))
        return Scene(canvas, join(found))

    def _mirror(self, scene: Scene, rng: Rng) -> Scene:
        image, boxes = scene.image, scene.boxes
        xyxy = boxes.xyxy.copy()
        if rng.random() < self.flip:
            image = np.asarray(cv2.flip(image, 1), np.uint8)
            xyxy[:, [0, 2]] = image.shape[1] - xyxy[:, [2, 0]]
        if rng.random() < self.upside_down:
            image = np.asarray(cv2.flip(image, 0), np.uint8)
            xyxy[:, [1, 3]] = image.shape[0] - xyxy[:, [3, 1]]
        return Scene(image, replace(boxes, xyxy=xyxy))


def join(parts: Sequence[Boxes]) -> Boxes:
    """Return the boxes of several pictures that became one; crowds stay marked.

    >>> len(join([Boxes.none(), Boxes.none()]))
    0
    """
    crowds = [np.zeros(len(part), bool) if part.crowd is None else part.crowd for part in parts]
    return Boxes(
        np.concatenate([part.xyxy for part in parts]),
        np.concatenate([part.labels for part in parts]),
        crowd=np.concatenate(crowds),
    )


def _fit(image: Image, size: Size) -> float:
    """Return the factor at which a picture just fits into `size`."""
    return float(min(size[0] / image.shape[0], size[1] / image.shape[1]))


def _canvas(size: Size) -> Image:
    return np.full((*size, 3), LETTERBOX_GRAY, np.uint8)


def _lay(
    canvas: Image,
    scene: Scene,
    zoom: float,
    corner: tuple[float, float],
    window: tuple[int, int, int, int],
) -> Boxes:
    """Paint a picture, enlarged by `zoom` with its top left at `corner` (y, x), into a window of the canvas.

    Args:
        canvas: painted on.
        scene: the picture.
        zoom: factor on both sides.
        corner: in pixels of the canvas, may lie outside.
        window: top, left, bottom, right; nothing is painted outside of it.

    Returns:
        The boxes of the objects that can still be seen, in pixels of the canvas.
    """
    height, width = scene.image.shape[:2]
    tall, wide = max(1, round(height * zoom)), max(1, round(width * zoom))
    y, x = round(corner[0]), round(corner[1])
    top, left = max(window[0], y), max(window[1], x)
    bottom, right = min(window[2], y + tall), min(window[3], x + wide)
    if bottom <= top or right <= left:
        return Boxes.none()
    scale = np.array([wide / width, tall / height] * 2)
    source = np.array([left - x, top - y, right - x, bottom - y]) / scale  # the part that will be seen
    x1, y1 = np.floor(source[:2]).astype(int)
    x2, y2 = np.minimum(np.ceil(source[2:]).astype(int), (width, height))
    part = scene.image[y1:y2, x1:x2]
    shown = (round((x2 - x1) * scale[0]), round((y2 - y1) * scale[1]))
    shown = (max(shown[0], right - left), max(shown[1], bottom - top))
    method = cv2.INTER_AREA if min(scale) < 1 else cv2.INTER_LINEAR
    enlarged = np.asarray(cv2.resize(part, shown, interpolation=method))
    down = min(max(0, top - y - round(y1 * scale[1])), shown[1] - (bottom - top))
    across = min(max(0, left - x - round(x1 * scale[0])), shown[0] - (right - left))
    canvas[top:bottom, left:right] = enlarged[down : down + bottom - top, across : across + right - left]
    return _seen(scene.boxes, scale, (x, y), (left, top, right, bottom))


def _seen(
    boxes: Boxes,
    scale: NDArray[np.float64],
    shift: tuple[int, int],
    window: tuple[int, int, int, int],
) -> Boxes:
    """Return the boxes after scaling and shifting (x, y), cut to the window, without those cut too far."""
    whole = boxes.xyxy * scale + np.array([*shift, *shift])
    low, high = np.array(window[:2] * 2), np.array(window[2:] * 2)
    cut = np.clip(whole, low, high)
    sides, full = cut[:, 2:] - cut[:, :2], whole[:, 2:] - whole[:, :2]
    keep = (sides.min(axis=1) >= LEAST_SIDE) & (sides.prod(axis=1) >= VISIBLE * full.prod(axis=1))
    crowd = None if boxes.crowd is None else boxes.crowd[keep]
    return Boxes(cut[keep].astype(np.float32), boxes.labels[keep], crowd=crowd)


SCENES: dict[str, SceneAugment] = {
    "none": SceneAugment(),
    "photo": SceneAugment(mosaic=1.0, scale=(0.5, 1.6), flip=0.5, hue_deg=6, saturation=0.5, brightness=0.35),
    "symbol": SceneAugment(mosaic=1.0, scale=(0.6, 1.5), brightness=0.3),
}
"""By name. "symbol" does not mirror, since a mirrored sign or letter is another one."""
