"""Tables of boxes: headers, units, splits, the background, and every way in which a row can be wrong."""

import csv
from pathlib import Path

import numpy as np
import pytest
from drawn import draw, pixels
from hypothesis import given, settings
from hypothesis import strategies as st

from nayan.core.errors import DataError, FormatError, LabelError, NotFound
from nayan.core.types import Boxes, Dataset, Sample
from nayan.data.readers import recognise
from nayan.data.readers.csv import CsvReader
from nayan.data.readers.csv_boxes import CsvBoxesReader
from nayan.data.splits import open_splits

READER = CsvBoxesReader()
PICTURES = {"images/1.png": 1, "images/2.png": 2}
HEADER = "filename,width,height,class,xmin,ymin,xmax,ymax\n"
BOX = [2.0, 3.0, 10.0, 12.0]


def boxes_in(data: Dataset) -> dict[str, list[tuple[str, list[float]]]]:
    return {
        sample.id: [
            (data.classes[label], box)
            for label, box in zip(sample.target.labels, sample.target.xyxy.tolist(), strict=True)
        ]
        for sample in data.samples
    }


def table(root: Path, text: str, name: str = "boxes.csv") -> Dataset:
    """Write a table beside two pictures of 20 x 16 pixels, and read it."""
    draw(root, {**PICTURES, name: text})
    return READER.read(root, "all")


@pytest.mark.parametrize(
    ("header", "row"),
    [
        ("filename,width,height,class,xmin,ymin,xmax,ymax", "1.png,20,16,cup,2,3,10,12"),
        ("image,x1,y1,x2,y2,label", "images/1.png,2,3,10,12,cup"),
        ("Image Path;X_Min;Y_Min;X_Max;Y_Max;Label", "images\\1.png;2;3;10;12;cup"),
        ("Filename;Width;Height;Roi.X1;Roi.Y1;Roi.X2;Roi.Y2;ClassId", "1.png;20;16;2;3;10;12;cup"),
        ("image_name\tx\ty\twidth\theight\tcategory", "1.png\t2\t3\t8\t9\tcup"),
        ("image_id,width,height,bbox,label", '1,20,16,"[2.0, 3.0, 8.0, 9.0]",cup'),
        ("file,bbox_x,bbox_y,bbox_w,bbox_h,name", "1.png,2,3,8,9,cup"),
        ("file,x_center,y_center,width,height,name", "1.png,6,7.5,8,9,cup"),
        ("file|left|top|right|bottom|class", "1.png|2|3|10|12|cup"),
        ("ImageID,Source,LabelName,Confidence,XMin,XMax,YMin,YMax,IsGroupOf", "1,x,cup,1,.1,.5,.1875,.75,0"),
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_usual_headers_are_understood(tmp_path: Path, header: str, row: str, encoding: str) -> None:
    draw(tmp_path, PICTURES)
    (tmp_path / "t.csv").write_bytes(f"{header}\r\n{row}\r\n".encode(encoding))
    assert recognise(tmp_path).reader.name == "csv_boxes"
    for root in (tmp_path, tmp_path / "t.csv"):
        assert boxes_in(READER.read(root, "all")) == {"images/1.png": [("cup", BOX)]}
        assert READER.splits(root) == ()


def test_rows_of_retinanet_have_no_header_and_empty_cells_for_the_background(tmp_path: Path) -> None:
    data = table(tmp_path, "images/1.png,2,3,10,12,cup\nimages/2.png,,,,,\n")
    assert boxes_in(data) == {"images/1.png": [("cup", BOX)], "images/2.png": []}
    assert data.notes == ("the data set has 1 picture of the background, without a box",)
    again = table(tmp_path, "images/2.png,,,,,\nimages/1.png,2,3,10,12,cup\n")
    assert boxes_in(again) == boxes_in(data)


def test_a_bbox_that_only_fits_as_corners_is_read_as_such_and_told(tmp_path: Path) -> None:
    data = table(tmp_path, 'file,label,bbox\n1.png,a,"[12, 8, 20, 16]"\n2.png,a,"(1 2 3 4)"\n1.png,,\n')
    assert boxes_in(data)["images/1.png"] == [("a", [12, 8, 20, 16])]
    assert data.notes == (
        "bbox was read as left, top, right, bottom: as x, y, width, height boxes stick out",
    )


def test_without_a_column_of_classes_every_box_is_an_object(tmp_path: Path) -> None:
    data = table(tmp_path, 'image_id,bbox\n1,"[2, 3, 8, 9]"\n2,\n')
    assert boxes_in(data) == {"images/1.png": [("object", BOX)], "images/2.png": []}
    assert "no column names classes: every box is 'object'" in data.notes


def test_pixels_are_edges_and_open_images_marks_groups(tmp_path: Path) -> None:
    header = "ImageID,LabelName,XMin,XMax,YMin,YMax,IsGroupOf\n"
    data = table(tmp_path, header + "1,cup,0,1,0,1,1\n1,cup,0.5,1,0,1,0\n")
    target = data.samples[0].target
    assert target.xyxy.tolist() == [[0, 0, 20, 16], [10, 0, 20, 16]]
    assert target.crowd.tolist() == [True, False]


def test_a_column_of_splits_divides_the_rows(tmp_path: Path) -> None:
    draw(tmp_path, {**PICTURES, "t.csv": "file,label,x1,y1,x2,y2,split\n1.png,b,2,3,10,12,Train\n"})
    with (tmp_path / "t.csv").open("a") as stream:
        stream.write("\n2.png,a,2,3,10,12,validation\n")
    assert READER.splits(tmp_path) == ("train", "val")
    data = READER.read(tmp_path, "val")
    assert (data.classes, boxes_in(data)) == (("a", "b"), {"images/2.png": [("a", BOX)]})
    with pytest.raises(NotFound, match="no split is named 'test'"):
        READER.read(tmp_path, "test")


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("train_labels.csv", "val_labels.csv"),
        ("train/_annotations.csv", "valid/_annotations.csv"),
        ("annotations/boxes-train.csv", "annotations/boxes-valid.csv"),
    ],
)
def test_a_table_for_each_split_finds_pictures_of_equal_names_in_its_folder(
    tmp_path: Path, first: str, second: str
) -> None:
    draw(tmp_path, {"train/1.png": 1, "valid/1.png": 2, "submission.csv": "id,answer\n"})
    draw(
        tmp_path, {first: HEADER + "1.png,20,16,a,2,3,10,12\n", second: HEADER + "1.png,20,16,b,2,3,10,12\n"}
    )
    assert READER.splits(tmp_path) == ("train", "val")
    assert boxes_in(READER.read(tmp_path, "train")) == {"train/1.png": [("a", BOX)]}
    data = READER.read(tmp_path, "val")
    assert boxes_in(data) == {"valid/1.png": [("b", BOX)]}
    assert "left out: submission.csv, another table" in data.notes


