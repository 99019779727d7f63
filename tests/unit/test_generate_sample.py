"""The sample for `generate`: coloured digits with captions, two domains, and plain pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from drawn import digest_of

from nayan.core.errors import ConfigError, NotFound
from nayan.data.coloured import COLOURS, GROUNDS
from nayan.data.samples import write_sample
from nayan.data.splits import open_splits

GENERATION = ("Caption", "Domain", "Label", "None")


def test_coloured_digits_are_described_by_four_sentences_each(tmp_path: Path) -> None:
    splits = open_splits(write_sample("generate", tmp_path / "digits", count=100))
    assert splits.summary == "captions (train 60, val 20, test 20; 400 captions)"
    assert not splits.made
    assert {sample.load().shape for sample in splits.train.samples} == {(32, 32, 3)}
    assert len({sample.target.texts[0].split()[-1] for sample in splits.train.samples}) == 10


def test_the_sentences_are_true(tmp_path: Path) -> None:
    for sample in open_splits(write_sample("generate", tmp_path, count=100)).train.samples:
        image, words = sample.load().astype(float), sample.target.texts[2].split()  # "a red three on black"
        assert tuple(image[0, 0]) == GROUNDS[words[4]]
        farthest = np.abs(image - image[0, 0]).sum(axis=2).argmax()
        ink = image.reshape(-1, 3)[farthest]
        assert min(COLOURS, key=lambda name: np.abs(ink - COLOURS[name]).sum()) == words[1]
        assert all(words[1] in text for text in sample.target.texts)


def test_val_and_test_have_every_digit_in_both_domains_and_train_none(tmp_path: Path) -> None:
    splits = open_splits(write_sample("generate", tmp_path, count=100, format="domains"))
    assert splits.summary == "domains (2 classes, train 60, val 40, test 40)"
    assert splits.test is not None
    names = {
        (part.split, letter): {s.id.partition("/")[2] for s in part.samples if s.target.index == domain}
        for part in (splits.train, splits.val, splits.test)
        for domain, letter in enumerate(part.classes)
    }
    assert names["test", "A"] == names["test", "B"]
    assert names["val", "A"] == names["val", "B"]
    assert len(names["train", "A"]) == len(names["train", "B"]) == 30
    assert not names["train", "A"] & names["train", "B"]


def test_one_domain_is_dark_ink_on_paper_and_the_other_light_on_dark(tmp_path: Path) -> None:
    data = open_splits(write_sample("generate", tmp_path, count=100, format="domains")).test
    assert data is not None
    pictures = {sample.id: sample.load().mean(axis=2) for sample in data.samples}
    for name, paper in pictures.items():
        if name.startswith("testA/"):
            photograph = pictures[name.replace("testA/", "testB/")]
            ink = paper < 100
            assert paper[0, 0] == 245
            assert photograph[ink].mean() > photograph[~ink].mean() + 50


def test_plain_digits_have_no_truth(tmp_path: Path) -> None:
    root = write_sample("generate", tmp_path, count=40, format="pictures")
    splits = open_splits(root, targets=GENERATION)
    assert splits.summary == "pictures (train 20, val 10, test 10)"
    picture = splits.train.samples[0].load()
    assert picture[0].max() == 0
    assert picture.max() > 200
    assert np.ptp(picture, axis=2).max() == 0


@pytest.mark.parametrize("format", ["captions", "domains"])
def test_the_seed_decides_what_is_made(tmp_path: Path, format: str) -> None:
    def made(seed: int, name: str) -> list[str]:
        found = digest_of(write_sample("generate", tmp_path / name, seed=seed, count=40, format=format))
        return sorted(line.partition(" ")[2] for line in found.values())

    assert made(1, "a") == made(1, "b")
    assert made(1, "c") != made(2, "d")


def test_what_cannot_be_made_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=r"'caption'(.|\n)*written in these"):
        write_sample("generate", tmp_path, format="caption")
    with pytest.raises(ConfigError, match="count 39: there are 40 to 1740 digits"):
        write_sample("generate", tmp_path, count=39)
