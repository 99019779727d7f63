"""Where pictures go that are made of pictures: a file or folder that the user names, never onto a source."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from nayan.core.errors import ConfigError
from nayan.core.types import Sample

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp")
QUALITY = 95
"""Of JPEG and WebP."""


def result_files(samples: Sequence[Sample], out: Path, *, suffix: str = ".jpg") -> list[Path]:
    """Return where the result of each picture goes: one file a picture, no two of one name.

    Args:
        samples: files.
        out: a file for one picture, or a folder.
        suffix: of files in a folder.

    Raises:
        ConfigError: if `out` is one file for several pictures, is of another kind, or is one of the pictures.
    """
    if out.suffix.lower() in SUFFIXES and not out.is_dir():
        if len(samples) > 1:
            raise ConfigError(f"{out}: one file for {len(samples)} pictures", hint="name a folder with --out")
        files = [out]
    else:
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
    sources = {sample.path.resolve() for sample in samples if sample.path is not None}
    for file in files:
        if file.resolve() in sources:
            raise ConfigError(
                f"{file}: is one of the pictures, which are never changed", hint="name another --out"
            )
    return files
