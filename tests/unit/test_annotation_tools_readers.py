"""LabelMe, CVAT and Label Studio: what becomes a box, which picture is meant, and what is refused."""

import base64
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from drawn import draw, pixels
from PIL import Image

from nayan.core.errors import DataError, FormatError, LabelError, NotFound
from nayan.core.types import Boxes, Dataset, Sample
from nayan.data.readers import label_studio, labelme, recognise
from nayan.data.readers.cvat import CvatReader
from nayan.data.readers.label_studio import LabelStudioReader
from nayan.data.readers.labelme import LabelmeReader
from nayan.data.readers.outlines import around

LABELME, CVAT, STUDIO = LabelmeReader(), CvatReader(), LabelStudioReader()
BOX = [2.0, 3.0, 10.0, 12.0]


def boxes_in(data: Dataset) -> dict[str, list[tuple[str, list[float]]]]:
    return {
        sample.id: [
            (data.classes[label], [round(side, 3) for side in box])
            for label, box in zip(sample.target.labels, sample.target.xyxy.tolist(), strict=True)
        ]
        for sample in data.samples
    }


# ---- LabelMe ----------------------------------------------------------------------------------------


def shape(points: Any = ((2, 3), (10, 12)), kind: str = "rectangle", label: Any = "cup", **more: Any) -> Any:
    return {"label": label, "points": [list(point) for point in points], "shape_type": kind, **more}


def page(*shapes: Any, picture: str | None = "1.png", **more: Any) -> str:
    size = {"imageHeight": 16, "imageWidth": 20, "imageData": None}
    document = {"version": "5.4.1", "flags": {}, "shapes": list(shapes), "imagePath": picture, **size, **more}
    return json.dumps(document, indent=1)


def test_labelme_is_recognised_and_read_with_splits(tmp_path: Path) -> None:
    draw(tmp_path, {"train/1.png": 1, "train/1.json": page(shape()), "val/2.png": 2, "0.json": page(shape())})
    draw(
        tmp_path,
        {"val/2.json": page(shape([(10, 12), (2, 3)]), picture="..\\val\\2.png"), "notes.json": "[]"},
    )
    found = recognise(tmp_path)
    assert (found.reader.name, found.reason) == ("labelme", "0.json has the shapes of LabelMe")
    assert LABELME.splits(tmp_path) == ("train", "val")
    data = LABELME.read(tmp_path, "all")
    assert boxes_in(data) == {"train/1.png": [("cup", BOX)], "val/2.png": [("cup", BOX)]}
    assert data.notes == ("left out: 1 file outside of the folders of the splits (0.json)",)
    with pytest.raises(NotFound, match="no split is named 'test'"):
        LABELME.read(tmp_path, "test")


def test_shapes_of_labelme_become_boxes_or_are_left_out_and_told(tmp_path: Path) -> None:
    shapes = [
        shape([(2, 3), (10, 5), (4, 12)], "polygon"),
        shape([(6, 7), (9, 11)], "circle"),
        shape([(2, 3), (9, 11)], "mask", mask="iVBOR"),
        shape([(2, 3)], "point"),
        shape([(2, 3), (9, 9)], "line"),
        shape([(2, 3), (10, 3), (10, 12)], label="old") | {"shape_type": None},
    ]
    draw(tmp_path, {"1.png": 1, "1.json": page(*shapes)})
    data = LABELME.read(tmp_path, "all")
    assert boxes_in(data)["1.png"] == [
        ("cup", BOX), ("cup", [1, 2, 11, 12]), ("cup", BOX), ("old", BOX),
    ]  # fmt: skip
    assert data.notes == (
        "the box around it stands for a polygon, circle or mask: 4 boxes "
        "(1.json: shape 1, 1.json: shape 2, 1.json: shape 3, ...)",
        "left out: 2 boxes that are no areas but points or lines (1.json: shape 4, 1.json: shape 5)",
    )


