"""YOLO: detection as one regression, from the whole picture to a grid of answers.

Paper: Redmon, Divvala, Girshick, Farhadi, "You only look once: unified, real-time object detection", 2015,
arXiv:1506.02640.

No proposals and no second look: the picture is a grid, and the cell in which an object's centre lies has to
say where it is and what it is. Dense layers let every cell see the whole picture.

    pixels (B, C, H, W)
      backbone  Normalise, convolutions          (B, D, h, w)              one cell of 32 or 64 px
      neck      1x1 convolution                  (B, 64, h, w)
      head      flatten, dense, dense            (B, h * w * (5 A + K))
                  A boxes a cell: x, y in the cell, sqrt(width), sqrt(height) of the picture, confidence
                  one distribution over K classes a cell
      scores    p(class | object) * confidence   (B, h * w * A, K)

What differs from the paper, and why:
- `backbone="tiny"` is a small network of stride 32 with 1x1 reduction and 512 hidden values, so that a CPU
  trains it; "paper" has the 24 convolutions and 4096 values. Both have batch normalisation.
- The grid is the backbone's map, whatever the size of the picture: 7x7 for 224 px (tiny) or 448 px (paper).
- Errors above 1 count linearly (Huber): outputs are plain numbers, and a sum of squares over the few pictures
  of a small batch now and then throws the network far away. Up to 1 it is the square, and the right answers
  lie in [0, 1].
- A cell may answer for as many objects as it has boxes, not for one only; they share its classes.
- The sums are divided by the number of objects, so that rates do not depend on the batch.

Reference numbers: docs/models/yolo_v1.md.
"""

# B pictures, (h, w) cells, A boxes a cell, N = h * w * A candidates, K classes, M objects

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
from nayan.parts.assignment import Assignment
from nayan.parts.boxes import from_cxcywh, iou_matrix, to_cxcywh
from nayan.parts.darknet import PAPER_V1, SLOPE, TINY, ConvLeaky, plain_darknet
from nayan.parts.grid import PRIOR, assign_to_cells, check_multiple
from nayan.parts.normalise import Normalise
from nayan.parts.pyramid import build_pyramid
from nayan.tasks.detection.network import Targets

COORD, NO_OBJECT = 5.0, 0.5  # the two lambdas of eq. 3
NECK = 64  # channels in front of the dense layers


@dataclass(slots=True, eq=False)
class YoloV1Raw:
    """What the cells say, as plain numbers.

    Attributes:
        answers: (B, h * w, A, 5) x and y in the cell, root of width and height in the picture, confidence.
        classes: (B, h * w, K) chances that an object of the cell is of each class.
        points: (h * w, 2) centres of the cells in pixels of the input.
        size: (2,) width and height of the input.
        stride: (1,) side of a cell in pixels of the input.
    """

    answers: Tensor
    classes: Tensor
    points: Tensor
    size: Tensor
    stride: Tensor

    def boxes(self) -> Tensor:
        """Return (B, N, 4) xyxy in pixels of the input."""
        answers = self.answers.float()
        centre = self.points[:, None] + (answers[..., :2] - 0.5) * self.stride
        sides = answers[..., 2:4].clamp(min=0).square() * self.size
        return from_cxcywh(torch.cat((centre, sides), -1)).flatten(1, 2)


class Neck(nn.Module):
    """Fewer channels for the dense layers; the paper has none."""

    def __init__(self, channels: int, outputs: int | None) -> None:
        super().__init__()
        self.reduce = nn.Identity() if outputs is None else ConvLeaky(channels, outputs, kernel=1)

    def forward(self, maps: list[Tensor]) -> Tensor:
        """Return (B, outputs, h, w) of the coarsest map."""
        y: Tensor = self.reduce(maps[-1])
        return y


