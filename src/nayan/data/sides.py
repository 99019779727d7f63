"""Which side a detector's input should have for the objects of a data set: training and the doctor agree."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from nayan.core.types import Boxes, Size

SIDES = (320, 416, 512, 640)
"""Sides of a detector's input that are chosen among."""
SMALL_OBJECT = 14.0
"""Pixels: objects whose side is shorter in the network's input are hard to find."""

LOOKED_AT = 64
"""Pictures, evenly spaced, whose sizes stand for those of all."""


def spaced(count: int, most: int = LOOKED_AT) -> list[int]:
    """Return at most `most` evenly spaced numbers from 0 to `count` - 1.

    >>> spaced(9, 3)
    [0, 4, 8]
    """
    rows: list[int] = np.unique(np.linspace(0, count - 1, most).astype(int)).tolist()
    return rows if count else []


def choose_side(truths: Iterable[Boxes], sizes: Sequence[Size], *, most: int = SIDES[-1]) -> tuple[int, str]:
    """Return the shortest of `SIDES`, up to `most`, at which nine of ten objects are not small; and why.

    Larger ones cost time in proportion to their area, so that what is large already is not enlarged.

    Args:
        truths: the objects of some pictures, in pixels of these.
        sizes: (height, width) of some pictures, at least one.
        most: side that the network was made for; what is returned where nothing else is enough.

    >>> large = Boxes(np.array([[0, 0, 90, 90]], np.float32), np.array([0]))
    >>> choose_side([large], [(480, 640)])
    (320, 'nine of ten objects are at least 45 px there')
    """
    longer = float(np.median([max(size) for size in sizes]))
    objects = [np.sqrt(boxes.covered) for boxes in truths]
    known = np.concatenate(objects) if objects else np.zeros(0)
    if not len(known):
        return most, "no object says how small they are"
    small = max(1.0, float(np.quantile(known, 0.1)))
    fitting = [side for side in SIDES if side <= most and small * side / longer >= SMALL_OBJECT]
    side = min(fitting, default=most)
    return side, f"nine of ten objects are at least {small * side / longer:.0f} px there"


def choose_own_side(sizes: Sequence[Size], multiple: int, *, most: int) -> tuple[int, str]:
    """Return the side of pictures to draw that are like these (height, width); and why.

    Args:
        sizes: of some pictures, at least one.
        multiple: that the side has to be of.
        most: side that the network was made for.

    >>> choose_own_side([(28, 28)], 4, most=64)
    (28, 'the usual picture has 28 px')
    """
    usual = float(np.median([min(size) for size in sizes]))
    side = int(max(multiple, min(most, usual // multiple * multiple)))
    return side, f"the usual picture has {usual:.0f} px"


LONGER_SIDES = (256, 512)
"""Least and most pixels of a segmenter's input that are chosen; other pictures are enlarged or shrunk."""
MULTIPLE = 32
"""The sides of a segmenter's input are multiples of this: its encoder halves them five times."""
SAME_SHAPE = 1.1
"""Aspects of pictures that differ by less are one."""


def choose_longer_side(sizes: Sequence[Size]) -> tuple[int, str]:
    """Return the longer side of a segmenter's input for pictures of these (height, width); and why.

    >>> choose_longer_side([(360, 480)])
    (480, 'the usual picture has 480 px')
    """
    usual = float(np.median([max(size) for size in sizes]))
    least, most = LONGER_SIDES
    side = int(min(most, max(least, MULTIPLE * round(usual / MULTIPLE))))
    return side, f"the usual picture has {usual:.0f} px"


def choose_shape(sizes: Sequence[Size], side: int) -> Size:
    """Return the (height, width) of an input with a longer side for pictures of these (height, width).

    Where the pictures share one aspect the input has it too, to the next multiple of 32: a square would be
    filled with gray. Where they do not, it is a square.

    >>> choose_shape([(360, 480), (480, 640)], 480), choose_shape([(360, 480), (480, 360)], 480)
    ((352, 480), (480, 480))
    """
    aspects = np.array([width / height for height, width in sizes])
    usual = float(np.median(aspects))
    if aspects.max() / usual > SAME_SHAPE or usual / aspects.min() > SAME_SHAPE:
        return side, side
    other = max(MULTIPLE, MULTIPLE * round(side * min(usual, 1 / usual) / MULTIPLE))
    return (other, side) if usual >= 1 else (side, other)
