"""The sample for segmentation: exact masks in the usual format, or as outlines."""

from pathlib import Path

import numpy as np
import pytest

from nayan.core.errors import NotFound
from nayan.data.readers import recognise
from nayan.data.samples import write_sample
from nayan.data.splits import open_splits

WANTED = ("MaskSource",)


def test_the_sample_has_pictures_with_masks_of_digits_and_background(tmp_path: Path) -> None:
    root = write_sample("segment", tmp_path / "new", count=12)
    splits = open_splits(root)
    assert splits.recognition.reader.name == "masks"
    assert (len(splits.train), len(splits.val), len(splits.test)) == (8, 2, 2)
    assert splits.train.classes == ("background", "0", "1", "2")
    shown = {int(n) for s in splits.train.samples for n in np.unique(s.target.load().ids)}
    assert shown == {0, 1, 2, 3}
    assert splits.train.samples[0].load().shape == (240, 320, 3)


def test_the_masks_are_those_of_the_boxes(tmp_path: Path) -> None:
    boxes = open_splits(write_sample("detect", tmp_path / "boxes", count=12)).train
    masks = open_splits(write_sample("segment", tmp_path / "masks", count=12)).train
    for box, mask in zip(boxes.samples, sorted(masks.samples, key=lambda s: s.id), strict=True):
        ids = mask.target.load().ids
        assert (box.load() == mask.load()).all()
        for (x1, y1, x2, y2), label in zip(box.target.xyxy.astype(int), box.target.labels, strict=True):
            part = ids[y1:y2, x1:x2] == label + 1
            assert part.any(axis=0)[[0, -1]].all()
            assert part.any(axis=1)[[0, -1]].all()


@pytest.mark.parametrize("format", ["coco", "yolo"])
def test_outlines_say_the_same_as_masks(tmp_path: Path, format: str) -> None:
    masks = open_splits(write_sample("segment", tmp_path / "masks", count=12)).train
    root = write_sample("segment", tmp_path / format, count=12, format=format)
    assert recognise(root).reader.name == format
    drawn = open_splits(root, targets=WANTED).train
    for a, b in zip(masks.samples, sorted(drawn.samples, key=lambda s: s.id), strict=True):
        assert (a.target.load().ids == b.target.load().ids).all()


def test_other_formats_are_not_found(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="voc"):
        write_sample("segment", tmp_path / "new", format="voc")
