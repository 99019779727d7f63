"""Splits: those on disk are used, missing ones are drawn by class, by seed, and without parting copies."""

import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from drawn import classes_of, digest_of, draw, pixels
from PIL import Image

from nayan.core.errors import ConfigError, DataError, LabelError, NotFound
from nayan.data import together
from nayan.data.readers import READERS
from nayan.data.splits import Splits, open_splits, read_split, write_splits


def flat(root: Path, **counts: int) -> Path:
    """Write `counts` pictures a class, all different, without splits."""
    number = 0
    for name, count in counts.items():
        for index in range(count):
            number += 1
            draw(root, {f"{name}/{index:03d}.png": number})
    return root


def ids(splits: Splits) -> dict[str, set[str]]:
    parts = {"train": splits.train, "val": splits.val, "test": splits.test}
    return {name: {sample.id for sample in part.samples} for name, part in parts.items() if part is not None}


def test_splits_on_disk_are_used_as_they_are(tmp_path: Path) -> None:
    draw(tmp_path, {f"{s}/{c}/1.png": i for i, s in enumerate(("train", "val", "test")) for c in "ab"})
    splits = open_splits(tmp_path)
    assert ids(splits)["val"] == {"val/a/1.png", "val/b/1.png"}
    assert not splits.made
    assert splits.summary == "folder (2 classes, train 2, val 2, test 2)"
    shutil.rmtree(tmp_path / "test")
    assert open_splits(tmp_path).test is None


def test_missing_splits_are_drawn_from_each_class_by_its_share(tmp_path: Path) -> None:
    splits = open_splits(flat(tmp_path, a=40, b=20, c=2), val_fraction=0.2, test_fraction=0.1)
    assert splits.made
    assert Counter(classes_of(splits.val).values()) == {"a": 8, "b": 4, "c": 1}
    assert Counter(classes_of(splits.test).values()) == {"a": 4, "b": 2}
    assert Counter(classes_of(splits.train).values()) == {"a": 28, "b": 14, "c": 1}
    parts = ids(splits)
    assert sum(map(len, parts.values())) == len(set.union(*parts.values())) == 62
    assert "train 43, val 13, test 6" in splits.notes[-1]


def test_the_seed_decides_the_split_and_nothing_else_does(tmp_path: Path) -> None:
    flat(tmp_path, a=12, b=12)
    assert ids(open_splits(tmp_path, seed=3)) == ids(open_splits(tmp_path, seed=3))
    assert ids(open_splits(tmp_path, seed=3)) != ids(open_splits(tmp_path, seed=4))


def test_drawing_splits_changes_nothing_on_disk(tmp_path: Path) -> None:
    flat(tmp_path, a=5, b=5)
    before = digest_of(tmp_path)
    open_splits(tmp_path)
    assert digest_of(tmp_path) == before


def test_without_a_test_fraction_there_is_no_test_split(tmp_path: Path) -> None:
    splits = open_splits(flat(tmp_path, a=6, b=6), test_fraction=0.0)
    assert splits.test is None
    assert len(splits.train) + len(splits.val) == 12


@pytest.mark.parametrize("seed", range(5))
def test_copies_and_look_alikes_are_never_parted(tmp_path: Path, seed: int) -> None:
    flat(tmp_path, a=10, b=10)
    families: list[set[str]] = []
    for number in range(4):
        source = tmp_path / "a" / f"{number:03d}.png"
        big = Image.fromarray(pixels(100 + number, (96, 96)))
        big.save(source)
        shutil.copy(source, tmp_path / "a" / f"copy{number}.png")
        big.resize((72, 72)).save(tmp_path / "a" / f"small{number}.jpg", quality=90)
        families.append({f"a/{number:03d}.png", f"a/copy{number}.png", f"a/small{number}.jpg"})
    splits = open_splits(tmp_path, val_fraction=0.3, test_fraction=0.3, seed=seed)
    for family in families:
        assert sum(bool(family & part) for part in ids(splits).values()) == 1
    assert "exact copies stay in the split of their original: 4" in splits.notes
    assert "pictures that look the same stay in one split: 4 beside their likes" in splits.notes


