"""YOLO files: data.yaml in all its spellings, folders, rows, and every way in which they can be wrong."""

from pathlib import Path

import numpy as np
import pytest
from drawn import draw, pixels

from nayan.core.errors import DataError, FormatError, LabelError, NotFound
from nayan.core.types import Boxes, Dataset, Sample
from nayan.data.readers import recognise
from nayan.data.readers.yolo import YoloReader

READER = YoloReader()
ROW = "1 0.5 0.5 0.5 0.25\n"  # of a picture of 20 x 16: 5, 6, 15, 10
BOX = [("b", [5, 6, 15, 10])]
TWINS = {"images/train/1.png": 1, "labels/train/1.txt": ROW}


def boxes_in(data: Dataset) -> dict[str, list[tuple[str, list[float]]]]:
    return {
        sample.id: [
            (data.classes[label], box)
            for label, box in zip(sample.target.labels, sample.target.xyxy.tolist(), strict=True)
        ]
        for sample in data.samples
    }


@pytest.mark.parametrize("names", ["names: [a, b]", "names: {0: a, 1: b}", "nc: 2\nnames:\n  1: b\n  0: a"])
@pytest.mark.parametrize(
    "places",
    [
        "path: .\ntrain: images/train",
        "train: ./images/train/",
        "train: ../images/train\ntest: # optional\n",
        "path: images\ntrain: [train]\nval: null",
        "path: /home/me/plates\ntrain: images/train",
        "train: images\\train",
    ],
)
def test_data_yaml_is_read_as_it_is_found_in_the_wild(tmp_path: Path, names: str, places: str) -> None:
    draw(tmp_path, {**TWINS, "data.yaml": f"{places}\n{names}\n"})
    for root in (tmp_path, tmp_path / "data.yaml"):
        found = recognise(root)
        assert (found.reader.name, found.reason) == ("yolo", "data.yaml names 2 classes")
        assert READER.splits(root) == ("train",)
        data = READER.read(root, "train")
        assert boxes_in(data) == {"images/train/1.png": BOX}
        assert data.notes == ("train has no box of class 'a'",)


def test_a_path_of_another_machine_is_taken_for_its_end_and_told(tmp_path: Path) -> None:
    draw(tmp_path, {**TWINS, "data.yaml": "train: C:\\x\\images\\train\nval: /y/images/val\nnames: [a, b]\n"})
    data = READER.read(tmp_path, "train")
    assert list(boxes_in(data)) == ["images/train/1.png"]
    assert data.notes[0].startswith("train: C:\\x\\images\\train does not exist here, taken for ")
    assert data.notes[1].startswith("left out: val: /y/images/val, which does not exist (")
    assert data.notes[1].endswith("data.yaml:2)")


def test_lists_name_pictures_one_a_line(tmp_path: Path) -> None:
    draw(tmp_path, {**TWINS, "images/train/2.png": 2, "labels/train/2.txt": ""})
    draw(
        tmp_path,
        {"train.txt": "./images/train/1.png\n\nimages/train/gone.png\n", "val.txt": "images/train/2.png"},
    )
    draw(tmp_path, {"data.yaml": "train: train.txt\nval: val.txt\nnames: [a, b]\n"})
    data = READER.read(tmp_path, "train")
    assert boxes_in(data) == {"images/train/1.png": BOX}
    assert data.notes[0] == "left out: 1 picture of a list, whose file does not exist (train.txt:3)"
    assert boxes_in(READER.read(tmp_path, "val")) == {"images/train/2.png": []}


@pytest.mark.parametrize(
    ("pictures", "labels", "splits"),
    [
        ("images/train", "labels/train", ("train",)),
        ("train/images", "train/labels", ("train",)),
        ("train", "train", ("train",)),
        ("images", "labels", ()),
        ("images/deep", "labels/deep", ()),
        (".", ".", ()),
    ],
)
def test_folders_without_data_yaml_are_understood(
    tmp_path: Path, pictures: str, labels: str, splits: tuple[str, ...]
) -> None:
    draw(
        tmp_path,
        {f"{pictures}/1.png": 1, f"{labels}/1.txt": ROW, f"{labels}/0.txt": "", "notes.txt": "hello"},
    )
    draw(tmp_path, {"classes.txt": "a\nb\n"})
    assert recognise(tmp_path).reader.name == "yolo"
    assert READER.splits(tmp_path) == splits
    data = READER.read(tmp_path, "all")
    assert list(boxes_in(data).values()) == [BOX]
    with pytest.raises(NotFound, match="no split is named 'dev'"):
        READER.read(tmp_path, "dev")


