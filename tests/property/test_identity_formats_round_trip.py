"""What a format of identities writes, it reads back: who is who, pairs, roles and every pixel."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nayan.core.types import Dataset, Identity, Sample
from nayan.data.formats import IDENTITY_FORMATS
from nayan.data.readers import READERS

Content = list[tuple[str, str, str, tuple[tuple[str, bool], ...], bytes]]


def noise(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (5, 4, 3), dtype=np.uint8)


@st.composite
def crowds(draw: st.DrawFn) -> dict[str, Dataset]:
    """Draw splits of a few identities with pictures, pairs and roles; those of one split share one list."""
    names = draw(st.sampled_from([("all",), ("train", "val"), ("train", "val", "test")]))
    classes = tuple(sorted(draw(st.sets(st.sampled_from("abcdefgh"), min_size=3, max_size=6))))
    splits: dict[str, Dataset] = {}
    for split in names:
        labels = [*range(len(classes)), *draw(st.lists(st.integers(0, len(classes) - 1), max_size=4))]
        ids = [f"{split}_{number:03d}" for number in range(len(labels))]
        samples = []
        for number, label in enumerate(labels):
            others = draw(st.sets(st.integers(0, len(labels) - 1), max_size=2)) - {number}
            pairs = tuple((ids[other], labels[other] == label) for other in sorted(others))
            role = draw(st.sampled_from(["gallery", "query"]))
            target = Identity(label, name=ids[number], role=role, pairs=pairs)
            load = partial(noise, draw(st.integers(0, 10**6)))
            samples.append(Sample(ids[number], load, target))
        splits[split] = Dataset(tuple(samples), classes, Path("drawn"), "drawn", split=split)
    return splits


def as_format(name: str, splits: dict[str, Dataset]) -> dict[str, Dataset]:
    """Return the data as a format can hold them."""
    if name == "pairs":  # each picture is in a pair, so that something says who is in it
        splits = {split: chained(data) for split, data in splits.items()}
    drop = {"identities": {"role": ""}, "pairs": {"role": ""}, "items": {"pairs": ()}}[name]
    return {
        split: replace(
            data, samples=tuple(replace(s, target=replace(s.target, **drop)) for s in data.samples)
        )
        for split, data in splits.items()
    }


def chained(data: Dataset) -> Dataset:
    samples = list(data.samples)
    for row, sample in enumerate(samples):
        other = next(
            (s for s in samples[row + 1 :] if s.target.index == sample.target.index), samples[row - 1]
        )
        pairs = ((other.id, other.target.index == sample.target.index),)
        samples[row] = replace(sample, target=replace(sample.target, pairs=pairs))
    return replace(data, samples=tuple(samples))


def content(data: Dataset, *, ids: bool) -> Content:
    """Return the facts of every sample; pictures are named by their pixels where ids are not kept."""
    pixels = {sample.id: sample.load().tobytes() for sample in data.samples}

    def named(id: str) -> str:
        return id if ids else pixels[id].hex()

    return sorted(
        (
            named(s.id),
            data.classes[s.target.index] if ids else "",
            s.target.role,
            tuple((named(other), same) for other, same in s.target.pairs),
            pixels[s.id],
        )
        for s in data.samples
    )


def groups(data: Dataset) -> set[frozenset[bytes]]:
    """Return who is who, without names: the pictures of each identity."""
    found: dict[int, set[bytes]] = {}
    for sample in data.samples:
        found.setdefault(sample.target.index, set()).add(sample.load().tobytes())
    return {frozenset(group) for group in found.values()}


@pytest.mark.parametrize("name", IDENTITY_FORMATS)
@settings(max_examples=20, deadline=None)
@given(st.data())
def test_reading_what_was_written_gives_the_same_identities(name: str, data: st.DataObject) -> None:
    splits = as_format(name, data.draw(crowds()))
    reader = READERS[name]
    with tempfile.TemporaryDirectory() as folder:
        root, again = Path(folder) / "one", Path(folder) / "two"
        reader.write(splits, root)
        assert (reader.splits(root) or ("all",)) == tuple(splits)
        assert reader.sniff(root).score >= 0.8
        read = {split: reader.read(root, split) for split in splits}
        for split, original in splits.items():
            assert content(read[split], ids=False) == content(original, ids=False)
            assert groups(read[split]) == groups(original)
        reader.write(read, again)  # from here on the names are those of the format, and stay
        for split in splits:
            assert content(reader.read(again, split), ids=True) == content(read[split], ids=True)
            assert reader.read(again, split).classes == read[split].classes
