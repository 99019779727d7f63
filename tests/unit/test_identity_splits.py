"""Splits by identity: who is tested was never seen in training, except where a catalogue is searched."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from drawn import draw

from nayan.core.errors import ConfigError, DataError, LabelError
from nayan.core.types import Dataset
from nayan.data.splits import Splits, open_splits, read_split, write_splits

WANTED = ("Identity",)


def crowd(root: Path, *, identities: int, pictures: int = 3) -> Path:
    return draw(
        root, {f"p{one:02d}/{n}.png": 10 * one + n for one in range(identities) for n in range(pictures)}
    )


def shop(root: Path, *, products: int = 3, shown: int = 4) -> Path:
    rows = [f"{p}_{n}.png,gallery,p{p}" for p in range(products) for n in range(shown)]
    rows += [f"{p}_q.png,query,p{p}" for p in range(products)]
    files = {row.partition(",")[0]: number for number, row in enumerate(rows)}
    return draw(root, {**files, "items.csv": "image,role,product\n" + "\n".join(rows) + "\n"})


def names(splits: Splits) -> dict[str, set[str]]:
    parts = {"train": splits.train, "val": splits.val, "test": splits.test}
    return {name: set(data.classes) for name, data in parts.items() if data is not None}


def roles(data: Dataset) -> Counter[str]:
    return Counter(sample.target.role for sample in data.samples)


def test_whole_identities_are_drawn_and_no_one_is_in_two_splits(tmp_path: Path) -> None:
    splits = open_splits(crowd(tmp_path, identities=20), targets=WANTED)
    found = names(splits)
    assert [len(found[name]) for name in ("train", "val", "test")] == [14, 3, 3]
    assert len(set().union(*found.values())) == 20
    assert splits.made
    assert "so that nobody is in two" in splits.notes[-1]
    for data in (splits.train, splits.val, splits.test):
        assert {sample.target.index for sample in data.samples} == set(range(len(data.classes)))
        assert all(data.classes[s.target.index] == s.id.split("/")[0] for s in data.samples)


def test_the_seed_decides_who_is_drawn(tmp_path: Path) -> None:
    root = crowd(tmp_path, identities=20)
    one, two, other = (names(open_splits(root, targets=WANTED, seed=seed)) for seed in (1, 1, 2))
    assert one == two
    assert one != other


def test_few_identities_have_no_test_and_too_few_are_refused(tmp_path: Path) -> None:
    assert set(names(open_splits(crowd(tmp_path / "a", identities=5), targets=WANTED))) == {"train", "val"}
    with pytest.raises(DataError, match="3 identities with two pictures or more; two to train on"):
        open_splits(crowd(tmp_path / "b", identities=3), targets=WANTED)


def test_identities_with_one_picture_are_shared_out_and_fill_no_split_alone(tmp_path: Path) -> None:
    root = crowd(tmp_path, identities=8)
    draw(root, {f"lone{n}/1.png": 500 + n for n in range(20)})
    splits = open_splits(root, targets=WANTED)
    for data in (splits.train, splits.val, splits.test):
        counts = Counter(sample.target.index for sample in data.samples)
        assert sum(count > 1 for count in counts.values()) >= 2
        assert min(counts.values()) == 1


def test_splits_on_disk_are_kept_and_an_identity_in_two_of_them_is_said(tmp_path: Path) -> None:
    files = {f"{split}/{who}/{n}.png": hash((split, who, n)) % 1000 for split, whom in
             (("train", "abc"), ("val", "cd"), ("test", "ef")) for who in whom for n in (1, 2)}  # fmt: skip
    splits = open_splits(draw(tmp_path, files), targets=WANTED)
    assert not splits.made
    assert names(splits) == {"train": {"a", "b", "c"}, "val": {"c", "d"}, "test": {"e", "f"}}
    assert [note for note in splits.notes if "in train too" in note] == [
        "1 identity of val is in train too, such as 'c': its scores say how well those are known, not how "
        "well strangers are told apart"
    ]


@pytest.mark.parametrize(
    ("val", "message"),
    [
        ({"val/x/1.png": 5, "val/x/2.png": 6}, "val has a single identity, 'x'"),
        ({"val/x/1.png": 5, "val/y/2.png": 6}, "no identity of val has two pictures"),
    ],
)
def test_a_split_in_which_nothing_can_be_compared_is_refused(
    tmp_path: Path, val: dict[str, int], message: str
) -> None:
    train = {f"train/{who}/{n}.png": 10 + n for who in "ab" for n in (1, 2)}
    with pytest.raises(LabelError, match=message):
        open_splits(draw(tmp_path, {**train, **val}), targets=WANTED)


def test_a_group_means_nothing_where_whole_identities_are_drawn(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="--group folder: whole identities are drawn"):
        open_splits(crowd(tmp_path, identities=9), targets=WANTED, group="folder")


def test_in_a_catalogue_val_and_test_are_searched_among_the_gallery(tmp_path: Path) -> None:
    splits = open_splits(shop(tmp_path))
    assert roles(splits.train) == {"gallery": 9}
    assert roles(splits.val) == {"gallery": 9, "query": 3}
    assert roles(splits.test) == {"gallery": 12, "query": 3}
    held = {sample.id for sample in splits.val.samples if sample.target.role == "query"}
    assert held.isdisjoint(sample.id for sample in splits.train.samples)
    assert roles(read_split(tmp_path, targets=WANTED)) == {"gallery": 12, "query": 3}


@pytest.mark.parametrize("kind", ["crowd", "shop", "pairs"])
def test_written_splits_are_read_back_as_they_were(tmp_path: Path, kind: str) -> None:
    root = shop(tmp_path / "in") if kind == "shop" else crowd(tmp_path / "in", identities=12)
    if kind == "pairs":
        rows = "".join(f"p{n:02d}/0.png,p{n:02d}/1.png,1\np{n:02d}/0.png,p11/2.png,0\n" for n in range(11))
        draw(root, {"pairs.csv": "image_a,image_b,same\n" + rows})
    before = open_splits(root, targets=WANTED)
    assert any("pairs whose pictures are in two splits now" in note for note in before.notes) == (
        kind == "pairs"
    )
    write_splits(before, tmp_path / "out")
    after = open_splits(tmp_path / "out", targets=WANTED)
    assert not after.made
    assert names(after) == names(before)
    for name in ("train", "val", "test"):
        one, two = getattr(before, name), getattr(after, name)
        assert sorted(s.load().tobytes() for s in one.samples) == sorted(
            s.load().tobytes() for s in two.samples
        )
        assert roles(one) == roles(two)
    tested = [read_split(tmp_path / "out", split, targets=WANTED) for split in ("val", "test")]
    assert [roles(data) for data in tested] == [roles(after.val), roles(after.test)]


def test_roles_have_no_place_in_a_table_of_splits(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="a table of splits has no place for roles"):
        write_splits(open_splits(shop(tmp_path / "in")), tmp_path / "out.csv")


def test_a_picture_without_a_class_is_no_identity(tmp_path: Path) -> None:
    root = draw(tmp_path, {"a.png": 1, "b.png": 2, "labels.csv": "file,label\na.png,x\nb.png,\n"})
    with pytest.raises(LabelError, match=r"the class of b\.png is empty"):
        open_splits(root, targets=WANTED)
