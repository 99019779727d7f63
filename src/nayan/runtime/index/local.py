"""An index in a folder of this machine.

    index.sqlite              the truth: names, metadata, and which rows count (store.py)
    vectors-000001.f32        the vectors, appended and never changed (vector_file.py)
    structure-000001.bin      derived from them, for speed; may be deleted (structure.py)
    writer.lock               held by the one process that writes

A row is written in three steps: its vector to the file, the file to the disk, its name to SQLite. It counts
from the end of the third on, and a crash before that leaves nothing that anyone would see.
"""

# N rows, D dimensions

from __future__ import annotations

import secrets
import threading
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from nayan.core.errors import ConfigError
from nayan.runtime.fsio import new_folder
from nayan.runtime.index import upkeep
from nayan.runtime.index.contract import Distance, Hit, Metadata, Vectors
from nayan.runtime.index.database import About, make_database
from nayan.runtime.index.duplicates import alike
from nayan.runtime.index.filters import parse_filter
from nayan.runtime.index.incoming import check_metadata, check_rows
from nayan.runtime.index.query import as_query, check_wish, diverse_pool, most_diverse, similarity, unit_rows
from nayan.runtime.index.scan import Numbers, ranked
from nayan.runtime.index.store import Row, Store
from nayan.runtime.index.vector_file import VectorFile
from nayan.runtime.index.view import View, Window, vectors_path

_KEPT_FILTERS = 8


