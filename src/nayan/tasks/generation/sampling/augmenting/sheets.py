"""What was kept and what was dropped, as sheets to look at. NumPy and Pillow only."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage

from nayan.core.types import Image
from nayan.tasks.generation.mosaic import mosaic
from nayan.tasks.generation.sampling.augmenting.choosing import (
    DOUBTFUL,
    FATES,
    KEPT,
    MEMORISED,
    OFF_MANIFOLD,
    WRONG_CLASS,
)
from nayan.tasks.generation.sampling.augmenting.selecting import Selection

COLUMNS = 16
ROWS = 12
"""Classes that are shown."""
DROPPED = 2 * COLUMNS
"""Pictures that are shown of each reason."""


def write_sheets(selection: Selection, folder: Path) -> None:
    """Write `kept.png`, a row for each class, and a sheet of what was dropped for each reason.

    Below each memorised picture is the training picture that it is near to. Of what there is none, there is
    no sheet.
    """
    fates, asked, drawn = selection.fates, selection.asked, selection.drawn
    if not len(fates):
        return
    blank = np.full_like(drawn[0], 255)
    rows: list[Image] = []
    for label in np.unique(asked)[:ROWS]:
        found = np.flatnonzero((fates == KEPT) & (asked == label))[:COLUMNS].tolist()
        rows += [*(drawn[at] for at in found), *[blank] * (COLUMNS - len(found))]
    if (fates == KEPT).any():
        _save(rows, folder / "kept.png")
    for fate in (OFF_MANIFOLD, WRONG_CLASS, DOUBTFUL):
        if (fates == fate).any():
            found = _spread(np.flatnonzero(fates == fate), DROPPED)
            _save([drawn[at] for at in found], folder / f"{FATES[fate]}.png")
    if (fates == MEMORISED).any():
        found = _spread(np.flatnonzero(fates == MEMORISED), COLUMNS)
        beside = [selection.real[selection.nearest[at]] for at in found]
        pictures = [*(drawn[at] for at in found), *beside]
        sheet = mosaic(pictures, columns=len(found))
        PillowImage.fromarray(sheet).save(folder / f"{FATES[MEMORISED]}.png")


def _spread(rows: NDArray[np.int64], most: int) -> list[int]:
    """Return at most so many of the rows, evenly spaced, so that all classes are among them."""
    chosen = np.unique(np.linspace(0, len(rows) - 1, most).astype(int))
    return [int(row) for row in rows[chosen]]


def _save(pictures: list[Image], file: Path) -> None:
    PillowImage.fromarray(mosaic(pictures, columns=COLUMNS)).save(file)
