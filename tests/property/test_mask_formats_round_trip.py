"""What masks, COCO and YOLO write of masks, they read back: names, classes, every pixel."""

import tempfile
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nayan.core.types import VOID, Dataset, MaskSource, Sample, SemanticMask
from nayan.data.pictures import normal
from nayan.data.readers import READERS
from nayan.data.readers.mask_tables import is_void

NAMES = (
    st.text(st.characters(exclude_categories=["Cs", "Cc", "Cn", "Z"]), min_size=1, max_size=8)
    .map(normal)
    .filter(lambda name: not is_void(name) and name.casefold() not in ("background", "_background_"))
)
LAYOUTS = [("all",), ("train",), ("train", "val"), ("train", "val", "test")]


def plain(seed: int, height: int, width: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


@st.composite
def data_sets(draw: st.DrawFn, *, void: bool) -> dict[str, Dataset]:
    classes = ("background", *draw(st.lists(NAMES, min_size=1, max_size=5, unique=True)))
    splits = {}
    for split in draw(st.sampled_from(LAYOUTS)):
        samples = []
        for number in range(draw(st.integers(1, 3))):
            height, width, seed = (
                draw(st.integers(1, 40)),
                draw(st.integers(1, 40)),
                draw(st.integers(0, 9**9)),
            )
            rng = np.random.default_rng(seed)
            block = draw(st.integers(1, 5))
            coarse = rng.integers(0, len(classes), (-(-height // block), -(-width // block)))
            ids = np.kron(coarse, np.ones((block, block)))[:height, :width].astype(np.uint8)
            if void and draw(st.booleans()):
                ids[rng.random(ids.shape) < 0.1] = VOID
            id = draw(st.sampled_from(["", "deep/", "images/", "masks/", "ü/"])) + f"{split}{number}"
            target = MaskSource(partial(SemanticMask, ids))
            samples.append(Sample(id, partial(plain, seed, height, width), target))
        splits[split] = Dataset(tuple(samples), classes, Path("drawn"), "drawn", split=split)
    return splits


def content(data: Dataset) -> list[tuple[object, ...]]:
    def name(sample: Sample) -> str:
        return sample.id.removesuffix(".png").rpartition("/")[2]

    return [
        (
            name(s),
            s.load().shape,
            s.load().tobytes(),
            s.target.load().ids.shape,
            s.target.load().ids.tobytes(),
        )
        for s in sorted(data.samples, key=name)
    ]


@pytest.mark.parametrize("format", ["masks", "coco_masks", "yolo_masks"])
@settings(max_examples=25, deadline=None)
@given(drawn=st.data())
def test_reading_gives_back_what_was_written(format: str, drawn: st.DataObject) -> None:
    splits = drawn.draw(data_sets(void=format == "masks"))
    reader = READERS[format]
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "new"
        reader.write(splits, root)
        assert reader.splits(root) == tuple(split for split in splits if split != "all")
        for split, data in splits.items():
            found = reader.read(root, split)
            assert found.classes == data.classes
            assert content(found) == content(data)
