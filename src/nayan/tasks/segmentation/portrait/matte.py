"""From how probable the person is in each pixel to how much of each pixel is the person."""

# (H, W) size of the picture, (h, w) size at which the matte is solved

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from nayan.core.errors import DataError, ShapeError
from nayan.core.types import Image
from nayan.tasks.segmentation.portrait.closed_form import Floats, Windows, solve
from nayan.tasks.segmentation.portrait.person import whole_person

INNER, OUTER = 0.012, 0.02
"""How far inside and outside of its border person and background are beyond doubt, as shares of the picture's
diagonal: networks see borders to about three of their pixels, and loose hair goes farther out than in."""

SOLVED_SIDE = 512
"""Longer side in px at which the matte is solved; from there it follows the colours of the whole picture."""

RADIUS, EPS, STEPS = 3, 1e-5, 25
"""Of the windows at the solved size, and how long is solved."""

CERTAIN, BELIEVED, DOUBTED = 100.0, 0.1, 0.002
"""Trust in the network beyond the band between person and background, and within it where the network is sure
and where it is not."""

STEEP = 3.0
"""How many times steeper than the network's its border is taken to be: it sees few pixels, all blurred."""

CUT = 0.15
"""Alpha below this is none, and above 1 minus this all: colours that are a little alike make a veil."""


def matte(image: Image, probability: Floats, *, feather: float = 0.0) -> Floats:
    """Return alpha, (H, W) float32 in [0, 1]: 1 where a pixel shows nothing but the person.

    Away from the border of the person alpha is 0 or 1. In a band around it, wider outside than inside, it is
    solved for from the colours of the picture (see `closed_form`), at most 512 px large, and then follows
    the linear functions of colour that were found there through the whole picture (the fast guided filter,
    He and Sun 2015, arXiv:1505.00996).

    Args:
        image: (H, W, 3) uint8 RGB.
        probability: (H, W) in [0, 1], of the person, as large as the picture.
        feather: softens the border by so many px, as a standard deviation.

    Raises:
        ShapeError: if the two do not fit.
        DataError: if nowhere the person is more probable than not.
    """
    if probability.shape != image.shape[:2]:
        raise ShapeError(
            f"a picture of {image.shape[:2]} needs as many probabilities, got {probability.shape}"
        )
    probability = whole_person(probability)
    person = probability > 0.5
    if not person.any():
        raise DataError(
            "no person was found in the picture",
            hint="try a picture in which the person is larger, or another class with --person",
        )
    inside, outside = _certain(person)
    sure = (2 * probability - 1) ** 2
    trust = np.where(inside | outside, CERTAIN, BELIEVED * sure + DOUBTED)
    steep = np.clip(STEEP * (probability - 0.5) + 0.5, 0, 1)
    alpha = _solved(image, np.where(outside, 0, np.where(inside, 1, steep)), trust)
    alpha = np.clip((alpha - CUT) / (1 - 2 * CUT), 0, 1)
    alpha = np.where(inside, 1, np.where(outside, 0, alpha)).astype(np.float32)
    return np.asarray(cv2.GaussianBlur(alpha, (0, 0), feather), np.float32) if feather > 0 else alpha


def _certain(person: NDArray[np.bool_]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return where person and background are beyond doubt; the edge of the picture is no border of either."""
    diagonal = float(np.hypot(*person.shape))
    depth, away = (
        np.asarray(cv2.distanceTransform(part.astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE))
        for part in (person, ~person)
    )
    return depth > INNER * diagonal, away > OUTER * diagonal


def _solved(image: Image, hint: Floats, trust: Floats) -> Floats:
    """Return alpha in the size of the picture."""
    height, width = trust.shape
    guide, hint, trust = (each.astype(np.float32) for each in (image, hint, trust))
    guide /= 255
    scale = min(1.0, SOLVED_SIDE / max(height, width))
    if scale == 1:
        return _in_band(guide, hint, trust)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    small, hints = (
        np.asarray(cv2.resize(each, size, interpolation=cv2.INTER_AREA), np.float32) for each in (guide, hint)
    )
    trusts = np.asarray(cv2.resize(trust, size, interpolation=cv2.INTER_NEAREST_EXACT), np.float32)
    functions = Windows(small, radius=2, eps=EPS).functions(_in_band(small, hints, trusts))
    large = np.asarray(cv2.resize(functions, (width, height), interpolation=cv2.INTER_LINEAR), np.float32)
    alpha: Floats = np.einsum("ijk,ijk->ij", large[..., :3], guide) + large[..., 3]
    return alpha


def _in_band(guide: Floats, hint: Floats, trust: Floats) -> Floats:
    """Solve for alpha in the part of the picture that holds the band; elsewhere it is the hint."""
    band = trust < CERTAIN
    if not band.any():
        return hint
    rows, columns = np.flatnonzero(band.any(axis=1)), np.flatnonzero(band.any(axis=0))
    margin = 2 * RADIUS + 1
    part = (
        slice(max(0, rows[0] - margin), rows[-1] + margin + 1),
        slice(max(0, columns[0] - margin), columns[-1] + margin + 1),
    )
    alpha = hint.copy()
    windows = Windows(guide[part], radius=RADIUS, eps=EPS)
    alpha[part] = solve(windows, hint[part], trust[part], steps=STEPS)
    return alpha
