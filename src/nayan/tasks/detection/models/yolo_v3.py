"""YOLOv3: three scales, the coarse ones telling the fine ones what they have seen.

Paper: Redmon and Farhadi, "YOLOv3: an incremental improvement", 2018, arXiv:1804.02767.

Small objects are found on fine maps, large ones on coarse maps; the coarse map is enlarged and put beside the
finer one on its way. The backbone is residual. Classes are yes/no questions, so that one object may be
several things; the objectness learns 1 whatever the IoU.

    pixels (B, C, H, W)
      backbone  Normalise, residual stages         c3, c4, c5 at strides 8, 16, 32
      neck      c5 ── convolutions ───────────────────────────────────────── p5 (B, D5, H/32, W/32)
                         └ 1x1, enlarge ─ beside c4 ── convolutions ──────── p4 (B, D4, H/16, W/16)
                                                └ 1x1, enlarge ─ beside c3 ─ p3 (B, D3, H/8, W/8)
      head      per scale: 3x3 and 1x1 convolution (B, 3 * (5 + K), h, w), 3 anchors a cell
                  scores   sigmoid(objectness) * sigmoid(class)              (B, N, K)

What differs from the paper, and why:
- `backbone="tiny"` is Darknet-53 with a quarter of its channels and one block a stage, and a neck of three
  convolutions a scale instead of five, so that a CPU trains it; "darknet53" is the paper's.
- Centres learn by cross-entropy: its gradient is the difference of the sigmoids, which is the one that the
  paper's text and code use.
- The sums are divided by the number of objects.

Reference numbers: docs/models/yolo_v3.md.
"""

# B pictures, (h, w) cells, N candidates of all scales, K classes, M objects, L = 3 scales

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nayan.core.errors import ConfigError
from nayan.core.types import Size
from nayan.parts.assignment import Assignment
from nayan.parts.box_coder import encode_cell
from nayan.parts.boxes import iou_matrix
from nayan.parts.darknet import DARKNET53_BLOCKS, ConvLeaky, residual_darknet
from nayan.parts.grid import (
    AnchorCells,
    assign_to_cells,
    check_anchors,
    check_multiple,
    divergence,
    excuse,
    iou_of_shapes,
    join_cells,
    read_cells,
    start_with_prior,
)
from nayan.parts.normalise import Normalise
from nayan.parts.pyramid import build_pyramid
from nayan.tasks.detection.network import Targets

STRIDES = (8, 16, 32)
ANCHORS = 3  # of each scale
EXCUSED = 0.5  # IoU: section 2.1
WIDEST = 256  # channels of a neck on a backbone that is not ours
TINY_BLOCKS, TINY_WIDTH = (1, 1, 1, 1, 1), 0.25

COCO_ANCHORS: Sequence[Sequence[float]] = tuple(
    (width / 416, height / 416)
    for width, height in (
        (10, 13),
        (16, 30),
        (33, 23),
        (30, 61),
        (62, 45),
        (59, 119),
        (116, 90),
        (156, 198),
        (373, 326),
    )
)
"""Section 2.3: nine clusters of COCO's boxes, in pixels of pictures of 416 px."""


