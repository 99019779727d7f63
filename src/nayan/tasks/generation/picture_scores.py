"""How near is a picture to another one: PSNR and SSIM. NumPy only."""

# (H, W) size of a picture, C channels

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from nayan.core.errors import ShapeError
from nayan.core.types import Image

BEST_PSNR = 100.0
"""dB for pictures that do not differ at all, where the formula gives infinity; one level in one pixel of a
hundred million."""

SIGMA, RADIUS = 1.5, 5
"""Of the Gaussian window of SSIM, 11 x 11."""
K1, K2 = 0.01, 0.03


def psnr(picture: Image, truth: Image, *, where: NDArray[np.bool_] | None = None) -> float:
    """Return the peak signal-to-noise ratio in dB over all channels: 10 log10(255^2 / mean squared error).

    Args:
        picture: (H, W, C) uint8.
        truth: (H, W, C) uint8.
        where: (H, W), the pixels that count; None for all.

    Returns:
        About 20 (poor) to 50 (no difference to be seen); at most `BEST_PSNR`, also where nothing counts.

    Raises:
        ShapeError: if they are not of one size.

    >>> gray = np.full((4, 4, 3), 100, np.uint8)
    >>> round(psnr(gray + 1, gray), 2), psnr(gray, gray)
    (48.13, 100.0)
    """
    _check(picture, truth)
    squared = (picture.astype(np.float64) - truth) ** 2
    counted = squared if where is None else squared[where]
    error = float(counted.mean()) if counted.size else 0.0
    return min(BEST_PSNR, 10 * math.log10(255**2 / error)) if error else BEST_PSNR


def ssim(picture: Image, truth: Image, *, where: NDArray[np.bool_] | None = None) -> float:
    """Return the mean structural similarity of two pictures, channel by channel: 1 where they are the same.

    Args:
        picture: (H, W, C) uint8.
        truth: (H, W, C) uint8.
        where: (H, W), the windows that count, by their centres; None for all that lie inside the picture.

    Returns:
        In [-1, 1]; 1 where no window counts.

    Raises:
        ShapeError: if they are not of one size, or smaller than the window of 11 x 11.

    Source: Wang, Bovik, Sheikh, Simoncelli (2004), IEEE TIP 13(4), eq. 13 with K1 = 0.01, K2 = 0.03, L = 255
    and a Gaussian window of 11 x 11 with a standard deviation of 1.5; windows that reach out of the picture
    are left out.

    >>> flat = np.full((16, 16, 3), 100, np.uint8)
    >>> round(ssim(flat, flat), 4), round(ssim(flat + 100, flat), 4)  # (2 a b + C1) / (a^2 + b^2 + C1)
    (1.0, 0.8)
    """
    values = ssim_map(picture, truth)
    if where is not None:
        values = values[where[RADIUS : where.shape[0] - RADIUS, RADIUS : where.shape[1] - RADIUS]]
    return float(values.mean()) if values.size else 1.0


def ssim_map(picture: Image, truth: Image) -> NDArray[np.float64]:
    """Return (H - 10, W - 10, C), the similarity of each window inside the picture; see `ssim`."""
    _check(picture, truth)
    if min(picture.shape[:2]) <= 2 * RADIUS:
        raise ShapeError(
            f"SSIM looks through a window of {2 * RADIUS + 1} px, the picture has {picture.shape[:2]}"
        )
    x, y = picture.astype(np.float64), truth.astype(np.float64)
    c1, c2 = (K1 * 255) ** 2, (K2 * 255) ** 2
    mean_x, mean_y = _smooth(x), _smooth(y)
    var_x, var_y = _smooth(x * x) - mean_x**2, _smooth(y * y) - mean_y**2
    covariance = _smooth(x * y) - mean_x * mean_y
    means = (2 * mean_x * mean_y + c1) / (mean_x**2 + mean_y**2 + c1)
    found: NDArray[np.float64] = means * (2 * covariance + c2) / (var_x + var_y + c2)
    return found


def _smooth(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the weighted means of the windows that lie inside."""
    size = (2 * RADIUS + 1, 2 * RADIUS + 1)
    smooth = cv2.GaussianBlur(values, size, SIGMA).reshape(values.shape)
    return np.asarray(smooth[RADIUS:-RADIUS, RADIUS:-RADIUS])


def _check(picture: Image, truth: Image) -> None:
    if picture.shape != truth.shape or picture.ndim != 3:
        raise ShapeError(f"pictures to compare have one size, got {picture.shape} and {truth.shape}")
