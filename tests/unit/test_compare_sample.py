"""The sample for `compare`: numbers as identities, and pairs of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from drawn import digest_of

from nayan.core.errors import ConfigError
from nayan.data.samples import write_sample
from nayan.data.splits import open_splits


def test_numbers_are_identities_of_one_split_each_with_pairs_to_compare(tmp_path: Path) -> None:
    splits = open_splits(write_sample("compare", tmp_path / "numbers", count=300))
    assert splits.summary == "identities (64 classes, train 192, val 54, test 54)"
    assert splits.test is not None
    names = [set(part.classes) for part in (splits.train, splits.val, splits.test)]
    assert sorted(set().union(*names)) == [f"{number:02d}" for number in range(100)]
    assert sum(map(len, names)) == 100
    for part in (splits.val, splits.test):
        same = [same for sample in part.samples for _, same in sample.target.pairs]
        assert len(same) == 2 * sum(same) > 100
    picture = splits.train.samples[0].load()
    assert picture.shape == (28, 40, 3)


def test_the_left_digit_is_the_tens(tmp_path: Path) -> None:
    write_sample("compare", tmp_path, count=1000)
    data = open_splits(tmp_path, targets=("Identity",)).train
    by_number: dict[str, list[np.ndarray]] = {}
    for sample in data.samples:
        by_number.setdefault(data.classes[sample.target.index], []).append(sample.load()[..., 0])
    # a one has a bright middle, a zero a dark one
    middles = {
        (number, half): np.mean(
            [picture[12:16, 8 + 20 * half : 12 + 20 * half].mean() for picture in pictures]
        )
        for number, pictures in by_number.items()
        for half in (0, 1)
    }
    ones = [value for (number, half), value in middles.items() if number[half] == "1"]
    zeros = [value for (number, half), value in middles.items() if number[half] == "0"]
    assert min(ones) > max(zeros)


def test_the_seed_decides_what_is_drawn(tmp_path: Path) -> None:
    def made(seed: int, name: str) -> list[str]:
        found = digest_of(write_sample("compare", tmp_path / name, seed=seed, count=200))
        return sorted(line.partition(" ")[2] for line in found.values())

    assert made(1, "a") == made(1, "b")
    assert made(1, "c") != made(2, "d")


@pytest.mark.parametrize("count", [199, 1001])
def test_a_number_of_pictures_that_cannot_be_is_refused(tmp_path: Path, count: int) -> None:
    with pytest.raises(ConfigError, match=f"count {count}: there are 200 to 1000 pictures of 100 numbers"):
        write_sample("compare", tmp_path, count=count)
