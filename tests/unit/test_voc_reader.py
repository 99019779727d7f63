"""Pascal VOC: layouts, first pixels, what is kept, and every way in which a file can be wrong."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from drawn import draw, pixels
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from nayan.core.errors import DataError, FormatError, LabelError, NotFound
from nayan.core.types import Boxes, Dataset, Sample
from nayan.data.readers import recognise
from nayan.data.readers.voc import VocReader
from nayan.data.splits import open_splits

READER = VocReader()
SIZE = "<size><width>20</width><height>16</height><depth>3</depth></size>"


def thing(corners: tuple[object, ...] = (3, 4, 10, 12), name: str = "cup", more: str = "") -> str:
    """Return an object on a line of its own."""
    sides = zip(("xmin", "ymin", "xmax", "ymax"), corners, strict=True)
    box = "".join(f"<{side}>{value}</{side}>" for side, value in sides)
    return f"\n<object><name>{name}</name>{more}<bndbox>{box}</bndbox></object>"


def page(*objects: str, filename: str = "", size: str = SIZE) -> str:
    """Return an annotation whose first object stands on line 2."""
    return f"<annotation><filename>{filename}</filename>{size}{''.join(objects)}\n</annotation>"


def boxes_in(data: Dataset) -> dict[str, list[tuple[str, list[float]]]]:
    return {
        sample.id: [
            (data.classes[label], box)
            for label, box in zip(sample.target.labels, sample.target.xyxy.tolist(), strict=True)
        ]
        for sample in data.samples
    }


def one(root: Path, *objects: str, **parts: str) -> Dataset:
    """Write one picture of 20 x 16 pixels with its annotation, and read them."""
    draw(root, {"JPEGImages/1.png": 1, "Annotations/1.xml": page(*objects, **parts)})
    return READER.read(root, "all")


def test_the_layout_of_the_challenge_is_recognised_and_read(tmp_path: Path) -> None:
    lists = {"train": "1\n", "val": "2 1\n\n", "trainval": "1\n2\n", "cup_train": "1 -1\n"}
    files = {f"Annotations/{n}.xml": page(thing(), filename=f"{n}.png") for n in (1, 2, 3)}
    pictures = {f"JPEGImages/{n}.png": n for n in (1, 2, 3)}
    draw(tmp_path, {**files, **pictures, **{f"ImageSets/Main/{k}.txt": v for k, v in lists.items()}})
    found = recognise(tmp_path)
    assert (found.reader.name, found.reason) == ("voc", "Annotations/1.xml begins with <annotation>")
    assert READER.splits(tmp_path) == ("train", "val")
    data = READER.read(tmp_path, "train")
    assert boxes_in(data) == {"JPEGImages/1.png": [("cup", [2, 3, 10, 12])]}
    assert data.notes[0] == "left out: 1 file that no list of ImageSets/Main names (Annotations/3.xml)"
    assert list(boxes_in(READER.read(tmp_path, "all"))) == ["JPEGImages/1.png", "JPEGImages/2.png"]
    with pytest.raises(NotFound, match="no split is named 'test'"):
        READER.read(tmp_path, "test")


def test_trainval_without_train_gives_what_is_not_in_val(tmp_path: Path) -> None:
    lists = {"ImageSets/Main/trainval.txt": "1\n2\n", "ImageSets/Main/val.txt": "2\n"}
    files = {f"Annotations/{n}.xml": page(thing()) for n in (1, 2)}
    draw(tmp_path, {**files, **lists, "JPEGImages/1.png": 1, "JPEGImages/2.png": 2})
    assert [s.id for s in READER.read(tmp_path, "train").samples] == ["JPEGImages/1.png"]


@pytest.mark.parametrize(
    ("file", "picture"),
    [
        ("Annotations/1.xml", "images/1.png"),
        ("1.xml", "1.png"),
        ("VOCdevkit/VOC2012/Annotations/1.xml", "VOCdevkit/VOC2012/JPEGImages/1.png"),
    ],
)
def test_other_layouts_without_splits_are_read(tmp_path: Path, file: str, picture: str) -> None:
    draw(tmp_path, {file: page(thing()), picture: 1})
    assert READER.splits(tmp_path) == ()
    (sample,) = READER.read(tmp_path, "all").samples
    assert sample.path == tmp_path / picture
    assert recognise(tmp_path).reader.name == "voc"


@pytest.mark.parametrize("layout", ["{}/{}", "{}/Annotations/{}", "Annotations/{}/{}"])
def test_folders_of_splits_are_read_and_equal_names_kept_apart(tmp_path: Path, layout: str) -> None:
    for number, split in enumerate(("train", "valid")):
        corners = (3, 4, 10 + number, 12)
        draw(tmp_path, {layout.format(split, "1.xml"): page(thing(corners), filename="1.png")})
        folder = layout.format(split, "").replace("Annotations", "images")
        draw(tmp_path, {f"{folder}/1.png": number})
    assert READER.splits(tmp_path) == ("train", "val")
    for split, right in (("train", 10), ("val", 11)):
        (sample,) = READER.read(tmp_path, split).samples
        assert sample.target.xyxy.tolist() == [[2, 3, right, 12]]
        assert split[:3] in sample.id


def test_files_outside_of_the_folders_of_splits_are_told(tmp_path: Path) -> None:
    draw(tmp_path, {"train/1.xml": page(thing()), "train/1.png": 1, "2.xml": page(thing()), "2.png": 2})
    data = READER.read(tmp_path, "all")
    assert [sample.id for sample in data.samples] == ["train/1.png"]
    assert "left out: 1 file outside of the folders of the splits (2.xml)" in data.notes


def test_pixels_are_counted_from_one_and_both_ends_belong_to_the_box(tmp_path: Path) -> None:
    data = one(tmp_path, thing((1, 1, 20, 16)), thing((1, 1, 1, 16), more="<area>16</area>"))
    assert boxes_in(data)["JPEGImages/1.png"] == [("cup", [0, 0, 20, 16]), ("cup", [0, 0, 1, 16])]
    assert data.notes == ()


def test_a_data_set_with_a_zero_counts_from_zero_in_all_splits_and_says_so(tmp_path: Path) -> None:
    draw(tmp_path, {"train/1.xml": page(thing((0, 0, 20, 16))), "train/1.png": 1})
    draw(tmp_path, {"test/2.xml": page(thing((3, 4, 10, 12))), "test/2.png": 2})
    data = READER.read(tmp_path, "test")
    assert boxes_in(data) == {"test/2.png": [("cup", [3, 4, 10, 12])]}
    assert "the coordinates count from 0, for some are 0: taken as they are" in data.notes


def test_classes_are_sorted_unless_a_file_says_otherwise(tmp_path: Path) -> None:
    objects = thing(name="b"), thing(name="a")
    assert one(tmp_path, *objects).classes == ("a", "b")
    text = "# label:color_rgb:parts:actions\nbackground:0,0,0::\nb:1,2,3::\na:4,5,6::\nc:7,8,9:x,y:z\n"
    draw(tmp_path, {"labelmap.txt": text})
    data = READER.read(tmp_path, "all")
    assert data.classes == ("b", "a", "c")
    assert data.samples[0].target.labels.tolist() == [0, 1]
    assert "the data set has no box of class 'c'" in data.notes
    draw(tmp_path, {"labelmap.txt": "b\n"})
    with pytest.raises(
        LabelError, match=r"1\.xml:3: the class 'a' is not among the 1 that labelmap\.txt declares \(b\)"
    ):
        READER.read(tmp_path, "all")
    draw(tmp_path, {"labelmap.txt": "b\nb\n"})
    with pytest.raises(LabelError, match=r"labelmap\.txt:2: the class 'b' stands twice"):
        READER.read(tmp_path, "all")
    draw(tmp_path, {"labelmap.txt": "# nothing\n"})
    assert READER.read(tmp_path, "all").classes == ("a", "b")


def test_difficult_objects_become_crowds_and_are_written_as_difficult_again(tmp_path: Path) -> None:
    hard = thing((5, 5, 9, 9), more="<difficult>1</difficult>")
    data = one(tmp_path / "a", thing(more="<difficult>0</difficult>"), hard)
    assert data.samples[0].target.crowd.tolist() == [False, True]
    note = "marked difficult, so that nothing is learnt from them: 1 box (Annotations/1.xml:3)"
    assert note in data.notes
    READER.write({"all": data}, tmp_path / "b")
    text = (tmp_path / "b" / "Annotations" / "1.xml").read_text()
    assert text.count("<difficult>1</difficult>") == 1
    assert READER.read(tmp_path / "b", "all").samples[0].target.crowd.tolist() == [False, True]


def test_pose_truncated_and_parts_come_back_after_writing(tmp_path: Path) -> None:
    part = "<part><name>head</name><bndbox><xmin>3</xmin></bndbox></part>"
    more = f"<pose>Left</pose><truncated>1</truncated>{part}"
    source = "<source><database>mine</database></source><segmented>0</segmented>"
    data = one(tmp_path / "a", thing((0.5, 30, 5, 90)), thing(more=more), size=SIZE + source)
    facts = data.info["voc"]
    assert facts["pictures"]["JPEGImages/1.png"] == (("source", (("database", "mine"),)), ("segmented", "0"))
    assert facts["objects"]["JPEGImages/1.png"] == [
        (
            ("pose", "Left"), ("truncated", "1"),
            ("part", (("name", "head"), ("bndbox", (("xmin", "3"),)))),
        )
    ]  # fmt: skip
    READER.write({"all": data}, tmp_path / "b")
    assert READER.read(tmp_path / "b", "all").info == data.info
    assert "<pose>Left</pose>" in (tmp_path / "b" / "Annotations" / "1.xml").read_text()


@pytest.mark.parametrize("size", ["", "<size/>", "<size><width>0</width><height>0</height></size>"])
def test_a_missing_size_is_no_fault(tmp_path: Path, size: str) -> None:
    data = one(tmp_path, thing(), size=size)
    assert (len(data.samples[0].target), data.notes) == (1, ())


def test_boxes_drawn_before_the_exif_orientation_are_turned_with_the_picture(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    (tmp_path / "JPEGImages").mkdir()
    Image.fromarray(pixels(1, (16, 20))).save(tmp_path / "JPEGImages" / "1.jpg", exif=exif)
    draw(tmp_path, {"Annotations/1.xml": page(thing((1, 1, 4, 2)))})
    data = READER.read(tmp_path, "all")
    assert data.samples[0].load().shape == (20, 16, 3)
    assert data.samples[0].target.xyxy.tolist() == [[14, 0, 16, 4]]
    assert data.notes[0].startswith("turned with the EXIF orientation of the picture: the boxes of 1 picture")


def test_the_name_of_the_file_decides_which_picture_is_meant(tmp_path: Path) -> None:
    draw(tmp_path, {"JPEGImages/2.png": 2})
    data = one(tmp_path, thing(), filename="2.png")
    assert [sample.id for sample in data.samples] == ["JPEGImages/1.png"]
    note = "the name of the file decides, not the <filename> within: 1 file (Annotations/1.xml:1)"
    assert note in data.notes
    assert "left out: 1 picture of which no annotation speaks (JPEGImages/2.png)" in data.notes


def test_the_name_within_helps_where_no_picture_has_the_name_of_the_file(tmp_path: Path) -> None:
    draw(
        tmp_path, {"JPEGImages/cup.png": 1, "Annotations/0001.xml": page(thing(), filename="C:\\x\\cup.png")}
    )
    data = READER.read(tmp_path, "all")
    assert ([sample.id for sample in data.samples], data.notes) == (["JPEGImages/cup.png"], ())


def test_another_suffix_than_the_one_told_is_found(tmp_path: Path) -> None:
    assert len(one(tmp_path, thing(), filename="1.jpg")) == 1


@pytest.mark.parametrize(
    ("corners", "note"),
    [
        ((5, 5, 5, 5), "left out: 1 box without area (Annotations/1.xml:3)"),
        ((5, 5, 5, 9), "left out: 1 box without area (Annotations/1.xml:3)"),
        ((30, 5, 40, 9), "left out: 1 box wholly outside of the picture (Annotations/1.xml:3)"),
    ],
)
def test_a_box_without_pixels_is_left_out_and_told_with_its_line(
    tmp_path: Path, corners: tuple[int, ...], note: str
) -> None:
    data = one(tmp_path, thing(), thing(corners))
    assert boxes_in(data) == {"JPEGImages/1.png": [("cup", [2, 3, 10, 12])]}
    assert data.notes == (note,)


def test_a_box_that_sticks_out_is_cut_and_exchanged_corners_are_put_in_order(tmp_path: Path) -> None:
    data = one(tmp_path, thing((15, 4, 30, 12)), thing((10, 12, 3, 4)))
    assert boxes_in(data)["JPEGImages/1.png"] == [("cup", [14, 3, 20, 12]), ("cup", [2, 3, 10, 12])]
    assert [note.partition(":")[0] for note in data.notes] == ["cut to the picture", "put in order"]


def test_objects_without_a_box_are_left_out_and_rotated_ones_framed(tmp_path: Path) -> None:
    empty = "\n<object><name>cup</name></object>"
    turned = (
        "\n<object><name>cup</name><robndbox><cx>10</cx><cy>8</cy><w>4</w><h>2</h><angle>1.5707963267948966"
        "</angle></robndbox></object>"
    )
    data = one(tmp_path, empty, turned)
    np.testing.assert_allclose(data.samples[0].target.xyxy, [[9, 6, 11, 10]], atol=1e-6)
    assert data.notes == (
        "left out: 1 box without a bndbox (Annotations/1.xml:2)",
        "the upright box around it stands for a rotated one: 1 box (Annotations/1.xml:3)",
    )


def test_a_picture_without_objects_belongs_to_the_background(tmp_path: Path) -> None:
    draw(tmp_path, {"JPEGImages/2.png": 2, "Annotations/2.xml": page()})
    data = one(tmp_path, thing())
    assert len(data.samples[1].target) == 0
    assert data.notes == ("the data set has 1 picture of the background, without a box",)


def test_an_annotation_without_its_picture_is_left_out_and_told(tmp_path: Path) -> None:
    draw(tmp_path, {"Annotations/2.xml": page(thing(), filename="2.png"), "Annotations/3.xml": "<other/>"})
    data = one(tmp_path, thing())
    assert [sample.id for sample in data.samples] == ["JPEGImages/1.png"]
    assert data.notes == (
        "left out: 1 file that are no annotations of VOC (Annotations/3.xml)",
        "left out: 1 picture whose file does not exist (Annotations/2.xml)",
    )


def test_notes_about_another_split_are_kept_for_that_split(tmp_path: Path) -> None:
    draw(tmp_path, {"train/1.xml": page(thing()), "train/1.png": 1, "val/2.xml": page(thing((5, 5, 5, 5)))})
    draw(tmp_path, {"val/2.png": 2, "val/3.xml": page(thing()), "val/4.png": 4})
    assert READER.read(tmp_path, "train").notes == (
        "left out: 1 picture of which no annotation speaks (val/4.png)",
    )
    assert READER.read(tmp_path, "val").notes[:2] == (
        "left out: 1 box without area (val/2.xml:2)",
        "left out: 1 picture whose file does not exist (val/3.xml)",
    )


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        (page(thing((3, 4, "ten", 12))), FormatError, r"1\.xml:2: xmax is 'ten', expected a finite number"),
        (page(thing((3, 4, "1e999", 12))), FormatError, r"1\.xml:2: xmax is '1e999'"),
        (page(thing((3, 4, "", 12))), FormatError, r"1\.xml:2: xmax is ''"),
        (page(thing(("x", 4, 5, 12))), FormatError, r"1\.xml:2: xmin is 'x'"),
        (page(thing(more="<area>big</area>")), FormatError, r"1\.xml:2: area is 'big'"),
        (page(thing(name="")), LabelError, r"1\.xml:2: the object has no class"),
        (page(thing((0.1, 0.1, 0.9, 0.5))), LabelError, r"1\.xml:2: every box .* lies within 0 and 1"),
        (page(thing((30, 4, 35, 12)), size=SIZE.replace("20", "40")), LabelError, r"the picture was resized"),
        (page(), LabelError, "no picture has an object, so there are no classes"),
        ("<annotation>\n<object>\n</annotation>", FormatError, r"1\.xml:3: is not valid XML: mismatched tag"),
        ('<!DOCTYPE a [<!ENTITY b "c">]>\n<annotation/>', FormatError, r"1\.xml: has a <!DOCTYPE"),
        ('<?xml version="1.0" encoding="no"?><annotation/>', FormatError, r"1\.xml:1: cannot be decoded"),
    ],
)
def test_every_fault_is_named_with_file_and_line(
    tmp_path: Path, text: str, error: type[DataError], message: str
) -> None:
    draw(tmp_path, {"JPEGImages/1.png": 1, "Annotations/1.xml": text})
    with pytest.raises(error, match=message):
        READER.read(tmp_path, "all")


def test_a_picture_in_two_lists_is_refused(tmp_path: Path) -> None:
    draw(tmp_path, {"ImageSets/Main/train.txt": "1\n1\n", "ImageSets/Main/test.txt": "\n9\n1\n"})
    with pytest.raises(LabelError, match=r"test\.txt:3: 1 is in test, but .*train\.txt:1 has it in train"):
        one(tmp_path, thing())


def test_a_name_in_a_list_without_annotation_is_told(tmp_path: Path) -> None:
    draw(tmp_path, {"ImageSets/Main/train.txt": "1\nmissing\n"})
    draw(tmp_path, {"JPEGImages/1.png": 1, "Annotations/1.xml": page(thing())})
    assert READER.read(tmp_path, "train").notes == (
        "left out: 1 picture of a list, without an annotation (ImageSets/Main/train.txt:2)",
    )


def test_two_annotations_of_one_picture_are_refused(tmp_path: Path) -> None:
    draw(tmp_path, {"Annotations/9.xml": page(thing(), filename="1.png")})
    with pytest.raises(LabelError, match=r"9\.xml: 1\.png has an entry before, .*1\.xml"):
        one(tmp_path, thing())


def test_what_is_no_voc_is_refused(tmp_path: Path) -> None:
    draw(tmp_path, {"a.txt": "x", "b.png": 1})
    assert READER.sniff(tmp_path).score == READER.sniff(tmp_path / "a.txt").score == 0
    with pytest.raises(DataError, match=r"a\.txt: is a file, VOC is a folder"):
        READER.read(tmp_path / "a.txt", "all")
    with pytest.raises(DataError, match=r"there is no \.xml file"):
        READER.read(tmp_path, "all")
    draw(tmp_path, {"Annotations/7.xml": page(thing())})
    with pytest.raises(DataError, match="none of the annotated pictures exists"):
        READER.read(tmp_path, "all")


def test_a_file_that_cannot_be_opened_is_named(tmp_path: Path) -> None:
    (tmp_path / "Annotations").mkdir()
    (tmp_path / "Annotations" / "1.xml").symlink_to(tmp_path / "gone.xml")
    assert READER.sniff(tmp_path).score == 0
    with pytest.raises(FormatError, match=r"1\.xml: cannot be read: No such file"):
        READER.read(tmp_path, "all")


def test_a_picture_that_cannot_be_read_keeps_the_declared_size_or_has_no_target(tmp_path: Path) -> None:
    draw(tmp_path, {"JPEGImages/2.png": "broken", "Annotations/2.xml": page(thing())})
    draw(tmp_path, {"JPEGImages/3.png": "broken", "Annotations/3.xml": page(thing(), size="")})
    data = one(tmp_path, thing())
    assert [None if s.target is None else len(s.target) for s in data.samples] == [1, 1, None]
    assert data.notes == ("left without a target: 1 picture whose size cannot be read (Annotations/3.xml)",)


@pytest.mark.parametrize("name", ["", " a", "a\nb", "a\x00", "#a", "background"])
def test_a_class_that_a_file_cannot_hold_is_refused(tmp_path: Path, name: str) -> None:
    data = Dataset((Sample("1", lambda: pixels(0), Boxes.none()),), (name,), tmp_path, "coco")
    with pytest.raises(LabelError, match="the class"):
        READER.write({"all": data}, tmp_path / "out")


def test_pictures_of_one_name_and_two_suffixes_do_not_share_an_annotation(tmp_path: Path) -> None:
    draw(tmp_path, {"in/1.png": 1, "in/1.bmp": 2})
    boxes = Boxes(np.array([[0, 0, 3, 3]], np.float32), np.array([0]))
    samples = tuple(
        Sample(name, lambda: pixels(0), target, tmp_path / "in" / name)
        for name, target in (("1.png", boxes), ("1.bmp", Boxes.none()))
    )
    READER.write({"all": Dataset(samples, ("cup",), tmp_path, "coco")}, tmp_path / "out")
    read = READER.read(tmp_path / "out", "all")
    assert {sample.id: len(sample.target) for sample in read.samples} == {
        "JPEGImages/1.png": 1,
        "JPEGImages/1-bmp.bmp": 0,
    }


def test_areas_and_boxes_of_less_than_a_pixel_survive(tmp_path: Path) -> None:
    xyxy = np.array([[3, 4, 4, 5], [3.25, 4, 3.75, 9], [2, 3, 10, 12]], np.float32)
    boxes = Boxes(xyxy, np.array([0, 0, 0]), areas=np.array([1, 2.5, 70], np.float32))
    data = Dataset((Sample("1", lambda: pixels(0), boxes),), ("cup",), tmp_path, "coco")
    READER.write({"all": data}, tmp_path / "out")
    found = READER.read(tmp_path / "out", "all")
    assert found.samples[0].target.xyxy.tolist() == xyxy.tolist()
    assert found.samples[0].target.covered.tolist() == [1, 2.5, 70]
    assert found.notes == ()


COORDINATE = st.integers(1, 19)


@settings(max_examples=20, deadline=None)
@given(st.lists(st.tuples(COORDINATE, COORDINATE, st.sampled_from("ab")), min_size=1, max_size=4))
def test_torchvision_parses_what_is_written_to_the_same_pixels(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[int, int, str]]
) -> None:
    torchvision = pytest.importorskip("torchvision.datasets")
    root = tmp_path_factory.mktemp("voc") / "VOCdevkit" / "VOC2012"
    xyxy = np.array([(x - 1, y - 1, x + 1, y + 1) for x, y, _ in rows], np.float32)
    labels = np.array(["ab".index(name) for *_, name in rows], np.int64)
    sample = Sample("1", lambda: pixels(0, (20, 20)), Boxes(xyxy, labels))
    READER.write({"train": Dataset((sample,), ("a", "b"), root, "drawn")}, root)
    root.joinpath("JPEGImages", "1.png").rename(root / "JPEGImages" / "1.jpg")  # the only suffix it knows
    oracle = torchvision.VOCDetection(root.parent.parent, image_set="train")
    found = oracle[0][1]["annotation"]
    assert [each["name"] for each in found["object"]] == [name for *_, name in rows]
    for each, (left, top, right, bottom) in zip(found["object"], xyxy.tolist(), strict=True):
        box = {side: int(value) for side, value in each["bndbox"].items()}
        assert box == {"xmin": left + 1, "ymin": top + 1, "xmax": right, "ymax": bottom}
    assert (found["size"]["width"], found["size"]["height"]) == ("20", "20")


@pytest.mark.data
def test_blood_cells_are_read_without_their_two_boxes_of_no_area(data_packs: Path) -> None:
    data = READER.read(data_packs / "detect-bccd", "all")
    counts = Counter(data.classes[label] for sample in data.samples for label in sample.target.labels)
    assert counts == {"RBC": 4155 - 2, "WBC": 372, "Platelets": 361}
    assert data.notes == (
        "left out: 2 boxes without area "
        "(Annotations/BloodImage_00338.xml:158, Annotations/BloodImage_00343.xml:50)",
    )
    splits = open_splits(data_packs / "detect-bccd")
    assert splits.summary.startswith("voc (3 classes, train 205, val 87, test 72")
    assert not splits.made
