"""The geometry of boxes in NumPy: area, overlap, clipping, and other ways to write a box down.

Everything takes and returns `xyxy` (left, top, right, bottom; right and bottom exclusive) unless a name says
otherwise. Values keep their float type; integers become float64. `nayan.parts.boxes` is the twin in torch.
"""

# N boxes a, M boxes b

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from nayan.core.errors import ShapeError
from nayan.core.types import Size

Floats = NDArray[Any]
"""float32 or float64."""

LOST_PX = 8
"""Side in pixels of a network's input: one cell of the finest map of most detectors (stride 8)."""
SMALL_PX = 16
"""Two cells; smaller objects lose their shape."""
MANY_SMALL = 0.2
"""Share of small objects from which on something should be done about them."""


def area(boxes: NDArray[Any]) -> Floats:
    """Return the area of each box: (..., 4) -> (...); a box whose edges are swapped has none.

    Raises:
        ShapeError: if the last dimension is not 4.

    >>> area(np.array([[0., 0, 2, 3], [5, 5, 4, 9]]))
    array([6., 0.])
    """
    boxes = _as_boxes(boxes)
    sides = (boxes[..., 2:] - boxes[..., :2]).clip(min=0)
    product: Floats = sides[..., 0] * sides[..., 1]
    return product


def iou_matrix(a: NDArray[Any], b: NDArray[Any]) -> Floats:
    """Return the intersection over union of every box of `a` with every box of `b`.

    Args:
        a: (N, 4) boxes, xyxy, in any unit as long as both agree.
        b: (M, 4) boxes, xyxy.

    Returns:
        (N, M) values in [0, 1]; (0, M) or (N, 0) for empty inputs. A box without area overlaps nothing.

    Raises:
        ShapeError: if the last dimension is not 4.

    Source: Jaccard (1901); as the PASCAL VOC detection criterion, Everingham et al. (2010).

    >>> iou_matrix(np.array([[0., 0, 2, 2]]), np.array([[1., 1, 3, 3], [0, 0, 2, 1]]))
    array([[0.14285714, 0.5       ]])
    """
    shared = _intersection(a, b)
    union = area(a)[:, None] + area(b)[None, :] - shared
    shares: Floats = np.divide(shared, union, out=np.zeros_like(shared), where=shared > 0)
    return shares


def intersection_over_area(a: NDArray[Any], b: NDArray[Any]) -> Floats:
    """Return which share of every box of `a` lies inside every box of `b`.

    COCO compares a detection (`a`) with a crowd (`b`) this way: a crowd's box stands for many objects, so
    one that lies wholly inside it is no error.

    Args:
        a: (N, 4) boxes, xyxy.
        b: (M, 4) boxes, xyxy.

    Returns:
        (N, M) values in [0, 1]; 0 where `a` has no area.

    Raises:
        ShapeError: if the last dimension is not 4.

    Source: Lin et al. (2014), arXiv:1405.0312, as its evaluation code does it.

    >>> intersection_over_area(np.array([[0., 0, 2, 2]]), np.array([[1., 0, 90, 90]]))
    array([[0.5]])
    """
    shared = _intersection(a, b)
    whole = np.broadcast_to(area(a)[:, None], shared.shape)
    shares: Floats = np.divide(shared, whole, out=np.zeros_like(shared), where=shared > 0)
    return shares


def clip(boxes: NDArray[Any], size: Size) -> Floats:
    """Return the boxes cut at the edges of a picture; one that lies outside is left without area.

    Args:
        boxes: (..., 4) xyxy in pixels.
        size: (height, width) of the picture.

    Raises:
        ShapeError: if the last dimension is not 4.

    >>> clip(np.array([[-3., 2, 50, 9]]), (8, 10))
    array([[ 0.,  2., 10.,  8.]])
    """
    boxes = _as_boxes(boxes)
    height, width = size
    cut: Floats = np.minimum(np.maximum(boxes, 0), np.array([width, height, width, height], boxes.dtype))
    return cut


def from_xywh(boxes: NDArray[Any]) -> Floats:
    """Return xyxy of (..., 4) boxes given as left, top, width, height (COCO).

    >>> from_xywh(np.array([1., 2, 10, 20]))
    array([ 1.,  2., 11., 22.])
    """
    boxes = _as_boxes(boxes)
    return np.concatenate((boxes[..., :2], boxes[..., :2] + boxes[..., 2:]), axis=-1)


def to_xywh(boxes: NDArray[Any]) -> Floats:
    """Return left, top, width, height (COCO) of (..., 4) xyxy boxes.

    >>> to_xywh(np.array([1., 2, 11, 22]))
    array([ 1.,  2., 10., 20.])
    """
    boxes = _as_boxes(boxes)
    return np.concatenate((boxes[..., :2], boxes[..., 2:] - boxes[..., :2]), axis=-1)


def from_cxcywh(boxes: NDArray[Any]) -> Floats:
    """Return xyxy of (..., 4) boxes given as centre x, centre y, width, height (YOLO).

    >>> from_cxcywh(np.array([6., 12, 10, 20]))
    array([ 1.,  2., 11., 22.])
    """
    boxes = _as_boxes(boxes)
    half = boxes[..., 2:] / 2
    return np.concatenate((boxes[..., :2] - half, boxes[..., :2] + half), axis=-1)


def to_cxcywh(boxes: NDArray[Any]) -> Floats:
    """Return centre x, centre y, width, height (YOLO) of (..., 4) xyxy boxes.

    >>> to_cxcywh(np.array([1., 2, 11, 22]))
    array([ 6., 12., 10., 20.])
    """
    boxes = _as_boxes(boxes)
    centre = (boxes[..., :2] + boxes[..., 2:]) / 2
    return np.concatenate((centre, boxes[..., 2:] - boxes[..., :2]), axis=-1)


def _intersection(a: NDArray[Any], b: NDArray[Any]) -> Floats:
    a, b = _as_boxes(a), _as_boxes(b)
    if a.ndim != 2 or b.ndim != 2:
        raise ShapeError(f"boxes to compare must have the shapes (N, 4) and (M, 4), got {a.shape}, {b.shape}")
    # Axis by axis: an (N, M, 2) array of both would be twice as slow.
    width = np.minimum(a[:, None, 2], b[None, :, 2]) - np.maximum(a[:, None, 0], b[None, :, 0])
    height = np.minimum(a[:, None, 3], b[None, :, 3]) - np.maximum(a[:, None, 1], b[None, :, 1])
    shared: Floats = width.clip(min=0) * height.clip(min=0)  # (N, M)
    return shared


def _as_boxes(boxes: NDArray[Any]) -> Floats:
    if boxes.ndim < 1 or boxes.shape[-1] != 4:
        raise ShapeError(f"boxes must have the shape (..., 4), got {boxes.shape}")
    return boxes if boxes.dtype in (np.float32, np.float64) else boxes.astype(np.float64)
