"""A picture as a grid of cells: the cell that an object's centre falls into has to find the object.

Papers: Redmon et al. (2015), You Only Look Once, arXiv:1506.02640, section 2; Redmon and Farhadi (2016),
YOLO9000, arXiv:1612.08242, section 2; 2018, YOLOv3, arXiv:1804.02767, section 2.1.

A cell has several candidates: boxes (YOLO) or anchors (v2, v3). Candidates are listed level by level, cell by
cell, row by row, those of a cell beside each other.
"""

# B pictures, N candidates, A of them a cell, M objects (padded), C classes, (h, w) map size

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nayan.core.errors import ConfigError
from nayan.core.types import Size
from nayan.parts.anchors import grid_points
from nayan.parts.assignment import BACKGROUND, IGNORED, Assignment
from nayan.parts.box_coder import decode_cell
from nayan.parts.boxes import to_cxcywh

PRIOR = (
    0.01  # chance of an object before anything is learnt: Lin et al. (2017), arXiv:1708.02002, section 4.1
)


@dataclass(slots=True, eq=False)  # not frozen: Fabric casts the fields of what a network returns
class AnchorCells:
    """What a head says about the anchors of every cell.

    Attributes:
        regressed: (B, N, 4) tx, ty, tw, th; see `box_coder.decode_cell`.
        objectness: (B, N) logits.
        logits: (B, N, C) of the classes.
        points: (N, 2) centres x, y of the cells in pixels of the input.
        shapes: (N, 2) width, height of the anchors in pixels of the input.
        strides: (N, 1) side of the cells in pixels of the input.
    """

    regressed: Tensor
    objectness: Tensor
    logits: Tensor
    points: Tensor
    shapes: Tensor
    strides: Tensor

    def boxes(self) -> Tensor:
        """Return (B, N, 4) xyxy in pixels of the input."""
        return decode_cell(self.regressed.float(), self.points, shapes=self.shapes, stride=self.strides)


def read_cells(outputs: Tensor, *, shapes: Tensor, stride: int) -> AnchorCells:
    """Return what a map of one level says.

    Args:
        outputs: (B, A * (5 + C), h, w): for each anchor tx, ty, tw, th, objectness and the classes.
        shapes: (A, 2) width, height of the anchors as fractions of the input's.
        stride: side of a cell in pixels of the input.

    >>> shapes = torch.tensor([[0.1, 0.2], [0.5, 0.5]])
    >>> cells = read_cells(torch.zeros(1, 2 * 7, 3, 4), shapes=shapes, stride=32)
    >>> cells.logits.shape, cells.shapes[1]
    (torch.Size([1, 24, 2]), tensor([64., 48.]))
    """
    batch, height, width = outputs.shape[0], outputs.shape[2], outputs.shape[3]
    each = outputs.permute(0, 2, 3, 1).reshape(batch, height * width * len(shapes), -1)  # (B, N, 5 + C)
    points = grid_points((height, width), stride).to(outputs.device)  # (h*w, 2)
    sides = shapes * shapes.new_tensor([width * stride, height * stride])
    return AnchorCells(
        regressed=each[..., :4],
        objectness=each[..., 4],
        logits=each[..., 5:],
        points=points.repeat_interleave(len(shapes), dim=0),
        shapes=sides.repeat(height * width, 1),
        strides=torch.full((height * width * len(shapes), 1), float(stride), device=outputs.device),
    )


def join_cells(levels: Sequence[AnchorCells]) -> AnchorCells:
    """Return the candidates of several levels as one list."""
    return AnchorCells(
        torch.cat([level.regressed for level in levels], dim=1),
        torch.cat([level.objectness for level in levels], dim=1),
        torch.cat([level.logits for level in levels], dim=1),
        torch.cat([level.points for level in levels]),
        torch.cat([level.shapes for level in levels]),
        torch.cat([level.strides for level in levels]),
    )


def start_with_prior(layer: nn.Conv2d, *, anchors: int, classes: int) -> None:
    """Let a head begin with the anchors as they are, each an object with the chance `PRIOR`."""
    nn.init.normal_(layer.weight, std=0.01)
    if layer.bias is None:
        raise ValueError("a head's last layer needs a bias")
    with torch.no_grad():
        bias = layer.bias.reshape(anchors, 5 + classes)
        bias.zero_()
        bias[:, 4] = -math.log((1 - PRIOR) / PRIOR)


