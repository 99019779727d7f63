"""Outlines of COCO, YOLO and LabelMe become masks: which pixels, in which order, and what is told."""

import base64
import io
import json
from pathlib import Path

import numpy as np
import pytest
from drawn import pixels
from PIL import Image

from nayan.core import rle
from nayan.core.errors import DataError, FormatError
from nayan.core.types import VOID, Dataset, SemanticMask
from nayan.data.fingerprint import fingerprint
from nayan.data.readers import READERS, recognise
from nayan.data.readers.polygons import disc, filled
from nayan.data.splits import open_splits

SIZE = (20, 30)
WANTED = ("MaskSource",)


def rectangle(x1: float, y1: float, x2: float, y2: float) -> list[float]:
    return [x1, y1, x2, y1, x2, y2, x1, y2]


def picture(path: Path, *, orientation: int = 1, size: tuple[int, int] = SIZE) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(pixels(1, size)).save(path, exif=exif)


def coco(root: Path, *annotations: dict, image: dict | None = None, **keywords) -> Path:
    """Write one picture with annotations of the classes cat (1), dog (2) and void (3)."""
    picture(root / "images/a.jpg", **keywords)
    entry = {"id": 1, "file_name": "a.jpg", "height": SIZE[0], "width": SIZE[1], **(image or {})}
    document = {
        "images": [entry],
        "annotations": [
            {"id": n, "image_id": 1, "bbox": [1, 1, 4, 4], **a} for n, a in enumerate(annotations)
        ],
        "categories": [{"id": n, "name": name} for n, name in enumerate(("cat", "dog", "void"), start=1)],
    }
    (root / "annotations").mkdir()
    (root / "annotations/instances.json").write_text(json.dumps(document))
    return root


def cat(segmentation: object, category: int = 1) -> dict:
    return {"category_id": category, "segmentation": segmentation}


def only(data: Dataset) -> np.ndarray:
    return data.samples[0].target.load().ids


def covered(ids: np.ndarray, value: int) -> tuple[int, int, int, int, int]:
    """Return left, top, right, bottom and number of the pixels with a value."""
    y, x = np.nonzero(ids == value)
    return int(x.min()), int(y.min()), int(x.max()) + 1, int(y.max()) + 1, len(x)


def test_a_polygon_covers_the_pixels_whose_centres_it_holds() -> None:
    box = np.array(rectangle(1.4, 2.6, 5.6, 7.5)).reshape(-1, 2)
    assert covered(filled(box, SIZE), True) == (1, 3, 6, 7, 20)
    assert covered(filled(box - 3, SIZE), True) == (0, 0, 3, 4, 12)
    assert not filled(box + 100, SIZE).any()
    star = np.array([[2.0, 2], [10, 2], [10, 10], [2, 10], [2, 2], [4, 4], [8, 4], [8, 8], [4, 8], [4, 4]])
    assert int(filled(star, SIZE).sum()) == 64 - 16
    assert int(disc((10, 10), (10, 5), SIZE).sum()) == pytest.approx(np.pi * 25, abs=4)


def test_polygons_that_share_an_edge_share_no_pixel() -> None:
    triangles = [np.array(t, float) for t in ([[1, 1], [28, 3], [7, 18]], [[28, 3], [7, 18], [29, 19]])]
    first, second = (filled(t, SIZE) for t in triangles)
    assert not (first & second).any()
    assert first.any()
    assert second.any()


def test_coco_without_a_wish_is_boxes_and_with_one_masks(tmp_path: Path) -> None:
    root = coco(tmp_path, cat([rectangle(1, 2, 5, 7)]))
    assert recognise(root).reader.name == "coco"
    assert recognise(root, targets=("Boxes",)).reader.name == "coco"
    assert recognise(root, targets=WANTED).reader.name == "coco_masks"
    assert recognise(root, "coco", targets=WANTED).reader.name == "coco_masks"
    assert recognise(root, "coco_masks").reader.name == "coco_masks"
    assert recognise(root, "coco", targets=("Label",)).reader.name == "coco"


def test_boxes_without_outlines_are_no_masks(tmp_path: Path) -> None:
    root = coco(tmp_path, cat([]))
    with pytest.raises(DataError, match=r"holds boxes \(coco.*wanted masks(.|\n)*another --task"):
        recognise(root, targets=WANTED)
    assert READERS["coco_masks"].sniff(root).score == 0
    assert READERS["coco_masks"].sniff(tmp_path / "images").score == 0


