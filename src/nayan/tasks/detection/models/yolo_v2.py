"""YOLOv2: anchors whose shapes come from the data, a convolutional head, finer detail passed through.

Paper: Redmon and Farhadi, "YOLO9000: better, faster, stronger", 2016, arXiv:1612.08242.

A cell no longer guesses sizes from nothing: k-means finds the usual shapes of the boxes, and the network
corrects them. The centre is bound to its cell ("direct location prediction"). Every anchor has classes of its
own.

    pixels (B, C, H, W)
      backbone  Normalise, convolutions               c4 (B, D4, H/16, W/16), c5 (B, D5, H/32, W/32)
      neck      c5: two 3x3 convolutions ─────────────┐
                c4: 1x1, space to depth (passthrough) ┴ concatenate, 3x3 convolution    (B, D, h, w)
      head      1x1 convolution                       (B, A * (5 + K), h, w)
                  centre   cell + sigmoid(tx, ty)     size   anchor * exp(tw, th)
                  scores   sigmoid(objectness) * softmax over classes                   (B, h * w * A, K)

What differs from the paper, and why:
- `backbone="tiny"` is a small network, so that a CPU trains it; "darknet19" is the paper's.
- The objectness learns the IoU of the box as in the paper, but by cross-entropy, and so do class and centre.
  Squares of sigmoids hardly move from the start at 0.01.
- Anchors that overlap an object by more than 0.6 without being its own learn nothing; the paper does not say
  what they do.
- The sums are divided by the number of objects.

Reference numbers: docs/models/yolo_v2.md.
"""

# B pictures, (h, w) cells, A anchors a cell, N = h * w * A candidates, K classes, M objects

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nayan.core.types import Size
from nayan.parts.assignment import Assignment
from nayan.parts.box_coder import encode_cell
from nayan.parts.boxes import iou_matrix
from nayan.parts.darknet import DARKNET19, TINY, ConvLeaky, plain_darknet, scaled
from nayan.parts.grid import (
    AnchorCells,
    assign_to_cells,
    check_anchors,
    check_multiple,
    divergence,
    excuse,
    iou_of_shapes,
    read_cells,
    start_with_prior,
)
from nayan.parts.normalise import Normalise
from nayan.parts.pyramid import build_pyramid
from nayan.tasks.detection.network import Targets

STRIDES = (16, 32)
PASSED = 64  # channels of the finer map before space to depth makes four times as many of them
EXCUSED = 0.6  # IoU
BOX, OBJECTNESS, NO_OBJECT, CLASS = 1.0, 5.0, 1.0, 1.0

COCO_ANCHORS: Sequence[Sequence[float]] = (
    (0.0441, 0.0521),
    (0.1442, 0.1587),
    (0.2568, 0.4211),
    (0.6064, 0.2714),
    (0.7516, 0.7053),
)
"""Of the published network for COCO, as fractions of its 13 cells."""


class Neck(nn.Module):
    """Join the coarse map with the finer one, whose 2x2 neighbours become channels.

    Args:
        fine: channels at stride 16.
        coarse: channels at stride 32.
        channels: of the result.
        passed: of the finer map, before its neighbours are put side by side.
    """

    def __init__(self, fine: int, coarse: int, *, channels: int, passed: int) -> None:
        super().__init__()
        self.coarse = nn.Sequential(ConvLeaky(coarse, channels), ConvLeaky(channels, channels))
        self.fine = ConvLeaky(fine, passed, kernel=1)
        self.join = ConvLeaky(channels + 4 * passed, channels)

    def forward(self, maps: list[Tensor]) -> Tensor:
        """Return (B, channels, h, w) of maps at strides 16 and 32."""
        fine, coarse = maps
        passed = F.pixel_unshuffle(self.fine(fine), 2)  # (B, passed, 2h, 2w) -> (B, 4 * passed, h, w)
        y: Tensor = self.join(torch.cat((passed, self.coarse(coarse)), dim=1))
        return y


class Head(nn.Module):
    """One 1x1 convolution: every anchor of every cell has its own box, objectness and classes.

    Args:
        inputs: channels of the map.
        anchors: (width, height) of each as fractions of the input's.
        classes: K.
    """

    anchors: Tensor

    def __init__(self, inputs: int, *, anchors: Sequence[Sequence[float]], classes: int) -> None:
        super().__init__()
        self.register_buffer("anchors", torch.tensor(anchors, dtype=torch.float32))  # (A, 2)
        self.out = nn.Conv2d(inputs, len(anchors) * (5 + classes), 1)
        start_with_prior(self.out, anchors=len(anchors), classes=classes)

    def forward(self, x: Tensor) -> AnchorCells:
        """Return what is said about the anchors of a (B, inputs, h, w) map."""
        return read_cells(self.out(x), shapes=self.anchors, stride=STRIDES[-1])


