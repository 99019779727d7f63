"""A data set of large pictures as one of tiles: the same tiles in training, validation and prediction."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import PurePosixPath
from threading import Lock
from typing import Any

import numpy as np

from nayan.core.boxes import area, clip
from nayan.core.errors import ConfigError, NayanError
from nayan.core.image import probe
from nayan.core.types import VOID, Boxes, Dataset, Image, MaskSource, Sample, SemanticMask, Size, Target
from nayan.runtime.seams import Tile, cut_tile
from nayan.runtime.tiles import OVERLAP, Tiling, join_tiles, views

MIN_VISIBLE = 0.3
"""Least part of an object that a tile must show, unless told otherwise."""

_RECENT = 4  # decoded pictures that are kept for their next tile


def tile_dataset(
    dataset: Dataset,
    tile: int | Size,
    *,
    overlap: float = OVERLAP,
    min_visible: float = MIN_VISIBLE,
    whole: bool = False,
) -> Dataset:
    """Return a data set whose samples are the tiles of the pictures, cut when they are loaded.

    Boxes are cut at the edges of their tile. An object of which a tile shows less than `min_visible` is
    dropped from that tile, as nobody could name it; the overlap shows it whole in another. Tiles without
    objects stay, as background. A picture that cannot be read stays one sample: whoever loads it is told.

    Args:
        dataset: of pictures with boxes, or of unlabelled ones.
        tile: side of a tile, or its (height, width).
        overlap: of neighbours, as a fraction of the tile.
        min_visible: least part of an object's box that a tile must show, in [0, 1].
        whole: also show the picture as a whole, as prediction looks at it, after its tiles.

    Raises:
        ConfigError: for an impossible tile, overlap or part, or labels that have no place.
    """
    return _cut_all(dataset, tile, overlap=overlap, min_visible=min_visible, whole=whole).data


@dataclass(frozen=True, slots=True, eq=False)
class Views:
    """A data set as a model sees it that looks in tiles, and the way back to whole pictures.

    Attributes:
        data: of tiles, those of one picture after each other.
        places: for the id of each tile, the picture that it is cut from, and where.
        sizes: (height, width) of each picture by its id.
        least: score below which a detection in a tile is dropped.
    """

    data: Dataset
    places: Mapping[str, tuple[Sample, Tile]]
    sizes: Mapping[str, Size]
    least: float

    def join(self, found: Iterable[tuple[str, Any]]) -> list[tuple[Sample, Boxes | SemanticMask]]:
        """Return the whole pictures with what was found in their tiles, merged as prediction does it.

        Args:
            found: the id of each tile with its prediction; tiles that could not be read are missing.

        Raises:
            ConfigError: if the predictions are neither boxes nor masks.
        """
        pictures: dict[str, tuple[Sample, list[tuple[Tile, Any]]]] = {}
        for id, prediction in found:
            sample, tile = self.places[id]
            pictures.setdefault(sample.id, (sample, []))[1].append((tile, prediction))
        return [
            (sample, join_tiles(parts, self.sizes[sample.id], least=self.least))
            for sample, parts in pictures.values()
        ]


def tile_views(dataset: Dataset, tiling: Tiling) -> Views:
    """Return a data set as a model sees it that looks in these tiles, and at the whole pictures.

    Raises:
        ConfigError: for labels that have no place.
    """
    views = _cut_all(
        dataset,
        tiling.side,
        overlap=tiling.overlap,
        min_visible=MIN_VISIBLE,
        whole=tiling.whole,
        grid=tiling.grid,
    )
    return replace(views, least=tiling.least)


def cut_boxes(boxes: Boxes, tile: Tile, *, min_visible: float = MIN_VISIBLE) -> Boxes:
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


def _cut_all(
    dataset: Dataset, tile: int | Size, *, overlap: float, min_visible: float, whole: bool, grid: int = 1
) -> Views:
    if not 0 <= min_visible <= 1:
        raise ConfigError(f"min_visible {min_visible}: a fraction from 0 to 1 is needed, such as 0.3")
    recent = _Recent()
    samples: list[Sample] = []
    places: dict[str, tuple[Sample, Tile]] = {}
    sizes: dict[str, Size] = {}
    for sample in dataset.samples:
        if sample.target is not None and not isinstance(sample.target, Boxes | MaskSource):
            raise ConfigError(
                f"{sample.id}: only boxes and masks can be cut into tiles, this has a label for the whole"
            )
        try:
            size = _size(sample)
        except NayanError:
            samples.append(sample)
            continue
        sizes[sample.id] = size
        looked_at = views(size, tile, overlap=overlap, whole=whole, grid=grid)
        for place in looked_at:
            id = sample.id if len(looked_at) == 1 else _tile_id(sample, place, size)
            places[id] = (sample, place)
            samples.append(_cut(sample, place, id=id, min_visible=min_visible, recent=recent))
    note = f"{len(dataset):,} pictures are seen as {len(samples):,} tiles"
    data = replace(dataset, samples=tuple(samples), notes=(*dataset.notes, note))
    return Views(data, places, sizes, 0.0)


@dataclass(slots=True)
class _Decoded:
    """One picture, decoded by the first thread that asks while the others wait."""

    image: Image | None = None
    lock: Lock = field(default_factory=Lock)


@dataclass(slots=True)
class _Recent:
    """Loads pictures and keeps the last few, since their tiles are asked for one after the other."""

    kept: OrderedDict[str, _Decoded] = field(default_factory=OrderedDict)
    lock: Lock = field(default_factory=Lock)

    def load(self, sample: Sample) -> Image:
        with self.lock:
            place = self.kept.setdefault(sample.id, _Decoded())
            while len(self.kept) > _RECENT:
                self.kept.popitem(last=False)
        with place.lock:  # its own: threads decode different pictures at once
            if place.image is None:
                place.image = sample.load()
            return place.image


def _size(sample: Sample) -> Size:
    if sample.path is not None:
        return probe(sample.path).size
    height, width = sample.load().shape[:2]
    return height, width


def _tile_id(sample: Sample, tile: Tile, size: Size) -> str:
    name = PurePosixPath(sample.id)
    place = "whole" if tile == (0, 0, size[1], size[0]) else f"{tile[0]},{tile[1]}"
    return name.with_name(f"{name.stem}@{place}{name.suffix}").as_posix()


def _cut(sample: Sample, tile: Tile, *, id: str, min_visible: float, recent: _Recent) -> Sample:
    target: Target = sample.target
    if isinstance(target, Boxes):
        target = cut_boxes(target, tile, min_visible=min_visible)
    elif isinstance(target, MaskSource):
        target = MaskSource(partial(_load_mask, target, tile))
    # No path: the tile has no file of its own.
    return Sample(id=id, load=partial(_load_tile, recent, sample, tile), target=target)


def _load_tile(recent: _Recent, sample: Sample, tile: Tile, _at_least: Size | None = None) -> Image:
    """Return the pixels of a tile; it is always cut from the full picture, never from a smaller version."""
    return cut_tile(recent.load(sample), tile)


def _load_mask(source: MaskSource, tile: Tile) -> SemanticMask:
    """Return the mask of a tile, void where it reaches over the edge of the picture."""
    return SemanticMask(cut_tile(source.load().ids, tile, fill=VOID))
