"""Splits of pictures with boxes: by the classes in them, whole groups, and nothing that cannot be learnt."""

import itertools
import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from boxed import coco, many, names_in
from drawn import digest_of, draw, pixels
from PIL import Image

from nayan.core.errors import ConfigError, DataError, LabelError
from nayan.core.types import Boxes, Dataset, Label, Sample
from nayan.data.classes import match_classes
from nayan.data.fingerprint import fingerprint
from nayan.data.readers.base import classes_in
from nayan.data.splits import Splits, open_splits, write_splits


def parts(splits: Splits) -> dict[str, set[str]]:
    found = {"train": splits.train, "val": splits.val, "test": splits.test}
    return {name: names_in(part) for name, part in found.items() if part is not None}


def pictures_with(data: Dataset) -> Counter[str]:
    return Counter(data.classes[index] for sample in data.samples for index in classes_in(sample.target))


def test_every_picture_is_in_one_split_and_the_classes_keep_their_shares(tmp_path: Path) -> None:
    pictures = many(60, ("cat", "dog", "fox"))
    pictures |= {f"empty{i}x.png": (900 + i, []) for i in range(20)}
    splits = open_splits(coco(tmp_path, {"all": pictures}, ("cat", "dog", "fox")), val_fraction=0.2)
    found = parts(splits)
    assert sum(map(len, found.values())) == len(set.union(*found.values())) == 80
    assert {name: len(part) for name, part in found.items()} == {"train": 52, "val": 16, "test": 12}
    whole = pictures_with(splits.train) + pictures_with(splits.val) + pictures_with(splits.test)
    for name, count in whole.items():
        assert abs(pictures_with(splits.val)[name] - 0.2 * count) <= 1.5
    assert sum(not len(sample.target) for sample in splits.val.samples) in (3, 4, 5)
    assert splits.made
    assert splits.summary == "coco (3 classes, train 52, val 16, test 12; 90 boxes)"
    assert splits.notes[-1].startswith("the splits were drawn with seed 0, by the classes in each picture")


def test_the_seed_decides_and_nothing_on_disk_changes(tmp_path: Path) -> None:
    root = coco(tmp_path, {"all": many(30)})
    before = digest_of(root)
    assert parts(open_splits(root, seed=1)) == parts(open_splits(root, seed=1))
    assert parts(open_splits(root, seed=1)) != parts(open_splits(root, seed=2))
    assert digest_of(root) == before


def test_a_single_class_is_enough_for_boxes(tmp_path: Path) -> None:
    splits = open_splits(coco(tmp_path, {"all": many(8, ("plate",))}, ("plate",)))
    assert splits.summary.startswith("coco (1 class, train ")


@pytest.mark.parametrize("seed", range(4))
def test_versions_of_a_picture_and_frames_of_a_clip_are_never_parted(tmp_path: Path, seed: int) -> None:
    pictures = many(20)
    for number in range(6):
        for version in range(3):
            pictures |= many(
                1, start=100 + 10 * number + version, name=f"p{number}x_jpg.rf.{version}{{:09d}}.jpg"
            )
    for clip in "ab":
        pictures |= many(6, start=300 + 50 * (clip == "b"), name=f"{clip}_mp4_{{:04d}}.png")
    splits = open_splits(coco(tmp_path, {"all": pictures}), val_fraction=0.3, test_fraction=0.2, seed=seed)
    families = [{n for n in pictures if n.startswith(f"p{i}x_")} for i in range(6)]
    families += [{n for n in pictures if n.startswith(f"{clip}_mp4")} for clip in "ab"]
    for family in families:
        assert sum(bool(family & part) for part in parts(splits).values()) == 1
    assert (
        "versions of one picture stay in one split: 6 pictures in 18 versions, such as 'p0x'" in splits.notes
    )
    assert "frames of one clip stay in one split: 12 pictures in 2 groups, such as 'a_mp4'" in splits.notes
    loose = open_splits(tmp_path, val_fraction=0.3, test_fraction=0.2, seed=seed, group="none")
    assert not any("stay in one split" in note for note in loose.notes)


@pytest.mark.parametrize("group", [r"(cam\d)_", "folder"])
def test_a_camera_is_in_one_split_only(tmp_path: Path, group: str) -> None:
    slash = "/" if group == "folder" else ""
    pictures = {}
    for camera in range(6):
        pictures |= many(5, start=100 * camera, name=f"cam{camera}_{slash}{{:03d}}x.png")
    splits = open_splits(coco(tmp_path, {"all": pictures}), val_fraction=0.2, group=group)
    cameras = [{s.id.split("cam")[1][0] for s in part.samples} for part in (splits.train, splits.val)]
    cameras.append({s.id.split("cam")[1][0] for s in splits.test.samples})
    assert sum(map(len, cameras)) == len(set.union(*cameras)) == 6
    assert any("pictures of one group stay in one split: 30 pictures in 6 groups" in n for n in splits.notes)


