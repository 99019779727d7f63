"""Checks of pictures that are there twice: in one class, under two classes, in two splits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from nayan.data.doctor.findings import Finding, Severity, counted, listed
from nayan.data.doctor.snapshot import Picture, Snapshot, ids
from nayan.data.families import Family, by_name
from nayan.data.readers.base import SPLITS

Groups = list[list[Picture]]


def exact(snapshot: Snapshot) -> Iterator[Finding]:
    """Yield pictures that are there twice, byte for byte, in one class of one split."""
    yield from grouped(
        "duplicates.exact", "warning",
        [part for group in snapshot.exact_groups for part in parts(group, lambda p: (p.split, p.label))],
        "is there more than once in its class", "are there more than once in their class",
        "Keep one of each: a copy adds no knowledge, only weight.",
    )  # fmt: skip


def conflict(snapshot: Snapshot) -> Iterator[Finding]:
    """Yield pictures that are there twice, byte for byte, under different classes."""
    yield from grouped(
        "duplicates.conflict", "error",
        [group for group in snapshot.exact_groups if _labels(group) > 1],
        "stands under two classes", "stand under two classes",
        "Decide which class is right and take the other copy out; nothing can be learnt from both.",
    )  # fmt: skip


def other_boxes(snapshot: Snapshot) -> Iterator[Finding]:
    """Yield pictures that are there twice, byte for byte, with other boxes each time."""
    yield from grouped(
        "duplicates.other_boxes", "warning",
        [group for group in snapshot.exact_groups if len({_boxes(p) for p in group}) > 1],
        "is there more than once, with other boxes", "are there more than once, with other boxes",
        "Keep the copy that is annotated best and take the others out.",
    )  # fmt: skip


def near(snapshot: Snapshot) -> Iterator[Finding]:
    """Yield pictures that look the same in one class of one split: saved again, scaled, taken in a burst."""
    versions = (part for group in snapshot.near_groups for part in parts(group, lambda p: (p.split, p.label)))
    yield from grouped(
        "duplicates.near", "info",
        [part for part in versions if _contents(part) > 1],
        "is there in two versions that look the same", "are there in versions that look the same",
        "Compare them; usually one of each is enough.",
    )  # fmt: skip


def near_conflict(snapshot: Snapshot) -> Iterator[Finding]:
    """Yield pictures that look the same under different classes and are not the same file."""
    yield from grouped(
        "duplicates.near_conflict", "warning",
        [group for group in snapshot.near_groups if differ(group, lambda p: p.label)],
        "looks the same as one of another class", "look the same as some of another class",
        "Compare them: if both show one thing, one of the two classes is wrong.",
    )  # fmt: skip


def leakage_exact(snapshot: Snapshot) -> Iterator[Finding]:
    """Yield pictures that are in two splits, byte for byte."""
    yield from grouped(
        "splits.leakage_exact", "error",
        [group for group in snapshot.exact_groups if len({p.split for p in group}) > 1],
        "is in more than one split", "are in more than one split",
        "Take them out of all splits but one: a score on pictures that were learnt by heart says nothing.",
    )  # fmt: skip


def leakage_near(snapshot: Snapshot) -> Iterator[Finding]:
    """Yield pictures of different splits that look the same and are not the same file."""
    yield from grouped(
        "splits.leakage_near", "warning",
        [group for group in snapshot.near_groups if differ(group, lambda p: p.split)],
        "looks the same as one of another split", "look the same as some of another split",
        "Compare them; keep versions of one picture, or one scene, in one split.",
    )  # fmt: skip


def leakage_group(snapshot: Snapshot) -> Iterator[Finding]:
    """Yield versions and tiles of one picture, and frames of one clip, that lie in different splits."""
    split_of = {p.id: p.split for p in snapshot.pictures}
    names = list(split_of)
    if len(snapshot.splits) < 2:
        return
    looks = {p.id: p.look.small for p in snapshot.pictures if p.look}
    families = by_name(names, [looks.get(name) for name in names])
    parted = [f for f in families if len({split_of[names[i]] for i in f.members}) > 1]
    if parted:
        examples = [f"{family.name!r} ({_shared_out(family, names, split_of)})" for family in parted]
        paths = tuple(dict.fromkeys(names[i] for family in parted for i in family.members))
        kinds = sorted({_KINDS[family.kind] for family in parted})
        yield Finding(
            "splits.leakage_group", "warning",
            f"{counted(len(parted), 'group')} of pictures that belong together ({', '.join(kinds)}) "
            f"{'lies' if len(parted) == 1 else 'lie'} in more than one split: {listed(examples)}",
            paths, len(parted),
            "A score on pictures whose siblings were trained on is better than the truth: put all pictures "
            "into one folder and draw splits that keep them together (`nayan split DATA OUT`).",
            {
                "groups": [
                    {"kind": f.kind, "name": f.name, "paths": [names[i] for i in f.members]} for f in parted
                ]
            },
        )  # fmt: skip


_KINDS = {
    "augmented": "versions of one picture", "tiles": "tiles of one picture", "clip": "frames of one clip",
}  # fmt: skip


def _shared_out(family: Family, names: Sequence[str], split_of: Mapping[str, str]) -> str:
    counts = Counter(split_of[names[i]] for i in family.members)
    return ", ".join(f"{split} {counts[split]}" for split in SPLITS if counts[split])


def grouped(
    check: str, severity: Severity, groups: Groups, singular: str, plural: str, advice: str
) -> Iterator[Finding]:
    """Yield one finding for all groups; its count is the number of groups."""
    if not groups:
        return
    paths = tuple(name for group in groups for name in ids(group))
    examples = [" = ".join(ids(group)[:3]) for group in groups]
    yield Finding(
        check, severity,
        f"{counted(len(groups), 'picture')} {singular if len(groups) == 1 else plural}: {listed(examples)}",
        paths, len(groups), advice,
        {
            "groups": [
                [{"path": p.id, "split": p.split, "class": p.label} for p in group] for group in groups
            ]
        },
    )  # fmt: skip


def parts(group: Iterable[Picture], key: Callable[[Picture], object]) -> Iterator[list[Picture]]:
    """Return the pictures of a group that agree in a key, where there are two or more of them."""
    found: dict[object, list[Picture]] = {}
    for picture in group:
        found.setdefault(key(picture), []).append(picture)
    return (part for part in found.values() if len(part) > 1)


def _labels(group: Iterable[Picture]) -> int:
    return len({picture.label for picture in group if picture.label is not None})


def _boxes(picture: Picture) -> bytes:
    """Return what tells annotations apart, whatever the order of the boxes."""
    if picture.boxes is None:
        return b""
    rows = zip(picture.boxes.labels.tolist(), picture.boxes.xyxy.tolist(), strict=True)
    return repr(sorted(rows)).encode()


def _contents(group: Iterable[Picture]) -> int:
    return len({picture.content for picture in group})


def differ(group: Iterable[Picture], key: Callable[[Picture], str | None]) -> bool:
    """Return whether two pictures differ both in the key and in their bytes; those of one key only do not.

    Two keys and two contents are enough: whatever has the other key differs from one of the contents.
    """
    known = [picture for picture in group if key(picture) is not None]
    return len({key(picture) for picture in known}) > 1 and _contents(known) > 1
