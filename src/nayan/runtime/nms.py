"""One box for each object: non-maximum suppression and its softer relatives, in NumPy.

All take (N, 4) float xyxy boxes and (N,) scores; `labels` (N,) keeps classes apart, None lets all compete.
`nayan.parts.nms` is the twin in torch.
"""

# N candidates, K kept

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from nayan.core.boxes import Floats, iou_matrix
from nayan.core.errors import ConfigError, ShapeError
from nayan.core.types import Boxes
from nayan.runtime.greedy import greedy
from nayan.runtime.sweep import Index

Decay = Literal["linear", "gaussian"]


def nms(
    boxes: Floats,
    scores: Floats,
    *,
    iou: float = 0.5,
    labels: NDArray[np.integer] | None = None,
    max_det: int | None = None,
) -> Index:
    """Keep the best box of each place: go by falling score, drop what overlaps a kept box too much.

    The answer is that of `torchvision.ops.nms`, class by class, to the last bit.

    Args:
        boxes: (N, 4) xyxy, float32 or float64.
        scores: (N,).
        iou: in [0, 1]; a box goes if its IoU with a kept one is greater.
        labels: (N,) classes from 0: only boxes of the same class suppress each other. None: all do.
        max_det: the greatest number of boxes that are kept; the search ends there.

    Returns:
        (K,) int64 numbers of the kept boxes, by falling score; of equal scores the lower number first.

    Raises:
        ShapeError: if the lengths differ, or an edge is not finite.
        ConfigError: if `iou` is outside [0, 1], or `max_det` is negative.

    Source: the greedy rule is that of Dalal and Triggs (2005) and Felzenszwalb et al. (2010).

    >>> same = np.array([[0, 0, 9, 9], [0, 0, 9, 8], [20, 20, 30, 30]], np.float32)
    >>> nms(same, np.array([0.5, 0.9, 0.1], np.float32)).tolist()
    [1, 2]
    >>> nms(same, np.array([0.5, 0.9, 0.1], np.float32), labels=np.array([0, 1, 1])).tolist()
    [1, 0, 2]
    """
    boxes, scores, labels = _checked(boxes, scores, labels, iou)
    if max_det is not None and max_det < 0:
        raise ConfigError(f"max_det = {max_det}: it cannot be negative")
    count = len(boxes)
    if count == 0 or max_det == 0:
        return np.zeros(0, np.int64)
    order = _falling(scores)
    return greedy(boxes, order, iou=iou, labels=labels, enough=max_det or count)


def soft_nms(
    boxes: Floats,
    scores: Floats,
    *,
    iou: float = 0.5,
    sigma: float = 0.5,
    method: Decay = "gaussian",
    min_score: float = 0.001,
    labels: NDArray[np.integer] | None = None,
) -> tuple[Index, Floats]:
    """Lower the scores of boxes that overlap a better one, instead of dropping them.

    Args:
        boxes: (N, 4) xyxy.
        scores: (N,) in [0, 1].
        iou: for "linear": below it nothing is lowered.
        sigma: for "gaussian": the smaller, the harder.
        method: "linear" multiplies by 1 - IoU, "gaussian" by exp(-IoU^2 / sigma).
        min_score: a box goes once its score is below.
        labels: (N,) classes that do not touch each other.

    Returns:
        (K,) int64 numbers of the boxes and their (K,) lowered scores, by falling lowered score.

    Raises:
        ShapeError: if the lengths differ.
        ConfigError: if `iou` or `sigma` is out of range, or the method is unknown.

    Source: Bodla et al. (2017), arXiv:1704.04503, fig. 2.

    >>> two = np.array([[0., 0, 10, 10], [0, 0, 10, 8]])
    >>> index, lowered = soft_nms(two, np.array([0.9, 0.8]), method="linear")
    >>> index.tolist(), lowered.round(2).tolist()
    ([0, 1], [0.9, 0.16])
    """
    boxes, scores, labels = _checked(boxes, scores, labels, iou)
    _check_decay(method, sigma)
    lowered = scores.copy()
    taken: list[int] = []
    for members in _groups(labels, len(boxes)):
        left = members
        while len(left := left[lowered[left] >= min_score]):
            best = left[lowered[left].argmax()]
            taken.append(int(best))
            left = left[left != best]
            overlap = iou_matrix(boxes[best][None], boxes[left])[0]
            if method == "linear":
                lowered[left] *= np.where(overlap > iou, 1 - overlap, 1)
            else:
                lowered[left] *= np.exp(-(overlap**2) / sigma)
    index = np.sort(np.array(taken, np.int64))
    index = index[_falling(lowered[index])]
    return index, lowered[index]


