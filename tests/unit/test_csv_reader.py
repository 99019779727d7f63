"""Tables: headers, separators, encodings, splits, and every way in which a row can be wrong."""

from pathlib import Path

import pytest
from drawn import classes_of, draw, pixels

from nayan.core.errors import DataError, FormatError, LabelError, NotFound
from nayan.core.types import Dataset, Label, Sample
from nayan.data.readers.csv import CsvReader

READER = CsvReader()
PICTURES = {"images/1.png": 1, "images/2.png": 2, "images/3.png": 3}


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize(
    "header", ["file{}label", "Image Path{}Class", "id{}filename{}target", "img{}y{}note"]
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_header_separator_and_encoding_are_found(
    tmp_path: Path, separator: str, header: str, encoding: str
) -> None:
    draw(tmp_path, PICTURES)
    columns = header.replace("{}", ",").split(",")
    file = next(
        i for i, name in enumerate(columns) if name.lower() in ("file", "image path", "filename", "img")
    )
    label = next(i for i, name in enumerate(columns) if name.lower() in ("label", "class", "target", "y"))
    lines = [columns]
    for number, name in ((1, "rose"), (2, "tülip"), (3, "rose")):
        cells = ["x"] * len(columns)
        cells[file], cells[label] = f"images/{number}.png", name
        lines.append(cells)
    text = "\r\n".join(separator.join(line) for line in lines)
    (tmp_path / "table.csv").write_bytes(text.encode(encoding))
    for root in (tmp_path, tmp_path / "table.csv"):
        assert READER.sniff(root).score >= 0.9
        data = READER.read(root, "all")
        assert classes_of(data) == {"images/1.png": "rose", "images/2.png": "tülip", "images/3.png": "rose"}
        assert READER.splits(root) == ()


def test_files_are_looked_up_in_images_and_in_a_folder_named_as_the_table(tmp_path: Path) -> None:
    draw(tmp_path, {**PICTURES, "train/t.png": 4, "train.csv": "file,label\n1.png,a\nt.png,b\n"})
    assert set(classes_of(READER.read(tmp_path, "all"))) == {"images/1.png", "train/t.png"}


def test_backslashes_and_decomposed_names_are_understood(tmp_path: Path) -> None:
    draw(
        tmp_path,
        {"images/u\u0308.png": 1, "sub/2.png": 2, "t.csv": "file,label\n\u00fc.png,a\nsub\\2.png,b\n"},
    )
    assert set(classes_of(READER.read(tmp_path, "all"))) == {"images/\u00fc.png", "sub/2.png"}


def test_a_split_column_divides_the_rows(tmp_path: Path) -> None:
    draw(tmp_path, PICTURES)
    draw(tmp_path, {"t.csv": "file,label,split\n1.png,a,Train\n2.png,b,validation\n\n3.png,a,train\n"})
    assert READER.splits(tmp_path) == ("train", "val")
    assert classes_of(READER.read(tmp_path, "train")) == {"images/1.png": "a", "images/3.png": "a"}
    assert READER.read(tmp_path, "val").classes == ("a", "b")
    with pytest.raises(NotFound, match="no split is named 'test'"):
        READER.read(tmp_path, "test")


def test_one_table_for_each_split(tmp_path: Path) -> None:
    draw(tmp_path, {**PICTURES, "val_labels.csv": "file,label\n2.png,b\n", "test.csv": "file\n3.png\n"})
    draw(tmp_path, {"train.csv": "file,label\n1.png,a\n"})
    assert READER.splits(tmp_path) == ("train", "val")
    data = READER.read(tmp_path, "all")
    assert [sample.id for sample in data.samples] == ["images/1.png", "images/2.png"]
    assert "left out: test.csv, which is named after no split or lacks a column" in data.notes


def test_repeated_rows_count_once_and_are_told(tmp_path: Path) -> None:
    draw(tmp_path, {**PICTURES, "t.csv": "file,label\n1.png,a\n2.png,b\nimages/../images/1.png,a\n"})
    data = READER.read(tmp_path, "all")
    assert (len(data), data.notes) == (2, ("left out: 1 row like an earlier one",))


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        (
            "file,label\n1.png,a\nmissing.png,b\n",
            DataError,
            r"t.csv:3: the picture missing.png does not exist",
        ),
        ("file,label\n1.png,a\n/home/x/2.png,b\n", DataError, r"t.csv:3: .*\n.*perhaps of another machine"),
        ("file,label\n1.png,a\nC:\\x\\2.png,b\n", DataError, r"t.csv:3: .*\n.*perhaps of another machine"),
        ("file,label\n1.png,a\n2,b\n", DataError, r"t.csv:3: .*\n.*no suffix of a picture"),
        ("file,label\n1.png,a\n2.png\n", FormatError, r"t.csv:3: 1 cells, but the header has 2 columns"),
        ("file,label\n1.png,a\n,b\n", FormatError, r"t.csv:3: the cell 'file' is empty"),
        ("file,label\n1.png,a\n2.png, \n", LabelError, r"t.csv:3: the class of 2.png is empty"),
        ("file,label\n1.png,a\n1.png,b\n", LabelError, r"t.csv:3: .* is 'b' \(all\), but .*t.csv:2 says 'a'"),
        (
            "file,label,split\n1.png,a,train\n1.png,a,test\n",
            LabelError,
            r"t.csv:3: .*\(test\), but .*\(train\)",
        ),
        ("file,label,split\n1.png,a,gallery\n", LabelError, r"t.csv:2: 'gallery' is no split"),
        ('file,label\n1.png,"a\n', FormatError, r"t.csv:2: unexpected end of data"),
        ("file,label\n", DataError, r"a header but no rows"),
        ("1.png,a\n2.png,b\n", FormatError, r"no table has a file and a label column \(t.csv:1: 1.png, a\)"),
        ("", FormatError, r"no table has a file and a label column"),
        ("x" * 200_000, FormatError, r"t.csv:1: field larger than field limit"),
    ],
)
def test_every_wrong_row_is_named_by_file_and_line(
    tmp_path: Path, text: str, error: type[DataError], message: str
) -> None:
    draw(tmp_path, {**PICTURES, "t.csv": text})
    with pytest.raises(error, match=message):
        READER.read(tmp_path, "all")


