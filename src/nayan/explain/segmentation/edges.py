"""Small scenes with a truth and a wrong answer, on which losses of masks are compared."""

# K classes, (h, w) scene

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

SOFT_PX = 1.0
"""How soft the border of an answer is: the width of the logistic curve across it."""

MISSED, SURE = 0.1, 0.98
"""Probability of a thing that was overlooked, and of what is plainly seen."""


def sliding_border(
    places: Tensor, *, size: tuple[int, int] = (16, 64), true_at: float = 32.0
) -> tuple[Tensor, Tensor]:
    """Return answers whose border between two classes lies at several places, and the truth.

    Args:
        places: (B,) columns at which the answers' borders lie; gradients flow back to them.
        size: (h, w).
        true_at: column at which the second class begins.

    Returns:
        (B, 2, h, w) logits and (B, h, w) classes.
    """
    x = torch.arange(size[1]) + 0.5
    second = ((x[None] - places[:, None]) / SOFT_PX)[:, None].expand(-1, size[0], -1)  # (B, h, w)
    logits = torch.stack((torch.zeros_like(second), second), dim=1)
    truth = (x > true_at).long().expand(len(places), *size)
    return logits, truth


def overlooked(
    probability: Tensor, thing: NDArray[np.bool_], *, elsewhere: float = 0.005
) -> tuple[Tensor, Tensor]:
    """Return answers that find a thing more or less, and the truth.

    Args:
        probability: (B,) of the thing in each of its pixels; gradients flow back to it.
        thing: (h, w), where it is.
        elsewhere: its probability in all other pixels.

    Returns:
        (B, 2, h, w) logits and (B, h, w) classes.
    """
    where = torch.from_numpy(thing)
    p = torch.where(where[None], probability[:, None, None], torch.tensor(elsewhere))
    truth = where.long().expand(len(probability), *thing.shape)
    return torch.stack(((1 - p).log(), p.log()), dim=1), truth


def thin_line(size: tuple[int, int] = (64, 64), width: int = 2) -> NDArray[np.bool_]:
    """Return (h, w) with an upright line."""
    thing = np.zeros(size, bool)
    thing[:, size[1] // 2 : size[1] // 2 + width] = True
    return thing


def small_square(size: tuple[int, int] = (64, 64), side: int = 4) -> NDArray[np.bool_]:
    """Return (h, w) with a small square."""
    thing = np.zeros(size, bool)
    top, left = size[0] // 2, size[1] // 2
    thing[top : top + side, left : left + side] = True
    return thing


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """A truth with four mistakes in its answer.

    Attributes:
        truth: (h, w) uint8: 0 background, 1 object, 2 a rare class.
        probabilities: (3, h, w) float32, the answer.
        regions: (h, w) bool each, by what is wrong there.
    """

    truth: NDArray[np.uint8]
    probabilities: NDArray[np.float32]
    regions: dict[str, NDArray[np.bool_]]


def scene() -> Scene:
    """Return an object found 4 px too small, a line that is overlooked, a gap that is closed, a rare class.

    Borders of the answer are blurred by about a pixel, as those of networks are.
    """
    truth = np.zeros((96, 128), np.uint8)
    truth[12:56, 10:46] = 1
    truth[8:88, 60:62] = 1
    truth[14:44, 72:92], truth[14:44, 95:115] = 1, 1
    truth[66:72, 96:102] = 2
    said = (truth == 1).astype(np.float32)
    said[12:56, 42:46] = 0
    said[8:88, 60:62] = 0
    said[14:44, 92:95] = 1
    first = cv2.GaussianBlur(said, (0, 0), 1.0) * (SURE - 0.01) + 0.01
    rare = np.full(truth.shape, 0.004, np.float32)
    line = truth[:, 60:62] == 1
    first[:, 60:62][line] = MISSED
    rare[truth == 2] = MISSED
    first = np.minimum(first, 0.99 - rare)
    probabilities = np.stack((1 - first - rare, first, rare)).astype(np.float32)
    regions = {name: np.zeros(truth.shape, bool) for name in ("shifted border", "thin line", "closed gap")}
    regions["shifted border"][12:56, 40:48] = True
    regions["thin line"][8:88, 59:63] = True
    regions["closed gap"][14:44, 91:96] = True
    regions["rare class"] = cv2.dilate((truth == 2).astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    regions["all that is right"] = ~np.any(list(regions.values()), axis=0)
    return Scene(truth, probabilities, regions)
