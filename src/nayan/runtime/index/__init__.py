r"""An index of vectors: keeps what was embedded for good, and finds what is like a query.

with create_index("goods", dim=512, fingerprint=model) as index:
index.add(ids, vectors, metadata=[{"category": "Fruit", "price": 2.5}, ...])
hits = index.search(query, k=10, where='category = "Fruit" and price < 10')

create_index, open_index
|
VectorIndex  (contract.py)          what every index promises; incoming, filters, query
/            \\
       LocalIndex     PostgresIndex              local.py: a folder; postgres.py: pgvector, for many machines
|
store             vector_file                the truth: SQLite says which rows of the file count
|
view: scan        structure <- probe         finding: exact, or exact among candidates by codes of signs
|
upkeep, duplicates
"""

from __future__ import annotations

from pathlib import Path

from nayan.core.errors import ConfigError, DataError, NotFound
from nayan.runtime.index.contract import DISTANCES, Distance, Hit, Metadata, Value, VectorIndex
from nayan.runtime.index.filters import parse_filter
from nayan.runtime.index.local import LocalIndex, make_local_index
from nayan.runtime.index.query import combine

__all__ = [
    "DISTANCES",
    "Distance",
    "Hit",
    "Metadata",
    "Value",
    "VectorIndex",
    "combine",
    "create_index",
    "open_index",
    "parse_filter",
]


def create_index(
    path: str | Path, *, dim: int, fingerprint: str, distance: Distance = "cosine"
) -> VectorIndex:
    """Make an empty index and open it for writing.

    Args:
        path: a folder, which must not exist yet or be empty; or `postgresql://HOST/DATABASE#NAME`.
        dim: numbers of a vector.
        fingerprint: what names the model that makes the vectors, so that those of another are refused.
        distance: how vectors are compared, "cosine" or "euclidean".

    Raises:
        ConfigError: if there is something already, or an argument is impossible.

    >>> import tempfile
    >>> import numpy as np
    >>> with create_index(Path(tempfile.mkdtemp()) / "goods", dim=2, fingerprint="mine") as index:
    ...     index.add(["pear", "plum"], np.float32([[1, 0], [0, 1]]), metadata=[{"price": 3}, {"price": 1}])
    ...     [hit.id for hit in index.search(np.float32([2, 1]))]
    ...     [hit.id for hit in index.search(np.float32([2, 1]), where="price < 2")]
    ['pear', 'plum']
    ['plum']
    """
    if dim < 1:
        raise ConfigError(f"vectors of {dim} numbers, expected 1 or more")
    if distance not in DISTANCES:
        raise NotFound("distance", distance, DISTANCES)
    if _is_address(path):
        from nayan.runtime.index.postgres import PostgresIndex, make_postgres_index

        make_postgres_index(str(path), dim=dim, fingerprint=fingerprint, distance=distance)
        return PostgresIndex(str(path))
    make_local_index(Path(path), dim=dim, fingerprint=fingerprint, distance=distance)
    return LocalIndex(Path(path), write=True)


def open_index(path: str | Path, *, fingerprint: str | None = None, write: bool = False) -> VectorIndex:
    """Open an index.

    Args:
        path: its folder, or `postgresql://HOST/DATABASE#NAME`.
        fingerprint: of the model that queries and new vectors come from; None to go without this check.
        write: whether to change it. A folder has one writer at a time; a database any number.

    Raises:
        DataError: if there is no index, it is damaged, or of another model.
        ConfigError: if another process writes to it.
    """
    index: VectorIndex
    if _is_address(path):
        from nayan.runtime.index.postgres import PostgresIndex

        index = PostgresIndex(str(path))
    else:
        index = LocalIndex(Path(path), write=write)
    if fingerprint is not None and fingerprint != index.fingerprint:
        found = index.fingerprint
        index.close()
        raise DataError(
            f"{path}: holds vectors of another model: {found!r}, expected {fingerprint!r}",
            hint="search with the model that it was made with, or index the pictures again with this one",
        )
    return index


def _is_address(path: str | Path) -> bool:
    return isinstance(path, str) and path.startswith(("postgresql://", "postgres://"))
