"""Paints what a restorer makes of pictures: what it was given, what it made, and the original."""

# (H, W) size of a picture

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image as PillowImage

from nayan.core.sheet import grid
from nayan.core.types import Image, Picture, Target
from nayan.tasks.generation.restoration.findings import panels, summary
from nayan.tasks.generation.restoration.restored import Restored

__all__ = ["annotate", "grid", "panels", "sheet", "summary", "triptych"]

SIDE = 256
"""Pixels of a picture of a triptych, at least: smaller ones are enlarged by a whole factor."""
GAP = 6
HOLE = np.array([236, 72, 153], np.uint8)
"""Colour of what is missing: one that photographs hardly have."""


def annotate(image: Image, prediction: Picture, classes: Sequence[str]) -> Image:  # noqa: ARG001
    """Return what was given beside what was made of it, as large as one another.

    Args:
        image: not needed: the network saw a part of it.
        prediction: of the picture.
        classes: not needed.
    """
    if not isinstance(prediction, Restored):
        return prediction.pixels
    return _row([given_picture(prediction), prediction.pixels])


def triptych(restored: Restored, truth: Image) -> Image:
    """Return three pictures side by side: what was given, what was made of it, and the original.

    Args:
        restored: by the network.
        truth: (h, w, 3) uint8, as large as the restored picture.
    """
    return _row([given_picture(restored), restored.pixels, truth])


def given_picture(restored: Restored) -> Image:
    """Return (h, w, 3): what the network was given, its pixels as large squares or its holes in colour."""
    missing = restored.missing
    if missing is None:
        scale = restored.scale
        return restored.seen.repeat(scale, axis=0).repeat(scale, axis=1)
    return np.where(missing[..., None], HOLE, restored.seen)


def sheet(images: Sequence[Image], targets: Sequence[Target], classes: Sequence[str]) -> Image:  # noqa: ARG001
    """Return a contact sheet of training pictures, which need no captions.

    Args:
        images: (H, W, 3) uint8 RGB pictures of any size.
        targets: not needed.
        classes: not needed.
    """
    return grid(images, [""] * len(images))


def _row(pictures: Sequence[Image]) -> Image:
    factor = max(1, -(-SIDE // max(pictures[0].shape[:2])))
    large = [np.asarray(PillowImage.fromarray(each).resize(
        (each.shape[1] * factor, each.shape[0] * factor), PillowImage.Resampling.NEAREST
    )) for each in pictures]  # fmt: skip
    gap = np.full((large[0].shape[0], GAP, 3), 255, np.uint8)
    parts = [large[0]]
    for each in large[1:]:
        parts += [gap, each]
    return np.concatenate(parts, axis=1)