class YoloV2(nn.Module):
    """The detector; see the head of this file.

    Args:
        backbone: gives maps at `STRIDES`.
        neck: joins them.
        head: gives `AnchorCells`.
        normalise: the first layer.
    """

    def __init__(self, backbone: nn.Module, *, neck: Neck, head: Head, normalise: Normalise) -> None:
        super().__init__()
        self.normalise = normalise
        self.backbone = backbone
        self.neck = neck
        self.head = head

    def forward(self, images: Tensor, targets: Targets | None = None) -> AnchorCells:  # noqa: ARG002
        """Return what is said about the anchors of (B, C, H, W) pixels; `targets` are not needed."""
        maps: list[Tensor] = self.backbone(self.normalise(images))
        raw: AnchorCells = self.head(self.neck(maps))
        return raw

    def stages(self) -> list[tuple[str, nn.Module]]:
        """Return the named steps whose chain is `forward`; the last one is ("head", ...)."""
        sees = nn.Sequential(self.normalise, self.backbone)
        return [("backbone", sees), ("neck", self.neck), ("head", self.head)]

    def assign(self, raw: AnchorCells, targets: Targets) -> Assignment:
        """Return which object each of (B, N) anchors learns; the weight is the IoU of its box."""
        assignment = assign_to_cells(
            iou_of_shapes(raw.shapes, targets.boxes),
            raw.points,
            strides=raw.strides,
            targets=targets.boxes,
            valid=targets.valid,
        )
        return excuse(assignment, iou_matrix(raw.boxes().detach(), targets.boxes), above=EXCUSED)

    def losses(self, raw: AnchorCells, targets: Targets) -> dict[str, Tensor]:
        """Return {"box", "objectness", "class"}, each over the number of objects (at least of pictures)."""
        assignment = self.assign(raw, targets)
        total = assignment.positive.sum().clamp(min=len(raw.objectness))
        picture, row = assignment.positive.nonzero(as_tuple=True)  # (P,)
        item = assignment.matched[picture, row]
        wanted = encode_cell(
            targets.boxes[picture, item], raw.points[row], shapes=raw.shapes[row], stride=raw.strides[row]
        )
        given = raw.regressed[picture, row].float()
        place = divergence(given[:, :2], wanted[:, :2].clamp(0, 1)).sum()
        sides = (given[:, 2:] - wanted[:, 2:]).square().sum() / 2
        objectness = divergence(raw.objectness.float(), assignment.weight)
        weights = OBJECTNESS * assignment.positive + NO_OBJECT * assignment.negative
        kind = F.cross_entropy(
            raw.logits[picture, row].float(), targets.labels[picture, item], reduction="sum"
        )
        return {
            "box": BOX * (place + sides) / total,
            "objectness": (weights * objectness).sum() / total,
            "class": CLASS * kind / total,
        }

    def deploy(self, raw: AnchorCells) -> dict[str, Tensor]:
        """Return {"boxes": (B, N, 4) in pixels of the input, "scores": (B, N, K)}."""
        scores = raw.objectness.float().sigmoid()[..., None] * raw.logits.float().softmax(dim=-1)
        return {"boxes": raw.boxes(), "scores": scores}


def yolo_v2(
    classes: Sequence[str],
    *,
    backbone: str = "tiny",
    width: float = 1.0,
    anchors: Sequence[Sequence[float]] | None = None,
    channels: int = 3,
    size: Size = (320, 320),
    mean: Sequence[float],
    std: Sequence[float],
    dropout: float = 0.0,  # noqa: ARG001  every builder takes it; this detector has no dense layer
) -> YoloV2:
    """Build YOLOv2 with fresh weights.

    Args:
        classes: names.
        backbone: "tiny", "darknet19", or the name of a timm network with maps of strides 16 and 32.
        width: factor on the channels of our own backbones.
        anchors: (width, height) of each as fractions of the input's sides, best found by
            `anchors.kmeans_anchors` in the training boxes; None for those of COCO.
        channels: of the pictures.
        size: (height, width) of the input, multiples of 32.
        mean: of each channel, in [0, 1].
        std: of each channel.
        dropout: not used.

    Raises:
        NotFound: for an unknown backbone.
        ConfigError: for a size that 32 does not divide, or anchors without area.

    >>> network = yolo_v2(["cat", "dog"], size=(64, 96), mean=(0.5,), std=(0.5,))
    >>> network(torch.zeros(1, 3, 64, 96)).logits.shape
    torch.Size([1, 30, 2])
    """
    check_multiple(size, STRIDES[-1], name="yolo_v2")
    shapes = COCO_ANCHORS if anchors is None else anchors
    check_anchors(shapes)
    tables = {"tiny": TINY, "darknet19": DARKNET19}
    sees: nn.Module
    if backbone in tables:
        sees = plain_darknet(tables[backbone], strides=STRIDES, channels=channels, width=width)
    else:
        sees = build_pyramid(backbone, channels=channels, size=size, strides=STRIDES)
    fine, coarse = sees.channels
    inner = scaled(1024, width) if backbone == "darknet19" else min(256, coarse)
    neck = Neck(fine, coarse, channels=inner, passed=min(PASSED, inner // 4))
    head = Head(inner, anchors=shapes, classes=len(classes))
    normalise = Normalise.for_channels(mean, std, channels=channels)
    return YoloV2(sees, neck=neck, head=head, normalise=normalise)
