"""From a detector's candidates to the objects of each picture, and from those to the rows of JSON and CSV."""

# B pictures, N candidates, C classes, P pairs (candidate, class) that score enough

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nayan.core.errors import BundleError, ConfigError, ShapeError
from nayan.core.types import Boxes
from nayan.runtime.nms import nms
from nayan.runtime.preprocess import Placement

LEAST = 0.001
"""Score below which nothing is kept: the COCO scores need the long tail, and more of it changes nothing."""
MOST = 300
"""Objects of a picture; COCO counts the best 100."""
SAME = 0.6
"""IoU above which two boxes of a class are one object."""
CANDIDATES = 10_000
"""Pairs of a picture that reach the NMS, the best ones."""


def decode(
    raw: Mapping[str, NDArray[Any]],
    placements: Sequence[Placement],
    *,
    conf: float | Sequence[float] = LEAST,
    iou: float = SAME,
    max_det: int = MOST,
    agnostic: bool = False,
    thresholds: Sequence[float] | None = None,  # noqa: ARG001  what is shown is for `to_records`
) -> list[Boxes]:
    """Threshold, suppress what is found twice, and put the boxes back into the original pictures.

    Args:
        raw: "boxes" (B, N, 4) xyxy in pixels of the network's input, or (B, N, C, 4) where each class has a
            box of its own; "scores" (B, N, C) in [0, 1].
        placements: how each of the B pictures was laid into the input.
        conf: the least score, one for all or one a class. What is kept at a higher one is the same as what
            remains of a lower one, only sooner.
        iou: two boxes of a class that overlap more are one object.
        max_det: at most so many objects a picture, the best ones.
        agnostic: boxes of different classes suppress each other too.
        thresholds: of a bundle, for `to_records`.

    Returns:
        B predictions in pixels of the original pictures, the best objects first.

    Raises:
        BundleError: if "boxes" or "scores" are missing or not finite.
        ShapeError: if their shapes do not fit.

    >>> raw = {"boxes": np.array([[[0, 0, 4, 4]]], np.float32), "scores": np.array([[[0.9]]], np.float32)}
    >>> decode(raw, [Placement((8, 8), (0.5, 0.5), (0.0, 0.0))])[0].xyxy.tolist()
    [[0.0, 0.0, 8.0, 8.0]]
    """
    boxes, scores = _checked(raw, len(placements))
    least = _limits(conf, scores.shape[2])
    return [
        _decode_one(boxes[row], scores[row], place, least, iou=iou, max_det=max_det, agnostic=agnostic)
        for row, place in enumerate(placements)
    ]


def _decode_one(
    boxes: NDArray[np.float32],
    scores: NDArray[np.float32],
    place: Placement,
    least: NDArray[np.float32],
    *,
    iou: float,
    max_det: int,
    agnostic: bool,
) -> Boxes:
    candidate, label = np.nonzero(scores >= least)  # (P,) each
    found = scores[candidate, label]
    if len(found) > CANDIDATES:
        best = np.sort(np.argpartition(-found, CANDIDATES)[:CANDIDATES])
        candidate, label, found = candidate[best], label[best], found[best]
    xyxy = boxes[candidate, label] if boxes.ndim == 3 else boxes[candidate]
    kept = nms(xyxy, found, iou=iou, labels=None if agnostic else label, max_det=max_det)
    placed = place.into_original(xyxy[kept])
    inside = (placed[:, 2:] > placed[:, :2]).all(axis=1)  # the gray border holds no objects
    return Boxes(placed[inside], label[kept][inside].astype(np.int64), found[kept][inside])


def _checked(
    raw: Mapping[str, NDArray[Any]], pictures: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    missing = [name for name in ("boxes", "scores") if name not in raw]
    if missing:
        raise BundleError(
            f"a detector returns 'boxes' and 'scores', this one {', '.join(sorted(raw)) or 'nothing'}",
            hint="export the model again, or check that its spec.json belongs to it",
        )
    boxes, scores = (np.asarray(raw[name], np.float32) for name in ("boxes", "scores"))
    if scores.ndim != 3 or len(scores) != pictures:
        raise ShapeError(
            f"scores must have the shape ({pictures}, N, C) for as many pictures, got {scores.shape}"
        )
    if boxes.shape not in ((*scores.shape[:2], 4), (*scores.shape, 4)):
        raise ShapeError(f"scores {scores.shape} need boxes (B, N, 4) or (B, N, C, 4), got {boxes.shape}")
    if not (np.isfinite(boxes).all() and np.isfinite(scores).all()):
        raise BundleError(
            "the model returned boxes or scores that are not finite (NaN or infinite)",
            hint="its weights are damaged or its training diverged; run `nayan check-bundle MODEL`",
        )
    return boxes, scores


def to_records(
    prediction: Boxes,
    classes: Sequence[str],
    *,
    conf: float | Sequence[float] | None = None,
    top: int = MOST,
) -> list[dict[str, Any]]:
    """Return the objects as `{"label", "score", "box": [x1, y1, x2, y2]}` rows, the best first.

    Args:
        prediction: of one picture.
        classes: names in the order of the labels.
        conf: the least score that is shown: one for all, or one a class; None shows all.
        top: the largest number of rows.

    Raises:
        ShapeError: if a label has no name.
        ConfigError: if `conf` has another length than the classes, or `top` is below 1.

    >>> one = Boxes(np.array([[0, 0, 4, 4]], np.float32), np.array([1]), np.array([0.75], np.float32))
    >>> to_records(one, ["cat", "dog"])
    [{'label': 'dog', 'score': 0.75, 'box': [0.0, 0.0, 4.0, 4.0]}]
    """
    if top < 1:
        raise ConfigError(f"top = {top}: at least one object must be shown")
    if len(prediction) and prediction.labels.max() >= len(classes):
        raise ShapeError(f"label {prediction.labels.max()} needs a name, there are {len(classes)}")
    shown = select(prediction, conf, classes=len(classes))
    scores = np.ones(len(shown), np.float32) if shown.scores is None else shown.scores
    order = np.argsort(-scores, kind="stable")[:top]
    return [
        {
            "label": classes[int(shown.labels[row])],
            "score": float(scores[row]),
            "box": [round(float(value), 2) for value in shown.xyxy[row]],
        }
        for row in order
    ]


def select(prediction: Boxes, conf: float | Sequence[float] | None, *, classes: int) -> Boxes:
    """Return the objects that score at least `conf`: one for all, or one for each of `classes`."""
    if conf is None or prediction.scores is None:
        return prediction
    return prediction.select(prediction.scores >= _limits(conf, classes)[prediction.labels])


def _limits(conf: float | Sequence[float], count: int) -> NDArray[np.float32]:
    if isinstance(conf, int | float):
        return np.full(count, conf, np.float32)
    if len(conf) != count:
        raise ConfigError(
            f"{len(conf)} thresholds for {count} classes", hint="give one threshold, or one a class"
        )
    return np.asarray(conf, np.float32)
