"""Data sets of tables that name pictures where they lie: the real ones, and the real ones with drawn ones."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image as PillowImage

from nayan.core.types import Dataset
from nayan.data.readers.base import file_name, label_of, unused, write_picture
from nayan.data.readers.csv import write_table
from nayan.runtime.fsio import safe_name
from nayan.tasks.generation.sampling.augmenting.choosing import KEPT
from nayan.tasks.generation.sampling.augmenting.selecting import Selection

TABLE = "labels.csv"
Row = tuple[Path, str, str]
"""A file, its class, its split."""


def real_rows(parts: Sequence[Dataset], folder: Path) -> list[Row]:
    """Return a row for each picture; those that have no file of their own are written into `folder`.

    Raises:
        LabelError: if a picture has no class.
    """
    rows = []
    for data in parts:
        for sample in data.samples:
            path = sample.path
            if path is None:  # a part of a larger file
                path = unused(folder / "images" / file_name(sample))
                write_picture(sample, path)
            rows.append((path, label_of(sample, data.classes), data.split))
    return rows


def write_drawn(selection: Selection, classes: Sequence[str], folder: Path) -> list[Row]:
    """Write the pictures that were kept as `drawn/CLASS/NUMBER.png`; return a row of train for each."""
    rows = []
    for at in np.flatnonzero(selection.fates == KEPT).tolist():
        name = classes[selection.asked[at]]
        path = folder / "drawn" / safe_name(name) / f"{at:05d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        PillowImage.fromarray(selection.drawn[at]).save(path)
        rows.append((path, name, "train"))
    return rows


def write_rows(rows: Sequence[Row], folder: Path) -> None:
    """Write `labels.csv`, which names each picture by its way from the folder, and is a data set so.

    Raises:
        LabelError: if the name of a class would not survive in a table.
    """
    base = folder.resolve()
    base.mkdir(parents=True, exist_ok=True)
    named = [(Path(os.path.relpath(path.resolve(), base)).as_posix(), *rest) for path, *rest in rows]
    write_table([(file, label, split) for file, label, split in named], base / TABLE)
