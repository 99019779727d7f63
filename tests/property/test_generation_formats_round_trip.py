"""What a format of captions, domains or pictures writes, it reads back: truth, info and every pixel."""

from __future__ import annotations

import tempfile
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nayan.core.types import Caption, Dataset, Domain, Sample, Target
from nayan.data.formats import CAPTION_FORMATS, DOMAIN_FORMATS, PICTURE_FORMATS
from nayan.data.readers import READERS
from nayan.data.readers.domains import DOMAINS

TEXTS = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=12).map(
    lambda text: f"a{text}z"  # commas, quotes and any alphabet inside, no white space around
)


def noise(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (5, 4, 3), dtype=np.uint8)


def targets(draw: st.DrawFn, format: str) -> list[Target]:
    """Draw the truth of the pictures of one split."""
    if format in DOMAIN_FORMATS:
        return [Domain(0), Domain(1), *map(Domain, draw(st.lists(st.integers(0, 1), max_size=3)))]
    if format in CAPTION_FORMATS:
        lists = st.lists(TEXTS, min_size=1, max_size=3, unique=True)
        return [Caption(tuple(texts)) for texts in draw(st.lists(lists, min_size=1, max_size=4))]
    return [None] * draw(st.integers(1, 4))


@st.composite
def data_sets(draw: st.DrawFn, format: str) -> dict[str, Dataset]:
    names = draw(st.sampled_from([("all",), ("train", "val"), ("train", "test"), ("train", "val", "test")]))
    splits: dict[str, Dataset] = {}
    for split in names:
        samples = tuple(
            Sample(f"{split}{number}", partial(noise, draw(st.integers(0, 10**6))), target)
            for number, target in enumerate(targets(draw, format))
        )
        info: dict[str, Any] = {}
        if format in CAPTION_FORMATS and draw(st.booleans()):
            told = draw(TEXTS)
            info[format] = {
                sample.id: tuple({"source": told, "n": str(i)} for i in range(len(sample.target.texts)))
                for sample in samples
            }
        classes = DOMAINS if format in DOMAIN_FORMATS else ()
        splits[split] = Dataset(samples, classes, Path("drawn"), "drawn", split=split, info=info)
    return splits


def content(data: Dataset, *, ids: bool) -> list[tuple[object, ...]]:
    """Return the facts of every sample, sorted by its pixels; the names only where they are kept."""
    kept = data.info.get("captions", {})
    facts = [(s.load().tobytes(), s.target, kept.get(s.id), s.id if ids else "") for s in data.samples]
    return sorted(facts, key=repr)


@pytest.mark.parametrize("name", [*CAPTION_FORMATS, *DOMAIN_FORMATS, *PICTURE_FORMATS])
@settings(max_examples=25, deadline=None)
@given(st.data())
def test_reading_what_was_written_gives_the_same_data(name: str, data: st.DataObject) -> None:
    splits = data.draw(data_sets(name))
    reader = READERS[name]
    with tempfile.TemporaryDirectory() as folder:
        root, again = Path(folder) / "one", Path(folder) / "two"
        reader.write(splits, root)
        assert (reader.splits(root) or ("all",)) == tuple(splits)
        assert reader.sniff(root).score >= 0.5
        read = {split: reader.read(root, split) for split in splits}
        for split, original in splits.items():
            assert content(read[split], ids=False) == content(original, ids=False)
            assert read[split].classes == original.classes
        reader.write(read, again)  # from here on the names are those of the format, and stay
        for split in splits:
            copy = reader.read(again, split)
            assert content(copy, ids=True) == content(read[split], ids=True)
            assert (copy.classes, copy.notes, copy.info) == (read[split].classes, (), read[split].info)
