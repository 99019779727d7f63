"""Files and folders that appear whole or not at all, also when the power fails in between."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path

_CAN_SYNC_FOLDERS = os.name == "posix"


def write_file(path: Path, data: bytes | str) -> None:
    """Write a file atomically: a reader sees the old content or the new, never a part.

    The data go to a temporary file in the same folder, are flushed to the disk and renamed; text is
    written as UTF-8. The parent folder must exist.

    Raises:
        OSError: as the operating system reports it (disk full, no permission); the old file is intact.

    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> write_file(folder / "status.json", "{}")
    >>> [file.name for file in folder.iterdir()]
    ['status.json']
    """
    content = data.encode("utf-8") if isinstance(data, str) else data
    temporary = _beside(path)
    try:
        with temporary.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


@contextlib.contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """Fill a folder that appears under its name only when the block ends without an error.

    The block receives an empty folder beside `path` and puts files into it. When it ends, they are flushed
    to the disk and the folder is renamed; one that had the name before is kept until the new one stands.
    A folder cannot be exchanged in one step everywhere: should the machine die between the two renames,
    the old one lies beside as `.NAME.old`, and the next `new_folder` or `recover` puts it back.

    Raises:
        OSError: as the operating system reports it; the old folder is intact.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    recover(path)
    temporary = _beside(path)
    temporary.mkdir()
    try:
        yield temporary
        for file in temporary.iterdir():
            _sync(file)
        sync_folder(temporary)
        _exchange(temporary, path)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise


def safe_name(name: str) -> str:
    """Return any name, such as that of a class, as a part of a file's name.

    >>> safe_name("t-shirt / top")
    't-shirt_top'
    """
    return re.sub(r"[^\w-]+", "_", name).strip("_")[:60] or "class"


def recover(path: Path) -> bool:
    """Put back a folder whose replacement was interrupted; return whether there was one to put back."""
    old = _old(path)
    if not old.is_dir():
        return False
    if path.exists():  # the new one had arrived: only the tidying is missing
        shutil.rmtree(old)
        return False
    old.rename(path)
    return True


def sync_folder(folder: Path) -> None:
    """Flush a folder's list of names to the disk, where the operating system can do that."""
    if _CAN_SYNC_FOLDERS:
        _sync(folder)


def _exchange(new: Path, path: Path) -> None:
    old = _old(path)
    if path.exists():
        path.rename(old)
    try:
        new.rename(path)
    except BaseException:
        recover(path)
        raise
    sync_folder(path.parent)
    shutil.rmtree(old, ignore_errors=True)


def _old(path: Path) -> Path:
    return path.with_name(f".{path.name}.old")


def _beside(path: Path) -> Path:
    return path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}")


def _sync(path: Path) -> None:
    # Windows flushes only what is open for writing; POSIX opens a folder only for reading.
    handle = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
