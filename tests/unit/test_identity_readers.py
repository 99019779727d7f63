"""Formats that say which pictures show the same: folders with pairs, LFW, pairs alone, catalogues."""

from __future__ import annotations

from pathlib import Path

import pytest
from drawn import classes_of, draw

from nayan.core.errors import DataError, FormatError, LabelError, NotFound
from nayan.core.types import Identity
from nayan.data.convert import convert
from nayan.data.readers import READERS, recognise
from nayan.data.readers.pair_tables import person_and_number, read_pairs

PEOPLE = {
    "train/ada/1.png": 1,
    "train/ada/2.png": 2,
    "train/bob/1.png": 3,
    "val/eve/1.png": 4,
    "val/eve/2.png": 5,
    "val/joe/1.png": 6,
    "val/joe/2.png": 7,
}
PAIRS = "image_a,image_b,same\nval/eve/1.png,val/eve/2.png,1\nval/eve/1.png,val/joe/2.png,0\n"
HEAD = "image_a,image_b,same\n"
ITEMS = "image,role,product,colour\na.png,gallery,pear,green\nb.png,query,pear,red\nc.png,gallery,plum,blue\n"


def people(root: Path, pairs: str = PAIRS, name: str = "pairs_val.csv") -> Path:
    return draw(root, {**PEOPLE, name: pairs})


def identities(root: Path, split: str, format: str = "identities") -> dict[str, Identity]:
    samples = READERS[format].read(root, split).samples
    return {sample.id: sample.target for sample in samples if isinstance(sample.target, Identity)}


def test_folders_with_a_table_of_pairs_are_identities_and_folders_alone_are_classes(tmp_path: Path) -> None:
    assert recognise(people(tmp_path / "a")).reader.name == "identities"
    assert recognise(draw(tmp_path / "b", PEOPLE)).reader.name == "folder"
    assert recognise(tmp_path / "a", targets=("Label",)).reader.name == "folder"
    assert recognise(tmp_path / "b", targets=("Identity",)).reader.name == "folder"


def test_pairs_hang_on_the_picture_that_they_begin_with(tmp_path: Path) -> None:
    found = identities(people(tmp_path), "val")
    assert found["val/eve/1.png"].pairs == (("val/eve/2.png", True), ("val/joe/2.png", False))
    assert found["val/eve/2.png"].pairs == ()
    assert {name for name, target in found.items() if target.name == name} == set(found)
    assert READERS["identities"].splits(tmp_path) == ("train", "val")
    assert READERS["identities"].read(tmp_path, "train").classes == ("ada", "bob", "eve", "joe")


@pytest.mark.parametrize(
    ("name", "rows", "message"),
    [
        (
            "pairs_val.csv",
            "val/eve/1.png,val/eve/9.png,1",
            r"pairs_val.csv:2: the picture val/eve/9.png does",
        ),
        ("pairs.csv", "val/eve/1.png,train/ada/1.png,0", r"pairs.csv:2: val/eve/1.png is in val, train/ada"),
        (
            "pairs_val.csv",
            "train/ada/1.png,train/bob/1.png,0",
            r"is in train, but the table is named after val",
        ),
        ("pairs_val.csv", "val/eve/1.png,val/joe/1.png,1", r"said to show the same, but lie in two folders"),
        (
            "pairs_val.csv",
            "val/eve/1.png,val/eve/2.png,0",
            r"to show two different ones, but lie in one folder",
        ),
        ("pairs_val.csv", "val/eve/1.png,val/eve/2.png,maybe", r":2: 'maybe' does not say whether"),
        ("pairs_val.csv", "val/eve/1.png,val/eve/2.png", r":2: 2 cells, but the header has 3 columns"),
    ],
)
def test_a_pair_that_cannot_be_is_refused_with_its_line(
    tmp_path: Path, name: str, rows: str, message: str
) -> None:
    root = people(tmp_path, f"{HEAD}{rows}\n", name)
    with pytest.raises(DataError, match=message):
        READERS["identities"].read(root, "val")


def test_a_split_that_is_not_there_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="test"):
        READERS["identities"].read(people(tmp_path), "test")


