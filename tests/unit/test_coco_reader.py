"""COCO files: layouts, categories, crowds, segmentations, and every way in which an entry can be wrong."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from drawn import draw
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from nayan.core.errors import DataError, FormatError, LabelError, NotFound
from nayan.core.types import Boxes, Dataset
from nayan.data.readers import recognise
from nayan.data.readers.coco import CocoReader
from nayan.data.readers.coco_shapes import enclosing, run_lengths

READER = CocoReader()
VALID = "valid/_annotations.coco.json"
CAR = [{"id": 7, "name": "car"}]


def document(
    images: dict[int, str] | list[dict[str, Any]] | None = None,
    boxes: list[dict[str, Any]] | None = None,
    **more: Any,
) -> dict[str, Any]:
    """Return a file of pictures of 20 x 16 pixels and annotations, by default a car in the first picture."""
    images = {1: "1.png"} if images is None else images
    boxes = [{}] if boxes is None else boxes
    usual = {"image_id": 1, "category_id": 7, "bbox": [2, 3, 4.5, 5], "iscrowd": 0}
    if isinstance(images, dict):
        size = {"width": 20, "height": 16}
        images = [{"id": id, "file_name": name, **size} for id, name in images.items()]
    return {
        "images": images,
        "annotations": [{"id": number, **usual, **box} for number, box in enumerate(boxes, start=1)],
        "categories": CAR,
        **more,
    }


def coco(root: Path, name: str = "train/_annotations.coco.json", **parts: Any) -> Path:
    """Write a file with one entry a line below `root`, and the pictures that it lists beside it."""
    found = document(**parts)
    lists = [
        f'"{key}": [\n' + ",\n".join(map(json.dumps, value)) + "\n]" if isinstance(value, list) else
        f'"{key}": {json.dumps(value)}' for key, value in found.items()
    ]  # fmt: skip
    folder = Path(name).parent.as_posix()
    pictures = {f"{folder}/{image['file_name']}": at for at, image in enumerate(found["images"])}
    draw(root, {**pictures, name: "{" + ",\n".join(lists) + "}"})
    return root


def boxes_in(data: Dataset) -> dict[str, list[tuple[str, list[float]]]]:
    return {
        sample.id: [
            (data.classes[label], box)
            for label, box in zip(sample.target.labels, sample.target.xyxy.tolist(), strict=True)
        ]
        for sample in data.samples
    }


def test_the_layout_of_roboflow_is_recognised_and_read(tmp_path: Path) -> None:
    for split, image in (("train", "a.png"), ("valid", "b.png"), ("test", "c.png")):
        coco(tmp_path, f"{split}/_annotations.coco.json", images={1: image})
    found = recognise(tmp_path)
    assert found.reader.name == "coco"
    assert "train/_annotations.coco.json" in found.reason
    assert READER.splits(tmp_path) == ("train", "val", "test")
    data = READER.read(tmp_path, "val")
    assert boxes_in(data) == {"valid/b.png": [("car", [2, 3, 6.5, 8])]}
    assert data.notes == ()
    assert len(READER.read(tmp_path, "all")) == 3
    with pytest.raises(NotFound, match="no split is named 'dev'"):
        READER.read(tmp_path, "dev")


@pytest.mark.parametrize("pictures", ["images", "images/train2017", "train2017", "images/train", "train"])
def test_the_layout_of_coco_itself_finds_its_pictures(tmp_path: Path, pictures: str) -> None:
    text = json.dumps(document())
    draw(tmp_path, {f"{pictures}/1.png": 1, "annotations/instances_train2017.json": text})
    draw(tmp_path, {"annotations/captions_train2017.json": text})
    assert READER.splits(tmp_path) == ("train",)
    data = READER.read(tmp_path, "train")
    assert list(boxes_in(data)) == [f"{pictures}/1.png"]
    assert data.notes == ("left out: captions_train2017.json, another file of annotations",)
    alone = READER.read(tmp_path / "annotations" / "instances_train2017.json", "all")
    assert boxes_in(alone) == boxes_in(data)


def test_one_file_beside_the_pictures_has_no_splits(tmp_path: Path) -> None:
    coco(tmp_path, "boxes.json", images={1: "sub/1.png", 2: "ü.png"})
    assert READER.splits(tmp_path) == ()
    assert READER.sniff(tmp_path).score >= 0.9
    data = READER.read(tmp_path / "boxes.json", "all")
    assert boxes_in(data) == {"sub/1.png": [("car", [2, 3, 6.5, 8])], "ü.png": []}
    assert data.notes == ("the data set has 1 picture of the background, without a box",)


@pytest.mark.parametrize("name", ["C:\\data\\1.png", "/home/me/1.png", "sub\\u\u0308.png"])
def test_names_of_other_machines_are_understood(tmp_path: Path, name: str) -> None:
    draw(tmp_path, {"1.png": 1, "sub/\u00fc.png": 2, "a.json": json.dumps(document(images={1: name}))})
    assert next(iter(boxes_in(READER.read(tmp_path, "all")))) in ("1.png", "sub/\u00fc.png")


def test_two_files_for_one_split_ask_for_a_decision(tmp_path: Path) -> None:
    coco(tmp_path, "a_train.json")
    coco(tmp_path, "b_train.json")
    with pytest.raises(FormatError, match=r"a_train\.json and b_train\.json could both be .* of train"):
        READER.read(tmp_path, "all")
    assert 0.5 < READER.sniff(tmp_path).score < 0.9


@pytest.mark.parametrize("text", ["[]", '{"shapes": [], "imagePath": "1.png"}', "x", '{"images": 3}'])
def test_other_json_is_not_mistaken_for_coco(tmp_path: Path, text: str) -> None:
    draw(tmp_path, {"1.png": 1, "a.json": text, "b.txt": "x"})
    assert READER.sniff(tmp_path).score == 0
    assert READER.sniff(tmp_path / "b.txt").score == 0
    (tmp_path / "gone.json").symlink_to("nowhere")
    assert READER.sniff(tmp_path).score == 0


def test_a_category_that_only_groups_the_others_is_no_class(tmp_path: Path) -> None:
    categories = [
        {"id": 0, "name": "vehicles", "supercategory": "none"},
        {"id": 7, "name": "car", "supercategory": "vehicles"},
        {"id": 90, "name": "bus", "supercategory": "vehicles"},
    ]
    coco(tmp_path, categories=categories)
    data = READER.read(tmp_path, "train")
    assert data.classes == ("car", "bus")
    assert data.notes == (
        "no class: 'vehicles', a category that groups others and has no box itself",
        "train has no box of class 'bus'",
    )
    READER.write({"train": data}, tmp_path / "again")
    written = json.loads((tmp_path / "again" / "annotations" / "instances_train.json").read_text())
    assert written["categories"] == categories
    assert READER.read(tmp_path / "again", "train").classes == ("car", "bus")


def test_a_grouping_category_with_a_box_in_any_split_is_a_class(tmp_path: Path) -> None:
    categories = [
        {"id": 0, "name": "all", "supercategory": ""},
        {"id": 7, "name": "car", "supercategory": "all"},
        {"id": 8, "name": "bus", "supercategory": "bus"},
    ]
    coco(tmp_path, categories=categories)
    coco(
        tmp_path,
        VALID,
        images={1: "2.png"},
        boxes=[{"category_id": 0}],
        categories=categories,
    )
    assert READER.read(tmp_path, "train").classes == ("all", "car", "bus")


def test_names_decide_where_the_ids_of_two_splits_differ(tmp_path: Path) -> None:
    coco(tmp_path)
    other = [{"id": 7, "name": "bus"}, {"id": 8, "name": "car"}]
    coco(
        tmp_path,
        VALID,
        images={1: "2.png"},
        boxes=[{"category_id": 8}],
        categories=other,
    )
    data = READER.read(tmp_path, "val")
    assert data.classes == ("car", "bus")
    assert boxes_in(data) == {"valid/2.png": [("car", [2, 3, 6.5, 8])]}
    assert any(
        "the class 'car' has the id 8 in _annotations.coco.json, 7 before" in note for note in data.notes
    )


def test_ids_and_other_facts_are_written_again(tmp_path: Path) -> None:
    images = {41: "1.png", 7: "2.png"}
    boxes = [
        {"id": 900, "image_id": 41},
        {"id": 3, "image_id": 7},
        {"id": 5, "image_id": 41, "bbox": [0, 0, 0, 0]},
    ]
    coco(tmp_path, images=images, boxes=boxes, info={"year": 2020}, licenses=[{"id": 1}])
    data = READER.read(tmp_path, "train")
    READER.write({"train": data}, tmp_path / "again")
    written = json.loads((tmp_path / "again" / "annotations" / "instances_train.json").read_text())
    assert [image["id"] for image in written["images"]] == [41, 7]
    assert [(each["id"], each["image_id"], each["category_id"]) for each in written["annotations"]] == [
        (900, 41, 7), (3, 7, 7),
    ]  # fmt: skip
    assert (written["info"], written["licenses"]) == ({"year": 2020}, [{"id": 1}])


def test_ids_that_clash_between_splits_are_numbered_anew(tmp_path: Path) -> None:
    coco(tmp_path)
    coco(tmp_path, VALID, images={1: "2.png"})
    READER.write({"all": READER.read(tmp_path, "all")}, tmp_path / "one")
    data = READER.read(tmp_path / "one", "all")
    assert sorted(image["id"] for image in data.info["coco"]["images"].values()) == [1, 2]
    assert list(boxes_in(data).values()) == [[("car", [2, 3, 6.5, 8])]] * 2


def test_crowds_areas_and_text_are_understood(tmp_path: Path) -> None:
    boxes = [{"iscrowd": 1, "area": 3}, {"area": "9.5"}, {"bbox": ["2", "3", "4.5", "5"]}]
    data = READER.read(coco(tmp_path, boxes=boxes), "train")
    target = data.samples[0].target
    assert isinstance(target, Boxes)
    assert target.crowd.tolist() == [True, False, False]
    assert target.covered.tolist() == [3, 9.5, 22.5]
    assert data.notes == (
        "read as numbers: 1 box with coordinates in quotes (train/_annotations.coco.json:7, annotation 3)",
    )


def test_a_missing_bbox_is_taken_from_the_segmentation(tmp_path: Path) -> None:
    polygon = {"bbox": None, "segmentation": [[1, 2, 5, 2, 5, 4], [8, 3, 9, 3, 9, 9]]}
    empty = {"bbox": [], "segmentation": {"size": [16, 20], "counts": [320]}}
    data = READER.read(coco(tmp_path, boxes=[polygon, empty, {"attributes": {}, "score": 1}]), "train")
    assert [box for _, box in boxes_in(data)["train/1.png"]] == [[1, 2, 9, 9], [2, 3, 6.5, 8]]
    assert [note.partition(" (")[0] for note in data.notes] == [
        "the box around its segmentation stands for a missing bbox: 2 boxes",
        "left out: 1 box without area",
        "of the annotations only boxes are kept, not attributes, score, segmentation",
    ]


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 9), st.integers(1, 9), st.integers(0, 2**32))
def test_run_lengths_are_those_of_pycocotools(height: int, width: int, seed: int) -> None:
    mask_api = pytest.importorskip("pycocotools.mask")
    mask = np.random.default_rng(seed).random((height, width)) < 0.3
    packed = mask_api.encode(np.asfortranarray(mask.astype(np.uint8)))
    packed["counts"] = packed["counts"].decode()
    x, y, w, h = mask_api.toBbox(packed).tolist()
    found = enclosing(packed, line="a:1")
    assert (found is None) == (not mask.any())
    assert found is None or found == (x, y, x + w, y + h)
    plain = {"size": [height, width], "counts": run_lengths(packed["counts"])}
    assert enclosing(plain, line="a:1") == found


@pytest.mark.parametrize(
    ("segmentation", "message"),
    [
        ("x", "neither a list of polygons nor run lengths"),
        ([1, 2, 3, 4], "neither a list of polygons nor run lengths"),
        ([[1, 2, 3]], "a polygon has an x without its y"),
        ([[1, "a"]], "y is 'a', expected a finite number"),
        ({"size": [2, 2], "counts": [3]}, r"do not fill a mask of the size \[2, 2\]"),
        ({"size": [2], "counts": [2]}, "do not fill a mask"),
        ({"size": None, "counts": "4"}, "do not fill a mask"),
        ({"size": [2, 2], "counts": "o" * 10_000}, "do not fill a mask"),
        ({"size": [2, 2], "counts": [5, -1]}, "do not fill a mask"),
    ],
)
def test_damaged_segmentations_are_refused(segmentation: Any, message: str) -> None:
    with pytest.raises(FormatError, match=rf"a\.json:3: .*{message}"):
        enclosing(segmentation, line="a.json:3")


def test_a_segmentation_without_points_covers_nothing() -> None:
    assert enclosing([[]], line="") is None


@pytest.mark.parametrize(
    ("boxes", "error", "message"),
    [
        ([{}, {"category_id": 3}], LabelError, r":6, annotation 2: category 3 is not declared\n.*the ids 7"),
        ([{"category_id": [7]}], LabelError, r":5, annotation 1: category \[7\] is not declared"),
        ([{"bbox": [1, 2, 3]}], FormatError, r":5, annotation 1: bbox is \[1, 2, 3\], expected \[x, y"),
        ([{"bbox": None}], FormatError, r":5, annotation 1: bbox is None"),
        ([{"bbox": [1, 2, 3, True]}], FormatError, r":5, annotation 1: height is True"),
        ([{"bbox": [1, 2, 10**400, 4]}], FormatError, r":5, annotation 1: width is 1000"),
        ([{"bbox": [1, 2, float("nan"), 4]}], LabelError, r":5, annotation 1: the box .* is not finite"),
        ([{"area": "big"}], FormatError, r":5, annotation 1: area is 'big'"),
        ([{"bbox": [0.1, 0.2, 0.3, 0.4]}], LabelError, r":5, annotation 1: every box .* bbox is x, y, width"),
    ],
)  # fmt: skip
def test_impossible_annotations_are_refused_with_file_and_line(
    tmp_path: Path, boxes: list[dict[str, Any]], error: type[Exception], message: str
) -> None:
    coco(tmp_path, boxes=boxes)
    with pytest.raises(error, match=rf"_annotations\.coco\.json{message}"):
        READER.read(tmp_path, "train")


def test_faults_that_are_mended_are_counted_with_their_places(tmp_path: Path) -> None:
    boxes = [
        {"bbox": [1, 1, 0, 5]},
        {"bbox": [1, 1, -4, 5]},
        {"bbox": [30, 1, 4, 5]},
        {"bbox": [15, 1, 9, 5]},
        {"image_id": 99},
    ]
    coco(tmp_path, images={1: "1.png", 2: "gone.png"}, boxes=[*boxes, {"image_id": 2}])
    (tmp_path / "train" / "gone.png").unlink()
    draw(tmp_path, {"train/more.png": 3, "train/.hidden.png": 3})
    data = READER.read(tmp_path, "train")
    assert boxes_in(data) == {"train/1.png": [("car", [15, 1, 20, 6])]}
    at = "train/_annotations.coco.json"
    assert data.notes == (
        f"left out: 1 picture whose file does not exist ({at}:3, image 2)",
        f"left out: 2 boxes without area ({at}:6, annotation 1, {at}:7, annotation 2)",
        f"left out: 1 box wholly outside of the picture ({at}:8, annotation 3)",
        f"cut to the picture: 1 box that stuck out of it ({at}:9, annotation 4)",
        f"left out: 1 box of an image that is not listed ({at}:10, annotation 5)",
        "left out: 1 picture without an entry in a file of annotations (train/more.png)",
    )


def test_boxes_of_a_picture_that_was_stored_turned_are_turned(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    coco(tmp_path)
    Image.new("RGB", (20, 16)).save(tmp_path / "train" / "1.png", exif=exif)
    data = READER.read(tmp_path, "train")
    assert boxes_in(data) == {"train/1.png": [("car", [8, 2, 13, 6.5])]}
    assert (
        "the boxes of 1 picture, drawn before it was applied (train/_annotations.coco.json:2, image 1)"
        in data.notes[0]
    )


def test_a_broken_picture_is_placed_by_its_declared_size_or_left_without_target(tmp_path: Path) -> None:
    coco(tmp_path)
    (tmp_path / "train" / "1.png").write_bytes(b"broken")
    assert boxes_in(READER.read(tmp_path, "train")) == {"train/1.png": [("car", [2, 3, 6.5, 8])]}
    for sides in ({}, {"width": "x", "height": 3}, {"width": 0, "height": 3}):
        coco(tmp_path, images=[{"id": 1, "file_name": "1.png", **sides}])
        (tmp_path / "train" / "1.png").write_bytes(b"broken")
        data = READER.read(tmp_path, "train")
        assert data.samples[0].target is None
        assert "left without a target: 1 picture whose size cannot be read" in data.notes[0]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"images": [],\n"annotations": [}', r":2: is no JSON: Expecting value"),
        ('{"images": [], "annotations": []}', r"has no list named 'categories'"),
        ('{"images": [], "annotations": [], "categories": {}}', r"has no list named 'categories'"),
        ('{"images": [], "annotations": [], "categories": [' + "[" * 100_000, r"cannot be parsed|is no JSON"),
        ('{"images": [' + "9" * 5000 + "]}", r"cannot be parsed"),
        ('{"images": [\n3], "annotations": [], "categories": []}', r":2, image number 1: is 3, expected"),
        ('{"images": [{}], "annotations": [], "categories": []}', r":1, image number 1: 'id' is None"),
        (json.dumps(document(images=[{"id": 1}])), r":1, image 1: file_name is None"),
        ('{"images": [], "annotations": [], "categories": [{"id": 1}]}', r":1, category 1: 'name' is None"),
        ('{"images": [], "annotations": [], "categories": []}', r"`categories` is empty"),
    ],
)  # fmt: skip
def test_files_that_are_not_what_they_claim_are_refused(tmp_path: Path, text: str, message: str) -> None:
    draw(tmp_path, {"1.png": 1, "a.json": text})
    with pytest.raises(FormatError, match=rf"a\.json.*{message}"):
        READER.read(tmp_path, "all")


@pytest.mark.parametrize(
    ("key", "entries", "message"),
    [
        ("categories", [{"id": 7, "name": "a"}, {"id": 7, "name": "b"}], "the id 7 stands twice among"),
        ("categories", [{"id": 7, "name": "a"}, {"id": 8, "name": "a"}], "the name 'a' stands twice"),
        ("images", [{"id": 1, "file_name": f"{n}.png"} for n in (1, 2)], "the id 1 stands twice"),
    ],
)  # fmt: skip
def test_entries_that_stand_twice_are_refused(
    tmp_path: Path, key: str, entries: list[dict[str, Any]], message: str
) -> None:
    coco(tmp_path, **{key: entries})
    with pytest.raises(LabelError, match=message):
        READER.read(tmp_path, "train")


def test_lines_are_found_where_a_key_stands_twice_or_holds_lists(tmp_path: Path) -> None:
    text = json.dumps(document(boxes=[{"category_id": 1}])).replace(
        '"annotations"', '"annotations": 3, "more": {"annotations": [1]},\n"annotations": [4],\n"annotations"'
    )
    draw(tmp_path, {"1.png": 1, "a.json": text})
    with pytest.raises(LabelError, match=r"a\.json:3, annotation 1: category 1"):
        READER.read(tmp_path, "all")


def test_pictures_that_are_all_missing_are_an_error(tmp_path: Path) -> None:
    draw(tmp_path, {"a.json": json.dumps(document())})
    with pytest.raises(DataError, match=r"a\.json: none of the pictures exists\nput them beside the file"):
        READER.read(tmp_path, "all")


def test_one_picture_listed_twice_is_refused(tmp_path: Path) -> None:
    coco(tmp_path, images={1: "1.png", 2: "1.png"})
    with pytest.raises(DataError, match=r"two pictures have one name, 'train/1\.png'"):
        READER.read(tmp_path, "train")


def test_the_address_names_a_picture_without_file_name(tmp_path: Path) -> None:
    image = {"id": 1, "coco_url": "http://example.org/a/9.png", "width": 20, "height": 16}
    draw(tmp_path, {"9.png": 1, "a.json": json.dumps(document() | {"images": [image]})})
    assert list(boxes_in(READER.read(tmp_path, "all"))) == ["9.png"]


def test_writing_into_a_full_folder_is_refused(tmp_path: Path) -> None:
    coco(tmp_path)
    with pytest.raises(DataError, match="the folder is not empty"):
        READER.write({"train": READER.read(tmp_path, "train")}, tmp_path)


@pytest.mark.data
@pytest.mark.parametrize(
    ("pack", "classes", "counts"),
    [
        ("detect-ppe-cctv", 7, {"train": (111, 457), "val": (30, 108), "test": (30, 110), "all": (171, 675)}),
        ("detect-traffic", 2, {"train": (67, 295), "val": (12, 101), "test": (18, 38), "all": (97, 434)}),
    ],
)
def test_the_real_packs_are_recognised_and_complete(
    data_packs: Path, pack: str, classes: int, counts: dict[str, tuple[int, int]]
) -> None:
    root = data_packs / pack
    assert recognise(root).reader.name == "coco"
    for split, expected in counts.items():
        data = READER.read(root, split)
        assert (len(data), sum(len(sample.target) for sample in data.samples)) == expected
        assert len(data.classes) == classes
