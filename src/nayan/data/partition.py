"""Divide a data set into splits: seeded, by class, and without parting pictures that belong together."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from nayan.core.errors import DataError, LabelError
from nayan.core.types import Dataset, Label
from nayan.data.readers.base import SPLITS, classes_in, counted, has_boxes, has_masks, kind_of, label_of
from nayan.data.stratify import stratify
from nayan.data.together import together

_SHOWING = ("Boxes", "Label", "Domain")
"""Kinds of truth that say which classes a picture shows, without being read."""


def draw_splits(
    data: Dataset, *, val_fraction: float, test_fraction: float, seed: int, group: str = "auto"
) -> tuple[dict[str, Dataset], list[str]]:
    """Divide a data set into "train", "val" and, where its fraction is not 0, "test".

    Pictures with equal bytes, those that look the same (see `data.hashing`), and those of one group (see
    `data.families`) stay together. Of whole-picture classes each has pictures in train and in val, and in
    test where there are three or more. Boxes are shared out by the classes that a picture shows: each is
    in train, and in val and test where it can be spared.

    Args:
        data: every picture has a target, or none has. Captions say nothing of how to share pictures out.
        val_fraction: share for validation.
        test_fraction: share for testing; 0 for none.
        seed: of the drawing.
        group: "auto": versions, tiles and frames by their names; "none"; "folder"; or a regular
            expression whose first group names the camera, video, patient, ...

    Returns:
        The data sets by split, in the order of `data`, and sentences that tell what was done.

    Raises:
        LabelError: if a class has only one picture, or only copies of one, or lies in one group alone.
        DataError: if all pictures belong together.
        ConfigError: if `group` makes no sense for these pictures.
    """
    groups, families, notes = together(data, group)
    if len(groups) < 2:
        raise DataError(
            f"{data.root}: {counted(data, 'picture')} that must not be parted; one to train and one to check "
            "are needed",
            hint="add other pictures, or make a folder val/ of your own",
        )
    rng = np.random.default_rng(seed)
    fractions = {"val": val_fraction, "test": test_fraction}
    if families or not all(isinstance(sample.target, Label) for sample in data.samples):
        chosen, why = _by_classes_present(data, groups, fractions, rng=rng)
        how = "by the classes in each picture" if kind_of(data.samples) in _SHOWING else "by chance"
    else:
        chosen, why = _class_by_class(data, groups, fractions, rng=rng)
        how = "by class"
    notes += why
    drawn = {
        split: _part(data, np.flatnonzero(chosen == number), split)
        for number, split in enumerate(SPLITS)
        if split != "test" or (chosen == number).any()
    }
    counts = ", ".join(f"{split} {len(part)}" for split, part in drawn.items())
    kept = "groups and copies together" if families else "copies together"
    notes.append(f"the splits were drawn with seed {seed}, {how}, {kept}: {counts}")
    return drawn, notes


def _by_classes_present(
    data: Dataset, groups: list[list[int]], fractions: dict[str, float], *, rng: np.random.Generator
) -> tuple[NDArray[np.int64], list[str]]:
    """Return the position in SPLITS of every sample, where groups may show several classes; and notes."""
    shows = np.zeros((len(data), len(data.classes)), np.int64)  # (samples, C)
    for position, sample in enumerate(data.samples):
        shows[position, classes_in(sample.target)] = 1
    counts = np.array([shows[group].sum(axis=0) for group in groups])  # (G, C)
    sizes = np.array([len(group) for group in groups])
    share = [1 - sum(fractions.values()), *(fractions[split] for split in SPLITS[1:])]
    parts = stratify(counts, sizes, share, rng=rng)
    chosen = np.zeros(len(data), np.int64)
    for group, part in zip(groups, parts, strict=True):
        chosen[group] = part
    notes: list[str] = []
    if has_masks(data.samples):  # which classes they show is not known before all of them were read
        return chosen, notes
    for number, name in enumerate(data.classes):
        holders = (counts[:, number] > 0).sum()
        if holders == 0:
            notes.append(f"class {name!r} has no {'box' if has_boxes(data.samples) else 'picture'} at all")
        elif not (parts[counts[:, number] > 0] == SPLITS.index("val")).any():
            if not has_boxes(data.samples):
                raise _one_group(data, shows[:, number] > 0, name)
            where = "one picture or group" if holders == 1 else "pictures that train cannot spare"
            notes.append(f"class {name!r} is in {where} only: there is none of it in val")
    return chosen, notes


def _class_by_class(
    data: Dataset, groups: list[list[int]], fractions: dict[str, float], *, rng: np.random.Generator
) -> tuple[NDArray[np.int64], list[str]]:
    """Return the position in SPLITS of every sample, where all but copies show one class; and notes."""
    labels = np.array([data.classes.index(label_of(sample, data.classes)) for sample in data.samples])
    chosen = np.zeros(len(data), np.int64)  # 0 = train
    notes = []
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
        for split, members in _divide(pure, fractions, give_all=in_train, rng=rng).items():
            chosen[members] = SPLITS.index(split)
    return chosen, notes


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


def _one_group(data: Dataset, of_class: NDArray[np.bool_], name: str) -> LabelError:
    members = [data.samples[i] for i in np.flatnonzero(of_class)]
    return LabelError(
        f"{data.root}: class {name!r} has {counted(members, 'picture')}, such as {members[0].id}, but in no "
        "two groups that train could spare one of; one to train and one to check are needed",
        hint=f"add pictures of {name!r} of another group, or draw without groups: nayan split --group none",
    )
