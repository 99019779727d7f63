"""Captions, domains and mere pictures: how they are recognised, read, and refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from drawn import draw

from nayan.core.errors import DataError, FormatError, LabelError, NotFound, ShapeError
from nayan.core.types import Caption, Dataset, Domain, Sample
from nayan.data.readers import READERS, recognise
from nayan.data.readers.captions import CaptionsReader
from nayan.data.readers.domains import DomainsReader
from nayan.data.readers.pictures import PicturesReader

GENERATION = ("Caption", "Domain", "Label", "None")


def texts_of(data: Dataset) -> dict[str, tuple[str, ...]]:
    return {sample.id: sample.target.texts for sample in data.samples}


def domains_of(data: Dataset) -> dict[str, str]:
    return {sample.id: data.classes[sample.target.index] for sample in data.samples}


@pytest.mark.parametrize("texts", [(), ("",), (" a",), ("fine", "b\n")])
def test_a_caption_without_words_or_with_space_around_it_is_refused(texts: tuple[str, ...]) -> None:
    with pytest.raises(ShapeError, match="a caption"):
        Caption(texts)


def test_there_are_two_domains() -> None:
    with pytest.raises(ShapeError, match="there are two domains, 0 and 1, got 2"):
        Domain(2)


def test_rows_of_one_picture_are_several_captions(tmp_path: Path) -> None:
    table = '\nimage,caption\n1.png,"a cat, asleep"\n\n2.png,a dog\n1.png,it sleeps\n'
    data = CaptionsReader().read(draw(tmp_path, {"1.png": 1, "2.png": 2, "captions.txt": table}), "all")
    assert texts_of(data) == {"1.png": ("a cat, asleep", "it sleeps"), "2.png": ("a dog",)}
    assert data.classes == ()
    assert data.samples[0].load().shape == (16, 20, 3)


def test_the_bars_of_flickr_and_its_folder_of_pictures_are_understood(tmp_path: Path) -> None:
    table = "image_name| comment_number| comment\n1.png| 0| Two men .\n1.png| 1| They talk .\n"
    root = draw(tmp_path, {"flickr30k_images/1.png": 1, "results.csv": table})
    data = CaptionsReader().read(root, "all")
    assert texts_of(data) == {"flickr30k_images/1.png": ("Two men .", "They talk .")}
    kept = data.info["captions"]["flickr30k_images/1.png"]
    assert [cells["comment_number"] for cells in kept] == ["0", "1"]


def test_every_column_of_captions_counts_and_other_columns_are_kept(tmp_path: Path) -> None:
    header = "filename,caption_from_label,caption_2,caption_id,split\n"
    table = header + "1.png,a cat,a pet,7,train\n2.png,a dog,,8,valid\n"
    root = draw(tmp_path, {"images/1.png": 1, "images/2.png": 2, "t.csv": table})
    reader = CaptionsReader()
    assert reader.splits(root) == ("train", "val")
    data = reader.read(root, "train")
    assert texts_of(data) == {"images/1.png": ("a cat", "a pet")}
    assert data.info == {"captions": {"images/1.png": ({"caption_id": "7"}, {"caption_id": "7"})}}
    assert data.notes == (
        "each of the columns 'caption_from_label', 'caption_2' is a caption of its picture",
    )
    assert texts_of(reader.read(root, "val")) == {"images/2.png": ("a dog",)}


def test_lines_of_json_in_folders_of_splits_are_understood(tmp_path: Path) -> None:
    lines = [
        {"file_name": "1.png", "text": "a cat"},
        {"file_name": "2.png", "text": ["a dog", "it barks"], "n": 3},
    ]
    jsonl = "\n".join(map(json.dumps, lines)) + "\n"
    other = '{"file_name": "1.png", "text": "a cow"}\n\n'
    root = draw(
        tmp_path,
        {
            "train/1.png": 1, "train/2.png": 2, "train/metadata.jsonl": jsonl,
            "validation/1.png": 3, "validation/metadata.jsonl": other,
        },
    )  # fmt: skip
    reader = CaptionsReader()
    assert reader.splits(root) == ("train", "val")
    assert texts_of(reader.read(root, "all")) == {
        "train/1.png": ("a cat",),
        "train/2.png": ("a dog", "it barks"),
        "validation/1.png": ("a cow",),
    }
    assert reader.read(root, "train").info["captions"]["train/2.png"][0] == {"n": "3"}


def test_a_caption_that_is_said_twice_of_one_picture_counts_once(tmp_path: Path) -> None:
    root = draw(tmp_path, {"1.png": 1, "a.csv": "file,caption\n1.png,a cat\n1.png,a cat\n"})
    data = CaptionsReader().read(root, "all")
    assert texts_of(data) == {"1.png": ("a cat",)}
    assert data.notes == ("left out: 1 caption like an earlier one of the same picture",)


@pytest.mark.parametrize(
    ("table", "error", "message"),
    [
        ("file,caption\n1.png,a\n9.png,b\n", DataError, r"t\.csv:3: the picture 9\.png does not exist"),
        ("file,caption\n1.png,  \n", LabelError, r"t\.csv:2: the caption of 1\.png is empty"),
        ("file,caption\n,a cat\n", FormatError, r"t\.csv:2: the file is empty"),
        ("file,caption,split\n1.png,a cat,dev\n", LabelError, r"t\.csv:2: 'dev' is no split"),
        ("file,caption\n1.png,a cat, asleep\n", FormatError, r"t\.csv:2: 3 cells.*2 columns\n.*contains ','"),
        ('file,caption\n1.png,"a" cat\n', FormatError, r"t\.csv:2: .*\n.*quotes"),
        ("file,caption\n", DataError, "the table has no rows"),
        ("file,word\n1.png,a\n", FormatError, "no table has columns of pictures and captions"),
        ("x" * 200_000, FormatError, "no table has columns of pictures and captions"),
        (
            "file,caption,split\n1.png,a,train\n1.png,b,test\n", LabelError,
            r"t\.csv:3: 1\.png is in test, but .*t\.csv:2 has it in train",
        ),
    ],
)  # fmt: skip
def test_a_fault_in_a_table_is_named_with_its_line(
    tmp_path: Path, table: str, error: type[Exception], message: str
) -> None:
    root = draw(tmp_path, {"1.png": 1, "t.csv": table})
    with pytest.raises(error, match=message):
        CaptionsReader().read(root, "all")


@pytest.mark.parametrize(
    ("line", "error", "message"),
    [
        ("{", FormatError, r"metadata\.jsonl:2: is no JSON"),
        ("[1]", FormatError, r"metadata\.jsonl:2: is no object with the key 'file_name'"),
        ('{"file_name": "1.png", "text": 3}', FormatError, r"metadata\.jsonl:2: 3 is no caption"),
        ('{"file_name": "1.png"}', LabelError, r"metadata\.jsonl:2: the caption of 1\.png is empty"),
    ],
)
def test_a_fault_in_lines_of_json_is_named_with_its_line(
    tmp_path: Path, line: str, error: type[Exception], message: str
) -> None:
    first = '{"file_name": "1.png", "text": "a cat"}\n'
    with pytest.raises(error, match=message):
        CaptionsReader().read(draw(tmp_path, {"1.png": 1, "metadata.jsonl": first + line}), "all")


@pytest.mark.parametrize("first", ["{", '["file_name", "text"]', '{"file_name": "1.png"}'])
def test_lines_of_json_about_other_things_are_no_captions(tmp_path: Path, first: str) -> None:
    root = draw(tmp_path, {"1.png": 1, "log.jsonl": first})
    assert CaptionsReader().sniff(root).reason == "there is no table with the columns file and caption"


def test_a_table_that_is_no_text_is_no_captions_and_its_line_is_named(tmp_path: Path) -> None:
    (tmp_path / "captions.csv").write_bytes(b"file,caption\n1.png,\xff\xff\n")
    sniff = CaptionsReader().sniff(tmp_path)
    assert sniff.score < 0.5
    assert "captions.csv:2: is not utf-8" in sniff.reason


def test_a_row_of_one_split_in_the_table_of_another_is_refused(tmp_path: Path) -> None:
    root = draw(tmp_path, {"1.png": 1, "train.csv": "file,caption,split\n1.png,a cat,test\n"})
    with pytest.raises(LabelError, match=r"train\.csv:2: a row of test in the table of train"):
        CaptionsReader().read(root, "all")


def test_a_file_is_neither_domains_nor_pictures(tmp_path: Path) -> None:
    file = draw(tmp_path, {"captions.csv": "file,caption\n"}) / "captions.csv"
    assert CaptionsReader().sniff(file).score == 0.7
    assert DomainsReader().sniff(file).score == PicturesReader().sniff(file).score == 0


def test_tables_of_splits_go_before_others_and_two_of_one_split_are_refused(tmp_path: Path) -> None:
    files = {
        "1.png": 1,
        "2.png": 2,
        "captions_train.csv": "file,caption\n1.png,a\n",
        "all.csv": "file,text\n1.png,z\n",
    }
    root = draw(tmp_path, {**files, "captions_val.csv": "file,caption\n2.png,b\n"})
    data = CaptionsReader().read(root, "train")
    assert texts_of(data) == {"1.png": ("a",)}
    assert data.notes == ("left out: all.csv, another table",)
    with pytest.raises(NotFound, match="no split is named 'test'"):
        CaptionsReader().read(root, "test")
    draw(tmp_path, {"train.csv": "file,caption\n1.png,c\n"})
    with pytest.raises(FormatError, match=r"are named after train: captions_train\.csv, train\.csv"):
        CaptionsReader().read(root, "train")


def test_only_captions_are_written_as_captions(tmp_path: Path) -> None:
    data = Dataset((Sample("1", load=lambda: None),), (), tmp_path, "x")
    with pytest.raises(LabelError, match="1: the picture has no caption"):
        CaptionsReader().write({"all": data}, tmp_path / "out")


def test_domains_are_folders_named_after_a_split_and_a_letter(tmp_path: Path) -> None:
    names = ("trainA/1.png", "trainA/deep/2.png", "trainB/1.png", "test_a/3.png", "test_b/3.png")
    root = draw(tmp_path, {name: number for number, name in enumerate(names)})
    draw(root, {"notes/x.txt": "x", "trainB/list.txt": "x", "more/1.png": 9})
    reader = DomainsReader()
    assert reader.splits(root) == ("train", "test")
    data = reader.read(root, "train")
    assert domains_of(data) == {"trainA/1.png": "A", "trainA/deep/2.png": "A", "trainB/1.png": "B"}
    assert isinstance(data.samples[0].target, Domain)
    assert data.notes == (
        "left out: more/, which is named after no domain",
        "left out: 1 file of other kinds, such as trainB/list.txt",
    )
    assert len(reader.read(root, "all")) == 5


def test_an_empty_domain_is_named(tmp_path: Path) -> None:
    root = draw(tmp_path, {"trainA/1.png": 1, "trainB/1.png": 2, "testB/1.png": 3})
    assert recognise(root).reader.name == "domains"
    with pytest.raises(DataError, match=r"testB/ has pictures, but testA/ has none: the domain A is empty"):
        DomainsReader().read(root, "test")


def test_two_folders_of_one_domain_are_refused(tmp_path: Path) -> None:
    root = draw(tmp_path, {"trainA/1.png": 1, "train_A/1.png": 2, "trainB/1.png": 3})
    with pytest.raises(FormatError, match="trainA/ and train_A/ both name train of the domain A"):
        DomainsReader().read(root, "train")
    assert recognise(root).reader.name == "domains"  # whose reader says what to rename


def test_folders_of_no_domain_are_refused_and_letters_beside_splits_left_out(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="there are no folders trainA and trainB with pictures"):
        DomainsReader().read(draw(tmp_path / "x", {"cat/1.png": 1}), "all")
    root = draw(tmp_path / "y", {"trainA/1.png": 1, "trainB/1.png": 2, "A/1.png": 3})
    assert DomainsReader().read(root, "all").notes == ("left out: A/, which is named after no domain",)


def test_classes_are_not_written_as_domains(tmp_path: Path) -> None:
    root = draw(tmp_path, {"cat/1.png": 1, "dog/1.png": 2})
    with pytest.raises(LabelError, match="the classes are cat, dog, not A and B"):
        DomainsReader().write({"all": READERS["folder"].read(root, "all")}, tmp_path / "out")


def test_pictures_without_truth_may_lie_at_any_depth_or_in_splits(tmp_path: Path) -> None:
    reader = PicturesReader()
    heap = draw(tmp_path / "heap", {"1.png": 1, "a/b/2.png": 2, "a/x.txt": "x", "train/3.png": 3})
    data = reader.read(heap, "all")
    assert [(sample.id, sample.target) for sample in data.samples] == [
        ("1.png", None), ("a/b/2.png", None), ("train/3.png", None),
    ]  # fmt: skip
    assert data.notes == ("left out: 1 file of other kinds, such as a/x.txt",)
    assert reader.splits(heap) == ()
    parted = draw(tmp_path / "parted", {"train/1.png": 1, "Validation/2.png": 2, "readme.txt": "x"})
    assert reader.splits(parted) == ("train", "val")
    assert [sample.id for sample in reader.read(parted, "val").samples] == ["Validation/2.png"]
    draw(parted, {"val/3.png": 3})
    with pytest.raises(FormatError, match="Validation/ and val/ both name the split 'val'"):
        reader.splits(parted)


def test_a_folder_without_pictures_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds no picture"):
        PicturesReader().read(draw(tmp_path, {"x.txt": "x"}), "all")


def test_what_is_known_of_a_picture_is_not_dropped_in_writing(tmp_path: Path) -> None:
    root = draw(tmp_path, {"cat/1.png": 1, "dog/1.png": 2})
    with pytest.raises(LabelError, match=r"cat/1\.png: more is known of the picture"):
        PicturesReader().write({"all": READERS["folder"].read(root, "all")}, tmp_path / "out")


@pytest.mark.parametrize(
    ("files", "targets", "name"),
    [
        ({"a/1.png": 1, "b/1.png": 2}, GENERATION, "folder"),
        ({"1.png": 1, "2.png": 2}, GENERATION, "pictures"),
        ({"a/1.png": 1}, GENERATION, "pictures"),
        ({"A/1.png": 1, "B/1.png": 2}, GENERATION, "domains"),
        ({"A/1.png": 1, "B/1.png": 2}, (), "folder"),
        ({"A/1.png": 1, "B/1.png": 2, "C/1.png": 3}, GENERATION, "folder"),
        ({"trainA/1.png": 1, "trainB/1.png": 2}, (), "domains"),
        ({"1.png": 1, "t.csv": "file,caption\n1.png,a cat\n"}, (), "captions"),
        ({"1.png": 1, "t.csv": "file,caption,label\n1.png,a cat,cat\n"}, (), "csv"),
        ({"1.png": 1, "t.csv": "file,caption,label\n1.png,a cat,cat\n"}, GENERATION, "captions"),
        ({"images/1.png": 1, "masks/1.png": 2}, GENERATION, "masks"),
    ],
)
def test_what_says_most_of_what_is_wanted_is_taken(
    tmp_path: Path, files: dict[str, int | str], targets: tuple[str, ...], name: str
) -> None:
    assert recognise(draw(tmp_path, files), targets=targets).reader.name == name


def test_pictures_alone_are_only_taken_where_they_are_wanted(tmp_path: Path) -> None:
    root = draw(tmp_path, {"1.png": 1, "2.png": 2})
    for targets in ((), ("Label",), ("Boxes",)):
        with pytest.raises(DataError, match=r"nothing says their classes(.|\n)*--task generate"):
            recognise(root, targets=targets)
    with pytest.raises(DataError, match=r"holds captions .*wanted one class a picture"):
        recognise(draw(root, {"t.csv": "file,caption\n1.png,a cat\n"}), targets=("Label",))
