"""U-Net's map of weights: the narrow gaps between objects count more than what lies around. No torch here."""

# (H, W) size of a mask, N objects

from __future__ import annotations

import math
from collections.abc import Collection, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from nayan.core.errors import ConfigError
from nayan.core.types import VOID

REACH = 6.0
"""Of sigma: where the distances to two objects add up to more, the map says e^-18 of `w0`, and is 0 here."""


def boundary_weights(
    ids: NDArray[np.uint8],
    *,
    objects: Collection[int],
    w0: float = 10.0,
    sigma: float = 5.0,
    class_weights: Sequence[float] | None = None,
) -> NDArray[np.float32]:
    """Return the weight of every pixel in the loss.

        w(x) = w_c(x) + w0 exp(-(d1(x) + d2(x))^2 / (2 sigma^2))

    with the distances d1 and d2, in pixels, to the nearest and the second nearest object. Objects are the
    connected regions (by sides) of the classes `objects`. The second term is for what separates them, so
    inside of objects it is left out. Takes time as the objects' boxes do, not as objects x picture.

    Args:
        ids: (H, W) classes; `VOID` where nothing is known.
        objects: classes whose pieces have to be told apart, such as (1,) for cells.
        w0: most that a gap adds.
        sigma: how wide a gap still counts, in pixels.
        class_weights: w_c of each class, such as the inverse of its frequency; None is 1 for all.

    Returns:
        (H, W) float32 above 0; 0 where nothing is known.

    Raises:
        ConfigError: if `sigma` is not above 0.

    Source: Ronneberger, Fischer, Brox (2015), arXiv:1505.04597, eq. 2, where w0 is 10 and sigma about 5 px.

    >>> row = np.array([[1, 0, 1, 0, 0, 0, 0]], np.uint8)  # a gap of one pixel: d1 = d2 = 1
    >>> boundary_weights(row, objects=(1,), sigma=1.0).round(3)
    array([[1.   , 2.353, 1.   , 1.003, 1.   , 1.   , 1.   ]], dtype=float32)
    """
    if sigma <= 0:
        raise ConfigError(f"sigma is a width in pixels above 0, got {sigma}")
    is_object = np.isin(ids, list(objects)) & (ids != VOID)
    first, second = _nearest_two(ids, is_object, reach=math.ceil(REACH * sigma))
    gap = w0 * np.exp(-((first + second) ** 2) / np.float32(2 * sigma**2))
    table = np.ones(256, np.float32)
    if class_weights is not None:
        table[: len(class_weights)] = class_weights
    weights = table[ids] + np.where(is_object, 0, gap)
    return np.where(ids == VOID, 0, weights).astype(np.float32)


def _nearest_two(
    ids: NDArray[np.uint8], is_object: NDArray[np.bool_], *, reach: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return two (H, W) of distances in pixels to the nearest and the next object; inf beyond `reach`."""
    first = np.full(ids.shape, np.inf, np.float32)
    second = first.copy()
    for value in np.unique(ids[is_object]):
        count, labels, stats, _ = cv2.connectedComponentsWithStats(
            (ids == value).astype(np.uint8), connectivity=4
        )
        for label in range(1, count):
            left, top, width, height = stats[label, : cv2.CC_STAT_AREA]
            window = (
                slice(max(0, top - reach), top + height + reach),
                slice(max(0, left - reach), left + width + reach),
            )
            outside = (labels[window] != label).astype(np.uint8)
            distance = cv2.distanceTransform(outside, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
            near, next_near = first[window], second[window]
            np.minimum(next_near, np.maximum(near, distance), out=next_near)
            np.minimum(near, distance, out=near)
    return first, second
