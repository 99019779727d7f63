"""The truth of an index: names, metadata, stamps, and which rows of the vector file count, in SQLite.

    about       what never changes: dimensions, distance, fingerprint of the model
    state       one row: generation of the vector file, rows committed in it, and a count of all changes
    rows        number in the vector file, id, stamp, metadata (JSON)
    fields      each value of metadata by itself, to filter by
    tombstones  numbers of rows that were deleted or replaced, in that order
    batches     what was appended at once, with its CRC-32

A change is one transaction, flushed to the disk when it ends (WAL, synchronous=FULL). Fields of deleted rows
stay until they are compacted away; tombstones hide them.
"""

# N rows

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from nayan.core.errors import ConfigError, DataError, NotFound
from nayan.runtime.index.contract import AGAIN, Metadata
from nayan.runtime.index.database import DATABASE, become_writer, connect, read_about
from nayan.runtime.index.filters import Condition, Operator, mismatch

_VALUES = 500  # in one query
# Of SQLite's order, numbers < text, so a bound keeps a comparison within its kind.
_TESTS: dict[Operator, str] = {
    "=": "value = ?",
    "in": "value = ?",
    "!=": "value <> ?",
    "<": "value < ?",
    "<=": "value <= ?",
    ">": "value > ?",
    ">=": "value >= ?",
}


