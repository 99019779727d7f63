"""The picture of a look at a detector, and what is drawn on it: boxes by the hundred, dots, cells.

Boxes are given in pixels of the network's input. They are painted on the picture itself, which is sharper,
and without the gray border of a letterbox. NumPy and Pillow only.
"""

# (H, W) shown picture, N boxes or points

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage
from PIL import ImageDraw

from nayan.core.types import Boxes, Image
from nayan.explain.paint import FAINT, INK, PAPER, Colour, Palette, as_rgb, colour, enlarge, font
from nayan.explain.subject import Subject
from nayan.runtime.preprocess import Placement, resize, to_channels
from nayan.tasks.detection.draw import annotate

SIDE = 640
TILE = 440
_FINE = 3  # drawn so many times as large, then averaged, so that thin slanted and round shapes are smooth

FOUND: Colour = (0, 196, 110)
LOST: Colour = (255, 72, 60)
QUIET: Colour = (196, 202, 210)
NIGHT: Colour = (16, 20, 28)


@dataclass(frozen=True, slots=True, eq=False)
class Easel:
    """A picture to draw on.

    Attributes:
        image: (H, W, 3) uint8.
        scale: (x, y) pixels of `image` for one of the network's input.
        corner: (x, y) of its upper left corner in the network's input.
    """

    image: Image
    scale: tuple[float, float]
    corner: tuple[float, float]

    def place(self, xyxy: NDArray[np.floating]) -> NDArray[np.float32]:
        """Return (N, 4) boxes, or (N, 2) points, of the network's input in pixels of `image`."""
        times = xyxy.shape[-1] // 2
        placed: NDArray[np.float32] = (xyxy - np.tile(self.corner, times)) * np.tile(self.scale, times)
        return placed.astype(np.float32)

    def dimmed(self, strength: float = 0.5) -> Easel:
        """Return it darker and with less colour, so that what is drawn stands out."""
        gray = self.image @ np.array([0.299, 0.587, 0.114])
        pale = 0.45 * self.image + 0.55 * gray[:, :, None]
        mixed = pale * (1 - strength) + np.array(NIGHT) * strength
        return replace(self, image=mixed.astype(np.uint8))

    def outlined(
        self, xyxy: NDArray[np.floating], colours: Sequence[Colour], *, width: float = 1.0, alpha: float = 1.0
    ) -> Easel:
        """Draw (N, 4) boxes, the last on top.

        Args:
            xyxy: in the network's input.
            colours: one a box.
            width: of the lines in px.
            alpha: from 0, not seen, to 1.
        """
        layer, pen = self._layer()
        line = max(1, round(width * _FINE))
        for box, ink in zip(self.place(xyxy) * _FINE, colours, strict=True):
            x1, y1, x2, y2 = box.tolist()
            pen.rectangle(
                (x1, y1, max(x1 + line, x2 - 1), max(y1 + line, y2 - 1)), outline=(*ink, 255), width=line
            )
        return self._with(layer, alpha)

    def filled(
        self, xyxy: NDArray[np.floating], colours: Sequence[Colour], *, alphas: Sequence[float]
    ) -> Easel:
        """Fill (N, 4) boxes of the network's input, each as strongly as its alpha in [0, 1] says."""
        layer, pen = self._layer()
        for box, ink, alpha in zip(self.place(xyxy) * _FINE, colours, alphas, strict=True):
            x1, y1, x2, y2 = box.tolist()
            pen.rectangle(
                (x1, y1, max(x1, x2 - 1), max(y1, y2 - 1)), fill=(*ink, round(255 * min(1.0, alpha)))
            )
        return self._with(layer, 1.0)

    def dotted(
        self,
        points: NDArray[np.floating],
        colours: Sequence[Colour],
        *,
        radius: float = 2.0,
        alpha: float = 1.0,
    ) -> Easel:
        """Draw (N, 2) points of the network's input as discs of `radius` px, the last on top."""
        layer, pen = self._layer()
        r = radius * _FINE
        for (x, y), ink in zip((self.place(points) * _FINE).tolist(), colours, strict=True):
            pen.ellipse((x - r, y - r, x + r, y + r), fill=(*ink, 255))
        return self._with(layer, alpha)

    def named(self, boxes: Boxes, names: Sequence[str]) -> Image:
        """Return the picture with boxes of the network's input, named and coloured as predictions are."""
        return annotate(self.image, Boxes(self.place(boxes.xyxy), boxes.labels, boxes.scores), names)

    def cut(self, box: NDArray[np.floating], *, margin: float = 0.35, side: int = TILE) -> Easel:
        """Return the part around a box of the network's input, enlarged to about `side` px.

        Args:
            box: (4,) xyxy.
            margin: around it, as a fraction of its sides.
            side: the longer one of the result.
        """
        x1, y1, x2, y2 = self.place(box[None])[0].tolist()
        grow_x, grow_y = margin * max(x2 - x1, 8), margin * max(y2 - y1, 8)
        height, width = self.image.shape[:2]
        left, top = (
            int(np.clip(v, 0, side - 1)) for v, side in ((x1 - grow_x, width), (y1 - grow_y, height))
        )
        right = int(np.clip(round(x2 + grow_x), left + 1, width))
        bottom = int(np.clip(round(y2 + grow_y), top + 1, height))
        times = side / max(right - left, bottom - top)
        size = (max(1, round((bottom - top) * times)), max(1, round((right - left) * times)))
        part = resize(np.ascontiguousarray(self.image), size, box=(left, top, right, bottom))
        corner = (self.corner[0] + left / self.scale[0], self.corner[1] + top / self.scale[1])
        x_times, y_times = size[1] / (right - left), size[0] / (bottom - top)
        return Easel(part, (self.scale[0] * x_times, self.scale[1] * y_times), corner)

    def _layer(self) -> tuple[PillowImage.Image, ImageDraw.ImageDraw]:
        height, width = self.image.shape[:2]
        layer = PillowImage.new("RGBA", (width * _FINE, height * _FINE), (0, 0, 0, 0))
        return layer, ImageDraw.Draw(layer)

    def _with(self, layer: PillowImage.Image, alpha: float) -> Easel:
        small = layer.resize((self.image.shape[1], self.image.shape[0]), PillowImage.Resampling.BOX)
        drawn = np.asarray(small, np.float32)
        cover = drawn[:, :, 3:] / 255 * alpha
        mixed = self.image * (1 - cover) + drawn[:, :, :3] * cover
        return replace(self, image=np.rint(mixed).astype(np.uint8))