class Head(nn.Module):
    """Two dense layers from the whole map to the answers of every cell.

    Args:
        inputs: channels of the map.
        grid: (h, w) of it.
        stride: side of a cell in pixels of the input.
        boxes: A.
        classes: K.
        hidden: values between the layers.
        dropout: there.
    """

    def __init__(
        self,
        inputs: int,
        *,
        grid: Size,
        stride: int,
        boxes: int,
        classes: int,
        hidden: int,
        dropout: float,
    ) -> None:
        super().__init__()
        self.grid, self.stride, self.boxes, self.classes = grid, stride, boxes, classes
        cells = grid[0] * grid[1]
        self.hidden = nn.Linear(cells * inputs, hidden)
        self.dropout = nn.Dropout(dropout)
        self.out = nn.Linear(hidden, cells * (5 * boxes + classes))
        self._start()

    def _start(self) -> None:
        """Begin with boxes of growing sizes in the middle of the cells, and with few objects."""
        nn.init.normal_(self.out.weight, std=0.01 / math.sqrt(self.out.in_features / 512))
        roots = torch.linspace(0.3, 0.7, self.boxes)  # of boxes of 9 to 49 % of the picture's sides
        cell = [answer for root in roots.tolist() for answer in (0.5, 0.5, root, root, PRIOR)]
        cell += [1 / self.classes] * self.classes
        with torch.no_grad():
            self.out.bias.copy_(torch.tensor(cell).repeat(self.grid[0] * self.grid[1]))

    def forward(self, x: Tensor) -> YoloV1Raw:
        """Return the answers of the cells of a (B, inputs, h, w) map."""
        hidden = F.leaky_relu(self.hidden(x.flatten(1)), SLOPE)
        height, width = self.grid
        cells = self.out(self.dropout(hidden)).unflatten(1, (height * width, -1))  # (B, h*w, 5A + K)
        points = grid_points(self.grid, self.stride).to(x.device)
        return YoloV1Raw(
            cells[..., : 5 * self.boxes].unflatten(2, (self.boxes, 5)),
            cells[..., 5 * self.boxes :],
            points,
            points.new_tensor([width * self.stride, height * self.stride]),
            points.new_tensor([self.stride]),
        )


class YoloV1(nn.Module):
    """The detector; see the head of this file.

    Args:
        backbone: gives one map.
        neck: from it to what the head takes.
        head: gives `YoloV1Raw`.
        normalise: the first layer.
    """

    def __init__(self, backbone: nn.Module, *, neck: Neck, head: Head, normalise: Normalise) -> None:
        super().__init__()
        self.normalise = normalise
        self.backbone = backbone
        self.neck = neck
        self.head = head

    def forward(self, images: Tensor, targets: Targets | None = None) -> YoloV1Raw:  # noqa: ARG002
        """Return what the cells of (B, C, H, W) pixels say; `targets` are not needed."""
        maps: list[Tensor] = self.backbone(self.normalise(images))
        raw: YoloV1Raw = self.head(self.neck(maps))
        return raw

    def stages(self) -> list[tuple[str, nn.Module]]:
        """Return the named steps whose chain is `forward`; the last one is ("head", ...)."""
        sees = nn.Sequential(self.normalise, self.backbone)
        return [("backbone", sees), ("neck", self.neck), ("head", self.head)]

    def assign(self, raw: YoloV1Raw, targets: Targets) -> Assignment:
        """Return which object each of (B, N) boxes is responsible for; the weight is their IoU."""
        overlap = iou_matrix(raw.boxes().detach(), targets.boxes)  # (B, N, M)
        count = raw.answers.shape[2]
        points = raw.points.repeat_interleave(count, dim=0)  # (h*w, 2) -> (N, 2)
        return assign_to_cells(
            overlap,
            points,
            strides=raw.stride.expand(len(points), 1),
            targets=targets.boxes,
            valid=targets.valid,
        )

    def losses(self, raw: YoloV1Raw, targets: Targets) -> dict[str, Tensor]:
        """Return {"box", "objectness", "class"}, eq. 3 over the number of objects (at least of pictures)."""
        assignment = self.assign(raw, targets)
        answers = raw.answers.float().flatten(1, 2)  # (B, N, 5)
        total = assignment.positive.sum().clamp(min=len(answers))
        picture, row = assignment.positive.nonzero(as_tuple=True)  # (P,)
        item = assignment.matched[picture, row]
        box, cell = to_cxcywh(targets.boxes[picture, item]), row // raw.answers.shape[2]
        place = (box[:, :2] - raw.points[cell]) / raw.stride + 0.5
        wanted = torch.cat((place, (box[:, 2:] / raw.size).clamp(min=0).sqrt()), 1)
        confidence = answers[..., 4]
        weights = torch.where(assignment.positive, 1.0, NO_OBJECT)
        objectness = weights * _squared(confidence, assignment.weight)
        kind = F.one_hot(targets.labels[picture, item], raw.classes.shape[2]).float()
        return {
            "box": COORD * _squared(answers[picture, row, :4], wanted).sum() / total,
            "objectness": objectness.sum() / total,
            "class": _squared(raw.classes.float()[picture, cell], kind).sum() / total,
        }

    def deploy(self, raw: YoloV1Raw) -> dict[str, Tensor]:
        """Return {"boxes": (B, N, 4) in pixels of the input, "scores": (B, N, K)} (eq. 1)."""
        confidence = raw.answers.float()[..., 4].clamp(0, 1)  # (B, h*w, A)
        scores = confidence[..., None] * raw.classes.float().clamp(0, 1)[:, :, None]  # (B, h*w, A, K)
        return {"boxes": raw.boxes(), "scores": scores.flatten(1, 2)}


