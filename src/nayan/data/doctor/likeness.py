"""Checks of what a network finds alike: copies that hashes miss, doubtful labels, pictures like no other.

They look at embeddings and are silent where a snapshot has none. A network that was trained on other
pictures is enough: what lies near one another in its eyes need not be the same, but is worth a look.
"""

# N pictures, D values, k neighbours

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import numpy as np

from nayan.data.doctor.duplicates import Groups, differ, grouped, parts
from nayan.data.doctor.findings import Finding, counted, listed
from nayan.data.doctor.snapshot import Picture, Snapshot

ALIKE = 0.65
"""Share of the usual distance to the nearest picture below which two are taken for versions of one.

On photographs in the eyes of a MobileNetV2, crops, mirrored and brighter copies lie at 0.4 to 0.65 of it,
two pictures of one burst or one scene up to it; of others about one in a hundred.
"""
LEAST = 0.05
"""Below this distance of unit vectors two pictures are alike wherever the others lie."""
AGREE = 6
"""Neighbours of one other class, of ten, from which on a label is doubted..."""
SIDE = 1
"""...where no more than so many are of its own."""
JUDGED = 5
"""Other pictures that a class must have, so that its neighbours could have agreed."""
STRANGE = 3.0
"""Robust standard deviations of the logarithm of the distance to the fifth neighbour."""
FIFTH = 5
ENOUGH = 20
"""Pictures from which on the usual distance is known."""


def leakage(snapshot: Snapshot) -> Iterator[Finding]:
    """Yield pictures of different splits that are versions of one in the eyes of the network."""
    yield from grouped(
        "likeness.leakage", "warning",
        [group for group in _alike(snapshot) if differ(group, lambda p: p.split)],
        "is all but the same as one of another split to the network",
        "are all but the same as some of another split to the network",
        "Compare them; keep versions of one picture, and pictures of one scene, in one split.",
    )  # fmt: skip


def conflict(snapshot: Snapshot) -> Iterator[Finding]:
    """Yield pictures of different classes that are versions of one in the eyes of the network."""
    yield from grouped(
        "likeness.conflict", "warning",
        [group for group in _alike(snapshot) if differ(group, lambda p: p.label)],
        "is all but the same as one of another class to the network",
        "are all but the same as some of another class to the network",
        "Compare them: if both show one thing, one of the two classes is wrong.",
    )  # fmt: skip


def near(snapshot: Snapshot) -> Iterator[Finding]:
    """Yield pictures of one class of one split that are versions of one in the eyes of the network."""
    yield from grouped(
        "likeness.near", "info",
        [part for group in _alike(snapshot) for part in parts(group, lambda p: (p.split, p.label))],
        "is there in two versions that are all but the same to the network",
        "are there in versions that are all but the same to the network",
        "Compare them; mirrored, cropped and brighter copies add little.",
    )  # fmt: skip


def doubtful_label(snapshot: Snapshot) -> Iterator[Finding]:
    """Yield the pictures whose neighbours are nearly all of one other class."""
    known = snapshot.likeness
    if known is None:
        return
    labels = [picture.label for picture in known.pictures]
    counts = Counter(labels)
    found: dict[str, tuple[int, str, str]] = {}
    for picture, rows in zip(known.pictures, known.neighbours.rows, strict=True):
        if picture.label is None or counts[picture.label] <= JUDGED:
            continue
        around = Counter(labels[row] for row in rows)
        others = [(number, name) for name, number in around.items() if name not in (None, picture.label)]
        number, name = max(others, key=lambda each: each[0], default=(0, None))
        if name is not None and number >= AGREE and around[picture.label] <= SIDE:
            found[picture.id] = (number, picture.label, name)
    if found:
        order = sorted(found, key=lambda each: -found[each][0])
        said = [f"{each} ({found[each][1]!r}, near {found[each][2]!r})" for each in order]
        number = len(found)
        yield Finding(
            "likeness.label", "warning",
            f"{counted(number, 'picture')} {'is' if number == 1 else 'are'} like another class, not like "
            f"{'its' if number == 1 else 'their'} own: {listed(said)}",
            tuple(order), number,
            "Look whether the label is right; about half of such pictures are odd, not wrong.",
            {"found": {each: {"class": found[each][1], "near": found[each][2], "neighbours": found[each][0]}
                       for each in order}},
        )  # fmt: skip


def outlier(snapshot: Snapshot) -> Iterator[Finding]:
    """Yield the pictures that are far from all others.

    Source: Ramaswamy, Rastogi, Shim (2000), Efficient algorithms for mining outliers from large data sets
    (distance to the k-th neighbour), in robust deviations (Iglewicz, Hoaglin 1993).
    """
    known = snapshot.likeness
    if known is None or len(known.pictures) < ENOUGH:
        return
    far = np.log(np.maximum(known.neighbours.distances[:, FIFTH - 1], 1e-6))
    median = np.median(far)
    deviation = 1.4826 * np.median(np.abs(far - median))
    if deviation == 0:
        return
    strangeness = (far - median) / deviation
    rows = np.flatnonzero(strangeness > STRANGE)
    rows = rows[np.argsort(-strangeness[rows], kind="stable")]
    if len(rows):
        ids = tuple(known.pictures[row].id for row in rows)
        yield Finding(
            "likeness.outlier", "info",
            f"{counted(len(ids), 'picture')} {'is' if len(ids) == 1 else 'are'} like no other: {listed(ids)}",
            ids, len(ids),
            "Look whether they belong to the data; rare views do, pictures that got in by mistake do not.",
            {"found": {name: round(float(strangeness[row]), 2) for name, row in zip(ids, rows, strict=True)}},
        )  # fmt: skip


def _alike(snapshot: Snapshot) -> Groups:
    """Return groups of pictures that are versions of one to the network, without what hashes told already."""
    known = snapshot.likeness
    if known is None or not known.neighbours.rows.shape[1]:
        return []
    distances = known.neighbours.distances
    usual = float(np.median(distances[:, 0])) if len(known.pictures) >= ENOUGH else 0.0
    close = distances <= max(LEAST, ALIKE * usual)
    told = _told(snapshot)
    edges = [
        (int(row), int(known.neighbours.rows[row, column]))
        for row, column in zip(*np.nonzero(close), strict=True)
    ]
    new = [(a, b) for a, b in edges if not _same_group(told, known.pictures[a], known.pictures[b])]
    return [[known.pictures[row] for row in group] for group in _joined(new)]


def _told(snapshot: Snapshot) -> dict[str, set[int]]:
    """Return the groups of equal and nearly equal pictures that each picture is in."""
    groups: dict[str, set[int]] = {}
    for number, group in enumerate([*snapshot.exact_groups, *snapshot.near_groups]):
        for picture in group:
            groups.setdefault(picture.id, set()).add(number)
    return groups


def _same_group(told: dict[str, set[int]], first: Picture, second: Picture) -> bool:
    return bool(told.get(first.id, set()) & told.get(second.id, set()))


def _joined(edges: list[tuple[int, int]]) -> list[list[int]]:
    """Return what is connected, each group and all groups in rising order."""
    parent: dict[int, int] = {}

    def root(each: int) -> int:
        parent.setdefault(each, each)
        while parent[each] != each:
            parent[each] = parent[parent[each]]
            each = parent[each]
        return each

    for a, b in edges:
        low, high = sorted((root(a), root(b)))
        parent[high] = low
    groups: dict[int, list[int]] = {}
    for each in sorted(parent):
        groups.setdefault(root(each), []).append(each)
    return list(groups.values())
