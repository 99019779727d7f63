"""An index in PostgreSQL with pgvector, for more than one machine: the same promises, kept by a server.

    nayan_indexes             one row an index: dimensions, distance, fingerprint
    nayan_index_NAME          number, id, stamp, metadata (jsonb), vector

Any number may write. Up to `EXACT_ROWS` rows, under a filter, and before `build` was called every row is
compared; else pgvector's HNSW graph finds the nearest (Malkov and Yashunin, arXiv:1603.09320), nearly always
the true ones.
"""

# N rows, D dimensions

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from importlib.util import find_spec
from types import TracebackType
from typing import Any, Self

import numpy as np

from nayan.core.errors import ConfigError, DataError, MissingExtra, NotFound
from nayan.runtime.index.contract import Distance, Hit, Metadata, Vectors
from nayan.runtime.index.duplicates import alike
from nayan.runtime.index.filters import Condition, mismatch, parse_filter
from nayan.runtime.index.incoming import check_metadata, check_rows
from nayan.runtime.index.query import as_query, check_wish, diverse_pool, most_diverse, similarity, unit_rows
from nayan.runtime.index.view import EXACT_ROWS

with contextlib.suppress(ImportError):  # an extra; whoever connects without it is told
    import psycopg
    from psycopg.sql import SQL, Composable, Composed, Identifier, Literal

_OPERATORS = {"cosine": "<=>", "euclidean": "<->"}
_CLASSES = {"cosine": "vector_cosine_ops", "euclidean": "vector_l2_ops"}
_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")
_MOST_GRAPH_DIMENSIONS = 2000
_WIDEST_SEARCH = 1000  # what pgvector allows

_SCHEMA = """
CREATE EXTENSION IF NOT EXISTS vector;
CREATE TABLE IF NOT EXISTS nayan_indexes (
    name text PRIMARY KEY, dim integer NOT NULL, distance text NOT NULL, fingerprint text NOT NULL
);
CREATE TABLE {table} (
    number bigserial PRIMARY KEY, id text NOT NULL UNIQUE, stamp text NOT NULL, metadata jsonb NOT NULL,
    vector vector({dim}) NOT NULL
)
"""
_ADD = """
INSERT INTO {table} (id, stamp, metadata, vector) VALUES (%s, %s, %s, %s)
ON CONFLICT (id) DO UPDATE SET number = DEFAULT, stamp = EXCLUDED.stamp,
    metadata = EXCLUDED.metadata, vector = EXCLUDED.vector
"""
_SEARCH = """
SELECT id, metadata, vector {operator} {sought}, number, CASE WHEN {whole} THEN vector::text END
FROM {table} WHERE id <> ALL({exclude}) AND {conditions} ORDER BY vector {operator} {sought} LIMIT {wanted}
"""
# As in the index of a folder: true and false are the numbers 1 and 0, text is ordered by its bytes.
_AS_NUMBER = """(CASE jsonb_typeof(metadata->{field}) WHEN 'number' THEN (metadata->>{field})::numeric
    WHEN 'boolean' THEN (metadata->>{field})::boolean::integer END)"""
_AS_TEXT = """(CASE jsonb_typeof(metadata->{field}) WHEN 'string' THEN metadata->>{field} END COLLATE "C")"""


def make_postgres_index(address: str, *, dim: int, fingerprint: str, distance: Distance) -> None:
    """Make the tables of an empty index, all or none.

    Raises:
        ConfigError: if an index has that name, or the address no name.
        DataError: if the server cannot be reached or has no pgvector.
    """
    url, name, shown = _parts(address)
    with _connected(url, shown) as db, _told(shown), db.transaction():
        table = _table(name)
        try:
            with db.transaction():
                db.execute(SQL(_SCHEMA).format(table=table, dim=Literal(dim)))
        except psycopg.errors.DuplicateTable as error:
            raise ConfigError(
                f"{shown}: exists already", hint="open it to add to it, or take another name"
            ) from error
        db.execute("INSERT INTO nayan_indexes VALUES (%s, %s, %s, %s)", (name, dim, distance, fingerprint))