def test_parts_of_one_group_are_one_object(tmp_path: Path) -> None:
    shapes = shape([(2, 3), (4, 5)], group_id=1), shape([(8, 9), (10, 12)], group_id=1), shape(group_id=2)
    draw(tmp_path, {"1.png": 1, "1.json": page(*shapes, shape(group_id=1, label="pot"))})
    data = LABELME.read(tmp_path, "all")
    assert boxes_in(data)["1.png"] == [("cup", BOX), ("cup", BOX), ("pot", BOX)]
    assert data.notes[0].startswith("joined to one box: 1 box of one class and group_id")
    assert [fact["group_id"] for fact in data.info["labelme"]["objects"]["1.png"]] == [1, 2, 1]


def encoded(number: int) -> str:
    stream = io.BytesIO()
    Image.fromarray(pixels(number)).save(stream, "PNG")
    return base64.b64encode(stream.getvalue()).decode()


def test_an_embedded_picture_is_used_where_there_is_no_file(tmp_path: Path) -> None:
    draw(tmp_path, {"1.json": page(shape(), picture="gone.png", imageData=encoded(7))})
    data = LABELME.read(tmp_path, "all")
    (sample,) = data.samples
    assert (sample.path, sample.load().tolist()) == (None, pixels(7).tolist())
    assert sample.load((4, 4)).shape == (16, 20, 3)
    assert data.notes == ("taken from the annotation: 1 picture whose file does not exist (1.json)",)
    LABELME.write({"all": data}, tmp_path / "out")
    assert boxes_in(LABELME.read(tmp_path / "out", "all")) == {"1.json.png": [("cup", BOX)]}


def test_a_picture_of_the_files_own_name_counts_before_the_embedded_one(tmp_path: Path) -> None:
    draw(tmp_path, {"1.png": 1, "1.json": page(shape(), picture="x.png", imageData=encoded(7))})
    draw(tmp_path, {"2.json": page(shape(), picture=None), "a/3.json": page(shape(), picture="b/3.png")})
    draw(tmp_path, {"4.png": 4, "b/3.png": 3})
    data = LABELME.read(tmp_path, "all")
    assert [sample.id for sample in data.samples] == ["1.png", "b/3.png"]
    assert data.notes == (
        "left out: 1 picture whose file does not exist (2.json)",
        "left out: 1 picture of which no annotation speaks (4.png)",
    )


def test_the_embedded_picture_is_decoded_by_the_rules_of_all_pictures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    draw(tmp_path, {"1.json": page(shape(), imageData="AAAA")})
    with pytest.raises(FormatError, match=r"1\.json: imageData: .*not a picture"):
        LABELME.read(tmp_path, "all")
    draw(tmp_path, {"1.json": page(shape(), imageData="no base64!")})
    with pytest.raises(FormatError, match=r"1\.json: imageData is no base64"):
        LABELME.read(tmp_path, "all")
    whole = base64.b64decode(encoded(1))
    draw(tmp_path, {"1.json": page(shape(), imageData=base64.b64encode(whole[:-40]).decode())})
    (sample,) = LABELME.read(tmp_path, "all").samples
    with pytest.raises(FormatError, match=r"1\.json: imageData: .*truncated PNG"):
        sample.load()
    monkeypatch.setattr(labelme, "_MAX_BYTES", 100)
    with pytest.raises(FormatError, match=r"1\.json: is larger than"):
        LABELME.read(tmp_path, "all")


