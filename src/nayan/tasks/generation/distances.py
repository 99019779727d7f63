"""How far drawn pictures are from real ones, by the features of both: KID, FID, precision, recall."""

# N real pictures, M drawn ones, D features of each

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from nayan.core.errors import DataError, ShapeError

Features = NDArray[np.float32]

NEIGHBOURS = 3
"""Whose distance is the reach of a picture, for precision and recall (Kynkäänniemi et al. 2019)."""
AT_ONCE = 1_000
"""Points whose distances to a crowd are in memory together."""


def kid(real: Features, drawn: Features) -> float:
    """Return the kernel distance: the squared maximum mean discrepancy under the kernel (a · b / D + 1)^3.

    Unbiased, so that it may be a little below 0 where there is no difference, and means the same for few
    pictures as for many.

    Args:
        real: (N, D), N >= 2.
        drawn: (M, D), M >= 2.

    Raises:
        ShapeError: if they have not as many features.
        DataError: for a single picture.

    Source: Binkowski et al., "Demystifying MMD GANs", 2018, arXiv:1801.01401, eq. 4 and section 4.

    >>> points = np.random.default_rng(0).normal(size=(400, 4)).astype(np.float32)
    >>> round(kid(points[:200], points[200:]), 2), kid(points[:200], points[200:] + 1) > 0.5
    (0.0, True)
    """
    a, b = _checked(real, drawn)
    return _within(a) + _within(b) - 2 * float(_kernel(a, b).mean())


def fid(real: Features, drawn: Features) -> float:
    """Return the Fréchet distance between two normal distributions with the means and covariances of both.

    It is biased: the fewer pictures, the larger (Binkowski et al. 2018, appendix D), so that only numbers of
    as many pictures can be compared.

    Args:
        real: (N, D), N >= 2.
        drawn: (M, D), M >= 2.

    Raises:
        ShapeError: if they have not as many features.
        DataError: for a single picture.

    Source: Heusel et al., "GANs trained by a two time-scale update rule", 2017, arXiv:1706.08500, eq. 6. The
    trace of the root of the product of two covariances A^T A and B^T B is the sum of the singular values of
    A B^T, which needs no root of a matrix and holds for few pictures, too.

    >>> points = np.random.default_rng(0).normal(size=(400, 4)).astype(np.float32)
    >>> round(fid(points, points), 4), round(fid(points, points + 2), 2)  # 4 features, each 2 away
    (0.0, 16.0)
    """
    a, b = _checked(real, drawn)
    apart = float(np.square(a.mean(0) - b.mean(0)).sum())
    a, b = (_narrow((x - x.mean(0)) / np.sqrt(len(x) - 1)) for x in (a, b))
    roots = float(np.linalg.svd(a @ b.T, compute_uv=False).sum())
    return max(0.0, apart + float(np.square(a).sum() + np.square(b).sum()) - 2 * roots)


def precision_recall(real: Features, drawn: Features) -> tuple[float, float]:
    """Return which share of the drawn pictures lies among the real ones, and of the real among the drawn.

    A picture lies among others where it is within the reach of one of them: the distance to its third
    nearest neighbour. Of 1,000 pictures of the same source about nine in ten do. Precision falls for pictures
    that look like nothing real; recall falls where kinds of pictures are never drawn.

    Args:
        real: (N, D), N > 3.
        drawn: (M, D), M > 3.

    Returns:
        Precision and recall, each in [0, 1].

    Raises:
        ShapeError: if they have not as many features.
        DataError: for 3 pictures or less.

    Source: Kynkäänniemi et al., "Improved precision and recall metric for assessing generative models", 2019,
    arXiv:1904.06991, eq. 1-2.

    >>> points = np.random.default_rng(0).normal(size=(200, 2)).astype(np.float32)
    >>> one_corner = points[points[:, 0] > 1]
    >>> precision, recall = precision_recall(points, one_corner)
    >>> precision > 0.9, recall < 0.4
    (True, True)
    """
    _checked(real, drawn, least=NEIGHBOURS + 1)
    return float(lies_among(drawn, real).mean()), float(lies_among(real, drawn).mean())


