"""Where the pictures go that are made of the user's: one file or a folder, and never onto one of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from nayan.core.errors import ConfigError
from nayan.core.types import Sample

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp")
"""Of files that are written."""


def result_files(samples: Sequence[Sample], out: Path, *, suffix: str) -> list[Path]:
    """Return where the result of each picture goes.

    Args:
        samples: the pictures.
        out: a file for one picture, or a folder, in which results are named as their pictures are.
        suffix: of results in a folder, such as ".png".

    Raises:
        ConfigError: if `out` is one file for several pictures, has another suffix, or is one of the pictures.

    >>> cats = [Sample(f"{name}.jpg", np.zeros) for name in ("a/cat", "b/Cat")]
    >>> [file.as_posix() for file in result_files(cats, Path("made"), suffix=".png")]
    ['made/cat.png', 'made/Cat_2.png']
    """
    files = [out] if is_file(out) else _in_folder(samples, out, suffix)
    if len(files) < len(samples):
        raise ConfigError(f"{out}: one file for {len(samples)} pictures", hint="name a folder with --out")
    sources = {sample.path.resolve() for sample in samples if sample.path is not None}
    for file in files:
        if file.resolve() in sources:
            raise ConfigError(
                f"{file}: is one of the pictures, which are never changed", hint="name another --out"
            )
    return files


def is_file(out: Path) -> bool:
    """Return whether the user means a picture file, not a folder.

    >>> is_file(Path("a.png")), is_file(Path("made"))
    (True, False)
    """
    return out.suffix.lower() in SUFFIXES and not out.is_dir()


def _in_folder(samples: Sequence[Sample], out: Path, suffix: str) -> list[Path]:
    if out.suffix and not out.is_dir():
        raise ConfigError(f"{out}: expected a folder, or a file ending in {', '.join(SUFFIXES)}")
    files, taken = [], set[str]()
    for sample in samples:
        stem = name = Path(sample.id).stem
        number = 1
        while name.lower() in taken:  # some file systems do not tell A from a
            number += 1
            name = f"{stem}_{number}"
        taken.add(name.lower())
        files.append(out / f"{name}{suffix}")
    return files
