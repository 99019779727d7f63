"""From a distance to a decision: the probability of "same", and a threshold for a wanted false-accept rate.

Both are fitted on validation pairs and are plain numbers, which a bundle stores.
"""

# P pairs

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nayan.core.errors import ConfigError
from nayan.tasks.embedding.pair_scores import (
    Floats,
    PairCurve,
    can_measure,
    check_pairs,
    pair_curve,
    point_at_far,
    supports,
)

FARS_KEPT = (1e-1, 1e-2, 1e-3, 1e-4)
"""False-accept rates whose thresholds are kept beside the wanted one, as far as the pairs can show them."""

Evidence = Literal["good", "some", "none"]

NOTHING = -1.0
"""A threshold that takes nothing for the same: no distance is negative."""


@dataclass(frozen=True, slots=True)
class PairConfidence:
    """A logistic curve: P(same | distance d) = 1 / (1 + exp(slope * d - offset)).

    It answers for a pair of which nothing is known beforehand: same and different are as probable.

    Attributes:
        slope: how fast the probability falls, at least 0; 0 where the distance tells nothing.
        offset: the probability is one half at offset / slope.
    """

    slope: float
    offset: float

    def probability(self, distances: ArrayLike) -> NDArray[np.float64]:
        """Return how probable it is that pairs at these distances show one identity, in (0, 1).

        >>> PairConfidence(slope=10.0, offset=8.0).probability([0.2, 0.8, 1.4]).round(3).tolist()
        [0.998, 0.5, 0.002]
        """
        return _sigmoid(self.offset - self.slope * np.asarray(distances, np.float64))


@dataclass(frozen=True, slots=True)
class FarThreshold:
    """The largest distance that is taken for "same", and on how much evidence.

    Attributes:
        threshold: a pair is the same up to this distance; negative where no distance is small enough.
        wanted: the false-accept rate that was asked for.
        far: that of the validation pairs, at most `wanted`.
        tar: their true-accept rate.
        accepted: pairs of two identities that were let through.
        num_different: how many such pairs there were.
        num_same: and of one identity.
        far_bound: the false-accept rate lies below this with 95 % confidence, if the pairs were
            independent; those of few identities are not, and the truth may be worse.
    """

    threshold: float
    wanted: float
    far: float
    tar: float
    accepted: int
    num_different: int
    num_same: int
    far_bound: float

    @property
    def evidence(self) -> Evidence:
        """How well the rate is known: "good" from 30 expected false accepts on, "none" below one.

        See `pair_scores.supports` and `can_measure`.
        """
        if supports(self.wanted, self.num_different):
            return "good"
        return "some" if can_measure(self.wanted, self.num_different) else "none"


def fit_confidence(distances: ArrayLike, same: ArrayLike) -> PairConfidence:
    """Return the logistic curve under which validation pairs are most likely, each kind weighing one half.

    The targets are not 0 and 1 but what a uniform prior leaves of them, (n + 1) / (n + 2) of n pairs, so
    that pairs which are perfectly apart do not give a cliff.

    Args:
        distances: (P,) of pairs that were not trained on.
        same: (P,) bool, whether the pair shows one identity.

    Raises:
        ShapeError, DataError: as `pair_scores.pair_curve`.

    Source: Platt (1999), Probabilistic outputs for support vector machines, with the Newton steps of Lin,
    Lin, Weng (2007), A note on Platt's probabilistic outputs. Isotonic regression would need as many numbers
    as it has steps, and gives 0 and 1 beyond the last pair that it saw.

    >>> fitted = fit_confidence([0.1, 0.3, 0.4, 0.5, 0.7, 0.9], [True, True, False, True, False, False])
    >>> fitted.probability([0.1, 0.9]).round(2).tolist()
    [0.8, 0.17]
    """
    d, s = check_pairs(distances, same)
    num_same, num_different = int(s.sum()), int((~s).sum())
    target = np.where(s, (num_same + 1) / (num_same + 2), 1 / (num_different + 2))
    weight = np.where(s, 0.5 / num_same, 0.5 / num_different)
    scale = float(d.std()) or 1.0
    x = (d - d.mean()) / scale  # so that both numbers are about 1
    slope, offset = _newton(x, target, weight)
    if slope <= 0:  # farther pairs are not less the same: the best falling curve is flat
        level = float((weight * target).sum())
        return PairConfidence(0.0, math.log(level / (1 - level)))
    return PairConfidence(slope / scale, offset + slope * float(d.mean()) / scale)


def fit_threshold(distances: ArrayLike, same: ArrayLike, *, far: float) -> FarThreshold:
    """Return the threshold that lets no more than this share of the pairs of two identities through.

    It lies midway between the largest distance that may be taken for "same" and the next one, so that a
    difference in the last digits of another engine changes no decision.

    Args:
        distances: (P,) of validation pairs.
        same: (P,) bool.
        far: wanted false-accept rate, in (0, 1).

    Raises:
        ShapeError, DataError: as `pair_scores.pair_curve`.
        ConfigError: if `far` is not in (0, 1).

    >>> fitted = fit_threshold([0.2, 0.3, 0.5, 0.9], [True, True, False, False], far=0.01)
    >>> fitted.threshold, fitted.far, fitted.tar
    (0.4, 0.0, 1.0)
    """
    return _threshold(pair_curve(distances, same), far)


