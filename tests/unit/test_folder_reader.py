"""Class folders: what counts as a class, a split, a picture, and what is left out aloud."""

from pathlib import Path

import pytest
from drawn import classes_of, digest_of, draw, pixels

from nayan.core.errors import DataError, FormatError, LabelError, NotFound
from nayan.core.types import Dataset, Label, Sample
from nayan.data.readers import READERS
from nayan.data.readers.folder import FolderReader

READER = FolderReader()


def test_class_folders_without_splits_are_read_in_the_order_of_their_ids(tmp_path: Path) -> None:
    draw(tmp_path, {"b/2.png": 1, "b/10.png": 2, "a/x.png": 3})
    data = READER.read(tmp_path, "all")
    assert classes_of(data) == {"a/x.png": "a", "b/10.png": "b", "b/2.png": "b"}
    assert [sample.id for sample in data.samples] == ["a/x.png", "b/10.png", "b/2.png"]
    assert data.classes == ("a", "b")
    assert READER.splits(tmp_path) == ()
    assert (data.samples[0].load() == pixels(3)).all()


@pytest.mark.parametrize(
    ("train", "val", "test"),
    [("train", "val", "test"), ("Training", "valid", "TESTING"), ("train", "Validation", "test")],
)
def test_splits_are_found_under_any_of_their_names(tmp_path: Path, train: str, val: str, test: str) -> None:
    draw(tmp_path, {f"{split}/{name}/1.png": 0 for split in (train, val, test) for name in "ab"})
    assert READER.splits(tmp_path) == ("train", "val", "test")
    assert classes_of(READER.read(tmp_path, "val")) == {f"{val}/a/1.png": "a", f"{val}/b/1.png": "b"}
    assert len(READER.read(tmp_path, "all")) == 6
    assert READER.sniff(tmp_path).score >= 0.9


def test_deeper_pictures_belong_to_the_class_folder(tmp_path: Path) -> None:
    draw(tmp_path, {"a/2024/may/1.png": 1, "b/1.png": 2})
    assert classes_of(READER.read(tmp_path, "all")) == {"a/2024/may/1.png": "a", "b/1.png": "b"}


def test_what_systems_leave_behind_is_no_class_and_no_picture(tmp_path: Path) -> None:
    draw(tmp_path, {"a/1.png": 1, "b/1.png": 2, "a/.ds.png": 3, ".ipynb_checkpoints/1.png": 4})
    draw(tmp_path, {"__pycache__/1.png": 5, "__MACOSX/a/1.png": 6, "a/Thumbs.db": "x"})
    data = READER.read(tmp_path, "all")
    assert set(classes_of(data)) == {"a/1.png", "b/1.png"}
    assert data.notes == ()


def test_whatever_is_left_out_is_told(tmp_path: Path) -> None:
    draw(tmp_path, {"train/a/1.png": 1, "train/a/n.txt": "x", "train/b/1.png": 2, "train/loose.png": 3})
    draw(tmp_path, {"val/a/1.png": 4, "train/c/readme.txt": "x", "unlabelled/1.png": 5})
    notes = "\n".join(READER.read(tmp_path, "train").notes)
    assert "left out: 1 file of other kinds, such as train/a/n.txt" in notes
    assert "left out: 1 picture beside the class folders of train/, such as loose.png" in notes
    assert "left out: c/ beside the class folders of train/, which holds no picture" in notes
    assert "left out: unlabelled/, which has no class folders" in notes
    assert READER.read(tmp_path, "val").notes[-1] == "val has no picture of class 'b'"


def test_class_names_that_are_easily_mixed_up_are_told(tmp_path: Path) -> None:
    draw(tmp_path, {"Sun flower/1.png": 1, "sun_flower/1.png": 2, "rose/1.png": 3})
    [note] = READER.read(tmp_path, "all").notes
    assert note.startswith("the classes 'Sun flower' and 'sun_flower' differ only in case, spaces or dashes")


def test_two_folders_for_one_split_are_refused(tmp_path: Path) -> None:
    draw(tmp_path, {f"{split}/{name}/1.png": 0 for split in ("train", "val", "valid") for name in "ab"})
    with pytest.raises(FormatError, match=r"val/ and valid/ both name the split 'val'"):
        READER.read(tmp_path, "val")
    assert READER.sniff(tmp_path).score > 0.5


def test_a_train_is_a_vehicle_among_other_vehicles(tmp_path: Path) -> None:
    draw(tmp_path, {"bus/1.png": 1, "car/1.png": 2, "train/steam/1.png": 3, "train/diesel/1.png": 4})
    assert READER.read(tmp_path, "all").classes == ("bus", "car", "train")
    draw(tmp_path / "flat", {"bus/1.png": 1, "car/1.png": 2, "train/1.png": 3})
    assert READER.read(tmp_path / "flat", "all").classes == ("bus", "car", "train")


@pytest.mark.parametrize(
    "files",
    [
        ("train/1.png", "test/1.png"),
        ("train/1.png",),
        ("train/1.png", "val/1.png", "negative/1.png"),
        ("train/images/1.png", "train/masks/1.png"),
        ("images/1.png", "iconic/1.png"),
        ("trainA/1.png", "trainB/1.png", "testA/1.png"),
        ("a/1.png",),
        ("1.png",),
    ],
)
def test_layouts_of_other_tasks_are_not_taken_for_classes(tmp_path: Path, files: tuple[str, ...]) -> None:
    draw(tmp_path, dict.fromkeys(files, 0))
    assert READER.sniff(tmp_path).score < 0.5


