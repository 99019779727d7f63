"""An index under everything that can happen to it: full disks, damage, loss, writers and readers at once."""

from __future__ import annotations

import errno
import multiprocessing
import os
import resource
import shutil
import sqlite3
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from nayan.core.errors import ConfigError, DataError
from nayan.runtime.index import VectorIndex, create_index, open_index
from nayan.runtime.index.local import LocalIndex
from nayan.runtime.index.structure import read_structure

DIM = 16
Rows = dict[str, NDArray[np.float32]]


def some_rows(names: str, seed: int = 0) -> Rows:
    vectors = np.random.default_rng(seed).normal(size=(len(names), DIM)).astype(np.float32)
    return dict(zip(names, vectors / np.linalg.norm(vectors, axis=1, keepdims=True), strict=True))


def add(index: VectorIndex, rows: Rows) -> None:
    index.add(list(rows), np.array(list(rows.values())), metadata=[{"name": name} for name in rows])


def content(index: VectorIndex) -> Rows:
    """Return what an index holds, and make sure that it finds all of it."""
    ids = index.ids()
    vectors = index.vectors(ids)
    for id, vector in zip(ids, vectors, strict=True):
        assert index.search(vector, k=1)[0].id == id
        assert index.search(vector, k=1, where=f"name = {id}")[0].metadata == {"name": id}
    return dict(zip(ids, vectors, strict=True))


def same(a: Rows, b: Rows) -> bool:
    return list(a) == list(b) and all(np.allclose(a[name], b[name], atol=1e-6) for name in a)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a closed index with the rows a to f."""
    with create_index(tmp_path / "index", dim=DIM, fingerprint="m") as index:
        add(index, some_rows("abcdef"))
    return tmp_path / "index"


@pytest.fixture
def always_structures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the smallest index have a structure."""
    monkeypatch.setattr("nayan.runtime.index.upkeep.EXACT_ROWS", 0)
    monkeypatch.setattr("nayan.runtime.index.view.EXACT_ROWS", 0)


# What may be done to an index of a to f, and what it holds then.
NEW = some_rows("cxyz", seed=1)
OLD = some_rows("abcdef")
CHANGES: dict[str, tuple[Callable[[LocalIndex], None], Rows]] = {
    "add": (lambda index: add(index, NEW), {k: v for k, v in OLD.items() if k != "c"} | NEW),
    "delete": (lambda index: index.delete("bd"), {k: v for k, v in OLD.items() if k not in "bd"}),
    "compact": (
        lambda index: (index.delete("a"), index.compact())[0],
        {k: v for k, v in OLD.items() if k != "a"},
    ),
    "build": (lambda index: index.build(), OLD),
}

HALFWAY = CHANGES["compact"][1]  # its row was deleted, and nothing given back yet


