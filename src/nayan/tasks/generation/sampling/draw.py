"""Paints what a generator drew, and lays out what the report tells of it."""

# (H, W) size of a picture

from __future__ import annotations

from collections.abc import Sequence

from nayan.core.sheet import grid
from nayan.core.types import Caption, Image, Label, Original, Picture, Target
from nayan.tasks.generation.sampling.findings import panels, summary

__all__ = ["annotate", "grid", "panels", "sheet", "summary"]


def annotate(image: Image, prediction: Picture, classes: Sequence[str]) -> Image:  # noqa: ARG001
    """Return what was drawn; the picture that was given only chose the noise.

    Args:
        image: not needed.
        prediction: what was drawn.
        classes: not needed.
    """
    return prediction.pixels


def sheet(images: Sequence[Image], targets: Sequence[Target], classes: Sequence[str]) -> Image:
    """Return a contact sheet of pictures of the data, each with its class or caption below where it is known.

    Args:
        images: (H, W, 3) uint8 RGB pictures of any size.
        targets: originals.
        classes: names.
    """
    abouts = [target.about if isinstance(target, Original) else target for target in targets]
    return grid(images, [_words(about, classes) for about in abouts])


def _words(about: Target, classes: Sequence[str]) -> str:
    if isinstance(about, Caption):
        return about.texts[0]
    return classes[about.index] if isinstance(about, Label) else ""