class Neck(nn.Module):
    """From coarse to fine: each scale sees its own map and what the coarser ones made of theirs.

    Args:
        inputs: channels at `STRIDES`.
        channels: of the results, each twice what the convolutions between them have.
        depth: convolutions a scale, odd.
    """

    def __init__(self, inputs: Sequence[int], channels: Sequence[int], *, depth: int) -> None:
        super().__init__()
        blocks, ups = [], []
        coming = 0
        for index in reversed(range(len(inputs))):
            middle = channels[index] // 2
            layers: list[nn.Module] = [ConvLeaky(inputs[index] + coming, middle, kernel=1)]
            for _ in range(depth // 2):
                layers += [ConvLeaky(middle, 2 * middle), ConvLeaky(2 * middle, middle, kernel=1)]
            blocks.append(nn.Sequential(*layers))
            if index:
                coming = middle // 2
                ups.append(ConvLeaky(middle, coming, kernel=1))
        self.blocks = nn.ModuleList(blocks)  # the coarsest first
        self.ups = nn.ModuleList(ups)

    def forward(self, maps: list[Tensor]) -> list[Tensor]:
        """Return maps (B, channels / 2, h, w), fine to coarse, of the backbone's."""
        found = [self.blocks[0](maps[-1])]
        for block, up, finer in zip(self.blocks[1:], self.ups, maps[-2::-1], strict=True):
            enlarged = F.interpolate(up(found[-1]), scale_factor=2.0, mode="nearest")
            found.append(block(torch.cat((enlarged, finer), dim=1)))
        return found[::-1]


class Head(nn.Module):
    """A 3x3 and a 1x1 convolution for each scale.

    Args:
        channels: of the 3x3 convolutions; the maps have half as many.
        anchors: (L, 3, 2) width, height as fractions of the input's, fine to coarse.
        classes: K.
    """

    anchors: Tensor

    def __init__(self, channels: Sequence[int], *, anchors: Tensor, classes: int) -> None:
        super().__init__()
        self.register_buffer("anchors", anchors)
        self.widen = nn.ModuleList(ConvLeaky(count // 2, count) for count in channels)
        self.out = nn.ModuleList(nn.Conv2d(count, ANCHORS * (5 + classes), 1) for count in channels)
        for layer in self.out:
            start_with_prior(layer, anchors=ANCHORS, classes=classes)  # type: ignore[arg-type]

    def forward(self, maps: list[Tensor]) -> AnchorCells:
        """Return what is said about the anchors of all scales, the finest first."""
        return join_cells(
            [
                read_cells(out(widen(x)), shapes=shapes, stride=stride)
                for x, widen, out, shapes, stride in zip(
                    maps, self.widen, self.out, self.anchors, STRIDES, strict=True
                )
            ]
        )


class YoloV3(nn.Module):
    """The detector; see the head of this file.

    Args:
        backbone: gives maps at `STRIDES`.
        neck: from them to as many others.
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
        """Return which object each of (B, N) anchors learns: the best of the nine for each object."""
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
        objectness = F.binary_cross_entropy_with_logits(
            raw.objectness.float(), assignment.positive.float(), reduction="none"
        )
        logits = raw.logits[picture, row].float()
        kind = F.one_hot(targets.labels[picture, item], logits.shape[-1]).float()
        learns = assignment.positive | assignment.negative
        return {
            "box": (place + sides) / total,
            "objectness": (objectness * learns).sum() / total,
            "class": F.binary_cross_entropy_with_logits(logits, kind, reduction="sum") / total,
        }

    def deploy(self, raw: AnchorCells) -> dict[str, Tensor]:
        """Return {"boxes": (B, N, 4) in pixels of the input, "scores": (B, N, K)}."""
        scores = raw.objectness.float().sigmoid()[..., None] * raw.logits.float().sigmoid()
        return {"boxes": raw.boxes(), "scores": scores}


def yolo_v3(
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
) -> YoloV3:
    """Build YOLOv3 with fresh weights.

    Args:
        classes: names.
        backbone: "tiny", "darknet53", or the name of a timm network with maps of strides 8, 16 and 32.
        width: factor on the channels of our own backbones.
        anchors: nine (width, height) as fractions of the input's sides, best found by
            `anchors.kmeans_anchors` in the training boxes; the three smallest are those of the finest scale.
            None for those of COCO.
        channels: of the pictures.
        size: (height, width) of the input, multiples of 32.
        mean: of each channel, in [0, 1].
        std: of each channel.
        dropout: not used.

    Raises:
        NotFound: for an unknown backbone.
        ConfigError: for a size that 32 does not divide, or other than nine anchors with an area.

    >>> network = yolo_v3(["cat", "dog"], size=(32, 64), mean=(0.5,), std=(0.5,))
    >>> network(torch.zeros(1, 3, 32, 64)).logits.shape  # 3 anchors of 4 * 8 + 2 * 4 + 1 * 2 cells
    torch.Size([1, 126, 2])
    """
    check_multiple(size, STRIDES[-1], name="yolo_v3")
    shapes = COCO_ANCHORS if anchors is None else anchors
    check_anchors(shapes)
    if len(shapes) != ANCHORS * len(STRIDES):
        raise ConfigError(f"yolo_v3 has 9 anchors, 3 for each of 3 scales, got {len(shapes)}")
    ordered = sorted(((float(w), float(h)) for w, h in shapes), key=lambda shape: shape[0] * shape[1])
    sees: nn.Module
    if backbone == "tiny":
        sees = residual_darknet(TINY_BLOCKS, strides=STRIDES, channels=channels, width=TINY_WIDTH * width)
    elif backbone == "darknet53":
        sees = residual_darknet(DARKNET53_BLOCKS, strides=STRIDES, channels=channels, width=width)
    else:
        sees = build_pyramid(backbone, channels=channels, size=size, strides=STRIDES)
    found: Sequence[int] = sees.channels
    ours = backbone in ("tiny", "darknet53")
    widths = tuple(found) if ours else tuple(min(count - count % 4, WIDEST) for count in found)
    neck = Neck(found, widths, depth=5 if backbone == "darknet53" else 3)
    by_scale = torch.tensor(ordered).reshape(len(STRIDES), ANCHORS, 2)
    head = Head(widths, anchors=by_scale, classes=len(classes))
    normalise = Normalise.for_channels(mean, std, channels=channels)
    return YoloV3(sees, neck=neck, head=head, normalise=normalise)
