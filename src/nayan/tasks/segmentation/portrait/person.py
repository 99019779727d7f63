"""Which pixels are the person at all: without things that were taken for one, and without holes."""

# (H, W) size of the picture

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from nayan.tasks.segmentation.portrait.closed_form import Floats

SPECK, APART = 0.02, 0.1
"""Share of the largest part of the person below which another part is taken for a mistake: near it, such as a
hand whose arm was not seen, and away from it, such as a trunk of a tree."""

NEAR = 0.04
"""How far apart two parts are near, as a share of the picture's diagonal."""

HOLE, UNSURE = 0.05, 0.12
"""A hole is closed up to this share of the person, where the network takes it for the person with at least
this probability on average: of what lies between an arm and a body it is sure."""

_Mask = NDArray[np.bool_]


def whole_person(probability: Floats) -> Floats:
    """Return (H, W) probabilities without mistakes: 0 in parts that are not the person, 1 in closed holes.

    Args:
        probability: (H, W) in [0, 1].
    """
    person = np.asarray(probability > 0.5)
    kept = _parts_kept(person)
    closed = _holes_closed(kept, probability)
    return np.where(closed, 1, np.where(person & ~kept, 0, probability)).astype(np.float32)


def _parts_kept(person: _Mask) -> _Mask:
    """Return the person without what is too small, or not quite as small but away from the largest part."""
    _, parts, stats, _ = cv2.connectedComponentsWithStats(person.astype(np.uint8), connectivity=8)
    areas = np.array(stats)[:, cv2.CC_STAT_AREA]
    areas[0] = 0
    largest = int(areas.argmax())
    away = cv2.distanceTransform((parts != largest).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    near = np.zeros(len(areas), bool)
    near[np.unique(parts[np.asarray(away) <= NEAR * np.hypot(*person.shape)])] = True
    least = np.where(near, SPECK, APART) * areas[largest]
    kept: _Mask = (areas >= np.maximum(1, least))[parts]
    return kept


def _holes_closed(person: _Mask, probability: Floats) -> _Mask:
    """Return where the person has holes that are none; what reaches the edge of the picture is no hole."""
    count, parts, stats, _ = cv2.connectedComponentsWithStats((~person).astype(np.uint8), connectivity=4)
    stats = np.array(stats)
    areas = stats[:, cv2.CC_STAT_AREA]
    first = stats[:, [cv2.CC_STAT_TOP, cv2.CC_STAT_LEFT]]
    last = first + stats[:, [cv2.CC_STAT_HEIGHT, cv2.CC_STAT_WIDTH]]
    inside = (first > 0).all(axis=1) & (last < person.shape).all(axis=1)
    means = np.bincount(parts.ravel(), probability.ravel(), minlength=count) / np.maximum(1, areas)
    closed = inside & (areas <= HOLE * person.sum()) & (means >= UNSURE)
    closed[0] = False  # the person itself
    found: _Mask = closed[parts]
    return found