def fit_thresholds(distances: ArrayLike, same: ArrayLike, *, far: float) -> list[FarThreshold]:
    """Return the thresholds that a bundle keeps, by falling rate: the wanted one and those of `FARS_KEPT`.

    Of these only the rates that so many pairs can show; the wanted one in any case.

    Args:
        distances: (P,) of validation pairs.
        same: (P,) bool.
        far: wanted false-accept rate, in (0, 1).

    Raises:
        ShapeError, DataError, ConfigError: as `fit_threshold`.

    >>> kept = fit_thresholds([0.2, 0.3, *np.linspace(0.4, 1, 200)], [True, True, *[False] * 200], far=1e-3)
    >>> [(each.wanted, each.accepted, each.evidence) for each in kept]
    [(0.1, 20, 'some'), (0.01, 2, 'some'), (0.001, 0, 'none')]
    """
    curve = pair_curve(distances, same)
    shown = [rate for rate in FARS_KEPT if can_measure(rate, curve.num_different)]
    return [_threshold(curve, rate) for rate in sorted({far, *shown}, reverse=True)]


def _threshold(curve: PairCurve, far: float) -> FarThreshold:
    point = point_at_far(curve, far)
    above = curve.thresholds[curve.thresholds > point.threshold]  # not empty: all distances have a FAR of 1
    threshold = NOTHING if np.isinf(point.threshold) else float((point.threshold + above[0]) / 2)
    accepted = round(point.far * curve.num_different)
    return FarThreshold(
        threshold=threshold,
        wanted=far,
        far=point.far,
        tar=point.tar,
        accepted=accepted,
        num_different=curve.num_different,
        num_same=curve.num_same,
        far_bound=upper_bound(accepted, curve.num_different),
    )


def upper_bound(events: int, trials: int, *, level: float = 0.95) -> float:
    """Return the rate under which so few events in so many trials would be improbable, in [0, 1].

    With no event at all it is about 3 / trials (the "rule of three").

    Args:
        events: how often it happened.
        trials: independent ones, at least one.
        level: confidence.

    Raises:
        ConfigError: if there are not 0 to `trials` events.

    Source: Clopper, Pearson (1934), The use of confidence or fiducial limits.

    >>> round(upper_bound(0, 300), 4), round(upper_bound(5, 100), 4)
    (0.0099, 0.1023)
    """
    if not 0 <= events <= trials or trials < 1:
        raise ConfigError(f"{events} events in {trials} trials")
    if events == trials:
        return 1.0
    low, high = events / trials, 1.0
    for _ in range(60):  # halves the bracket each time: to the last bit
        middle = (low + high) / 2
        low, high = (middle, high) if _at_most(events, trials, middle) > 1 - level else (low, middle)
    return high


def _at_most(events: int, trials: int, rate: float) -> float:
    """Return the binomial probability of no more than so many events."""
    k = np.arange(events + 1)
    ways = np.concatenate([[0.0], np.cumsum(np.log((trials - k[:-1]) / (k[:-1] + 1)))])  # log (n over k)
    return float(np.exp(ways + k * math.log(rate) + (trials - k) * math.log1p(-rate)).sum())


def _newton(x: Floats, target: Floats, weight: Floats) -> tuple[float, float]:
    """Return (slope, offset) of the least weighted cross-entropy of sigmoid(offset - slope * x)."""
    slope, offset = 0.0, 0.0
    loss = _loss(x, target, weight, slope, offset)
    for _ in range(100):
        p = _sigmoid(offset - slope * x)
        error, curve = weight * (p - target), weight * p * (1 - p)
        gradient = np.array([-(error * x).sum(), error.sum()])
        cross = -float((curve * x).sum())
        hessian = np.array([[float((curve * x * x).sum()), cross], [cross, float(curve.sum())]])
        step = np.linalg.solve(hessian + 1e-12 * np.eye(2), gradient)
        size = 1.0
        while size > 1e-10:
            tried = _loss(x, target, weight, slope - size * step[0], offset - size * step[1])
            if tried <= loss - 1e-4 * size * float(gradient @ step):
                break
            size /= 2
        else:
            break
        slope, offset, loss = slope - size * float(step[0]), offset - size * float(step[1]), tried
        if np.abs(gradient).max() < 1e-10:
            break
    return slope, offset


def _loss(x: Floats, target: Floats, weight: Floats, slope: float, offset: float) -> float:
    z = offset - slope * x
    return float((weight * (np.logaddexp(0.0, z) - target * z)).sum())


def _sigmoid(z: Floats) -> Floats:
    return np.asarray(0.5 * (1 + np.tanh(0.5 * z)))  # does not overflow
