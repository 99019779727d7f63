"""What COCO and YOLO write, they read back: names, classes, boxes to the last bit, crowds, areas and ids."""

import contextlib
import json
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nayan.core.errors import DataError, NotFound
from nayan.core.types import Boxes, Dataset, Sample
from nayan.data.pictures import normal
from nayan.data.readers.coco import CocoReader
from nayan.data.readers.yolo import YoloReader

NAMES = (
    st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=8)
    .map(normal)
    .filter(lambda name: name.strip())
)
LAYOUTS = [("all",), ("train",), ("train", "val"), ("train", "val", "test")]


def plain(seed: int, height: int, width: int) -> np.ndarray:
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[:] = np.random.default_rng(seed).integers(0, 256, 3, dtype=np.uint8)
    return pixels


def sides(most: int) -> st.SearchStrategy[tuple[float, float]]:
    """Draw two different float32 coordinates in order, 0 or at least a thousandth of a pixel."""
    one = st.just(0.0) | st.just(float(most)) | st.floats(2**-10, most, width=32)
    return st.tuples(one, one).map(sorted).filter(lambda pair: pair[0] < pair[1] and pair[1] > 1).map(tuple)


@st.composite
def truths(draw: st.DrawFn, *, size: tuple[int, int], classes: int, rich: bool) -> Boxes:
    number = draw(st.integers(0, 4))
    rows = [(draw(sides(size[1])), draw(sides(size[0]))) for _ in range(number)]
    if not rows:
        return Boxes.none()
    xyxy = np.array([(x1, y1, x2, y2) for (x1, x2), (y1, y2) in rows], np.float32)
    labels = np.array([draw(st.integers(0, classes - 1)) for _ in rows], np.int64)
    crowd = np.array([draw(st.booleans()) for _ in rows]) if rich else np.zeros(number, bool)
    areas = [draw(st.floats(0, 1e6, width=32)) for _ in rows] if rich and draw(st.booleans()) else None
    return Boxes(
        xyxy,
        labels,
        crowd=crowd if crowd.any() else None,
        areas=None if areas is None else np.array(areas, np.float32),
    )


@st.composite
def data_sets(draw: st.DrawFn, *, rich: bool) -> dict[str, Dataset]:
    """Draw splits of one to five classes, with or without boxes of each; `rich` adds crowds and areas."""
    classes = tuple(draw(st.lists(NAMES, min_size=1, max_size=5, unique=True)))
    splits = {}
    for split in draw(st.sampled_from(LAYOUTS)):
        samples = []
        for number in range(draw(st.integers(1, 3))):
            size = draw(st.integers(2, 900)), draw(st.integers(2, 900))
            target = draw(truths(size=size, classes=len(classes), rich=rich))
            id = draw(st.sampled_from(["", "deep/", "images/", "ü/"])) + f"{number}"
            samples.append(Sample(id, partial(plain, draw(st.integers(0, 9**9)), *size), target))
        splits[split] = Dataset(tuple(samples), classes, Path("drawn"), "drawn", split=split)
    return splits


def content(data: Dataset) -> Iterator[tuple[object, ...]]:
    """Return what must survive of each picture, in the order of the names without their folders."""
    for sample in sorted(data.samples, key=lambda sample: sample.id.removesuffix(".png").rpartition("/")[2]):
        boxes = sample.target
        crowd = np.zeros(len(boxes), bool) if boxes.crowd is None else boxes.crowd
        image = sample.load()
        yield (
            image.shape, image[0, 0].tolist(), boxes.xyxy.tolist(), boxes.labels.tolist(), crowd.tolist(),
            boxes.covered.tolist(),
        )  # fmt: skip


