"""A folder for each identity, as for classes, and tables that say which pairs of pictures are compared.

DATA/                           identities of their own in each split: those of test are never seen before
├── train/  s1/*.pgm  s2/
├── val/    s23/*.pgm ...
├── test/   s27/*.pgm ...
├── pairs_val.csv               image_a,image_b,same; see `readers.pair_tables`. pairs.csv is for all splits
└── pairs_test.csv

LFW: people in DATA/ or DATA/lfw/, and DATA/pairs.txt.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from nayan.core.errors import DataError, LabelError
from nayan.core.types import Dataset, Identity, Label, Sample
from nayan.data.pictures import entries
from nayan.data.readers.base import Sniff, counted
from nayan.data.readers.folder import FolderReader, write_folders
from nayan.data.readers.pair_tables import Pair, pair_tables, person_and_number, read_pairs, write_pairs

_FOLDERS = FolderReader()


class IdentitiesReader:
    """Folders of identities with tables of pairs beside them."""

    name = "identities"
    summary = "one folder a person, product, character, ... and pairs.csv, pairs_val.csv or LFW's pairs.txt"

    def sniff(self, root: Path) -> Sniff:
        """Say whether a table of pairs lies beside folders of pictures."""
        if not root.is_dir():
            return Sniff(0.0, "it is a file")
        tables = pair_tables(root)
        if not tables:
            return Sniff(0.3, "there is no table of pairs")
        below = _FOLDERS.sniff(_above_people(root))
        if below.score < 0.5:
            return Sniff(0.3, below.reason)
        named = ", ".join(table.path.name for table in tables)
        return Sniff(0.97, f"{named} {'names' if len(tables) == 1 else 'name'} pairs, and {below.reason}")

    def splits(self, root: Path) -> tuple[str, ...]:
        """Return the splits that have folders of identities."""
        return _FOLDERS.splits(_above_people(root))

    def read(self, root: Path, split: str) -> Dataset:
        """Return the pictures of a split by id; the classes are the identities of all splits, by name.

        Raises:
            FormatError: if there are no folders, or a table cannot be parsed.
            DataError: if a pair names a picture that is not there.
            LabelError: if a pair lies in two splits, or contradicts the folders.
            NotFound: if there is no such split.
        """
        base = _above_people(root)
        data = _FOLDERS.read(base, split)
        prefix = "" if base == root else f"{base.name}/"
        names = _FOLDERS.splits(base) or ("all",)
        places = {
            prefix + sample.id: _Place(each, sample.target.index)
            for each in names
            for sample in _FOLDERS.read(base, each).samples
            if isinstance(sample.target, Label)
        }
        compared = _compared(root, places)
        samples = tuple(_identified(sample, prefix, compared) for sample in data.samples)
        notes = [note for note in data.notes if "has no picture of class" not in note]
        pairs = sum(len(sample.target.pairs) for sample in samples if isinstance(sample.target, Identity))
        if pairs:
            notes.append(f"{split}: {pairs:,} pairs are given")
        return replace(data, samples=samples, root=root, format=self.name, notes=tuple(notes))

    def write(self, splits: Mapping[str, Dataset], root: Path) -> None:
        """Write `split/identity/picture` and `pairs_SPLIT.csv`, or `identity/picture` and `pairs.csv`.

        Raises:
            DataError: if the folder is not empty.
            LabelError: if a picture has no identity, or one that cannot name a folder.
        """
        written = write_folders(splits, root)
        for split, data in splits.items():
            rows = [
                (written[sample.id], written[other], same)
                for sample in data.samples
                if isinstance(sample.target, Identity)
                for other, same in sample.target.pairs
                if other in written
            ]
            write_pairs(rows, root / ("pairs.csv" if split == "all" else f"pairs_{split}.csv"))


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a picture lies: its split, and the number of its identity."""

    split: str
    identity: int


def _above_people(root: Path) -> Path:
    """Return the folder whose sub-folders are identities: the root, or the only folder in it (`lfw/`)."""
    folders = entries(root)[0] if root.is_dir() else []
    if len(folders) == 1 and _FOLDERS.sniff(root).score < 0.5 <= _FOLDERS.sniff(folders[0]).score:
        return folders[0]
    return root


def _identified(sample: Sample, prefix: str, compared: Mapping[str, list[tuple[str, bool]]]) -> Sample:
    assert isinstance(sample.target, Label)
    id = prefix + sample.id
    target = Identity(sample.target.index, name=id, pairs=tuple(compared.get(id, ())))
    return replace(sample, id=id, target=target)


def _compared(root: Path, places: Mapping[str, _Place]) -> dict[str, list[tuple[str, bool]]]:
    """Return the pairs of all tables, under the picture that each begins with."""
    numbered = {person_and_number(id): id for id in places}
    found: dict[str, list[tuple[str, bool]]] = {}
    for table in pair_tables(root):
        for pair in read_pairs(table.path):
            first, second = (_known(file, places, numbered, pair=pair) for file in (pair.first, pair.second))
            _check(pair, places[first], places[second], split=table.split)
            found.setdefault(first, []).append((second, pair.same))
    return found


def _known(file: str, places: Mapping[str, _Place], numbered: Mapping[str, str], *, pair: Pair) -> str:
    if file in places:
        return file
    if not Path(file).suffix and file in numbered:
        return numbered[file]
    raise DataError(
        f"{pair.place}: the picture {file} does not exist",
        hint=f"paths are relative to the table; there are {counted(places, 'picture')}, such as "
        f"{min(places)}",
    )


def _check(pair: Pair, first: _Place, second: _Place, *, split: str) -> None:
    """Raise LabelError where a pair cannot be what it claims."""
    if first.split != second.split:
        raise LabelError(
            f"{pair.place}: {pair.first} is in {first.split}, {pair.second} in {second.split}",
            hint="both pictures of a pair belong to one split; remove the row",
        )
    if split and first.split not in ("all", split):
        raise LabelError(
            f"{pair.place}: {pair.first} is in {first.split}, but the table is named after {split}",
            hint="move the row to the table of its split, or rename the table",
        )
    if pair.same != (first.identity == second.identity):
        raise LabelError(
            f"{pair.place}: {pair.first} and {pair.second} are said to show "
            f"{'the same' if pair.same else 'two different ones'}, but lie in "
            f"{'two folders' if pair.same else 'one folder'}",
            hint="a folder holds the pictures of one identity; mend the row or move a picture",
        )
