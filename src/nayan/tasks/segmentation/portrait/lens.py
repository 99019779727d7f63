"""Out of focus: every point of light becomes a disc, and bright points show it."""

from __future__ import annotations

import math

import cv2
import numpy as np

from nayan.tasks.segmentation.portrait.closed_form import Floats

FINEST_PX = 12
"""Radius of the disc in px up to which the blur is done in full size; a larger one is done in a smaller copy,
which a blurred picture does not miss."""

BRIGHT, WHITE = 0.72, 0.97
"""Amounts of light between which a point is taken for brighter than the sensor could say."""

BLOOM = 6.0
"""How much brighter than it looks a small saturated point is taken for."""


def disc(radius: float) -> Floats:
    """Return the circle of confusion as a kernel whose sum is 1; its edge is as smooth as pixels allow.

    >>> disc(1.0).shape, float(disc(1.0).sum().round(4))
    ((3, 3), 1.0)
    """
    fine = 8
    half = math.ceil(radius - 0.5) if radius > 0.5 else 0
    steps = (np.arange((2 * half + 1) * fine) + 0.5) / fine - half - 0.5
    inside = np.hypot(steps[:, None], steps) <= max(radius, 0.5)
    kernel = inside.reshape(2 * half + 1, fine, 2 * half + 1, fine).mean(axis=(1, 3))
    return np.asarray(kernel / kernel.sum(), np.float32)


def lens_blur(light: Floats, weight: Floats, *, radius: float, bloom: float = BLOOM) -> Floats:
    """Return the light of a background out of focus, (H, W, 3); highlights may be above 1.

    The mean under the disc is taken over what weighs only (normalised convolution, Knutsson and Westin 1993):
    a pixel of weight 0, such as one of the person, gives nothing to its surroundings and gets the mean of
    what weighs around.

    Args:
        light: (H, W, 3) float32 amounts of light, not levels: discs of levels would be gray, not bright.
        weight: (H, W) in [0, 1].
        radius: of the disc in px.
        bloom: how much small saturated points are brightened before; 0 for not at all.
    """
    if radius < 0.5:
        return light
    height, width = weight.shape
    scale = min(1.0, FINEST_PX / radius)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    kernel = disc(radius * scale)
    # Light and its weight shrink together: the mean of a smaller pixel is over what weighs, too.
    both = np.concatenate((light * weight[..., None], weight[..., None]), axis=2)
    small = np.asarray(cv2.resize(both, size, interpolation=cv2.INTER_AREA), np.float32)
    known = small[..., 3:]
    colours: Floats = (small[..., :3] / np.maximum(known, 1e-4)).astype(np.float32)
    bright = _brightened(colours, known[..., 0], kernel, bloom)
    spread = _convolved(np.concatenate((bright * known, known), axis=2), kernel)
    far = _far(small, radius * scale)
    mean = (spread[..., :3] + 1e-3 * far) / (spread[..., 3:] + 1e-3)
    large = np.asarray(cv2.resize(mean, (width, height), interpolation=cv2.INTER_CUBIC), np.float32)
    return large.clip(min=0)


def _brightened(colours: Floats, known: Floats, kernel: Floats, bloom: float) -> Floats:
    """Return the light with small highlights as bright as lamps are.

    A white wall or sky stays as it is, and so does what is bright in a bright room: a lamp is at least half
    as bright again as what is around it.
    """
    top = colours.max(axis=2)
    level = np.clip((top - BRIGHT) / (WHITE - BRIGHT), 0, 1)
    level = level * level * (3 - 2 * level) * (known > 0.5)
    window = (2 * kernel.shape[0] + 1,) * 2
    wide, around = (cv2.blur(each, window, borderType=cv2.BORDER_REFLECT) for each in (level, top))
    alone = np.clip(1 - 4 * wide, 0, 1)
    darker = np.clip(1 - 1.5 * np.asarray(around) / np.maximum(top, 1e-4), 0, 1)
    brighter: Floats = colours * (1 + bloom * level * alone * darker)[..., None]
    return brighter.astype(np.float32)


def _convolved(values: Floats, kernel: Floats) -> Floats:
    layers = [cv2.filter2D(layer, -1, kernel, borderType=cv2.BORDER_REFLECT) for layer in cv2.split(values)]
    return np.stack([np.asarray(layer, np.float32).clip(min=0) for layer in layers], axis=2)


def _far(small: Floats, radius: float) -> Floats:
    """Return the mean colour of what weighs in a wide surrounding, for the middle of a large person."""
    blurred = np.asarray(cv2.GaussianBlur(small, (0, 0), 4 * radius, borderType=cv2.BORDER_REFLECT))
    whole = small.reshape(-1, 4).sum(axis=0)
    whole = whole[:3] / max(1e-6, float(whole[3]))
    far: Floats = ((blurred[..., :3] + 1e-4 * whole) / (blurred[..., 3:] + 1e-4)).astype(np.float32)
    return far
