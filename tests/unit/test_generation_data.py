"""Captions, domains and mere pictures, divided, converted, matched and fingerprinted."""

from __future__ import annotations

from pathlib import Path

import pytest
from drawn import draw

from nayan.core.errors import ConfigError, DataError, LabelError
from nayan.core.types import Caption, Dataset, Sample
from nayan.data.classes import match_classes
from nayan.data.convert import compare, convert
from nayan.data.fingerprint import fingerprint
from nayan.data.readers.base import has_boxes
from nayan.data.readers.captions import CaptionsReader
from nayan.data.splits import open_splits, read_split, write_splits

GENERATION = ("Caption", "Domain", "Label", "None")


def many(count: int, *, prefix: str = "") -> dict[str, int | str]:
    return {f"{prefix}{number}.png": number for number in range(count)}


def test_pictures_and_captions_are_divided_by_chance(tmp_path: Path) -> None:
    heap = draw(tmp_path / "heap", many(20))
    splits = open_splits(heap, targets=GENERATION)
    assert splits.summary == "pictures (train 14, val 3, test 3)"
    rows = "".join(f"{number}.png,text {number}\n" for number in range(20))
    root = draw(tmp_path / "said", {**many(20), "captions.csv": f"file,caption\n{rows}"})
    splits = open_splits(root)
    assert splits.summary == "captions (train 14, val 3, test 3; 20 captions)"
    assert "seed 0, by chance" in splits.notes[-1]


def test_a_division_keeps_the_share_of_both_domains(tmp_path: Path) -> None:
    a, b = many(20, prefix="trainA/"), {f"trainB/{number}.png": 100 + number for number in range(40)}
    splits = open_splits(draw(tmp_path, {**a, **b}))
    assert splits.summary == "domains (2 classes, train 42, val 9, test 9)"
    parts = (splits.train, splits.val, splits.test)
    assert [sum(sample.target.index == 0 for sample in part.samples) for part in parts] == [14, 3, 3]


def test_truth_that_is_of_no_use_is_left_aside(tmp_path: Path) -> None:
    box = "<bndbox><xmin>1</xmin><ymin>1</ymin><xmax>9</xmax><ymax>9</ymax></bndbox>"
    voc = f"<annotation><object><name>cat</name>{box}</object></annotation>"
    root = draw(tmp_path, {**many(8), **{f"{number}.xml": voc for number in range(8)}})
    splits = open_splits(root, targets=GENERATION)
    assert splits.recognition.reader.name == "voc"
    assert splits.train.classes == ()
    assert {sample.target for sample in splits.train.samples} == {None}
    assert splits.notes[0] == "left aside: the boxes; the pictures alone are taken"
    assert read_split(root, targets=GENERATION).samples[0].target is None
    assert has_boxes(read_split(root).samples)


def test_a_single_class_is_enough_where_no_truth_is_needed(tmp_path: Path) -> None:
    root = draw(tmp_path, {**many(8), "t.csv": "file,label\n" + "".join(f"{n}.png,cat\n" for n in range(8))})
    assert len(open_splits(root, targets=GENERATION).train.classes) == 1
    with pytest.raises(DataError, match="single class"):
        open_splits(root)


def test_pictures_without_a_task_that_takes_them_are_refused(tmp_path: Path) -> None:
    root = draw(tmp_path, many(8))
    with pytest.raises(DataError, match=r"none of 8 pictures(.|\n)*--task generate"):
        open_splits(root, format="pictures")


@pytest.mark.parametrize("kind", ["captions", "domains", "pictures"])
def test_what_was_divided_is_written_as_it_was_and_as_no_table_of_classes(tmp_path: Path, kind: str) -> None:
    files = {
        "captions": {**many(8), "t.csv": "file,caption\n" + "".join(f"{n}.png,cat {n}\n" for n in range(8))},
        "domains": {**many(6, prefix="trainA/"), **{f"trainB/{n}.png": 50 + n for n in range(6)}},
        "pictures": many(8),
    }
    splits = open_splits(draw(tmp_path / "data", files[kind]), targets=GENERATION)
    with pytest.raises(ConfigError, match=f"a table of classes cannot hold(.|\n)*written as {kind}"):
        write_splits(splits, tmp_path / "table.csv")
    again = open_splits(write_splits(splits, tmp_path / "out"), targets=GENERATION)
    assert again.summary == splits.summary
    assert not again.made


def test_each_kind_is_converted_to_its_own_format_and_to_none_that_loses_something(tmp_path: Path) -> None:
    table = "image,text_1,text_2\n1.png,a cat,a pet\n2.png,a dog,\n"
    said = draw(tmp_path / "said", {"1.png": 1, "2.png": 2, "t.csv": table})
    report = convert(said, tmp_path / "a", "captions")
    assert report.before == report.after == {"all": {"a cat": 1, "a pet": 1, "a dog": 1}}
    twice = draw(tmp_path / "two", {"A/1.png": 1, "B/1.png": 2, "B/2.png": 3})
    assert convert(twice, tmp_path / "b", "domains").after == {"all": {"A": 1, "B": 2}}
    heap = draw(tmp_path / "heap", {"1.png": 1, "x/2.png": 2})
    assert convert(heap, tmp_path / "c", "pictures").after == {"all": {"any": 2}}
    with pytest.raises(LabelError, match="2 captions, not one class"):
        convert(said, tmp_path / "d", "folder")
    with pytest.raises(DataError, match=r"holds captions .*wanted two domains"):
        convert(said, tmp_path / "d", "domains")
    with pytest.raises(LabelError, match="more is known of the picture"):
        convert(twice, tmp_path / "d", "pictures")
    assert not (tmp_path / "d").exists()


def test_a_copy_with_another_caption_is_refused() -> None:
    with pytest.raises(DataError, match="train, caption 'a cat': 2 captions before, 1 after"):
        compare({"train": {"a cat": 2}}, {"train": {"a cat": 1}}, noun="captions")


def test_another_caption_is_another_data_set(tmp_path: Path) -> None:
    prints = set()
    for number, text in enumerate(("a cat", "a dog", "a cat")):
        root = draw(tmp_path / str(number), {"1.png": 1, "t.csv": f"file,caption\n1.png,{text}\n"})
        prints.add(fingerprint(CaptionsReader().read(root, "all")))
    assert len(prints) == 2


def test_captions_need_no_classes_to_be_matched() -> None:
    data = Dataset((Sample("1", load=lambda: None, target=Caption(("a cat",))),), (), Path("x"), "captions")
    assert match_classes(data, ("cat",)).samples[0].target == Caption(("a cat",))
