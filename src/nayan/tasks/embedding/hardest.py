"""The pairs and searches that a person should look at: the most wrong, and what a search gives."""

# P pairs, k answers

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nayan.tasks.embedding.drawn_pairs import Pairs
from nayan.tasks.embedding.pair_scores import Floats
from nayan.tasks.embedding.retrieval import Retrieval

SHOWN = 10
"""Answers of a search that are shown."""
ALIKE = 3
"""Pairs of the same one or two identities that are shown."""


def hardest_pairs(
    distances: Floats,
    pairs: Pairs,
    identities: NDArray[np.int64],
    *,
    threshold: float | None,
    limit: int,
) -> list[dict[str, Any]]:
    """Return the pairs of two identities that lie nearest and those of one that lie farthest, in turns.

    No more than three are of the same one or two identities, so that others are seen too.

    Args:
        distances: (P,) of the pairs.
        pairs: rows of pictures.
        identities: (N,) of the pictures.
        threshold: only pairs on its wrong side are given; None gives them whether or not they are wrong.
        limit: at most so many.

    Returns:
        `{"kind": "pair", "row", "others": [row], "same", "distance"}` each.
    """
    kinds = []
    for same in (False, True):
        rows = np.flatnonzero(pairs.same == same)
        if threshold is not None:
            rows = rows[(distances[rows] > threshold) == same]
        rows = rows[np.argsort(-distances[rows] if same else distances[rows], kind="stable")]
        kinds.append(_varied(rows, np.sort(identities[pairs.rows[rows]], axis=1), limit=limit))
    turns = [row for n in range(limit) for kind in kinds for row in kind[n : n + 1]]
    return [
        {
            "kind": "pair",
            "row": int(pairs.rows[row, 0]),
            "others": [int(pairs.rows[row, 1])],
            "same": bool(pairs.same[row]),
            "distance": round(float(distances[row]), 4),
        }
        for row in turns[:limit]
    ]


def _varied(rows: NDArray[np.int64], whose: NDArray[np.int64], *, limit: int) -> list[int]:
    """Return the first rows of which no more than `ALIKE` are of the same identities."""
    seen: Counter[tuple[int, ...]] = Counter()
    kept: list[int] = []
    for row, identities in zip(rows.tolist(), map(tuple, whose.tolist()), strict=True):
        seen[identities] += 1
        if seen[identities] <= ALIKE:
            kept.append(row)
        if len(kept) == limit:
            break
    return kept


def telling_searches(
    found: Retrieval,
    identities: NDArray[np.int64],
    *,
    queries: NDArray[np.int64] | None = None,
    gallery: NDArray[np.int64] | None = None,
    limit: int,
) -> list[dict[str, Any]]:
    """Return the searches whose first right answer comes latest, then some that went well.

    Args:
        found: what the searches gave.
        identities: (N,) of all pictures, queries and gallery alike.
        queries: the row of each vector that was searched for, among all; None where it is its number.
        gallery: likewise of each vector that was searched.
        limit: at most so many.

    Returns:
        `{"kind": "search", "row", "others": [row], "right": [bool], "first"}` each; "first" is the place of
        the first right answer, None where none of those that were kept is right.
    """
    wrong = np.flatnonzero(found.first > 1)
    chosen = wrong[np.argsort(-found.first[wrong], kind="stable")][:limit]
    well = np.flatnonzero(found.first == 1)
    spare = min(len(well), limit - len(chosen))
    chosen = np.concatenate([chosen, well[np.linspace(0, len(well) - 1, spare).astype(np.int64)]])
    kept = found.answers.shape[1]
    return [
        _search(
            _whole(found.queries[n : n + 1], queries)[0],
            _whole(found.answers[n, :SHOWN], gallery),
            identities,
            first=int(found.first[n]) if found.first[n] <= kept else None,
        )
        for n in chosen
    ]


def _whole(rows: NDArray[np.int64], of: NDArray[np.int64] | None) -> Sequence[int]:
    shown: list[int] = (rows if of is None else of[rows]).tolist()
    return shown


def _search(
    query: int, answers: Sequence[int], identities: NDArray[np.int64], *, first: int | None
) -> dict[str, Any]:
    right = (identities[list(answers)] == identities[query]).tolist()
    return {"kind": "search", "row": query, "others": list(answers), "right": right, "first": first}
