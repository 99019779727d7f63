"""What the doctor finds through the eyes of a network: copies, leaks, doubtful labels, strangers."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from nayan.data.doctor import CHECKS, Finding
from nayan.data.doctor.checks import run
from nayan.data.doctor.look import look_at
from nayan.data.doctor.snapshot import Picture, Snapshot

LIKENESS = [check for check in CHECKS if check.family == "likeness"]


def _unit(vectors: np.ndarray) -> np.ndarray:
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def _two_classes(count: int = 30) -> tuple[list[Picture], np.ndarray]:
    """Return apples and pears in two splits, each class around a direction of its own."""
    random = np.random.default_rng(0)
    middle = np.eye(128)[[0, 1]]
    labels = np.arange(count) % 2
    vectors = middle[labels] + 0.07 * random.normal(size=(count, 128))
    pictures = [
        Picture(
            f"{n}.jpg",
            ("train", "val")[n // 2 % 2],
            ("apple", "pear")[labels[n]],
            content=f"hash {n}",
            look=_look(n),
        )
        for n in range(count)
    ]
    return pictures, _unit(vectors)


def _look(seed: int):
    """Return a look that no hash takes for another."""
    return look_at(np.random.default_rng(seed).integers(0, 256, (32, 32, 3), dtype=np.uint8))


def _findings(pictures: Sequence[Picture], vectors: np.ndarray) -> Mapping[str, Finding]:
    known = {picture.id: vector for picture, vector in zip(pictures, vectors, strict=True)}
    snapshot = Snapshot(
        Path("data"), format="folder", splits=("train", "val"), classes=("apple", "pear"),
        pictures=tuple(pictures), vectors=known,
    )  # fmt: skip
    found = list(run(LIKENESS, snapshot))
    json.dumps([dict(finding.details) for finding in found])
    assert len({finding.check for finding in found}) == len(found)
    return {finding.check: finding for finding in found}


def test_healthy_vectors_and_no_vectors_say_nothing() -> None:
    pictures, vectors = _two_classes()
    assert _findings(pictures, vectors) == {}
    assert list(run(LIKENESS, Snapshot(Path("data"), pictures=tuple(pictures)))) == []


def test_a_version_in_another_split_is_leakage() -> None:
    pictures, vectors = _two_classes()
    vectors[2] = _unit(vectors[:1] + 0.01)  # 2.jpg is in val, 0.jpg in train; both are apples
    finding = _findings(pictures, vectors)["likeness.leakage"]
    assert finding.severity == "warning"
    assert finding.paths == ("0.jpg", "2.jpg")
    assert "0.jpg = 2.jpg" in finding.message


def test_a_version_under_another_class_and_one_in_the_same_are_told_apart() -> None:
    pictures, vectors = _two_classes()
    vectors[1] = _unit(vectors[:1] + 0.01)  # a pear that is an apple
    vectors[8] = _unit(vectors[4:5] + 0.01)  # two apples of train
    found = _findings(pictures, vectors)
    assert found["likeness.conflict"].paths == ("0.jpg", "1.jpg")
    assert found["likeness.near"].paths == ("4.jpg", "8.jpg")
    assert found["likeness.near"].severity == "info"


def test_what_the_hashes_told_is_not_told_again() -> None:
    pictures, vectors = _two_classes()
    vectors[2] = _unit(vectors[:1] + 0.01)
    pictures[2] = replace(pictures[2], look=pictures[0].look)  # looks the same, in other bytes
    assert "likeness.leakage" not in _findings(pictures, vectors)


def test_a_picture_among_those_of_another_class_has_a_doubtful_label() -> None:
    pictures, vectors = _two_classes()
    pictures[0] = replace(pictures[0], label="pear")
    finding = _findings(pictures, vectors)["likeness.label"]
    assert finding.paths == ("0.jpg",)
    assert "0.jpg ('pear', near 'apple')" in finding.message
    assert finding.details["found"]["0.jpg"]["neighbours"] >= 6


def test_labels_are_not_doubted_where_a_class_is_too_small_to_agree() -> None:
    pictures, vectors = _two_classes()
    pictures[0], pictures[2] = (replace(pictures[n], label="quince") for n in (0, 2))
    assert "likeness.label" not in _findings(pictures, vectors)


def test_a_picture_far_from_all_others_is_named() -> None:
    pictures, vectors = _two_classes()
    vectors[5] = -np.eye(128)[7]
    finding = _findings(pictures, vectors)["likeness.outlier"]
    assert finding.paths == ("5.jpg",)
    assert finding.details["found"]["5.jpg"] > 3


def test_equal_vectors_and_blank_pictures_end_nothing() -> None:
    pictures, vectors = _two_classes()
    equal = np.repeat(vectors[:1], len(pictures), axis=0)
    assert "likeness.outlier" not in _findings(pictures, equal)
    blank = [replace(picture, look=None) for picture in pictures]
    assert _findings(blank, vectors) == {}
    assert _findings(pictures[:1], vectors[:1]) == {}