def test_pictures_in_folders_of_splits_need_no_column(tmp_path: Path) -> None:
    draw(tmp_path, {"train/1.png": 1, "test/1.png": 2})
    draw(tmp_path, {"t.csv": HEADER + "train/1.png,20,16,a,2,3,10,12\ntest/1.png,20,16,a,2,3,10,12\n"})
    assert READER.splits(tmp_path) == ("train", "test")


def test_pictures_without_a_row_are_left_out_but_those_of_negative_are_background(tmp_path: Path) -> None:
    draw(tmp_path, {"negative/9.png": 9, "train/1.png": 1, "test/2.png": 2, "test/3.png": 3})
    for split, number in (("train", 1), ("test", 2)):
        draw(tmp_path, {f"{split}.csv": HEADER + f"{number}.png,20,16,a,2,3,10,12\n"})
    data = READER.read(tmp_path, "train")
    assert boxes_in(data) == {"negative/9.png": [], "train/1.png": [("a", BOX)]}
    assert data.notes == (
        "taken for background: 1 picture of negative/ without a row, in train",
        "left out: 1 picture of which no annotation speaks (test/3.png)",
        "train has 1 picture of the background, without a box",
    )
    assert list(boxes_in(READER.read(tmp_path, "test"))) == ["test/2.png"]
    assert len(table(tmp_path / "all", HEADER + "1.png,,,a,2,3,10,12\n")) == 1
    draw(tmp_path / "all", {"empty/8.png": 8})
    whole = READER.read(tmp_path / "all", "all")
    assert boxes_in(whole)["empty/8.png"] == []
    assert whole.notes[0] == "taken for background: 1 picture of empty/ without a row"


def test_crowds_and_areas_have_columns_of_their_own(tmp_path: Path) -> None:
    data = table(tmp_path, "file,class,x1,y1,x2,y2,crowd,area\n1.png,a,2,3,10,12,1,\n1.png,a,2,3,10,12,0,7\n")
    target = data.samples[0].target
    assert (target.crowd.tolist(), target.covered.tolist()) == ([True, False], [72, 7])


