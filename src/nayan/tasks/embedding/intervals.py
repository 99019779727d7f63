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

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nayan.core.errors import ConfigError, ShapeError
from nayan.tasks.embedding.pair_scores import FARS, Floats, can_measure, check_pairs, far_name

RESAMPLES = 1000
LEVEL = 0.95
LEAST_IDENTITIES = 3
"""With fewer no draw says anything: two identities have one way to differ."""

_HELD = 1 << 19  # weights that are held at once: 4 MiB
_STEPS = 1500  # thresholds

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
    kinds = [order[s[order]], order[~s[order]]]  # pairs of one identity, of two; the nearest first
    random = np.random.default_rng(seed)
    if identities is None:
        draw = _of_pairs([len(rows) for rows in kinds], random)
    else:
        index = _indexed(identities, s)
        if int(index.max()) + 1 < LEAST_IDENTITIES:
            return {}
        draw = _of_identities(index[kinds[0], 0], index[kinds[1]], random)
    told = [far for far in fars if can_measure(far, len(kinds[1]))]
    steps = _steps(d, kinds)
    size = max(1, _HELD // len(d))
    parts = [
        _scores(draw(min(size, resamples - start)), steps, fars=told) for start in range(0, resamples, size)
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


Draw = Callable[[int], tuple[Floats, Floats]]
"""From a number of draws R to how often each pair of one identity counts (R, S), and of two (R, P - S)."""


def _of_pairs(numbers: Sequence[int], random: np.random.Generator) -> Draw:
    """Return a draw of pairs, as many of each kind as there are."""

    def draw(count: int) -> tuple[Floats, Floats]:
        same, different = (
            random.multinomial(number, np.full(number, 1 / number), size=count).astype(np.float64)
            for number in numbers
        )
        return same, different

    return draw


def _of_identities(
    same: NDArray[np.int64], different: NDArray[np.int64], random: np.random.Generator
) -> Draw:
    """Return a draw of identities, which takes their pairs along.

    Args:
        same: (S,) the identity of each pair of one.
        different: (P - S, 2) the identities of each pair of two.
        random: draws.
    """
    number = int(max(same.max(), different.max())) + 1

    def draw(count: int) -> tuple[Floats, Floats]:
        times = random.multinomial(number, np.full(number, 1 / number), size=count).astype(np.float64)
        return times[:, same], times[:, different[:, 0]] * times[:, different[:, 1]]

    return draw


def _indexed(identities: ArrayLike, same: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return (P, 2) identities numbered from 0 without gaps."""
    given = np.asarray(identities)
    if given.shape != (len(same), 2):
        raise ShapeError(f"{len(same)} pairs need identities (P, 2), got {given.shape}")
    wrong = int(((given[:, 0] == given[:, 1]) != same).sum())
    if wrong:
        raise ShapeError(f"{wrong:,} of {len(same):,} pairs have identities that contradict `same`")
    return np.asarray(np.unique(given, return_inverse=True)[1].reshape(-1, 2), np.int64)


def _steps(d: Floats, kinds: Sequence[NDArray[np.int64]]) -> NDArray[np.int64]:
    """Return (2, K): how many pairs of each kind lie within each threshold.

    Of many pairs about `_STEPS` thresholds are kept, densest where hardly a pair of two identities lies
    within; each rate moves by less than a hundredth of itself, or of the whole, from one to the next.
    """
    thresholds = np.unique(d)
    within = np.stack([np.searchsorted(d[rows], thresholds, side="right") for rows in kinds])
    if len(thresholds) <= _STEPS:
        return within
    wanted = [np.linspace(0, each[-1], _STEPS // 3) for each in within]
    wanted.append(np.geomspace(1, max(2, within[1, -1]), _STEPS // 3))
    kept = [np.searchsorted(each, counts) for each, counts in zip(within[[0, 1, 1]], wanted, strict=True)]
    return within[:, np.unique(np.concatenate(kept))]


def _scores(
    times: tuple[Floats, Floats], steps: NDArray[np.int64], *, fars: Sequence[float]
) -> dict[str, Floats]:
    """Return each score of R draws, (R',): draws without pairs of one kind have none."""
    counts = [_summed(each, until) for each, until in zip(times, steps, strict=True)]
    known = (counts[0][:, -1] > 0) & (counts[1][:, -1] > 0)
    tar, far = (part[known] / part[known, -1:] for part in counts)  # (R', K + 1)
    scores = {"auc": np.asarray(np.trapezoid(tar, far, axis=1)), "eer": _equal_errors(far, 1.0 - tar)}
    for wanted in fars:
        at = (far <= wanted).sum(axis=1) - 1
        scores[f"tar_at_far_{far_name(wanted)}"] = tar[np.arange(len(tar)), at]
    return scores


def _summed(times: Floats, until: NDArray[np.int64]) -> Floats:
    """Return (R, K + 1) the sums of the first 0, until[0], until[1], ... columns of (R, P)."""
    sums = np.concatenate([np.zeros((len(times), 1)), times.cumsum(axis=1)], axis=1)
    return np.asarray(sums[:, np.concatenate([[0], until])])


def _equal_errors(far: Floats, frr: Floats) -> Floats:
    """Return (R,) equal error rates, as `pair_scores.equal_error` defines them."""
    gap, rows = far - frr, np.arange(len(far))
    after = (gap >= 0).argmax(axis=1)
    before = after - 1
    share = -gap[rows, before] / (gap[rows, after] - gap[rows, before])
    return np.asarray(far[rows, before] + share * (far[rows, after] - far[rows, before]))
