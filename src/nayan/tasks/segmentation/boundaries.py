"""Where the classes of a mask meet, and how near two such borders lie. NumPy and OpenCV only.

Source: Csurka, Larlus, Perronnin, "What is a good evaluation measure for semantic segmentation?", BMVC 2013:
the boundary F1 with a tolerance of 0.75 % of the picture's diagonal.
"""

# (H, W) size of a mask

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from nayan.core.types import VOID, Size

TOLERANCE = 0.0075
"""Of the diagonal: borders that are as near as that are the same."""


def tolerance_px(size: Size) -> float:
    """Return the tolerance in pixels of a picture of (height, width), at least 1.

    >>> tolerance_px((300, 400))
    3.75
    """
    return max(1.0, TOLERANCE * math.hypot(*size))


def borders(ids: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Return (H, W): the pixels that have another class beside, above or below them.

    The edge of the picture is no border, and neither is the edge of what is void.

    >>> borders(np.array([[0, 0, 1, 255, 1]], np.uint8)).tolist()
    [[False, True, True, False, False]]
    """
    found = np.zeros(ids.shape, bool)
    known = ids != VOID
    for first, second in (((slice(None), slice(1, None)), (slice(None), slice(None, -1))),
                          ((slice(1, None), slice(None)), (slice(None, -1), slice(None)))):  # fmt: skip
        differ = (ids[first] != ids[second]) & known[first] & known[second]
        found[first] |= differ
        found[second] |= differ
    return found


def near(border: NDArray[np.bool_], reach: float) -> NDArray[np.bool_]:
    """Return (H, W): the pixels that are at most `reach` px from a pixel of the border; none without one."""
    if not border.any():
        return np.zeros(border.shape, bool)
    apart = cv2.distanceTransform((~border).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    return np.asarray(apart <= reach)


def border_matches(found: NDArray[np.uint8], truth: NDArray[np.uint8], *, classes: int) -> NDArray[np.int64]:
    """Return (K, 4) counts of border pixels: found near a true one, found, true near a found one, true.

    Args:
        found: (H, W) classes of a prediction; what is void in the truth does not count.
        truth: (H, W).
        classes: K.
    """
    reach = tolerance_px((truth.shape[0], truth.shape[1]))
    found = np.where(truth == VOID, np.uint8(VOID), found)
    borders_found, borders_true = borders(found), borders(truth)
    counts = np.zeros((classes, 4), np.int64)
    margin = math.ceil(reach) + 1
    for index in np.union1d(np.unique(found[borders_found]), np.unique(truth[borders_true])):
        mine, real = borders_found & (found == index), borders_true & (truth == index)
        rows, columns = np.nonzero(mine | real)
        window = (
            slice(max(0, rows.min() - margin), rows.max() + margin + 1),
            slice(max(0, columns.min() - margin), columns.max() + margin + 1),
        )
        mine, real = mine[window], real[window]
        counts[index] = (
            int((mine & near(real, reach)).sum()),
            int(mine.sum()),
            int((real & near(mine, reach)).sum()),
            int(real.sum()),
        )
    return counts