def lies_among(points: Features, crowd: Features) -> NDArray[np.bool_]:
    """Return which of (M, D) points lie within the reach of one of (N, D) others, as (M,) booleans.

    The reach of one is the distance to its third nearest neighbour in its own crowd.

    Raises:
        ShapeError: if they have not as many features.
        DataError: for a crowd of 3 or less.

    Source: Kynkäänniemi et al. 2019, arXiv:1904.06991, eq. 1.

    >>> crowd = np.random.default_rng(0).normal(size=(200, 2)).astype(np.float32)
    >>> lies_among(np.array([[0.0, 0.0], [9.0, 9.0]], np.float32), crowd).tolist()
    [True, False]
    """
    a, b = _checked(crowd, points, least=NEIGHBOURS + 1, few=True)
    reach = _reach(a)[:, None]
    parts = [b[at : at + AT_ONCE] for at in range(0, len(b), AT_ONCE)]
    found = [(squared_distances(a, part) <= reach).any(0) for part in parts]
    return np.concatenate(found) if found else np.zeros(0, np.bool_)


def nearest(points: Features, crowd: Features) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return the nearest of (N, D) others to each of (M, D) points: which one, and how far, (M,) each.

    Raises:
        ShapeError: if they have not as many features.
        DataError: for an empty crowd.

    >>> crowd = np.array([[4.0, 4.0], [0.0, 3.0]], np.float32)
    >>> rows, far = nearest(np.array([[0.0, 1.0]], np.float32), crowd)
    >>> rows.tolist(), far.tolist()
    ([1], [2.0])
    """
    a, b = _checked(crowd, points, least=1, few=True)
    rows, far = [np.zeros(0, np.int64)], [np.zeros(0)]
    for at in range(0, len(b), AT_ONCE):
        apart = squared_distances(b[at : at + AT_ONCE], a)
        rows.append(apart.argmin(1))
        far.append(np.sqrt(apart.min(1)))
    return np.concatenate(rows), np.concatenate(far)


def spread(points: Features) -> float:
    """Return the mean distance of two different of (N, D) points; 0 for a single one.

    >>> spread(np.array([[0.0, 0.0], [3.0, 4.0]], np.float32))
    5.0
    """
    exact, count = points.astype(np.float64), len(points)
    total = float(np.sqrt(squared_distances(exact, exact)).sum())
    return total / max(1, count * (count - 1))


def squared_distances(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the (N, M) squared Euclidean distances of (N, D) and (M, D) points, never below 0."""
    squares = np.square(a).sum(1)[:, None] + np.square(b).sum(1)[None] - 2 * (a @ b.T)
    apart: NDArray[np.float64] = np.maximum(squares, 0.0)
    return apart


def _reach(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the (N,) squared distance of each point to its third nearest neighbour."""
    apart = squared_distances(points, points)
    np.fill_diagonal(apart, np.inf)
    reach: NDArray[np.float64] = np.partition(apart, NEIGHBOURS - 1, axis=1)[:, NEIGHBOURS - 1]
    return reach


def _kernel(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    values: NDArray[np.float64] = (a @ b.T / a.shape[1] + 1) ** 3
    return values


def _within(points: NDArray[np.float64]) -> float:
    """Return the mean of the kernel over all pairs of two different points."""
    values, count = _kernel(points, points), len(points)
    return float(values.sum() - np.trace(values)) / (count * (count - 1))


def _narrow(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return a matrix with the same products of columns and no more rows than columns."""
    if len(points) <= points.shape[1]:
        return points
    narrow: NDArray[np.float64] = np.linalg.qr(points)[1]
    return narrow


def _checked(
    real: Features, drawn: Features, least: int = 2, *, few: bool = False
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return both in double precision; with `few` any number of drawn ones will do."""
    if real.ndim != 2 or drawn.ndim != 2 or real.shape[1] != drawn.shape[1]:
        raise ShapeError(f"features are (N, D) and (M, D), got {real.shape} and {drawn.shape}")
    if len(real) < least or (len(drawn) < least and not few):
        raise DataError(
            f"{len(real)} real and {len(drawn)} drawn pictures: how far apart they are takes {least} of each",
            hint="give more pictures",
        )
    return real.astype(np.float64), drawn.astype(np.float64)
