"""What colour the person has where a pixel shows both: else the old background shines through at hair."""

from __future__ import annotations

import cv2
import numpy as np

from nayan.tasks.segmentation.portrait.closed_form import Floats

REACHES = (0.07, 0.005)
"""How far colours are looked for, first and then, as shares of the picture's diagonal."""


def colours_apart(levels: Floats, alpha: Floats) -> tuple[Floats, Floats]:
    """Return the colours of the person and of the background, which mix to levels = alpha F + (1 - alpha) B.

    Both are known only where the other one is not. Elsewhere the mean of what is known around is taken,
    and that of the person corrected so that the mixture gives the picture; then again, closer by.

    Args:
        levels: (H, W, 3) float32 in [0, 1].
        alpha: (H, W) float32 in [0, 1].

    Returns:
        F and B, (H, W, 3) float32 in [0, 1].

    Source: Forte (2021), "Approximate fast foreground colour estimation", "Blur-Fusion x2".
    """
    share, front, back = alpha[..., None], levels, levels
    rest = (1 - share) ** 2
    diagonal = float(np.hypot(*alpha.shape))
    for reach in REACHES:
        side = 2 * max(1, round(reach * diagonal)) + 1
        front = _spread(front, share, side)
        back = _spread(back, 1 - share, side)
        error = levels - share * front - (1 - share) * back
        front = np.clip(front + share * error, 0, 1)
    # Not corrected by the error: where alpha is too large, the background would shine around the person.
    return front, rest * levels + (1 - rest) * back


def _spread(colours: Floats, weight: Floats, side: int) -> Floats:
    """Return the weighted mean of colours in a square around each pixel; where nothing weighs, they stay."""
    size = (side, side)
    summed = cv2.boxFilter(colours * weight, -1, size, borderType=cv2.BORDER_REPLICATE)
    weights = cv2.boxFilter(weight, -1, size, borderType=cv2.BORDER_REPLICATE)[..., None]
    mean: Floats = np.where(weights > 1e-4, summed / np.maximum(weights, 1e-4), colours).astype(np.float32)
    return mean
