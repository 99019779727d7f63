"""Conversion: everything arrives, nothing is overwritten, and a copy that differs is not published."""

from pathlib import Path

import pytest
from drawn import classes_of, digest_of, draw, pixels
from PIL import Image

from nayan.core.errors import ConfigError, DataError, LabelError, NotFound
from nayan.data.convert import compare, convert
from nayan.data.readers import READERS

SPLIT = {f"{split}/{name}/{i}.png": i for i, split in enumerate(("train", "val")) for name in "ab"}


def test_folders_become_a_table_and_folders_again(tmp_path: Path) -> None:
    source = draw(tmp_path / "in", SPLIT)
    before = digest_of(source)
    report = convert(source, tmp_path / "table", "csv")
    assert (report.source, report.target) == ("folder", "csv")
    assert report.before == report.after == {"train": {"a": 1, "b": 1}, "val": {"a": 1, "b": 1}}
    convert(tmp_path / "table", tmp_path / "folders", "folder")
    again = READERS["folder"].read(tmp_path / "folders", "train")
    assert classes_of(again) == {"train/a/0.png": "a", "train/b/0.png": "b"}
    assert again.samples[0].path.read_bytes() == (source / "train/a/0.png").read_bytes()
    assert digest_of(source) == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["folders", "in", "table"]


def test_an_empty_folder_may_be_the_target(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    assert convert(draw(tmp_path / "in", SPLIT), tmp_path / "out", "csv").out == tmp_path / "out"
    assert (tmp_path / "out" / "labels.csv").is_file()


def test_what_the_reader_left_out_and_a_new_order_of_classes_are_told(tmp_path: Path) -> None:
    source = tmp_path / "idx"
    gray = tmp_path / "gray"
    for number, name in enumerate(("a", "b")):
        (gray / name).mkdir(parents=True)
        Image.fromarray(pixels(number)[:, :, 0]).save(gray / name / "1.png")
    convert(gray, source, "idx")
    (source / "labels.txt").write_text("z\ny\n")
    report = convert(source, tmp_path / "out", "folder")
    assert report.notes == ("the classes are numbered in another order now: y, z",)
    (source / "labels.txt").write_text("a\nb\nc\n")
    report = convert(source, tmp_path / "out2", "folder")
    assert report.notes == (
        "the data set has no picture of class 'c'",
        "classes without a picture are gone: c",
    )


def test_the_target_must_be_new_and_outside(tmp_path: Path) -> None:
    source = draw(tmp_path / "in", SPLIT)
    with pytest.raises(ConfigError, match="which is never changed"):
        convert(source, source / "out", "csv")
    with pytest.raises(DataError, match="not empty"):
        convert(source, tmp_path, "csv")
    with pytest.raises(NotFound, match="no format is named 'coco2'"):
        convert(source, tmp_path / "out", "coco2")


def test_a_conversion_that_fails_leaves_nothing_behind(tmp_path: Path) -> None:
    source = draw(tmp_path / "in", SPLIT)
    with pytest.raises(DataError, match="is in colour, IDX holds gray pictures"):
        convert(source, tmp_path / "out", "idx")
    table = draw(tmp_path / "t", {"1.png": 1, "2.png": 2, "t.csv": "file,label\n1.png,a/b\n2.png,c\n"})
    with pytest.raises(LabelError, match="'a/b' cannot be the name of a folder"):
        convert(table, tmp_path / "out", "folder")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in", "t"]


def test_a_copy_that_does_not_read_back_is_not_published(tmp_path: Path) -> None:
    # As folders without splits these two classes would be mistaken for splits.
    table = draw(tmp_path / "t", {"1.png": 1, "2.png": 2, "t.csv": "file,label\n1.png,train\n2.png,test\n"})
    with pytest.raises(DataError, match="the folder copy does not read back, nothing was written"):
        convert(table, tmp_path / "out", "folder")
    assert [path.name for path in tmp_path.iterdir()] == ["t"]


def test_a_picture_whose_name_is_no_picture_is_missed(tmp_path: Path) -> None:
    draw(
        tmp_path / "t",
        {"1.png": 1, "2.png": 2, "3.png": 3, "t.csv": "file,label\n1.png,a\n2.png,b\n3.dat,a\n"},
    )
    (tmp_path / "t/3.png").rename(tmp_path / "t/3.dat")
    with pytest.raises(DataError, match="all, class 'a': 2 pictures before, 1 after; nothing was written"):
        convert(tmp_path / "t", tmp_path / "out", "folder")


def test_splits_that_appear_from_nowhere_are_a_difference() -> None:
    with pytest.raises(DataError, match="val, class 'a': 0 pictures before, 2 after"):
        compare({"train": {"a": 1}}, {"train": {"a": 1}, "val": {"a": 2}})