class Faults:
    """Lets one of the operations on files fail, counted from 1, as a full disk would."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.counted, self.fails_at = 0, 0
        for name in ("replace", "touch", "unlink"):
            monkeypatch.setattr(Path, name, self.guard(getattr(Path, name)))
        for place in ("os.fsync", "nayan.runtime.index.vector_file._to_disk"):
            monkeypatch.setattr(place, self.guard(os.fsync))
        opened = Path.open
        monkeypatch.setattr(Path, "open", lambda *args, **options: Guarded(opened(*args, **options), self))

    def guard(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def guarded(*args: Any, **options: Any) -> Any:
            self.counted += 1
            if self.counted == self.fails_at:
                raise OSError(errno.ENOSPC, "No space left on device")
            return call(*args, **options)

        return guarded


class Guarded:
    """A file of which half is written when a write fails."""

    def __init__(self, file: Any, faults: Faults) -> None:
        self.file = file
        self.write = faults.guard(file.write)
        self.truncate = faults.guard(file.truncate)
        self.faults = faults

    def __getattr__(self, name: str) -> Any:
        return getattr(self.file, name)

    def __enter__(self) -> Guarded:
        return self

    def __exit__(self, *error: object) -> None:
        self.file.close()


@pytest.mark.parametrize("change", CHANGES)
def test_whichever_operation_on_a_file_fails_a_change_is_whole_or_was_not_made(
    folder: Path, monkeypatch: pytest.MonkeyPatch, change: str, always_structures: None
) -> None:
    act, after = CHANGES[change]
    fails_at, done = 0, False
    while not done:
        fails_at += 1
        trial = folder.with_name(f"{change} {fails_at}")
        shutil.copytree(folder, trial)
        with monkeypatch.context() as patch:
            faults = Faults(patch)
            index = LocalIndex(trial, write=True)
            faults.counted, faults.fails_at = 0, fails_at
            try:
                act(index)
                done = True
            except OSError:
                assert faults.counted >= fails_at
            faults.fails_at = 0
            seen = content(index)
            assert any(same(seen, rows) for rows in ([after] if done else [OLD, HALFWAY, after])), fails_at
            add(index, some_rows("w", seed=2))
            index.close()
        with open_index(trial, write=True) as again:
            assert same(content(again), seen | some_rows("w", seed=2)), fails_at
            again.check()  # type: ignore[attr-defined]
    assert fails_at > (1 if change != "delete" else 0)


@pytest.mark.parametrize("change", ["add", "delete", "compact"])
def test_a_disk_that_is_full_at_any_byte_loses_nothing(folder: Path, change: str) -> None:
    act, after = CHANGES[change]
    most = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
    refused = 0
    for limit in (0, 200, 400, 600, *range(4000, 60_000, 6000)):
        trial = folder.with_name(f"{limit} bytes")
        shutil.copytree(folder, trial)
        index = LocalIndex(trial, write=True)
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, most))  # for SQLite's files, too
        try:
            act(index)
            done = True
        except OSError:
            refused, done = refused + 1, False
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
        seen = content(index)
        assert any(same(seen, rows) for rows in ([after] if done else [OLD, HALFWAY, after])), limit
        add(index, some_rows("w", seed=2))
        index.close()
        with open_index(trial) as again:
            assert same(content(again), seen | some_rows("w", seed=2)), limit
            again.check()  # type: ignore[attr-defined]
    assert 1 < refused < 14


def test_what_a_killed_writer_left_behind_the_committed_rows_is_never_seen(folder: Path) -> None:
    with (folder / "vectors-000001.f32").open("ab") as file:
        file.write(b"\xff" * (4 * DIM * 2 + 7))
    for leftover in ("vectors-000002.f32", "structure-000009.bin", ".structure-000001.bin.77-00ab12cd"):
        (folder / leftover).write_bytes(b"half")
    with open_index(folder) as reader:
        assert same(content(reader), OLD)
    with open_index(folder, write=True) as writer:
        assert (folder / "vectors-000001.f32").stat().st_size == 4 * DIM * 6
        assert sorted(path.name for path in folder.glob("*0*")) == ["vectors-000001.f32"]
        add(writer, some_rows("g", seed=3))
        assert same(content(writer), OLD | some_rows("g", seed=3))


def test_a_vector_file_that_lost_rows_is_refused(folder: Path) -> None:
    vectors = folder / "vectors-000001.f32"
    os.truncate(vectors, 4 * DIM * 6 - 1)
    with pytest.raises(
        DataError, match="damaged: 383 bytes, expected 384 for 6 vectors of 16 numbers"
    ) as error:
        open_index(folder)
    assert "restore the index from a copy" in error.value.hint
    vectors.unlink()
    for write in (False, True):
        with pytest.raises(DataError, match=r"vectors-000001\.f32: is missing"):
            open_index(folder, write=write)
    assert not vectors.exists()


def test_a_changed_vector_is_found_by_checking_and_never_copied_or_encoded(
    folder: Path, always_structures: None
) -> None:
    vectors = folder / "vectors-000001.f32"
    data = bytearray(vectors.read_bytes())
    data[100] ^= 1
    vectors.write_bytes(data)
    index = LocalIndex(folder, write=True)
    index.delete(["f"])
    for look in (index.check, index.compact, index.build):
        with pytest.raises(DataError, match="damaged: rows 0 to 5 are not as they were stored"):
            look()
    with pytest.raises(DataError):
        index.close()
    with open_index(folder) as reader:
        assert reader.ids() == list("abcde")


def test_a_damaged_database_is_refused(folder: Path) -> None:
    database = folder / "index.sqlite"
    whole = database.read_bytes()
    for damage in (b"", b"no database at all", whole[:3000], b"\0" * 100 + whole[100:]):
        database.write_bytes(damage)
        with pytest.raises(DataError, match=r"index\.sqlite: (damaged|is a database of something else)"):
            open_index(folder)
    page = bytearray(whole)
    page[4096 * 3 : 4096 * 3 + 600] = b"\xff" * 600
    database.write_bytes(page)
    with pytest.raises(DataError, match="damaged"), open_index(folder) as index:
        index.check()  # type: ignore[attr-defined]


def test_a_folder_that_is_no_index_is_told_from_one(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"is no index: it has no index\.sqlite") as error:
        open_index(tmp_path)
    assert "nayan index MODEL SOURCE" in error.value.hint
    with pytest.raises(DataError, match="is no index"):
        open_index(tmp_path / "nowhere", write=True)
    assert not (tmp_path / "nowhere").exists()
    (tmp_path / "other").mkdir()
    with sqlite3.connect(tmp_path / "other" / "index.sqlite") as db:
        db.execute("CREATE TABLE t (x)")
    db.close()
    with pytest.raises(DataError, match="is a database of something else"):
        open_index(tmp_path / "other")
    with sqlite3.connect(folder / "index.sqlite") as db:
        db.execute("PRAGMA user_version = 9")
    db.close()
    with pytest.raises(DataError, match="format 9, expected 1") as error:
        open_index(folder)
    assert "the version of nayan that made it" in error.value.hint


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        ("DELETE FROM about WHERE key = 'dim'", "damaged: it notes distance, fingerprint, token"),
        ("UPDATE about SET value = 'far' WHERE key = 'distance'", "damaged: 16 dimensions, 'far'"),
        ("UPDATE about SET value = 0 WHERE key = 'dim'", "damaged: 0 dimensions"),
    ],
)
def test_a_database_that_says_nonsense_is_refused(folder: Path, damage: str, message: str) -> None:
    with sqlite3.connect(folder / "index.sqlite") as db:
        db.execute(damage)
    db.close()
    with pytest.raises(DataError, match=message):
        open_index(folder)


def test_names_that_are_missing_stop_compacting(folder: Path) -> None:
    with sqlite3.connect(folder / "index.sqlite") as db:
        db.execute("DELETE FROM rows WHERE number = 2")  # and no tombstone for it
    db.close()
    with LocalIndex(folder, write=True) as index:
        index.delete(["a"])
        with pytest.raises(DataError, match="damaged: 4 names for 5 vectors"):
            index.compact()
        assert index.ids() == ["b", "d", "e", "f"]


def test_where_no_lock_can_be_made_nothing_is_written(folder: Path) -> None:
    (folder / "writer.lock").unlink(missing_ok=True)
    (folder / "writer.lock").mkdir()
    with pytest.raises(OSError, match=r"writer\.lock: unable to open"):
        open_index(folder, write=True)
    with open_index(folder) as reader:
        assert len(reader) == 6


@pytest.fixture
def structured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a closed index of 1,500 rows that is searched by a structure."""
    monkeypatch.setattr("nayan.runtime.index.upkeep.EXACT_ROWS", 100)
    monkeypatch.setattr("nayan.runtime.index.view.EXACT_ROWS", 100)
    vectors = np.random.default_rng(0).normal(size=(1500, DIM)).astype(np.float32)
    with create_index(tmp_path / "index", dim=DIM, fingerprint="m") as index:
        index.add([f"r{n}" for n in range(1500)], vectors)
    return tmp_path / "index"


