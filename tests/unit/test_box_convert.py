"""Conversion of boxes: each picture keeps its own, and a copy that lost or moved one is not published."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from boxed import coco, many
from drawn import digest_of, draw, pixels

from nayan.core.errors import DataError, LabelError
from nayan.core.types import Boxes, Dataset, Sample
from nayan.data import convert as conversion
from nayan.data.convert import compare_boxes, convert, count
from nayan.data.formats import BOX_FORMATS
from nayan.data.readers import READERS
from nayan.data.readers.base import has_boxes


@pytest.mark.parametrize("to", BOX_FORMATS)
def test_every_box_format_takes_every_picture_with_its_boxes(tmp_path: Path, to: str) -> None:
    source = coco(tmp_path / "in", {"train": many(6) | {"empty.png": (77, [])}, "valid": many(3, start=20)})
    before = digest_of(source)
    report = convert(source, tmp_path / "out", to)
    assert report.before == report.after == {"train": {"cat": 6, "dog": 3}, "val": {"cat": 3, "dog": 1}}
    assert report.pictures == {"train": 7, "val": 3}
    again = READERS[to].read(tmp_path / "out", "train")
    assert has_boxes(again.samples)
    assert sum(len(sample.target) for sample in again.samples) == 9
    assert digest_of(source) == before


def test_boxes_are_no_classes_and_classes_no_boxes(tmp_path: Path) -> None:
    boxes = coco(tmp_path / "boxes", {"all": many(4)})
    with pytest.raises(LabelError, match=r"the picture has 1 box, not one class for all of it\n.*coco, yolo"):
        convert(boxes, tmp_path / "out", "folder")
    classes = draw(tmp_path / "classes", {"a/1.png": 1, "b/1.png": 2})
    with pytest.raises(LabelError, match=r"one class for all of it, not boxes\n.*folder, csv and idx"):
        convert(classes, tmp_path / "out", "coco")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["boxes", "classes"]


def test_crowds_and_difficult_objects_are_left_out_where_a_format_cannot_say_so(tmp_path: Path) -> None:
    pictures = {name: (number, boxes * 2) for name, (number, boxes) in many(2).items()}
    source = coco(tmp_path / "in", {"all": pictures})
    table = source / "annotations/instances.json"
    table.write_text(table.read_text().replace('"iscrowd": 0', '"iscrowd": 1', 1))
    report = convert(source, tmp_path / "out", "yolo")
    assert report.before == report.after == {"all": {"cat": 3, "dog": 2}}
    note = "left out: 1 box of a crowd or marked difficult, which yolo cannot say; what is found there will "
    assert f"{note}count as wrong (the first in images/000.png)" in report.notes
    table.write_text(table.read_text().replace('"iscrowd": 0', '"iscrowd": 1'))
    report = convert(source, tmp_path / "none", "yolo")
    assert any(note.startswith("left out: 6 boxes of crowds or marked difficult") for note in report.notes)
    assert not any("left out" in note for note in convert(source, tmp_path / "voc", "voc").notes)


def test_areas_that_a_format_cannot_hold_are_told(tmp_path: Path) -> None:
    source = coco(tmp_path / "in", {"all": many(3)})
    table = source / "annotations/instances.json"
    table.write_text(table.read_text().replace('"iscrowd"', '"area": 99.0, "iscrowd"'))
    assert not any("areas" in note for note in convert(source, tmp_path / "a", "coco").notes)
    notes = convert(source, tmp_path / "b", "yolo").notes
    assert "the areas of the objects are gone: yolo keeps those of the boxes only" in notes


def test_a_class_without_a_box_may_vanish_and_that_is_told(tmp_path: Path) -> None:
    source = coco(tmp_path / "in", {"all": many(3)}, ("cat", "dog", "owl"))
    report = convert(source, tmp_path / "out", "voc")
    kept = READERS["voc"].read(tmp_path / "out", "all").classes
    told = "classes without a box are gone: owl" in report.notes
    assert told == ("owl" not in kept)


def data(*samples: Sample, classes: tuple[str, ...] = ("cat", "dog")) -> dict[str, Dataset]:
    return {"train": Dataset(samples, classes, Path("drawn"), "drawn", "train")}


def sample(number: int, boxes: Boxes | None) -> Sample:
    return Sample(f"{number}.png", lambda: pixels(number), boxes)


ONE = Boxes(np.array([[1, 2, 9, 8], [3, 3, 7, 9]], np.float32), np.array([0, 1]))


def test_pictures_are_told_by_their_content_and_copies_by_their_boxes() -> None:
    other = ONE.select([0])
    before = data(sample(1, ONE), sample(1, other), sample(2, None), sample(3, Boxes.none()))
    after = data(sample(3, Boxes.none()), sample(1, other), sample(2, None), sample(1, ONE))
    compare_boxes(before, after)
    compare_boxes(before, data(*after["train"].samples[:2], *after["train"].samples[2:]))
    renumbered = data(sample(1, replace(ONE, labels=1 - ONE.labels)), classes=("dog", "cat"))
    compare_boxes(data(sample(1, ONE)), renumbered)


@pytest.mark.parametrize(
    "changed",
    [
        None,
        Boxes.none(),
        ONE.select([0]),
        ONE.select([1, 0]),
        replace(ONE, xyxy=ONE.xyxy + np.float32(0.05)),
        replace(ONE, labels=np.array([0, 0])),
        replace(ONE, crowd=np.array([False, True])),
    ],
)
def test_boxes_that_are_others_now_are_a_difference(changed: Boxes | None) -> None:
    with pytest.raises(DataError, match=r"train, 1\.png: the picture has other boxes in the copy; nothing"):
        compare_boxes(data(sample(1, ONE)), data(sample(1, changed)))
    compare_boxes(data(sample(1, ONE)), data(sample(1, replace(ONE, xyxy=ONE.xyxy + np.float32(0.005)))))


def test_pictures_of_which_nothing_is_known_are_not_counted() -> None:
    assert count(data(sample(1, ONE), sample(2, None))) == {"train": {"cat": 1, "dog": 1}}


def test_pictures_that_are_missing_or_new_are_a_difference() -> None:
    with pytest.raises(
        DataError, match=r"1\.png: the picture is missing, or is another picture, in the copy"
    ):
        compare_boxes(data(sample(1, ONE)), data(sample(2, ONE)))
    with pytest.raises(DataError, match="the copy has 1 pictures more"):
        compare_boxes(data(sample(1, ONE)), data(sample(1, ONE), sample(2, Boxes.none())))


def test_a_copy_that_moved_a_box_is_not_published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = coco(tmp_path / "in", {"all": many(3)})
    monkeypatch.setattr(conversion, "SAME_PX", -1.0)  # nothing agrees that closely
    with pytest.raises(DataError, match=r"has other boxes in the copy; nothing was written\n.*try --to coco"):
        convert(source, tmp_path / "out", "yolo")
    assert [path.name for path in tmp_path.iterdir()] == ["in"]