def check_round_trip(reader: CocoReader | YoloReader, splits: dict[str, Dataset]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        one, two = Path(folder) / "one", Path(folder) / "two"
        reader.write(splits, one)
        assert (reader.splits(one) or ("all",)) == tuple(splits)
        assert reader.sniff(one).score >= 0.9
        read = {split: reader.read(one, split) for split in splits}
        for split, original in splits.items():
            assert read[split].classes == original.classes
            assert list(content(read[split])) == list(content(original))
        reader.write(read, two)
        for split in splits:
            again = reader.read(two, split)
            assert [s.id for s in again.samples] == [s.id for s in read[split].samples]
            assert list(content(again)) == list(content(read[split]))
            assert again.classes == read[split].classes
            assert again.info == read[split].info


@settings(max_examples=40, deadline=None)
@given(data_sets(rich=True))
def test_coco_reads_back_what_it_wrote(splits: dict[str, Dataset]) -> None:
    check_round_trip(CocoReader(), splits)


@settings(max_examples=40, deadline=None)
@given(data_sets(rich=False))
def test_yolo_reads_back_what_it_wrote(splits: dict[str, Dataset]) -> None:
    check_round_trip(YoloReader(), splits)


@settings(max_examples=15, deadline=None)
@given(data_sets(rich=False))
def test_boxes_survive_the_way_from_one_format_to_the_other_and_back(splits: dict[str, Dataset]) -> None:
    coco, yolo = CocoReader(), YoloReader()
    with tempfile.TemporaryDirectory() as folder:
        coco.write(splits, Path(folder) / "coco")
        yolo.write(
            {split: coco.read(Path(folder) / "coco", split) for split in splits}, Path(folder) / "yolo"
        )
        for split, original in splits.items():
            assert list(content(yolo.read(Path(folder) / "yolo", split))) == list(content(original))


@settings(max_examples=25, deadline=None)
@given(data_sets(rich=True))
def test_pycocotools_reads_what_coco_wrote(splits: dict[str, Dataset]) -> None:
    pycocotools = pytest.importorskip("pycocotools.coco")
    with tempfile.TemporaryDirectory() as folder:
        CocoReader().write(splits, Path(folder) / "out")
        for split, data in splits.items():
            name = "instances.json" if split == "all" else f"instances_{split}.json"
            oracle = pycocotools.COCO()
            oracle.dataset = json.loads((Path(folder) / "out" / "annotations" / name).read_text())
            oracle.createIndex()
            assert [oracle.cats[id]["name"] for id in oracle.getCatIds()] == list(data.classes)
            for sample, image in zip(data.samples, oracle.dataset["images"], strict=True):
                assert (image["height"], image["width"]) == sample.load().shape[:2]
                found = oracle.loadAnns(oracle.getAnnIds(imgIds=[image["id"]]))
                assert [oracle.cats[each["category_id"]]["name"] for each in found] == [
                    data.classes[label] for label in sample.target.labels
                ]
                xywh = np.array([each["bbox"] for each in found], np.float64).reshape(-1, 4)
                xywh[:, 2:] += xywh[:, :2]
                assert (xywh.astype(np.float32) == sample.target.xyxy).all()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
KEYS = st.sampled_from(["id", "image_id", "category_id", "bbox", "area", "iscrowd", "segmentation"])


def written(root: Path, reader: CocoReader | YoloReader) -> None:
    """Write one picture with two boxes below `root`."""
    boxes = Boxes(np.array([[1, 2, 5, 6], [0, 0, 3, 3]], np.float32), np.array([0, 1]))
    sample = Sample("a", partial(plain, 0, 8, 9), boxes)
    reader.write({"train": Dataset((sample,), ("x", "y"), root, "drawn")}, root)


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(["images", "annotations", "categories"]), KEYS | st.just("file_name"), JSON)
def test_damaged_coco_is_read_or_refused_and_never_crashes(part: str, key: str, value: object) -> None:
    reader = CocoReader()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "d"
        written(root, reader)
        table = root / "annotations" / "instances_train.json"
        document = json.loads(table.read_text())
        document[part][0][key] = value
        table.write_text(json.dumps(document))
        with contextlib.suppress(DataError):
            assert len(reader.read(root, "train")) == 1


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=40), st.sampled_from(["labels/train/a.txt", "data.yaml"]), st.booleans())
def test_damaged_yolo_is_read_or_refused_and_never_crashes(text: str, file: str, more: bool) -> None:
    reader = YoloReader()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "d"
        written(root, reader)
        before = (root / file).read_text() if more else ""
        (root / file).write_bytes((before + text).encode("utf-8", errors="surrogatepass"))
        with contextlib.suppress(DataError, NotFound):
            assert len(reader.read(root, "train")) == 1
        assert 0 <= reader.sniff(root).score <= 1
