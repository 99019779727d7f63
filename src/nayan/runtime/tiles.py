"""Large pictures in parts: where the tiles lie, and how detections become one answer again.

Small objects disappear when a large picture is shrunk to a network's input, so it is looked at tile by tile
at full resolution (sliced inference: Akyon et al. 2022, arXiv:2202.06934). Neighbouring tiles overlap; an
object in the overlap is found twice, and one on a seam is found in pieces. `merge` undoes both.
"""

# N detections of all tiles together

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nayan.core.boxes import area, iou_matrix
from nayan.core.errors import ConfigError
from nayan.core.types import Boxes, Image, SemanticMask, Size
from nayan.runtime.seams import Tile, cut_tile, join_masks

SEAM_PX = 2.0
"""A detection that ends so close to an inner edge of its tile may go on behind it."""

LEAST = 0.05
"""Score below which the detections of a tile are dropped, unless told otherwise."""

OVERLAP = 0.2
"""Of neighbouring tiles, as a fraction of a tile, unless told otherwise."""


@dataclass(frozen=True, slots=True)
class Tiling:
    """How a model looks at pictures: in tiles, and once at the whole for what is larger than a tile.

    Attributes:
        side: of a square tile in pixels of the picture.
        overlap: of neighbours, as a fraction of the tile, at least 0 and less than 1.
        least: score below which a detection is dropped before merging: each is compared with all others.
        whole: whether the whole picture is looked at too, for what is larger than a tile.
        grid: tiles begin at multiples of this many pixels, and may reach over the right and lower edge. A
            network that halves its maps five times sees the same in two tiles only on a grid of 32.
    """

    side: int
    overlap: float = OVERLAP
    least: float = LEAST
    whole: bool = True
    grid: int = 1

    def __post_init__(self) -> None:
        if type(self.side) is not int or not 0 <= self.least <= 1:
            raise ConfigError(
                f"tiles of {self.side!r} px with detections from {self.least!r} on: impossible",
                hint="a tile has a whole number of px, such as 640; a score is a fraction from 0 to 1",
            )
        tiles((1, 1), self.side, overlap=self.overlap)

    def views(self, size: Size) -> list[Tile]:
        """Return the parts of a picture of (height, width) that are looked at, the whole picture last.

        >>> Tiling(100).views((100, 180))
        [(0, 0, 100, 100), (80, 0, 180, 100), (0, 0, 180, 100)]
        >>> Tiling(100).views((60, 80))
        [(0, 0, 80, 60)]
        """
        return views(size, self.side, overlap=self.overlap, whole=self.whole, grid=self.grid)

    def shown(self, size: Size) -> Size:
        """Return the (height, width) of the first part: by how much it is shrunk decides what can be seen.

        >>> Tiling(100).shown((60, 180))
        (60, 100)
        """
        return min(self.side, size[0]), min(self.side, size[1])


def tiles(size: Size, tile: int | Size, *, overlap: float = OVERLAP, grid: int = 1) -> list[Tile]:
    """Return the tiles that cover a picture, row by row.

    They all have the size `tile`, except where the picture is smaller, and lie at equal distances, so the
    overlap is at least what was asked for. On a grid they all have that size, and may reach over the edge.

    Args:
        size: (height, width) of the picture.
        tile: (height, width) of a tile, or the side of a square.
        overlap: of neighbours, as a fraction of the tile, at least 0 and less than 1.
        grid: tiles begin at multiples of this.

    Raises:
        ConfigError: for an impossible tile or overlap.

    >>> tiles((100, 180), 100, overlap=0.2)
    [(0, 0, 100, 100), (80, 0, 180, 100)]
    """
    height, width = (tile, tile) if isinstance(tile, int) else tile
    if min(height, width) < 1 or not 0 <= overlap < 1:
        raise ConfigError(
            f"tiles of {height} x {width} px with an overlap of {overlap}: impossible",
            hint="a tile has at least 1 px, the overlap is a fraction from 0 up to 1, such as 0.2",
        )
    rows, columns = _starts(size[0], height, overlap, grid), _starts(size[1], width, overlap, grid)
    if grid > 1:
        return [(left, top, left + width, top + height) for top, left in itertools.product(rows, columns)]
    return [
        (left, top, min(left + width, size[1]), min(top + height, size[0]))
        for top, left in itertools.product(rows, columns)
    ]


def views(
    size: Size, tile: int | Size, *, overlap: float = OVERLAP, whole: bool = True, grid: int = 1
) -> list[Tile]:
    """Return the tiles of a picture and, where there are several and `whole` asks for it, the whole of it."""
    height, width = size
    places = tiles(size, tile, overlap=overlap, grid=grid)
    return [*places, (0, 0, width, height)] if whole and len(places) > 1 else places


