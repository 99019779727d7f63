"""What the doctor says of captions, domains and mere pictures."""

from __future__ import annotations

from pathlib import Path

import pytest
from drawn import draw, pixels
from PIL import Image

import nayan
from nayan.data.doctor import Finding, diagnose
from nayan.data.doctor.domains import balance
from nayan.data.doctor.snapshot import Picture, Snapshot

GENERATION = ("Caption", "Domain", "Label", "None")


def findings(root: Path) -> dict[str, Finding]:
    found = diagnose(root, targets=GENERATION, skip=["files", "images", "splits.missing"]).findings
    return {finding.check: finding for finding in found}


def captions(root: Path, rows: list[tuple[str, str]]) -> Path:
    """Write (caption, split) of one picture each."""
    lines = [f"{number}.png,{text},{split}" for number, (text, split) in enumerate(rows)]
    table = "\n".join(["file,caption,split", *lines])
    return draw(root, {"captions.csv": table, **{f"{number}.png": number for number in range(len(rows))}})


def test_captions_are_counted_and_measured(tmp_path: Path) -> None:
    found = findings(captions(tmp_path, [("a cat", "train"), ("A red dog", "train"), ("a dog", "val")]))
    assert set(found) == {"captions.words"}
    assert found["captions.words"].details == {
        "captions": 3, "of_a_picture": [1, 1, 1], "words": [2, 2, 3], "vocabulary": 4, "once": 2,
    }  # fmt: skip
    assert "2 to 3 words (2 in the middle), 4 different ones in all" in found["captions.words"].message


def test_what_is_said_of_several_pictures_is_told(tmp_path: Path) -> None:
    rows = [("a cat", "train"), ("a cat", "train"), ("a cat", "val"), ("a dog", "train")]
    found = findings(captions(tmp_path, rows))["captions.repeated"]
    assert found.message == "75% of the captions are said of several pictures: 'a cat' (3)"


@pytest.mark.parametrize(("known", "severity"), [(2, "warning"), (40, "info")])
def test_words_that_train_never_says_are_told(tmp_path: Path, known: int, severity: str) -> None:
    rows = [("a cat", "train"), ("a zebra", "val"), *[("a cat", "val")] * (known // 2)]
    found = findings(captions(tmp_path, rows))["captions.unseen"]
    assert (found.severity, found.split) == (severity, "val")
    assert "'zebra' (1)" in found.message


def test_the_domains_are_counted_and_few_pictures_are_a_warning(tmp_path: Path) -> None:
    names = [f"train{letter}/{number}.png" for letter in "AB" for number in range(12)]
    found = findings(draw(tmp_path, {name: number for number, name in enumerate(names)}))
    assert set(found) == {"domains.balance"}
    assert found["domains.balance"].message == "to learn from: 12 of A, 12 of B"
    assert found["domains.balance"].severity == "warning"


@pytest.mark.parametrize(
    ("of_b", "severity"), [(100, "info"), (400, "info"), (401, "warning"), (99, "warning")]
)
def test_a_domain_that_is_small_or_outnumbered_is_a_warning(of_b: int, severity: str) -> None:
    pictures = [Picture("1", "train", "A")] * 100 + [Picture("2", "train", "B")] * of_b
    pictures += [Picture("3", "test", "B")] * 500  # is not learnt from
    snapshot = Snapshot(
        Path("data"), splits=("train", "test"), classes=("A", "B"), pictures=tuple(pictures), of_domains=True
    )
    assert next(balance(snapshot)).severity == severity


@pytest.mark.parametrize(("size", "told"), [((16, 20), False), ((40, 50), True), ((32, 16), True)])
def test_domains_of_another_size_or_shape_are_a_warning(
    tmp_path: Path, size: tuple[int, int], told: bool
) -> None:
    draw(tmp_path, {"trainA/1.png": 1, "trainA/2.png": 2})
    (tmp_path / "trainB").mkdir()
    Image.fromarray(pixels(3, size)).save(tmp_path / "trainB/1.png")
    assert ("domains.size" in findings(tmp_path)) == told


def test_sizes_of_a_domain_that_cannot_be_decoded_are_not_compared(tmp_path: Path) -> None:
    root = draw(tmp_path, {"trainA/1.png": 1, "trainB/1.png": "no picture"})
    assert "domains.size" not in findings(root)


def test_pictures_without_truth_have_nothing_to_be_blamed_for(tmp_path: Path) -> None:
    root = draw(tmp_path, {f"{number}.png": number for number in range(5)})
    assert findings(root) == {}
    assert diagnose(root, targets=GENERATION).format == "pictures"


def test_plain_pictures_are_examined_for_those_who_generate(tmp_path: Path) -> None:
    data = nayan.sample("generate", tmp_path / "data", count=40, format="pictures")
    found = nayan.doctor(data, task="generate")
    assert found.format == "pictures"
    assert not [finding for finding in found.findings if finding.severity == "error"]
    assert nayan.doctor(data).format == ""  # without a task, pictures without a word are for nothing