@torch.no_grad()
def assign_to_cells(
    quality: Tensor, points: Tensor, *, strides: Tensor, targets: Tensor, valid: Tensor
) -> Assignment:
    """Give each object to the best candidate of the cell (of each level) that its centre falls into.

    Where several objects want the same candidate, the first of the picture gets it and the others nothing:
    two objects of one shape in one cell is what these detectors cannot tell apart.

    Args:
        quality: (B, N, M) in [0, 1], how good each candidate is for each object.
        points: (N, 2) centres of the candidates' cells.
        strides: (N, 1) sides of the cells.
        targets: (B, M, 4) xyxy objects; M may be 0.
        valid: (B, M) bool, where there is an object.

    Returns:
        `matched` (B, N), and as `weight` the quality for the matched object. An object whose centre lies
        outside of the picture is nobody's.

    >>> points = torch.tensor([[4., 4], [12., 4]])
    >>> one = torch.tensor([[[9., 0, 13, 4]]])
    >>> assign_to_cells(torch.ones(1, 2, 1), points, strides=torch.full((2, 1), 8.), targets=one,
    ...     valid=torch.tensor([[True]])).matched
    tensor([[-1,  0]])
    """
    batch, count, objects = quality.shape
    if objects == 0:
        nothing = torch.full((batch, count), BACKGROUND, device=quality.device)
        return Assignment(nothing, quality.new_zeros(batch, count))
    apart = to_cxcywh(targets)[:, None, :, :2] - points[:, None]  # (B, N, M, 2)
    half = strides[:, None] / 2  # (N, 1, 1)
    owns = ((apart >= -half) & (apart < half)).all(-1) & valid[:, None]  # (B, N, M)
    best, chosen = torch.where(owns, quality, -1.0).max(1)  # (B, M)
    chosen = chosen.masked_fill(best < 0, count)  # one place more, for those that nobody has
    number = torch.arange(objects, device=quality.device).expand(batch, -1)
    first = torch.full((batch, count + 1), objects, device=quality.device)
    first = first.scatter_reduce(1, chosen, number, "amin")[:, :count]
    taken = first < objects
    weight = quality.gather(2, first.clamp(max=objects - 1)[..., None])[..., 0]  # (B, N)
    return Assignment(first.masked_fill(~taken, BACKGROUND), weight * taken)


def iou_of_shapes(shapes: Tensor, targets: Tensor) -> Tensor:
    """Return the IoU of anchors and objects as if they had the same centre: (N, 2), (B, M, 4) -> (B, N, M).

    >>> iou_of_shapes(torch.tensor([[2., 2.]]), torch.tensor([[[10., 10, 14, 12]]]))
    tensor([[[0.5000]]])
    """
    sides = (targets[..., 2:] - targets[..., :2])[:, None]  # (B, 1, M, 2)
    shared = torch.minimum(shapes[:, None], sides).prod(-1)
    return shared / (shapes.prod(-1)[:, None] + sides.prod(-1) - shared).clamp(min=1e-9)


@torch.no_grad()
def excuse(assignment: Assignment, overlap: Tensor, *, above: float) -> Assignment:
    """Let candidates that overlap an object well, but are not its own, learn nothing.

    Args:
        assignment: of (B, N) candidates.
        overlap: (B, N, M) IoU of the predicted boxes with the objects; 0 for padding.
        above: the IoU.

    Returns:
        The assignment with more candidates ignored, and as `weight` the IoU with the matched object.
    """
    if overlap.shape[2] == 0:
        return assignment
    ignored = assignment.negative & (overlap.amax(2) > above)
    own = overlap.gather(2, assignment.matched.clamp(min=0)[..., None])[..., 0]
    return Assignment(assignment.matched.masked_fill(ignored, IGNORED), own * assignment.positive)


def divergence(logits: Tensor, wanted: Tensor) -> Tensor:
    """Return the cross-entropy of soft targets less their own entropy, so that what is right costs nothing.

    Args:
        logits: (...).
        wanted: (...) in [0, 1], what their sigmoid has to be.

    >>> divergence(torch.zeros(2), torch.tensor([0.5, 1.0]))
    tensor([0.0000, 0.6931])
    """
    entropy: Tensor = torch.special.entr(wanted) + torch.special.entr(1 - wanted)
    return F.binary_cross_entropy_with_logits(logits, wanted, reduction="none") - entropy


def check_multiple(size: Size, stride: int, *, name: str) -> None:
    """Raise ConfigError unless both sides of a network's input are multiples of its coarsest stride."""
    if any(side % stride or side < stride for side in size):
        nearest = max(1, round(min(size) / stride)) * stride
        raise ConfigError(
            f"the input of {name} is a multiple of {stride} px, got {size[0]}x{size[1]}",
            hint=f"try --imgsz {nearest}",
        )


def check_anchors(shapes: Sequence[Sequence[float]]) -> None:
    """Raise ConfigError unless there are anchors, each (width, height) in fractions of the input."""
    for shape in shapes:
        if len(shape) != 2 or min(shape) <= 0 or not all(math.isfinite(side) for side in shape):
            raise ConfigError(f"an anchor is (width, height) as fractions of the input, got {tuple(shape)}")
    if not shapes:
        raise ConfigError("a cell needs at least one anchor")
