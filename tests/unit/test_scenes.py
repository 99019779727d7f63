"""Sample for detection: neat pictures, exact boxes, no digit in two splits."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from drawn import digest_of

from nayan.core.errors import ConfigError, NotFound
from nayan.core.types import Boxes
from nayan.data import scenes
from nayan.data.doctor import diagnose
from nayan.data.samples import FORMATS, write_sample
from nayan.data.scenes import HEIGHTS, MOST, SIZE, is_legible, scene, strokes
from nayan.data.splits import open_splits

GRAY = [np.full((300, 420, 3), 60, np.uint8)]
RING = np.zeros((8, 8))
RING[0, 2:6] = RING[7, 2:6] = 16
RING[1:7, 1] = RING[1:7, 6] = 16


def test_the_boxes_are_those_of_the_ink_not_of_the_tile() -> None:
    scans = {0: RING[None]}
    seen = 0
    for seed in range(12):
        picture, boxes = scene(GRAY, scans, is_background=False, rng=np.random.default_rng(seed))
        assert picture.shape == (*SIZE, 3)
        flat = picture.astype(int).max(axis=2) - picture.astype(int).min(axis=2)
        for x1, y1, x2, y2 in boxes.xyxy.astype(int):
            inside = flat[y1:y2, x1:x2] > 20  # coloured ink; the photograph and the rim are gray
            if inside.mean() < 0.1:
                continue  # this one's colour is too pale to be told from gray
            seen += 1
            assert inside[:3].any()
            assert inside[-3:].any()
            assert inside[:, :3].any()
            assert inside[:, -3:].any()
            assert HEIGHTS[0] - 2 <= y2 - y1 <= HEIGHTS[1] + 2
    assert seen > 10


def test_digits_do_not_overlap_and_stand_out(tmp_path: Path) -> None:
    for seed in range(8):
        _, boxes = scene(
            GRAY, {0: RING[None], 1: RING.T[None]}, is_background=False, rng=np.random.default_rng(seed)
        )
        assert 1 <= len(boxes) <= MOST
        for i, (x1, y1, x2, y2) in enumerate(boxes.xyxy):
            assert 0 <= x1 < x2 <= SIZE[1]
            assert 0 <= y1 < y2 <= SIZE[0]
            for a1, b1, a2, b2 in boxes.xyxy[:i]:
                assert x1 >= a2 or x2 <= a1 or y1 >= b2 or y2 <= b1


def test_a_background_has_no_digit() -> None:
    picture, boxes = scene(GRAY, {0: RING[None]}, is_background=True, rng=np.random.default_rng(0))
    assert isinstance(boxes, Boxes)
    assert len(boxes) == 0
    assert picture.std() == 0


def test_a_digit_that_has_no_room_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    dash = np.zeros((8, 8))
    dash[3] = 16  # as high as asked for it is wider than the picture
    monkeypatch.setattr(scenes, "HEIGHTS", (80, 90))
    _, boxes = scene(GRAY, {0: dash[None]}, is_background=False, rng=np.random.default_rng(3))
    assert len(boxes) == 0
    monkeypatch.setattr(scenes, "HEIGHTS", (230, 236))
    for seed in range(6):
        _, boxes = scene(GRAY, {0: RING[None]}, is_background=False, rng=np.random.default_rng(seed))
        assert len(boxes) == 1


@pytest.mark.parametrize("height", [28, 57, 90])
def test_strokes_are_as_high_as_asked_for_and_fill_their_box(height: int) -> None:
    ink = strokes(RING, height=height)
    assert ink.shape[0] == height
    assert (ink >= 0.5).any(axis=1)[[0, -1]].all()
    assert (ink >= 0.5).any(axis=0)[[0, -1]].all()
    assert ink[height // 2, ink.shape[1] // 2] == 0  # the ring is open inside


def test_a_blot_is_no_digit_and_a_bar_is() -> None:
    blot, bar = np.zeros((8, 8)), np.zeros((8, 8))
    blot[:, 2:6] = 16
    bar[:, 3:5] = 16
    assert not is_legible(blot)
    assert is_legible(bar)
    assert is_legible(RING)


def test_the_sample_is_a_data_set_of_three_splits_without_faults(tmp_path: Path) -> None:
    splits = open_splits(write_sample("detect", tmp_path / "digits", count=36))
    assert splits.summary.startswith("coco (3 classes, train 24, val 6, test 6; ")
    assert not splits.made
    counts = Counter(len(sample.target) for sample in splits.train.samples)
    assert 0 < counts[0] <= 4
    assert max(counts) <= MOST
    diagnosis = diagnose(tmp_path / "digits", imgsz=320, skip=["balance"])
    assert [f.check for f in diagnosis.findings if f.severity != "info"] == []


@pytest.mark.parametrize("format", FORMATS["detect"][1:])
def test_the_sample_can_be_written_in_other_formats(tmp_path: Path, format: str) -> None:
    splits = open_splits(write_sample("detect", tmp_path / "digits", count=12, format=format), format=format)
    assert splits.recognition.reader.name == format
    assert (len(splits.train), len(splits.val), len(splits.test)) == (8, 2, 2)


def test_the_seed_decides_and_bad_wishes_are_refused(tmp_path: Path) -> None:
    def made(seed: int, name: str) -> list[str]:
        digests = digest_of(write_sample("detect", tmp_path / name, seed=seed, count=12))
        return [line.split()[-1] for line in digests.values()]

    assert made(1, "a") == made(1, "b") != made(2, "c")
    with pytest.raises(ConfigError, match="count 11: three splits need 12 pictures"):
        write_sample("detect", tmp_path / "d", count=11)
    with pytest.raises(
        NotFound, match=r"no format is named 'idx'\n.*the sample for detect is written in these"
    ):
        write_sample("detect", tmp_path / "d", format="idx")
    with pytest.raises(NotFound, match="no format is named 'csv'"):
        write_sample("classify", tmp_path / "d", format="csv")
    assert not (tmp_path / "d").exists()
