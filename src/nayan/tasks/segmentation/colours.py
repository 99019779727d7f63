"""The colours of classes in masks: far apart for every kind of colour vision, the same in every picture."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from nayan.core.types import VOID

Colour = tuple[int, int, int]

PALETTE: tuple[Colour, ...] = (
    *((230, 159, 0), (86, 180, 233), (0, 158, 115), (204, 121, 167), (213, 94, 0), (0, 114, 178)),
    *((240, 228, 66), (90, 0, 0), (0, 0, 135), (120, 255, 255), (0, 0, 255), (165, 0, 75)),
    *((135, 120, 255), (90, 210, 150), (75, 45, 180), (60, 30, 75), (105, 255, 165), (30, 90, 105)),
    *((165, 210, 255), (75, 75, 0), (255, 75, 105), (225, 15, 210), (60, 60, 120), (195, 45, 150)),
)
"""The seven of Okabe and Ito (2008); after them, one by one, the colour that is farthest from all before, in
OKLab as people see it with and without red or green cones (Machado et al. 2009)."""

GROUND_NAMES = frozenset({"background", "bg", "_background_", "__background__", "ground"})
"""Classes that say that there is nothing: they are not painted."""

VOID_COLOUR: Colour = (128, 128, 128)
"""Of a pixel of which nothing is known, in a colour mask."""


def colour_of(label: int) -> Colour:
    """Return the colour of a class; after 24 classes they come again, darker and then lighter.

    >>> colour_of(0), colour_of(24)
    ((230, 159, 0), (138, 95, 0))
    """
    red, green, blue = PALETTE[label % len(PALETTE)]
    turn = label // len(PALETTE)
    if turn == 0:
        return (red, green, blue)
    share = 0.6**turn if turn % 2 else 0.7**turn
    base = 0 if turn % 2 else round(255 * (1 - share))
    return (base + round(red * share), base + round(green * share), base + round(blue * share))


def is_ground(name: str) -> bool:
    """Return whether a class means that there is nothing.

    >>> is_ground("Background"), is_ground("road")
    (True, False)
    """
    return name.lower() in GROUND_NAMES


def colour_table(classes: Sequence[str]) -> NDArray[np.uint8]:
    """Return (256, 3), the colour of each id: black for a background, gray where nothing is known.

    Other ids without a name are gray too.
    """
    table = np.full((VOID + 1, 3), VOID_COLOUR, np.uint8)
    for index, name in enumerate(classes):
        table[index] = (0, 0, 0) if is_ground(name) else colour_of(index)
    return table