def test_areas_and_crowds_get_columns_only_where_there_are_some(tmp_path: Path) -> None:
    boxes = Boxes(np.array([BOX], np.float32), np.array([0]))
    for number, more in enumerate([{}, {"areas": np.array([7], np.float32)}, {"crowd": np.array([True])}]):
        target = Boxes(boxes.xyxy, boxes.labels, **more)
        data = Dataset((Sample("1", lambda: pixels(0), target),), ("a",), tmp_path, "drawn")
        READER.write({"train": data}, tmp_path / str(number))
        header = (tmp_path / str(number) / "boxes.csv").read_text().partition("\n")[0]
        assert header == HEADER.strip() + ",split" + ["", ",area", ",crowd"][number]


def test_a_missing_picture_is_left_out_and_told(tmp_path: Path) -> None:
    data = table(tmp_path, HEADER + "1.png,20,16,a,2,3,10,12\n9.png,20,16,a,2,3,10,12\n")
    assert list(boxes_in(data)) == ["images/1.png"]
    assert "left out: 1 row whose file does not exist (boxes.csv:3)" in data.notes


def test_a_table_that_is_named_itself_says_nothing_of_the_pictures_around_it(tmp_path: Path) -> None:
    draw(tmp_path, {**PICTURES, "t.csv": HEADER + "1.png,20,16,a,2,3,10,12\n"})
    assert READER.read(tmp_path / "t.csv", "all").notes == ()


@pytest.mark.parametrize(
    ("row", "error", "message"),
    [
        ("2.png,40,32,a,22,3,30,12", LabelError, r"boxes\.csv:3: .*within the declared 40 x 32"),
        ("1.png,20,16,a,2,3,ten,12", FormatError, r"boxes\.csv:3: xmax is 'ten', expected a finite number"),
        ("1.png,20,16,a,2,3,,12", FormatError, r"boxes\.csv:3: xmax is ''"),
        ("1.png,20,16,,2,3,10,12", LabelError, r"boxes\.csv:3: the object has no class"),
        ('1.png,20,16,a,"2,5",3,10,12', FormatError, r"boxes\.csv:3: xmin is '2,5', with a decimal comma"),
        ("1.png,20,16,a,2,5,3,10,12", FormatError, r"boxes\.csv:3: 9 cells, but the header has 8 columns"),
        (",20,16,a,2,3,10,12", FormatError, r"boxes\.csv:3: the cell 'filename' is empty"),
        ('1.png,20,16,"a,2,3,10,12', FormatError, r"boxes\.csv:3: unexpected end of data"),
    ],
)
def test_every_wrong_row_is_named_by_file_and_line(
    tmp_path: Path, row: str, error: type[DataError], message: str
) -> None:
    with pytest.raises(error, match=message):
        table(tmp_path, f"{HEADER}1.png,20,16,a,2,3,10,12\n{row}\n")


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        (HEADER + "1.png,20,16,a,.1,.1,.5,.9\n", LabelError, r"every box .* lies within 0 and 1"),
        ("file,label,bbox\n1.png,a,1 2 3\n", FormatError, r"boxes\.csv:2: bbox has 3 numbers, expected 4"),
        (
            "file,label\n1.png,a\n",
            FormatError,
            r"no table has columns of a file and a box \(boxes\.csv:1: file",
        ),
        ("", FormatError, "no table has columns"),
        ("x" * 200_000, FormatError, r"boxes\.csv:1: field larger than field limit"),
        (HEADER, DataError, "none of the annotated pictures exists"),
        (HEADER + "8.png,20,16,a,1,1,2,2\n", DataError, "none of the annotated pictures exists"),
        (HEADER + "1.png,,,,,,,\n", LabelError, "no picture has an object"),
        (
            HEADER.strip() + ",split\n1.png,20,16,a,1,1,2,2,gallery\n",
            LabelError,
            r":2: 'gallery' is no split",
        ),
        (
            HEADER.strip() + ",split\n1.png,20,16,a,1,1,2,2,train\n1.png,20,16,a,1,1,2,2,val\n",
            LabelError,
            r"boxes\.csv:3: 1\.png is in val, but .*boxes\.csv:2 has it in train",
        ),
    ],
)
def test_a_table_that_makes_no_sense_is_refused(
    tmp_path: Path, text: str, error: type[DataError], message: str
) -> None:
    with pytest.raises(error, match=message):
        table(tmp_path, text)


