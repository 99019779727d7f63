"""Two sets of pictures that are to be translated into each other, in the layout of CycleGAN.

DATA/
├── trainA/*.jpg         pictures of the first domain, such as horses
├── trainB/*.jpg         pictures of the second, such as zebras; none is the twin of one of A
├── testA/, testB/       and valA/, valB/ likewise; or A/ and B/ alone, without splits
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from nayan.core.errors import DataError, FormatError, LabelError
from nayan.core.image import looks_like_picture
from nayan.core.types import Dataset, Domain, Sample
from nayan.data.pictures import entries, file_sample, has_picture, normal, walk
from nayan.data.readers.base import (
    SPLITS,
    Sniff,
    check_ids,
    check_new,
    check_split,
    counted,
    file_name,
    label_of,
    split_of,
    unused,
    write_picture,
)

DOMAINS = ("A", "B")
"""The classes of such data, as the folders are named."""

_NAME = re.compile(r"([a-z]+?)[_-]?([ab])", re.IGNORECASE)


def domain_of(name: str) -> tuple[str, int] | None:
    """Return the (split, domain) that a folder is named after, or None; "A" and "B" alone are of "all".

    >>> domain_of("trainA"), domain_of("validation_b"), domain_of("B"), domain_of("roba")
    (('train', 0), ('val', 1), ('all', 1), None)
    """
    if name in DOMAINS:
        return "all", DOMAINS.index(name)
    found = _NAME.fullmatch(name)
    split = split_of(found[1]) if found else None
    return (split, DOMAINS.index(found[2].upper())) if found and split else None


@dataclass(frozen=True, slots=True)
class _Layout:
    """Where the pictures lie: {split or "all": {domain: its folder}}, and what was passed over."""

    folders: Mapping[str, Mapping[int, Path]]
    notes: tuple[str, ...]

    @property
    def splits(self) -> tuple[str, ...]:
        return tuple(split for split in SPLITS if split in self.folders)


class DomainsReader:
    """One folder a domain and split."""

    name = "domains"
    summary = "trainA/ and trainB/, perhaps testA/ testB/ and valA/ valB/, of two sets to be translated"

    def sniff(self, root: Path) -> Sniff:
        """Say whether folders with pictures are named after domains."""
        if not root.is_dir():
            return Sniff(0.0, "it is a file")
        try:
            layout = _layout(root)
        except FormatError as error:
            return Sniff(0.6, error.message)  # `read` tells the user what to rename
        named = [folder.name for parts in layout.folders.values() for folder in parts.values()]
        if not named:
            return Sniff(0.0, "there are no folders trainA and trainB")
        if "all" in layout.folders:  # letters may well be classes
            return Sniff(
                0.7 if len(named) == 2 and not layout.notes else 0.3, "there are the folders A and B"
            )
        return Sniff(0.95, f"the folders {', '.join(sorted(named))} are named after domains")

    def splits(self, root: Path) -> tuple[str, ...]:
        """Return the splits that folders are named after."""
        return _layout(root).splits

    def read(self, root: Path, split: str) -> Dataset:
        """Return the pictures of both domains, those of A first, by id; the classes are "A" and "B".

        Raises:
            DataError: if a domain of the split has no picture.
            FormatError: if there are no such folders, or two of one meaning.
            NotFound: if there is no such split.
        """
        layout = _layout(root)
        if not layout.folders:
            raise FormatError(
                f"{root}: there are no folders trainA and trainB with pictures",
                hint="put the pictures of one domain into trainA/, those of the other into trainB/",
            )
        check_split(split, layout.splits)
        samples: list[Sample] = []
        skipped: list[str] = []
        for name, parts in layout.folders.items():
            if split in ("all", name):
                _check_both(root, name, parts)
                samples += _samples(root, parts, skipped=skipped)
        samples.sort(
            key=lambda sample: (sample.target.index if isinstance(sample.target, Domain) else 0, sample.id)
        )
        check_ids(samples, root)
        notes = [*layout.notes]
        if skipped:
            notes.append(f"left out: {counted(skipped, 'file')} of other kinds, such as {min(skipped)}")
        return Dataset(tuple(samples), DOMAINS, root, self.name, split=split, notes=tuple(notes))

    def write(self, splits: Mapping[str, Dataset], root: Path) -> None:
        """Write `trainA/`, `trainB/`, ...; `A/` and `B/` for the split "all".

        Raises:
            DataError: if the folder is not empty.
            LabelError: if a picture has no domain, or domains are named otherwise.
        """
        check_new(root)
        root.mkdir(parents=True, exist_ok=True)
        for split, data in splits.items():
            if data.classes != DOMAINS:
                raise LabelError(
                    f"{data.root}: the classes are {', '.join(data.classes) or 'none'}, not A and B",
                    hint="name the folders of the two sets A and B, or trainA and trainB",
                )
            for sample in data.samples:
                letter = label_of(sample, data.classes)
                top = root / (letter if split == "all" else f"{split}{letter}")
                write_picture(sample, unused(top / _below_domain(file_name(sample))))


def _layout(root: Path) -> _Layout:
    found: dict[str, dict[int, Path]] = {}
    others: list[Path] = []
    for folder in entries(root)[0]:
        if not has_picture(folder):
            continue
        place = domain_of(folder.name)
        if place is None:
            others.append(folder)
            continue
        split, domain = place
        first = found.setdefault(split, {}).setdefault(domain, folder)
        if first is not folder:
            raise FormatError(
                f"{root}: {first.name}/ and {folder.name}/ both name {split} of the domain {DOMAINS[domain]}",
                hint="rename or merge one of them",
            )
    if len(found) > 1 and "all" in found:
        others += found.pop("all").values()
    ordered = {split: found[split] for split in (*SPLITS, "all") if split in found}
    return _Layout(
        ordered, tuple(f"left out: {each.name}/, which is named after no domain" for each in others)
    )


def _check_both(root: Path, split: str, parts: Mapping[int, Path]) -> None:
    """Raise DataError unless both domains have pictures."""
    for domain, letter in enumerate(DOMAINS):
        if domain not in parts:
            folder = letter if split == "all" else f"{split}{letter}"
            there = parts[1 - domain].name
            raise DataError(
                f"{root}: {there}/ has pictures, but {folder}/ has none: the domain {letter} is empty",
                hint=f"put pictures of the other domain into {folder}/, or take {there}/ away",
            )


def _samples(root: Path, parts: Mapping[int, Path], *, skipped: list[str]) -> list[Sample]:
    samples = []
    for domain, folder in parts.items():
        for file in walk(folder):
            id = normal(file.relative_to(root).as_posix())
            if looks_like_picture(file):
                samples.append(replace(file_sample(file, id=id), target=Domain(domain)))
            else:
                skipped.append(id)
    return samples


def _below_domain(name: PurePosixPath) -> PurePosixPath:
    """Return a path without the folder of its domain, which is made anew."""
    inside = len(name.parts) > 1 and domain_of(name.parts[0]) is not None
    return PurePosixPath(*name.parts[1:]) if inside else name
