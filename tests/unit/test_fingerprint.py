"""The fingerprint follows the content, not the place."""

import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from drawn import draw, pixels

from nayan.core.errors import DataError
from nayan.core.types import Label, Sample
from nayan.data.fingerprint import PREFIX_BYTES, fingerprint
from nayan.data.readers import READERS

FILES = {"a/1.png": 1, "a/2.png": 2, "b/1.png": 3}


def of(root: Path) -> str:
    return fingerprint(READERS["folder"].read(root, "all"))


def test_a_copy_elsewhere_has_the_same_fingerprint(tmp_path: Path) -> None:
    draw(tmp_path / "one", FILES)
    shutil.copytree(tmp_path / "one", tmp_path / "two")
    assert of(tmp_path / "one") == of(tmp_path / "two")
    assert re.fullmatch("[0-9a-f]{64}", of(tmp_path / "one"))


@pytest.mark.parametrize(
    "changed",
    [
        {**FILES, "b/1.png": 4},
        {**FILES, "b/2.png": 4},
        {"a/1.png": 1, "b/2.png": 2, "b/1.png": 3},
        {"a/1.png": 1, "a/2.png": 2, "c/1.png": 3},
        {"a/1.png": 1, "a/3.png": 2, "b/1.png": 3},
    ],
)
def test_every_change_of_content_label_or_name_shows(tmp_path: Path, changed: dict[str, int]) -> None:
    assert of(draw(tmp_path / "one", FILES)) != of(draw(tmp_path / "two", changed))


def test_a_change_of_size_shows_even_after_the_part_that_is_read(tmp_path: Path) -> None:
    draw(tmp_path, FILES)
    path = tmp_path / "a/1.png"
    path.write_bytes(path.read_bytes().ljust(PREFIX_BYTES + 10, b"\0"))
    before = of(tmp_path)
    path.write_bytes(path.read_bytes() + b"\0")
    assert of(tmp_path) != before


def test_the_order_of_the_samples_does_not_matter_and_pixels_without_files_do(tmp_path: Path) -> None:
    data = READERS["folder"].read(draw(tmp_path, FILES), "all")
    assert fingerprint(replace(data, samples=data.samples[::-1])) == fingerprint(data)
    one, two = (replace(data, samples=(Sample("1", lambda n=n: pixels(n), Label(0)),)) for n in (1, 2))
    assert fingerprint(one) != fingerprint(two)
    assert fingerprint(replace(one, samples=(replace(one.samples[0], target=None),))) != fingerprint(one)


def test_a_file_that_vanished_is_named(tmp_path: Path) -> None:
    data = READERS["folder"].read(draw(tmp_path, FILES), "all")
    (tmp_path / "a/2.png").unlink()
    with pytest.raises(DataError, match=r"a/2\.png: cannot be read: No such file"):
        fingerprint(data)