def test_flags_of_labelme_survive_and_classes_may_be_declared(tmp_path: Path) -> None:
    draw(tmp_path, {"in/1.png": 1, "in/1.json": page(shape(flags={"dirty": True}, description="x"))})
    draw(tmp_path, {"in/labels.txt": "__ignore__\n_background_\npot\ncup\n"})
    data = LABELME.read(tmp_path / "in", "all")
    assert data.classes == ("pot", "cup")
    LABELME.write({"all": data}, tmp_path / "out")
    assert LABELME.read(tmp_path / "out", "all").info == data.info
    written = json.loads((tmp_path / "out" / "1.json").read_text())
    assert written["shapes"][0]["flags"] == {"dirty": True}


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        (page(shape([("a", 3), (10, 12)])), FormatError, r"1\.json: shape 1: x is 'a', expected a finite"),
        (page(shape(), shape([(1, 2, 3)])), FormatError, r"1\.json: shape 2: \[1, 2, 3\] is no point"),
        (page(shape(), {"label": "a"}), FormatError, r"1\.json: shape 2: has no list of points"),
        (page(shape(), 5), FormatError, r"1\.json: shape 2: has no list of points"),
        (page(shape(label=None)), LabelError, r"1\.json: shape 1: the object has no class"),
        (page(shape([(0.1, 0.2), (0.8, 0.9)])), LabelError, "lies within 0 and 1"),
        ('{"imagePath": "1.png",\n "shapes": [}', FormatError, r"1\.json:2: is not valid JSON"),
        ('{"a": {"imagePath": 1, "shapes": []}}', FormatError, r"1\.json: has no list of shapes"),
        ('{"imagePath": 1, "shapes": ' + "[" * 100_000, FormatError, r"1\.json: is nested too deeply"),
    ],
)
def test_faults_of_labelme_are_named(tmp_path: Path, text: str, error: type[DataError], message: str) -> None:
    draw(tmp_path, {"1.png": 1, "1.json": text})
    with pytest.raises(error, match=message):
        LABELME.read(tmp_path, "all")


def test_boxes_of_labelme_are_checked_against_the_picture(tmp_path: Path) -> None:
    shapes = shape([(5, 5), (5, 9)]), shape([(30, 5), (40, 9)]), shape([(-4, 3), (10, 12)])
    draw(tmp_path, {"1.png": 1, "1.json": page(*shapes, imageHeight="x")})
    data = LABELME.read(tmp_path, "all")
    assert boxes_in(data) == {"1.png": [("cup", [0, 3, 10, 12])]}
    assert data.notes == (
        "left out: 1 box without area (1.json: shape 1)",
        "left out: 1 box wholly outside of the picture (1.json: shape 2)",
        "cut to the picture: 1 box that stuck out of it (1.json: shape 3)",
    )


# ---- CVAT -------------------------------------------------------------------------------------------

META = "<version>1.1</version><meta><task><labels>{}</labels></task></meta>"
LABELS = META.format("<label><name>pot</name></label>\n<label><name>cup</name></label>")
XY = 'xtl="2" ytl="3" xbr="10" ybr="12"'


def image(name: str, *shapes: str, more: str = "") -> str:
    inside = "".join(f"\n{each}" for each in shapes)
    return f'\n<image id="0" name="{name}" width="20" height="16" {more}>{inside}\n</image>'


def cvat(root: Path, *images: str, labels: str = LABELS) -> Path:
    text = f"<annotations>{labels}{''.join(images)}\n</annotations>"
    return draw(root, {"images/1.png": 1, "images/2.png": 2, "annotations.xml": text})


def test_cvat_is_recognised_and_read_in_the_order_of_its_classes(tmp_path: Path) -> None:
    cvat(tmp_path, image("1.png", f'<box label="cup" {XY} occluded="0"/>'), image("2.png"), image("3.png"))
    found = recognise(tmp_path)
    assert (found.reader.name, found.reason) == ("cvat", "annotations.xml begins with <annotations>")
    for root in (tmp_path, tmp_path / "annotations.xml"):
        data = CVAT.read(root, "all")
        assert (data.classes, CVAT.splits(root)) == (("pot", "cup"), ())
        assert boxes_in(data) == {"images/1.png": [("cup", BOX)], "images/2.png": []}
    assert data.notes[0] == "left out: 1 picture whose file does not exist (annotations.xml:8)"