def test_a_row_in_the_table_of_another_split_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LabelError, match=r"train\.csv:2: a row of val in the table of train"):
        table(tmp_path, HEADER.strip() + ",split\n1.png,20,16,a,1,1,2,2,val\n", "train.csv")


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (("one.csv", "two.csv"), r"several tables have columns of a file and a box: one\.csv, two\.csv"),
        (("val.csv", "valid.csv"), r"several tables are named after val: val\.csv, valid\.csv"),
    ],
)
def test_it_must_be_clear_which_table_is_meant(tmp_path: Path, names: tuple[str, str], message: str) -> None:
    draw(tmp_path, dict.fromkeys(names, HEADER + "1.png,20,16,a,1,1,2,2\n"))
    with pytest.raises(FormatError, match=message):
        READER.read(tmp_path, "all")


def test_a_name_that_could_be_two_pictures_is_refused(tmp_path: Path) -> None:
    draw(tmp_path, {"a/1.png": 1, "b/1.png": 2})
    with pytest.raises(DataError, match=r"boxes\.csv:2: 1\.png could be any of a/1\.png, b/1\.png"):
        READER.read(draw(tmp_path, {"boxes.csv": HEADER + "1.png,20,16,a,1,1,2,2\n"}), "all")


def test_classes_of_a_file_come_in_its_order(tmp_path: Path) -> None:
    draw(tmp_path, {"classes.txt": "b\na\n"})
    assert table(tmp_path, HEADER + "1.png,20,16,a,2,3,10,12\n").classes == ("b", "a")


def test_tables_of_classes_and_other_files_are_not_claimed(tmp_path: Path) -> None:
    draw(tmp_path / "classes", {**PICTURES, "labels.csv": "file,label\n1.png,a\n2.png,b\n"})
    assert READER.sniff(tmp_path / "classes").score < 0.5
    assert recognise(tmp_path / "classes").reader.name == "csv"
    assert READER.sniff(tmp_path / "classes" / "images").score == 0
    assert READER.sniff(tmp_path / "classes" / "images" / "1.png").score == 0
    (tmp_path / "classes" / "labels.csv").write_bytes(b"\xff\xfe\xff")
    assert READER.sniff(tmp_path / "classes").score < 0.5


def test_the_reader_of_classes_names_the_format_of_boxes(tmp_path: Path) -> None:
    draw(tmp_path, {**PICTURES, "t.csv": HEADER + "1.png,20,16,a,2,3,10,12\n"})
    with pytest.raises(FormatError, match="tables of boxes are --format csv_boxes"):
        CsvReader().read(tmp_path, "all")


@settings(max_examples=20, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9), st.sampled_from(["a", 'b"', "c,d"])), max_size=3)
)
def test_the_csv_module_reads_what_is_written(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[int, int, str]]
) -> None:
    root = tmp_path_factory.mktemp("out") / "new"
    classes = ("a", 'b"', "c,d")
    xyxy = np.array([(x, y, x + 2.5, y + 3) for x, y, _ in rows], np.float32).reshape(-1, 4)
    labels = np.array([classes.index(name) for *_, name in rows], np.int64)
    sample = Sample("1", lambda: pixels(0), Boxes(xyxy, labels))
    READER.write({"all": Dataset((sample,), classes, root, "drawn")}, root)
    with (root / "boxes.csv").open(newline="") as stream:
        found = list(csv.DictReader(stream))
    assert [(each["class"], float(each["xmin"] or -1), each["width"]) for each in found] == (
        [(name, float(x), "20") for x, _, name in rows] or [("", -1.0, "20")]
    )


@pytest.mark.data
def test_the_fridge_has_its_boxes_and_five_pictures_of_the_background(data_packs: Path) -> None:
    root = data_packs / "detect-fridge-stock"
    data = READER.read(root, "all")
    assert (len(data), sum(len(sample.target) for sample in data.samples)) == (25 + 5, 225)
    assert np.bincount(data.samples[5].target.labels).sum() == 9
    assert data.classes == (
        "eggBox", "joghurt", "ketchup", "mushroom", "mustard", "orange", "squash", "water",
    )  # fmt: skip
    splits = open_splits(root)
    assert splits.summary.startswith("csv_boxes (8 classes, train 21, val 4, test 5")
    assert "taken for background: 5 pictures of negative/ without a row, in train" in splits.notes
