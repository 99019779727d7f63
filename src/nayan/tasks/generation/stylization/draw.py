"""Paints what a stylist makes of photographs: beside them."""

# (H, W) size of a picture

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nayan.core.sheet import grid
from nayan.core.types import Image, Picture, Target
from nayan.runtime.preprocess import Preprocess
from nayan.tasks.generation.stylization.findings import panels, summary

__all__ = ["annotate", "grid", "pair", "panels", "sheet", "summary"]

GAP = 6


def annotate(image: Image, prediction: Picture, classes: Sequence[str]) -> Image:  # noqa: ARG001
    """Return the part of the picture that the network saw beside what it painted of it.

    Args:
        image: (H, W, 3) uint8 RGB; not changed.
        prediction: of the picture.
        classes: not needed.
    """
    size = (prediction.pixels.shape[0], prediction.pixels.shape[1])
    return pair(Preprocess(size, "crop", interpolation="bicubic")(image)[0], prediction.pixels)


def pair(photograph: Image, painting: Image) -> Image:
    """Return two pictures of one size side by side."""
    gap = np.full((photograph.shape[0], GAP, 3), 255, np.uint8)
    return np.concatenate([photograph, gap, painting], axis=1)


def sheet(images: Sequence[Image], targets: Sequence[Target], classes: Sequence[str]) -> Image:  # noqa: ARG001
    """Return a contact sheet of training pictures, which need no captions.

    Args:
        images: (H, W, 3) uint8 RGB pictures of any size.
        targets: not needed.
        classes: not needed.
    """
    return grid(images, [""] * len(images))
