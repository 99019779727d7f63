"""Questions to an index: what is like these pictures, what goes with this one, each product once."""

# D values of a vector

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nayan.core.errors import ConfigError, NotFound
from nayan.runtime.index import Hit, VectorIndex, combine
from nayan.tasks.embedding.search.names import Names

MORE = 4
"""So many times as many hits are looked at where some of them will be left out."""


def find(
    index: VectorIndex,
    query: NDArray[np.float32],
    *,
    k: int = 10,
    where: str | None = None,
    diverse: float = 0.0,
    distinct: str | None = None,
    exclude: Iterable[str] = (),
    known: Iterable[object] = (),
) -> list[Hit]:
    """Return what is nearest to a query; as `VectorIndex.search`, and each value of a field once.

    Args:
        index: what is asked.
        query: (D,).
        k: how many.
        where: conditions on metadata.
        diverse: from 0, the nearest, to 1, the least like one another.
        distinct: a field of metadata, such as "product": of the rows that share its value the first is shown,
            and none of those without one.
        exclude: names to leave out.
        known: values of that field to leave out.

    Raises:
        NotFound: if no row has such a field.
    """
    exclude = list(exclude)
    if distinct is None:
        return index.search(query, k=k, where=where, diverse=diverse, exclude=exclude)
    if k < 1:
        raise ConfigError(f"k is {k}, expected 1 or more")
    asked = MORE * k
    while True:
        hits = index.search(query, k=asked, where=where, diverse=diverse, exclude=exclude)
        shown = _once(hits, distinct, set(known))[:k]
        if len(shown) == k or len(hits) < asked:
            break
        asked *= MORE
    if not shown and not any(distinct in hit.metadata for hit in hits):
        raise NotFound("field of metadata", distinct, {name for hit in hits for name in hit.metadata})
    return shown


def recommend(
    index: VectorIndex,
    items: Sequence[str],
    *,
    k: int = 10,
    where: str | None = None,
    diverse: float = 0.0,
    distinct: str | None = None,
) -> list[Hit]:
    """Return what is like pictures of the index, without themselves; as `find`.

    Args:
        index: what is asked.
        items: names of pictures in it; several are a basket, of which the mean is taken.
        k: how many.
        where: conditions on metadata.
        diverse: as for `find`.
        distinct: as for `find`; what the items themselves have there is left out, so that for a product no
            other picture of it is shown.

    Raises:
        NotFound: if an item is not in the index.
    """
    query = combine(index.vectors(items))
    own = [] if distinct is None else [index.metadata(item).get(distinct) for item in items]
    return find(index, query, k=k, where=where, diverse=diverse, distinct=distinct, exclude=items, known=own)


def named(index: VectorIndex, item: str, names: Names) -> str:
    """Return the name in the index of an item, which may also be given as the path of its file.

    Raises:
        NotFound: if the index has neither.
    """
    try:
        index.metadata(item)
    except NotFound:
        other = names.of(Path(item))
        if other == item or not Path(item).is_file():
            raise
        index.metadata(other)
        return other
    return item


def _once(hits: Sequence[Hit], field: str, known: set[object]) -> list[Hit]:
    shown: list[Hit] = []
    for hit in hits:
        value = hit.metadata.get(field)
        if value is not None and value not in known:
            known.add(value)
            shown.append(hit)
    return shown