def test_coco_polygons_and_run_lengths_become_classes_after_the_background(tmp_path: Path) -> None:
    mask = np.zeros(SIZE, bool)
    mask[10:15, 20:28] = True
    root = coco(
        tmp_path, cat([rectangle(1, 2, 5, 7), rectangle(8, 2, 9, 3)]), cat(rle.encode(mask), 2),
        cat([rectangle(0, 18, 30, 20)], 3),
    )  # fmt: skip
    data = READERS["coco_masks"].read(root, "all")
    assert data.classes == ("background", "cat", "dog")
    assert covered(only(data), 1) == (1, 2, 9, 7, 21)
    assert covered(only(data), 2) == (20, 10, 28, 15, 40)
    assert covered(only(data), VOID) == (0, 18, 30, 20, 60)
    assert any("what none covers is 'background'" in note for note in data.notes)
    assert not any("only boxes" in note for note in data.notes)
    assert data.info["mapping"]["values"] == {"0": "background", "1": "cat", "2": "dog"}


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_the_smaller_of_two_objects_lies_above(tmp_path: Path, order: tuple[int, int]) -> None:
    both = [cat([rectangle(0, 0, 20, 20)]), cat([rectangle(5, 5, 8, 8)], 2)]
    data = READERS["coco_masks"].read(coco(tmp_path, *(both[n] for n in order)), "all")
    assert covered(only(data), 2) == (5, 5, 8, 8, 9)
    assert int((only(data) == 1).sum()) == 400 - 9


def test_an_object_of_which_only_a_box_is_known_is_void(tmp_path: Path) -> None:
    data = READERS["coco_masks"].read(coco(tmp_path, cat([]), cat([rectangle(3, 3, 9, 9)], 2)), "all")
    assert int((only(data) == VOID).sum()) == 16 - 4
    assert covered(only(data), 2) == (3, 3, 9, 9, 36)
    assert any(note.startswith("void, for want of an outline: 1 box") for note in data.notes)


@pytest.mark.parametrize(
    ("segmentation", "message"),
    [
        ([[1, 2, 3, 4]], "a polygon of 4 numbers, expected x, y of three corners"),
        ([[1, 2, 3, 4, 5, "x"]], "'x', expected a finite number"),
        (5, "neither a list of polygons nor run lengths"),
        ({"size": [20, 30], "counts": [1, 2]}, "annotation 0: run lengths of 3 pixels"),
        ({"size": [10, 10], "counts": [100]}, "run lengths fill a mask of 10 x 10, the picture has 30 x 20"),
    ],
)
def test_outlines_that_make_no_sense_are_refused_with_their_place(
    tmp_path: Path, segmentation: object, message: str
) -> None:
    with pytest.raises(FormatError, match=r"instances\.json:1, annotation 0: .*") as caught:
        only(READERS["coco_masks"].read(coco(tmp_path, cat(segmentation)), "all"))
    assert message in caught.value.message


def test_run_lengths_of_half_the_size_are_enlarged(tmp_path: Path) -> None:
    runs = {"size": [10, 15], "counts": [0, 10, 140]}
    assert covered(only(READERS["coco_masks"].read(coco(tmp_path, cat(runs)), "all")), 1) == (0, 0, 2, 20, 40)


def test_outlines_of_a_picture_that_was_resized_are_resized_with_it(tmp_path: Path) -> None:
    root = coco(tmp_path, cat([rectangle(10, 10, 60, 40)]), image={"height": 40, "width": 60})
    data = READERS["coco_masks"].read(root, "all")
    assert covered(only(data), 1) == (5, 5, 30, 20, 375)
    assert any("declared size" in note for note in data.notes)


def test_outlines_that_leave_the_declared_picture_are_of_the_file(tmp_path: Path) -> None:
    root = coco(tmp_path, cat([rectangle(10, 10, 28, 18)]), image={"height": 10, "width": 15})
    assert covered(only(READERS["coco_masks"].read(root, "all")), 1) == (10, 10, 28, 18, 144)


def test_outlines_before_the_exif_orientation_are_turned(tmp_path: Path) -> None:
    root = coco(tmp_path, cat([rectangle(0, 0, 5, 20)]), orientation=6)
    data = READERS["coco_masks"].read(root, "all")
    assert only(data).shape == (30, 20) == data.samples[0].load().shape[:2]
    assert covered(only(data), 1) == (0, 0, 20, 5, 100)
    assert any("turned with the EXIF orientation" in note for note in data.notes)