def test_text_of_an_unknown_encoding_is_named_by_line(tmp_path: Path) -> None:
    draw(tmp_path, PICTURES)
    (tmp_path / "t.csv").write_bytes("file,label\n1.png,a\n2.png,t\u00fclip\n".encode("latin-1"))
    with pytest.raises(FormatError, match=r"t\.csv:3: is not utf-8-sig text"):
        READER.read(tmp_path, "all")
    assert READER.sniff(tmp_path).score < 0.5


def test_a_table_that_cannot_be_opened_is_named(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match=r"gone\.csv: cannot be read: No such file"):
        READER.read(tmp_path / "gone.csv", "all")


def test_a_row_in_the_table_of_another_split_is_refused(tmp_path: Path) -> None:
    draw(tmp_path, {**PICTURES, "train.csv": "file,label,split\n1.png,a,test\n"})
    draw(tmp_path, {"test.csv": "file,label\n2.png,a\n"})
    with pytest.raises(LabelError, match=r"train\.csv:2: a row of test in the table of train"):
        READER.read(tmp_path, "all")


def test_it_must_be_clear_which_table_is_meant(tmp_path: Path) -> None:
    text = "file,label\n1.png,a\n"
    draw(tmp_path / "two", {**PICTURES, "one.csv": text, "other.csv": text})
    with pytest.raises(
        FormatError, match=r"several tables have a file and a label column: one\.csv, other\.csv"
    ):
        READER.read(tmp_path / "two", "all")
    draw(tmp_path / "twice", {**PICTURES, "val.csv": text, "valid.csv": text})
    with pytest.raises(FormatError, match=r"several tables are named after one split: val\.csv, valid\.csv"):
        READER.read(tmp_path / "twice", "all")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("filename,class,xmin,ymin,xmax,ymax\n", "those of boxes"),
        ("file,label,bbox\n", "those of boxes"),
        ("image_a,image_b,same\n", "has no file and no label column"),
        ("image,role,product\n", "has no label column"),
        ("class,a,b\n", "has no file column"),
    ],
)
def test_tables_of_other_tasks_are_not_claimed(tmp_path: Path, text: str, reason: str) -> None:
    draw(tmp_path, {"t.csv": text, "notes.txt": "x"})
    sniff = READER.sniff(tmp_path)
    assert sniff.score < 0.5
    assert reason in sniff.reason


def test_without_a_table_there_is_nothing_to_claim(tmp_path: Path) -> None:
    draw(tmp_path, {"a.png": 1})
    assert READER.sniff(tmp_path).score == READER.sniff(tmp_path / "a.png").score == 0


@pytest.mark.parametrize("name", ["", " a"])
def test_a_class_that_a_cell_cannot_hold_is_refused(tmp_path: Path, name: str) -> None:
    data = Dataset((Sample("1", lambda: pixels(0), Label(0)),), (name,), tmp_path, "idx")
    with pytest.raises(LabelError, match="is empty or has spaces around it"):
        READER.write({"all": data}, tmp_path / "out")
