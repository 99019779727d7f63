"""A data set of large pictures as one of tiles: the same tiles in training, validation and prediction."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import PurePosixPath

import numpy as np

from nayan.core.boxes import area, clip
from nayan.core.errors import ConfigError
from nayan.core.image import probe
from nayan.core.types import Boxes, Dataset, Image, Sample, Size, Target
from nayan.runtime.tiles import Tile, tiles


def tile_dataset(
    dataset: Dataset, tile: int | Size, *, overlap: float = 0.2, min_visible: float = 0.3
) -> Dataset:
    """Return a data set whose samples are the tiles of the pictures, cut when they are loaded.

    Boxes are cut at the edges of their tile. An object of which a tile shows less than `min_visible` is
    dropped from that tile, as nobody could name it; the overlap shows it whole in another. Tiles without
    objects stay, as background.

    Args:
        dataset: of pictures with boxes, or of unlabelled ones.
        tile: side of a tile, or its (height, width).
        overlap: of neighbours, as a fraction of the tile.
        min_visible: least part of an object's box that a tile must show, in [0, 1].

    Raises:
        ConfigError: for an impossible tile, overlap or part, or labels that have no place.
        FormatError: if a picture's header cannot be read.
    """
    if not 0 <= min_visible <= 1:
        raise ConfigError(f"min_visible {min_visible}: a fraction from 0 to 1 is needed, such as 0.3")
    samples: list[Sample] = []
    for sample in dataset.samples:
        if sample.target is not None and not isinstance(sample.target, Boxes):
            raise ConfigError(
                f"{sample.id}: only boxes can be cut into tiles, this has a label for the whole"
            )
        places = tiles(_size(sample), tile, overlap=overlap)
        samples += [_cut(sample, place, min_visible) if len(places) > 1 else sample for place in places]
    note = f"{len(dataset):,} pictures are seen as {len(samples):,} tiles"
    return replace(dataset, samples=tuple(samples), notes=(*dataset.notes, note))


def cut_boxes(boxes: Boxes, tile: Tile, *, min_visible: float = 0.3) -> Boxes:
    """Return the objects of a picture as a tile of it shows them, in pixels of the tile.

    >>> whole = Boxes(np.array([[90, 0, 110, 10]], np.float32), np.array([0]))
    >>> cut_boxes(whole, (100, 0, 200, 100)).xyxy.tolist()
    [[0.0, 0.0, 10.0, 10.0]]
    """
    left, top, right, bottom = tile
    shift = np.array([left, top, left, top], np.float32)
    seen = clip(boxes.xyxy - shift, (bottom - top, right - left))
    before, after = area(boxes.xyxy), area(seen)
    visible = np.divide(after, before, out=np.zeros_like(after), where=before > 0)
    areas = None if boxes.areas is None else (boxes.areas * visible).astype(np.float32)
    kept = (after > 0) & (visible >= min_visible)
    cut = Boxes(seen.astype(np.float32), boxes.labels, boxes.scores, boxes.crowd, areas)
    return cut.select(np.flatnonzero(kept))


def _size(sample: Sample) -> Size:
    if sample.path is not None:
        return probe(sample.path).size
    height, width = sample.load().shape[:2]
    return height, width


def _cut(sample: Sample, tile: Tile, min_visible: float) -> Sample:
    target: Target = sample.target
    if isinstance(target, Boxes):
        target = cut_boxes(target, tile, min_visible=min_visible)
    name = PurePosixPath(sample.id)
    id = name.with_name(f"{name.stem}@{tile[0]},{tile[1]}{name.suffix}").as_posix()
    # No path: the tile has no file of its own.
    return Sample(id=id, load=partial(_load_tile, sample, tile), target=target)


def _load_tile(sample: Sample, tile: Tile, _at_least: Size | None = None) -> Image:
    """Return the pixels of a tile; it is always cut from the full picture, never from a smaller version."""
    left, top, right, bottom = tile
    return np.ascontiguousarray(sample.load()[top:bottom, left:right])
