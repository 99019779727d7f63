"""An index against a dictionary and NumPy: whatever is done to it, it answers as they do."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from unittest.mock import patch

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from numpy.typing import NDArray

from nayan.runtime.index import VectorIndex, create_index, open_index

DIM = 4
NAMES = st.sampled_from([f"n{number}" for number in range(12)])
VECTORS = st.lists(st.integers(-3, 3), min_size=DIM, max_size=DIM).filter(any).map(np.float32)
FIELDS = st.fixed_dictionaries({}, optional={"kind": st.sampled_from("ab"), "price": st.integers(0, 4)})
ROWS = st.dictionaries(NAMES, st.tuples(VECTORS, FIELDS), max_size=5)
FILTERS = {
    None: lambda _: True,
    "kind = a": lambda fields: fields.get("kind") == "a",
    "price >= 2": lambda fields: fields.get("price", -1) >= 2,
    "kind != a and price < 3": lambda fields: fields.get("kind", "a") != "a" and fields.get("price", 9) < 3,
}


class IndexModel(RuleBasedStateMachine):
    """Any mixture of changes, reopening, compacting and structures, with a reader beside the writer."""

    def __init__(self) -> None:
        super().__init__()
        self.root = Path(tempfile.mkdtemp())
        # Structures from the first row on, so that the small indexes of this test have them.
        self.patches = [
            patch("nayan.runtime.index.view.EXACT_ROWS", 0),
            patch("nayan.runtime.index.upkeep.EXACT_ROWS", 0),
        ]
        for each in self.patches:
            each.start()

    @initialize(distance=st.sampled_from(["cosine", "euclidean"]))
    def make(self, distance: str) -> None:
        self.distance = distance
        self.index: VectorIndex = create_index(self.root / "i", dim=DIM, fingerprint="m", distance=distance)  # type: ignore[arg-type]
        self.reader: VectorIndex = open_index(self.root / "i")
        self.rows: dict[str, tuple[NDArray[np.float32], dict[str, object]]] = {}

    @rule(rows=ROWS)
    def add(self, rows: dict[str, tuple[NDArray[np.float32], dict[str, object]]]) -> None:
        vectors = np.array([vector for vector, _ in rows.values()], np.float32).reshape(-1, DIM)
        self.index.add(list(rows), vectors, metadata=[fields for _, fields in rows.values()])  # type: ignore[misc]
        for name, row in rows.items():
            self.rows.pop(name, None)
            self.rows[name] = row

    @precondition(lambda self: self.rows)
    @rule(data=st.data())
    def delete(self, data: st.DataObject) -> None:
        names = data.draw(st.lists(st.sampled_from(sorted(self.rows)), unique=True))
        self.index.delete(names)
        for name in names:
            del self.rows[name]

    @precondition(lambda self: self.rows)
    @rule(data=st.data(), fields=FIELDS)
    def describe(self, data: st.DataObject, fields: dict[str, object]) -> None:
        name = data.draw(st.sampled_from(sorted(self.rows)))
        self.index.describe([name], [fields])  # type: ignore[list-item]
        self.rows[name] = (self.rows[name][0], fields)

    @rule()
    def build(self) -> None:
        self.index.build()

    @rule()
    def compact(self) -> None:
        self.index.compact()

    @rule()
    def reopen(self) -> None:
        self.index.close()
        self.index = open_index(self.root / "i", write=True)

    @rule(
        query=VECTORS,
        k=st.integers(1, 6),
        where=st.sampled_from(list(FILTERS)),
        exclude=st.sets(NAMES, max_size=3),
    )
    def search(self, query: NDArray[np.float32], k: int, where: str | None, exclude: set[str]) -> None:
        fields = {key for _, row in self.rows.values() for key in row}
        if where and not {"kind", "price"} <= fields:
            return  # a field that no row has is an error, tested elsewhere
        left = [
            name
            for name, (_, row) in self.rows.items()
            if FILTERS[where](row) and name not in exclude  # type: ignore[no-untyped-call]
        ]
        far = [self.away(self.rows[name][0], query) for name in left]
        for index in (self.index, self.reader):
            hits = index.search(query, k=k, where=where, exclude=exclude)
            np.testing.assert_allclose([hit.distance for hit in hits], sorted(far)[:k], atol=1e-5)
            for hit in hits:
                assert abs(self.away(self.rows[hit.id][0], query) - hit.distance) < 1e-5
                assert hit.id in left
                assert hit.metadata == self.rows[hit.id][1]

    @invariant()
    def same_names(self) -> None:
        if hasattr(self, "rows"):
            for index in (self.index, self.reader):
                assert index.ids() == list(self.rows)
                assert len(index) == len(self.rows)

    def away(self, a: NDArray[np.float32], b: NDArray[np.float32]) -> float:
        x, y = a.astype(float), b.astype(float)
        if self.distance == "euclidean":
            return float(np.linalg.norm(x - y))
        return float(1 - x @ y / np.linalg.norm(x) / np.linalg.norm(y))

    def teardown(self) -> None:
        for each in self.patches:
            each.stop()
        if hasattr(self, "index"):
            self.index.close()
            self.reader.close()
        shutil.rmtree(self.root)


TestIndexModel = IndexModel.TestCase
TestIndexModel.settings = settings(max_examples=12, stateful_step_count=12, deadline=None)
