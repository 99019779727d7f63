"""N-way one-shot accuracy: shown one picture of each of N identities, whose is a new picture?"""

# M pictures, D values, N ways, T trials

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nayan.core.errors import ConfigError, DataError, ShapeError
from nayan.tasks.embedding.intervals import Interval, mean_interval

WAYS = 20
RUNS = 400


@dataclass(frozen=True, slots=True)
class OneShot:
    """What came of it, with its protocol.

    Attributes:
        accuracy: share of the queries that were given the right identity, in [0, 1]; chance is 1 / ways.
        interval: 95 % bootstrap interval over identities; None for fewer than three.
        ways: identities to choose from, N.
        runs: how often N identities, N shown pictures and N queries were drawn.
        identities: that could be drawn: those with two pictures or more.
    """

    accuracy: float
    interval: Interval | None
    ways: int
    runs: int
    identities: int


def one_shot(
    vectors: NDArray[np.float32],
    identities: ArrayLike,
    *,
    ways: int = WAYS,
    runs: int = RUNS,
    seed: int = 0,
) -> OneShot:
    """Return the N-way one-shot accuracy of vectors.

    Protocol, after Lake et al. (2015, 20 runs of 20 ways) and Koch et al. (2015), who fix the drawing for
    Omniglot within alphabets; here all identities are drawn from: in each run N different identities with
    two pictures or more, of each two different pictures. The first is shown, the second is the query; each
    of the N queries is given the identity of the nearest of the N shown pictures. Of several that are
    equally near one is taken by chance (what is counted is its probability).

    Args:
        vectors: (M, D), finite; compared by Euclidean distance.
        identities: (M,) of the pictures: numbers or names.
        ways: N; all identities with two pictures where those are fewer, as the answer says.
        runs: how many.
        seed: of the drawing.

    Raises:
        ShapeError: if the shapes do not agree.
        ConfigError: if `ways` is below 2 or `runs` below 1.
        DataError: if not two identities have two pictures.

    >>> one_shot(np.eye(4, dtype=np.float32)[[0, 0, 1, 1]], ["a", "a", "b", "b"], runs=5).accuracy
    1.0
    """
    if ways < 2 or runs < 1:
        raise ConfigError(f"impossible protocol: {ways} ways, {runs} runs")
    whose = np.asarray(identities)
    if vectors.ndim != 2 or whose.shape != vectors.shape[:1]:
        raise ShapeError(f"vectors (M, D) and identities (M,) are needed, got {vectors.shape}, {whose.shape}")
    numbers = np.unique(whose, return_inverse=True)[1]
    order = np.argsort(numbers, kind="stable")
    members = [rows for rows in np.split(order, np.cumsum(np.bincount(numbers))[:-1]) if len(rows) > 1]
    if len(members) < 2:
        raise DataError(
            f"{len(members)} identities have two pictures or more, where one-shot needs two such identities",
            hint="add pictures of the same identities",
        )
    ways = min(ways, len(members))
    random = np.random.default_rng(seed)
    drawn = [_run(members, ways, random) for _ in range(runs)]
    right = np.concatenate([_right(vectors[shown], vectors[queries]) for shown, queries in drawn])
    owners = numbers[np.concatenate([queries for _, queries in drawn])]
    return OneShot(float(right.mean()), mean_interval(right, owners), ways, runs, len(members))


def _run(
    members: list[NDArray[np.int64]], ways: int, random: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the rows of N shown pictures and of N queries of the same identities."""
    chosen = random.choice(len(members), size=ways, replace=False)
    pairs = np.array([random.choice(members[each], size=2, replace=False) for each in chosen])
    return pairs[:, 0], pairs[:, 1]


def _right(shown: NDArray[np.float32], queries: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return (N,) how probable it is that each query is given its own: 0, 1, or less where some are equal."""
    apart = np.linalg.norm(queries[:, None] - shown[None], axis=2)  # (N, N)
    nearest = apart == apart.min(axis=1, keepdims=True)
    return np.asarray(np.diagonal(nearest) / nearest.sum(axis=1))
