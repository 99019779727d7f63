"""How many things a mask shows, also where they touch: cells, grains, berries.

Each connected part of the mask is parted where it has a neck. The distance of every pixel from the outside is
seen as a landscape of hills; each hill is the domain of one thing, and two hills are one thing where the pass
between them is nearly as high as the lower summit:

    mask -> distance -> hills, by steepest ascent -> hills with a high pass between them united -> things

Sources: the watershed of the distance transform is of Beucher and Lantuejoul (1979) and Vincent and Soille
(1991); by how much a summit rises above the pass to a higher one is its dynamics, Grimaud (1992). Uniting
hills below a dynamics of h is the same as flooding the h-maxima; here h is a share of the summit, so that
small and large things are parted alike.
"""

# H rows, W columns, N things, B hills

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from nayan.core.errors import ConfigError, ShapeError

DEPTH = 0.2
"""Least depth of a neck, as a share of the half width of the narrower thing. Two equal discs are told apart
until they overlap by 0.8 of their radius."""

SPECK = 0.05
"""Share of the median area below which a thing is a speck."""

_PAIRS = ((0, 1), (1, 0), (1, 1), (1, -1))  # (rows, columns) to the half of the neighbours not yet seen


@dataclass(frozen=True, slots=True, eq=False)
class Things:
    """What was counted.

    Attributes:
        labels: (H, W) int32, 0 where there is none, else the number of the thing, from 1, by the row and
            column in which it begins.
        areas: (N,) int64 pixels of each.
        centres: (N, 2) float64 centres of mass as (x, y) px; (0, 0) is the corner of the picture.
        mm_per_px: how wide a pixel is, where that is known.
    """

    labels: NDArray[np.int32]
    areas: NDArray[np.int64]
    centres: NDArray[np.float64]
    mm_per_px: float | None = None

    def __len__(self) -> int:
        return len(self.areas)

    def record(self) -> dict[str, Any]:
        """Return `{"count", "area", "area_median", "things": [{"area", "centre"}]}` in px^2 and px.

        With a known scale also "area_mm2" and "area_mm2_median", and "area_mm2" of each thing.
        """
        scale = None if self.mm_per_px is None else self.mm_per_px**2
        things: list[dict[str, Any]] = []
        for area, (x, y) in zip(self.areas.tolist(), self.centres.tolist(), strict=True):
            things.append({"area": area, "centre": [round(x, 2), round(y, 2)]})
            if scale is not None:
                things[-1]["area_mm2"] = area * scale
        total, median = int(self.areas.sum()), float(np.median(self.areas)) if len(self) else 0.0
        in_mm = {} if scale is None else {"area_mm2": total * scale, "area_mm2_median": median * scale}
        return {"count": len(self), "area": total, "area_median": median, **in_mm, "things": things}


def count(
    mask: NDArray[np.bool_],
    *,
    touching: bool = True,
    depth: float = DEPTH,
    least_px: int | None = None,
    mm_per_px: float | None = None,
) -> Things:
    """Return the things of a mask, those that touch parted at their necks.

    Args:
        mask: (H, W) bool, such as `prediction.ids == cell`. Pixels that touch only at a corner are apart.
            A thing that the edge of the picture cuts goes on behind it.
        touching: whether to part at necks; else every connected part is one thing.
        depth: how deep a neck must be, from 0 (part at every dent) to 1 (never), as a share of the half width
            of the narrower thing.
        least_px: smaller things are specks and not counted; None: 5 % of the median area.
        mm_per_px: how wide a pixel is in mm, where that is known.

    Raises:
        ShapeError: if the mask is of another kind.
        ConfigError: if an option is impossible.

    >>> two = np.zeros((3, 7), bool)
    >>> two[:, :3] = two[:, 4:] = True
    >>> count(two).areas.tolist()
    [9, 9]
    """
    if mask.ndim != 2 or mask.dtype != np.bool_:
        raise ShapeError(f"a mask to count in is (H, W) bool, got {mask.shape} {mask.dtype}")
    if not 0 <= depth <= 1 or (least_px is not None and least_px < 0):
        raise ConfigError(
            f"depth {depth}, least area {least_px} px: depth is from 0 to 1, areas are not negative"
        )
    if mm_per_px is not None and not 0 < mm_per_px < np.inf:
        raise ConfigError(f"{mm_per_px} mm a pixel: expected more than 0")
    _, joined = cv2.connectedComponents(mask.astype(np.uint8), connectivity=4, ltype=cv2.CV_32S)
    labels = np.asarray(joined, np.int32)
    if touching and mask.any():
        labels = _parted(mask, labels, depth)
    return _measured(_without_specks(labels, least_px), mm_per_px)


