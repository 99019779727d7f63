"""How well does the distance of two pictures tell whether they show the same? ROC, AUC, EER, TAR at a FAR.

A pair is taken for "same" when its distance is at most a threshold. Two mistakes are possible:

    FAR, false-accept rate   pairs of two identities that are taken for one, as a share of such pairs
    FRR, false-reject rate   pairs of one identity that are taken for two; TAR, true-accept rate, is 1 - FRR

NumPy only.
"""

# P pairs, K distinct distances

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nayan.core.errors import ConfigError, DataError, ShapeError

Floats = NDArray[np.float64]

FARS = (1e-2, 1e-3)
"""False-accept rates at which evaluations tell the true-accept rate."""


@dataclass(frozen=True, slots=True, eq=False)
class PairCurve:
    """What every threshold does; with it, all scores are looked up.

    Attributes:
        thresholds: (K + 1,) rising: -inf, which takes nothing for the same, then each distinct distance.
        far: (K + 1,) false-accept rate of each, from 0 to 1.
        tar: (K + 1,) true-accept rate of each, from 0 to 1.
        num_same: pairs of one identity.
        num_different: pairs of two identities.
    """

    thresholds: Floats
    far: Floats
    tar: Floats
    num_same: int
    num_different: int

    @property
    def frr(self) -> Floats:
        """(K + 1,) false-reject rate of each threshold, from 1 to 0: with `far`, the points of the DET."""
        return 1.0 - self.tar


@dataclass(frozen=True, slots=True)
class OperatingPoint:
    """What one threshold does.

    Attributes:
        threshold: the largest distance that is taken for "same"; -inf takes nothing.
        far, tar: false- and true-accept rate, in [0, 1].
    """

    threshold: float
    far: float
    tar: float


def pair_curve(distances: ArrayLike, same: ArrayLike) -> PairCurve:
    """Return the operating points of all thresholds.

    Args:
        distances: (P,) of pairs, finite; smaller means more alike.
        same: (P,) bool, whether both pictures of the pair show one identity.

    Raises:
        ShapeError: if the shapes differ or a distance is not finite.
        DataError: if there is not a pair of each kind.

    Source: Fawcett (2006), An introduction to ROC analysis, algorithm 1: equal distances are one step.

    >>> curve = pair_curve([0.2, 0.4, 0.4, 0.9], [True, True, False, False])
    >>> curve.far.tolist(), curve.tar.tolist()
    ([0.0, 0.0, 0.5, 1.0], [0.0, 0.5, 1.0, 1.0])
    """
    d, s = check_pairs(distances, same)
    order = np.argsort(d, kind="stable")
    d, s = d[order], s[order]
    last = np.flatnonzero(np.append(np.diff(d) > 0, True))  # of each run of equal distances
    hits = np.cumsum(s)[last]
    num_same, num_different = int(s.sum()), int((~s).sum())
    return PairCurve(
        thresholds=np.concatenate([[-np.inf], d[last]]),
        far=np.concatenate([[0.0], (last + 1 - hits) / num_different]),
        tar=np.concatenate([[0.0], hits / num_same]),
        num_same=num_same,
        num_different=num_different,
    )


def check_pairs(distances: ArrayLike, same: ArrayLike) -> tuple[Floats, NDArray[np.bool_]]:
    """Return (P,) float64 distances and (P,) bool, or say what is wrong with them."""
    d, s = np.asarray(distances, np.float64), np.asarray(same, bool)
    if d.ndim != 1 or d.shape != s.shape:
        raise ShapeError(f"distances (P,) and same (P,) are needed, got {d.shape} and {s.shape}")
    if not np.isfinite(d).all():
        raise ShapeError("distances must be finite, got NaN or infinite values")
    if s.all() or not s.any():
        found = f"{len(s):,} pairs, {int(s.sum()):,} of them of one identity" if len(s) else "no pairs"
        raise DataError(
            f"{found}: verification is judged by pairs of one identity and pairs of two",
            hint="give two or more identities, one of them with two or more pictures",
        )
    return d, s


def auc(curve: PairCurve) -> float:
    """Return how probable it is that a pair of one identity is closer than a pair of two; equals count half.

    It is the area under the ROC, in [0, 1]; 0.5 is chance.

    Source: Hanley, McNeil (1982), The meaning and use of the area under a ROC curve.

    >>> auc(pair_curve([0.2, 0.4, 0.4, 0.9], [True, True, False, False]))
    0.875
    """
    return float(np.trapezoid(curve.tar, curve.far))