LFW = "1\t2\nAda_B\t1\t2\nBob\t1\t2\nAda_B\t1\tBob\t1\nBob\t2\tAda_B\t2\n"
PHOTOS = {
    f"lfw/{name}/{name}_000{number}.jpg": number + 4 * len(name)
    for name in ("Ada_B", "Bob")
    for number in (1, 2)
}


def test_lfw_lies_in_a_folder_of_its_own_and_counts_pictures_from_one(tmp_path: Path) -> None:
    root = draw(tmp_path, {**PHOTOS, "pairs.txt": LFW})
    assert recognise(root).reader.name == "identities"
    found = identities(root, "all")
    assert found["lfw/Ada_B/Ada_B_0001.jpg"].pairs == (
        ("lfw/Ada_B/Ada_B_0002.jpg", True),
        ("lfw/Bob/Bob_0001.jpg", False),
    )
    assert READERS["identities"].read(root, "all").classes == ("Ada_B", "Bob")


def test_lfw_rows_without_folds_and_people_at_the_root_are_read_too(tmp_path: Path) -> None:
    files = {name.removeprefix("lfw/"): number for name, number in PHOTOS.items()}
    root = draw(tmp_path, {**files, "pairs.txt": "1\nAda_B 1 2\n\nAda_B 2 Bob 1\n"})
    assert identities(root, "all")["Ada_B/Ada_B_0002.jpg"].pairs == (("Bob/Bob_0001.jpg", False),)


def test_a_row_that_lfw_does_not_write_is_refused(tmp_path: Path) -> None:
    root = draw(tmp_path, {"pairs.txt": "1\nAda_B 1\n"})
    with pytest.raises(FormatError, match=r"pairs.txt:2: 'Ada_B 1' is no pair"):
        read_pairs(root / "pairs.txt")


@pytest.mark.parametrize("header", ["image1,image2,label", "file_a;file_b;match", "first\tsecond\tis_same"])
def test_columns_of_pairs_are_found_by_their_words(tmp_path: Path, header: str) -> None:
    separator = next(mark for mark in ",;\t" if mark in header)
    row = separator.join(["a/1.jpg", "b\\1.jpg", "True"])
    root = draw(tmp_path, {"pairs.csv": f"{header}\n{row}\n"})
    (pair,) = read_pairs(root / "pairs.csv")
    assert (pair.first, pair.second, pair.same) == ("a/1.jpg", "b/1.jpg", True)


def test_a_name_without_a_folder_above_is_its_own() -> None:
    assert person_and_number("Bob_0001.jpg") == "/Bob_0001"


LOOSE = {f"photos/{number}.png": number for number in range(1, 7)}


def test_pairs_alone_say_who_is_who(tmp_path: Path) -> None:
    rows = "photos/2.png,photos/1.png,1\nphotos/2.png,photos/3.png,1\nphotos/4.png,photos/1.png,0\n"
    root = draw(tmp_path, {**LOOSE, "pairs.csv": HEAD + rows})
    assert recognise(root).reader.name == "pairs"
    data = READERS["pairs"].read(root, "all")
    assert classes_of(data) == {
        "photos/1.png": "photos/1.png",
        "photos/2.png": "photos/1.png",
        "photos/3.png": "photos/1.png",
        "photos/4.png": "photos/4.png",
    }
    assert READERS["pairs"].splits(root) == ()
    assert len(READERS["pairs"].read(root / "pairs.csv", "all")) == 4


def test_tables_of_pairs_named_after_splits_are_splits(tmp_path: Path) -> None:
    one, two = (f"{HEAD}photos/{n}.png,photos/{n + 1}.png,1\n" for n in (1, 3))
    root = draw(tmp_path, {**LOOSE, "pairs_train.csv": one, "pairs_val.csv": two})
    assert READERS["pairs"].splits(root) == ("train", "val")
    assert list(classes_of(READERS["pairs"].read(root, "val"))) == ["photos/3.png", "photos/4.png"]


