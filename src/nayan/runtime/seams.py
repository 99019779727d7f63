"""Masks of tiles put together to that of the whole picture, without a seam.

What a network says of a pixel depends on the pixels around it, as far as its receptive field reaches; near
the edge of a tile some of them are missing. So of each tile only the middle is used: Ronneberger et al.
(2015), arXiv:1505.04597, figure 2. Where the overlap of two tiles is twice the reach of the receptive field,
the result is that of one look at the whole picture, as exactly as float32 can say.
"""

# (H, W) size of the picture

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from nayan.core.errors import ConfigError
from nayan.core.types import VOID, Image, SemanticMask, Size
from nayan.runtime.preprocess import LETTERBOX_GRAY

Tile = tuple[int, int, int, int]
"""(left, top, right, bottom) in pixels of the picture; right and bottom exclusive, and may lie outside."""


_Map = TypeVar("_Map")
_Part = tuple[slice, slice]


def cut_tile(image: Image, tile: Tile, *, fill: int = LETTERBOX_GRAY) -> NDArray[np.uint8]:
    """Return the pixels of a tile of an (H, W) or (H, W, 3) picture, filled up beyond the picture's edge.

    >>> cut_tile(np.ones((2, 2), np.uint8), (1, 0, 4, 2), fill=9).tolist()
    [[1, 9, 9], [1, 9, 9]]
    """
    left, top, right, bottom = tile
    part = image[top:bottom, left:right]
    if part.shape[:2] == (bottom - top, right - left):
        return np.ascontiguousarray(part)
    whole = np.full((bottom - top, right - left, *image.shape[2:]), fill, np.uint8)
    whole[: part.shape[0], : part.shape[1]] = part
    return whole


def join_masks(found: Iterable[tuple[Tile, SemanticMask]], size: Size) -> SemanticMask:
    """Return one mask of (height, width) in which each pixel is of the tile that shows most around it.

    Args:
        found: each tile with its mask, which is as large as the tile. They cover the picture.
        size: of the picture.

    Raises:
        ConfigError: if a prediction is no mask.

    >>> one, two = (SemanticMask(np.full((1, 6), n, np.uint8)) for n in (1, 2))
    >>> join_masks([((0, 0, 6, 1), one), ((4, 0, 10, 1), two)], (1, 10)).ids.tolist()
    [[1, 1, 1, 1, 1, 2, 2, 2, 2, 2]]
    """
    ids, scores = np.full(size, VOID, np.uint8), np.zeros(size, np.float32)
    scored = True
    for mask, pixels, part, own in _shares(found, size):
        if not isinstance(mask, SemanticMask):
            raise ConfigError(f"tiles of masks cannot be joined with {type(mask).__name__}")
        ids[pixels][own] = mask.ids[part][own]
        scored = scored and mask.scores is not None
        if mask.scores is not None:
            scores[pixels][own] = mask.scores[part][own]
    return SemanticMask(ids, scores if scored else None)


def join_maps(found: Iterable[tuple[Tile, NDArray[np.float32]]], size: Size) -> NDArray[np.float32]:
    """Return one (height, width) map of values, put together from those of tiles as `join_masks` does.

    >>> one, two = (np.full((1, 6), n, np.float32) for n in (1, 2))
    >>> join_maps([((0, 0, 6, 1), one), ((4, 0, 10, 1), two)], (1, 10)).tolist()
    [[1.0, 1.0, 1.0, 1.0, 1.0, 2.0, 2.0, 2.0, 2.0, 2.0]]
    """
    joined = np.zeros(size, np.float32)
    for values, pixels, part, own in _shares(found, size):
        joined[pixels][own] = values[part][own]
    return joined


def _shares(
    found: Iterable[tuple[Tile, _Map]], size: Size
) -> Iterator[tuple[_Map, _Part, _Part, NDArray[np.bool_]]]:
    """Yield what was found in each tile, with its part of the picture, the same in the tile, and its pixels.

    The pixels of a tile are those around which no tile before it shows more.
    """
    height, width = size
    around = np.full(size, -1, np.int32)
    for tile, values in found:
        left, top, right, bottom = tile
        pixels = (slice(top, min(bottom, height)), slice(left, min(right, width)))
        part = (slice(0, pixels[0].stop - top), slice(0, pixels[1].stop - left))
        shown = _shown_around(tile, size)[part]
        own = shown > around[pixels]
        around[pixels][own] = shown[own]
        yield values, pixels, part, own


def _shown_around(tile: Tile, size: Size) -> NDArray[np.int32]:
    """Return (h, w): how far each pixel of a tile is from the next edge behind which the picture goes on."""
    left, top, right, bottom = tile
    far = np.iinfo(np.int32).max // 2

    def along(first: int, last: int, end: int) -> NDArray[np.int32]:
        place = np.arange(last - first, dtype=np.int32)
        before = place if first > 0 else np.full_like(place, far)
        after = place[::-1] if last < end else np.full_like(place, far)
        return np.minimum(before, after)

    down, across = along(top, bottom, size[0]), along(left, right, size[1])
    return np.minimum(down[:, None], across[None, :])
