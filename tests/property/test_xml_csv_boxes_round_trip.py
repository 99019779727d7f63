"""What VOC, CSV boxes, LabelMe, CVAT and Label Studio write, they read back: names, boxes, crowds, areas."""

import contextlib
import tempfile
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nayan.core.errors import DataError, NotFound
from nayan.core.types import Boxes, Dataset, Sample
from nayan.data.convert import convert
from nayan.data.pictures import normal
from nayan.data.readers import READERS, recognise
from nayan.data.readers.base import Reader

FORMATS = ("voc", "csv_boxes", "labelme", "cvat", "label_studio")
LAYOUTS = [("all",), ("train",), ("train", "val"), ("train", "val", "test")]
NAMES = (
    st.text(st.characters(exclude_categories=["Cs", "Cc", "Cn", "Zl", "Zp"]), min_size=1, max_size=8)
    .map(normal)
    .filter(lambda name: name == name.strip() and not name.startswith("#") and name != "background")
)


def plain(seed: int, height: int, width: int) -> np.ndarray:
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[:] = np.random.default_rng(seed).integers(0, 256, 3, dtype=np.uint8)
    return pixels


def sides(most: int) -> st.SearchStrategy[tuple[float, float]]:
    """Draw two different float32 coordinates in order, 0 or at least a thousandth of a pixel."""
    whole = st.integers(0, most).map(float)
    one = whole | st.just(float(most)) | st.floats(2**-10, most, width=32)
    return st.tuples(one, one).map(sorted).filter(lambda pair: pair[0] < pair[1] and pair[1] > 1).map(tuple)


@st.composite
def truths(draw: st.DrawFn, *, size: tuple[int, int], classes: int) -> Boxes:
    rows = [(draw(sides(size[1])), draw(sides(size[0]))) for _ in range(draw(st.integers(0, 4)))]
    if not rows:
        return Boxes.none()
    xyxy = np.array([(x1, y1, x2, y2) for (x1, x2), (y1, y2) in rows], np.float32)
    labels = np.array([draw(st.integers(0, classes - 1)) for _ in rows], np.int64)
    crowd = np.array([draw(st.booleans()) for _ in rows])
    areas = np.array([draw(st.floats(0, 1e6, width=32)) for _ in rows], np.float32)
    return Boxes(
        xyxy, labels, crowd=crowd if crowd.any() else None, areas=areas if draw(st.booleans()) else None
    )


@st.composite
def data_sets(draw: st.DrawFn) -> dict[str, Dataset]:
    """Draw splits of one to five classes, with or without boxes of each, of pictures with awkward names."""
    classes = tuple(draw(st.lists(NAMES, min_size=1, max_size=5, unique=True)))
    splits = {}
    for split in draw(st.sampled_from(LAYOUTS)):
        samples = []
        for number in range(draw(st.integers(1, 3))):
            size = draw(st.integers(2, 900)), draw(st.integers(2, 900))
            folder = draw(st.sampled_from(["", "deep/", "images/", "ü/", "train/", "a.b/"]))
            name = draw(st.sampled_from([f"{number}", "same", f"a.b.{number}"]))
            target = draw(truths(size=size, classes=len(classes)))
            load = partial(plain, draw(st.integers(0, 9**9)), *size)
            samples.append(Sample(f"{folder}{name}", load, target))
        splits[split] = Dataset(tuple(samples), classes, Path("drawn"), "drawn", split=split)
    return splits


def content(data: Dataset) -> list[tuple[object, ...]]:
    """Return what must survive of each picture, in an order that does not depend on its name."""
    return sorted(map(picture, data.samples), key=repr)


def picture(sample: Sample) -> tuple[object, ...]:
    boxes, image = sample.target, sample.load()
    crowd = np.zeros(len(boxes), bool) if boxes.crowd is None else boxes.crowd
    return (
        image.shape, image[0, 0].tolist(), boxes.xyxy.tolist(), boxes.labels.tolist(), crowd.tolist(),
        boxes.covered.tolist(),
    )  # fmt: skip


@pytest.mark.parametrize("name", FORMATS)
@settings(max_examples=12, deadline=None)
@given(splits=data_sets())
def test_a_format_reads_back_what_it_wrote(name: str, splits: dict[str, Dataset]) -> None:
    reader = READERS[name]
    with tempfile.TemporaryDirectory() as folder:
        one, two = Path(folder) / "one", Path(folder) / "two"
        reader.write(splits, one)
        assert (reader.splits(one) or ("all",)) == tuple(splits)
        read = {split: reader.read(one, split) for split in splits}
        for split, original in splits.items():
            assert read[split].classes == original.classes
            assert content(read[split]) == content(original)
            assert not any("left out" in note or "cut" in note for note in read[split].notes)
        reader.write(read, two)  # from here on the names are those of the format, and stay
        for split in splits:
            again = reader.read(two, split)
            assert [s.id for s in again.samples] == [s.id for s in read[split].samples]
            assert [picture(s) for s in again.samples] == [picture(s) for s in read[split].samples]
            assert (again.classes, again.info) == (read[split].classes, read[split].info)


@pytest.mark.parametrize("name", FORMATS)
@settings(max_examples=5, deadline=None)
@given(splits=data_sets())
def test_what_was_written_is_recognised(name: str, splits: dict[str, Dataset]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        READERS[name].write(splits, Path(folder) / "data")
        assert recognise(Path(folder) / "data").reader.name == name


@settings(max_examples=5, deadline=None)
@given(data_sets(), st.permutations([*FORMATS, "coco"]))
def test_a_tour_through_all_formats_of_boxes_loses_nothing(
    splits: dict[str, Dataset], tour: list[str]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "start"
        READERS["coco"].write(splits, source)
        for name in tour:
            source = convert(source, Path(folder) / name, name).out
        for split, original in splits.items():
            found = READERS[tour[-1]].read(source, split)
            assert found.classes == original.classes
            places = [each[:5] for each in content(found)]
            assert places == [each[:5] for each in content(original)]


def written(root: Path, reader: Reader) -> Path:
    """Write one picture with two boxes below `root`, and return its file of annotations."""
    boxes = Boxes(np.array([[1, 2, 5, 6], [0, 0, 3, 3]], np.float32), np.array([0, 1]))
    sample = Sample("a", partial(plain, 0, 8, 9), boxes)
    reader.write({"train": Dataset((sample,), ("x", "y"), root, "drawn")}, root)
    files = [path for path in root.rglob("*") if path.suffix in (".xml", ".json", ".csv")]
    assert len(files) == 1
    return files[0]


@pytest.mark.parametrize("name", FORMATS)
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_a_damaged_file_is_read_or_refused_and_never_crashes(name: str, data: st.DataObject) -> None:
    reader = READERS[name]
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "d"
        file = written(root, reader)
        text = file.read_text()
        start = data.draw(st.integers(0, len(text)))
        stop = data.draw(st.integers(start, min(len(text), start + 12)))
        middle = data.draw(st.sampled_from(["", "0", "-", "nan", "1e400", "null", "[]", "{}", '"', "<", "é"]))
        file.write_text(text[:start] + middle + text[stop:])
        with contextlib.suppress(DataError, NotFound):
            assert len(reader.read(root, "train")) == 1
        assert 0 <= reader.sniff(root).score <= 1