def test_shapes_of_cvat_become_upright_boxes_or_are_left_out_and_told(tmp_path: Path) -> None:
    shapes = [
        '<box label="cup" xtl="4" ytl="4" xbr="12" ybr="8" rotation="90"/>',
        '<polygon label="cup" points="2.0,3.0;10,3;10,12"/>',
        '<ellipse label="cup" cx="6" cy="7" rx="4" ry="2" rotation="90.0"/>',
        '<mask label="cup" rle="1,2" left="2" top="3" width="8" height="9"/>',
        '<points label="cup" points="2,3"/>',
        '<polyline label="cup" points="2,3;4,5"/>',
        "<unheard/>",
    ]
    cvat(tmp_path, image("1.png", *shapes), image("2.png"))
    data = CVAT.read(tmp_path, "all")
    assert [box for _, box in boxes_in(data)["images/1.png"]] == [[6, 2, 10, 10], BOX, [4, 3, 8, 11], BOX]
    assert data.notes[0].startswith(
        "the upright box around it stands for a polygon, ellipse, mask or rotated"
    )
    assert data.notes[1].startswith("left out: 2 boxes that are no areas but points")


def test_attributes_of_cvat_come_back_after_writing(tmp_path: Path) -> None:
    box = f'<box label="cup" {XY} occluded="1" z_order="2"><attribute name="full">yes</attribute></box>'
    data = CVAT.read(cvat(tmp_path / "in", image("1.png", box), image("2.png")), "all")
    assert data.info["cvat"]["objects"]["images/1.png"] == [
        {"shape": {"occluded": "1", "z_order": "2"}, "attributes": {"full": "yes"}}
    ]
    CVAT.write({"all": data}, tmp_path / "out")
    assert CVAT.read(tmp_path / "out", "all").info == data.info


def test_subsets_of_cvat_are_splits(tmp_path: Path) -> None:
    box = f'<box label="cup" {XY}/>'
    draw(tmp_path, {"images/train/3.png": 3})
    cvat(
        tmp_path, image("3.png", box, more='subset="train"'), image("2.png", more='subset="Validation"'),
        image("1.png", more='subset="default"'),
    )  # fmt: skip
    assert CVAT.splits(tmp_path) == ("train", "val")
    assert list(boxes_in(CVAT.read(tmp_path, "train"))) == ["images/train/3.png"]
    assert len(CVAT.read(tmp_path, "all")) == 2


@pytest.mark.parametrize("size", ['width="x" height="16"', 'width="0" height="0"', ""])
def test_an_image_of_cvat_without_its_size_is_no_fault(tmp_path: Path, size: str) -> None:
    text = f'<image id="0" name="1.png" {size}><box label="cup" {XY}/></image>'
    assert boxes_in(CVAT.read(cvat(tmp_path, text, image("2.png")), "all"))["images/1.png"] == [("cup", BOX)]


def test_classes_of_cvat_are_sorted_where_none_are_declared(tmp_path: Path) -> None:
    boxes = [f'<box label="{name}" {XY}/>' for name in "ba"]
    assert CVAT.read(cvat(tmp_path, image("1.png", *boxes), labels=""), "all").classes == ("a", "b")


@pytest.mark.parametrize(
    ("images", "error", "message"),
    [
        (
            [image("1.png", f'<box label="cap" {XY}/>')],
            LabelError,
            r"xml:4: the class 'cap' is not among the 2",
        ),
        ([image("1.png", '<box label="cup" xtl="2"/>')], FormatError, r"xml:4: ytl is '', expected a finite"),
        ([image("1.png", '<polygon label="cup" points="2,3;4"/>')], FormatError, r"xml:4: y is ''"),
        ([image("1.png", f'<box label="cup" {XY} rotation="x"/>')], FormatError, r"xml:4: rotation is 'x'"),
        (
            ['\n<track id="0" label="cup"/>'],
            FormatError,
            r"xml:3: holds tracks of a video\n.*for images 1\.1",
        ),
        (["\n<image>"], FormatError, r"xml:4: is not valid XML: mismatched tag"),
        (['\n<image id="0"/>'], DataError, "none of the annotated pictures exists"),
    ],
)
def test_faults_of_cvat_are_named_by_line(
    tmp_path: Path, images: list[str], error: type[DataError], message: str
) -> None:
    cvat(tmp_path, *images)
    with pytest.raises(error, match=message):
        CVAT.read(tmp_path, "all")