def test_a_picture_of_another_shape_than_was_annotated_is_refused(tmp_path: Path) -> None:
    root = coco(tmp_path, cat([rectangle(0, 0, 5, 9)]), image={"height": 300, "width": 300})
    with pytest.raises(
        FormatError, match=r"image 1: the annotations are of a picture of 300 x 300, the file has"
    ):
        READERS["coco_masks"].read(root, "all")


def test_a_picture_whose_size_nobody_knows_has_no_mask(tmp_path: Path) -> None:
    root = coco(tmp_path, cat([rectangle(0, 0, 5, 5)]), image={"height": 0})
    (root / "images/a.jpg").write_bytes(b"\xff\xd8\xff\xe0 broken")
    assert READERS["coco_masks"].read(root, "all").samples[0].target is None


def test_splits_in_files_of_their_own_are_read_together_and_apart(tmp_path: Path) -> None:
    for split in ("train", "valid"):
        root = coco(tmp_path / split, cat([rectangle(1, 2, 5, 7)]))
        (tmp_path / split / "_annotations.coco.json").write_text(
            (root / "annotations/instances.json").read_text()
        )
        (tmp_path / split / "images/a.jpg").rename(tmp_path / split / "a.jpg")
        (root / "annotations/instances.json").unlink()
    reader = READERS["coco_masks"]
    assert reader.splits(tmp_path) == ("train", "val")
    assert [covered(s.target.load().ids, 1)[4] for s in reader.read(tmp_path, "all").samples] == [20, 20]
    splits = open_splits(tmp_path, targets=WANTED)
    assert splits.recognition.reader.name == "coco_masks"
    assert fingerprint(splits.train) == fingerprint(reader.read(tmp_path, "train"))


def test_too_many_classes_for_a_mask_are_refused(tmp_path: Path) -> None:
    root = coco(tmp_path, cat([rectangle(0, 0, 5, 5)]))
    table = root / "annotations/instances.json"
    document = json.loads(table.read_text())
    document["categories"] += [{"id": n, "name": f"c{n}"} for n in range(4, 260)]
    table.write_text(json.dumps(document))
    with pytest.raises(FormatError, match="258 classes; a mask holds at most 254 beside the background"):
        READERS["coco_masks"].read(root, "all")


def yolo(root: Path, *rows: str) -> Path:
    picture(root / "images/train/a.jpg")
    picture(root / "images/train/b.jpg")
    (root / "labels/train").mkdir(parents=True)
    (root / "labels/train/a.txt").write_text("\n".join(rows))
    (root / "data.yaml").write_text("train: images/train\nnames: [cat, dog]\n")
    return root


def test_yolo_polygons_become_masks_and_boxes_void(tmp_path: Path) -> None:
    root = yolo(tmp_path, "0 0 0 0.5 0 0.5 0.5 0 0.5", "1 0.9 0.9 0.2 0.2")
    assert recognise(root).reader.name == "yolo"
    assert recognise(root, targets=WANTED).reader.name == "yolo_masks"
    data = READERS["yolo_masks"].read(root, "train")
    assert data.classes == ("background", "cat", "dog")
    assert covered(only(data), 1) == (0, 0, 15, 10, 150)
    assert covered(only(data), VOID) == (24, 16, 30, 20, 24)
    assert not data.samples[1].target.load().ids.any()  # no file of labels: background


def test_yolo_boxes_alone_are_no_masks(tmp_path: Path) -> None:
    root = yolo(tmp_path, "1 0.9 0.9 0.2 0.2")
    assert READERS["yolo_masks"].sniff(root).score == 0
    assert READERS["yolo_masks"].sniff(tmp_path / "images").score < 0.5


def test_yolo_pictures_that_cannot_be_read_or_have_no_labels_have_no_mask(tmp_path: Path) -> None:
    root = yolo(tmp_path, "0 0 0 0.5 0 0.5 0.5 0 0.5")
    (root / "images/train/b.jpg").write_bytes(b"\xff\xd8\xff\xe0 broken")
    picture(root / "more/images/c.jpg")
    (root / "data.yaml").write_text("train: [images/train, more/images]\nnames: [cat, dog]\n")
    data = READERS["yolo_masks"].read(root, "train")
    assert [sample.target is None for sample in data.samples] == [False, True, True]