def test_a_clip_that_is_most_of_the_data_is_cut_and_said_so(tmp_path: Path) -> None:
    root = coco(tmp_path, {"all": many(40, name="ride_mp4_{:04d}.png")})
    splits = open_splits(root)
    assert len(splits.val) >= 4
    assert any("'ride_mp4' has 40 of 40 pictures: it was cut" in note for note in splits.notes)
    frames = sorted(int(name[9:13]) for name in parts(splits)["val"])
    assert sum(b - a == 1 for a, b in itertools.pairwise(frames)) >= len(frames) // 3


def test_a_group_where_nothing_is_drawn_is_refused(tmp_path: Path) -> None:
    root = coco(tmp_path, {"train": many(4), "valid": many(4, start=50)})
    with pytest.raises(ConfigError, match=r"--group auto: .* has its own train, val, so nothing is drawn"):
        open_splits(root, group="auto")
    assert not open_splits(root).made


def test_validation_is_taken_in_groups_from_train_where_only_test_exists(tmp_path: Path) -> None:
    train = {
        name: row for i in range(5) for name, row in many(4, start=20 * i, name=f"c{i}_{{:03d}}x.png").items()
    }
    root = coco(tmp_path, {"train": train, "test": many(4, start=500)})
    splits = open_splits(root, val_fraction=0.2, group=r"(c\d)_")
    assert {name: len(part) for name, part in parts(splits).items()} == {"train": 16, "val": 4, "test": 4}
    assert len({name[:2] for name in parts(splits)["val"]}) == 1


def test_a_rare_class_stays_in_train_and_that_is_said(tmp_path: Path) -> None:
    pictures = many(12)
    pictures["rare.png"] = (700, [("fox", (1, 1, 30, 30))])
    splits = open_splits(coco(tmp_path, {"all": pictures}, ("cat", "dog", "fox", "owl")))
    assert pictures_with(splits.train)["fox"] == 1
    assert "class 'fox' is in one picture or group only: there is none of it in val" in splits.notes
    assert "class 'owl' has no box at all" in splits.notes


def test_classes_that_always_come_together_may_leave_validation_without_one(tmp_path: Path) -> None:
    both = [("fox", (1.0, 1.0, 30.0, 30.0)), ("owl", (40.0, 1.0, 30.0, 30.0))]
    pictures = {"a.png": (1, both), "b.png": (2, [*both, ("yak", (1.0, 40.0, 30.0, 30.0))])}
    pictures |= {"c.png": (3, [("fox", (5.0, 5.0, 30.0, 30.0)), ("emu", (40.0, 5.0, 30.0, 30.0))])}
    classes = ("fox", "owl", "yak", "emu")
    splits = open_splits(coco(tmp_path, {"all": pictures}, classes), test_fraction=0.0)
    assert set(pictures_with(splits.train)) == set(classes)
    assert len(splits.val) == 1


def test_pictures_that_all_belong_together_cannot_be_divided(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="1 picture that must not be parted; one to train and one to check"):
        open_splits(coco(tmp_path, {"all": many(1)}))


def test_look_alikes_of_most_pictures_are_divided_all_the_same(tmp_path: Path) -> None:
    root = coco(tmp_path, {"all": many(10, name="x{:03d}y.png")})
    scene = pixels(900, (100, 120)).astype(np.int64)
    for number, path in enumerate(sorted((root / "images").iterdir())[:8]):
        changed = scene.copy()
        changed[10 * number, 0] += 9
        Image.fromarray(changed.clip(0, 255).astype(np.uint8)).save(path)
    splits = open_splits(root, val_fraction=0.3)
    assert any("8 pictures look like" in n and "more than half of all pictures" in n for n in splits.notes)
    assert len(splits.val) == 3


def test_a_class_in_validation_that_training_lacks_is_named_with_a_picture(tmp_path: Path) -> None:
    root = coco(
        tmp_path,
        {"train": many(4), "valid": {"v.png": (50, [("fox", (1, 1, 30, 30))])}},
        ("cat", "dog", "fox"),
    )
    with pytest.raises(
        LabelError, match=r"class 'fox' has boxes in val \(\S*v\.png\), but none in train\n.*cat"
    ):
        open_splits(root)


def without_sizes(root: Path, *broken: str) -> Path:
    """Break pictures of train of which the annotations do not tell the size either."""
    table = root / "train/_annotations.coco.json"
    document = json.loads(table.read_text())
    for image in document["images"]:
        del image["height"], image["width"]
    table.write_text(json.dumps(document))
    for name in broken:
        (root / "train" / name).write_bytes(b"broken")
    return root