def test_it_must_be_clear_which_file_of_cvat_is_meant(tmp_path: Path) -> None:
    draw(cvat(tmp_path), {"second.xml": "<annotations></annotations>", "third.xml": "<other/>"})
    with pytest.raises(FormatError, match=r"annotations\.xml and second\.xml could both be the annotations"):
        CVAT.read(tmp_path, "all")
    with pytest.raises(DataError, match=r"no \.xml file begins with <annotations>"):
        CVAT.read(tmp_path / "third.xml", "all")
    assert CVAT.sniff(tmp_path / "images").score == 0


# ---- Label Studio -----------------------------------------------------------------------------------


def region(label: Any = "cup", kind: str = "rectanglelabels", **value: Any) -> dict[str, Any]:
    place = value or {"x": 10, "y": 18.75, "width": 40, "height": 56.25}
    size = {"original_width": 20, "original_height": 16}
    return {"type": kind, **size, "value": {**place, **({} if label is None else {kind: [label]})}}


def task(*regions: Any, image: str = "1.png", **more: Any) -> dict[str, Any]:
    return {"id": 7, "data": {"image": image}, "annotations": [{"result": list(regions)}], **more}


def studio(root: Path, *tasks: Any) -> Path:
    return draw(root, {"images/1.png": 1, "images/2.png": 2, "export.json": json.dumps(list(tasks))})


def test_label_studio_is_recognised_and_read(tmp_path: Path) -> None:
    studio(tmp_path, task(region()), task(image="2.png"))
    found = recognise(tmp_path)
    assert (found.reader.name, STUDIO.splits(tmp_path)) == ("label_studio", ())
    for root in (tmp_path, tmp_path / "export.json"):
        data = STUDIO.read(root, "all")
        assert boxes_in(data) == {"images/1.png": [("cup", BOX)], "images/2.png": []}
    with pytest.raises(NotFound, match="no split is named 'train'"):
        STUDIO.read(tmp_path, "train")


@pytest.mark.parametrize(
    "address",
    [
        "/data/upload/3/1f2e3d4c-1.png", "https://host/a/1.png?token=x", "/data/local-files/?d=images/1.png",
        "s3://bucket/images/1.png", "C:\\data\\1.png",
    ],
)  # fmt: skip
def test_pictures_of_label_studio_are_found_by_name(tmp_path: Path, address: str) -> None:
    data = STUDIO.read(studio(tmp_path, task(region(), image=address), task(image="http://[")), "all")
    assert list(boxes_in(data)) == ["images/1.png"]
    assert "left out: 1 picture whose file does not exist (export.json: task 7)" in data.notes


def test_another_key_than_image_may_name_the_picture(tmp_path: Path) -> None:
    data = STUDIO.read(studio(tmp_path, task(region()) | {"data": {"text": "hi", "scan": "1.png"}}), "all")
    assert list(boxes_in(data)) == ["images/1.png"]
    assert data.info["label_studio"]["pictures"] == {"images/1.png": {"text": "hi", "scan": "1.png"}}