def test_a_picture_under_two_classes_stays_in_train(tmp_path: Path) -> None:
    flat(tmp_path, a=4, b=4)
    shutil.copy(tmp_path / "a/000.png", tmp_path / "b/000.png")
    for seed in range(4):
        splits = open_splits(tmp_path, seed=seed)
        assert {"a/000.png", "b/000.png"} <= ids(splits)["train"]
    assert "pictures that stand under two classes are left in train: 1, such as a/000.png" in splits.notes


def test_a_class_whose_other_picture_is_shared_still_has_one_to_check(tmp_path: Path) -> None:
    flat(tmp_path, a=4, b=2)
    shutil.copy(tmp_path / "a/000.png", tmp_path / "b/000.png")
    splits = open_splits(tmp_path)
    assert "b/001.png" in ids(splits)["val"]


def test_pictures_of_a_fixed_camera_are_still_divided(tmp_path: Path) -> None:
    flat(tmp_path, b=6)
    scene = pixels(900, (64, 64)).astype(np.int64)
    for number in range(8):
        picture = scene.copy()
        picture[8 * number, 0] += 9
        (tmp_path / "a").mkdir(exist_ok=True)
        Image.fromarray(picture.clip(0, 255).astype(np.uint8)).save(tmp_path / "a" / f"{number}.png")
    splits = open_splits(tmp_path, val_fraction=0.25, test_fraction=0.25)
    assert Counter(classes_of(splits.val).values())["a"] == 2
    assert any("8 pictures look like a/0.png, more than half of their class" in note for note in splits.notes)


def test_very_many_pictures_are_only_compared_byte_for_byte(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(together, "NEAR_LIMIT", 5)
    splits = open_splits(flat(tmp_path, a=4, b=4))
    assert "more than 5 pictures: only exact copies were looked for" in splits.notes


def test_broken_pictures_are_counted_and_still_divided(tmp_path: Path) -> None:
    draw(
        tmp_path, {f"{name}/{number}.png": f"broken {name} {number}" for name in "ab" for number in range(3)}
    )
    assert "pictures that cannot be decoded: 6; `nayan doctor` names them" in open_splits(tmp_path).notes
    draw(tmp_path, {"a/3.png": 3})
    splits = open_splits(tmp_path)
    assert "pictures that cannot be decoded: 6; `nayan doctor` names them" in splits.notes
    assert sum(map(len, ids(splits).values())) == 7


def test_validation_is_taken_from_train_where_only_test_exists(tmp_path: Path) -> None:
    for part, start in (("train", 1), ("test", 50)):
        draw(tmp_path, {f"{part}/{c}/{i}.png": start + i + 20 * (c == "b") for c in "ab" for i in range(10)})
    splits = open_splits(tmp_path, val_fraction=0.2)
    assert splits.made
    assert {name: len(part) for name, part in ids(splits).items()} == {"train": 16, "val": 4, "test": 20}
    assert all(sample.startswith("train/") for sample in ids(splits)["val"])
    shutil.rmtree(tmp_path / "test")
    assert {name: len(part) for name, part in ids(open_splits(tmp_path)).items()} == {
        "train": 12,
        "val": 4,
        "test": 4,
    }


def test_a_class_with_one_picture_is_named_with_its_file(tmp_path: Path) -> None:
    with pytest.raises(LabelError, match=r"class 'b' has only one picture: b/000\.png"):
        open_splits(flat(tmp_path, a=4, b=1))


def test_a_class_of_copies_of_one_picture_is_refused(tmp_path: Path) -> None:
    draw(tmp_path, {"a/1.png": 1, "a/2.png": 2, "b/1.png": 3, "b/2.png": 3})
    with pytest.raises(
        LabelError, match=r"class 'b' has 2 pictures, but no two different ones of its own: b/1"
    ):
        open_splits(tmp_path)


def test_a_single_class_is_refused_whatever_the_format(tmp_path: Path) -> None:
    draw(tmp_path, {"1.png": 1, "2.png": 2, "t.csv": "file,label\n1.png,a\n2.png,a\n"})
    with pytest.raises(DataError, match="there is a single class, 'a'"):
        open_splits(tmp_path)


def test_a_class_that_cannot_be_learned_is_named_with_its_split(tmp_path: Path) -> None:
    draw(tmp_path, {f"{s}/{c}/1.png": 1 for s in ("train", "val") for c in ("rose", "tulip")})
    draw(tmp_path, {"val/Rose/1.png": 2})
    with pytest.raises(
        LabelError, match=r"'Rose' has pictures in val \(val/Rose/1\.png\), but none in train\n.*rose"
    ):
        open_splits(tmp_path)


def test_a_name_without_any_picture_is_only_noted(tmp_path: Path) -> None:
    READERS["idx"].write({"all": READERS["folder"].read(_gray(tmp_path / "in"), "all")}, tmp_path / "out")
    with (tmp_path / "out/labels.txt").open("a") as file:
        file.write("c\n")
    assert "class 'c' has no picture at all" in open_splits(tmp_path / "out").notes


def _gray(root: Path) -> Path:
    for number in range(8):
        path = root / "ab"[number % 2] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels(number)[:, :, 0]).save(path)
    return root


