"""What the doctor says of identities: strangers belong into val and test, and nobody into two splits."""

from __future__ import annotations

from pathlib import Path

import pytest
from drawn import draw

from nayan.data.doctor import diagnose

PAIRS = "image_a,image_b,same\nval/eve/1.png,val/eve/2.png,1\nval/eve/1.png,val/joe/2.png,0\n"


def crowd(root: Path, *, both: str = "", lone: str = "") -> Path:
    """Write identities with twelve pictures each, and a table of pairs."""
    whom = {"train": ("ada", "bob", "kim"), "val": ("eve", "joe")}
    files: dict[str, int | str] = {
        f"{split}/{who}/{n}.png": 100 * number + 20 * place + n
        for number, (split, names) in enumerate(whom.items())
        for place, who in enumerate(names)
        for n in range(1, 13)
    }
    if both:
        files |= {f"val/{both}/{n}.png": 900 + n for n in (1, 2)}
    if lone:
        files[f"train/{lone}/1.png"] = 990
    return draw(root, {**files, "pairs_val.csv": PAIRS})


def ids(root: Path, **options: object) -> dict[str, str]:
    findings = diagnose(root, skip=["images", "files", "data"], **options).findings  # type: ignore[arg-type]
    return {finding.check: finding.message for finding in findings}


def test_identities_of_their_own_in_each_split_are_as_it_should_be(tmp_path: Path) -> None:
    assert set(ids(crowd(tmp_path))) <= {"splits.missing"}


def test_an_identity_in_two_splits_is_a_warning(tmp_path: Path) -> None:
    found = ids(crowd(tmp_path, both="bob"))
    assert found["splits.shared_identities"] == "1 identity is in more than one split: 'bob' (train, val)"


def test_an_identity_with_one_picture_shows_nothing_that_is_the_same(tmp_path: Path) -> None:
    found = ids(crowd(tmp_path, lone="sam"))
    assert found["balance.few"] == "1 identity has fewer than 2 pictures to learn from: 'sam' (1)"


@pytest.mark.parametrize(("task", "expected"), [((), True), (("Identity",), False)])
def test_plain_folders_are_classes_unless_identities_are_wanted(
    tmp_path: Path, task: tuple[str, ...], expected: bool
) -> None:
    root = crowd(tmp_path)
    (root / "pairs_val.csv").unlink()
    assert ("balance.missing_in_split" in ids(root, targets=task)) == expected
