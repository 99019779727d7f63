"""Each check of masks finds the fault that was planted for it, and nothing in clean data."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from nayan.data.doctor import Diagnosis, Finding, diagnose

SIZE = (96, 128)
COUNT = 6


def scene(number: int) -> tuple[np.ndarray, np.ndarray]:
    """Return a picture of two discs on a slope, with its mask of three classes."""
    rng = np.random.default_rng(number)
    y, x = np.ogrid[: SIZE[0], : SIZE[1]]
    image = rng.integers(100, 130, (*SIZE, 3)).astype(np.int64)
    ids = np.zeros(SIZE, np.uint8)
    for label, colour in ((1, (250, 40, 40)), (2, (20, 20, 220))):
        cy, cx = rng.integers(25, SIZE[0] - 25), rng.integers(25, SIZE[1] - 25)
        inside = (y - cy) ** 2 + (x - cx) ** 2 < rng.integers(12, 22) ** 2
        image[inside] = colour + rng.integers(-9, 9, 3)
        ids[inside] = label
    return image.clip(0, 255).astype(np.uint8), ids


def data(root: Path, change=lambda ids, _: ids, *, table: str = "none\nred\nblue\n") -> Path:
    """Write train, val and test of scenes, the masks changed; `change` may return a mask or bytes."""
    for at, split in enumerate(("train", "val", "test")):
        for number in range(COUNT):
            image, ids = scene(100 * at + number)
            for kind in ("images", "masks"):
                (root / split / kind).mkdir(parents=True, exist_ok=True)
            Image.fromarray(image).save(root / split / f"images/{number}.png")
            mask = change(ids, 100 * at + number)
            path = root / split / f"masks/{number}.png"
            path.write_bytes(mask) if isinstance(mask, bytes) else Image.fromarray(mask).save(path)
    (root / "classes.txt").write_text(table)
    return root


def found(diagnosis: Diagnosis, check: str) -> list[Finding]:
    return [finding for finding in diagnosis.findings if finding.check == check]


def masks_of(root: Path) -> Diagnosis:
    return diagnose(root, only=["masks"])


def test_clean_masks_have_shares_and_no_fault(tmp_path: Path) -> None:
    diagnosis = diagnose(data(tmp_path), skip=["balance.few"])
    assert [f.check for f in diagnosis.findings if f.severity != "info"] == []
    (shares,) = found(diagnosis, "masks.classes")
    assert sum(shares.details["shares"].values()) == pytest.approx(1)
    assert "none 8" in shares.message
    assert diagnosis.classes["red"] == {"train": 6, "val": 6, "test": 6}


def test_void_is_counted_beside_the_classes(tmp_path: Path) -> None:
    def half(ids: np.ndarray, number: int) -> np.ndarray:
        ids[:, :64] = 255
        return ids

    (shares,) = found(masks_of(data(tmp_path, half)), "masks.classes")
    assert shares.message.endswith("; 50 % are void")


def test_many_classes_are_cut_short_in_words_but_not_in_details(tmp_path: Path) -> None:
    table = "".join(f"c{n}\n" for n in range(11))
    (shares,) = found(masks_of(data(tmp_path, table=table)), "masks.classes")
    assert "and 3 more" in shares.message
    assert len(shares.details["shares"]) == 11


@pytest.mark.parametrize(("shift", "words"), [((8, 0), "8 px down"), ((-6, 9), "6 px up and 9 px right")])
def test_masks_that_are_all_shifted_are_told_by_how_much(tmp_path: Path, shift: tuple, words: str) -> None:
    root = data(tmp_path, lambda ids, _: np.roll(ids, shift, axis=(0, 1)))
    (finding,) = found(masks_of(root), "masks.shifted")
    assert f"the masks are shifted: {words} of where" in finding.message
    assert (finding.details["down"], finding.details["right"]) == shift


def test_one_shifted_mask_is_named(tmp_path: Path) -> None:
    root = data(tmp_path, lambda ids, number: np.roll(ids, 10, axis=1) if number == 3 else ids)
    (finding,) = found(masks_of(root), "masks.shifted")
    assert finding.paths == ("train/images/3.png",)
    assert "10 px right of them (18 pictures looked at)" in finding.message


def test_flat_pictures_and_tiny_ones_say_nothing_of_shifts(tmp_path: Path) -> None:
    root = data(tmp_path)
    for path in root.glob("*/images/*.png"):
        Image.fromarray(np.full((*SIZE, 3), 90, np.uint8)).save(path)
    assert not found(masks_of(root), "masks.shifted")
    for path in (*root.glob("*/images/*.png"), *root.glob("*/masks/*.png")):
        Image.open(path).crop((40, 40, 70, 70)).save(path)
    assert not found(masks_of(root), "masks.shifted")


def test_specks_are_found_and_thin_lines_are_not(tmp_path: Path) -> None:
    def dirty(ids: np.ndarray, number: int) -> np.ndarray:
        if number == 1:
            rng = np.random.default_rng(0)
            ids[rng.integers(0, SIZE[0], 300), rng.integers(0, SIZE[1], 300)] = 2
        if number == 2:
            ids[:, 10], ids[np.arange(90), np.arange(90)] = 1, 2
        return ids

    (finding,) = found(masks_of(data(tmp_path, dirty)), "masks.specks")
    assert finding.paths == ("train/images/1.png",)
    assert finding.severity == "warning"


def test_masks_without_anything_known_and_of_one_class_are_told(tmp_path: Path) -> None:
    def bare(ids: np.ndarray, number: int) -> np.ndarray:
        return np.full_like(ids, 255) if number == 0 else np.zeros_like(ids) if number == 1 else ids

    void, alone = found(masks_of(data(tmp_path, bare)), "masks.empty")
    assert (void.severity, void.paths) == ("warning", ("train/images/0.png",))
    assert (alone.severity, alone.paths) == ("info", ("train/images/1.png",))
    assert "1 of 18 masks has one class only ('none')" in alone.message


def test_mostly_empty_masks_are_a_warning(tmp_path: Path) -> None:
    root = data(tmp_path, lambda ids, number: ids if number % 100 == 0 else np.zeros_like(ids))
    (finding,) = found(masks_of(root), "masks.empty")
    assert (finding.severity, finding.count) == ("warning", 15)


def test_a_class_with_hardly_a_pixel_is_told_and_one_without_any(tmp_path: Path) -> None:
    def few(ids: np.ndarray, number: int) -> np.ndarray:
        ids[ids == 2] = 0
        ids[40:42, 40:42] = 2 if number == 0 else ids[40:42, 40:42]
        return ids

    diagnosis = diagnose(data(tmp_path, few, table="none\nred\nblue\ngreen\n"))
    (finding,) = found(diagnosis, "masks.rare")
    assert "'blue'" in finding.message
    assert "'green'" in found(diagnosis, "balance.empty_class")[0].message
    assert found(diagnosis, "balance.missing_in_split")[0].details["classes"] == ["blue"]
    assert not found(diagnosis, "balance.ratio")


def test_masks_that_cannot_be_read_are_errors_and_the_others_are_looked_at(tmp_path: Path) -> None:
    diagnosis = masks_of(data(tmp_path, lambda ids, number: b"no picture" if number == 2 else ids))
    (finding,) = found(diagnosis, "masks.broken")
    assert (finding.severity, finding.paths) == ("error", ("train/images/2.png",))
    assert "not a picture" in finding.message
    assert found(diagnosis, "masks.classes")


def test_values_outside_the_table_make_the_data_unreadable_with_the_place(tmp_path: Path) -> None:
    diagnosis = diagnose(data(tmp_path, lambda ids, number: ids + 7 if number == 2 else ids))
    (finding,) = found(diagnosis, "data.unreadable")
    assert "stands for no class of classes.txt" in finding.message


def test_data_of_other_tasks_have_no_findings_about_masks(colour_data: Path) -> None:
    assert not masks_of(colour_data).findings