def test_shapes_of_label_studio_become_upright_boxes_or_are_left_out_and_told(tmp_path: Path) -> None:
    turned = region(x=50, y=25, width=20, height=25, rotation=90)  # 4 x 4 px about (10, 4)
    polygon = region(kind="polygonlabels", points=[[10, 18.75], [50, 25], [20, 75]])
    ellipse = region(kind="ellipselabels", x=30, y=50, radiusX=20, radiusY=12.5, rotation=0)
    brush, point = region(kind="brushlabels", rle=[1]), region(kind="keypointlabels", x=1, y=1, width=1)
    two = {**region(), "image_rotation": 90}
    two["value"]["rectanglelabels"] = ["cup", "pot"]
    choice = {"type": "choices", "value": {"choices": ["good"]}}
    studio(tmp_path, task(turned, polygon, ellipse, brush, point, choice, two))
    data = STUDIO.read(tmp_path, "all")
    assert [box for _, box in boxes_in(data)["images/1.png"]] == [[6, 4, 10, 8], BOX, [2, 6, 10, 10], BOX]
    assert [note.partition(":")[0] for note in data.notes][:4] == [
        "the upright box around it stands for a polygon, an ellipse or a rotated box", "left out",
        "with several labels, of which the first counts",
        "drawn on a view that was rotated (image_rotation), look at them",
    ]  # fmt: skip


def test_a_rectangle_with_its_labels_apart_counts_once(tmp_path: Path) -> None:
    pair = {**region(None, "rectangle"), "id": "a"}, {**region(kind="labels"), "id": "a"}
    assert boxes_in(STUDIO.read(studio(tmp_path, task(*pair)), "all"))["images/1.png"] == [("cup", BOX)]


def test_of_several_annotations_the_ground_truth_or_the_newest_counts(tmp_path: Path) -> None:
    old = {"result": [region("old")], "updated_at": "2024-01-01"}
    new = {"result": [region("new")], "updated_at": "2024-02-01"}
    away = {"result": [region("away")], "updated_at": "2024-03-01", "was_cancelled": True}
    true = {"result": [region("true")], "created_at": "2023-01-01", "ground_truth": True}
    tasks = [
        task(annotations=[new, old, away]), task(image="2.png", annotations=[new, true, old]),
        task(image="2.png", id=8, annotations=[away], predictions=[new]),
    ]  # fmt: skip
    data = STUDIO.read(studio(tmp_path, *tasks), "all")
    assert [each[0][0] for each in boxes_in(data).values()] == ["new", "true"]
    assert data.notes[0].startswith("annotated several times, the ground truth or else the newest counts: 2")
    assert data.notes[1] == "left out: 1 picture that nobody has annotated (export.json: task 8)"


def test_old_exports_with_completions_and_splits_in_the_data_are_read(tmp_path: Path) -> None:
    old = {"id": 1, "data": {"image": "1.png", "split": "train"}, "completions": [{"result": [region()]}]}
    new = {"id": 2, "data": {"image": "2.png", "split": "test"}, "annotations": [{"result": []}]}
    studio(tmp_path, old, new, task(region()))
    assert STUDIO.splits(tmp_path) == ("train", "test")
    assert list(boxes_in(STUDIO.read(tmp_path, "all"))) == ["images/1.png", "images/2.png"]
    assert list(boxes_in(STUDIO.read(tmp_path, "test"))) == ["images/2.png"]


def test_the_short_form_is_read(tmp_path: Path) -> None:
    short = {"rectanglelabels": ["cup"], "x": 10, "y": 18.75, "width": 40, "height": 56.25}
    sizes = {"original_width": 20, "original_height": 16}
    tasks = [
        {"image": "/data/upload/0f0f0f0f-1.png", "id": 1, "label": [{**short, **sizes}], "updated_at": "1"},
        {"image": "/data/upload/0f0f0f0f-1.png", "id": 1, "label": [], "updated_at": "0"},
        {"image": "2.png", "id": 2, "tags": ["a"]},
    ]
    data = STUDIO.read(studio(tmp_path, *tasks), "all")
    assert boxes_in(data) == {"images/1.png": [("cup", BOX)], "images/2.png": []}
    assert recognise(tmp_path).reader.name == "label_studio"


