from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from nayan.runtime import fsio
from nayan.runtime.fsio import new_folder, recover, write_file


def names(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


def full_disk(*_: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_a_file_is_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "status.json"
    write_file(path, "old")
    write_file(path, b"new")
    assert path.read_bytes() == b"new"
    assert names(tmp_path) == ["status.json"]


def test_text_is_written_as_utf8(tmp_path: Path) -> None:
    write_file(tmp_path / "a", "नयन")
    assert (tmp_path / "a").read_bytes() == "नयन".encode()


def test_a_full_disk_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "status.json"
    write_file(path, "old")
    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(OSError, match="No space left"):
        write_file(path, "new")
    assert path.read_text() == "old"
    assert names(tmp_path) == ["status.json"]


def test_a_folder_appears_when_it_is_complete(tmp_path: Path) -> None:
    target = tmp_path / "run" / "model"
    with new_folder(target) as folder:
        (folder / "a").write_text("1")
        assert not target.exists()
    assert names(target) == ["a"]
    assert names(target.parent) == ["model"]


def test_a_folder_replaces_the_one_before(tmp_path: Path) -> None:
    for content in ("old", "new"):
        with new_folder(tmp_path / "model") as folder:
            (folder / content).write_text(content)
    assert names(tmp_path / "model") == ["new"]
    assert names(tmp_path) == ["model"]


def test_an_error_while_filling_leaves_the_old_folder(tmp_path: Path) -> None:
    with new_folder(tmp_path / "model") as folder:
        (folder / "old").write_text("")

    def fail_halfway() -> None:
        with new_folder(tmp_path / "model") as folder:
            (folder / "new").write_text("")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_halfway()
    assert names(tmp_path) == ["model"]
    assert names(tmp_path / "model") == ["old"]


def test_a_failed_exchange_puts_the_old_folder_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with new_folder(tmp_path / "model") as folder:
        (folder / "old").write_text("")
    rename = Path.rename
    monkeypatch.setattr(
        Path,
        "rename",
        lambda self, to: full_disk() if "-" in self.name and to.name == "model" else rename(self, to),
    )
    with pytest.raises(OSError, match="No space left"), new_folder(tmp_path / "model"):
        pass
    assert names(tmp_path / "model") == ["old"]
    assert names(tmp_path) == ["model"]


def test_a_replacement_that_was_cut_short_is_put_back(tmp_path: Path) -> None:
    (tmp_path / ".model.old").mkdir()
    (tmp_path / ".model.old" / "a").write_text("")
    assert recover(tmp_path / "model")
    assert names(tmp_path / "model") == ["a"]
    assert not recover(tmp_path / "model")


def test_what_a_finished_replacement_left_over_is_removed(tmp_path: Path) -> None:
    (tmp_path / ".model.old").mkdir()
    (tmp_path / "model").mkdir()
    assert not recover(tmp_path / "model")
    assert names(tmp_path) == ["model"]


def test_where_folders_cannot_be_flushed_they_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fsio, "_CAN_SYNC_FOLDERS", False)
    monkeypatch.setattr(fsio, "_sync", full_disk)
    fsio.sync_folder(Path("anywhere"))
