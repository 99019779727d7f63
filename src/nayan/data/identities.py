"""Identities of a data set, and its splits by identity: who is tested was never seen in training.

folders of identities, pairs     each split has identities of its own; those that a data set has on disk
                                 are kept, others are drawn, whole identities at a time
a catalogue with roles           products stay the same: some pictures of the gallery are held out as
                                 queries of val; test asks for the queries among all of the gallery
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from nayan.core.errors import DataError, LabelError
from nayan.core.types import Dataset, Identity, Label, Role, Sample
from nayan.data.readers.base import SPLITS, counted, label_of

LEAST = 2
"""Identities that a split needs, and pictures of one of them: there must be a same and a different."""


@dataclass(frozen=True, slots=True)
class Parts:
    """What `identity_parts` gives.

    Attributes:
        splits: "train", "val" and perhaps "test".
        notes: what was done, one sentence each.
        made: whether val was drawn here.
    """

    splits: Mapping[str, Dataset]
    notes: tuple[str, ...]
    made: bool


def identity_parts(
    ready: Mapping[str, Dataset], *, val_fraction: float, test_fraction: float, seed: int
) -> Parts:
    """Return a data set as train, val and test, with identities instead of classes.

    Args:
        ready: what a reader read, by split; "all" where there are none. Targets are `Identity` or `Label`.
        val_fraction: share of the identities (of the gallery's pictures, where there are roles) for val.
        test_fraction: share of the identities for test; 0 for none.
        seed: of the drawing.

    Raises:
        LabelError: if a picture has no identity, or a split has no two of them or no two pictures of one.
        DataError: if there are too few identities to draw from.
    """
    known = {split: as_identities(data) for split, data in ready.items()}
    if has_roles(known):
        return _searched(known, val_fraction=val_fraction, seed=seed)
    notes: list[str] = []
    made = "val" not in known
    if made:
        base = known.get("train") or known["all"]
        share = {"val": val_fraction, "test": 0.0 if "test" in known else test_fraction}
        drawn, notes = _drawn(base, share, seed=seed)
        kept = {name: _with_own_pairs(part) for name, part in drawn.items()}
        parted = _num_pairs(base) - sum(map(_num_pairs, kept.values()))
        if parted:
            notes.append(f"left out: {parted:,} pairs whose pictures are in two splits now")
        known = {**known, **kept}
    splits = {name: of_own_classes(known[name]) for name in SPLITS if name in known}
    for data in splits.values():
        _check_comparable(data)
    return Parts(splits, (*notes, *shared_notes(splits)), made)


def as_identities(data: Dataset) -> Dataset:
    """Return the data with an `Identity` for the class of each picture; identities stay as they are.

    Raises:
        LabelError: if a picture has no class.
    """

    def identified(sample: Sample) -> Sample:
        label_of(sample, data.classes)  # refuses a picture without a class
        if isinstance(sample.target, Identity):
            return sample
        assert isinstance(sample.target, Label)
        return replace(sample, target=Identity(sample.target.index, name=sample.id))

    return replace(data, samples=tuple(map(identified, data.samples)))


def of_own_classes(data: Dataset) -> Dataset:
    """Return the data with those identities alone as classes of which it has pictures, in their order."""
    present = sorted({_identity(sample).index for sample in data.samples})
    place = {index: number for number, index in enumerate(present)}
    samples = tuple(
        replace(sample, target=replace(_identity(sample), index=place[_identity(sample).index]))
        for sample in data.samples
    )
    return replace(data, samples=samples, classes=tuple(data.classes[index] for index in present))


def has_roles(splits: Mapping[str, Dataset]) -> bool:
    """Return whether some pictures are there to be searched, others to be searched for."""
    targets = (sample.target for data in splits.values() for sample in data.samples)
    return any(isinstance(target, Identity) and bool(target.role) for target in targets)


def searched(queries: Dataset, gallery: Dataset, *, split: str) -> Dataset:
    """Return a split in which the pictures of one data set are looked for among those of another.

    Args:
        queries: all of its pictures become queries.
        gallery: all of its pictures become the gallery; classes as those of `queries`.
        split: its name.
    """
    samples = (*_in_role(gallery, "gallery"), *_in_role(queries, "query"))
    return replace(queries, samples=samples, split=split)


def shared_notes(splits: Mapping[str, Dataset]) -> list[str]:
    """Return a sentence for each split that has identities of train: it does not test strangers."""
    known = set(splits["train"].classes)
    notes = []
    for split, data in splits.items():
        both = [name for name in data.classes if name in known]
        if both and split != "train":
            notes.append(
                f"{counted(both, 'identity')} of {split} {'is' if len(both) == 1 else 'are'} in train too, "
                "such "
                f"as {both[0]!r}: its scores say how well those are known, not how well strangers are told "
                "apart"
            )
    return notes


def _searched(known: Mapping[str, Dataset], *, val_fraction: float, seed: int) -> Parts:
    """Return the splits of a catalogue: see the top of the file."""
    everything = next(iter(known.values()))
    gallery = [s for name, data in known.items() if name != "test" for s in data.samples]
    queries = list(known["test"].samples) if "test" in known else []
    if "all" in known:
        gallery, queries = (
            [s for s in everything.samples if (_identity(s).role == "query") == asked]
            for asked in (False, True)
        )
    notes: list[str] = []
    if "val" in known:
        train, val = known["train"], known["val"]
    else:
        held = _held_out(gallery, val_fraction, np.random.default_rng(seed))
        train, val = (
            replace(
                everything, samples=tuple(s for s, out in zip(gallery, held, strict=True) if out == is_val)
            )
            for is_val in (False, True)
        )
        notes.append(
            f"{len(val)} pictures of the gallery were drawn as queries of val with seed {seed}, no product "
            f"losing its last: train {len(train)}"
        )
    train = replace(train, split="train")
    splits = {"train": of_own_classes(train), "val": of_own_classes(searched(val, train, split="val"))}
    if queries:
        asked, all_of_it = (replace(everything, samples=tuple(part)) for part in (queries, gallery))
        splits["test"] = of_own_classes(searched(asked, all_of_it, split="test"))
        notes.append(f"test looks for {len(queries)} queries among {len(gallery)} pictures of the gallery")
    for data in splits.values():
        _check_comparable(data)
    return Parts(splits, tuple(notes), "val" not in known)


def _held_out(samples: list[Sample], fraction: float, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Return which pictures are held out: of each identity its share, and never the last."""
    labels = np.array([_identity(sample).index for sample in samples])
    held = np.zeros(len(samples), bool)
    for index in np.unique(labels):
        members = rng.permutation(np.flatnonzero(labels == index))
        held[members[: min(len(members) - 1, max(1, round(len(members) * fraction)))]] = True
    return held


def _drawn(data: Dataset, share: Mapping[str, float], *, seed: int) -> tuple[dict[str, Dataset], list[str]]:
    """Return train, val and test of whole identities, and a sentence about them."""
    counts = Counter(_identity(sample).index for sample in data.samples)
    rng = np.random.default_rng(seed)
    chosen: dict[int, str] = {}
    for several in (True, False):
        members = rng.permutation([index for index in sorted(counts) if (counts[index] > 1) == several])
        wanted = {name: round(len(members) * part) for name, part in share.items() if part}
        if several:  # one to tell from another, in each split
            wanted = {name: max(LEAST, number) for name, number in wanted.items()}
            if len(members) < LEAST * 3:  # not enough for all three
                wanted.pop("test", None)
            if len(members) < LEAST * 2:
                raise DataError(
                    f"{data.root}: {counted(members, 'identity')} with two pictures or more; two to train on "
                    "and "
                    "two strangers to check with are needed",
                    hint="add pictures of others, or make folders train/ and val/ of your own",
                )
        for name, number in wanted.items():
            taken, members = members[:number], members[number:]
            chosen |= {int(index): name for index in taken}
    names = [name for name in SPLITS if name == "train" or name in chosen.values()]
    drawn = {
        name: replace(
            data,
            split=name,
            notes=(),
            samples=tuple(s for s in data.samples if chosen.get(_identity(s).index, "train") == name),
        )
        for name in names
    }
    told = ", ".join(
        f"{name} {len({_identity(s).index for s in part.samples})} ({len(part)} pictures)"
        for name, part in drawn.items()
    )
    return drawn, [f"the splits were drawn with seed {seed} by identity, so that nobody is in two: {told}"]


def _with_own_pairs(data: Dataset) -> Dataset:
    """Return the data without the pairs whose other picture is not in it."""
    names = {_identity(sample).name for sample in data.samples}
    samples = tuple(
        replace(
            sample,
            target=replace(
                _identity(sample), pairs=tuple(pair for pair in _identity(sample).pairs if pair[0] in names)
            ),
        )
        for sample in data.samples
    )
    return replace(data, samples=samples)


def _num_pairs(data: Dataset) -> int:
    return sum(len(_identity(sample).pairs) for sample in data.samples)


def _check_comparable(data: Dataset) -> None:
    """Raise LabelError unless two pictures of a split show the same and two do not."""
    counts = Counter(_identity(sample).index for sample in data.samples)
    if len(counts) < LEAST:
        raise LabelError(
            f"{data.root}: {data.split} has a single identity, {data.classes[0]!r}; there is nobody to tell "
            "it "
            "from",
            hint="add pictures of another one",
        )
    if max(counts.values()) < LEAST:
        raise LabelError(
            f"{data.root}: no identity of {data.split} has two pictures, so nothing says what the same "
            "looks like",
            hint="an identity is a folder with several pictures of one person, product or character",
        )


def _in_role(data: Dataset, role: Role) -> list[Sample]:
    return [replace(sample, target=replace(_identity(sample), role=role)) for sample in data.samples]


def _identity(sample: Sample) -> Identity:
    assert isinstance(sample.target, Identity)
    return sample.target