def test_a_picture_annotated_before_its_orientation_was_applied_is_turned(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    studio(tmp_path, task(region(x=0, y=0, width=20, height=12.5), image="3.jpg"))
    Image.fromarray(pixels(1, (16, 20))).save(tmp_path / "3.jpg", exif=exif)
    assert boxes_in(STUDIO.read(tmp_path, "all"))["3.jpg"] == [("cup", [14, 0, 16, 4])]


def test_a_picture_that_was_resized_keeps_its_shares(tmp_path: Path) -> None:
    big = {**region(), "original_width": 200, "original_height": 160}
    data = STUDIO.read(studio(tmp_path, task(big)), "all")
    assert boxes_in(data)["images/1.png"] == [("cup", BOX)]
    assert any(note.startswith("the declared size of 1 picture is not that of") for note in data.notes)


def test_regions_need_no_original_size_and_splits_are_written_to_the_data(tmp_path: Path) -> None:
    bare = {"type": "rectanglelabels", "value": region()["value"]}
    data = STUDIO.read(studio(tmp_path / "in", task(bare)), "all")
    assert boxes_in(data) == {"images/1.png": [("cup", BOX)]}
    STUDIO.write({"val": data}, tmp_path / "out")
    assert STUDIO.splits(tmp_path / "out") == ("val",)


def test_ids_and_notes_of_regions_come_back_after_writing(tmp_path: Path) -> None:
    more = {"id": "x1", "from_name": "tag", "to_name": "img", "meta": {"text": ["hm"]}}
    data = STUDIO.read(studio(tmp_path / "in", task({**region(), **more})), "all")
    STUDIO.write({"all": data}, tmp_path / "out")
    again = STUDIO.read(tmp_path / "out", "all")
    assert (
        again.info["label_studio"]["objects"]
        == {"images/1.png": [more]}
        == data.info["label_studio"]["objects"]
    )


@pytest.mark.parametrize(
    ("tasks", "error", "message"),
    [
        ([task(region(x="a", y=1, width=1, height=1))], FormatError, r"task 7, result 1: x is 'a', expected"),
        ([task(region(), region(x=1, y=1, width=1))], FormatError, r"task 7, result 2: height is None"),
        ([task(region(kind="polygonlabels", points=[[1]]))], FormatError, r"result 1: `points` is no list"),
        ([task(region(None))], LabelError, r"export\.json: task 7, result 1: the object has no class"),
        ([task(), task(image="2.png", annotations={})], FormatError, r"task 7: has no list of annotations"),
        ([task(annotations=[{"result": "x"}])], FormatError, r"task 7: the annotation has no list `result`"),
        ([task(region()), 5], FormatError, r"export\.json: is no list of tasks"),
        ([task(region(), image="9.png")], DataError, "none of the annotated pictures exists"),
        ([task(region()), task(region(), id=9)], LabelError, r"task 9: 1\.png has an entry before, .*task 7"),
    ],
)
def test_faults_of_label_studio_are_named_by_task(
    tmp_path: Path, tasks: list[Any], error: type[DataError], message: str
) -> None:
    studio(tmp_path, *tasks)
    with pytest.raises(error, match=message):
        STUDIO.read(tmp_path, "all")


def test_a_shape_without_a_value_is_passed_over(tmp_path: Path) -> None:
    data = STUDIO.read(studio(tmp_path, task(region(), {"type": "rectanglelabels"})), "all")
    assert len(data.samples[0].target) == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[{"data": {},\n "annotations": [}]', r"x\.json:2: is not valid JSON"),
        ('[{"data": {}, "annotations": ' + "[" * 100_000, r"x\.json: is nested too deeply"),
    ],
)
def test_an_export_that_is_damaged_is_refused(tmp_path: Path, text: str, message: str) -> None:
    draw(tmp_path, {"x.json": text})
    with pytest.raises(FormatError, match=message):
        STUDIO.read(tmp_path, "all")