class PostgresIndex:
    """An open index in PostgreSQL; a `VectorIndex`.

    Args:
        address: `postgresql://USER@HOST/DATABASE#NAME`, with the name of the index behind the mark.

    Raises:
        DataError: if the server cannot be reached or there is no such index.
    """

    def __init__(self, address: str) -> None:
        url, name, self._shown = _parts(address)
        self._db = _connected(url, self._shown)
        self._table = _table(name)
        self._graph = Identifier(f"nayan_index_{name}_graph")
        try:
            self.dim, self.distance, self.fingerprint = self._about(name)
        except BaseException:
            self._db.close()
            raise

    def __len__(self) -> int:
        return int(self._rows("SELECT count(*) FROM {table}")[0][0])

    def add(
        self,
        ids: Sequence[str],
        vectors: Vectors,
        *,
        metadata: Sequence[Metadata] | None = None,
        stamps: Sequence[str] | None = None,
    ) -> None:
        """Store rows, all or none: see `VectorIndex.add`."""
        rows = check_rows(ids, vectors, dim=self.dim, metadata=metadata, stamps=stamps)
        kept = unit_rows(vectors) if self.distance == "cosine" else np.asarray(vectors, np.float32)
        with self._changing():
            self._db.cursor().executemany(
                SQL(_ADD).format(table=self._table),
                [
                    (id, stamp, json.dumps(dict(fields)), _written(vector))
                    for (id, stamp, fields), vector in zip(rows, kept, strict=True)
                ],
            )

    def delete(self, ids: Iterable[str]) -> None:
        """Remove rows, all or none: see `VectorIndex.delete`."""
        names = list(ids)
        with self._changing():
            self._known("id", names)
            self._execute("DELETE FROM {table} WHERE id = ANY({ids}::text[])", ids=Literal(names))

    def describe(self, ids: Sequence[str], metadata: Sequence[Metadata]) -> None:
        """Replace the metadata of rows, all or none: see `VectorIndex.describe`."""
        check_metadata(ids, metadata)
        with self._changing():
            self._known("id", ids)
            self._db.cursor().executemany(
                SQL("UPDATE {table} SET metadata = %s WHERE id = %s").format(table=self._table),
                [(json.dumps(dict(fields)), id) for id, fields in zip(ids, metadata, strict=True)],
            )

    def search(
        self,
        query: Vectors,
        *,
        k: int = 10,
        where: str | None = None,
        diverse: float = 0.0,
        exclude: Iterable[str] = (),
    ) -> list[Hit]:
        """Return the nearest rows: see `VectorIndex.search`."""
        check_wish(k, diverse)
        vector = as_query(query, dim=self.dim, distance=self.distance)
        wanted = diverse_pool(k) if diverse else k
        with self._changing():
            conditions = self._conditions(where)
            self._choose_plan(wanted, exact=where is not None)
            found = self._rows(
                _SEARCH,
                operator=SQL(_OPERATORS[self.distance]),
                sought=SQL("{}::vector").format(Literal(_written(vector))),
                whole=Literal(diverse > 0),
                exclude=SQL("{}::text[]").format(Literal(list(exclude))),
                conditions=conditions,
                wanted=Literal(wanted),
            )
        found.sort(key=lambda row: (row[2], row[3]))
        hits = [Hit(id, similarity(far, self.distance), far, metadata) for id, metadata, far, *_ in found]
        if diverse and found:
            return [hits[at] for at in most_diverse(vector, _read([row[4] for row in found]), k, diverse)]
        return hits

    def near_duplicates(self, threshold: float = 0.05, *, where: str | None = None) -> list[tuple[str, ...]]:
        """Return groups of rows that are alike, compared here: see `VectorIndex.near_duplicates`."""
        with self._changing():
            rows = self._rows(
                "SELECT id, vector::text FROM {table} WHERE {conditions} ORDER BY number",
                conditions=self._conditions(where),
            )
        if not rows:
            return []
        groups = alike(_read([vector for _, vector in rows]), threshold, distance=self.distance)
        return [tuple(rows[at][0] for at in group) for group in groups]

    def vectors(self, ids: Sequence[str]) -> Vectors:
        """Return the (N, D) vectors of names, in their order: see `VectorIndex.vectors`."""
        found = self._known("vector::text", ids)
        return _read([found[id] for id in ids]) if ids else np.empty((0, self.dim), np.float32)

    def ids(self) -> list[str]:
        """Return all names, in the order in which they were stored."""
        return [id for (id,) in self._rows("SELECT id FROM {table} ORDER BY number")]

    def metadata(self, id: str) -> Metadata:
        """Return the metadata of one row: see `VectorIndex.metadata`."""
        found: Metadata = self._known("metadata", [id])[id]
        return found

    def stamps(self) -> dict[str, str]:
        """Return each name with the stamp that it was stored with."""
        return dict(self._rows("SELECT id, stamp FROM {table} ORDER BY number"))

    def build(self) -> None:
        """Make the graph that searching is fast with, if there are rows enough; the server adds to it later.

        Raises:
            ConfigError: if the vectors have more dimensions than pgvector can make a graph of.
        """
        if len(self) <= EXACT_ROWS:
            return
        if self.dim > _MOST_GRAPH_DIMENSIONS:
            raise ConfigError(
                f"{self._shown}: {self.dim} dimensions; pgvector makes graphs of {_MOST_GRAPH_DIMENSIONS}",
                hint="search without one, or embed with a smaller network",
            )
        with self._changing():
            self._execute(
                "CREATE INDEX IF NOT EXISTS {graph} ON {table} USING hnsw (vector {ops})",
                graph=self._graph,
                ops=SQL(_CLASSES[self.distance]),
            )

    def compact(self) -> None:
        """Give back the space of rows that were deleted or replaced, for new ones."""
        with _told(self._shown):
            self._execute("VACUUM {table}")

    def close(self) -> None:
        """Let go of the connection."""
        self._db.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @contextlib.contextmanager
    def _changing(self) -> Iterator[None]:
        with _told(self._shown), self._db.transaction():
            yield

    def _execute(self, query: str, **parts: Composable) -> Any:
        return self._db.execute(SQL(query).format(table=self._table, **parts))

    def _rows(self, query: str, **parts: Composable) -> list[Any]:
        with _told(self._shown):
            return list(self._execute(query, **parts).fetchall())

    def _about(self, name: str) -> tuple[int, Distance, str]:
        with _told(self._shown):
            try:
                query = "SELECT dim, distance, fingerprint FROM nayan_indexes WHERE name = %s"
                found = self._db.execute(query, (name,)).fetchone()
            except psycopg.errors.UndefinedTable:
                found = None
        if found is None:
            raise DataError(
                f"{self._shown}: there is no such index", hint="make it, or name another behind the #"
            )
        return found[0], found[1], found[2]

    def _known(self, column: str, ids: Sequence[str]) -> dict[str, Any]:
        found = dict(
            self._rows(
                "SELECT id, {column} FROM {table} WHERE id = ANY({ids}::text[])",
                column=SQL(column),
                ids=Literal(list(ids)),
            )
        )
        for id in ids:
            if id not in found:
                some = self._rows("SELECT id FROM {table} LIMIT 2000")
                raise NotFound("picture in the index", id, (name for (name,) in some))
        return found

    def _choose_plan(self, wanted: int, *, exact: bool) -> None:
        """Compare every row where the graph may pass over some that are wanted."""
        if exact or wanted * 4 > _WIDEST_SEARCH:
            self._db.execute("SET LOCAL enable_indexscan = off")
        else:
            self._db.execute(SQL("SET LOCAL hnsw.ef_search = {}").format(Literal(max(200, 4 * wanted))))
            self._db.execute("SET LOCAL hnsw.iterative_scan = strict_order")

    def _conditions(self, where: str | None) -> Composable:
        if where is None or not self._rows("SELECT 1 FROM {table} LIMIT 1"):
            return SQL("TRUE")
        return SQL(" AND ").join(self._condition(condition) for condition in parse_filter(where))

    def _condition(self, condition: Condition) -> Composed:
        field = Literal(condition.field)
        tests: list[Composed] = []
        for value in condition.values:
            is_text = isinstance(value, str)
            of_kind = SQL(_AS_TEXT if is_text else _AS_NUMBER).format(field=field)
            self._check_kind(condition, field, of_kind)
            operator = SQL({"!=": "<>", "in": "="}.get(condition.operator, condition.operator))
            literal = Literal(value if isinstance(value, str) else +value)  # true is 1
            tests.append(SQL("({} {} {})").format(of_kind, operator, literal))
        return SQL("({})").format(SQL(" OR ").join(tests))

    def _check_kind(self, condition: Condition, field: Composable, of_kind: Composable) -> None:
        exists = "SELECT metadata->>{field} FROM {table} WHERE {test} LIMIT 1"
        has_field = SQL("jsonb_typeof(metadata->{}) <> 'null'").format(field)
        found = self._rows(exists, field=field, test=has_field)
        if not found:
            names = self._rows("SELECT DISTINCT jsonb_object_keys(metadata) FROM {table}")
            raise NotFound("field of metadata", condition.field, (name for (name,) in names))
        if not self._rows(exists, field=field, test=SQL("{} IS NOT NULL").format(of_kind)):
            raise mismatch(condition, found[0][0])