def test_classes_that_nobody_names_are_numbered_alike_in_all_splits(tmp_path: Path) -> None:
    draw(
        tmp_path,
        {**TWINS, "images/val/2.png": 2, "labels/val/2.txt": "3 0.5 0.5 0.5 0.5\n", "images/test/3.png": 3},
    )
    data = READER.read(tmp_path, "train")
    assert data.classes == ("0", "1", "2", "3")
    assert data.notes[0] == "no file names the classes, so they are numbered; classes.txt would name them"
    draw(tmp_path, {"labels/val/2.txt": "999999999 0.5 0.5 0.5 0.5\n"})
    with pytest.raises(LabelError, match=r"2\.txt:1: class 999999999, but no file names the classes"):
        READER.read(tmp_path, "train")


def test_names_of_data_yaml_may_stand_in_classes_txt(tmp_path: Path) -> None:
    draw(tmp_path, {**TWINS, "data.yaml": "train: images/train\n", "labels/classes.txt": "yes\nno\n\n"})
    assert READER.read(tmp_path, "train").classes == ("yes", "no")
    draw(tmp_path, {"labels/classes.txt": "yes\n\nno\n"})
    with pytest.raises(FormatError, match=r"classes\.txt:2: the name of the class is missing"):
        READER.read(tmp_path, "train")
    (tmp_path / "data.yaml").unlink()
    assert READER.sniff(tmp_path).score < 0.5


def test_names_are_text_and_nothing_is_ever_run(tmp_path: Path) -> None:
    command = f"download: |\n  import pathlib; pathlib.Path({str(tmp_path / 'run')!r}).touch()\n"
    tag = "extra: !!python/object/apply:os.mkdir [run]\n"
    draw(tmp_path, {**TWINS, "data.yaml": f"train: images/train\nnames: [yes, 2]\n{command}{tag}"})
    data = READER.read(tmp_path, "train")
    assert data.classes == ("yes", "2")
    assert "data.yaml: `download` is not run" in data.notes
    assert not list(tmp_path.rglob("run"))


def test_empty_and_missing_labels_are_background_and_missing_ones_are_counted(tmp_path: Path) -> None:
    draw(tmp_path, {**TWINS, "images/train/2.png": 2, "images/train/3.png": 3, "labels/train/2.txt": "\n"})
    draw(tmp_path, {"labels/train/9.txt": ROW, "data.yaml": "train: images/train\nnames: [a, b]\n"})
    data = READER.read(tmp_path, "train")
    assert [len(sample.target) for sample in data.samples] == [1, 0, 0]
    assert data.notes == (
        "left out: 1 file of labels without a picture (labels/train/9.txt)",
        "background, for want of a file of labels: 1 picture (images/train/3.png)",
        "train has no box of class 'a'",
        "train has 2 pictures of the background, without a box",
    )


def test_pictures_without_a_folder_of_labels_have_no_target(tmp_path: Path) -> None:
    draw(tmp_path, {**TWINS, "images/test/2.png": 2})
    draw(tmp_path, {"data.yaml": "train: images/train\ntest: images/test\nnames: [a, b]\n"})
    data = READER.read(tmp_path, "test")
    assert data.samples[0].target is None
    assert data.notes[0].startswith(
        "left without a target: 1 picture of a folder that has no folder of labels"
    )
    (tmp_path / "labels" / "train" / "1.txt").unlink()
    (tmp_path / "labels" / "train").rmdir()
    with pytest.raises(
        DataError, match=r"no picture of train has labels; .*labels/train/1\.txt is not there"
    ):
        READER.read(tmp_path, "train")


def test_pictures_with_no_labels_beside_them_have_no_target(tmp_path: Path) -> None:
    draw(tmp_path, {"train/1.png": 1, "train/1.txt": ROW, "test/2.png": 2, "test/notes.txt": "x"})
    assert READER.read(tmp_path, "test").samples[0].target is None


def test_polygons_give_the_boxes_around_them(tmp_path: Path) -> None:
    rows = ROW + "0 0.25 0.5 0.5 0.75 0.75 0.25\n1.0 0.1 0.5 0.2 0.5 0.2 0.75 0.1 0.75\n"
    draw(tmp_path, {**TWINS, "labels/train/1.txt": rows, "data.yaml": "train: images/train\nnames: [a, b]\n"})
    data = READER.read(tmp_path, "train")
    assert boxes_in(data) == {"images/train/1.png": [*BOX, ("a", [5, 4, 15, 12]), ("b", [2, 8, 4, 12])]}
    assert data.notes == (
        "the box around it stands for a polygon: 2 rows (labels/train/1.txt:2, labels/train/1.txt:3)",
    )


