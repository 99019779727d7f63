"""Pictures and masks are paired in every layout that people use, and what has no partner is told."""

from pathlib import Path

import pytest
from masked import halves, masked, masks_of

from nayan.core.errors import ConfigError, DataError, FormatError, LabelError, NotFound
from nayan.data.readers import mask_layout, recognise
from nayan.data.readers.folder import FolderReader
from nayan.data.readers.masks import MasksReader
from nayan.data.splits import open_splits, write_splits

MASK = halves(0, 1)
READER = MasksReader()

LAYOUTS = {
    "images and masks below splits": {
        "train/images/a.jpg": 1, "train/masks/a.png": MASK, "val/images/b.jpg": 2, "val/masks/b.png": MASK,
    },
    "splits below images and masks": {
        "images/train/a.jpg": 1, "masks/train/a.png": MASK, "images/val/b.jpg": 2, "masks/val/b.png": MASK,
    },
    "imgs and labels, validation": {
        "imgs/training/a.jpg": 1, "labels/training/a.png": MASK, "imgs/validation/b.jpg": 2,
        "labels/validation/b.png": MASK,
    },
    "img and gt": {"train/img/a.jpg": 1, "train/gt/a.png": MASK, "val/img/b.jpg": 2, "val/gt/b.png": MASK},
    "ground truth": {
        "train/image/a.jpg": 1, "train/ground_truth/a.png": MASK, "val/image/b.jpg": 2,
        "val/groundtruth/b.png": MASK,
    },
    "one folder, _mask": {
        "train/a.jpg": 1, "train/a_mask.png": MASK, "val/b.jpg": 2, "val/b_mask.png": MASK,
    },
    "one folder, -seg": {"train/a.jpg": 1, "train/a-seg.png": MASK, "val/b.jpg": 2, "val/b-seg.png": MASK},
    "twins of the splits' folders": {
        "train/a.png": 1, "train_labels/a_L.png": MASK, "val/b.png": 2, "val_labels/b_L.png": MASK,
    },
    "SegNet's": {"train/a.png": 1, "trainannot/a.png": MASK, "val/b.png": 2, "valannot/b.png": MASK},
    "ADE20K's": {
        "images/training/a.jpg": 1, "annotations/training/a.png": MASK, "images/validation/b.jpg": 2,
        "annotations/validation/b.png": MASK,
    },
    "VOC's, with lists": {
        "JPEGImages/a.jpg": 1, "SegmentationClass/a.png": MASK, "JPEGImages/b.jpg": 2,
        "SegmentationClass/b.png": MASK, "SegmentationObject/a.png": MASK, "SegmentationObject/b.png": MASK,
        "ImageSets/Segmentation/train.txt": "a\n", "ImageSets/Segmentation/val.txt": "b\n\n",
    },
    "VOC's, one kit below": {
        "VOCdevkit/VOC2012/JPEGImages/a.jpg": 1, "VOCdevkit/VOC2012/SegmentationClass/a.png": MASK,
        "VOCdevkit/VOC2012/JPEGImages/b.jpg": 2, "VOCdevkit/VOC2012/SegmentationClass/b.png": MASK,
        "VOCdevkit/VOC2012/ImageSets/Segmentation/trainval.txt": "a\nb\n",
        "VOCdevkit/VOC2012/ImageSets/Segmentation/val.txt": "b\n",
    },
    "Cityscapes'": {
        "leftImg8bit/train/x/a_000_leftImg8bit.png": 1, "gtFine/train/x/a_000_gtFine_labelIds.png": MASK * 7,
        "gtFine/train/x/a_000_gtFine_color.png": MASK, "gtFine/train/x/a_000_gtFine_instanceIds.png": MASK,
        "gtFine/train/x/a_000_gtFine_labelTrainIds.png": MASK,
        "leftImg8bit/val/y/b_000_leftImg8bit.png": 2, "gtFine/val/y/b_000_gtFine_labelIds.png": MASK * 7,
    },
    "masks know no split": {
        "images/train/a.jpg": 1, "images/val/b.jpg": 2, "masks/a.png": MASK, "masks/b.png": MASK,
    },
    "deeper folders on both sides": {
        "train/images/x/a.jpg": 1, "train/masks/x/a.png": MASK, "val/images/x/a.jpg": 2,
        "val/masks/x/a.png": MASK,
    },
}  # fmt: skip


@pytest.mark.parametrize("files", LAYOUTS.values(), ids=LAYOUTS.keys())
def test_every_usual_layout_gives_one_pair_for_train_and_one_for_val(tmp_path: Path, files: dict) -> None:
    root = masked(tmp_path, files)
    assert recognise(root).reader.name == "masks"
    assert READER.splits(root) == ("train", "val")
    for split in ("train", "val"):
        data = READER.read(root, split)
        assert len(data) == 1
        assert len(data.classes) >= 2
        assert next(iter(masks_of(data).values())).shape == (24, 32)
    assert len(READER.read(root, "all")) == 2
    assert not [note for note in data.notes if note.startswith("left out")]


def test_drive_names_its_pictures_too(tmp_path: Path) -> None:
    root = masked(tmp_path, {"images/21_training.png": 1, "manual/21_manual1.gif": halves(0, 255)})
    assert list(masks_of(READER.read(root, "all"))) == ["images/21_training.png"]