def matrix_nms(
    boxes: Floats,
    scores: Floats,
    *,
    sigma: float = 0.5,
    method: Decay = "gaussian",
    min_score: float = 0.001,
    labels: NDArray[np.integer] | None = None,
) -> tuple[Index, Floats]:
    """Lower all scores at once by how much each box overlaps better ones that are themselves not covered.

    Args:
        boxes: (N, 4) xyxy; memory grows with the square of the largest class.
        scores: (N,) in [0, 1].
        sigma: for "gaussian": the smaller, the harder.
        method: "linear" lowers by 1 - IoU, "gaussian" by exp(-IoU^2 / sigma).
        min_score: boxes whose lowered score is below go.
        labels: (N,) classes that do not touch each other.

    Returns:
        (K,) int64 numbers of the boxes and their (K,) lowered scores, by falling lowered score.

    Raises:
        ShapeError: if the lengths differ.
        ConfigError: if `sigma` is not positive, or the method is unknown.

    Source: Wang et al. (2020), SOLOv2, arXiv:2003.10152, eqs. 4 and 5.

    >>> two = np.array([[0., 0, 10, 10], [0, 0, 10, 8]])
    >>> index, lowered = matrix_nms(two, np.array([0.9, 0.8]), method="linear")
    >>> index.tolist(), lowered.round(2).tolist()
    ([0, 1], [0.9, 0.16])
    """
    boxes, scores, labels = _checked(boxes, scores, labels, 0.5)
    _check_decay(method, sigma)
    lowered = scores.copy()
    for members in _groups(labels, len(boxes)):
        group = members[_falling(scores[members])]
        overlap = np.triu(iou_matrix(boxes[group], boxes[group]), k=1)  # (n, n): row i is better than j
        covered = overlap.max(axis=0)[:, None]  # how far each i is itself covered
        if method == "linear":
            # A box that lies exactly on a better one says nothing about the others.
            decay = np.where(covered < 1, (1 - overlap) / np.where(covered < 1, 1 - covered, 1), 1)
        else:
            decay = np.exp((covered**2 - overlap**2) / sigma)
        # Above the diagonal are the better boxes; without any, a score stays as it is.
        above = np.where(np.triu(np.ones_like(overlap), k=1) > 0, decay, 1)
        lowered[group] *= above.min(axis=0)
    index = np.flatnonzero(lowered >= min_score)
    index = index[_falling(lowered[index])]
    return index, lowered[index]


def weighted_boxes(
    boxes: Floats,
    scores: Floats,
    *,
    iou: float = 0.55,
    labels: NDArray[np.integer] | None = None,
    sources: int = 1,
) -> Boxes:
    """Merge the boxes of each place into their mean, weighted by the scores.

    Args:
        boxes: (N, 4) xyxy, of one network or of several together.
        scores: (N,) in (0, 1].
        iou: in [0, 1]; a box joins the merged box that it overlaps most, if by more than this.
        labels: (N,) classes that are not merged; None: all may be.
        sources: from how many networks, or views of the picture, the boxes come; what fewer of them have
            seen gets a lower score.

    Returns:
        The merged boxes by falling score, which is the mean of their members'; labels are 0 if none came.

    Raises:
        ShapeError: if the lengths differ.
        ConfigError: if `iou` is out of range or `sources` is below 1.

    Source: Solovyev et al. (2019), arXiv:1910.13302, section 3; eqs. 1 to 4, and eq. 5 for the score.

    >>> two = np.array([[0., 0, 10, 10], [0, 0, 10, 8]])
    >>> merged = weighted_boxes(two, np.array([0.6, 0.2]))
    >>> merged.xyxy.tolist(), merged.scores
    ([[0.0, 0.0, 10.0, 9.5]], array([0.4], dtype=float32))
    """
    boxes, scores, labels = _checked(boxes, scores, labels, iou)
    if sources < 1:
        raise ConfigError(f"sources = {sources}: the boxes come from at least 1")
    classes = np.zeros(len(boxes), np.int64) if labels is None else labels
    sums = np.zeros((len(boxes), 4))  # of score x box
    weight, merged, members = np.zeros(len(boxes)), np.zeros((len(boxes), 4)), np.zeros(len(boxes), np.int64)
    kinds, count = np.zeros(len(boxes), np.int64), 0
    for row in _falling(scores):
        overlap = iou_matrix(boxes[row][None].astype(np.float64), merged[:count])[0]
        overlap[kinds[:count] != classes[row]] = 0
        at = int(overlap.argmax()) if count else 0
        if count == 0 or overlap[at] <= iou:
            at, count = count, count + 1
            kinds[at] = classes[row]
        sums[at] += scores[row] * boxes[row]
        weight[at] += scores[row]
        members[at] += 1
        merged[at] = sums[at] / weight[at]
    means = weight[:count] / np.maximum(members[:count], 1) * np.minimum(members[:count], sources) / sources
    order = _falling(means)
    return Boxes(merged[order].astype(np.float32), kinds[order], means[order].astype(np.float32))


def _falling(scores: Floats) -> Index:
    """Return the order of falling scores; of equal ones the lower number first."""
    return np.argsort(-scores, kind="stable")


def _groups(labels: NDArray[Any] | None, count: int) -> Iterator[Index]:
    """Yield the numbers of the boxes of each class."""
    if labels is None:
        labels = np.zeros(count, np.int64)
    for label in np.unique(labels):
        yield np.flatnonzero(labels == label)


def _check_decay(method: str, sigma: float) -> None:
    if method not in ("linear", "gaussian"):
        raise ConfigError(f"method = {method!r}: scores are lowered 'linear' or 'gaussian'")
    if not sigma > 0:
        raise ConfigError(f"sigma = {sigma}: it must be positive")


def _checked(
    boxes: NDArray[Any], scores: NDArray[Any], labels: NDArray[Any] | None, iou: float
) -> tuple[Floats, Floats, NDArray[np.int64] | None]:
    if boxes.ndim != 2 or boxes.shape[1] != 4 or boxes.dtype.kind != "f":
        raise ShapeError(f"boxes are (N, 4) floats, got {boxes.shape} {boxes.dtype}")
    for name, values in (("scores", scores), ("labels", labels)):
        if values is not None and values.shape != (len(boxes),):
            raise ShapeError(f"{len(boxes)} boxes need as many {name}, got {values.shape}")
    if not 0 <= iou <= 1:
        raise ConfigError(f"iou = {iou}: it must lie in [0, 1]")
    # The area of a large box does not fit into a float16.
    return boxes.astype(np.float32) if boxes.dtype == np.float16 else boxes, scores, labels
