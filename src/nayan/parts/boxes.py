"""The geometry of boxes in torch: areas, overlaps and their generalisations, differentiable and traceable.

Boxes are `xyxy` unless a name says otherwise; any leading dimensions are batches. float16 and bfloat16 are
computed in float32, where the area of a box of a picture still fits. `nayan.core.boxes` is the twin in NumPy.
"""

# N boxes a, M boxes b, "..." batches

from __future__ import annotations

import math

import torch
from torch import Tensor

from nayan.core.errors import ShapeError
from nayan.core.types import Size

_NO_AREA = 1e-18
"""Below this a union or a hull counts as empty, so that nothing is divided by (almost) zero."""
_LEAST_SIDE = 1e-7


def area(boxes: Tensor) -> Tensor:
    """Return the area of each box: (..., 4) -> (...); a box whose edges are swapped has none.

    Raises:
        ShapeError: if the last dimension is not 4.

    >>> area(torch.tensor([[0., 0, 2, 3], [5, 5, 4, 9]]))
    tensor([6., 0.])
    """
    boxes = _as_boxes(boxes)
    sides = (boxes[..., 2:] - boxes[..., :2]).clamp(min=0)
    return sides[..., 0] * sides[..., 1]


def iou_matrix(a: Tensor, b: Tensor) -> Tensor:
    """Return the intersection over union of every box of `a` with every box of `b`.

    Args:
        a: (..., N, 4) boxes, xyxy, in any unit as long as both agree.
        b: (..., M, 4) boxes, xyxy.

    Returns:
        (..., N, M) values in [0, 1]; a box without area overlaps nothing.

    Raises:
        ShapeError: if the last dimension is not 4.

    Source: Jaccard (1901); as the PASCAL VOC detection criterion, Everingham et al. (2010).

    >>> iou_matrix(torch.tensor([[0., 0, 2, 2]]), torch.tensor([[1., 1, 3, 3]]))
    tensor([[0.1429]])
    """
    return iou_pairs(a.unsqueeze(-2), b.unsqueeze(-3))  # (..., N, 1, 4) and (..., 1, M, 4)


def iou_pairs(a: Tensor, b: Tensor) -> Tensor:
    """Return the intersection over union of each box of `a` with its partner in `b`.

    Args:
        a: (..., 4) boxes, xyxy.
        b: (..., 4) boxes, xyxy; the leading dimensions are broadcast.

    Returns:
        (...) values in [0, 1].

    Raises:
        ShapeError: if the last dimension is not 4.

    >>> iou_pairs(torch.tensor([0., 0, 2, 2]), torch.tensor([0., 0, 2, 1]))
    tensor(0.5000)
    """
    shared, union = _shared_and_union(_as_boxes(a), _as_boxes(b))
    return _ratio(shared, union)


def giou(a: Tensor, b: Tensor) -> Tensor:
    """Return the generalised IoU of pairs: IoU less the share of their hull that neither covers.

    Args:
        a: (..., 4) boxes, xyxy.
        b: (..., 4) boxes, xyxy; the leading dimensions are broadcast.

    Returns:
        (...) values in [-1, 1], never above the IoU; -1 for boxes without area or infinitely far apart.

    Raises:
        ShapeError: if the last dimension is not 4.

    Source: Rezatofighi et al. (2019), arXiv:1902.09630, algorithm 1.

    >>> giou(torch.tensor([0., 0, 1, 1]), torch.tensor([2., 0, 3, 1]))
    tensor(-0.3333)
    """
    a, b = _as_boxes(a), _as_boxes(b)
    shared, union = _shared_and_union(a, b)
    hull = _hull_sides(a, b)
    return _ratio(shared, union) + _ratio(union, hull[..., 0] * hull[..., 1]) - 1


def diou(a: Tensor, b: Tensor) -> Tensor:
    """Return the distance IoU of pairs: IoU less the squared distance of the centres in units of the hull.

    Args:
        a: (..., 4) boxes, xyxy.
        b: (..., 4) boxes, xyxy; the leading dimensions are broadcast.

    Returns:
        (...) values in [-1, 1].

    Raises:
        ShapeError: if the last dimension is not 4.

    Source: Zheng et al. (2020), arXiv:1911.08287, eq. 7.

    >>> diou(torch.tensor([0., 0, 1, 1]), torch.tensor([2., 0, 3, 1]))
    tensor(-0.4000)
    """
    a, b = _as_boxes(a), _as_boxes(b)
    apart = (a[..., :2] + a[..., 2:] - b[..., :2] - b[..., 2:]) / 2
    diagonal = _hull_sides(a, b).square().sum(-1)
    return iou_pairs(a, b) - _ratio(apart.square().sum(-1), diagonal)


