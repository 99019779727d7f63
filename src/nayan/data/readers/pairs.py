"""Pictures in any order and tables of pairs: who is who follows from the pairs.

DATA/                          Pictures that pairs of "same" join are one identity, named after the first of
├── photos/001.jpg ...         them; all others are strangers to each other. What no pair names is left out.
├── pairs_train.csv            One table without a word for a split in its name is all of the data.
└── pairs_val.csv              DATA may be such a table itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from nayan.core.errors import DataError, FormatError, LabelError
from nayan.core.types import Dataset, Identity, Sample
from nayan.data.pictures import file_sample
from nayan.data.readers.base import (
    SPLITS,
    Sniff,
    check_new,
    check_split,
    file_name,
    unused,
    write_picture,
)
from nayan.data.readers.folder import FolderReader
from nayan.data.readers.pair_tables import Pair, pair_tables, read_pairs, write_pairs


class PairsReader:
    """Tables of pairs alone."""

    name = "pairs"
    summary = (
        "a table with the columns image_a, image_b, same; or pairs_train.csv, pairs_val.csv, pairs_test.csv"
    )

    def sniff(self, root: Path) -> Sniff:
        """Say whether there is a CSV of pairs."""
        tables = _tables(root)
        if not tables:
            return Sniff(0.0, "there is no .csv of pairs")
        if root.is_dir() and FolderReader().sniff(root).score >= 0.5:
            return Sniff(0.4, "the pictures lie in a folder for each identity")
        return Sniff(0.9, f"pairs of pictures stand in {', '.join(path.name for path in tables.values())}")

    def splits(self, root: Path) -> tuple[str, ...]:
        """Return the splits that tables are named after."""
        tables = _tables(root)
        return tuple(split for split in SPLITS if split in tables)

    def read(self, root: Path, split: str) -> Dataset:
        """Return the pictures of a split in the order of their first pair.

        Raises:
            FormatError: if there is no table of pairs, or it cannot be parsed.
            DataError: if a picture does not exist.
            LabelError: if two pictures are said to differ that other pairs say are the same.
            NotFound: if there is no such split.
        """
        tables = _tables(root)
        if not tables:
            raise FormatError(f"{root}: holds no table of pairs", hint="write image_a,image_b,same")
        check_split(split, [name for name in SPLITS if name in tables])
        base = root if root.is_dir() else root.parent
        rows = [row for name, path in tables.items() if split in ("all", name) for row in read_pairs(path)]
        if not rows:
            raise DataError(f"{root}: the table has a header but no rows", hint="add one row for each pair")
        identity = _joined(rows)
        classes = tuple(sorted(set(identity.values())))
        numbers = {name: number for number, name in enumerate(classes)}
        compared: dict[str, list[tuple[str, bool]]] = {}
        for row in rows:
            compared.setdefault(row.first, []).append((row.second, row.same))
        samples = tuple(
            replace(
                file_sample(_existing(base / name, row), id=name),
                target=Identity(numbers[identity[name]], name=name, pairs=tuple(compared.get(name, ()))),
            )
            for name, row in _first_rows(rows).items()
        )
        note = f"{split}: {len(samples):,} pictures of {len(classes):,} identities, by {len(rows):,} pairs"
        return Dataset(samples, classes, root, self.name, split=split, notes=(note,))

    def write(self, splits: Mapping[str, Dataset], root: Path) -> None:
        """Write `pairs_SPLIT.csv` or `pairs.csv`, and the pictures as they lie below the root.

        Raises:
            DataError: if the folder is not empty.
            LabelError: if a picture is in no pair: nothing would say who is in it.
        """
        check_new(root)
        root.mkdir(parents=True, exist_ok=True)
        written: dict[str, str] = {}
        for split, data in splits.items():
            rows = [(sample.id, *pair) for sample in data.samples for pair in _pairs(sample)]
            named = {name for first, second, _ in rows for name in (first, second)}
            for sample in data.samples:
                if sample.id not in named:
                    raise LabelError(
                        f"{sample.id}: is in no pair, so a table of pairs cannot say who is in it",
                        hint="keep the data set as identities",
                    )
                target = unused(root / file_name(sample))
                write_picture(sample, target)
                written[sample.id] = target.relative_to(root).as_posix()
            given = [(written[a], written[b], same) for a, b, same in rows if a in written and b in written]
            write_pairs(given, root / ("pairs.csv" if split == "all" else f"pairs_{split}.csv"))


def _pairs(sample: Sample) -> tuple[tuple[str, bool], ...]:
    return sample.target.pairs if isinstance(sample.target, Identity) else ()


def _tables(root: Path) -> dict[str, Path]:
    """Return the tables by their split, "all" for one that is named after none.

    Tables of splits go before one of everything, which may repeat them.
    """
    found = {table.split or "all": table.path for table in pair_tables(root) if table.path.suffix != ".txt"}
    return {split: path for split, path in found.items() if split != "all"} or found


def _joined(rows: Sequence[Pair]) -> dict[str, str]:
    """Return {picture: the first of its identity}, by the pairs of "same".

    Raises:
        LabelError: for a pair of "different" within one of them.
    """
    first: dict[str, str] = {}

    def find(name: str) -> str:
        while first.setdefault(name, name) != name:
            first[name] = first[first[name]]
            name = first[name]
        return name

    for row in rows:
        low, high = sorted((find(row.first), find(row.second)))
        if row.same:
            first[high] = low
    for row in rows:
        if not row.same and find(row.first) == find(row.second):
            raise LabelError(
                f"{row.place}: {row.first} and {row.second} are said to be different, but other pairs join "
                "them",
                hint="one of the pairs of `same` between them is wrong",
            )
    return {name: find(name) for name in list(first)}


def _first_rows(rows: Sequence[Pair]) -> dict[str, Pair]:
    """Return every picture with the row that names it first."""
    found: dict[str, Pair] = {}
    for row in rows:
        found.setdefault(row.first, row)
        found.setdefault(row.second, row)
    return found


def _existing(path: Path, row: Pair) -> Path:
    if not path.is_file():
        raise DataError(
            f"{row.place}: the picture {path} does not exist", hint="paths are relative to the table"
        )
    return path
