"""What a format writes, it reads back: names, classes, labels and every pixel."""

import tempfile
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nayan.core.types import Dataset, Label, Sample
from nayan.data.convert import convert
from nayan.data.readers import READERS
from nayan.data.readers.folder import PICTURE_FOLDERS

WORDS = st.text(st.characters(categories=["Ll", "Nd"], max_codepoint=0x24F), min_size=1, max_size=6).filter(
    lambda word: word not in {"train", "val", "test"}
)


CLASSIFICATION = ("folder", "csv", "idx")  # the formats of boxes have properties of their own


def noise(seed: int, height: int, width: int, gray: bool) -> np.ndarray:
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 1 if gray else 3), dtype=np.uint8)
    return np.repeat(pixels, 3 // pixels.shape[2], axis=2)


@st.composite
def data_sets(draw: st.DrawFn, *, gray: bool) -> dict[str, Dataset]:
    """Draw splits of two to four classes, each with a picture in the first split."""
    words = WORDS.filter(lambda word: word.lower() not in PICTURE_FOLDERS)  # those name no class
    classes = tuple(sorted(draw(st.sets(words, min_size=2, max_size=4))))
    names = draw(st.sampled_from([("all",), ("train", "val"), ("train", "test"), ("train", "val", "test")]))
    size = (draw(st.integers(1, 9)), draw(st.integers(1, 9)))
    splits = {}
    for number, split in enumerate(names):
        extra = draw(st.lists(st.integers(0, len(classes) - 1), min_size=1, max_size=3))
        labels = [*range(len(classes)), *extra] if number == 0 else extra
        samples = []
        for i, label in enumerate(labels):
            height, width = size if gray else (size[0] + i, size[1])
            load = partial(noise, draw(st.integers(0, 10**6)), height, width, gray)
            samples.append(Sample(f"{i:05d}", load, Label(label)))
        splits[split] = Dataset(tuple(samples), classes, Path("drawn"), "drawn", split=split)
    return splits


def content(data: Dataset) -> list[tuple[str, str, bytes, tuple[int, ...]]]:
    """Return (id, class, pixels, shape) of every sample, in the order of the ids."""
    return sorted(
        (s.id, data.classes[s.target.index], s.load().tobytes(), s.load().shape) for s in data.samples
    )


def without_ids(data: Dataset) -> list[tuple[object, ...]]:
    return sorted(row[1:] for row in content(data))


@pytest.mark.parametrize("name", CLASSIFICATION)
@settings(max_examples=25, deadline=None)
@given(st.data())
def test_reading_what_was_written_gives_the_same_data(name: str, data: st.DataObject) -> None:
    splits = data.draw(data_sets(gray=name == "idx"))
    reader = READERS[name]
    with tempfile.TemporaryDirectory() as folder:
        root, again = Path(folder) / "one", Path(folder) / "two"
        reader.write(splits, root)
        assert (reader.splits(root) or ("all",)) == tuple(splits)
        assert reader.sniff(root).score >= 0.9
        read = {split: reader.read(root, split) for split in splits}
        for split, original in splits.items():
            assert read[split].classes == original.classes
            assert without_ids(read[split]) == without_ids(original)
        reader.write(read, again)  # from here on the names are those of the format, and stay
        for split in splits:
            assert content(reader.read(again, split)) == content(read[split])
            assert reader.read(again, split).classes == read[split].classes


@settings(max_examples=15, deadline=None)
@given(st.data(), st.permutations(CLASSIFICATION))
def test_a_tour_through_all_formats_loses_nothing(data: st.DataObject, tour: list[str]) -> None:
    splits = data.draw(data_sets(gray=True))
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "start"
        READERS[tour[-1]].write(splits, source)
        for name in tour:
            source = convert(source, Path(folder) / name, name, format=None).out
        reader = READERS[tour[-1]]
        for split, original in splits.items():
            assert without_ids(reader.read(source, split)) == without_ids(original)
