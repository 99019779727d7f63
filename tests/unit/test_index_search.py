"""Finding in an index: filters as text, exact scans, candidates by codes, duplicates, diversity."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from nayan.core.errors import ConfigError, DataError, ShapeError
from nayan.runtime.index import Distance, combine, create_index, parse_filter
from nayan.runtime.index.duplicates import alike
from nayan.runtime.index.filters import Condition
from nayan.runtime.index.local import LocalIndex
from nayan.runtime.index.query import most_diverse
from nayan.runtime.index.scan import ranked, scan, scan_rows, smallest
from nayan.runtime.index.structure import Bound, make_structure

DISTANCES: tuple[Distance, ...] = ("cosine", "euclidean")


def clustered(count: int, dim: int, *, seed: int = 0, spread: float = 0.7) -> NDArray[np.float32]:
    """Return unit vectors around a few hundred centres, away from the origin as those of networks are."""
    rng = np.random.default_rng(seed)
    centres = np.random.default_rng(9).normal(size=(200, dim)) + 0.8
    rows = centres[rng.integers(200, size=count)] + spread * rng.normal(size=(count, dim))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def distances(
    rows: NDArray[np.float32], query: NDArray[np.float32], distance: Distance
) -> NDArray[np.float64]:
    a, b = rows.astype(np.float64), query.astype(np.float64)
    return 1 - a @ b if distance == "cosine" else np.linalg.norm(a - b, axis=1)


@pytest.mark.parametrize(
    ("text", "conditions"),
    [
        ("a=1", [Condition("a", "=", (1,))]),
        ("a == -1.5e1", [Condition("a", "=", (-15.0,))]),
        ("a != b", [Condition("a", "!=", ("b",))]),
        ("a<='it''s'", [Condition("a", "<=", ("it's",))]),
        (
            '"unit price" >= .5 AND b = TRUE',
            [Condition("unit price", ">=", (0.5,)), Condition("b", "=", (True,))],
        ),
        ("a in(1,b , 'c d')", [Condition("a", "in", (1, "b", "c d"))]),
        ("and = 'and' and in in (x)", [Condition("and", "=", ("and",)), Condition("in", "in", ("x",))]),
        ("a = 1e", [Condition("a", "=", ("1e",))]),
        ("a = 12345678901234567890", [Condition("a", "=", (1.2345678901234567e19,))]),
        (
            "größe > 3 and path = x/y-z.jpg",
            [Condition("größe", ">", (3,)), Condition("path", "=", ("x/y-z.jpg",))],
        ),
    ],
)
def test_a_filter_is_read(text: str, conditions: list[Condition]) -> None:
    assert list(parse_filter(text)) == conditions
    assert parse_filter(" and ".join(map(_quoted, conditions))) == tuple(conditions), (
        "and what it shows is read again"
    )


def _quoted(condition: Condition) -> str:
    shown = str(condition)
    return f'"{condition.field}"{shown[len(condition.field) :]}'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "ends where a field is expected"),
        ("a", "ends where an operator is expected"),
        ("a =", "ends where a value is expected"),
        ("a = 1 and", "ends where a field is expected"),
        ("a in (1, 2", r"ends where , or \) is expected"),
        ("a in 1", r"expected \( at column 6, found '1'"),
        ("a = 1 or b = 2", "expected `and` at column 7, found 'or'"),
        ("a 1", "expected one of = != < <= > >= in at column 3, found '1'"),
        ("= 1", "expected a field at column 1, found '='"),
        ("a = and", "expected a value at column 5, found 'and'"),
        ("a = (1)", r"expected a value at column 5, found '\('"),
        ("a ! 1", "cannot be read from column 2 on"),
        ('a = "open', "cannot be read from column 4 on"),
    ],
)
def test_a_filter_that_cannot_be_read_says_where(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as error:
        parse_filter(text)
    assert error.value.hint.startswith('for example: category = "Fruit" and price < 10')


@pytest.mark.parametrize("distance", DISTANCES)
def test_scans_find_the_nearest_of_any_rows(distance: Distance) -> None:
    rows, query = clustered(5000, 24), clustered(1, 24, seed=1)[0]
    far = distances(rows, query, distance)
    found, away = ranked(rows, scan(rows, query, 12, distance=distance), query, 12, distance=distance)
    np.testing.assert_array_equal(found, np.argsort(far)[:12])
    np.testing.assert_allclose(away, np.sort(far)[:12], atol=1e-12)
    allowed = np.random.default_rng(2).random(5000) < 0.02
    some = np.flatnonzero(allowed)
    expected = some[np.argsort(far[some])][:12]
    masked = scan(rows, query, 12, distance=distance, allowed=allowed)
    listed = scan_rows(rows, some, query, 12, distance=distance)
    for numbers in (masked, listed):
        np.testing.assert_array_equal(ranked(rows, numbers, query, 12, distance=distance)[0], expected)
    allowed[:] = False
    assert not len(scan(rows, query, 12, distance=distance, allowed=allowed))


def test_far_from_the_origin_neighbours_are_still_told_apart() -> None:
    rows = np.full((3000, 8), 1000, np.float32)
    rows[:, 0] += np.arange(3000) * np.float32(0.01)
    found = scan(rows, rows[1500], 3, distance="euclidean")
    assert set(ranked(rows, found, rows[1500], 3, distance="euclidean")[0]) == {1499, 1500, 1501}


@pytest.mark.parametrize("count", [1, 5, 300, 2999, 3000, 5000])
@pytest.mark.parametrize("kind", ["spread", "equal", "mostly infinite", "periodic"])
def test_the_smallest_values_are_chosen_whatever_their_order(count: int, kind: str) -> None:
    values = np.random.default_rng(0).random(3000).astype(np.float32)
    if kind == "equal":
        values[:] = 1
    elif kind == "mostly infinite":
        values[50:] = np.inf
    elif kind == "periodic":
        values[::16] = -1  # what the bound is guessed from says nothing of the others
    chosen = smallest(values, count)
    assert len(np.unique(chosen)) == min(count, 3000)
    np.testing.assert_array_equal(np.sort(values[chosen]), np.sort(values)[:count])


@pytest.mark.parametrize("distance", DISTANCES)
@pytest.mark.parametrize("dim", [24, 100])
def test_a_structure_finds_nearly_all_neighbours_deleted_and_new_rows_included(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, distance: Distance, dim: int
) -> None:
    monkeypatch.setattr("nayan.runtime.index.upkeep.EXACT_ROWS", 1000)
    monkeypatch.setattr("nayan.runtime.index.view.EXACT_ROWS", 200)
    rows = clustered(6000, dim)
    if distance == "euclidean":
        rows *= np.random.default_rng(3).uniform(0.5, 2, (6000, 1)).astype(np.float32)
    with create_index(tmp_path / "index", dim=dim, fingerprint="m", distance=distance) as index:
        ids = [f"r{n}" for n in range(6000)]
        index.add(ids[:5500], rows[:5500], metadata=[{"part": n % 4} for n in range(5500)])
        index.delete(ids[:3000:7])
        index.build()
        assert isinstance(index, LocalIndex)
        assert index.covered == 5500
        index.add(ids[5500:], rows[5500:], metadata=[{"part": n % 4} for n in range(5500, 6000)])
        index.delete(ids[1:3000:7])
        left = index.stamps()
        for where, part in ((None, None), ("part = 1", 1)):
            kept = np.array([id in left and part in (None, n % 4) for n, id in enumerate(ids)])
            found = 0
            for query in clustered(20, dim, seed=4):
                far = np.where(kept, distances(rows, query, distance), np.inf)
                hits = index.search(query, where=where)
                assert all(kept[int(hit.id[1:])] for hit in hits)
                assert [hit.distance for hit in hits] == sorted(hit.distance for hit in hits)
                found += len({int(hit.id[1:]) for hit in hits} & set(np.argsort(far)[:10].tolist()))
            assert found >= 198


def test_a_filter_that_leaves_only_what_is_far_away_still_finds_the_nearest_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nayan.runtime.index.upkeep.EXACT_ROWS", 1000)
    monkeypatch.setattr("nayan.runtime.index.view.EXACT_ROWS", 200)
    rows = clustered(6000, 96, spread=1.2)
    side = rows @ clustered(1, 96, seed=3)[0]
    far = side < np.median(side)
    with create_index(tmp_path / "index", dim=96, fingerprint="f") as index:
        names = [str(number) for number in range(len(rows))]
        index.add(names, rows, metadata=[{"far": bool(one)} for one in far])
    queries = rows[np.argsort(-side)[:40]]
    found = 0
    with LocalIndex(tmp_path / "index") as index:
        for query in queries:
            nearest = np.flatnonzero(far)[np.argsort(-(rows[far] @ query))[:10]]
            hits = index.search(query, k=10, where="far = true")
            found += len({int(hit.id) for hit in hits} & set(nearest.tolist()))
    assert found / (10 * len(queries)) > 0.99


def test_a_structure_grows_by_encoding_only_what_is_new_until_it_has_doubled() -> None:
    rows = clustered(4000, 32)
    first = make_structure(rows[:1500], Bound("t", 1, 1500, 0))
    grown = make_structure(rows[:3000], Bound("t", 1, 3000, 0), former=first)
    assert grown.fitted == 1500
    np.testing.assert_array_equal(grown.mean, first.mean)
    np.testing.assert_array_equal(grown.codes[:1500], first.codes)
    assert (grown.codes.shape, grown.radius.shape) == ((3000, 64), (3000,))
    again = make_structure(rows, Bound("t", 1, 4000, 0), former=grown)
    assert again.fitted == 4000
    assert not np.array_equal(again.mean, first.mean)


def test_codes_order_rows_about_as_their_distances_do() -> None:
    rows, query = clustered(3000, 128), clustered(1, 128, seed=1)[0]
    structure = make_structure(rows, Bound("t", 1, 3000, 0))
    estimated, true = structure.estimates(query), distances(rows, query, "euclidean") ** 2
    assert np.corrcoef(estimated, true)[0, 1] > 0.8
    lengths = np.linalg.norm(query - structure.mean) ** 2
    assert np.abs(estimated + lengths - true).mean() < 0.1


@pytest.mark.parametrize("distance", DISTANCES)
def test_groups_of_duplicates_are_the_connected_components_of_near_pairs(distance: Distance) -> None:
    rng = np.random.default_rng(0)
    rows = clustered(1500, 6, spread=0.15)
    rows[1400:] = rows[rng.integers(0, 1400, 100)]  # exact copies, across the blocks
    threshold = 0.0004 if distance == "cosine" else 0.03
    far = np.stack([distances(rows, row, distance) for row in rows])
    root = np.arange(1500)
    while True:  # the smallest number that a row is connected to
        spread = np.where(far <= threshold, root[None], 1500).min(1)
        if (spread == root).all():
            break
        root = spread
    expected = {tuple(np.flatnonzero(root == one).tolist()) for one in range(1500) if (root == one).sum() > 1}
    groups = alike(rows, threshold, distance=distance)
    assert {tuple(group.tolist()) for group in groups} == expected
    assert len(groups) > 50
    assert [len(group) for group in groups] == sorted((len(group) for group in groups), reverse=True)


def test_a_long_chain_of_near_pairs_is_one_group() -> None:
    line = np.zeros((3000, 2), np.float32)
    line[:, 0] = np.random.default_rng(0).permutation(3000)
    (group,) = alike(line, 1.001, distance="euclidean")
    assert len(group) == 3000
    assert alike(line, 0.999, distance="euclidean") == []


def test_rows_that_are_all_the_same_are_one_group() -> None:
    (group,) = alike(np.ones((2500, 3), np.float32) / np.sqrt(np.float32(3)), 0.0, distance="euclidean")
    assert len(group) == 2500
    assert alike(np.eye(3, dtype=np.float32), 0.1, distance="cosine") == []


def test_a_query_leads_away_from_what_is_taken_off() -> None:
    both, one = np.float32([[1, 1, 0], [1, 1, 0]]), np.float32([0, 2, 0])
    away = combine(both, one)
    assert away[0] > 0 > away[1]
    assert np.linalg.norm(away) == pytest.approx(1)
    with pytest.raises(DataError, match="cancel each other out"):
        combine(both, both)
    with pytest.raises(ShapeError, match="3 dimensions"):
        combine(both, np.float32([1, 0]))
    with pytest.raises(ShapeError, match=r"\(D,\) or \(M, D\)"):
        combine(np.empty((0, 3), np.float32))
    with pytest.raises(DataError, match="vector 1 holds numbers that are not finite"):
        combine(np.float32([[1, 0], [np.inf, 0]]))


def test_diversity_goes_from_the_nearest_to_the_most_different() -> None:
    rng = np.random.default_rng(0)
    query, rows = rng.normal(size=8).astype(np.float32), rng.normal(size=(40, 8)).astype(np.float32)
    units = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    near = np.argsort(-(units @ query))
    assert most_diverse(query, rows, 5, 0.0) == near[:5].tolist()
    alike_by_share = []
    for share in (0.0, 0.5, 1.0):
        chosen = most_diverse(query, rows, 5, share)
        assert chosen[0] == near[0] or share == 1.0
        pairs = units[chosen] @ units[chosen].T
        alike_by_share.append(pairs[np.triu_indices(5, 1)].max())
    assert alike_by_share == sorted(alike_by_share, reverse=True)
    assert most_diverse(query, rows[:3], 10, 0.5) != []
    assert sorted(most_diverse(query, rows[:3], 10, 0.5)) == [0, 1, 2]


def test_an_index_of_few_rows_has_no_structure(tmp_path: Path) -> None:
    with create_index(tmp_path / "index", dim=4, fingerprint="m") as index:
        index.add(["a"], np.ones((1, 4), np.float32))
    assert not list((tmp_path / "index").glob("structure*"))