def predict_tiled(
    predictor: Callable[[Sequence[Image]], Sequence[Any]],
    image: Image,
    *,
    tile: int | Size,
    overlap: float = OVERLAP,
    whole: bool = True,
    least: float = LEAST,
    grid: int = 1,
    batch: int = 8,
) -> Boxes | SemanticMask:
    """Return what a model finds in a large picture, looked at in tiles.

    Args:
        predictor: from pictures to one `Boxes` or `SemanticMask` each, such as a `Predictor`.
        image: (H, W, 3) uint8 RGB.
        tile: side of a tile, or its (height, width), in pixels of the picture.
        overlap: of neighbours, as a fraction of the tile; choose it so that the usual object fits in.
        least: score below which a detection is dropped before merging: each is compared with all others.
        whole: also look at the picture as a whole, for the objects that are larger than a tile.
        grid: tiles begin at multiples of this.
        batch: tiles at once.

    Returns:
        Boxes in pixels of the picture, the best first; or its mask.

    Raises:
        ConfigError: for an impossible tile, or if the predictor finds neither boxes nor masks.
    """
    height, width = image.shape[:2]
    places = views((height, width), tile, overlap=overlap, whole=whole, grid=grid)
    found: list[tuple[Tile, Any]] = []
    for first in range(0, len(places), batch):
        part = places[first : first + batch]
        crops = [cut_tile(image, place) for place in part]
        found += zip(part, predictor(crops), strict=True)
    return join_tiles(found, (height, width), least=least)


def join_tiles(
    found: Iterable[tuple[Tile, Any]], size: Size, *, least: float = LEAST
) -> Boxes | SemanticMask:
    """Return what a model said of the tiles of a picture as one answer: `merge` of what scores enough.

    Args:
        found: each tile with its prediction, in pixels of the tile.
        size: (height, width) of the picture.
        least: score below which a detection is dropped.

    Raises:
        ConfigError: if the predictions are neither boxes nor masks.
    """
    found = list(found)
    if found and isinstance(found[0][1], SemanticMask):
        return join_masks(found, size)
    return merge([(tile, _scoring(prediction, least)) for tile, prediction in found], size)


def merge(found: Sequence[tuple[Tile, Boxes]], size: Size, *, iou: float = 0.5, ios: float = 0.5) -> Boxes:
    """Return the detections of all tiles as those of one picture.

    Detections of one tile are never compared with each other: that has been done. Of those of one class
    from two tiles,

    - a piece that ends at a seam is dropped where a whole box reaches over that seam and covers it;
    - pieces that reach over each other's seams become one box with the best of their scores;
    - of two that overlap by more than `iou` the better one stays.

    Args:
        found: each tile with its detections, in pixels of the tile.
        size: (height, width) of the picture.
        iou: intersection over union from which on two boxes are one object.
        ios: the same for pieces, as intersection over the smaller of the two (Akyon et al. 2022), within
            the part that both tiles see.

    Returns:
        Boxes in pixels of the picture, the best first.
    """
    if not any(len(boxes) for _, boxes in found):
        return Boxes(np.zeros((0, 4), np.float32), np.zeros(0, np.int64), np.zeros(0, np.float32))
    pieces = _gather(found, size)
    continued = _continued(pieces, ios)
    is_cut = pieces.is_cut
    explained = is_cut & (continued & ~is_cut[None, :]).any(axis=1)
    joined = _join(pieces, continued & (is_cut & ~explained)[:, None] & (is_cut & ~explained)[None, :])
    kept = np.flatnonzero(~explained & joined.is_first)
    # Of equal scores the larger box first: the smaller one may lack what its tile did not show.
    scores = np.asarray(joined.boxes.scores)
    order = kept[np.lexsort((-area(joined.boxes.xyxy[kept]), -scores[kept]))]
    survivors = _suppress(joined.boxes.select(order), joined.tile[order], iou)
    return joined.boxes.select(order[survivors])


@dataclass(frozen=True, slots=True, eq=False)
class _Pieces:
    """Detections of all tiles in pixels of the picture.

    Attributes:
        boxes: N of them.
        tile: (N,) the number of the tile, -1 for a box that was joined from several.
        tiles: (N, 4) the tile itself.
        seams: (N, 4) its edges; infinite where the picture ends, so that nothing is cut there.
        is_first: (N,) False for a piece that has become part of another row.
    """

    boxes: Boxes
    tile: NDArray[np.int64]
    tiles: NDArray[np.float32]
    seams: NDArray[np.float32]
    is_first: NDArray[np.bool_]

    @property
    def cut(self) -> NDArray[np.bool_]:
        """(N, 4) at which edges of its tile each detection ends."""
        near: NDArray[np.bool_] = np.abs(self.boxes.xyxy - self.seams) <= SEAM_PX
        return near

    @property
    def is_cut(self) -> NDArray[np.bool_]:
        """(N,) whether a detection ends at any seam."""
        return np.asarray(self.cut.any(axis=1))