def _parted(mask: NDArray[np.bool_], parts: NDArray[np.int32], depth: float) -> NDArray[np.int32]:
    """Return the number of the thing of each pixel, with gaps between the numbers."""
    # A pixel at the border of the mask is half a pixel from the outside, not a whole one.
    distance = np.asarray(cv2.distanceTransform(mask.astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE))
    height = np.where(mask, distance - 0.5, 0).astype(np.float32)
    hills = _hills(height, parts)
    low, high, passes = _passes(height, parts, hills)
    return _united(height, hills, (low, high, passes), depth)[hills].astype(np.int32)


def _hills(height: NDArray[np.float32], parts: NDArray[np.int32]) -> NDArray[np.int64]:
    """Return (H, W), the summit (row * W + column) that steepest ascent reaches from each pixel."""
    rows, columns = height.shape
    here = np.arange(rows * columns).reshape(rows, columns)
    best, towards = height.copy(), here.copy()
    for dy, dx in _PAIRS:
        for this, other in (_shifted(dy, dx, (rows, columns)), _shifted(-dy, -dx, (rows, columns))):
            # A step to a neighbour at a corner is longer, so the same rise there is less steep.
            rise = (height[other] - height[this]) / np.hypot(dy, dx)
            steeper = (rise > best[this] - height[this]) & (parts[other] == parts[this])
            best[this] = np.where(steeper, height[this] + rise, best[this])
            towards[this] = np.where(steeper, here[other], towards[this])
    flat = towards.ravel()
    while True:  # each round doubles how far a pixel sees: log2 of the longest way
        further = flat[flat]
        if np.array_equal(further, flat):
            return flat.reshape(rows, columns)
        flat = further


def _passes(
    height: NDArray[np.float32], parts: NDArray[np.int32], hills: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]:
    """Return the pairs of neighbouring hills and the height of the pass between them, the highest first."""
    firsts, seconds, levels = [], [], []
    for dy, dx in _PAIRS:
        this, other = _shifted(dy, dx, height.shape)
        met = (hills[this] != hills[other]) & (parts[this] == parts[other]) & (parts[this] > 0)
        firsts.append(hills[this][met])
        seconds.append(hills[other][met])
        levels.append(np.minimum(height[this], height[other])[met])
    first, second, level = np.concatenate(firsts), np.concatenate(seconds), np.concatenate(levels)
    order = np.argsort(-level, kind="stable")
    pairs = np.stack((np.minimum(first, second), np.maximum(first, second)), axis=1)[order]
    _, kept = np.unique(pairs, axis=0, return_index=True)  # of each pair the first, which is the highest
    kept.sort()
    return pairs[kept, 0], pairs[kept, 1], level[order][kept]


def _united(
    height: NDArray[np.float32],
    hills: NDArray[np.int64],
    passes: tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]],
    depth: float,
) -> NDArray[np.int64]:
    """Return for each summit the number of its thing; 0 elsewhere. Passes are opened from the highest."""
    levels = height.ravel()
    above = {summit: summit for summit in np.unique(hills[height > 0]).tolist()}

    def top(summit: int) -> int:
        while above[summit] != summit:
            above[summit] = summit = above[above[summit]]
        return summit

    for one, two, level in zip(*(each.tolist() for each in passes), strict=True):
        first, second = top(one), top(two)
        if levels[first] < levels[second]:
            first, second = second, first
        if first != second and levels[second] - level <= depth * levels[second]:
            above[second] = first
    number = np.zeros(height.size, np.int64)
    for summit in above:
        number[summit] = top(summit) + 1
    return number


def _shifted(dy: int, dx: int, size: tuple[int, ...]) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    """Return the pixels that have a neighbour (dy, dx) further, and these neighbours."""

    def ends(shift: int, length: int) -> tuple[slice, slice]:
        return slice(max(0, -shift), length - max(0, shift)), slice(max(0, shift), length + min(0, shift))

    (y, y_other), (x, x_other) = ends(dy, size[0]), ends(dx, size[1])
    return (y, x), (y_other, x_other)


def _without_specks(labels: NDArray[np.int32], least_px: int | None) -> NDArray[np.int32]:
    """Return labels from 1 without gaps, in reading order, of the things that are large enough."""
    numbers, first, inverse, areas = np.unique(
        labels, return_index=True, return_inverse=True, return_counts=True
    )
    things = numbers > 0
    if least_px is None:
        least_px = round(SPECK * float(np.median(areas[things]))) if things.any() else 0
    kept = np.flatnonzero(things & (areas >= least_px))
    renumbered = np.zeros(len(numbers), np.int32)
    renumbered[kept[np.argsort(first[kept])]] = np.arange(1, len(kept) + 1)
    return renumbered[inverse].reshape(labels.shape)


def _measured(labels: NDArray[np.int32], mm_per_px: float | None) -> Things:
    y, x = np.nonzero(labels)
    own = labels[y, x] - 1
    total = int(labels.max(initial=0))
    areas = np.bincount(own, minlength=total)
    sums = (np.bincount(own, weights=axis + 0.5, minlength=total) for axis in (x, y))
    centres = np.stack([each / np.maximum(areas, 1) for each in sums], axis=1)
    return Things(labels, areas.astype(np.int64), centres, mm_per_px)
