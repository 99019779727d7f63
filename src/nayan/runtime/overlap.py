"""Whether boxes overlap more than a threshold, decided as torchvision decides it, to the last bit."""

# N boxes

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from nayan.core.boxes import Floats


def edges_of(boxes: Floats) -> Floats:
    """Return (5, N) x1, y1, x2, y2 and area of (N, 4) boxes; rows of one kind are quick to compute with."""
    edges = np.empty((5, len(boxes)), boxes.dtype)
    edges[:4] = boxes.T
    sides = edges[2:4] - edges[:2]
    np.maximum(sides, 0, out=sides)
    np.multiply(sides[0], sides[1], out=edges[4])
    return edges


def exceeds(mine: Floats, theirs: Floats, limit: float) -> NDArray[np.bool_]:
    """Return whether the IoU of boxes is above a limit.

    Args:
        mine: (5, ...) of `edges_of`.
        theirs: (5, ...), broadcast against `mine`.
        limit: >= 0, of `limit_of`.

    Returns:
        (...) bool.
    """
    sides = np.minimum(mine[2:4], theirs[2:4])
    sides -= np.maximum(mine[:2], theirs[:2])
    above: NDArray[np.bool_] = sides[1] > 0  # apart both ways, the product of both sides would be positive
    shared = sides[0]
    shared *= sides[1]
    union = mine[4] + theirs[4]
    union -= shared
    with np.errstate(divide="ignore", invalid="ignore"):  # some that are apart have a union of 0
        shared /= union
    above &= shared > limit
    return above


@cache
def limit_of(threshold: float, kind: np.dtype[np.floating]) -> float:
    """Return the largest number of a float type that is <= threshold.

    float32(0.7) lies below 0.7, but float32(0.6) above it; compared with that, an IoU of 3/5 would not
    exceed the threshold, though its float32 exceeds 0.6 and torchvision says so.
    """
    nearest = kind.type(threshold)
    return float(nearest if float(nearest) <= threshold else np.nextafter(nearest, kind.type(-np.inf)))
