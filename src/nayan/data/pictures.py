"""Find picture files: in folders, by patterns, from a list on standard input. Nothing is decoded."""

from __future__ import annotations

import contextlib
import glob
import os
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path

from nayan.core.errors import ConfigError, DataError
from nayan.core.image import looks_like_picture, open_image
from nayan.core.types import Dataset, Label, Sample

_IGNORED = {"__pycache__", "__macosx", "thumbs.db", "desktop.ini"}


def find_pictures(sources: Sequence[str | Path], stdin: Iterable[str] | None = None) -> list[Sample]:
    """Return one sample for every picture that the sources name, in their order, each file once.

    Args:
        sources: files; folders, whose pictures are taken at any depth in the order of their names;
            patterns such as `photos/**/*.jpg`; and "-" for one path a line on standard input.
        stdin: the lines for "-".

    Returns:
        Samples whose id is the path as it was given, with forward slashes. A file that is named
        itself is taken whatever its name.

    Raises:
        DataError: if a source does not exist, or has no picture.
        ConfigError: if there is no source, or "-" without `stdin`.
    """
    if not sources:
        raise ConfigError(
            "no source given", hint="name files, folders or patterns, or - to read paths from stdin"
        )
    found: dict[Path, None] = {}
    for source in sources:
        if str(source) != "-":
            found.update(dict.fromkeys(_expand(source, origin="")))
            continue
        if stdin is None:
            raise ConfigError(
                "the source - needs paths on standard input", hint="find . -name '*.jpg' | nayan ... -"
            )
        before = len(found)
        for number, line in enumerate(stdin, start=1):
            if line.strip("\r\n"):
                found.update(
                    dict.fromkeys(_expand(line.strip("\r\n"), origin=f"standard input, line {number}: "))
                )
        if len(found) == before:
            raise DataError("standard input named no picture", hint="write one path a line")
    return [file_sample(path, id=normal(path.as_posix())) for path in found]


def _expand(source: str | Path, *, origin: str) -> list[Path]:
    path = Path(source)
    if path.is_dir():
        pictures = [file for file in walk(path) if looks_like_picture(file)]
        if not pictures:
            raise DataError(
                f"{origin}{source}: the folder holds no picture", hint="name a folder with pictures"
            )
        return pictures
    if path.exists():
        return [path]
    if glob.has_magic(str(source)):
        matches = [Path(match) for match in sorted(glob.glob(str(source), recursive=True))]  # noqa: PTH207
        pictures = [file for file in matches if file.is_file() and looks_like_picture(file)]
        if not pictures:
            raise DataError(
                f"{origin}{source}: no picture matches the pattern", hint="quote it and check the folder"
            )
        return pictures
    raise DataError(f"{origin}{source}: there is no such file or folder", hint="check the path")


def find_sample(data: Dataset, file: Path) -> Sample:
    """Return the sample of a picture file, however its path is written.

    Raises:
        DataError: if the data set has no such picture.
    """
    wanted = file.resolve()
    found = next((each for each in data.samples if each.path and each.path.resolve() == wanted), None)
    if found is None:
        raise DataError(
            f"{file}: is none of the {len(data)} pictures of {data.root}",
            hint="name a picture of that data set, or the data set that the picture is from",
        )
    return found


def file_sample(path: Path, *, id: str, label: int | None = None) -> Sample:
    """Return the sample of a picture file; the file is not touched before `load` is called."""
    target = None if label is None else Label(label)
    return Sample(id=id, load=partial(open_image, path), target=target, path=path)


def entries(folder: Path) -> tuple[list[Path], list[Path]]:
    """Return the (sub-folders, files) of a folder, each in the order of their names.

    Hidden ones and those that systems leave behind (`__MACOSX`, `Thumbs.db`, ...) are left out; a
    link counts as what it points to, a dangling one as a file.

    Raises:
        DataError: if the folder cannot be listed.
    """
    with _visible(folder) as found:
        both = [(entry.is_dir(), Path(entry.path)) for entry in found]
    return sorted(path for is_dir, path in both if is_dir), sorted(
        path for is_dir, path in both if not is_dir
    )


@contextlib.contextmanager
def _visible(folder: Path) -> Iterator[Iterator[os.DirEntry[str]]]:
    try:
        with os.scandir(folder) as listing:
            yield (entry for entry in listing if not is_ignored(entry.name))
    except OSError as error:
        raise DataError(
            f"{folder}: cannot be listed: {error.strerror}", hint="check its permissions"
        ) from error


def is_ignored(name: str) -> bool:
    """Return whether a file or folder of this name is never part of a data set.

    >>> is_ignored(".ipynb_checkpoints"), is_ignored("__MACOSX"), is_ignored("daisy")
    (True, True, False)
    """
    return name.startswith(".") or name.lower() in _IGNORED


def walk(folder: Path, *, above: frozenset[tuple[int, int]] = frozenset()) -> Iterator[Path]:
    """Yield every visible file at any depth; a link to a folder that contains it is not followed again."""
    status = folder.stat()
    here = (status.st_dev, status.st_ino)
    if here in above:
        return
    folders, files = entries(folder)
    yield from files
    for sub in folders:
        yield from walk(sub, above=above | {here})


def has_picture(folder: Path) -> bool:
    """Return whether there is a picture at any depth; stops at the first, so large folders cost little."""
    with _visible(folder) as found:
        for entry in found:
            if not entry.is_dir() and looks_like_picture(Path(entry.path)):
                return True
    return any(looks_like_picture(file) for file in walk(folder))


def normal(name: str) -> str:
    """Return a name with its accents composed (NFC), so that one name has one spelling on every system.

    >>> normal("Blu" + chr(0x308) + "te") == "Bl" + chr(0xFC) + "te"
    True
    """
    return unicodedata.normalize("NFC", name)
