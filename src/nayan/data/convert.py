"""Write a data set again in another format, and prove that nothing was lost."""

from __future__ import annotations

import shutil
import tempfile
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from nayan.core.errors import DataError
from nayan.core.types import Dataset
from nayan.data.readers import READERS, recognise
from nayan.data.readers.base import Reader, check_new, check_outside, label_of

Counts = Mapping[str, Mapping[str, int]]
"""Pictures of each class in each split: {split: {class: number}}."""


@dataclass(frozen=True, slots=True)
class ConversionReport:
    """What a conversion did.

    Attributes:
        source: the format that was read.
        target: the format that was written.
        out: the new folder.
        before: pictures that were read.
        after: pictures found when the new folder was read back; equal to `before`.
        notes: what was left out or is different now, one sentence each.
    """

    source: str
    target: str
    out: Path
    before: Counts
    after: Counts
    notes: tuple[str, ...]


def convert(src: Path, out: Path, to: str, *, format: str | None = None) -> ConversionReport:
    """Write the data set `src` into the new folder `out` in the format `to`, and read it back to compare.

    The source is only read. The new folder appears when it is complete and checked, or not at all.

    Args:
        src: folder or file.
        out: does not exist, or is an empty folder.
        to: name of a format.
        format: of the source; None to recognise it.

    Raises:
        ConfigError: if `out` lies in `src`.
        DataError: if `out` is not empty, the format cannot hold the data, or the copy differs.
        NotFound: if no format has that name.
    """
    src, out = Path(src), Path(out)
    writer = READERS[to]
    found = recognise(src, format)
    check_outside(out, src)
    check_new(out)
    splits = {name: found.reader.read(src, name) for name in found.reader.splits(src) or ("all",)}
    before = count(splits)
    out.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(dir=out.parent, prefix=f".{out.name}-"))
    try:
        writer.write(splits, draft)
        written = _read_back(writer, draft)
        after = count(written)
        compare(before, after)
        publish(draft, out)
    except BaseException:
        shutil.rmtree(draft)
        raise
    notes = [note for data in splits.values() for note in data.notes]
    notes += _changes(next(iter(splits.values())), next(iter(written.values())))
    return ConversionReport(found.reader.name, to, out, before, after, tuple(dict.fromkeys(notes)))


def publish(draft: Path, out: Path) -> None:
    """Let a finished folder appear under its name; an empty folder of that name gives way."""
    if out.is_dir():
        out.rmdir()
    draft.chmod(0o755)  # a temporary folder is private at first
    draft.rename(out)


def count(splits: Mapping[str, Dataset]) -> Counts:
    """Return the number of pictures of each class in each split."""
    return {
        split: dict(Counter(label_of(sample, data.classes) for sample in data.samples))
        for split, data in splits.items()
    }


def compare(before: Counts, after: Counts) -> None:
    """Raise DataError, naming the first difference, unless the counts agree."""
    for split in dict.fromkeys([*before, *after]):
        old, new = before.get(split, {}), after.get(split, {})
        for name in dict.fromkeys([*old, *new]):
            if old.get(name, 0) != new.get(name, 0):
                raise DataError(
                    f"{split}, class {name!r}: {old.get(name, 0)} pictures before, {new.get(name, 0)} after; "
                    "nothing was written",
                    hint="run `nayan doctor DATA`; names that differ only in case or accents may clash",
                )


def _read_back(writer: Reader, folder: Path) -> dict[str, Dataset]:
    try:
        return {name: writer.read(folder, name) for name in writer.splits(folder) or ("all",)}
    except DataError as error:
        raise DataError(
            f"the {writer.name} copy does not read back, nothing was written: {error.message}",
            hint=error.hint,
        ) from error


def _changes(old: Dataset, new: Dataset) -> list[str]:
    if old.classes == new.classes:
        return []
    lost = [name for name in old.classes if name not in new.classes]
    if lost:
        return [f"classes without a picture are gone: {', '.join(lost)}"]
    return ["the classes are numbered in another order now: " + ", ".join(new.classes)]