def ciou(a: Tensor, b: Tensor) -> Tensor:
    """Return the complete IoU of pairs: the distance IoU less the disagreement of the aspect ratios.

    The weight of the last part (alpha in the paper) carries no gradient.

    Args:
        a: (..., 4) boxes, xyxy.
        b: (..., 4) boxes, xyxy; the leading dimensions are broadcast.

    Returns:
        (...) values in [-1.5, 1].

    Raises:
        ShapeError: if the last dimension is not 4.

    Source: Zheng et al. (2020), arXiv:1911.08287, eqs. 8 to 11.

    >>> ciou(torch.tensor([0., 0, 2, 1]), torch.tensor([0., 0, 1, 2])) < 1 / 3
    tensor(True)
    """
    a, b = _as_boxes(a), _as_boxes(b)
    disagreement = 4 / math.pi**2 * (_angle(a) - _angle(b)).square()  # eq. 9
    with torch.no_grad():
        # A pair that agrees in all gives 0 / 0; nothing is then to be weighed.
        alpha = _ratio(disagreement, 1 - iou_pairs(a, b) + disagreement)  # eq. 11
    return diou(a, b) - alpha * disagreement


def clip(boxes: Tensor, size: Size) -> Tensor:
    """Return the boxes cut at the edges of a picture; one that lies outside is left without area.

    Args:
        boxes: (..., 4) xyxy in pixels.
        size: (height, width) of the picture.

    Raises:
        ShapeError: if the last dimension is not 4.

    >>> clip(torch.tensor([[-3., 2, 50, 9]]), (8, 10))
    tensor([[ 0.,  2., 10.,  8.]])
    """
    boxes = _as_boxes(boxes)
    height, width = size
    x = boxes[..., 0::2].clamp(0, width)
    y = boxes[..., 1::2].clamp(0, height)
    return torch.stack((x, y), -1).flatten(-2)  # (..., 2) twice -> (..., 2, 2) -> (..., 4)


def from_cxcywh(boxes: Tensor) -> Tensor:
    """Return xyxy of (..., 4) boxes given as centre x, centre y, width, height.

    >>> from_cxcywh(torch.tensor([6., 12, 10, 20]))
    tensor([ 1.,  2., 11., 22.])
    """
    boxes = _as_boxes(boxes)
    half = boxes[..., 2:] / 2
    return torch.cat((boxes[..., :2] - half, boxes[..., :2] + half), -1)


def to_cxcywh(boxes: Tensor) -> Tensor:
    """Return centre x, centre y, width, height of (..., 4) xyxy boxes.

    >>> to_cxcywh(torch.tensor([1., 2, 11, 22]))
    tensor([ 6., 12., 10., 20.])
    """
    boxes = _as_boxes(boxes)
    return torch.cat(((boxes[..., :2] + boxes[..., 2:]) / 2, boxes[..., 2:] - boxes[..., :2]), -1)


def from_distances(points: Tensor, ltrb: Tensor) -> Tensor:
    """Return the boxes whose edges lie so far left, top, right and bottom of points.

    Args:
        points: (..., 2) x, y.
        ltrb: (..., 4) distances, in the same unit.

    Returns:
        (..., 4) xyxy.

    Source: Tian et al. (2019), FCOS, arXiv:1904.01355, eq. 1.

    >>> from_distances(torch.tensor([2., 4]), torch.tensor([2., 4, 6, 5]))
    tensor([0., 0., 8., 9.])
    """
    return torch.cat((points - ltrb[..., :2], points + ltrb[..., 2:]), -1)


def to_distances(points: Tensor, boxes: Tensor) -> Tensor:
    """Return how far left, top, right and bottom of points the edges of boxes lie.

    Args:
        points: (..., 2) x, y.
        boxes: (..., 4) xyxy.

    Returns:
        (..., 4); all positive if the point is inside.

    Source: Tian et al. (2019), FCOS, arXiv:1904.01355, eq. 1.

    >>> to_distances(torch.tensor([2., 4]), torch.tensor([0., 0, 8, 9]))
    tensor([2., 4., 6., 5.])
    """
    return torch.cat((points - boxes[..., :2], boxes[..., 2:] - points), -1)


def _shared_and_union(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    sides = (torch.minimum(a[..., 2:], b[..., 2:]) - torch.maximum(a[..., :2], b[..., :2])).clamp(min=0)
    shared = sides[..., 0] * sides[..., 1]
    return shared, area(a) + area(b) - shared


def _hull_sides(a: Tensor, b: Tensor) -> Tensor:
    """Return (..., 2) width and height of the smallest box around both."""
    return (torch.maximum(a[..., 2:], b[..., 2:]) - torch.minimum(a[..., :2], b[..., :2])).clamp(min=0)


def _ratio(part: Tensor, whole: Tensor) -> Tensor:
    """Return part / whole; where there is no whole, the part itself, which is then 0."""
    return part / torch.where(whole > _NO_AREA, whole, torch.ones_like(whole))


def _angle(boxes: Tensor) -> Tensor:
    sides = (boxes[..., 2:] - boxes[..., :2]).clamp(min=0)
    return torch.atan(sides[..., 0] / sides[..., 1].clamp(min=_LEAST_SIDE))


def _as_boxes(boxes: Tensor) -> Tensor:
    if boxes.ndim < 1 or boxes.shape[-1] != 4:
        raise ShapeError(f"boxes must have the shape (..., 4), got {tuple(boxes.shape)}")
    return boxes.float() if boxes.dtype in (torch.float16, torch.bfloat16) else boxes
