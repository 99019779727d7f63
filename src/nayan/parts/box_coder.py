"""From boxes to the numbers that a network regresses, and back.

Three ways: offsets from an anchor or a proposal (R-CNN), from a cell with an anchor's shape (YOLOv2, v3), and
the distances from a point to the four edges (FCOS; these are in `nayan.parts.boxes`).
"""

# "..." any leading dimensions, which are broadcast

from __future__ import annotations

import math

import torch
from torch import Tensor

from nayan.parts.boxes import from_cxcywh, from_distances, to_cxcywh, to_distances

__all__ = (
    "PLAIN",
    "SECOND_STAGE",
    "Weights",
    "decode",
    "decode_cell",
    "encode",
    "encode_cell",
    "from_distances",
    "to_distances",
)

Weights = tuple[float, float, float, float]

PLAIN: Weights = (1.0, 1.0, 1.0, 1.0)
SECOND_STAGE: Weights = (10.0, 10.0, 5.0, 5.0)
"""Fast R-CNN's heads: 1 over the usual spread of the four numbers, so that all count alike in the loss."""

_LARGEST_LOG = math.log(
    1000 / 16
)  # no box is decoded to more than 62.5 times its anchor's side: exp overflows
_LEAST_SIDE = 1e-6  # px; a smaller object or anchor counts as this large


def encode(boxes: Tensor, anchors: Tensor, *, weights: Weights = PLAIN) -> Tensor:
    """Return what has to be regressed to turn anchors into boxes.

    Args:
        boxes: (..., 4) xyxy.
        anchors: (..., 4) xyxy.
        weights: factors of the shifts in x and y and of the logarithms of width and height.

    Returns:
        (..., 4): shifts of the centre in sides of the anchor, logarithms of the ratios of the sides. Finite
        for boxes without area too, which are padding.

    Source: Girshick et al. (2014), R-CNN, arXiv:1311.2524, appendix C, eqs. 6 to 9.

    >>> encode(torch.tensor([0., 0, 8, 8]), torch.tensor([0., 0, 4, 8]))
    tensor([0.5000, 0.0000, 0.6931, 0.0000])
    """
    target, anchor = to_cxcywh(boxes), to_cxcywh(anchors)
    sides = anchor[..., 2:].clamp(min=_LEAST_SIDE)
    shift = (target[..., :2] - anchor[..., :2]) / sides
    scale = (target[..., 2:].clamp(min=_LEAST_SIDE) / sides).log()
    return torch.cat((shift, scale), -1) * shift.new_tensor(weights)


def decode(deltas: Tensor, anchors: Tensor, *, weights: Weights = PLAIN) -> Tensor:
    """Return the boxes that regressed numbers mean: the inverse of `encode`.

    Args:
        deltas: (..., 4) as `encode` gives them; for a box of each class (..., C, 4) with anchors (..., 1, 4).
        anchors: (..., 4) xyxy.
        weights: as for `encode`.

    Returns:
        (..., 4) xyxy; the sides are at most 62.5 times the anchor's.

    Source: Girshick et al. (2014), R-CNN, arXiv:1311.2524, appendix C, eqs. 1 to 4.

    >>> decode(torch.tensor([0.5, 0, math.log(2), 0]), torch.tensor([0., 0, 4, 8]))
    tensor([0., 0., 8., 8.])
    """
    anchor = to_cxcywh(anchors)
    deltas = deltas / deltas.new_tensor(weights)
    centre = anchor[..., :2] + deltas[..., :2] * anchor[..., 2:]
    sides = anchor[..., 2:] * deltas[..., 2:].clamp(max=_LARGEST_LOG).exp()
    return from_cxcywh(torch.cat((centre, sides), -1))


def encode_cell(boxes: Tensor, points: Tensor, *, shapes: Tensor, stride: float | Tensor) -> Tensor:
    """Return where in a cell the centre of a box lies, and the logarithms of its sides in those of an anchor.

    Args:
        boxes: (..., 4) xyxy.
        points: (..., 2) centres of the cells.
        shapes: (..., 2) width, height of the anchors.
        stride: side of the cells; a tensor has to fit (..., 2).

    Returns:
        (..., 4): x and y from the cell's left and top in [0, 1] if the centre is inside: what the sigmoid of
        the regressed numbers has to be; then log width and height.

    Source: Redmon and Farhadi (2016), YOLO9000, arXiv:1612.08242, section 2; 2018, YOLOv3, arXiv:1804.02767.

    >>> box, point, shape = torch.tensor([0., 0, 8, 8]), torch.tensor([4., 4]), torch.tensor([8., 4])
    >>> encode_cell(box, point, shapes=shape, stride=8)
    tensor([0.5000, 0.5000, 0.0000, 0.6931])
    """
    target = to_cxcywh(boxes)
    place = (target[..., :2] - points) / stride + 0.5
    scale = (target[..., 2:].clamp(min=_LEAST_SIDE) / shapes).log()
    return torch.cat((place, scale), -1)


def decode_cell(regressed: Tensor, points: Tensor, *, shapes: Tensor, stride: float | Tensor) -> Tensor:
    """Return the boxes that the regressed numbers of cells mean.

    Args:
        regressed: (..., 4) tx, ty, tw, th: the centre is the sigmoid of the first two inside the cell, so
            that a cell answers for itself only.
        points: (..., 2) centres of the cells.
        shapes: (..., 2) width, height of the anchors.
        stride: side of the cells; a tensor has to fit (..., 2).

    Returns:
        (..., 4) xyxy; the sides are at most 62.5 times the anchor's.

    Source: Redmon and Farhadi (2016), YOLO9000, arXiv:1612.08242, section 2; 2018, YOLOv3, arXiv:1804.02767.

    >>> decode_cell(torch.zeros(4), torch.tensor([4., 4]), shapes=torch.tensor([8., 4]), stride=8)
    tensor([0., 2., 8., 6.])
    """
    centre = points + (regressed[..., :2].sigmoid() - 0.5) * stride
    sides = shapes * regressed[..., 2:].clamp(max=_LARGEST_LOG).exp()
    return from_cxcywh(torch.cat((centre, sides), -1))