def test_key_points_after_a_box_are_passed_over(tmp_path: Path) -> None:
    text = "train: images/train\nnames: [a, b]\nkpt_shape: [2, 2]\n"
    draw(tmp_path, {**TWINS, "labels/train/1.txt": ROW.strip() + " 0.1 0.1 0.9 0.9\n", "data.yaml": text})
    assert boxes_in(READER.read(tmp_path, "train")) == {"images/train/1.png": BOX}


@pytest.mark.parametrize(
    ("row", "error", "message"),
    [
        ("7 0.5 0.5 0.1 0.1", LabelError, r"class 7, but data\.yaml declares 2 classes \(0-1\)"),
        ("car 0.5 0.5 0.1 0.1", LabelError, r"the class is 'car', expected its number"),
        ("-1 0.5 0.5 0.1 0.1", LabelError, r"the class is '-1'"),
        ("0.5 0.5 0.5 0.1 0.1", LabelError, r"the class is '0\.5'"),
        ("inf 0.5 0.5 0.1 0.1", LabelError, r"the class is 'inf'"),
        ("0 0.5 0.5 0.1", FormatError, r"4 numbers, expected 5"),
        ("0 0.5 0.5 0.1 0.1 0.9", FormatError, r"6 numbers(.|\n)*the sixth number looks like the confidence"),
        ("0 0.5 0.5 0.1 0.1 0.9 0.9 0.9", FormatError, r"8 numbers, expected 5, or 7, 9"),
        ("0 320 200 50 40", FormatError, r"320 is no fraction .* expected 0 to 1\n.*look like pixels"),
        ("0 0.5 x 0.1 0.1", FormatError, r"a coordinate is 'x', expected a finite number"),
        ("0 0.5 nan 0.1 0.1", FormatError, r"a coordinate is 'nan'"),
    ],
)  # fmt: skip
def test_impossible_rows_are_refused_with_file_and_line(
    tmp_path: Path, row: str, error: type[Exception], message: str
) -> None:
    text = f"{ROW}\n{row}\n"
    draw(tmp_path, {**TWINS, "labels/train/1.txt": text, "data.yaml": "train: images/train\nnames: [a, b]\n"})
    with pytest.raises(error, match=rf"labels/train/1\.txt:3: {message}"):
        READER.read(tmp_path, "train")


def test_boxes_that_stick_out_or_are_empty_are_mended_and_counted(tmp_path: Path) -> None:
    rows = "0 0.9 0.5 0.5 0.5\n0 0.5 0.5 0 0.5\n0 -0.6 0.5 0.2 0.5\n1 0.500001 0.5 1.0 1.0\n"
    draw(tmp_path, {**TWINS, "labels/train/1.txt": rows, "data.yaml": "train: images/train\nnames: [a, b]\n"})
    data = READER.read(tmp_path, "train")
    kept = boxes_in(data)["images/train/1.png"]
    assert [label for label, _ in kept] == ["a", "b"]
    assert np.allclose([box for _, box in kept], [[13, 4, 20, 12], [0, 0, 20, 16]], atol=1e-4)
    assert data.notes == (
        "cut to the picture: 1 box that stuck out of it (labels/train/1.txt:1)",
        "left out: 1 box without area (labels/train/1.txt:2)",
        "left out: 1 box wholly outside of the picture (labels/train/1.txt:3)",
    )


def test_a_broken_picture_has_no_target_and_is_told(tmp_path: Path) -> None:
    draw(tmp_path, {**TWINS, "data.yaml": "train: images/train\nnames: [a, b]\n"})
    (tmp_path / "images" / "train" / "1.png").write_bytes(b"broken")
    data = READER.read(tmp_path, "train")
    assert data.samples[0].target is None
    assert data.notes[0] == "left without a target: 1 picture whose size cannot be read (labels/train/1.txt)"


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("names: [a, b\ntrain: x", FormatError, r"data\.yaml:2: is no YAML: .*expected"),
        ("names: \x01", FormatError, r"data\.yaml: is no YAML: "),
        ("[" * 1500, FormatError, r"data\.yaml.* is no YAML: "),
        ("- a\n- b", FormatError, r"data\.yaml:1: holds no `key: value` lines"),
        ("path: [a]\nnames: [a]", FormatError, r"data\.yaml:1: path is no text"),
        ("train: images/train\nnc: 3\nnames: [a, b]", FormatError, r":2: nc is 3, but there are 2 names"),
        ("nc: [3]\nnames: [a, b]", FormatError, r":1: nc is no number, but there are 2 names"),
        ("names: {0: a, 2: b}", FormatError, r":1: the numbers of the names are 0, 2, expected 0 to 1"),
        ("x: 1\nnames: [a, [b]]", FormatError, r":2: names is neither a list of names nor"),
        ("names: &n [*n]", FormatError, r":1: is no YAML: .*recursive"),
        ("names: [a, b, a]", LabelError, r":1: the class 'a' stands twice"),
        ("names: [a, b]\ntrain: {x: y}", FormatError, r":2: train is no folder, list of folders"),
        ("names: [a, b]\ntrain: pics\nval: x", FormatError, r":2: none of pics, x exists\nwrite the"),
        ("names: [a, b]\ntrain: labels", DataError, r"train has no picture"),
    ],
)  # fmt: skip
def test_data_yaml_that_is_wrong_is_refused(
    tmp_path: Path, text: str, error: type[Exception], message: str
) -> None:
    draw(tmp_path, {**TWINS, "data.yaml": text})
    with pytest.raises(error, match=message):
        READER.read(tmp_path, "train")
    assert READER.sniff(tmp_path).score > 0.5


