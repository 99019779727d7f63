"""Which pictures of a data set must not be parted: copies, look-alikes, and families by their names."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from nayan.core.errors import DataError
from nayan.core.machine import cores
from nayan.core.types import Dataset, Label, Sample
from nayan.data.families import Family, by_name, by_rule, shortened
from nayan.data.hashing import content_hash, near_duplicates, perceptual_hash, thumbnail

NEAR_LIMIT = 20_000
"""Pictures up to which near duplicates are looked for, since each one has to be decoded."""

_HASH_SIZE = (64, 64)  # enough for the perceptual hash, and fast to decode

Look = tuple[int, NDArray[np.uint8]]
"""Perceptual hash and thumbnail of one picture."""


def together(data: Dataset, group: str) -> tuple[list[list[int]], list[Family], list[str]]:
    """Return the positions of all samples in groups that must not be parted.

    Args:
        data: its pictures are read.
        group: "auto", "none", "folder" or a regular expression; see `data.families`.

    Returns:
        Groups that hold each position once; the families among what made them; notes.

    Raises:
        ConfigError: if `group` makes no sense for these pictures.
    """
    ids = [sample.id for sample in data.samples]
    named = [] if group in ("auto", "none") else by_rule(ids, group)
    with ThreadPoolExecutor(cores()) as pool:
        contents = list(pool.map(content_hash, data.samples))
        looks = list(pool.map(_look, data.samples)) if len(data) <= NEAR_LIMIT else []
    notes: list[str] = []
    exact: dict[str, list[int]] = {}
    for position, content in enumerate(contents):
        exact.setdefault(content, []).append(position)
    owner = _Owners(len(data))
    for members in exact.values():
        owner.join(members)
    if len(exact) < len(data):
        notes.append(f"exact copies stay in the split of their original: {len(data) - len(exact)}")
    if group == "auto":
        named, notes_of_clips = shortened(by_name(ids, [look and look[1] for look in looks]), ids)
        notes += notes_of_clips
    for family in named:
        owner.join(family.members)
    notes += _family_notes(named)
    if not looks:
        notes.append(f"more than {NEAR_LIMIT} pictures: only exact copies were looked for")
        return owner.groups(), named, notes
    if broken := looks.count(None):
        notes.append(f"pictures that cannot be decoded: {broken}; `nayan doctor` names them")
    _join_near(data, [group[0] for group in exact.values()], looks, owner=owner, notes=notes)
    return owner.groups(), named, notes


class _Owners:
    """Groups of positions that grow together (union-find over the lowest member)."""

    def __init__(self, count: int) -> None:
        self._members: dict[int, list[int]] = {position: [position] for position in range(count)}
        self._owner = list(range(count))

    def of(self, positions: Iterable[int]) -> list[int]:
        """Return the members of all groups that these positions are in, sorted."""
        owners = dict.fromkeys(self._owner[position] for position in positions)
        return sorted(member for owner in owners for member in self._members[owner])

    def join(self, positions: Sequence[int]) -> int:
        """Make one group of the groups of these positions; return how many there are fewer now."""
        owners = sorted({self._owner[position] for position in positions})
        members = self.of(positions)
        for owner in owners[1:]:
            del self._members[owner]
        self._members[owners[0]] = members
        for member in members:
            self._owner[member] = owners[0]
        return len(owners) - 1

    def groups(self) -> list[list[int]]:
        """Return all groups, in the order of their first members."""
        return [self._members[owner] for owner in sorted(self._members)]


def _look(sample: Sample) -> Look | None:
    try:
        image = sample.load(_HASH_SIZE)
    except DataError:  # a broken picture only loses this comparison; training and doctor name it
        return None
    return perceptual_hash(image), thumbnail(image)


def _join_near(
    data: Dataset, firsts: Sequence[int], looks: Sequence[Look | None], *, owner: _Owners, notes: list[str]
) -> None:
    """Join groups whose pictures look the same, unless that would swallow more than half of a class."""
    known = [(position, look) for position in firsts if (look := looks[position]) is not None]
    if not known:
        return
    alike = near_duplicates(
        [look[0] for _, look in known], thumbnails=np.stack([look[1] for _, look in known])
    )
    joined = 0
    for positions in alike:
        members = owner.of(known[position][0] for position in positions)
        # Pictures of a fixed camera all look alike: kept together, they would leave nothing to test on.
        if swallowed := _swallows(data, members):
            notes.append(
                f"{len(members)} pictures look like {data.samples[members[0]].id}, more than half of "
                f"{swallowed}; only exact copies of them stay together"
            )
            continue
        joined += owner.join(members)
    if joined:
        notes.append(f"pictures that look the same stay in one split: {joined} beside their likes")


def _swallows(data: Dataset, members: Sequence[int]) -> str:
    """Return what the members are more than half of, "" if nothing.

    A rare class may well have all its boxes in pictures of one scene, so there all pictures count.
    """
    if not isinstance(data.samples[members[0]].target, Label):
        return "all pictures" if 2 * len(members) > len(data) else ""
    sizes = Counter(sample.target for sample in data.samples)
    here = Counter(data.samples[member].target for member in members)
    return "their class" if any(2 * count > sizes[target] for target, count in here.items()) else ""


_SAYS = {
    "augmented": "versions of one picture stay in one split: {families} pictures in {pictures} versions",
    "tiles": "tiles of one picture stay in one split: {families} pictures in {pictures} tiles",
    "clip": "frames of one clip stay in one split: {pictures} pictures in {families} groups",
    "group": "pictures of one group stay in one split: {pictures} pictures in {families} groups",
}


def _family_notes(families: Sequence[Family]) -> list[str]:
    notes = []
    for kind, says in _SAYS.items():
        found = [family for family in families if family.kind == kind]
        if found:
            text = says.format(families=len(found), pictures=sum(len(family.members) for family in found))
            notes.append(f"{text}, such as {found[0].name!r}")
    return notes