def test_a_file_is_no_class_folder(tmp_path: Path) -> None:
    draw(tmp_path, {"a.png": 0})
    assert READER.sniff(tmp_path / "a.png").score == 0


def test_unlabelled_test_pictures_do_not_hide_the_training_classes(tmp_path: Path) -> None:
    draw(tmp_path, {"train/a/1.png": 1, "train/b/1.png": 2, "val/1.png": 3, "test/1.png": 4})
    assert READER.splits(tmp_path) == ("train",)
    assert READER.read(tmp_path, "train").classes == ("a", "b")


def test_an_unknown_split_and_a_folder_without_classes_are_refused(tmp_path: Path) -> None:
    draw(tmp_path, {"a/1.png": 1, "b/1.png": 2})
    with pytest.raises(NotFound, match="no split is named 'val'"):
        READER.read(tmp_path, "val")
    with pytest.raises(FormatError, match="no sub-folder holds pictures"):
        READER.read(tmp_path / "a", "all")


def test_names_that_differ_only_in_composed_accents_are_refused(tmp_path: Path) -> None:
    draw(tmp_path, {"a/\u00fc.png": 1, "a/u\u0308.png": 2, "b/1.png": 3})
    with pytest.raises(DataError, match="two pictures have one name"):
        READER.read(tmp_path, "all")


def test_a_link_that_leads_back_up_ends(tmp_path: Path) -> None:
    draw(tmp_path, {"a/1.png": 1, "b/1.png": 2})
    (tmp_path / "a" / "up").symlink_to(tmp_path / "a", target_is_directory=True)
    (tmp_path / "c").symlink_to(tmp_path / "b", target_is_directory=True)
    assert classes_of(READER.read(tmp_path, "all")) == {"a/1.png": "a", "b/1.png": "b", "c/1.png": "c"}


def test_reading_and_writing_leave_the_source_as_it_is(tmp_path: Path) -> None:
    source = draw(
        tmp_path / "in", {"train/a/1.png": 1, "train/b/1.png": 2, "val/a/n.txt": "x", "val/a/1.png": 3}
    )
    before = digest_of(source)
    splits = {name: READER.read(source, name) for name in READER.splits(source)}
    for link in (False, True):
        READER.write(splits, tmp_path / f"out{link}", link=link)
        assert (tmp_path / f"out{link}" / "val" / "a" / "1.png").read_bytes() == (
            source / "val/a/1.png"
        ).read_bytes()
    assert digest_of(source) == before
    assert (tmp_path / "outTrue/train/a/1.png").samefile(source / "train/a/1.png")


def test_a_link_across_disks_becomes_a_copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_links(*_: object) -> None:
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr("os.link", no_links)
    source = draw(tmp_path / "in", {"a/1.png": 1, "b/1.png": 2})
    READER.write({"all": READER.read(source, "all")}, tmp_path / "out", link=True)
    assert not (tmp_path / "out/a/1.png").samefile(source / "a/1.png")


def test_writing_never_overwrites(tmp_path: Path) -> None:
    source = draw(tmp_path / "in", {"a/1.png": 1, "b/1.png": 2})
    data = READER.read(source, "all")
    with pytest.raises(DataError, match="not empty, and nothing is ever overwritten"):
        READER.write({"all": data}, source)
    with pytest.raises(DataError, match="is a file, a new folder is needed"):
        READER.write({"all": data}, source / "a" / "1.png")


def test_pictures_of_one_name_and_class_are_both_kept(tmp_path: Path) -> None:
    source = draw(
        tmp_path / "in", {"x/1.png": 1, "y/1.png": 2, "labels.csv": "file,label\nx/1.png,a\ny/1.png,a\n"}
    )
    READER.write({"all": READERS["csv"].read(source, "all")}, tmp_path / "out")
    assert sorted(path.name for path in (tmp_path / "out/a").iterdir()) == ["1-2.png", "1.png"]


@pytest.mark.parametrize("name", ["a/b", ".hidden", "", "tail ", "__MACOSX"])
def test_a_class_that_cannot_name_a_folder_is_refused(tmp_path: Path, name: str) -> None:
    data = Dataset((Sample("1", lambda: pixels(0), Label(0)),), (name,), tmp_path, "csv")
    with pytest.raises(LabelError, match="cannot be the name of a folder"):
        READER.write({"all": data}, tmp_path / "out")


def test_pictures_without_a_possible_class_cannot_be_written(tmp_path: Path) -> None:
    for target, message in (
        (None, "the picture has no class"),
        (Label(3), "class 3, but there are 1 classes"),
    ):
        data = Dataset((Sample("1", lambda: pixels(0), target),), ("a",), tmp_path, "csv")
        with pytest.raises(LabelError, match=message):
            READER.write({"all": data}, tmp_path / "out" / str(target))


def test_a_picture_that_vanished_is_named(tmp_path: Path) -> None:
    source = draw(tmp_path / "in", {"a/1.png": 1, "b/1.png": 2})
    data = READER.read(source, "all")
    (source / "b/1.png").unlink()
    with pytest.raises(DataError, match=r"b/1\.png: the picture is gone"):
        READER.write({"all": data}, tmp_path / "out")


def test_a_folder_that_cannot_be_listed_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(path: Path) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("os.scandir", denied)
    with pytest.raises(DataError, match="cannot be listed: Permission denied"):
        READER.read(tmp_path, "all")