def test_data_yaml_may_have_another_name_but_only_one(tmp_path: Path) -> None:
    text = "train: images/train\nnames: [a, b]\n"
    draw(tmp_path, {**TWINS, "plates.yaml": text, "other.yaml": "x: 1", "broken.yml": "[", "a.txt": ""})
    assert list(boxes_in(READER.read(tmp_path, "train"))) == ["images/train/1.png"]
    draw(tmp_path, {"more.yaml": text})
    with pytest.raises(FormatError, match=r"several files have `names`: more\.yaml, plates\.yaml"):
        READER.read(tmp_path, "train")


@pytest.mark.parametrize(
    "files",
    [
        {"images/1.png": 1, "labels/1.txt": "a picture of a cat"},
        {"images/1.png": 1, "labels/1.txt": ""},
        {"images/1.png": 1},
        {"1.png": 1, "2.txt": ROW},
        {"1.png": 1, "list.txt": "x"},
        {"a.txt": ROW},
    ],
)
def test_other_folders_are_not_mistaken_for_yolo(tmp_path: Path, files: dict[str, int | str]) -> None:
    assert READER.sniff(draw(tmp_path, files)).score == 0
    draw(tmp_path, {"x.bin": "x"})
    assert READER.sniff(tmp_path / "x.bin").score == 0


def test_two_pictures_that_would_share_a_file_of_labels_are_written_apart(tmp_path: Path) -> None:
    draw(tmp_path, {"in/1.png": 1, "in/1.bmp": 2})
    boxes = [Boxes(np.array([[0, 0, n, 3]], np.float32), np.array([0])) for n in (4, 5)]
    samples = [
        Sample(name, load=None, target=target, path=tmp_path / "in" / name)  # type: ignore[arg-type]
        for name, target in zip(("1.png", "1.bmp"), boxes, strict=True)
    ]
    READER.write({"train": Dataset(tuple(samples), ("a",), tmp_path, "drawn")}, tmp_path / "out")
    assert boxes_in(READER.read(tmp_path / "out", "train")) == {
        "images/train/1.png": [("a", [0, 0, 4, 3])], "images/train/1-bmp.bmp": [("a", [0, 0, 5, 3])],
    }  # fmt: skip


def test_what_is_written_starts_at_its_own_folder_for_every_reader(tmp_path: Path) -> None:
    """Some readers take `path: .` for the folder in which they were started."""
    data = Dataset((Sample("a", load=lambda: pixels(1), target=Boxes.none()),), ("a",), tmp_path, "drawn")
    READER.write({"train": data, "val": data}, tmp_path / "out")
    text = (tmp_path / "out" / "data.yaml").read_text()
    assert text == "train: images/train\nnames:\n  0: a\nval: images/val\n"


def test_a_crowd_is_not_written_as_if_it_were_one_object(tmp_path: Path) -> None:
    xyxy = np.array([[0, 0, 1, 1], [0, 0, 4, 3]], np.float32)
    boxes = Boxes(xyxy, np.array([0, 0]), crowd=np.array([True, False]))
    data = Dataset((Sample("1.png", load=lambda: pixels(1), target=boxes),), ("a",), tmp_path, "drawn")
    READER.write({"all": data}, tmp_path / "out")
    assert list(boxes_in(READER.read(tmp_path / "out", "all")).values()) == [[("a", [0, 0, 4, 3])]]


@pytest.mark.data
def test_the_real_plates_are_recognised_and_complete(data_packs: Path) -> None:
    root = data_packs / "detect-plates"
    assert recognise(root).reader.name == "yolo"
    counts = {"train": (100, 120), "val": (25, 34), "test": (25, 32), "all": (150, 186)}
    for split, expected in counts.items():
        data = READER.read(root, split)
        assert (len(data), sum(len(sample.target) for sample in data.samples)) == expected
        assert (data.classes, data.notes) == (("license-plate",), ())