def labelme(root: Path, *shapes: dict, **facts: object) -> Path:
    picture(root / "a.jpg")
    document = {
        "version": "5",
        "imagePath": "a.jpg",
        "imageHeight": 20,
        "imageWidth": 30,
        "shapes": list(shapes),
    }
    (root / "a.json").write_text(json.dumps(document | facts))
    return root


def shape(kind: str, points: list, label: str = "cat", **more: object) -> dict:
    return {"label": label, "shape_type": kind, "points": points, "group_id": None, **more}


def embedded(patch: np.ndarray) -> str:
    buffer = io.BytesIO()
    Image.fromarray(patch.astype(np.uint8) * 255).save(buffer, "PNG")
    return base64.b64encode(buffer.getvalue()).decode()


def test_labelme_shapes_become_masks(tmp_path: Path) -> None:
    patch = np.array([[1, 0], [1, 1], [0, 1]], bool)
    root = labelme(
        tmp_path,
        shape("polygon", [[1, 2], [5, 2], [5, 7], [1, 7]]),
        shape("rectangle", [[20, 10], [10, 12]], "dog"),
        shape("circle", [[25, 5], [25, 8]], "eye"),
        shape("mask", [[28, 17], [29, 19]], "fly", mask=embedded(patch)),
        shape("point", [[1, 1]]),
        shape("line", [[1, 1], [9, 9]], "_background_"),
    )
    assert recognise(root, targets=WANTED).reader.name == "labelme_masks"
    data = READERS["labelme_masks"].read(root, "all")
    assert data.classes == ("background", "cat", "dog", "eye", "fly")
    ids = only(data)
    assert covered(ids, 1) == (1, 2, 5, 7, 20)
    assert covered(ids, 2) == (10, 10, 20, 12, 20)
    assert covered(ids, 3)[:4] == (22, 2, 28, 8)
    assert (ids[17:20, 28:30] == 4).tolist() == patch.tolist()
    assert any("left out of the masks: 2 boxes that are no areas" in note for note in data.notes)


def test_a_labelme_patch_that_sticks_out_is_cut(tmp_path: Path) -> None:
    root = labelme(tmp_path, shape("mask", [[-1, -1], [1, 1]], mask=embedded(np.ones((3, 3)))))
    assert covered(only(READERS["labelme_masks"].read(root, "all")), 1) == (0, 0, 2, 2, 4)


def test_a_labelme_patch_that_is_no_picture_is_refused(tmp_path: Path) -> None:
    root = labelme(tmp_path, shape("mask", [[1, 1], [2, 2]], mask="bm90aGluZw=="))
    with pytest.raises(FormatError, match=r"a\.json: shape 1: its mask is no picture"):
        READERS["labelme_masks"].read(root, "all")


def test_a_picture_inside_of_labelmes_file_has_a_mask_too(tmp_path: Path) -> None:
    root = labelme(tmp_path, shape("rectangle", [[1, 1], [4, 4]]))
    data = base64.b64encode((root / "a.jpg").read_bytes()).decode()
    document = json.loads((root / "a.json").read_text()) | {"imageData": data}
    (root / "train").mkdir()
    (root / "train/a.json").write_text(json.dumps(document))
    (root / "a.json").unlink()
    (root / "a.jpg").unlink()
    reader = READERS["labelme_masks"]
    assert reader.splits(root) == ("train",)
    found = reader.read(root, "train")
    assert covered(only(found), 1) == (1, 1, 4, 4, 9)
    assert isinstance(found.samples[0].target.load(), SemanticMask)


def test_what_cocos_reader_cannot_decide_is_left_to_it(tmp_path: Path) -> None:
    root = coco(tmp_path, cat([rectangle(1, 1, 5, 5)]))
    table = root / "annotations/instances.json"
    (root / "annotations/instances_b.json").write_text(table.read_text())
    assert READERS["coco_masks"].sniff(root).score == 0.6
    with pytest.raises(FormatError, match="could both be the annotations"):
        READERS["coco_masks"].read(root, "all")


def test_a_labelme_file_without_its_picture_is_left_out(tmp_path: Path) -> None:
    root = labelme(tmp_path, shape("rectangle", [[1, 1], [4, 4]]))
    (root / "b.json").write_text((root / "a.json").read_text().replace("a.jpg", "b.jpg"))
    data = READERS["labelme_masks"].read(root, "all")
    assert len(data) == 1
    assert any("whose file does not exist" in note for note in data.notes)