def _parts(address: str) -> tuple[str, str, str]:
    """Return where to connect, the name of the index, and both without a password, to be shown."""
    url, _, name = address.partition("#")
    shown = re.sub(r"//[^@/]*@", "//", f"{url.partition('?')[0]}#{name}")
    if not _NAME.fullmatch(name):
        raise ConfigError(
            f"{shown}: {name or 'nothing'!r} is no name of an index",
            hint="write postgresql://HOST/DATABASE#NAME, the name in lower-case letters, digits and _",
        )
    return url, name, shown


def _table(name: str) -> Identifier:
    return Identifier(f"nayan_index_{name}")


def _connected(url: str, shown: str) -> Any:
    if find_spec("psycopg") is None:
        raise MissingExtra("psycopg, which speaks to PostgreSQL,", "pgvector")
    with _told(shown):
        return psycopg.connect(url, autocommit=True)


@contextlib.contextmanager
def _told(shown: str) -> Iterator[None]:
    try:
        yield
    except psycopg.Error as error:
        reason = str(error).strip().splitlines()
        raise DataError(
            f"{shown}: PostgreSQL says: {reason[0] if reason else type(error).__name__}",
            hint="is the server running, may you use the database, and is pgvector installed in it?",
        ) from error


def _written(vector: Vectors) -> str:
    return "[" + ",".join(f"{value:.9g}" for value in vector.tolist()) + "]"


def _read(texts: Sequence[str]) -> Vectors:
    return np.array([json.loads(text) for text in texts], np.float32)
