"""What a picture is called in an index: its path from the folder that was indexed, wherever one stands."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from nayan.core.errors import FormatError
from nayan.core.types import Sample
from nayan.runtime.fsio import write_file

FILE = "pictures.json"
"""In the folder of an index."""

VERSION = 1


@dataclass(frozen=True, slots=True)
class Names:
    """From files to names and back.

    Attributes:
        root: the absolute folder that names begin at; None: every name is an absolute path.

    >>> names = Names(Path("/shop"))
    >>> names.of(Path("/shop/fruit/pear.jpg")), names.of(Path("/other/plum.jpg"))
    ('fruit/pear.jpg', '/other/plum.jpg')
    >>> names.file("fruit/pear.jpg").as_posix()
    '/shop/fruit/pear.jpg'
    """

    root: Path | None = None

    def of(self, file: Path) -> str:
        """Return the name of a file: one for each file, however its path is written."""
        absolute = _absolute(file)
        if self.root is not None and absolute.is_relative_to(self.root):
            return absolute.relative_to(self.root).as_posix()
        return absolute.as_posix()

    def file(self, name: str) -> Path:
        """Return the file of a name."""
        return Path(name) if self.root is None else self.root / name


def settle_names(
    index: Path | None, sources: Sequence[str | Path], samples: Sequence[Sample]
) -> tuple[Names, tuple[str, ...]]:
    """Return the names of an index that is being filled, and what is to be said of them.

    The folder at which they begin is chosen once. Should it be gone, the pictures are taken to have moved.

    Args:
        index: its folder; None where it has none.
        sources: as they were given.
        samples: the pictures that were found there, at least one.
    """
    if index is None:
        return Names(), ()
    names = read_names(index)
    if names.root is not None and names.root.is_dir():
        return names, ()
    moved = Names(common_root(sources, samples))
    write_names(index, moved)
    return moved, () if names.root is None else (f"{names.root} is gone; its pictures are {moved.root} now",)


def common_root(sources: Sequence[str | Path], samples: Sequence[Sample]) -> Path:
    """Return the folder at which names begin: the one folder that was named, or what all pictures share.

    Args:
        sources: as they were given.
        samples: the pictures that were found, at least one.
    """
    if len(sources) == 1 and Path(sources[0]).is_dir():
        return _absolute(Path(sources[0]))
    parents = {_absolute(sample.path).parent for sample in samples if sample.path is not None}
    return Path(os.path.commonpath(parents))


def read_names(index: Path) -> Names:
    """Return the names of an index in a folder; absolute paths where it does not say.

    Raises:
        FormatError: if the file is damaged.
    """
    path = index / FILE
    if not path.is_file():
        return Names()
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        return Names(Path(record["root"]))
    except (ValueError, KeyError, TypeError) as error:
        raise FormatError(
            f"{path}: does not say where the pictures are: {error}",
            hint="delete it and call `nayan index` again as when the index was made",
        ) from error


def write_names(index: Path, names: Names) -> None:
    """Keep where the pictures of an index are."""
    record = {"version": VERSION, "root": str(names.root)}
    write_file(index / FILE, json.dumps(record, indent=2, ensure_ascii=False) + "\n")


def _absolute(path: Path) -> Path:
    """Return the path from the root, without `..`; links stay, as pictures may be links."""
    return Path(os.path.abspath(path))  # noqa: PTH100  Path.absolute keeps `..`
