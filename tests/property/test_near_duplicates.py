"""The fast search for near duplicates finds what comparing every pair finds."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from nayan.data.hashing import near_duplicates

CODES = st.integers(0, 2**64 - 1)


@st.composite
def relatives(draw: st.DrawFn) -> list[int]:
    """Hashes of which some differ from others in a few bits."""
    codes = draw(st.lists(CODES, min_size=1, max_size=8))
    for _ in range(draw(st.integers(0, 12))):
        code = draw(st.sampled_from(codes))
        for bit in draw(st.lists(st.integers(0, 63), max_size=9, unique=True)):
            code ^= 1 << bit
        codes.append(code)
    return codes


def by_every_pair(codes: list[int], max_distance: int) -> list[list[int]]:
    label = list(range(len(codes)))
    for i, a in enumerate(codes):
        for j, b in enumerate(codes[:i]):
            if (a ^ b).bit_count() <= max_distance and label[i] != label[j]:
                old, new = label[i], label[j]
                label = [new if value == old else value for value in label]
    groups: dict[int, list[int]] = {}
    for position, value in enumerate(label):
        groups.setdefault(value, []).append(position)
    return sorted(group for group in groups.values() if len(group) > 1)


@given(relatives(), st.integers(0, 12))
def test_bands_find_exactly_the_groups_that_every_pair_gives(codes: list[int], max_distance: int) -> None:
    assert near_duplicates(codes, max_distance) == by_every_pair(codes, max_distance)


@given(relatives())
def test_no_picture_is_in_two_groups_and_each_group_is_sorted(codes: list[int]) -> None:
    groups = near_duplicates(codes)
    members = [member for group in groups for member in group]
    assert len(members) == len(set(members))
    assert all(group == sorted(group) and len(group) > 1 for group in groups)
