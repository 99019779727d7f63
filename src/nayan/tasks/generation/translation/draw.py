"""Paints what a translator makes of pictures: a picture, its translation, and the way back, side by side."""

# (H, W) size of a picture

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nayan.core.sheet import grid
from nayan.core.types import Image, Label, Original, Target, Translation
from nayan.runtime.preprocess import resize
from nayan.tasks.generation.translation.findings import panels, summary

__all__ = ["annotate", "grid", "journey", "panels", "sheet", "summary"]

SIDE = 200
"""Pixels of each picture of a row."""


def annotate(image: Image, prediction: Translation, classes: Sequence[str]) -> Image:
    """Return the picture as the network sees it beside what either domain makes of it.

    Args:
        image: (H, W, 3) uint8 RGB; not changed.
        prediction: of the picture.
        classes: the names of the two domains.
    """
    seen = resize(image, (prediction.to_a.shape[0], prediction.to_a.shape[1]))
    captions = ["picture", *(f"as {name}" for name in classes)]
    return grid([seen, prediction.to_a, prediction.to_b], captions, columns=3, side=SIDE)


def journey(picture: Image, made: Image, back: Image, *, names: tuple[str, str]) -> Image:
    """Return a picture, its translation and the way back side by side, each with its domain below.

    Args:
        picture: (H, W, 3) uint8 RGB.
        made: the translation.
        back: the way back.
        names: of the domain that the picture is of, and of the other one.
    """
    captions = [names[0], f"as {names[1]}", f"and back to {names[0]}"]
    return grid([picture, made, back], captions, columns=3, side=SIDE)


def sheet(images: Sequence[Image], targets: Sequence[Target], classes: Sequence[str]) -> Image:
    """Return a contact sheet of pictures of the data, each with its domain below.

    Args:
        images: (H, W, 3) uint8 RGB pictures of any size.
        targets: originals.
        classes: the names of the two domains.
    """
    abouts = [target.about if isinstance(target, Original) else target for target in targets]
    return grid(
        [np.asarray(image) for image in images],
        [classes[about.index] if isinstance(about, Label) else "" for about in abouts],
    )
