"""How far could a score be off? Bootstrap intervals that know whose pictures it was measured on.

All pairs of one person rise and fall together, so a thousand pairs of ten people tell little more than ten
people can. Identities are drawn again, with replacement, and every pair goes with its two:

    a pair of identity i          counts n_i times, where i was drawn n_i times
    a pair of identities i and j  counts n_i * n_j times

Source: Bolle, Ratha, Pankanti (2004), Error analysis of pattern recognition systems - the subsets bootstrap,
for the first; Snijders, Borgatti (1999), Non-parametric standard errors and tests for network statistics, for
the second, where the pairs of one person meet those of every other.
"""

# P pairs, Q queries, K distinct distances, R draws, I identities

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nayan.core.errors import ConfigError, ShapeError
from nayan.tasks.embedding.pair_scores import FARS, Floats, can_measure, check_pairs, far_name

RESAMPLES = 1000
LEVEL = 0.95
LEAST_IDENTITIES = 3
"""With fewer no draw says anything: two identities have one way to differ."""

_HELD = 1 << 21  # weights that are held at once: 16 MiB

Interval = tuple[float, float]


def verification_intervals(
    distances: ArrayLike,
    same: ArrayLike,
    *,
    identities: ArrayLike | None = None,
    fars: Sequence[float] = FARS,
    resamples: int = RESAMPLES,
    level: float = LEVEL,
    seed: int = 0,
) -> dict[str, Interval]:
    """Return the percentile bootstrap interval of every score of `verification_scores`.

    Args:
        distances: (P,) of pairs; smaller means more alike.
        same: (P,) bool, whether the pair shows one identity.
        identities: (P, 2) numbers of the identities of both pictures. Without them pairs are drawn again as
            if no two had anything to do with each other, which gives intervals that are too narrow.
        fars: false-accept rates for which the true-accept rate is told.
        resamples: number of draws.
        level: share of the draws within an interval.
        seed: of the drawing.

    Returns:
        {score: (low, high)}; {} for fewer than three identities. With fewer than about 20 the intervals are
        too narrow: so few people cannot show how different people are.

    Raises:
        ShapeError, DataError: as `pair_curve`; ShapeError also if `identities` contradict `same`.
        ConfigError: if `level` is not in (0, 1) or `resamples` is below 1.
    """
    edges = _edges(level, resamples)
    d, s = check_pairs(distances, same)
    order = np.argsort(d, kind="stable")
    d, s = d[order], s[order]
    random = np.random.default_rng(seed)
    if identities is None:
        draw = _of_pairs(s, random)
    else:
        index = _indexed(identities, order, s)
        if int(index.max()) + 1 < LEAST_IDENTITIES:
            return {}
        draw = _of_identities(index, s, random)
    told = [far for far in fars if can_measure(far, int((~s).sum()))]
    steps = _Steps(s, np.flatnonzero(np.append(np.diff(d) > 0, True)))
    size = max(1, _HELD // len(d))
    parts = [
        _scores(steps, draw(min(size, resamples - start)), fars=told) for start in range(0, resamples, size)
    ]
    values = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    quantiles = {name: np.quantile(each, edges) for name, each in values.items() if len(each)}
    return {name: (float(low), float(high)) for name, (low, high) in quantiles.items()}


def mean_interval(
    values: ArrayLike,
    identities: ArrayLike,
    *,
    resamples: int = RESAMPLES,
    level: float = LEVEL,
    seed: int = 0,
) -> Interval | None:
    """Return the percentile bootstrap interval of a mean over queries, drawing identities again.

    Args:
        values: (Q,) what each query scored.
        identities: (Q,) whose picture each query is.
        resamples: number of draws.
        level: share of the draws within the interval.
        seed: of the drawing.

    Returns:
        (low, high); None for fewer than three identities.

    Raises:
        ShapeError: if the shapes differ.
        ConfigError: as `verification_intervals`.

    >>> mean_interval([1.0, 1.0, 1.0, 0.0], ["a", "b", "c", "d"])
    (0.25, 1.0)
    """
    edges = _edges(level, resamples)
    each, whose = np.asarray(values, np.float64), np.asarray(identities)
    if each.ndim != 1 or each.shape != whose.shape:
        raise ShapeError(f"values (Q,) and identities (Q,) are needed, got {each.shape} and {whose.shape}")
    index = np.unique(whose, return_inverse=True)[1]
    counts = np.bincount(index)
    if len(counts) < LEAST_IDENTITIES:
        return None
    times = np.random.default_rng(seed).multinomial(
        len(counts), np.full(len(counts), 1 / len(counts)), size=resamples
    )
    means = (times @ np.bincount(index, weights=each)) / (times @ counts)
    low, high = np.quantile(means, edges)
    return float(low), float(high)


def _edges(level: float, resamples: int) -> list[float]:
    if not 0 < level < 1 or resamples < 1:
        raise ConfigError(f"impossible bootstrap: level {level}, {resamples} resamples")
    return [(1 - level) / 2, (1 + level) / 2]


Draw = Callable[[int], Floats]
"""From a number of draws R to (R, P) how often each pair counts."""


def _of_pairs(same: NDArray[np.bool_], random: np.random.Generator) -> Draw:
    """Return a draw of pairs, as many of each kind as there are."""
    kinds = [np.flatnonzero(same), np.flatnonzero(~same)]

    def draw(number: int) -> Floats:
        times = np.zeros((number, len(same)))
        for rows in kinds:
            times[:, rows] = random.multinomial(len(rows), np.full(len(rows), 1 / len(rows)), size=number)
        return times

    return draw


def _of_identities(index: NDArray[np.int64], same: NDArray[np.bool_], random: np.random.Generator) -> Draw:
    """Return a draw of identities with their pairs; draws without pairs of one kind are empty."""
    count = int(index.max()) + 1

    def draw(number: int) -> Floats:
        times = random.multinomial(count, np.full(count, 1 / count), size=number).astype(np.float64)
        first, second = times[:, index[:, 0]], times[:, index[:, 1]]  # (R, P)
        return np.where(same, first, first * second)

    return draw


def _indexed(identities: ArrayLike, order: NDArray[np.int64], same: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return (P, 2) identities, in the order of the distances and numbered from 0 without gaps."""
    given = np.asarray(identities)
    if given.shape != (len(same), 2):
        raise ShapeError(f"{len(same)} pairs need identities (P, 2), got {given.shape}")
    pairs = given[order]
    wrong = int(((pairs[:, 0] == pairs[:, 1]) != same).sum())
    if wrong:
        raise ShapeError(f"{wrong:,} of {len(same):,} pairs have identities that contradict `same`")
    return np.asarray(np.unique(pairs, return_inverse=True)[1].reshape(-1, 2), np.int64)


@dataclass(frozen=True, slots=True, eq=False)
class _Steps:
    """The pairs in the order of their distances.

    Attributes:
        same: (P,) bool.
        last: (K,) the last pair of each distinct distance.
    """

    same: NDArray[np.bool_]
    last: NDArray[np.int64]


def _scores(steps: _Steps, times: Floats, *, fars: Sequence[float]) -> dict[str, Floats]:
    """Return each score of (R, P) draws, (R',): draws without pairs of one kind have none."""
    hits = np.where(steps.same, times, 0.0).cumsum(axis=1)[:, steps.last]
    misses = np.where(steps.same, 0.0, times).cumsum(axis=1)[:, steps.last]
    known = (hits[:, -1] > 0) & (misses[:, -1] > 0)
    tar, far = (_rates(part[known]) for part in (hits, misses))  # (R', K + 1)
    scores = {"auc": np.asarray(np.trapezoid(tar, far, axis=1)), "eer": _equal_errors(far, 1.0 - tar)}
    for wanted in fars:
        at = (far <= wanted).sum(axis=1) - 1
        scores[f"tar_at_far_{far_name(wanted)}"] = tar[np.arange(len(tar)), at]
    return scores


def _rates(counts: Floats) -> Floats:
    return np.concatenate([np.zeros((len(counts), 1)), counts / counts[:, -1:]], axis=1)


def _equal_errors(far: Floats, frr: Floats) -> Floats:
    """Return (R,) equal error rates, as `pair_scores.equal_error` defines them."""
    gap, rows = far - frr, np.arange(len(far))
    after = (gap >= 0).argmax(axis=1)
    before = after - 1
    share = -gap[rows, before] / (gap[rows, after] - gap[rows, before])
    return np.asarray(far[rows, before] + share * (far[rows, after] - far[rows, before]))