def test_data_without_training_pictures_is_refused(tmp_path: Path) -> None:
    draw(tmp_path, {f"{s}/{c}/1.png": 1 for s in ("test", "val") for c in "ab"})
    with pytest.raises(DataError, match="has val and test, but no train"):
        open_splits(tmp_path)


@pytest.mark.parametrize("fractions", [(0.0, 0.1), (0.5, 0.1), (0.1, -0.1), (0.1, 0.5)])
def test_impossible_fractions_are_refused(tmp_path: Path, fractions: tuple[float, float]) -> None:
    with pytest.raises(ConfigError, match="each is less than half"):
        open_splits(tmp_path, val_fraction=fractions[0], test_fraction=fractions[1])


def test_evaluation_takes_test_then_val_then_everything(tmp_path: Path) -> None:
    draw(tmp_path, {f"{s}/{c}/1.png": 1 for s in ("train", "val", "test") for c in "ab"})
    assert read_split(tmp_path).split == "test"
    shutil.rmtree(tmp_path / "test")
    assert read_split(tmp_path).split == "val"
    shutil.rmtree(tmp_path / "val")
    assert read_split(tmp_path).split == "all"
    assert read_split(tmp_path, "train").split == "train"
    with pytest.raises(NotFound, match="no split is named 'test'"):
        read_split(tmp_path, "test")


def test_a_written_table_is_a_data_set_with_the_same_splits(tmp_path: Path) -> None:
    splits = open_splits(flat(tmp_path / "data", a=6, b=6))
    before = digest_of(tmp_path / "data")
    table = write_splits(splits, tmp_path / "lists" / "split.csv")
    again = open_splits(table)
    assert {s.path.resolve() for s in again.val.samples} == {s.path.resolve() for s in splits.val.samples}
    assert len(again.train) == len(splits.train)
    assert not again.made
    with pytest.raises(DataError, match="nothing is ever overwritten"):
        write_splits(splits, table)
    assert digest_of(tmp_path / "data") == before


@pytest.mark.parametrize("link", [False, True])
def test_written_folders_are_a_data_set_with_the_same_splits(tmp_path: Path, link: bool) -> None:
    splits = open_splits(flat(tmp_path / "data", a=6, b=6))
    again = open_splits(write_splits(splits, tmp_path / "out", link=link))
    assert {f"val/{name}" for name in ids(splits)["val"]} == ids(again)["val"]
    assert (tmp_path / "out/train").is_dir()


def test_lists_are_never_written_into_the_data(tmp_path: Path) -> None:
    splits = open_splits(flat(tmp_path / "data", a=6, b=6))
    for name in ("split.csv", "out"):
        with pytest.raises(ConfigError, match="which is never changed"):
            write_splits(splits, tmp_path / "data" / name)


def test_pictures_without_files_cannot_stand_in_a_table(tmp_path: Path) -> None:
    READERS["idx"].write({"all": READERS["folder"].read(_gray(tmp_path / "in"), "all")}, tmp_path / "data")
    splits = open_splits(tmp_path / "data")
    with pytest.raises(DataError, match="is part of a larger file"):
        write_splits(splits, tmp_path / "split.csv")
    assert not (tmp_path / "split.csv").exists()