def _starts(length: int, tile: int, overlap: float, grid: int) -> list[int]:
    if length <= tile:
        return [0]
    if grid > 1:  # the last one may reach beyond the end
        apart = max(grid, int(tile * (1 - overlap)) // grid * grid)
        last = -(-(length - tile) // grid) * grid
        return [*range(0, last, apart), last]
    step = max(1.0, tile * (1 - overlap))
    count = math.ceil((length - tile) / step - 1e-9) + 1
    return [round(place) for place in np.linspace(0, length - tile, count)]


def _scoring(prediction: Any, least: float) -> Boxes:
    """Return the boxes that score at least so much."""
    if not isinstance(prediction, Boxes):
        raise ConfigError(
            f"tiles need a model that finds boxes or masks, this one gives {type(prediction).__name__}",
            hint="leave out --tile, or use a detector or segmenter",
        )
    return prediction if prediction.scores is None else prediction.select(prediction.scores >= least)


def _gather(found: Sequence[tuple[Tile, Boxes]], size: Size) -> _Pieces:
    height, width = size
    xyxy, labels, scores, numbers, rects, seams = [], [], [], [], [], []
    for number, (tile, boxes) in enumerate(found):
        left, top, right, bottom = tile
        xyxy.append(boxes.xyxy + np.array([left, top, left, top], np.float32))
        labels.append(boxes.labels)
        scores.append(np.ones(len(boxes), np.float32) if boxes.scores is None else boxes.scores)
        numbers.append(np.full(len(boxes), number, np.int64))
        open_sides = np.array([left <= 0, top <= 0, right >= width, bottom >= height])
        rects.append(np.tile(np.array(tile, np.float32), (len(boxes), 1)))
        seams.append(np.where(open_sides, np.float32(np.inf), rects[-1]))
    rows = Boxes(np.concatenate(xyxy), np.concatenate(labels), np.concatenate(scores))
    is_first = np.ones(len(rows), np.bool_)
    return _Pieces(rows, np.concatenate(numbers), np.concatenate(rects), np.concatenate(seams), is_first)


def _continued(pieces: _Pieces, ios: float) -> NDArray[np.bool_]:
    """Return (N, N): whether the second reaches over a seam that ends the first, and is the same object.

    It is where the two agree in the part of the picture that both tiles see, however long they are elsewhere.
    """
    linked = np.zeros((len(pieces.boxes), len(pieces.boxes)), np.bool_)
    rows = np.flatnonzero(pieces.is_cut)
    boxes, seams = pieces.boxes.xyxy, pieces.seams[rows, None, :]
    low, high = boxes[None, :, :2] < seams[..., :2] - SEAM_PX, boxes[None, :, 2:] > seams[..., 2:] + SEAM_PX
    over = (np.concatenate((low, high), axis=2) & pieces.cut[rows, None, :]).any(axis=2)  # (rows, N)
    common = _overlap(pieces.tiles[rows, None], pieces.tiles[None])  # (rows, N, 4)
    first, second = _overlap(boxes[rows, None], common), _overlap(boxes[None], common)
    shared = area(_overlap(first, second))
    agree = (shared > 0) & (shared >= ios * np.minimum(area(first), area(second)))
    labels = pieces.boxes.labels
    others = (labels[rows, None] == labels[None]) & (pieces.tile[rows, None] != pieces.tile[None])
    linked[rows] = over & agree & others
    return linked


def _overlap(a: NDArray[np.float32], b: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the boxes (..., 4) in which two arrays of boxes overlap; swapped edges where they do not."""
    return np.concatenate((np.maximum(a[..., :2], b[..., :2]), np.minimum(a[..., 2:], b[..., 2:])), axis=-1)


def _join(pieces: _Pieces, linked: NDArray[np.bool_]) -> _Pieces:
    """Return the pieces with each linked group as one box in the row of its best member."""
    scores = np.asarray(pieces.boxes.scores)
    xyxy, tile, is_first = pieces.boxes.xyxy.copy(), pieces.tile.copy(), pieces.is_first.copy()
    linked = linked | linked.T
    waiting = set(np.flatnonzero(linked.any(axis=1)).tolist())
    while waiting:
        group, border = set(), {min(waiting)}
        while border:
            group |= border
            border = set(np.flatnonzero(linked[sorted(border)].any(axis=0)).tolist()) - group
        waiting -= group
        rows = np.array(sorted(group))
        best = rows[scores[rows].argmax()]
        is_first[rows] = rows == best
        members = pieces.boxes.xyxy[rows]
        xyxy[best] = (*members[:, :2].min(axis=0), *members[:, 2:].max(axis=0))
        tile[best] = -1
    return replace(pieces, boxes=Boxes(xyxy, pieces.boxes.labels, scores), tile=tile, is_first=is_first)


def _suppress(boxes: Boxes, tile: NDArray[np.int64], iou: float) -> NDArray[np.bool_]:
    """Return which of the boxes, the best first, overlap no better one of their class from another tile."""
    same = (tile[:, None] == tile[None, :]) & (tile >= 0)[:, None]
    rivals = (iou_matrix(boxes.xyxy, boxes.xyxy) >= iou) & ~same
    rivals &= boxes.labels[:, None] == boxes.labels[None, :]
    kept = np.ones(len(boxes), np.bool_)
    for row in range(1, len(boxes)):
        kept[row] = not (rivals[row, :row] & kept[:row]).any()
    return kept
