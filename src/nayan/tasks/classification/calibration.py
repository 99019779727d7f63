"""Do the probabilities mean what they say? Calibration error, temperature scaling, decision thresholds.

NumPy only. N pictures, C classes, M bins.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nayan.core.errors import ConfigError, ShapeError

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class CalibrationBin:
    """The pictures whose confidence lies in (low, high].

    Attributes:
        low, high: its borders; confidence 0 falls into the first bin.
        count: how many pictures.
        confidence: their mean confidence; the middle of the bin where it is empty.
        accuracy: the share of them that is right; 0 where it is empty.
    """

    low: float
    high: float
    count: int
    confidence: float
    accuracy: float


def calibration_bins(probabilities: ArrayLike, targets: ArrayLike, *, bins: int = 15) -> list[CalibrationBin]:
    """Sort pictures into `bins` equal intervals of the confidence of their best class.

    Args:
        probabilities: (N, C), each row summing to 1.
        targets: (N,) class indices.
        bins: number M of intervals of [0, 1].

    Raises:
        ShapeError: if the shapes do not fit each other.
        ConfigError: if there is no bin, or a target is no class.

    Source: the reliability diagram of Guo et al. (2017), arXiv:1706.04599, section 2.
    """
    if bins < 1:
        raise ConfigError(f"bins = {bins}: at least one is needed")
    p, y = check_scores(probabilities, targets, name="probabilities")
    confidence, right = p.max(axis=1, initial=0.0), p.argmax(axis=1) == y
    edges = np.linspace(0.0, 1.0, bins + 1)
    index = np.clip(np.searchsorted(edges, confidence, side="left") - 1, 0, bins - 1)
    result = []
    for number in range(bins):
        inside = index == number
        count = int(inside.sum())
        low, high = float(edges[number]), float(edges[number + 1])
        mean = float(confidence[inside].mean()) if count else (low + high) / 2
        result.append(CalibrationBin(low, high, count, mean, float(right[inside].mean()) if count else 0.0))
    return result


def expected_calibration_error(probabilities: ArrayLike, targets: ArrayLike, *, bins: int = 15) -> float:
    """Return the mean gap between confidence and accuracy, weighted by the pictures in each bin.

    Args:
        probabilities: (N, C), each row summing to 1.
        targets: (N,) class indices.
        bins: number of equal intervals of [0, 1].

    Returns:
        A value in [0, 1], 0 being perfect; 0 for no pictures.

    Raises:
        ShapeError, ConfigError: as `calibration_bins`.

    Source: Naeini, Cooper, Hauskrecht (2015); eq. 3 of Guo et al. (2017), arXiv:1706.04599.

    >>> round(expected_calibration_error([[0.75, 0.25], [0.25, 0.75]], [0, 0]), 6)
    0.25
    """
    return ece_of(calibration_bins(probabilities, targets, bins=bins))


def ece_of(bins: Sequence[CalibrationBin]) -> float:
    """Return the expected calibration error of bins that were made before."""
    total = sum(b.count for b in bins)
    return float(sum(b.count * abs(b.accuracy - b.confidence) for b in bins) / total) if total else 0.0


def softmax(logits: ArrayLike, *, temperature: float = 1.0) -> Floats:
    """Return the (N, C) probabilities of (N, C) logits divided by `temperature`, in float64."""
    z = np.asarray(logits, dtype=np.float64) / temperature
    weights = np.exp(z - z.max(axis=1, keepdims=True))
    return np.asarray(weights / weights.sum(axis=1, keepdims=True))


def undo_temperature(probabilities: ArrayLike, temperature: float) -> Floats:
    """Return what (N, C) calibrated probabilities were before their logits were divided by `temperature`.

    A softmax knows its logits up to a constant, so `log(p) * temperature` are logits again.

    >>> undo_temperature(softmax([[0.0, 2.0]], temperature=2.0), 2.0).round(4).tolist()
    [[0.1192, 0.8808]]
    """
    tiny = np.finfo(np.float64).tiny
    return softmax(np.log(np.maximum(np.asarray(probabilities, np.float64), tiny)) * temperature)


def negative_log_likelihood(logits: ArrayLike, targets: ArrayLike, *, temperature: float = 1.0) -> float:
    """Return the mean of -log of the true class's probability, in nats; 0 for no pictures."""
    z, y = check_scores(logits, targets, name="logits")
    return _nll(z, y, 1.0 / temperature) if len(y) else 0.0