def test_a_damaged_structure_is_not_used_and_made_again(structured: Path) -> None:
    path = structured / "structure-000001.bin"
    whole = path.read_bytes()
    query = np.random.default_rng(1).normal(size=DIM).astype(np.float32)
    with LocalIndex(structured) as index:
        assert index.covered == 1500
        expected = index.search(query)
    rng = np.random.default_rng(2)
    places = [*range(0, 400, 7), *rng.integers(0, len(whole), 60).tolist(), len(whole) - 1]
    for place in places:
        changed = bytearray(whole)
        changed[place] ^= 0x41
        path.write_bytes(changed)
        found = read_structure(path)
        assert found is None, place
    for size in (0, 1, 17, 300, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:size])
        with LocalIndex(structured) as index:
            assert index.covered == 0
            assert index.search(query) == expected
    path.write_bytes(whole + b"\0")
    assert read_structure(path) is None
    with LocalIndex(structured, write=True):
        pass
    assert path.read_bytes() == whole


def test_a_structure_of_other_rows_is_not_used(structured: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    with create_index(other, dim=DIM, fingerprint="m") as index:
        index.add(
            [f"r{n}" for n in range(1500)],
            np.random.default_rng(5).normal(size=(1500, DIM)).astype(np.float32),
        )
    shutil.copy(structured / "structure-000001.bin", other / "structure-000001.bin")
    with LocalIndex(other) as index:
        assert index.covered == 0
    # The truth restored from an older copy, and gone on from there with other rows.
    with sqlite3.connect(structured / "index.sqlite") as db:
        db.execute("UPDATE batches SET crc = crc + 1")
    db.close()
    with LocalIndex(structured) as index:
        assert index.covered == 0


def test_a_second_writer_is_refused_and_readers_are_not(folder: Path) -> None:
    with LocalIndex(folder, write=True) as writer, LocalIndex(folder) as reader:
        with pytest.raises(ConfigError, match="another process writes to this index") as error:
            open_index(folder, write=True)
        assert "any number may search" in error.value.hint
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            assert pool.apply(_try_to_write, (folder,)) == "another process writes to this index"
        add(writer, some_rows("g", seed=3))
        assert reader.ids() == list("abcdefg")
        with pytest.raises(ConfigError, match="is not open for writing") as error:
            reader.delete(["a"])
        assert "write=True" in error.value.hint
    with open_index(folder, write=True) as writer:
        assert len(writer) == 7


def _try_to_write(folder: Path) -> str:
    try:
        open_index(folder, write=True)
    except ConfigError as error:
        return error.message.partition(": ")[2]
    return "wrote"


def test_a_closed_index_says_so(folder: Path) -> None:
    index = open_index(folder)
    index.close()
    index.close()
    with pytest.raises(ConfigError, match="the index was closed") as error:
        index.ids()
    assert "open it again" in error.value.hint


def test_readers_see_whole_batches_while_a_writer_appends_deletes_and_compacts(tmp_path: Path) -> None:
    writer = create_index(tmp_path / "index", dim=DIM, fingerprint="m")
    stop, faults = threading.Event(), []

    def read() -> None:
        try:
            with open_index(tmp_path / "index") as reader:
                while not stop.is_set():
                    assert len(reader) % 5 == 0
                    hits = reader.search(np.ones(DIM, np.float32), k=1000)
                    assert len(hits) % 5 == 0
                    assert all(hit.metadata == {"of": hit.id[:-2]} for hit in hits)
        except BaseException as error:
            faults.append(error)

    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    for batch in range(25):
        rows = np.random.default_rng(batch).normal(size=(5, DIM)).astype(np.float32)
        names = [f"b{batch}-{n}" for n in range(5)]
        writer.add(names, rows, metadata=[{"of": f"b{batch}"}] * 5)
        if batch % 3 == 0:
            writer.delete(names)
        if batch % 8 == 7:
            writer.compact()
    stop.set()
    for reader in readers:
        reader.join()
    assert not faults
    assert len(writer) == 80
    writer.close()


def test_an_index_where_nobody_may_write_is_searched() -> None:
    root = Path(tempfile.mkdtemp())
    try:
        with create_index(root / "index", dim=DIM, fingerprint="m") as index:
            add(index, OLD)
        for path in (*(root / "index").iterdir(), root / "index", root):
            path.chmod(0o555)
        with multiprocessing.get_context("fork").Pool(1) as pool:
            assert pool.apply(_names_as_nobody, (root / "index",)) == list("abcdef")
    finally:
        root.chmod(0o755)
        (root / "index").chmod(0o755)
        shutil.rmtree(root)


def _names_as_nobody(folder: Path) -> list[str]:
    if os.geteuid() == 0:  # who may write anywhere
        os.setuid(65534)
    with open_index(folder) as index:
        return index.ids()
