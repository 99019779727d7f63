"""How large the objects are for the network, and whether that is enough for it to see them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from nayan.core.boxes import MANY_SMALL, SMALL_PX
from nayan.core.types import Boxes
from nayan.runtime.preprocess import Placement
from nayan.tasks.detection.matching import Judged

EDGES_PX = (0, 8, 16, 32, 64, 128, 256, 512)
"""Sides at which the histogram is cut; the last bin is open."""

LARGEST_INPUT_PX = 1280


def object_sizes(
    truths: Sequence[Boxes], judged: Judged, *, placements: Sequence[Placement]
) -> dict[str, Any] | None:
    """Return a histogram of the objects' sides in pixels of the network's input, with what was found.

    The side of an object is the square root of the area of its box. Crowds are left out.

    Args:
        truths: of the pictures, in the order of `placements`.
        judged: the detections that are shown, compared with the same truths.
        placements: how each picture lies in the network's input.

    Returns:
        `bins` [{low, high (None for the last), count, found}], `small` (share under 16 px), `median`
        (side in px), `needed` (the factor by which the input would have to grow until 80 % of the objects
        reach 16 px; at least 1). None without placements or without objects.
    """
    if len(placements) != len(truths) or not judged.counted.sum():
        return None
    scale = np.array([place.scale for place in placements])[judged.truths.picture]  # (G, 2) as (y, x)
    extent = judged.truths.xyxy[:, 2:] - judged.truths.xyxy[:, :2]
    sides = np.sqrt(np.maximum(0, extent[:, 0] * scale[:, 1] * extent[:, 1] * scale[:, 0]))
    hit = np.zeros(len(sides), np.bool_)
    hit[judged.matched[judged.right]] = True
    counted = ~judged.truths.crowd
    sides, hit = sides[counted], hit[counted]
    bins = np.digitize(sides, EDGES_PX) - 1
    highs = (*EDGES_PX[1:], None)
    typical_small = float(np.quantile(sides, MANY_SMALL))
    return {
        "bins": [
            {"low": low, "high": high, "count": int((bins == n).sum()), "found": int(hit[bins == n].sum())}
            for n, (low, high) in enumerate(zip(EDGES_PX, highs, strict=True))
        ],
        "small": float((sides < SMALL_PX).mean()),
        "median": float(np.median(sides)),
        "needed": max(1.0, SMALL_PX / typical_small) if typical_small > 0 else 1.0,
    }


def advice(sizes: dict[str, Any], *, imgsz: int, tile: int | None = None) -> str:
    """Return what to do about small objects in one sentence; "" where they are few.

    Args:
        sizes: of `object_sizes`.
        imgsz: longer side of the network's input in px.
        tile: side in px of the tiles in which the pictures are looked at already.

    >>> advice({"small": 0.4, "needed": 1.6}, imgsz=320)
    '40 % of the objects are smaller than 16 px for the network: train with `--imgsz 512`, or with `--tile`.'
    >>> advice({"small": 0.4, "needed": 9.0}, imgsz=320, tile=640).partition("train ")[2]
    'with a smaller `--tile`, which cuts large pictures into pieces.'
    """
    if sizes["small"] < MANY_SMALL:
        return ""
    text = f"{100 * sizes['small']:.0f} % of the objects are smaller than {SMALL_PX} px for the network: "
    text += "train with "
    tiles = "a smaller `--tile`" if tile else "`--tile`"
    larger = 32 * math.ceil(imgsz * sizes["needed"] / 32)
    if imgsz < larger <= LARGEST_INPUT_PX:
        return f"{text}`--imgsz {larger}`, or with {tiles}."
    return f"{text}{tiles}, which cuts large pictures into pieces."