def test_masks_beside_the_pictures_of_class_folders_are_masks_not_a_class(tmp_path: Path) -> None:
    root = masked(tmp_path, {
        "benign/b (1).png": 1, "benign/b (1)_mask.png": MASK,
        "normal/n (1).png": 2, "normal/n (1)_mask.png": MASK,
    })  # fmt: skip
    assert FolderReader().sniff(root).score > 0.8
    assert recognise(root).reader.name == "masks"


def test_classes_called_mask_and_no_mask_stay_classes(tmp_path: Path) -> None:
    root = masked(tmp_path, {"train/mask/1.png": 1, "train/no mask/1.png": 2, "val/mask/2.png": 3,
                             "val/no mask/2.png": 4})  # fmt: skip
    assert recognise(root).reader.name == "folder"
    with pytest.raises(DataError, match=r"holds one class a picture \(folder.*wanted masks"):
        recognise(root, targets=("MaskSource",))


def test_a_word_in_a_few_names_makes_no_masks(tmp_path: Path) -> None:
    files = {f"{kind}/{number}.png": 10 * number for kind in "ab" for number in range(4)}
    root = masked(tmp_path, {**files, "a/1_mask.png": 7})
    assert READER.sniff(root).score < 0.5
    assert recognise(root).reader.name == "folder"


def test_pictures_and_masks_without_a_partner_are_told_with_their_number(tmp_path: Path) -> None:
    root = masked(tmp_path, {
        "train/images/a.jpg": 1, "train/images/c.jpg": 3, "train/masks/a.png": MASK,
        "train/masks/z.png": MASK, "train/masks/y.png": MASK,
        "val/images/b.jpg": 2, "val/masks/b.png": MASK, "test/images/t.jpg": 4,
        "images/loose.jpg": 5, "masks/loose.png": MASK,
    })  # fmt: skip
    assert READER.splits(root) == ("train", "val")
    notes = READER.read(root, "train").notes
    assert "left out: 1 picture of train without a mask, such as train/images/c.jpg" in notes
    assert "left out: 2 masks of train without a picture, such as train/masks/y.png" in notes
    assert "left out: 1 picture of test without a mask, such as test/images/t.jpg" in notes
    assert "left out: 1 picture without a mask, such as images/loose.jpg" in notes
    assert not [note for note in READER.read(root, "val").notes if note.startswith("left out")]


def test_a_picture_has_one_mask(tmp_path: Path) -> None:
    root = masked(tmp_path, {"images/a.jpg": 1, "masks/a.png": MASK, "labels/a.png": MASK})
    with pytest.raises(FormatError, match=r"a\.png: is a second mask of a\.jpg, beside .*\n.*move the other"):
        READER.read(root, "all")
    assert READER.sniff(root).score == 0.6


def test_two_lists_do_not_name_one_picture(tmp_path: Path) -> None:
    files = LAYOUTS["VOC's, with lists"] | {"ImageSets/Segmentation/val.txt": "b\na\n"}
    with pytest.raises(LabelError, match=r"train\.txt:1: a is in train, but also in val"):
        READER.read(masked(tmp_path, files), "train")


def test_pictures_that_no_list_names_are_left_out(tmp_path: Path) -> None:
    files = LAYOUTS["VOC's, with lists"] | {"JPEGImages/c.jpg": 5, "SegmentationClass/c.png": MASK}
    notes = READER.read(masked(tmp_path, files), "train").notes
    assert "left out: 1 picture without a mask, such as JPEGImages/c.jpg" in notes


def test_what_holds_no_masks_is_refused(tmp_path: Path) -> None:
    root = masked(tmp_path, {"images/a.jpg": 1, "notes.txt": "x"})
    with pytest.raises(DataError, match="no picture has a mask"):
        READER.read(root, "all")
    with pytest.raises(DataError, match="is a file"):
        READER.read(root / "notes.txt", "all")
    assert READER.sniff(root / "notes.txt").score == 0
    assert READER.sniff(root).score == 0


def test_a_split_that_is_not_there_is_not_found(tmp_path: Path) -> None:
    root = masked(tmp_path, LAYOUTS["SegNet's"])
    with pytest.raises(NotFound, match="test"):
        READER.read(root, "test")


def test_pictures_without_splits_are_shared_out_by_chance(tmp_path: Path) -> None:
    files = {f"images/{n}.jpg": n for n in range(12)} | {f"masks/{n}.png": MASK for n in range(12)}
    splits = open_splits(masked(tmp_path, files))
    assert splits.made
    assert (len(splits.train), len(splits.val), len(splits.test)) == (8, 2, 2)
    assert any("seed 0, by chance" in note for note in splits.notes)
    with pytest.raises(ConfigError, match="a table of classes cannot hold masks"):
        write_splits(splits, tmp_path.parent / "made.csv")


def test_recognising_lists_some_files_of_each_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = {f"train/images/{n}.jpg": n for n in range(5)} | {f"train/masks/{n}.png": MASK for n in range(5)}
    root = masked(tmp_path, files)
    assert len(mask_layout.find_layout(root, most=2).pairs) == 2
    monkeypatch.setattr(mask_layout, "_MOST_FILES", 6)
    assert len(mask_layout.find_layout(root, most=5).pairs) == 1
    assert len(mask_layout.find_layout(root).pairs) == 5