def fit_temperature(
    logits: ArrayLike, targets: ArrayLike, *, bounds: tuple[float, float] = (0.2, 20.0)
) -> float:
    """Return the temperature T that makes softmax(logits / T) most likely on these pictures.

    The negative log-likelihood is convex in 1/T, so Newton's method, kept inside a shrinking
    bracket, finds its only minimum. Where every picture is right it has none and falls for ever as
    T goes to 0; the lower bound then keeps the answer sane.

    Args:
        logits: (N, C) of pictures that were not trained on.
        targets: (N,) class indices.
        bounds: the least and the greatest T.

    Returns:
        T within the bounds; 1.0 for no pictures, and wherever the minimum would be no better than 1.0.

    Raises:
        ShapeError: if the shapes do not fit, or a logit is not finite.
        ConfigError: if a target is no class or the bounds are impossible.

    Source: Guo, Pleiss, Sun, Weinberger (2017), arXiv:1706.04599, eq. 9.

    >>> logits = np.array([[4.0, 0.0]] * 4)  # 98 % sure, but right in 3 of 4: log(3) would be honest
    >>> round(fit_temperature(logits, [0, 0, 0, 1]), 4) == round(4 / float(np.log(3)), 4)
    True
    """
    z, y = check_scores(logits, targets, name="logits")
    if not 0 < bounds[0] <= 1 <= bounds[1]:
        raise ConfigError(f"bounds = {bounds}: they must be positive, with 1 between them")
    if len(y) == 0:
        return 1.0
    low, high = 1.0 / bounds[1], 1.0 / bounds[0]
    beta = 1.0
    for _ in range(100):  # pragma: no branch - a dozen are enough
        slope, curvature = _derivatives(z, y, beta)
        if slope > 0:
            high = beta
        else:
            low = beta
        step = beta - slope / curvature if curvature > 0 else high
        following = step if low < step < high else (low + high) / 2
        if abs(following - beta) <= 1e-12 * beta:
            break
        beta = following
    return 1.0 / beta if _nll(z, y, beta) < _nll(z, y, 1.0) else 1.0


def precision_recall(scores: ArrayLike, positives: ArrayLike) -> tuple[Floats, Floats, Floats]:
    """Return precision and recall of "score >= threshold" at every distinct score.

    Args:
        scores: (N,) of one class.
        positives: (N,) bool, whether the picture belongs to it.

    Returns:
        precision, recall and threshold, (K,) each, thresholds rising. Recall is 0 without positives.
    """
    s, positive = np.asarray(scores, np.float64), np.asarray(positives, bool)
    order = np.argsort(-s, kind="stable")
    s, hits = s[order], np.cumsum(positive[order])
    last = np.flatnonzero(np.append(np.diff(s) != 0, True)) if len(s) else np.zeros(0, np.int64)
    precision = hits[last] / (last + 1)
    recall = hits[last] / max(1, int(positive.sum()))
    return precision[::-1], recall[::-1], s[last][::-1]


def fit_thresholds(
    probabilities: ArrayLike, targets: ArrayLike, *, target_precision: float | None = None
) -> tuple[float, ...]:
    """Return for each class the score from which on it should be believed.

    Args:
        probabilities: (N, C) of pictures that were not trained on.
        targets: (N,) class indices.
        target_precision: None takes the threshold with the best F1 (the highest of equals); a number
            in (0, 1] takes the smallest threshold from which on so many claims are right.

    Returns:
        C thresholds in [0, 1], to be used as `score >= threshold`. A class without pictures gets 0.5;
        one whose precision cannot be reached gets 1.0, so that it is all but never claimed.

    Raises:
        ShapeError: if the shapes do not fit each other.
        ConfigError: if a target is no class or the precision is not in (0, 1].

    >>> fit_thresholds([[0.9, 0.1], [0.6, 0.4], [0.7, 0.3], [0.2, 0.8]], [0, 1, 0, 1])
    (0.7, 0.4)
    """
    if target_precision is not None and not 0 < target_precision <= 1:
        raise ConfigError(f"target_precision = {target_precision}: it must be in (0, 1]")
    p, y = check_scores(probabilities, targets, name="probabilities")
    return tuple(_threshold(p[:, c], y == c, target_precision) for c in range(p.shape[1]))


def check_scores(scores: ArrayLike, targets: ArrayLike, *, name: str) -> tuple[Floats, Ints]:
    """Return (N, C) float64 scores and (N,) int64 targets, or say what is wrong with them."""
    s, y = np.asarray(scores, np.float64), np.asarray(targets)
    if s.ndim != 2 or y.shape != s.shape[:1]:
        raise ShapeError(f"{name} (N, C) and targets (N,) are needed, got {s.shape} and {y.shape}")
    if not np.isfinite(s).all():
        raise ShapeError(f"{name} must be finite, got NaN or infinite values")
    if len(y) and not 0 <= y.min() <= y.max() < s.shape[1]:
        raise ConfigError(f"targets must be classes 0-{s.shape[1] - 1}, got {y.min()} to {y.max()}")
    return s, y.astype(np.int64)


def _threshold(scores: Floats, positives: NDArray[Any], target: float | None) -> float:
    if not positives.any():
        return 0.5
    precision, recall, thresholds = precision_recall(scores, positives)
    if target is None:
        f1 = 2 * precision * recall / np.maximum(precision + recall, np.finfo(np.float64).tiny)
        return float(thresholds[len(f1) - 1 - int(f1[::-1].argmax())])
    reached = np.flatnonzero(precision >= target)
    return float(thresholds[reached[0]]) if len(reached) else 1.0


def _nll(z: Floats, y: Ints, beta: float) -> float:
    scaled = z * beta
    top = scaled.max(axis=1)
    log_sum = top + np.log(np.exp(scaled - top[:, None]).sum(axis=1))
    return float((log_sum - scaled[np.arange(len(y)), y]).mean())


def _derivatives(z: Floats, y: Ints, beta: float) -> tuple[float, float]:
    """Return the first and second derivative of the NLL after beta = 1/T."""
    p = softmax(z * beta)
    mean = (p * z).sum(axis=1)
    variance = (p * (z - mean[:, None]) ** 2).sum(axis=1)
    return float((mean - z[np.arange(len(y)), y]).mean()), float(variance.mean())