@dataclass(frozen=True, slots=True)
class State:
    """Which rows count.

    Attributes:
        generation: of the vector file; compacting begins a new one.
        committed: rows of that file that count, deleted ones included.
        changes: grows with every change.
    """

    generation: int
    committed: int
    changes: int


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows that were appended at once: the number of the first, how many, and their CRC-32."""

    first: int
    count: int
    crc: int


@dataclass(frozen=True, slots=True)
class Row:
    """One row, as it is stored."""

    number: int
    id: str
    stamp: str
    metadata: Metadata


class Store:
    """An open store.

    Args:
        folder: the index.
        write: be its one writer; readers see each change when it is committed.

    Raises:
        DataError: if the folder is no index, of another version, or damaged.
        ConfigError: if another process or handle writes to it already.
    """

    def __init__(self, folder: Path, *, write: bool = False) -> None:
        self.path = folder / DATABASE
        if not self.path.is_file():
            raise DataError(
                f"{folder}: is no index: it has no {DATABASE}",
                hint="name the folder of an index; `nayan index MODEL SOURCE --out FOLDER` makes one",
            )
        self._opened = contextlib.ExitStack()
        try:
            if write:
                self._opened.enter_context(contextlib.closing(become_writer(folder)))
            with self._faults():
                self._db = self._opened.enter_context(contextlib.closing(connect(self.path, write=write)))
                self.about = read_about(self._db, self.path)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close the database and let another writer in."""
        self._opened.close()

    @contextlib.contextmanager
    def reading(self) -> Iterator[State]:
        """See one and the same state within the block, whatever a writer does meanwhile."""
        with self._transaction("DEFERRED"):
            yield self.state()

    def state(self) -> State:
        """Return the committed state."""
        return State(*self._db.execute("SELECT generation, committed, changes FROM state").fetchone())

    def append(self, rows: Sequence[Row], crc: int) -> None:
        """Commit rows that the vector file holds already; those that had their names become tombstones.

        Args:
            rows: with the numbers that follow the committed ones.
            crc: of all their vectors.
        """
        with self._transaction("IMMEDIATE"):
            self._bury(list(self.numbers([row.id for row in rows]).values()))
            self._db.executemany(
                "INSERT INTO rows VALUES (?, ?, ?, ?)",
                ((row.number, row.id, row.stamp, _dumped(row.metadata)) for row in rows),
            )
            self._insert_fields((row.number, row.metadata) for row in rows)
            first = rows[0].number
            self._db.execute("INSERT INTO batches VALUES (?, ?, ?)", (first, len(rows), crc))
            self._db.execute("UPDATE state SET committed = ?, changes = changes + 1", (first + len(rows),))

    def delete(self, numbers: Sequence[int]) -> None:
        """Commit that rows are gone."""
        with self._transaction("IMMEDIATE"):
            self._bury(numbers)
            self._db.execute("UPDATE state SET changes = changes + 1")

    def describe(self, described: Mapping[int, Metadata]) -> None:
        """Commit other metadata of rows, by their numbers."""
        with self._transaction("IMMEDIATE"):
            for old in self.rows(list(described)):
                self._db.executemany(
                    "DELETE FROM fields WHERE name = ? AND value = ? AND number = ?",
                    ((name, _stored(value), old.number) for name, value in old.metadata.items()),
                )
            self._db.executemany(
                "UPDATE rows SET metadata = ? WHERE number = ?",
                ((_dumped(metadata), number) for number, metadata in described.items()),
            )
            self._insert_fields(described.items())
            self._db.execute("UPDATE state SET changes = changes + 1")

    def renumber(self, batches: Sequence[Batch]) -> None:
        """Commit a new generation: the rows that are left, in their order, are numbered from 0.

        Args:
            batches: what the new vector file holds.
        """
        count = sum(batch.count for batch in batches)
        with self._transaction("IMMEDIATE"):
            self._db.execute("CREATE TEMP TABLE moved (old INTEGER PRIMARY KEY, new INTEGER NOT NULL)")
            self._db.execute(
                "INSERT INTO moved SELECT number, row_number() OVER (ORDER BY number) - 1 FROM rows"
            )
            self._db.execute("DELETE FROM fields WHERE number NOT IN (SELECT old FROM moved)")
            for table in ("rows", "fields"):  # below zero first, where no other row has its place
                new = "(SELECT -1 - new FROM moved WHERE old = number)"
                self._db.execute(f"UPDATE {table} SET number = {new}")
                self._db.execute(f"UPDATE {table} SET number = -1 - number")
            left = self._one("SELECT count(*) FROM moved")
            self._db.execute("DROP TABLE moved")
            if left != count:
                raise DataError(f"{self.path}: damaged: {left:,} names for {count:,} vectors", hint=AGAIN)
            self._db.execute("DELETE FROM tombstones")
            self._db.execute("DELETE FROM batches")
            self._db.executemany(
                "INSERT INTO batches VALUES (?, ?, ?)", ((b.first, b.count, b.crc) for b in batches)
            )
            self._db.execute(
                "UPDATE state SET generation = generation + 1, committed = ?, changes = changes + 1", (count,)
            )

    def announce(self) -> None:
        """Let readers look again: something that is derived has changed."""
        with self._transaction("IMMEDIATE"):
            self._db.execute("UPDATE state SET changes = changes + 1")

    def count(self) -> int:
        """Return how many rows there are."""
        return int(self._one("SELECT (SELECT committed FROM state) - (SELECT count(*) FROM tombstones)"))

    def numbers(self, ids: Sequence[str]) -> dict[str, int]:
        """Return the number of each name that is known."""
        return dict(self._among("SELECT id, number FROM rows WHERE id", ids))

    def known(self, ids: Sequence[str]) -> list[int]:
        """Return the numbers of names, in their order.

        Raises:
            NotFound: if one is unknown.
        """
        found = self.numbers(ids)
        for id in ids:
            if id not in found:
                some = self._db.execute("SELECT id FROM rows LIMIT 2000")
                raise NotFound("picture in the index", id, (name for (name,) in some))
        return [found[id] for id in ids]

    def rows(self, numbers: Sequence[int]) -> list[Row]:
        """Return rows by their numbers, in no order."""
        found = self._among("SELECT number, id, stamp, metadata FROM rows WHERE number", numbers)
        return [Row(number, id, stamp, json.loads(metadata)) for number, id, stamp, metadata in found]

    def ids(self) -> list[str]:
        """Return all names by number."""
        return [id for (id,) in self._db.execute("SELECT id FROM rows ORDER BY number")]

    def stamps(self) -> dict[str, str]:
        """Return all stamps by name."""
        return dict(self._db.execute("SELECT id, stamp FROM rows ORDER BY number").fetchall())

    def tombstones(self, after: int = 0) -> tuple[NDArray[np.int64], int]:
        """Return the numbers that were deleted after a position, and the position to go on from."""
        found = self._db.execute(
            "SELECT position, number FROM tombstones WHERE position > ?", (after,)
        ).fetchall()
        pairs = np.array(found, np.int64).reshape(-1, 2)
        return pairs[:, 1], int(pairs[:, 0].max(initial=after))

    def batches(self) -> list[Batch]:
        """Return what was appended, in that order."""
        return [
            Batch(*row) for row in self._db.execute("SELECT first, count, crc FROM batches ORDER BY first")
        ]

    def last_batch(self, before: int) -> Batch | None:
        """Return the last batch of the first `before` rows."""
        query = "SELECT first, count, crc FROM batches WHERE first < ? ORDER BY first DESC LIMIT 1"
        row = self._db.execute(query, (before,)).fetchone()
        return None if row is None else Batch(*row)

    def where(self, condition: Condition) -> NDArray[np.int64]:
        """Return the numbers of rows that meet a condition, deleted ones included.

        Raises:
            NotFound: if no row has the field.
            ConfigError: if the field holds text and the condition compares with a number, or the other way
                round.
        """
        self._check_kinds(condition)
        found: list[tuple[int]] = []
        for value in condition.values:
            kind = "value >= ''" if isinstance(value, str) else "value < ''"
            query = f"SELECT number FROM fields WHERE name = ? AND {_TESTS[condition.operator]} AND {kind}"
            found += self._db.execute(query, (condition.field, _stored(value))).fetchall()
        return np.array(found, np.int64).reshape(-1)

    def check(self) -> None:
        """Examine every page of the database.

        Raises:
            DataError: if it is damaged.
        """
        with self._faults():
            found = self._one("PRAGMA integrity_check(1)")
        if found != "ok":
            raise DataError(f"{self.path}: damaged: {found}", hint=AGAIN)

    def _check_kinds(self, condition: Condition) -> None:
        exists = "SELECT value FROM fields WHERE name = ? {} LIMIT 1"
        found = self._db.execute(exists.format(""), (condition.field,)).fetchone()
        if found is None:
            names = self._db.execute("SELECT DISTINCT name FROM fields")
            raise NotFound("field of metadata", condition.field, (name for (name,) in names))
        for value in condition.values:
            kind = "AND value >= ''" if isinstance(value, str) else "AND value < ''"
            if self._db.execute(exists.format(kind), (condition.field,)).fetchone() is None:
                raise mismatch(condition, found[0])

    def _bury(self, numbers: Sequence[int]) -> None:
        self._db.executemany("DELETE FROM rows WHERE number = ?", ((number,) for number in numbers))
        self._db.executemany("INSERT INTO tombstones (number) VALUES (?)", ((number,) for number in numbers))

    def _insert_fields(self, described: Any) -> None:
        self._db.executemany(
            "INSERT INTO fields VALUES (?, ?, ?)",
            (
                (name, _stored(value), number)
                for number, metadata in described
                for name, value in metadata.items()
                if value is not None
            ),
        )

    def _among(self, query: str, values: Sequence[str] | Sequence[int]) -> Iterator[Any]:
        """Yield the rows of a query that ends with the column which has to be one of the values."""
        for start in range(0, len(values), _VALUES):
            part = values[start : start + _VALUES]
            yield from self._db.execute(f"{query} IN ({','.join('?' * len(part))})", part)

    def _one(self, query: str) -> Any:
        return self._db.execute(query).fetchone()[0]

    @contextlib.contextmanager
    def _transaction(self, kind: Literal["DEFERRED", "IMMEDIATE"]) -> Iterator[None]:
        with self._faults():
            self._db.execute(f"BEGIN {kind}")
            try:
                yield
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise

    @contextlib.contextmanager
    def _faults(self) -> Iterator[None]:
        """Tell what SQLite reports: damage as such, what the disk refuses as an error of the system."""
        try:
            yield
        except sqlite3.ProgrammingError as error:
            if "closed" not in str(error):
                raise
            raise ConfigError(f"{self.path}: the index was closed", hint="open it again") from error
        except sqlite3.OperationalError as error:
            raise OSError(f"{self.path}: {error}") from error
        except sqlite3.DatabaseError as error:
            raise DataError(f"{self.path}: damaged: {error}", hint=AGAIN) from error


def _dumped(metadata: Metadata) -> str:
    return json.dumps(dict(metadata), ensure_ascii=False, allow_nan=False)


def _stored(value: object) -> object:
    return int(value) if isinstance(value, bool) else value
