"""What an index is at one moment: which rows count, which are still there, and a search among them."""

# N rows, D dimensions

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nayan.core.errors import DataError
from nayan.runtime.index.contract import AGAIN, Distance, Vectors
from nayan.runtime.index.scan import Numbers, ranked, scan, scan_rows, smallest
from nayan.runtime.index.store import State, Store
from nayan.runtime.index.structure import Structure, read_structure
from nayan.runtime.index.vector_file import VectorFile

EXACT_ROWS = 10_000
"""Up to so many rows are compared one by one: a structure would win nothing that one notices."""

_TRIES = 20


def vectors_path(folder: Path, generation: int) -> Path:
    """Return the vector file of a generation."""
    return folder / f"vectors-{generation:06d}.f32"


def structure_path(folder: Path, generation: int) -> Path:
    """Return the structure of a generation."""
    return folder / f"structure-{generation:06d}.bin"


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """An index at one moment.

    Attributes:
        state: as committed.
        distance: how rows are compared.
        vectors: (N, D) all rows of the file that count.
        alive: (N,) which of them are still there.
        structure: of the first rows, if there is one worth using.
    """

    state: State
    distance: Distance
    vectors: Vectors
    alive: NDArray[np.bool_]
    structure: Structure | None

    def nearest(self, query: Vectors, k: int, *, allowed: NDArray[np.bool_] | None = None) -> Numbers:
        """Return the numbers of rows, in no order, that have the `k` nearest among them.

        Exact where few rows are allowed, and for those that the structure does not cover. Elsewhere as exact
        as the structure was measured to be, and where only some are allowed, until twice as many candidates
        change nothing.

        Args:
            query: (D,).
            k: how many are wanted.
            allowed: (N,) which rows may be found; None for all.
        """
        if allowed is not None and np.count_nonzero(allowed) <= EXACT_ROWS:
            return scan_rows(self.vectors, np.flatnonzero(allowed), query, k, distance=self.distance)
        # Of the nearest rows only some are allowed: those wanted lie as much deeper.
        sought = k if allowed is None else k * len(allowed) // int(np.count_nonzero(allowed))
        structure, covered, found = self.structure, 0, []
        if structure is not None and structure.wins(sought):
            covered = structure.bound.rows
            if allowed is None:
                candidates = structure.nearest(query, sought)
                found.append(scan_rows(self.vectors, candidates, query, k, distance=self.distance))
            else:
                found.append(self._settled(structure, query, k, sought=sought, allowed=allowed[:covered]))
        if covered < len(self.vectors):
            rest = None if allowed is None else allowed[covered:]
            found.append(
                covered + scan(self.vectors[covered:], query, k, distance=self.distance, allowed=rest)
            )
        return np.concatenate(found) if found else np.empty(0, np.int64)

    def _settled(
        self, structure: Structure, query: Vectors, k: int, *, sought: int, allowed: NDArray[np.bool_]
    ) -> Numbers:
        """Return the nearest of the covered rows that are allowed, by more and more candidates.

        How many are enough was measured on neighbours among all rows. Where those that are allowed are all
        far away, codes tell them apart less well, so there must be twice as many as bring nothing new.
        """
        far = structure.estimates(query)
        far[~allowed] = np.inf
        former: Numbers | None = None
        while structure.wins(sought):
            candidates = smallest(far, structure.count(sought))
            candidates = candidates[allowed[candidates]]
            rows = scan_rows(self.vectors, candidates, query, k, distance=self.distance)
            best, _ = ranked(self.vectors, rows, query, k, distance=self.distance)
            if former is not None and np.array_equal(best, former):
                return best
            former, sought = best, 2 * sought
        return scan_rows(self.vectors, np.flatnonzero(allowed), query, k, distance=self.distance)


class Window:
    """Looks at an index, again and again, and reads only what has changed since.

    Args:
        folder: the index.
        store: its truth, open.
    """

    def __init__(self, folder: Path, store: Store) -> None:
        self._folder = folder
        self._store = store
        self._turn = threading.RLock()
        self._file: VectorFile | None = None
        self._view: View | None = None
        self._position = 0  # of the last tombstone that the view knows
        self._structure: tuple[object, Structure | None] = (None, None)

    @contextlib.contextmanager
    def now(self) -> Iterator[View]:
        """See the index as it is when the block begins, until it ends.

        Raises:
            DataError: if a file is missing or damaged.
        """
        with self._turn:
            for _ in range(_TRIES):  # a writer may take an old file away before it is opened
                with self._store.reading() as state:
                    if self._look(state):
                        assert self._view is not None
                        yield self._view
                        return
        raise DataError(
            f"{vectors_path(self._folder, state.generation)}: is missing",
            hint=AGAIN,
        )

    def close(self) -> None:
        """Let go of all files."""
        with self._turn:
            self._view, self._structure = None, (None, None)
            if self._file is not None:
                self._file.close()

    def _look(self, state: State) -> bool:
        former = self._view
        if former is not None and former.state == state:
            return True
        if former is None or former.state.generation != state.generation:
            if self._file is not None:
                self._file.close()
            self._file = VectorFile(vectors_path(self._folder, state.generation), dim=self._store.about.dim)
            former, self._position = None, 0
        try:
            vectors = self._file.rows(state.committed)  # type: ignore[union-attr]
        except FileNotFoundError:
            self._view = None
            return False
        alive = np.ones(state.committed, bool)
        if former is not None:
            alive[: len(former.alive)] = former.alive
        dead, self._position = self._store.tombstones(self._position)
        alive[dead] = False
        self._view = View(state, self._store.about.distance, vectors, alive, self._fitting(state))
        return True

    def _fitting(self, state: State) -> Structure | None:
        """Return the structure of this state, read again only if its file is another."""
        path = structure_path(self._folder, state.generation)
        try:
            found = path.stat()
            file: object = (path, found.st_ino, found.st_size, found.st_mtime_ns)
        except FileNotFoundError:
            file = None
        if file != self._structure[0]:
            self._structure = (file, self._checked(path, state))
        return self._structure[1]

    def _checked(self, path: Path, state: State) -> Structure | None:
        structure = read_structure(path)
        if structure is None:
            return None
        bound = structure.bound
        last = self._store.last_batch(bound.rows)
        fits = (
            (bound.token, bound.generation) == (self._store.about.token, state.generation)
            and structure.mean.shape == (self._store.about.dim,)
            and last is not None
            and (last.first + last.count, last.crc) == (bound.rows, bound.crc)
        )
        return structure if fits else None
