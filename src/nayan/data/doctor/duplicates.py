"""Checks of pictures that are there twice: in one class, under two classes, in two splits."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from nayan.data.doctor.findings import Finding, Severity, counted, listed
from nayan.data.doctor.snapshot import Picture, Snapshot, ids

Groups = list[list[Picture]]


def exact(snapshot: Snapshot) -> Iterator[Finding]:
    """Yield pictures that are there twice, byte for byte, in one class of one split."""
    yield from _grouped(
        "duplicates.exact", "warning",
        [part for group in snapshot.exact_groups for part in _parts(group, lambda p: (p.split, p.label))],
        "is there more than once in its class", "are there more than once in their class",
        "Keep one of each: a copy adds no knowledge, only weight.",
    )  # fmt: skip


def conflict(snapshot: Snapshot) -> Iterator[Finding]:
    """Yield pictures that are there twice, byte for byte, under different classes."""
    yield from _grouped(
        "duplicates.conflict", "error",
        [group for group in snapshot.exact_groups if _labels(group) > 1],
        "stands under two classes", "stand under two classes",
        "Decide which class is right and take the other copy out; nothing can be learnt from both.",
    )  # fmt: skip


def near(snapshot: Snapshot) -> Iterator[Finding]:
    """Yield pictures that look the same in one class of one split: saved again, scaled, taken in a burst."""
    parts = (part for group in snapshot.near_groups for part in _parts(group, lambda p: (p.split, p.label)))
    yield from _grouped(
        "duplicates.near", "info",
        [part for part in parts if _contents(part) > 1],
        "is there in two versions that look the same", "are there in versions that look the same",
        "Compare them; usually one of each is enough.",
    )  # fmt: skip


def near_conflict(snapshot: Snapshot) -> Iterator[Finding]:
    """Yield pictures that look the same under different classes and are not the same file."""
    yield from _grouped(
        "duplicates.near_conflict", "warning",
        [group for group in snapshot.near_groups if _differ(group, lambda p: p.label)],
        "looks the same as one of another class", "look the same as some of another class",
        "Compare them: if both show one thing, one of the two classes is wrong.",
    )  # fmt: skip


def leakage_exact(snapshot: Snapshot) -> Iterator[Finding]:
    """Yield pictures that are in two splits, byte for byte."""
    yield from _grouped(
        "splits.leakage_exact", "error",
        [group for group in snapshot.exact_groups if len({p.split for p in group}) > 1],
        "is in more than one split", "are in more than one split",
        "Take them out of all splits but one: a score on pictures that were learnt by heart says nothing.",
    )  # fmt: skip


def leakage_near(snapshot: Snapshot) -> Iterator[Finding]:
    """Yield pictures of different splits that look the same and are not the same file."""
    yield from _grouped(
        "splits.leakage_near", "warning",
        [group for group in snapshot.near_groups if _differ(group, lambda p: p.split)],
        "looks the same as one of another split", "look the same as some of another split",
        "Compare them; keep versions of one picture, or one scene, in one split.",
    )  # fmt: skip


def _grouped(
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


def _parts(group: Iterable[Picture], key: Callable[[Picture], object]) -> Iterator[list[Picture]]:
    parts: dict[object, list[Picture]] = {}
    for picture in group:
        parts.setdefault(key(picture), []).append(picture)
    return (part for part in parts.values() if len(part) > 1)


def _labels(group: Iterable[Picture]) -> int:
    return len({picture.label for picture in group if picture.label is not None})


def _contents(group: Iterable[Picture]) -> int:
    return len({picture.content for picture in group})


def _differ(group: Iterable[Picture], key: Callable[[Picture], str | None]) -> bool:
    """Return whether two pictures differ both in the key and in their bytes; those of one key only do not.

    Two keys and two contents are enough: whatever has the other key differs from one of the contents.
    """
    known = [picture for picture in group if key(picture) is not None]
    return len({key(picture) for picture in known}) > 1 and _contents(known) > 1
