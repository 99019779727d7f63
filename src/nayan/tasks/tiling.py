"""Which tiles a model looks at, from what was asked for and what it was trained with. No torch here."""

from __future__ import annotations

from dataclasses import replace

from nayan.core.errors import ConfigError
from nayan.runtime.predictor import Predictor
from nayan.runtime.tiles import OVERLAP, Tiling
from nayan.tasks import CARDS
from nayan.tasks.cards import TaskCard

GRID = 32
"""Pixels: what a segmenter's coarsest map has for one cell."""


def choose_tiling(card: TaskCard, tile: int, overlap: float = OVERLAP) -> Tiling | None:
    """Return the tiles of `--tile N`; None for 0, which is whole pictures.

    Args:
        card: of the task.
        tile: side of a tile in pixels of the picture.
        overlap: of neighbours, as a fraction of a tile.

    Raises:
        ConfigError: for impossible tiles, or a task without boxes and masks.

    >>> choose_tiling(CARDS["detection"], 640)
    Tiling(side=640, overlap=0.2, least=0.05, whole=True, grid=1)
    """
    if tile == 0:
        return None
    if "MaskSource" in card.targets:
        if tile % GRID:
            raise ConfigError(
                f"--tile {tile}: tiles of a segmenter are multiples of {GRID} px",
                hint=f"try --tile {max(1, round(tile / GRID)) * GRID}",
            )
        return Tiling(tile, overlap, whole=False, grid=GRID)
    if "Boxes" not in card.targets:
        raise ConfigError(
            f"--tile {tile}: {card.name} answers for whole pictures; boxes and masks can be put together",
            hint="leave it out",
        )
    return Tiling(tile, overlap)


def in_tiles(predictor: Predictor, tile: int | None, overlap: float | None) -> Predictor:
    """Return the predictor with the tiles that were asked for; None leaves those that it was trained with.

    Raises:
        ConfigError: for impossible tiles, a model that finds no boxes, or an overlap without tiles.
    """
    spec = predictor.spec
    trained = spec.tiling
    if tile is None and trained is None:
        if overlap is not None:
            raise ConfigError(
                f"--overlap {overlap} is that of tiles, and this model looks at whole pictures",
                hint="add --tile N, such as --tile 640",
            )
        return predictor
    if overlap is None:
        overlap = OVERLAP if trained is None else trained.overlap
    side = trained.side if tile is None and trained is not None else tile or 0
    return replace(predictor, spec=spec.with_(tiling=choose_tiling(CARDS[spec.task], side, overlap)))