def _squared(given: Tensor, wanted: Tensor) -> Tensor:
    """Return the squared errors, those above 1 growing linearly."""
    return 2 * F.huber_loss(given, wanted, reduction="none", delta=1.0)


def yolo_v1(
    classes: Sequence[str],
    *,
    backbone: str = "tiny",
    width: float = 1.0,
    boxes: int = 2,
    channels: int = 3,
    size: Size = (224, 224),
    mean: Sequence[float],
    std: Sequence[float],
    dropout: float = 0.0,
) -> YoloV1:
    """Build the first YOLO with fresh weights.

    Args:
        classes: names.
        backbone: "tiny", "paper", or the name of a timm network with a map of stride 32.
        width: factor on the channels of our own backbones.
        boxes: A, how many each cell predicts.
        channels: of the pictures.
        size: (height, width) of the input, multiples of 32 (of 64 for "paper"); fixed, since dense layers
            know each cell by its place.
        mean: of each channel, in [0, 1].
        std: of each channel.
        dropout: between the dense layers; the paper has 0.5.

    Raises:
        NotFound: for an unknown backbone.
        ConfigError: for a size that the stride does not divide, or no box.

    >>> network = yolo_v1(["cat"], size=(64, 96), mean=(0.5,), std=(0.5,))
    >>> network(torch.zeros(1, 3, 64, 96)).answers.shape
    torch.Size([1, 6, 2, 5])
    """
    if boxes < 1:
        raise ConfigError(f"each cell predicts at least 1 box, got boxes={boxes}")
    stride = 64 if backbone == "paper" else 32
    check_multiple(size, stride, name="yolo_v1")
    tables = {"tiny": TINY, "paper": PAPER_V1}
    sees: nn.Module
    if backbone in tables:
        sees = plain_darknet(tables[backbone], strides=(stride,), channels=channels, width=width)
    else:
        sees = build_pyramid(backbone, channels=channels, size=size, strides=(stride,))
    found: int = sees.channels[-1]
    reduced = None if backbone == "paper" else NECK
    head = Head(
        reduced or found,
        grid=(size[0] // stride, size[1] // stride),
        stride=stride,
        boxes=boxes,
        classes=len(classes),
        hidden=4096 if backbone == "paper" else 512,
        dropout=dropout,
    )
    normalise = Normalise.for_channels(mean, std, channels=channels)
    return YoloV1(sees, neck=Neck(found, reduced), head=head, normalise=normalise)