def test_it_must_be_clear_which_export_is_meant(tmp_path: Path) -> None:
    draw(studio(tmp_path, task(region())), {"second.json": json.dumps([task()]), "third.json": "[1]"})
    with pytest.raises(FormatError, match=r"export\.json and second\.json could both be the export"):
        STUDIO.read(tmp_path, "all")
    with pytest.raises(DataError, match=r"no \.json file begins with tasks"):
        STUDIO.read(tmp_path / "third.json", "all")
    assert STUDIO.sniff(tmp_path / "images").score == 0


# ---- all of them ------------------------------------------------------------------------------------


@pytest.mark.parametrize("reader", [LABELME, CVAT, STUDIO], ids=lambda reader: reader.name)
def test_only_boxes_can_be_written(reader: Any, tmp_path: Path) -> None:
    data = Dataset((Sample("1", lambda: pixels(0), None),), ("a",), tmp_path, "coco")
    with pytest.raises(LabelError, match="1: the picture has no boxes"):
        reader.write({"all": data}, tmp_path / "new")
    (tmp_path / "full").mkdir()
    draw(tmp_path / "full", {"a.txt": ""})
    with pytest.raises(DataError, match="nothing is ever overwritten"):
        reader.write({"all": data}, tmp_path / "full")


def test_labelme_needs_a_folder(tmp_path: Path) -> None:
    draw(tmp_path, {"a.json": page(shape()), "b/c.png": 1})
    with pytest.raises(DataError, match=r"a\.json: is a file"):
        LABELME.read(tmp_path / "a.json", "all")
    with pytest.raises(DataError, match=r"b: no \.json file has the shapes of LabelMe"):
        LABELME.read(tmp_path / "b", "all")
    assert LABELME.sniff(tmp_path / "a.json").score == LABELME.sniff(tmp_path / "b").score == 0


def test_files_that_cannot_be_opened_are_no_annotations(tmp_path: Path) -> None:
    assert not labelme._looks_like_labelme(tmp_path / "gone.json")
    assert not label_studio._looks_like_tasks(tmp_path / "gone.json")
    (tmp_path / "gone.xml").symlink_to(tmp_path / "nowhere.xml")
    assert CVAT.sniff(tmp_path).score == 0


def test_broken_pictures_are_written_as_they_are_unless_their_size_is_needed(tmp_path: Path) -> None:
    draw(tmp_path, {"in/1.png": "broken"})
    boxes = Boxes(np.array([BOX], np.float32), np.array([0]), crowd=np.array([True]))
    sample = Sample("1.png", lambda: pixels(0), boxes, tmp_path / "in" / "1.png")
    data = Dataset((sample,), ("a",), tmp_path, "coco")
    for reader in (LABELME, CVAT):
        reader.write({"all": data}, tmp_path / reader.name)
        found = reader.read(tmp_path / reader.name, "all")
        assert found.samples[0].target is None
        assert found.notes[0].startswith("left without a target: 1 picture whose size cannot be read")
    with pytest.raises(
        DataError, match=r"1\.png: the picture cannot be read, and its boxes are stored as per"
    ):
        STUDIO.write({"all": data}, tmp_path / "studio")


def test_no_points_have_a_box_without_area() -> None:
    assert around([]) == (0, 0, 0, 0)


def test_an_object_that_can_be_small_keeps_its_area(tmp_path: Path) -> None:
    boxes = Boxes(np.array([BOX], np.float32), np.array([0]), areas=np.array([5], np.float32))
    data = Dataset((Sample("1", lambda: pixels(0), boxes),), ("a",), tmp_path, "coco")
    for reader in (LABELME, CVAT, STUDIO):
        reader.write({"all": data}, tmp_path / reader.name)
        assert reader.read(tmp_path / reader.name, "all").samples[0].target.covered.tolist() == [5]