def test_pictures_without_annotations_are_left_out_and_counted(tmp_path: Path) -> None:
    root = coco(tmp_path, {"train": many(3, ("cat",)), "valid": many(2, ("cat",), start=9)}, ("cat",))
    splits = open_splits(without_sizes(root, "001.png"))
    assert len(splits.train) == 2
    assert "train: 1 picture without annotations left out, such as train/001.png" in splits.notes
    with pytest.raises(DataError, match="none of 3 pictures to train on has a class or boxes"):
        open_splits(without_sizes(coco(tmp_path / "b", {"train": many(3), "valid": many(2)}), *many(3)))


def test_data_without_one_box_to_learn_from_are_refused(tmp_path: Path) -> None:
    root = coco(tmp_path, {"train": {"a.png": (1, []), "b.png": (2, [])}, "valid": many(2, start=9)})
    with pytest.raises(DataError, match="there is not one box in 2 pictures to train on"):
        open_splits(root)


def test_written_splits_are_a_data_set_of_the_same_format_with_the_same_boxes(tmp_path: Path) -> None:
    splits = open_splits(coco(tmp_path / "data", {"all": many(20)}))
    again = open_splits(write_splits(splits, tmp_path / "out"))
    assert again.recognition.reader.name == "coco"
    assert not again.made
    assert parts(again) == parts(splits)
    for before, after in ((splits.train, again.train), (splits.val, again.val)):
        places = {s.id.rpartition("/")[2]: s.target.xyxy for s in before.samples}
        for sample in after.samples:
            np.testing.assert_allclose(sample.target.xyxy, places[sample.id.rpartition("/")[2]], atol=1e-3)
    with pytest.raises(ConfigError, match=r"a table of classes cannot hold boxes\nname a folder; .* coco"):
        write_splits(splits, tmp_path / "list.csv")


def test_groups_of_whole_pictures_are_divided_by_class_too(tmp_path: Path) -> None:
    for kind in "ab":
        for patient in range(6):
            for shot in range(3):
                number = 100 * patient + 10 * shot + (kind == "b")
                draw(tmp_path, {f"{kind}/p{patient}_{shot}x.png": number})
    splits = open_splits(tmp_path, val_fraction=0.2, group=r"(p\d)_")
    patients = [{name[:2] for name in part} for part in parts(splits).values()]
    assert sum(map(len, patients)) == len(set.union(*patients)) == 6
    assert set(pictures_with(splits.val)) == {"a", "b"}
    with pytest.raises(
        LabelError, match=r"class 'a' has 18 pictures, such as a/p0_0x\.png, but in no two groups"
    ):
        open_splits(tmp_path, group="folder")


def test_boxes_are_counted_as_the_model_counts_its_classes() -> None:
    boxes = Boxes(np.zeros((2, 4), np.float32), np.array([1, 0]))
    samples = (Sample("a", pixels, boxes), Sample("b", pixels, None), Sample("c", pixels, Boxes.none()))
    data = Dataset(samples, ("cat", "dog"), Path("d"), "coco")
    matched = match_classes(data, ["dog", "fox", "cat"])
    assert matched.samples[0].target.labels.tolist() == [0, 2]
    assert matched.samples[1].target is None
    assert len(matched.samples[2].target) == 0
    whole = Dataset((Sample("a", pixels, Label(1)),), ("cat", "dog"), Path("d"), "folder")
    assert match_classes(whole, ["dog", "fox", "cat"]).samples[0].target == Label(0)
    with pytest.raises(DataError, match="the model does not know the classes dog"):
        match_classes(data, ["cat"])


def test_the_fingerprint_follows_every_part_of_a_box() -> None:
    xyxy, labels = np.array([[1, 2, 3, 4], [5, 6, 7, 8]], np.float32), np.array([0, 1])
    crowd, areas = np.array([False, True]), np.array([3, 4], np.float32)
    targets = [
        Label(0), None, Boxes.none(), Boxes(xyxy, labels), Boxes(xyxy + 1, labels),
        Boxes(xyxy, labels[::-1].copy()), Boxes(xyxy, labels, crowd=crowd), Boxes(xyxy, labels, areas=areas),
        Boxes(xyxy, labels).select([1, 0]),
    ]  # fmt: skip
    found = [
        fingerprint(Dataset((Sample("a", lambda: pixels(1), target),), ("x", "y"), Path("d"), "coco"))
        for target in targets
    ]
    assert len(set(found)) == len(targets)
    same = Boxes(xyxy, labels, crowd=np.zeros(2, np.bool_))
    assert (
        fingerprint(Dataset((Sample("a", lambda: pixels(1), same),), ("x", "y"), Path("d"), "coco"))
        == found[3]
    )
