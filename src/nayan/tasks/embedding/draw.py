"""Paints what an embedder makes of pictures: a strip of its values, contact sheets, pairs, searches."""

# (H, W) size of a picture, D values of an embedding

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from nayan.core.sheet import grid
from nayan.core.types import Embedding, Image, Label, Target
from nayan.tasks.embedding.findings import panels, summary
from nayan.tasks.embedding.galleries import paint_pair, paint_search

__all__ = ["annotate", "beside", "grid", "panels", "sheet", "summary"]

MIN_SIDE = 240
"""Smaller pictures are enlarged by a whole factor, so that the strip below them can be read."""
LOW, MIDDLE, HIGH = np.array([[38, 100, 180], [245, 245, 245], [200, 70, 40]], np.float64)
"""Colours of the most negative value, of 0 and of the most positive one."""


def annotate(image: Image, prediction: Embedding, classes: Sequence[str]) -> Image:  # noqa: ARG001
    """Return a copy of the picture with a strip below it: one column a value, blue below 0, red above.

    Pictures that show the same have strips that look alike.

    Args:
        image: (H, W, 3) uint8 RGB; not changed.
        prediction: of the picture.
        classes: not needed.

    Returns:
        (H', W', 3), higher by the strip.
    """
    factor = max(1, -(-MIN_SIDE // max(image.shape[:2])))
    large = image.repeat(factor, axis=0).repeat(factor, axis=1)
    values = prediction.vector / max(float(np.abs(prediction.vector).max()), 1e-12)  # (D,) in [-1, 1]
    share = np.abs(values)[:, None]
    colours = (1 - share) * MIDDLE + share * np.where(values[:, None] < 0, LOW, HIGH)  # (D, 3)
    columns = np.arange(large.shape[1]) * len(values) // large.shape[1]
    strip = np.broadcast_to(colours[columns], (max(16, large.shape[0] // 12), large.shape[1], 3))
    return np.concatenate([large, strip.round().astype(np.uint8)])


def sheet(images: Sequence[Image], targets: Sequence[Target], classes: Sequence[str]) -> Image:
    """Return a contact sheet of pictures, each with whom it shows below.

    Args:
        images: (H, W, 3) uint8 RGB pictures of any size.
        targets: who is in each; "" is written where it is not known.
        classes: names.
    """
    return grid(images, [classes[t.index] if isinstance(t, Label) else "" for t in targets])


def beside(images: Sequence[Image], record: Mapping[str, Any], classes: Sequence[str]) -> Image:  # noqa: ARG001
    """Return the pictures of a record of `hardest` as one: two that were compared, or a search.

    Args:
        images: (H, W, 3) uint8 RGB, in the order of the record.
        record: of the kind "pair" or "search".
        classes: not needed.
    """
    return paint_search(images, record) if record["kind"] == "search" else paint_pair(images, record)
