"""What the doctor says of real data sets, looked at by eye before it was written down here."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from nayan.data.doctor import Diagnosis, diagnose

pytestmark = pytest.mark.data


def found(diagnosis: Diagnosis) -> dict[str, tuple[str, ...]]:
    return {finding.check: finding.paths for finding in diagnosis.findings}


@pytest.fixture(scope="module")
def awkward(data_packs: Path) -> Diagnosis:
    return diagnose(data_packs / "awkward")


def test_every_awkward_file_that_must_be_rejected_is_named_and_no_readable_one_is_called_broken(
    awkward: Diagnosis, data_packs: Path
) -> None:
    with (data_packs / "awkward/MANIFEST.csv").open(encoding="utf-8", newline="") as file:
        asked = {row["file"]: row["what_a_good_reader_does"] for row in csv.DictReader(file)}
    kinds = ("images.broken", "images.empty_file", "images.not_a_picture", "images.bomb")
    refused = {path for kind in kinds for path in found(awkward)[kind]}
    must_be_refused = {name for name, what in asked.items() if what.startswith("reject")}
    must_be_read = {name for name, what in asked.items() if what == "read"}
    assert len(must_be_refused) > 10
    assert len(must_be_read) > 40
    # Text that inflates hugely may be refused or left out (its manifest line says so).
    assert must_be_refused - refused <= {"png_text_bomb.png"}
    assert not refused & must_be_read


def test_the_awkward_files_are_told_apart_by_what_is_wrong_with_them(awkward: Diagnosis) -> None:
    paths = found(awkward)
    assert "data.unrecognised" in paths
    assert paths["images.empty_file"] == ("zero_byte.jpg",)
    assert paths["images.not_a_picture"] == ("html_error_page.jpg",)
    assert paths["images.bomb"] == ("bomb.gif", "bomb_header_60000x60000.png")
    assert paths["images.odd_aspect"] == ("panorama_800x3.jpg",)
    assert paths["images.wrong_extension"] == ("png_named.jpg",)
    assert paths["duplicates.exact"] == ("duplicate_a.jpg", "duplicate_b.jpg")
    assert paths["files.hidden"] == (".hidden.jpg",)
    assert "notes.txt" in paths["files.non_pictures"]
    assert {f"exif_orientation_{n}.jpg" for n in range(2, 9)} <= set(paths["images.exif_rotated"])
    assert {"tiny_4x4.png", "exif_gps.jpg", "icon.ico"} <= set(paths["images.tiny"])


def test_the_eight_turned_copies_of_one_photograph_are_one_near_duplicate(awkward: Diagnosis) -> None:
    groups = next(f for f in awkward.findings if f.check == "duplicates.near").details["groups"]
    copies = {f"exif_orientation_{number}.jpg" for number in range(1, 9)}
    assert copies in [{member["path"] for member in group} for group in groups]


def test_of_725_flowers_none_is_blamed_and_the_gray_ones_are_named(data_packs: Path) -> None:
    diagnosis = diagnose(data_packs / "classify-flowers")
    assert diagnosis.splits == {"train": 500, "val": 100, "test": 125}
    assert diagnosis.exit_code(strict=True) == 0
    assert len(found(diagnosis)["images.gray_mixed"]) == 7


def test_of_8000_digits_none_is_blamed(data_packs: Path) -> None:
    diagnosis = diagnose(data_packs / "classify-digits-idx")
    assert diagnosis.splits == {"train": 6500, "val": 750, "test": 750}
    assert diagnosis.exit_code(strict=True) == 0
    assert set(found(diagnosis)) == {"images.tiny"}
