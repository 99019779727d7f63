"""The readers on the real data packs."""

from collections import Counter
from pathlib import Path

import pytest
from drawn import classes_of

from nayan.core.errors import DataError, NayanError
from nayan.data.readers import recognise
from nayan.data.splits import open_splits

pytestmark = pytest.mark.data


def test_flowers_are_class_folders_with_three_splits(data_packs: Path) -> None:
    splits = open_splits(data_packs / "classify-flowers")
    assert splits.summary == "folder (5 classes, train 500, val 100, test 125)"
    assert splits.train.classes == ("daisy", "dandelion", "roses", "sunflowers", "tulips")
    assert not splits.made
    assert splits.notes == ()


def test_digits_are_idx_with_three_splits(data_packs: Path) -> None:
    splits = open_splits(data_packs / "classify-digits-idx")
    assert splits.summary == "idx (10 classes, train 6500, val 750, test 750)"
    assert splits.test.samples[0].load().shape == (28, 28, 3)


def test_clothing_is_a_table_and_is_divided_by_class(data_packs: Path) -> None:
    splits = open_splits(data_packs / "search-clothing")
    assert splits.recognition.reader.name == "csv"
    assert splits.made
    assert len(splits.train) + len(splits.val) + len(splits.test) == 800
    assert set(Counter(classes_of(splits.val).values())) == set(splits.train.classes)


def test_grocery_captions_are_a_table_with_its_own_test_split(data_packs: Path) -> None:
    splits = open_splits(data_packs / "caption-grocery")
    assert (len(splits.train.classes), len(splits.test)) == (81, 81)
    assert len(splits.train) + len(splits.val) == 567


def test_a_folder_of_loose_pictures_is_no_data_set_and_the_message_helps(data_packs: Path) -> None:
    with pytest.raises(
        DataError, match=r"nothing says their classes(.|\n)*put each class into a folder of its own"
    ):
        recognise(data_packs / "awkward")


@pytest.mark.parametrize(
    ("pack", "summary"),
    [
        ("translate-apple-orange", "domains (2 classes, train 506, val 90, test 50)"),
        ("caption-grocery", "captions (train 482, val 85, test 81; 1,296 captions)"),
        ("classify-digits-idx", "idx (10 classes, train 6500, val 750, test 750)"),
        ("classify-flowers", "folder (5 classes, train 500, val 100, test 125)"),
        ("style/style", "pictures (train 5, val 1, test 1)"),
        ("style/content", "pictures (train 4, val 1, test 1)"),
        ("detect-plates", "yolo (train 100, val 25, test 25)"),
        ("segment-membrane", "masks (train 17, val 4, test 4)"),
    ],
)
def test_every_kind_of_data_can_be_learnt_from_to_generate(data_packs: Path, pack: str, summary: str) -> None:
    splits = open_splits(data_packs / pack, targets=("Caption", "Domain", "Label", "None"))
    assert splits.summary == summary
    assert splits.train.samples[0].load().ndim == 3


def test_paintings_and_photographs_are_pictures_where_the_format_is_named(data_packs: Path) -> None:
    splits = open_splits(data_packs / "style", format="pictures", targets=("None",))
    assert splits.summary == "pictures (train 9, val 2, test 2)"


def test_two_domains_are_recognised_without_a_task(data_packs: Path) -> None:
    found = recognise(data_packs / "translate-apple-orange")
    assert found.reader.name == "domains"
    assert found.reason == "the folders testA, testB, trainA, trainB are named after domains"


@pytest.mark.parametrize(
    ("pack", "summary"),
    [
        ("verify-faces-orl", "identities (22 classes, train 220, val 40, test 40)"),
        ("verify-omniglot", "identities (90 classes, train 1080, val 480, test 440)"),
        ("search-grocery", "items (81 classes, train 486, val 567, test 729)"),
    ],
)
def test_who_is_who_is_recognised(data_packs: Path, pack: str, summary: str) -> None:
    assert open_splits(data_packs / pack).summary == summary


@pytest.mark.parametrize(
    "pack",
    ["video", "weights"],
)
def test_data_of_other_tasks_is_not_mistaken_for_classes(data_packs: Path, pack: str) -> None:
    with pytest.raises(NayanError):
        recognise(data_packs / pack)
