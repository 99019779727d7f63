"""Keeping an index in order: its structure, space to give back, checks, and tidying up after a crash."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from nayan.runtime.fsio import sync_folder
from nayan.runtime.index.probe import with_candidates
from nayan.runtime.index.store import Batch, Store
from nayan.runtime.index.structure import Bound, make_structure, write_structure
from nayan.runtime.index.vector_file import VectorFile
from nayan.runtime.index.view import EXACT_ROWS, View, Window, structure_path, vectors_path

_COPIED = 65_536  # rows that are copied at once
_DERIVED = re.compile(r"\.?(?:vectors|structure)-(\d{6,})\.(?:f32|bin)(\.\d+-[0-9a-f]+)?")


def build(folder: Path, store: Store, window: Window) -> None:
    """Write the structure, if it lags behind by more rows than are quickly compared one by one.

    Raises:
        DataError: if vectors that it would cover are not those that were stored.
        OSError: if it cannot be written; the index is intact, and searched without it.
    """
    with window.now() as view:
        covered = 0 if view.structure is None else view.structure.bound.rows
        if len(view.vectors) - covered <= EXACT_ROWS:
            return
        batches = check_vectors(folder, store, view, after=covered)
        bound = Bound(store.about.token, view.state.generation, len(view.vectors), batches[-1].crc)
        made = make_structure(view.vectors, bound, former=view.structure)
        made = with_candidates(made, view.vectors, view.alive)
        write_structure(structure_path(folder, view.state.generation), made)
    store.announce()


def compact(folder: Path, store: Store, window: Window) -> None:
    """Copy the rows that are left to a new vector file, and change over to it.

    Raises:
        DataError: if vectors are damaged.
        OSError: if the copy cannot be written; the index is intact.
    """
    with window.now() as view:
        if view.alive.all():
            return
        check_vectors(folder, store, view)
        target = VectorFile(vectors_path(folder, view.state.generation + 1), dim=store.about.dim, write=True)
        with contextlib.closing(target):
            target.cut(0)
            batches = list(_copied(view, target))
        sync_folder(folder)
    store.renumber(batches)
    tidy(folder, store)


def check_vectors(folder: Path, store: Store, view: View, *, after: int = 0) -> list[Batch]:
    """Compare vectors with their checksums, from row `after` on; return all batches.

    Raises:
        DataError: if they differ.
    """
    file = VectorFile(vectors_path(folder, view.state.generation), dim=store.about.dim)
    batches = store.batches()
    with contextlib.closing(file):
        for batch in batches:
            if batch.first >= after:
                file.check(batch.first, batch.count, batch.crc)
    return batches


def tidy(folder: Path, store: Store) -> None:
    """Remove what belongs to no committed state: files of other generations, half-written ones."""
    generation = store.state().generation
    for path in folder.iterdir():
        match = _DERIVED.fullmatch(path.name)
        if match and (int(match[1]) != generation or match[2]):
            # As on Windows, while a reader has it open; the next writer will.
            with contextlib.suppress(OSError):
                path.unlink()


def _copied(view: View, target: VectorFile) -> Iterator[Batch]:
    numbers = np.flatnonzero(view.alive)
    for start in range(0, len(numbers), _COPIED):
        rows = view.vectors[numbers[start : start + _COPIED]]
        yield Batch(start, len(rows), target.append(rows, at=start))
