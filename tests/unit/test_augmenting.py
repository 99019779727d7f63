"""Which drawn pictures are worth learning from, and what a difference over seeds allows to say."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from nayan.core.errors import DataError, ShapeError
from nayan.data.readers.csv import CsvReader
from nayan.data.splits import open_splits
from nayan.runtime.fsio import safe_name
from nayan.tasks.generation.distances import AT_ONCE, lies_among, nearest, precision_recall
from nayan.tasks.generation.sampling.augmenting.choosing import (
    DOUBTFUL,
    FATES,
    KEPT,
    MEMORISED,
    SPARE,
    WRONG_CLASS,
    Candidates,
    judge,
    keep_wanted,
    near_limit,
    tally,
    variety,
)
from nayan.tasks.generation.sampling.augmenting.difference import Difference, paired_difference
from nayan.tasks.generation.sampling.augmenting.findings import (
    limit_panels,
    picture_panels,
    result_panels,
    summary,
    verdict_of,
)
from nayan.tasks.generation.sampling.augmenting.selecting import Selection
from nayan.tasks.generation.sampling.augmenting.sheets import COLUMNS, write_sheets
from nayan.tasks.generation.sampling.augmenting.tables import real_rows, write_drawn, write_rows
from tiny_runs import SIGNS, draw_signs

CLASSES = ("cat", "dog")
Points = NDArray[np.float32]


def crowd(count: int, *, seed: int, far: float = 0.0) -> Points:
    return np.random.default_rng(seed).normal(far, 1.0, (count, 4)).astype(np.float32)


def sure(label: int, share: float = 0.9) -> list[float]:
    return [share, 1 - share] if label == 0 else [1 - share, share]


def fates_of(features: Points, *, asked: list[int], said: list[list[float]]) -> list[str]:
    train = crowd(200, seed=0)
    candidates = Candidates(features, np.array(said, np.float32), np.array(asked))
    limit = near_limit(train, crowd(200, seed=1))
    return [FATES[fate] for fate in judge(candidates, train=train, limit=limit, confidence=0.6)]


def test_copies_of_training_pictures_are_dropped_even_if_they_were_moved_a_little() -> None:
    train = crowd(200, seed=0)
    copies = np.concatenate([train[:3], train[3:5] + 0.01])
    assert fates_of(copies, asked=[0] * 5, said=[sure(0)] * 5) == ["memorised"] * 5


def test_what_lies_far_from_all_real_pictures_is_dropped_whatever_the_classifier_says() -> None:
    noise = crowd(4, seed=2, far=30.0)
    assert fates_of(noise, asked=[0, 0, 1, 1], said=[sure(0, 1.0)] * 4) == ["off_manifold"] * 4


def test_most_unseen_real_pictures_of_the_class_that_was_asked_are_kept() -> None:
    fates = fates_of(crowd(200, seed=3), asked=[1] * 200, said=[sure(1)] * 200)
    assert fates.count("kept") > 150
    assert set(fates) <= {"kept", "memorised", "off_manifold"}


def test_another_class_and_too_little_confidence_are_told_apart() -> None:
    inside = crowd(200, seed=1)
    good = inside[nearest(inside, crowd(200, seed=0))[1].argsort()[60:63]]  # neither copies nor far
    said = [sure(1), sure(0, 0.55), sure(0)]
    assert fates_of(good, asked=[0, 0, 0], said=said) == ["wrong_class", "doubtful", "kept"]


def test_a_copy_of_another_class_counts_as_a_copy_so_that_each_picture_counts_once() -> None:
    train = crowd(200, seed=0)
    assert fates_of(train[:1], asked=[0], said=[sure(1)]) == ["memorised"]


def test_the_first_are_kept_and_the_counts_of_a_class_add_up_to_what_was_drawn_of_it() -> None:
    rng = np.random.default_rng(5)
    asked, fates = rng.integers(0, 2, 60), rng.integers(KEPT, DOUBTFUL + 1, 60)
    limited = keep_wanted(fates, asked, np.array([3, 1000]))
    passed = np.flatnonzero((fates == KEPT) & (asked == 0))
    assert (limited[passed[:3]] == KEPT).all()
    assert (limited[passed[3:]] == SPARE).all()
    assert (limited[fates != KEPT] == fates[fates != KEPT]).all()
    rows = tally(limited, asked, 2)
    assert [sum(row.values()) for row in rows] == np.bincount(asked).tolist()
    assert rows[0]["kept"] == 3
    assert rows[1]["spare"] == 0


def test_pictures_that_are_all_the_same_have_no_variety_and_real_ones_have_all_of_it() -> None:
    train, labels = crowd(200, seed=0), np.arange(200) % 2
    assert variety(train, labels, train, labels) == pytest.approx(1.0)
    same = np.repeat(train[:1], 5, axis=0)
    assert variety(same, np.zeros(5, np.int64), train, labels) == pytest.approx(0.0, abs=1e-3)
    assert variety(train[:1], labels[:1], train, labels) is None


def test_candidates_need_as_many_features_as_probabilities_and_classes() -> None:
    with pytest.raises(ShapeError, match=r"as many pictures, got \[2, 3\]"):
        Candidates(crowd(3, seed=0), np.zeros((3, 2), np.float32), np.zeros(2, np.int64))


def test_points_are_compared_with_a_crowd_part_by_part_as_all_at_once() -> None:
    points, real = crowd(AT_ONCE + 7, seed=1), crowd(30, seed=0)
    apart = np.linalg.norm(points[:, None].astype(np.float64) - real[None], axis=2)
    rows, far = nearest(points, real)
    assert (rows == apart.argmin(1)).all()
    np.testing.assert_allclose(far, apart.min(1), rtol=1e-6)
    own = np.sort(np.linalg.norm(real[:, None].astype(np.float64) - real[None], axis=2), axis=1)[:, 3]
    among = lies_among(points, real)
    assert (among == (apart <= own).any(1)).all()
    assert precision_recall(real, points)[0] == among.mean()
    with pytest.raises(DataError, match="takes 4 of each"):
        lies_among(points, real[:3])


def test_the_interval_is_that_of_student_by_hand() -> None:
    without, with_ = [0.80, 0.82, 0.78, 0.81, 0.79], [0.83, 0.83, 0.82, 0.82, 0.85]
    # differences 0.03 0.01 0.04 0.01 0.06: mean 0.03, sum of squares about it 0.0018, t(0.975, 4) = 2.776445
    reach = 2.776445 * math.sqrt(0.0018 / 4) / math.sqrt(5)
    found = paired_difference(without, with_)
    assert found.mean == pytest.approx(0.03)
    assert (found.low, found.high) == pytest.approx((0.03 - reach, 0.03 + reach), abs=1e-7)
    assert found.verdict == "helps"
    back = paired_difference(with_, without)
    assert back.mean == pytest.approx(-0.03)
    assert back.verdict == "harms"


def test_equal_scores_make_no_difference_and_one_pair_says_nothing() -> None:
    assert paired_difference([0.5, 0.7], [0.5, 0.7]) == Difference(0.0, 0.0, 0.0)
    assert Difference(0.0, 0.0, 0.0).verdict == "no_difference"
    with pytest.raises(ShapeError, match="two pairs or more"):
        paired_difference([0.5], [0.6])
    with pytest.raises(ShapeError, match="3 and 2 scores"):
        paired_difference([0.5, 0.5, 0.5], [0.6, 0.6])


@pytest.mark.parametrize(
    ("interval", "verdict"),
    [
        ((0.001, 0.02), "helps"),
        ((-0.02, -0.001), "harms"),
        ((-0.009, 0.009), "no_difference"),
        ((-0.009, 0.02), "cannot_tell"),
        ((0.0, 0.02), "cannot_tell"),
    ],
)
def test_the_verdict_says_no_more_than_the_interval_does(interval: tuple[float, float], verdict: str) -> None:
    assert Difference(sum(interval) / 2, *interval).verdict == verdict


def selection(fates: list[int]) -> Selection:
    count = len(fates)
    pictures = [np.full((8, 8, 3), 20 * n % 250, np.uint8) for n in range(count)]
    return Selection(pictures, np.arange(count) % 2, np.array(fates), np.zeros(count, np.int64), pictures, {})


def test_the_data_set_names_real_files_where_they_lie_and_holds_those_that_were_kept(tmp_path: Path) -> None:
    signs = draw_signs(tmp_path / "signs")
    before = {path: path.read_bytes() for path in signs.rglob("*.png")}
    splits = open_splits(signs)
    out = tmp_path / "out" / "data"
    rows = real_rows([splits.train, splits.val], out)
    drawn = write_drawn(selection([KEPT, KEPT, SPARE, MEMORISED, KEPT]), SIGNS[:2], out)
    write_rows([*rows, *drawn], out)
    train = CsvReader().read(out, "train")
    assert len(train) == len(splits.train) + 3
    assert train.classes == SIGNS
    of_real = [sample.path.resolve() for sample in train.samples if sample.path and "drawn" not in sample.id]
    assert set(of_real) == {sample.path.resolve() for sample in splits.train.samples if sample.path}
    assert len(CsvReader().read(out, "val")) == len(splits.val)
    assert sorted(path.name for path in (out / "drawn" / "bar").iterdir()) == ["00000.png", "00004.png"]
    assert {path: path.read_bytes() for path in signs.rglob("*.png")} == before


def test_names_of_classes_that_are_no_names_of_folders_become_some() -> None:
    assert safe_name("../../etc") == "etc"
    assert safe_name("***") == "class"


def test_there_is_a_sheet_for_each_reason_and_none_for_what_did_not_happen(tmp_path: Path) -> None:
    write_sheets(selection([KEPT, KEPT, MEMORISED, WRONG_CLASS, KEPT]), tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "kept.png",
        "memorised.png",
        "wrong_class.png",
    ]
    with Image.open(tmp_path / "kept.png") as sheet:
        tile = 56
        assert sheet.size == (COLUMNS * (tile + 2) - 2, 2 * (tile + 2) - 2)  # a row for each class
    with Image.open(tmp_path / "memorised.png") as sheet:
        assert sheet.size == (tile, 2 * tile + 2)  # the copy above what it is a copy of


def result(verdict: str = "helps", **changes: Any) -> dict[str, Any]:
    row = {"kept": 10, "memorised": 2, "off_manifold": 3, "wrong_class": 4, "doubtful": 1, "spare": 0}
    return {
        "data": "/data/signs",
        "classifier": "lenet",
        "generator": {"model": "conditional_gan", "run": "runs/g", "same_data": True},
        "pictures": {"train": 20, "val": 10, "test": 400, "drawn": 40, "kept": 20},
        "classes": {"cat": {**row, "wanted": 10}, "dog": {**row, "wanted": 10}},
        "real": {"kept": 0.8, "memorised": 0.1, "off_manifold": 0.1, "wrong_class": 0.0, "doubtful": 0.0},
        "variety": 0.95,
        "features": "random convolutions",
        "steps": {"plain": 100, "with": 102},
        "seeds": [
            {"seed": n, "plain": 0.8, "with": 0.82 + n / 100, "difference": 0.02 + n / 100} for n in (0, 1)
        ],
        "accuracy": {"plain": 0.8, "with": 0.825},
        "difference": {"mean": 0.025, "low": -0.0385, "high": 0.0885},
        "verdict": verdict,
        "set": "out/data",
        **changes,
    }


def test_the_page_says_what_came_out_also_where_it_does_not_help() -> None:
    told = [verdict_of(result(verdict)) for verdict in ("helps", "harms", "no_difference", "cannot_tell")]
    assert told[0].startswith("Synthetic pictures help here: +2.5 points of accuracy (95 % interval -3.9 to")
    assert "do not help here, they harm" in told[1]
    assert "less than a point either way" in told[2]
    assert "these runs cannot tell" in told[3]
    assert summary(result()).worries == ()
    panels = [*result_panels(result()), *limit_panels(result())]
    assert "100 without and 102 with" in panels[0].text
    assert "seed 1" in panels[1].svg
    assert any("interval is over seeds" in item for item in panels[2].data["list"])


def test_the_page_warns_of_a_foreign_generator_few_pictures_and_uneven_steps(tmp_path: Path) -> None:
    odd = result(
        generator={"model": "conditional_gan", "run": "runs/g", "same_data": False},
        steps={"plain": 100, "with": 120},
    )
    odd["classes"]["cat"]["wanted"] = 50
    odd["variety"] = 0.61
    odd["pictures"]["test"] = 40
    worries = " ".join(summary(odd).worries)
    for told in (
        "may have seen the test pictures",
        "wanted of “cat”",
        "steps are uneven",
        "by 61 % of",
        "each is 2.5 %",
    ):
        assert told in worries
    how_many = picture_panels(odd, tmp_path)[0].table
    assert how_many is not None
    assert how_many.rows[-1] == ("all", 20, 4, 6, 8, 2, 0)


def test_where_nothing_was_kept_there_is_nothing_to_compare() -> None:
    none = result(
        "nothing_kept",
        difference=None,
        accuracy={"plain": 0.8, "with": None},
        steps={"plain": 100, "with": None},
        seeds=[{"seed": n, "plain": 0.8, "with": None, "difference": None} for n in (0, 1)],
    )
    assert summary(none).verdict[0].startswith("Not one of 40 drawn pictures")
    panels = result_panels(none)
    assert len(panels) == 1
    assert panels[0].table is not None
    assert panels[0].table.rows[0] == ("0", "80.0 %", "-", "-")