def easel_for(subject: Subject, *, side: int = SIDE) -> Easel:
    """Return the part of the subject's picture that the network sees, its longer side about `side` px."""
    picture, placement = subject.picture, placement_of(subject)
    height, width = subject.preprocess.size
    whole = placement.into_input(np.array([[0, 0, picture.shape[1], picture.shape[0]]], np.float32))
    seen = np.clip(whole, 0, [width, height, width, height])
    x1, y1, x2, y2 = seen[0].tolist()
    times = side / max(x2 - x1, y2 - y1)
    size = (max(1, round((y2 - y1) * times)), max(1, round((x2 - x1) * times)))
    source = placement.into_original(seen)[0].tolist()
    shown = resize(picture, size, box=(source[0], source[1], source[2], source[3]))
    shown = as_rgb(to_channels(shown, subject.preprocess.channels))
    return Easel(shown, (size[1] / (x2 - x1), size[0] / (y2 - y1)), (x1, y1))


def placement_of(subject: Subject) -> Placement:
    """Return how the picture lies in the network's input."""
    height, width = subject.picture.shape[:2]
    return subject.preprocess.placement((height, width))


def truth_in_input(subject: Subject) -> Boxes | None:
    """Return the true objects in pixels of the network's input; without crowds, which teach nothing."""
    if subject.truth is None:
        return None
    known = subject.truth if subject.truth.crowd is None else subject.truth.select(~subject.truth.crowd)
    return Boxes(placement_of(subject).into_input(known.xyxy), known.labels)


def names_of(subject: Subject, count: int) -> list[str]:
    """Return the names of `count` classes."""
    return [subject.class_name(index) for index in range(count)]


def shades(unit: NDArray[np.floating], *, palette: Palette = "viridis") -> list[Colour]:
    """Return a colour for each of (N,) numbers in [0, 1]."""
    painted = colour(unit[None], low=0.0, high=1.0, palette=palette)[0]
    return [(int(red), int(green), int(blue)) for red, green, blue in painted]


def scale_below(image: Image, marks: Sequence[str], *, title: str, palette: Palette = "viridis") -> Image:
    """Return the picture with a scale of colours under it.

    Args:
        image: (H, W, 3).
        marks: what the evenly spaced places of the scale mean, from its first colour to its last.
        title: what it is about.
        palette: of `paint.colour`.
    """
    height, width = image.shape[0], max(image.shape[1], TILE)
    high, left, right = 12, 190, width - 24
    canvas = PillowImage.new("RGB", (width, height + 40), PAPER)
    canvas.paste(PillowImage.fromarray(image), ((width - image.shape[1]) // 2, 0))
    ramp = colour(np.linspace(0, 1, right - left)[None], palette=palette, low=0.0, high=1.0)
    canvas.paste(PillowImage.fromarray(enlarge(ramp, (high, right - left))), (left, height + 8))
    pen = ImageDraw.Draw(canvas)
    pen.text((6, height + 14), title, fill=INK, font=font(13), anchor="lm")
    for place, text in zip(np.linspace(left, right, len(marks)).tolist(), marks, strict=True):
        pen.text((place, height + 23), text, fill=FAINT, font=font(12), anchor="ma")
    return np.asarray(canvas)