@pytest.mark.parametrize(
    ("rows", "error", "message"),
    [
        (
            "photos/1.png,photos/9.png,1\n",
            DataError,
            r"pairs.csv:2: the picture .*photos/9.png does not exist",
        ),
        (
            "photos/1.png,photos/2.png,1\nphotos/2.png,photos/3.png,1\nphotos/3.png,photos/1.png,0\n",
            LabelError,
            r"pairs.csv:4: photos/3.png and photos/1.png are said to be different, but other pairs join them",
        ),
        ("", DataError, "has a header but no rows"),
    ],
)
def test_impossible_pairs_alone_are_refused(
    tmp_path: Path, rows: str, error: type[Exception], message: str
) -> None:
    root = draw(tmp_path, {**LOOSE, "pairs.csv": HEAD + rows})
    with pytest.raises(error, match=message):
        READERS["pairs"].read(root, "all")


def test_a_picture_in_no_pair_cannot_be_written_as_pairs(tmp_path: Path) -> None:
    data = READERS["identities"].read(people(tmp_path / "in"), "train")
    with pytest.raises(LabelError, match=r"train/ada/1\.png: is in no pair"):
        READERS["pairs"].write({"all": data}, tmp_path / "out")


def test_a_catalogue_has_roles_and_its_product_before_its_category(tmp_path: Path) -> None:
    text = ITEMS.replace("colour", "category")
    root = draw(tmp_path, {"a.png": 1, "b.png": 2, "c.png": 3, "items.csv": text})
    data = READERS["items"].read(root, "all")
    assert classes_of(data) == {"a.png": "pear", "b.png": "pear", "c.png": "plum"}
    assert [sample.target.role for sample in data.samples] == ["gallery", "query", "gallery"]
    assert data.notes == ("the column 'product' says what a picture shows",)


def test_a_table_with_roles_and_classes_stays_classes_unless_identities_are_wanted(tmp_path: Path) -> None:
    text = ITEMS.replace("product", "category")
    root = draw(tmp_path, {"a.png": 1, "b.png": 2, "c.png": 3, "items.csv": text})
    assert recognise(root).reader.name == "csv"
    assert recognise(root, targets=("Identity",)).reader.name == "items"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (ITEMS.replace("query", "maybe"), r"items.csv:3: 'maybe' is no role"),
        (ITEMS.replace("b.png,query,pear", "b.png,query,"), r"items.csv:3: the product of b.png is empty"),
        (ITEMS.replace("b.png", "z.png"), r"items.csv:3: the picture z.png does not exist"),
        (ITEMS.replace("pear,red", "pear"), r"items.csv:3: 3 cells, but the header has 4 columns"),
        (ITEMS.replace("b.png", "a.png"), r"two pictures have one name, 'a.png'"),
        (ITEMS.partition("\n")[0] + "\n", r"has a header but no rows"),
        (ITEMS.replace("colour", "split").replace("red", "half"), r"items.csv:2: 'green' is no split"),
        (ITEMS.replace("role", "rank"), r"0 tables have the columns image, role and product"),
    ],
)
def test_a_catalogue_that_cannot_be_read_is_refused_with_its_line(
    tmp_path: Path, text: str, message: str
) -> None:
    root = draw(tmp_path, {"a.png": 1, "b.png": 2, "c.png": 3, "items.csv": text})
    with pytest.raises(DataError, match=message):
        READERS["items"].read(root, "all")


def test_pictures_without_a_role_cannot_be_written_as_a_catalogue(tmp_path: Path) -> None:
    data = READERS["identities"].read(people(tmp_path / "in"), "all")
    with pytest.raises(LabelError, match="is neither of the gallery nor a query"):
        READERS["items"].write({"all": data}, tmp_path / "out")


def test_converting_identities_to_folders_says_that_pairs_are_lost(tmp_path: Path) -> None:
    report = convert(people(tmp_path / "in"), tmp_path / "out", "folder")
    assert "pairs and roles of pictures are gone: folder keeps who is in them only" in report.notes
    kept = convert(tmp_path / "in", tmp_path / "again", "identities")
    assert not any("gone" in note for note in kept.notes)
    assert identities(tmp_path / "again", "val")["val/eve/1.png"].pairs[0] == ("val/eve/2.png", True)
