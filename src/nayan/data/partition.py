"""Divide a data set into splits: seeded, by class, and without parting pictures that are the same."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from nayan.core.errors import DataError, LabelError
from nayan.core.types import Dataset, Sample
from nayan.data.hashing import content_hash, near_duplicates, perceptual_hash, thumbnail
from nayan.data.readers.base import SPLITS, label_of

NEAR_LIMIT = 20_000
"""Pictures up to which near duplicates are looked for, since each one has to be decoded."""

_HASH_SIZE = (64, 64)  # enough for the perceptual hash, and fast to decode


def draw_splits(
    data: Dataset, *, val_fraction: float, test_fraction: float, seed: int
) -> tuple[dict[str, Dataset], list[str]]:
    """Divide a data set into "train", "val" and, where its fraction is not 0, "test".

    Pictures with equal bytes, and those that look the same (see `data.hashing`), stay together. Each
    class has pictures in train and in val, and in test where there are three or more. A picture that
    stands under two classes goes to train, with its copies.

    Returns:
        The data sets by split, in the order of `data`, and sentences that tell what was done.

    Raises:
        LabelError: if a class has only one picture, or only copies of one.
    """
    groups, notes = _groups(data)
    labels = np.array([data.classes.index(label_of(sample, data.classes)) for sample in data.samples])
    chosen = np.zeros(len(data), np.int64)  # position in SPLITS of every sample; 0 = train
    rng = np.random.default_rng(seed)
    mixed = [group for group in groups if len(set(labels[group])) > 1]
    if mixed:
        first = data.samples[mixed[0][0]].id
        notes.append(
            f"pictures that stand under two classes are left in train: {len(mixed)}, such as {first}"
        )
    for label, name in enumerate(data.classes):
        if not (labels == label).any():
            notes.append(f"class {name!r} has no picture at all")
            continue
        pure = [group for group in groups if set(labels[group]) == {label}]
        in_train = any(label in labels[group] for group in mixed)
        if not pure or (len(pure) < 2 and not in_train):
            raise _too_few(data, labels == label, name)
        fractions = {"val": val_fraction, "test": test_fraction}
        for split, members in _divide(pure, fractions, give_all=in_train, rng=rng).items():
            chosen[members] = SPLITS.index(split)
    drawn = {
        split: _part(data, np.flatnonzero(chosen == number), split)
        for number, split in enumerate(SPLITS)
        if split != "test" or (chosen == number).any()
    }
    counts = ", ".join(f"{split} {len(part)}" for split, part in drawn.items())
    notes.append(f"the splits were drawn with seed {seed}, by class, copies together: {counts}")
    return drawn, notes


def _part(data: Dataset, positions: NDArray[np.int64], split: str) -> Dataset:
    return replace(data, split=split, notes=(), samples=tuple(data.samples[i] for i in positions))


def _divide(
    groups: list[list[int]], fractions: dict[str, float], *, give_all: bool, rng: np.random.Generator
) -> dict[str, list[int]]:
    """Return the members of val and test, drawn from the groups of one class; the rest is train.

    `give_all` says that train has pictures of the class anyhow, so that no group has to stay for it.
    """
    count = sum(map(len, groups))
    spare = len(groups) - (not give_all)  # groups that can be given away, one or more
    wanted = {split: round(count * fraction) for split, fraction in fractions.items()}
    wanted["val"] = max(1, wanted["val"])
    if fractions["test"] > 0 and spare > 1:
        wanted["test"] = max(1, wanted["test"])
    drawn: dict[str, list[int]] = {"val": [], "test": []}
    shuffled = [groups[i] for i in rng.permutation(len(groups))]
    # The smallest groups first fill what is wanted most exactly; the shuffle decides among equals.
    for group in sorted(shuffled, key=len):
        for split, members in drawn.items():
            fits = len(members) + len(group) <= wanted[split] or (not members and wanted[split] > 0)
            if fits and spare > 0:
                members += group
                spare -= 1
                break
    return drawn


def _groups(data: Dataset) -> tuple[list[list[int]], list[str]]:
    """Return the positions of all samples in groups that must not be parted, and notes."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        contents = list(pool.map(content_hash, data.samples))
        looks = list(pool.map(_look, data.samples)) if len(data) <= NEAR_LIMIT else []
    notes = []
    exact: dict[str, list[int]] = {}
    for position, content in enumerate(contents):
        exact.setdefault(content, []).append(position)
    groups = list(exact.values())
    if len(groups) < len(data):
        notes.append(f"exact copies stay in the split of their original: {len(data) - len(groups)}")
    if not looks:
        notes.append(f"more than {NEAR_LIMIT} pictures: only exact copies were looked for")
        return groups, notes
    broken = looks.count(None)
    if broken:
        notes.append(f"pictures that cannot be decoded: {broken}; `nayan doctor` names them")
    return _with_near(data, groups, looks, notes), notes


Look = tuple[int, NDArray[np.uint8]]
"""Perceptual hash and thumbnail of one picture."""


def _look(sample: Sample) -> Look | None:
    try:
        image = sample.load(_HASH_SIZE)
    except DataError:  # a broken picture only loses this comparison; training and doctor name it
        return None
    return perceptual_hash(image), thumbnail(image)


def _with_near(
    data: Dataset, groups: list[list[int]], looks: Sequence[Look | None], notes: list[str]
) -> list[list[int]]:
    """Merge groups whose pictures look the same, unless that would swallow more than half of a class."""
    known = [(number, look) for number, group in enumerate(groups) if (look := looks[group[0]]) is not None]
    if not known:
        return groups
    alike = near_duplicates(
        [look[0] for _, look in known], thumbnails=np.stack([look[1] for _, look in known])
    )
    sizes = Counter(sample.target for sample in data.samples)
    merged: dict[int, list[int]] = dict(enumerate(groups))
    joined = 0
    for positions in alike:
        numbers = [known[position][0] for position in positions]
        members = sorted(member for number in numbers for member in groups[number])
        classes = Counter(data.samples[member].target for member in members)
        # Pictures of a fixed camera all look alike: kept together, they would leave nothing to test on.
        if any(2 * count > sizes[target] for target, count in classes.items()):
            notes.append(
                f"{len(members)} pictures look like {data.samples[members[0]].id}, more than half of their "
                "class; only exact copies of them stay together"
            )
            continue
        for number in numbers[1:]:
            del merged[number]
        merged[numbers[0]] = members
        joined += len(numbers) - 1
    if joined:
        notes.append(f"pictures that look the same stay in one split: {joined} beside their likes")
    return list(merged.values())


def _too_few(data: Dataset, of_class: NDArray[np.bool_], name: str) -> LabelError:
    members = [data.samples[i].id for i in np.flatnonzero(of_class)]
    found = (
        "only one picture"
        if len(members) == 1
        else f"{len(members)} pictures, but no two different ones of its own"
    )
    return LabelError(
        f"{data.root}: class {name!r} has {found}: {', '.join(members[:3])}; "
        "one to train and one to check are needed",
        hint=f"add pictures of {name!r}, or remove the class",
    )