def equal_error(curve: PairCurve) -> OperatingPoint:
    """Return the point where as large a share of the pairs is falsely accepted as falsely rejected.

    Its `far` is the equal error rate (EER): where the ROC, its points joined by straight lines, meets
    FAR = 1 - TAR. Between two thresholds both the rates and the threshold are interpolated, which for equal
    distances means to accept some of them by chance.

    >>> equal_error(pair_curve([0.2, 0.4, 0.5, 0.9], [True, False, True, False])).far
    0.5
    """
    gap = curve.far - curve.frr  # rises from -1 to 1
    after = int(np.searchsorted(gap, 0.0))
    before = after - 1
    share = -gap[before] / (gap[after] - gap[before])
    rate = curve.far[before] + share * (curve.far[after] - curve.far[before])
    low, high = curve.thresholds[before], curve.thresholds[after]
    threshold = high if np.isinf(low) else low + share * (high - low)
    return OperatingPoint(float(threshold), float(rate), float(1.0 - rate))


def point_at_far(curve: PairCurve, far: float) -> OperatingPoint:
    """Return the largest threshold that lets at most this share of the pairs of two identities through.

    Nothing is interpolated: the point was measured. Whether there are enough pairs to speak of such a rate
    is another question: see `can_measure`.

    Args:
        curve: of the pairs.
        far: wanted false-accept rate, in (0, 1).

    Raises:
        ConfigError: if `far` is not in (0, 1).

    >>> point_at_far(pair_curve([0.2, 0.4, 0.5, 0.9], [True, False, True, False]), 0.1)
    OperatingPoint(threshold=0.2, far=0.0, tar=0.5)
    """
    _check_far(far)
    at = int(np.searchsorted(curve.far, far, side="right")) - 1
    return OperatingPoint(float(curve.thresholds[at]), float(curve.far[at]), float(curve.tar[at]))


def can_measure(far: float, num_different: int) -> bool:
    """Return whether so many pairs of two identities can show such a false-accept rate at all.

    They can when one single false accept among them is not more than wanted. One error is little to go by:
    for a rate that is known to within a third of itself, 30 are needed (the "rule of 30" of Doddington et
    al. 2000, The NIST speaker recognition evaluation), see `supports`.

    >>> can_measure(1e-2, 150), can_measure(1e-3, 150), supports(1e-2, 150)
    (True, False, False)
    """
    _check_far(far)
    return far * num_different >= 1 - 1e-9


def supports(far: float, num_different: int) -> bool:
    """Return whether 30 of so many pairs may be falsely accepted at this rate, so that it is well known."""
    return far * num_different >= 30 - 1e-9


def far_name(far: float) -> str:
    """Return a rate as scores are named with it.

    >>> far_name(1e-2), far_name(0.0005)
    ('1e-2', '5e-4')
    """
    digits, power = f"{far:.6e}".split("e")
    return f"{digits.rstrip('0').rstrip('.')}e{int(power)}"


def scores_of(curve: PairCurve, *, fars: Sequence[float] = FARS) -> dict[str, float]:
    """Return `auc`, `eer` and, for each rate that these pairs can measure, `tar_at_far_1e-2`."""
    scores = {"auc": auc(curve), "eer": equal_error(curve).far}
    for far in fars:
        if can_measure(far, curve.num_different):
            scores[f"tar_at_far_{far_name(far)}"] = point_at_far(curve, far).tar
    return scores


def verification_scores(
    distances: ArrayLike, same: ArrayLike, *, fars: Sequence[float] = FARS
) -> dict[str, float]:
    """Return the scores of pairs, all in [0, 1]; of the EER less is better.

    A `tar_at_far_...` is left out where there are too few pairs of two identities to speak of that rate:
    with 150 of them one false accept is already a rate of 7e-3.

    Args:
        distances: (P,) of pairs; smaller means more alike.
        same: (P,) bool, whether the pair shows one identity.
        fars: false-accept rates for which the true-accept rate is told.

    Raises:
        ShapeError, DataError: as `pair_curve`.
        ConfigError: if a rate is not in (0, 1).

    >>> verification_scores([0.2, 0.4, 0.5, 0.9], [True, False, True, False], fars=[0.5, 0.01])
    {'auc': 0.75, 'eer': 0.5, 'tar_at_far_5e-1': 1.0}
    """
    return scores_of(pair_curve(distances, same), fars=fars)


def _check_far(far: float) -> None:
    if not 0 < far < 1:
        raise ConfigError(f"a false-accept rate lies between 0 and 1, got {far}", hint="1e-3 is usual")