def make_local_index(folder: Path, *, dim: int, fingerprint: str, distance: Distance) -> None:
    """Write an empty index into a folder, which appears whole or not at all.

    Raises:
        ConfigError: if the folder exists and is not empty.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ConfigError(
            f"{folder}: exists already", hint="open it to add to it, take another name, or delete it first"
        )
    with new_folder(folder) as fresh:
        make_database(fresh, About(dim, distance, fingerprint, secrets.token_hex(16)))
        vectors_path(fresh, 1).touch()


class LocalIndex:
    """An open index in a folder; a `VectorIndex`.

    One handle may write at a time, any number may read; a reader sees at each call what was committed before
    it. A handle may be used from several threads, which take turns; for searches side by side open one for
    each.

    Args:
        folder: what `make_local_index` made.
        write: be the writer.

    Raises:
        DataError: if the folder is no index, or damaged.
        ConfigError: if there is a writer already.
    """

    def __init__(self, folder: Path, *, write: bool = False) -> None:
        self.path = folder
        self._turn = threading.RLock()
        self._filters: tuple[int, dict[str, NDArray[np.bool_]]] = (-1, {})
        self._writes = write
        self._file: VectorFile | None = None  # what is appended to
        self._store = Store(folder, write=write)
        self._window = Window(folder, self._store)
        try:
            with self._window.now() as view:
                state = view.state
            if write:
                upkeep.tidy(folder, self._store)
                self._file_of(state.generation).cut(state.committed)
        except BaseException:
            self._release()
            raise

    @property
    def dim(self) -> int:
        """Return the number of dimensions."""
        return self._store.about.dim

    @property
    def distance(self) -> Distance:
        """Return how distances are measured."""
        return self._store.about.distance

    @property
    def fingerprint(self) -> str:
        """Return what names the model that made the vectors."""
        return self._store.about.fingerprint

    @property
    def covered(self) -> int:
        """Return how many rows the structure covers, deleted ones too; the rest is compared one by one."""
        with self._window.now() as view:
            return 0 if view.structure is None else view.structure.bound.rows

    def __len__(self) -> int:
        with self._window.now():
            return self._store.count()

    def add(
        self,
        ids: Sequence[str],
        vectors: Vectors,
        *,
        metadata: Sequence[Metadata] | None = None,
        stamps: Sequence[str] | None = None,
    ) -> None:
        """Store rows, all or none: see `VectorIndex.add`."""
        rows = check_rows(ids, vectors, dim=self.dim, metadata=metadata, stamps=stamps)
        kept = unit_rows(vectors) if self.distance == "cosine" else np.asarray(vectors, np.float32)
        with self._turn:
            self._check_writer()
            if not rows:
                return
            state = self._store.state()
            first = state.committed
            crc = self._file_of(state.generation).append(kept, at=first)
            self._store.append([Row(first + at, *row) for at, row in enumerate(rows)], crc)

    def delete(self, ids: Iterable[str]) -> None:
        """Remove rows, all or none: see `VectorIndex.delete`."""
        with self._turn:
            self._check_writer()
            self._store.delete(self._store.known(list(dict.fromkeys(ids))))

    def describe(self, ids: Sequence[str], metadata: Sequence[Metadata]) -> None:
        """Replace the metadata of rows, all or none: see `VectorIndex.describe`."""
        check_metadata(ids, metadata)
        with self._turn:
            self._check_writer()
            self._store.describe(dict(zip(self._store.known(ids), metadata, strict=True)))

    def search(
        self,
        query: Vectors,
        *,
        k: int = 10,
        where: str | None = None,
        diverse: float = 0.0,
        exclude: Iterable[str] = (),
    ) -> list[Hit]:
        """Return the nearest rows: see `VectorIndex.search`."""
        check_wish(k, diverse)
        vector = as_query(query, dim=self.dim, distance=self.distance)
        with self._turn, self._window.now() as view:
            allowed = self._allowed(view, where, list(exclude))
            wanted = min(diverse_pool(k) if diverse else k, len(view.vectors))
            numbers = view.nearest(vector, wanted, allowed=allowed)
            numbers, far = ranked(view.vectors, numbers, vector, wanted, distance=self.distance)
            if diverse:
                chosen = most_diverse(vector, view.vectors[numbers], k, diverse)
                numbers, far = numbers[chosen], far[chosen]
            return self._hits(numbers, far)

    def near_duplicates(self, threshold: float = 0.05, *, where: str | None = None) -> list[tuple[str, ...]]:
        """Return groups of rows that are alike: see `VectorIndex.near_duplicates`."""
        with self._turn, self._window.now() as view:
            allowed = self._allowed(view, where, [])
            chosen = np.arange(len(view.vectors)) if allowed is None else np.flatnonzero(allowed)
            groups = alike(
                view.vectors if allowed is None else view.vectors[chosen], threshold, distance=self.distance
            )
            numbers = [chosen[group].tolist() for group in groups]
            names = {
                row.number: row.id for row in self._store.rows([one for group in numbers for one in group])
            }
            return [tuple(names[number] for number in group) for group in numbers]

    def vectors(self, ids: Sequence[str]) -> Vectors:
        """Return the (N, D) vectors of names, in their order: see `VectorIndex.vectors`."""
        with self._turn, self._window.now() as view:
            chosen: Vectors = view.vectors[np.array(self._store.known(ids), np.int64)]
            return chosen

    def ids(self) -> list[str]:
        """Return all names, in the order in which they were stored."""
        with self._window.now():
            return self._store.ids()

    def metadata(self, id: str) -> Metadata:
        """Return the metadata of one row: see `VectorIndex.metadata`."""
        with self._window.now():
            return self._store.rows(self._store.known([id]))[0].metadata

    def stamps(self) -> dict[str, str]:
        """Return each name with the stamp that it was stored with."""
        with self._window.now():
            return self._store.stamps()

    def build(self) -> None:
        """Make the structure that searching is fast with, where it is missing or lags behind.

        Closing a writer does it, too. The vectors that it newly covers are compared with their checksums on
        the way.

        Raises:
            DataError: if vectors are damaged.
            OSError: if the structure cannot be written; the index is intact, and searched without it.
        """
        with self._turn:
            self._check_writer()
            upkeep.build(self.path, self._store, self._window)

    def check(self) -> None:
        """Examine the database and compare every vector with its checksum.

        Raises:
            DataError: if something is damaged.
        """
        with self._turn:
            self._store.check()
            with self._window.now() as view:
                upkeep.check_vectors(self.path, self._store, view)

    def compact(self) -> None:
        """Give back the space of rows that were deleted or replaced.

        What is left is checked and copied to a new vector file, and readers change over at their next call.
        Needs the space of the copy meanwhile.

        Raises:
            DataError: if vectors are damaged.
            OSError: if there is no space for the copy; the index is intact.
        """
        with self._turn:
            self._check_writer()
            upkeep.compact(self.path, self._store, self._window)
            self.build()

    def close(self) -> None:
        """Let go of the index; a writer makes the structure first, if it lags behind."""
        with self._turn:
            try:
                if self._writes:
                    self.build()
            finally:
                self._release()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self.close()
        else:
            self._release()

    def _check_writer(self) -> None:
        if not self._writes:
            raise ConfigError(f"{self.path}: is not open for writing", hint="open it with write=True")

    def _file_of(self, generation: int) -> VectorFile:
        path = vectors_path(self.path, generation)
        if self._file is None or self._file.path != path:
            if self._file is not None:
                self._file.close()
            self._file = VectorFile(path, dim=self.dim, write=True)
        return self._file

    def _release(self) -> None:
        with self._turn:
            self._writes = False
            if self._file is not None:
                self._file.close()
                self._file = None
            self._window.close()
            self._store.close()

    def _allowed(self, view: View, where: str | None, exclude: list[str]) -> NDArray[np.bool_] | None:
        """Return (N,) which rows may be found; None for all of them."""
        allowed = None if view.alive.all() else view.alive
        if where is not None and len(view.vectors):
            allowed = view.alive & self._filter(view, where)
        if exclude:
            allowed = view.alive.copy() if allowed is None else allowed.copy()
            allowed[list(self._store.numbers(exclude).values())] = False
        return allowed

    def _filter(self, view: View, where: str) -> NDArray[np.bool_]:
        if self._filters[0] != view.state.changes or len(self._filters[1]) >= _KEPT_FILTERS:
            self._filters = (view.state.changes, {})
        kept = self._filters[1]
        if where not in kept:
            met = np.ones(len(view.vectors), bool)
            for condition in parse_filter(where):
                one = np.zeros(len(met), bool)
                one[self._store.where(condition)] = True
                met &= one
            kept[where] = met
        return kept[where]

    def _hits(self, numbers: Numbers, far: NDArray[np.float64]) -> list[Hit]:
        rows = {row.number: row for row in self._store.rows(numbers.tolist())}
        found = zip((rows[number] for number in numbers.tolist()), far.tolist(), strict=True)
        return [Hit(row.id, similarity(away, self.distance), away, row.metadata) for row, away in found]
