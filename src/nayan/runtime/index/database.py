"""The SQLite file of an index: its tables, how it is opened, and the lock of its one writer."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import quote

from nayan.core.errors import ConfigError, DataError
from nayan.runtime.index.contract import AGAIN, DISTANCES, Distance

DATABASE = "index.sqlite"
LOCK = "writer.lock"
FORMAT_VERSION = 1

_APPLICATION = 0x6E61796E  # "nayn": noted in the file, so that it is told from any other database
_SCHEMA = """
CREATE TABLE about (key TEXT PRIMARY KEY, value) WITHOUT ROWID;
CREATE TABLE state (
    one INTEGER PRIMARY KEY CHECK (one = 1), generation INTEGER, committed INTEGER, changes INTEGER
);
CREATE TABLE rows (
    number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, stamp TEXT NOT NULL, metadata TEXT NOT NULL
);
CREATE TABLE fields (name TEXT, value, number INTEGER, PRIMARY KEY (name, value, number)) WITHOUT ROWID;
CREATE TABLE tombstones (position INTEGER PRIMARY KEY, number INTEGER NOT NULL);
CREATE TABLE batches (first INTEGER PRIMARY KEY, count INTEGER NOT NULL, crc INTEGER NOT NULL);
INSERT INTO state VALUES (1, 1, 0, 0);
"""


@dataclass(frozen=True, slots=True)
class About:
    """What never changes about an index.

    Attributes:
        dim: dimensions of the vectors.
        distance: how they are compared.
        fingerprint: of the model that made them.
        token: a random name of this index, by which what is derived from it knows it again.
    """

    dim: int
    distance: Distance
    fingerprint: str
    token: str


def make_database(folder: Path, about: About) -> None:
    """Write an empty database into a folder."""
    db = sqlite3.connect(folder / DATABASE, isolation_level=None)
    try:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute(f"PRAGMA application_id = {_APPLICATION}")
        db.execute(f"PRAGMA user_version = {FORMAT_VERSION}")
        db.executescript(_SCHEMA)
        db.executemany("INSERT INTO about VALUES (?, ?)", asdict(about).items())
    finally:
        db.close()


def connect(path: Path, *, write: bool) -> sqlite3.Connection:
    """Open a database, also one that lies where nobody may write.

    Raises:
        sqlite3.DatabaseError: if it is damaged, or none.
    """
    address = f"file:{quote(str(path.absolute()))}?mode={'rw' if write else 'ro'}"
    db = _opened(address)
    try:
        if write:
            db.execute("PRAGMA synchronous = FULL")
        db.execute("SELECT 1 FROM sqlite_schema").fetchone()
    except sqlite3.DatabaseError as error:
        db.close()
        # Readers share a file beside the database. Where none can be made, nobody writes either.
        if write or not isinstance(error, sqlite3.OperationalError) or os.access(path.parent, os.W_OK):
            raise
        db = _opened(f"{address}&immutable=1")
    return db


def read_about(db: sqlite3.Connection, path: Path) -> About:
    """Return what an open database says of itself.

    Raises:
        DataError: if it is of something else, of another version, or damaged.
    """
    if db.execute("PRAGMA application_id").fetchone()[0] != _APPLICATION:
        raise DataError(f"{path}: is a database of something else", hint="name the folder of an index")
    version = db.execute("PRAGMA user_version").fetchone()[0]
    if version != FORMAT_VERSION:
        raise DataError(
            f"{path}: format {version}, expected {FORMAT_VERSION}",
            hint="open it with the version of nayan that made it, or index the pictures again",
        )
    values = dict(db.execute("SELECT key, value FROM about").fetchall())
    try:
        about = About(**values)
    except TypeError as error:
        raise DataError(f"{path}: damaged: it notes {', '.join(values) or 'nothing'}", hint=AGAIN) from error
    if about.distance not in DISTANCES or not isinstance(about.dim, int) or about.dim < 1:
        raise DataError(f"{path}: damaged: {about.dim} dimensions, {about.distance!r}", hint=AGAIN)
    return about


def become_writer(folder: Path) -> sqlite3.Connection:
    """Return what holds the writer's lock until it is closed, or its process has ended in any way.

    Raises:
        ConfigError: if another process or handle holds it.
        OSError: if nothing can be written there.
    """
    with contextlib.ExitStack() as opened:
        try:
            lock = sqlite3.connect(folder / LOCK, isolation_level=None, timeout=0, check_same_thread=False)
            opened.callback(lock.close)
            lock.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY:
                raise OSError(f"{folder / LOCK}: {error}") from error
            raise ConfigError(
                f"{folder}: another process writes to this index",
                hint="wait until it has ended; any number may search meanwhile",
            ) from error
        opened.pop_all()  # it stays open
    return lock


def _opened(address: str) -> sqlite3.Connection:
    return sqlite3.connect(address, uri=True, isolation_level=None, timeout=10, check_same_thread=False)
