"""Sample data made without a network."""

import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from drawn import classes_of, digest_of
from PIL import Image

from nayan.core.errors import ConfigError, DataError, MissingExtra, NotFound
from nayan.data.samples import write_sample
from nayan.data.splits import open_splits


def test_sample_digits_are_a_data_set_with_three_splits(tmp_path: Path) -> None:
    splits = open_splits(write_sample("classify", tmp_path / "digits", count=200))
    assert splits.summary == "folder (10 classes, train 140, val 30, test 30)"
    assert set(Counter(classes_of(splits.train).values()).values()) == {14}
    picture = splits.train.samples[0].load()
    assert picture.shape == (28, 28, 3)
    assert picture[:2].max() == 0
    assert picture.max() > 200
    assert not splits.made


def test_a_zero_is_dark_in_its_middle_and_a_one_bright(tmp_path: Path) -> None:
    write_sample("classify", tmp_path, count=100)
    middle = {
        label: np.mean(
            [np.asarray(Image.open(file))[12:16, 12:16].mean() for file in tmp_path.glob(f"*/{label}/*")]
        )
        for label in (0, 1)
    }
    assert middle[0] < 60
    assert middle[1] > 120


def test_without_a_count_every_digit_is_written_once(tmp_path: Path) -> None:
    write_sample("classify", tmp_path)
    names = [file.name for file in tmp_path.rglob("*.png")]
    assert len(set(names)) == len(names) == 1797


def test_the_seed_decides_which_digits_go_where(tmp_path: Path) -> None:
    def made(seed: int, name: str) -> list[str]:
        return sorted(digest_of(write_sample("classify", tmp_path / name, seed=seed, count=40)))

    assert made(1, "a") == made(1, "b")
    assert made(1, "c") != made(2, "d")


def test_what_cannot_be_made_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(NotFound, match="no task is named 'clasify'\ndid you mean 'classify'"):
        write_sample("clasify", tmp_path)
    for count in (39, 1800):
        with pytest.raises(ConfigError, match=f"count {count}: there are 40 to 1740 digits"):
            write_sample("classify", tmp_path, count=count)
    (tmp_path / "mine.txt").write_text("x")
    with pytest.raises(DataError, match="not empty"):
        write_sample("classify", tmp_path)
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(MissingExtra, match=r'scikit-learn(.|\n)*pip install "nayan\[train\]"'):
        write_sample("classify", tmp_path / "new")
