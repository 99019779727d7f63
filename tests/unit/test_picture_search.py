"""Pictures in an index: what they are called, what has changed, what is asked, and the sheet of answers."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import nayan
from nayan.core.errors import ConfigError, FormatError, NotFound
from nayan.runtime.bundle import open_bundle
from nayan.runtime.index import Hit, VectorIndex, create_index, open_index
from nayan.tasks.embedding.search.asking import find, recommend
from nayan.tasks.embedding.search.embedders import FINGERPRINT, Wanted, find_embedder, fingerprint_of
from nayan.tasks.embedding.search.filling import Filled
from nayan.tasks.embedding.search.names import Names, read_names
from nayan.tasks.embedding.search.sheet import SIDE, Band, Card, paint, told

HUES = {"red": (220, 20, 20), "rose": (220, 60, 60), "green": (20, 200, 30), "blue": (10, 20, 210)}


def shop(root: Path) -> Path:
    """Write a picture of each hue, and a table of prices and kinds."""
    root.mkdir()
    for name, colour in HUES.items():
        Image.fromarray(np.full((12, 16, 3), colour, np.uint8)).save(root / f"{name}.png")
    rows = ["image,kind,price", "red.png,warm,1", "rose.png,warm,2", "green.png,cold,3", "blue.png,cold,4"]
    (root / "items.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    return root


@pytest.fixture
def goods(tmp_path: Path, colour_embedder: Path) -> Path:
    """Return the index of such a shop, which lies beside it."""
    root = shop(tmp_path / "shop")
    nayan.index(colour_embedder, root, tmp_path / "goods", metadata=root / "items.csv")
    return tmp_path / "goods"


def names(hits: list[Hit]) -> list[str]:
    return [Path(hit.id).stem for hit in hits]


# filling


def test_an_index_of_a_folder_has_each_picture_by_its_path_in_there(goods: Path) -> None:
    with open_index(goods) as index:
        assert sorted(index.ids()) == ["blue.png", "green.png", "red.png", "rose.png"]
        assert dict(index.metadata("rose.png")) == {"kind": "warm", "price": 2}
        assert index.fingerprint == fingerprint_of(open_bundle(goods / "model"))


def test_only_new_and_changed_pictures_are_embedded_again(goods: Path, colour_embedder: Path) -> None:
    root = goods.with_name("shop")
    done: list[tuple[int, int]] = []

    def again() -> Filled:
        return nayan.index(colour_embedder, root, goods, on_progress=lambda *each: done.append(each))

    untouched = again()
    assert (untouched.pictures, untouched.new, untouched.changed, untouched.same) == (4, 0, 0, 4)
    assert done == []
    Image.fromarray(np.full((5, 5, 3), (250, 240, 10), np.uint8)).save(root / "yellow.png")
    Image.fromarray(np.full((9, 9, 3), (0, 0, 0), np.uint8) + np.uint8(90)).save(root / "blue.png")
    changed = again()
    assert (changed.pictures, changed.new, changed.changed, changed.same) == (5, 1, 1, 3)
    assert done[-1] == (2, 2)
    with open_index(goods) as index:
        assert dict(index.metadata("blue.png")) == {"kind": "cold", "price": 4}  # as the table had said
        assert index.vectors(["blue.png"])[0] == pytest.approx(np.full(3, 3**-0.5), abs=1e-6)


def test_pictures_that_are_gone_stay_until_they_are_pruned(goods: Path, colour_embedder: Path) -> None:
    root = goods.with_name("shop")
    (root / "red.png").unlink()
    kept = nayan.index(colour_embedder, root, goods)
    assert (kept.pictures, kept.gone, kept.removed) == (4, 1, 0)
    pruned = nayan.index(colour_embedder, root, goods, prune=True)
    assert (pruned.pictures, pruned.gone, pruned.removed) == (3, 1, 1)
    with open_index(goods) as index:
        assert "red.png" not in index.ids()


def test_pictures_of_other_folders_are_added_and_those_not_named_stay(
    goods: Path, colour_embedder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    more = tmp_path / "more"
    more.mkdir()
    Image.fromarray(np.full((5, 5, 3), (250, 240, 10), np.uint8)).save(more / "yellow.png")
    filled = nayan.index(colour_embedder, more, goods, prune=True)
    assert (filled.pictures, filled.new, filled.removed) == (5, 1, 0)
    monkeypatch.chdir(more)
    same = nayan.index(colour_embedder, ["yellow.png", "../shop", more / "yellow.png"], goods)
    assert (same.pictures, same.new, same.same) == (5, 0, 5)


def test_a_shop_that_has_moved_is_known_again(goods: Path, colour_embedder: Path, tmp_path: Path) -> None:
    goods.with_name("shop").rename(tmp_path / "market")
    filled = nayan.index(colour_embedder, tmp_path / "market", goods)
    assert (filled.new, filled.changed, filled.same) == (0, 0, 4)
    assert f"its pictures are {tmp_path / 'market'} now" in filled.notes[0]
    assert read_names(goods).file("red.png").is_file()


def test_another_table_changes_the_metadata_and_not_the_vectors(goods: Path, colour_embedder: Path) -> None:
    root = goods.with_name("shop")
    (root / "items.csv").write_text("image,price\nred.png,9\nrose.png,2\n", encoding="utf-8")
    filled = nayan.index(colour_embedder, root, goods, metadata=root / "items.csv")
    assert (filled.same, filled.described) == (4, 2)
    assert "says nothing of 2 pictures, such as blue.png" in filled.notes[0]
    with open_index(goods) as index:
        assert dict(index.metadata("red.png")) == {"price": 9}
        assert dict(index.metadata("blue.png")) == {"kind": "cold", "price": 4}


def test_names_do_not_depend_on_where_one_stands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    known = Names(tmp_path / "shop")
    assert known.of(Path("shop/../shop/a.png")) == known.of(tmp_path / "shop/a.png") == "a.png"
    assert known.of(Path("b.png")) == (tmp_path / "b.png").as_posix()
    assert Names().of(Path("b.png")) == (tmp_path / "b.png").as_posix()


def test_a_damaged_note_of_where_the_pictures_are_is_refused(goods: Path) -> None:
    (goods / "pictures.json").write_text("{}", encoding="utf-8")
    with pytest.raises(FormatError, match=r"pictures\.json: does not say where the pictures are"):
        nayan.recommend(goods, "red.png")


# models


def test_the_same_bundle_elsewhere_has_the_same_fingerprint(goods: Path, colour_embedder: Path) -> None:
    assert not (goods / "model" / "weights.safetensors").exists()
    here, there = open_bundle(colour_embedder), open_bundle(goods / "model")
    assert fingerprint_of(here) == fingerprint_of(there)
    made = there.spec.with_(provenance={FINGERPRINT: "lenet 1234"})
    assert fingerprint_of(type(there)(there.path, made, there.files)) == "lenet 1234"


def test_the_fingerprint_of_a_name_is_that_of_its_weights_and_options(tmp_path: Path) -> None:
    one, other = tmp_path / "one.safetensors", tmp_path / "other.safetensors"
    one.write_bytes(b"1")
    other.write_bytes(b"2")
    wanted = [
        Wanted("resnet18", str(one)),
        Wanted("resnet18", str(other)),
        Wanted("resnet18", str(one), pooling="gem"),
        Wanted("resnet18", str(one), imgsz=160),
        Wanted("resnet34", str(one)),
    ]
    prints = [find_embedder(each).fingerprint for each in wanted]
    assert len(set(prints)) == len(prints)
    assert prints[0] == find_embedder(Wanted("resnet18", str(one), pooling="gap", imgsz=None)).fingerprint
    assert prints[0].startswith("resnet18 ")


# asking


def test_a_picture_finds_itself_and_then_what_is_like_it(goods: Path) -> None:
    red = goods.with_name("shop") / "red.png"
    hits = nayan.search(goods, red, k=3)
    assert names(hits)[:2] == ["red", "rose"]
    assert hits[0].distance == pytest.approx(0, abs=1e-6)
    assert len(hits) == 3


def test_several_pictures_a_filter_and_what_to_lead_away_from(goods: Path) -> None:
    root = goods.with_name("shop")
    assert names(nayan.search(goods, [root / "red.png", root / "blue.png"], k=2, where="kind = cold"))[0] == (
        "blue"
    )
    away = nayan.search(goods, root / "rose.png", minus=root / "red.png", k=4)
    assert names(away)[-1] == "red"
    assert names(nayan.search(goods, root / "red.png", where="price > 2 and price < 4")) == ["green"]


def test_a_recommendation_is_never_the_item_itself(goods: Path) -> None:
    assert names(nayan.recommend(goods, "red.png"))[0] == "rose"
    assert sorted(names(nayan.recommend(goods, ["red.png", "rose.png"]))) == ["blue", "green"]
    by_file = nayan.recommend(goods, str(goods.with_name("shop") / "red.png"))
    assert by_file == nayan.recommend(goods, "red.png")


@pytest.fixture
def catalogue(tmp_path: Path) -> Iterator[VectorIndex]:
    """Give an index of 60 pictures around a circle, five of each product."""
    angles = np.arange(60) * 2 * np.pi / 60
    index = create_index(tmp_path / "index", dim=2, fingerprint="f")
    index.add(
        [f"p{number}" for number in range(60)],
        np.stack([np.cos(angles), np.sin(angles)], 1).astype(np.float32),
        metadata=[{"product": f"P{number // 5}"} if number != 13 else {} for number in range(60)],
    )
    with index:
        yield index


def test_each_product_is_shown_once_by_its_nearest_picture(catalogue: VectorIndex) -> None:
    query = catalogue.vectors(["p10"])[0]
    hits = find(catalogue, query, k=12, distinct="product")
    assert [hit.metadata["product"] for hit in hits][:3] == ["P2", "P1", "P3"]
    assert len({hit.metadata["product"] for hit in hits}) == len(hits) == 12
    assert [hit.id for hit in hits][:3] == ["p10", "p9", "p15"]
    assert len(find(catalogue, query, k=20, distinct="product")) == 12  # there are no more


def test_a_product_recommends_others(catalogue: VectorIndex) -> None:
    hits = recommend(catalogue, ["p10", "p11"], k=2, distinct="product")
    assert [hit.metadata["product"] for hit in hits] == ["P1", "P3"]


def test_a_field_that_no_picture_has_and_no_hit_at_all_are_refused(catalogue: VectorIndex) -> None:
    with pytest.raises(NotFound, match="no field of metadata is named 'produkt'") as error:
        find(catalogue, catalogue.vectors(["p1"])[0], k=3, distinct="produkt")
    assert error.value.near == ("product",)
    with pytest.raises(ConfigError, match="k is 0"):
        find(catalogue, catalogue.vectors(["p1"])[0], k=0, distinct="product")


def test_copies_are_found_in_groups(goods: Path, colour_embedder: Path) -> None:
    root = goods.with_name("shop")
    assert nayan.duplicates(goods) == [("red.png", "rose.png")]
    (root / "copy.png").write_bytes((root / "blue.png").read_bytes())
    nayan.index(colour_embedder, root, goods)
    assert nayan.duplicates(goods, within=0.001) == [("blue.png", "copy.png")]
    assert nayan.duplicates(goods, where="kind = warm", within=0.001) == []


# sheets


def test_what_was_found_is_written_as_json_and_as_a_sheet(goods: Path, tmp_path: Path) -> None:
    root = goods.with_name("shop")
    os.remove(root / "rose.png")  # noqa: PTH107
    nayan.search(goods, root / "red.png", minus=root / "blue.png", k=4, out=tmp_path / "seen")
    records = json.loads((tmp_path / "seen/hits.json").read_text(encoding="utf-8"))
    assert records[0].keys() == {"id", "file", "similarity", "distance", "metadata"}
    assert Path(records[0]["file"]) == root / records[0]["id"]
    sheet = np.asarray(Image.open(tmp_path / "seen/hits.png"))
    assert sheet.shape[1] == 2 * 24 + 4 * SIDE + 3 * 14
    assert (sheet == np.array(HUES["red"])).all(-1).sum() > 2 * 100 * 100  # asked for and found
    nayan.duplicates(goods, out=tmp_path / "alike")
    assert json.loads((tmp_path / "alike/duplicates.json").read_text(encoding="utf-8")) == [
        ["red.png", "rose.png"]
    ]
    assert (tmp_path / "alike/duplicates.png").is_file()


def test_a_sheet_goes_on_in_further_rows_and_names_what_cannot_be_read(tmp_path: Path) -> None:
    cards = tuple(Card(tmp_path / "none.png", ("one", "two")) for _ in range(7))
    two_rows, one_row = paint([Band("found", cards)]), paint([Band("found", cards[:5])])
    assert two_rows.shape[1] == one_row.shape[1]
    assert two_rows.shape[0] - one_row.shape[0] == SIDE + 2 * 18 + 2 * 14
    assert paint([]).shape[2] == 3


def test_metadata_are_told_in_at_most_two_lines() -> None:
    assert told({}) == ()
    assert told({"a": 1}) == ("1",)
    assert told({"a": 1, "b": "x", "c": True}) == ("1, x", "True")
