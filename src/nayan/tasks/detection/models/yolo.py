"""`yolo`: today's anchor-free one-stage detector, and the default here.

Papers: Redmon et al. (2015), You Only Look Once, arXiv:1506.02640 (one pass, no proposals); Tian et al.
(2019), FCOS, arXiv:1904.01355 (points instead of anchors, distances to the four sides); Feng et al. (2021),
TOOD, arXiv:2108.07755 (task-aligned assignment, quality as the score to reach); Li et al. (2020), Generalized
Focal Loss, arXiv:2006.04388 (each side as a distribution); Lyu et al. (2022), RTMDet, arXiv:2212.07784 (one
head for all levels with statistics of its own for each).

    pixels (B, C, h, w) ── Normalise ── backbone ──> c3, c4, c5     strides 8, 16, 32
                                          │
                                path aggregation ──> p3, p4, p5     equal widths
                                          │
            ┌──────────── head, one for all levels ────────────┐
       class tower ── logits (B, N, K)       box tower ── sides (B, N, 4 x BINS)
                                                      └ softmax, mean ── distances l t r b ── boxes (B, N, 4)

What differs from the papers: the backbone has plain 3x3 convolutions throughout, the cheapest there are on a
CPU for what they multiply; by name any timm network takes its place, with its ImageNet weights. Every point
has one score a class and no objectness. Objects below one cell keep their candidates (`parts.task_aligned`).
"""

# B pictures, K classes, N points of all levels, (h, w) map size, M objects

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
from nayan.parts.blocks import ConvNormAct, PyramidPool, Residual
from nayan.parts.boxes import from_distances, giou, to_distances
from nayan.parts.normalise import Normalise
from nayan.parts.pan import PathAggregation
from nayan.parts.pyramid import build_pyramid
from nayan.parts.task_aligned import assign_task_aligned
from nayan.tasks.detection.network import Targets

STRIDES = (8, 16, 32)
BINS = 16  # of a side's distribution: it reaches up to 15 cells from the point
PRIOR = (
    0.01  # score of every class before anything is learnt: Lin et al. (2017), arXiv:1708.02002, section 4.1
)
CLASS, BOX, SIDES = 1.0, 2.5, 0.5  # weights of the losses


@dataclass(frozen=True, slots=True)
class Scale:
    """How large a `yolo` is.

    Attributes:
        widths: channels at strides 4, 8, 16 and 32 of our own backbone.
        depths: residual blocks there.
        neck: channels of every level after the backbone.
        fuse: residual blocks in each fusion of the neck.
        tower: convolutions in each tower of the head.
    """

    widths: tuple[int, int, int, int]
    depths: tuple[int, int, int, int]
    neck: int
    fuse: int
    tower: int


SCALES = {
    "n": Scale((32, 64, 128, 256), (1, 2, 2, 1), 64, 1, 1),
    "s": Scale((48, 96, 192, 384), (1, 2, 3, 2), 112, 1, 2),
    "m": Scale((64, 128, 256, 512), (2, 4, 4, 2), 160, 2, 2),
}


@dataclass(slots=True, eq=False)
class YoloRaw:
    """What the head says about every point of every level, the finest level first.

    Attributes:
        logits: (B, N, K) of the classes.
        sides: (B, N, 4, BINS) logits of the distances left, top, right, bottom, in cells.
        points: (N, 2) centres x, y in input pixels.
        strides: (N,) side of a cell in input pixels.
    """

    logits: Tensor
    sides: Tensor
    points: Tensor
    strides: Tensor

    def boxes(self) -> Tensor:
        """Return (B, N, 4) xyxy in input pixels: each side at the mean of its distribution (GFL, eq. 4)."""
        bins = torch.arange(BINS, device=self.sides.device, dtype=torch.float32)
        distances = (self.sides.float().softmax(dim=-1) * bins).sum(dim=-1)  # (B, N, 4) cells
        return from_distances(self.points, distances * self.strides[:, None])


class PlainBackbone(nn.Module):
    """Residual stages of 3x3 convolutions at strides 4 to 32; the last three are given out.

    The first convolution goes to stride 4 at once: maps at stride 2 are large, have few channels, and would
    take a sixth of the time of a training step.

    Args:
        scale: widths and depths.
        channels: of the pictures.
    """

    def __init__(self, scale: Scale, *, channels: int) -> None:
        super().__init__()
        stages = []
        inputs, kernel, stride = channels, 6, 4
        for width, depth in zip(scale.widths, scale.depths, strict=True):
            enters = ConvNormAct(inputs, width, kernel=kernel, stride=stride)
            stages.append(nn.Sequential(enters, *(Residual(width) for _ in range(depth))))
            inputs, kernel, stride = width, 3, 2
        stages[-1].append(PyramidPool(inputs))
        self.stages = nn.ModuleList(stages)
        self.channels = tuple(scale.widths[1:])
        self.strides = STRIDES

    def forward(self, x: Tensor) -> list[Tensor]:
        """Return maps at strides 8, 16 and 32 of (B, C, h, w) normalised pixels."""
        maps = []
        for stage in self.stages:
            x = stage(x)
            maps.append(x)
        return maps[1:]


class Head(nn.Module):
    """Two towers, one for the class and one for the box, shared by all levels but for their statistics."""

    def __init__(self, channels: int, classes: int, *, levels: int, depth: int) -> None:
        super().__init__()
        self.class_tower = nn.ModuleList([_Shared(channels, levels) for _ in range(depth)])
        self.box_tower = nn.ModuleList([_Shared(channels, levels) for _ in range(depth)])
        self.logits = nn.Conv2d(channels, classes, 1)
        self.sides = nn.Conv2d(channels, 4 * BINS, 1)
        nn.init.normal_(self.logits.weight, std=0.01)
        nn.init.constant_(self.logits.bias, -math.log((1 - PRIOR) / PRIOR))  # type: ignore[arg-type]

    def forward(self, maps: list[Tensor]) -> YoloRaw:
        """Return what is said about the points of (B, channels, h_i, w_i) maps at `STRIDES`."""
        logits, sides, points, strides = [], [], [], []
        for level, (x, stride) in enumerate(zip(maps, STRIDES, strict=True)):
            what = where = x
            for tower in self.class_tower:
                what = tower(what, level)
            for tower in self.box_tower:
                where = tower(where, level)
            logits.append(self.logits(what).flatten(2).transpose(1, 2))  # (B, K, h, w) -> (B, h*w, K)
            sides.append(self.sides(where).flatten(2).transpose(1, 2))  # (B, 4 * BINS, h, w) -> (B, h*w, ...)
            grid = grid_points((x.shape[2], x.shape[3]), stride).to(x.device)  # (h*w, 2)
            points.append(grid)
            strides.append(torch.full((len(grid),), float(stride), device=x.device))
        every = torch.cat(sides, dim=1)
        every = every.reshape(*every.shape[:2], 4, BINS)
        return YoloRaw(torch.cat(logits, dim=1), every, torch.cat(points), torch.cat(strides))


class _Shared(nn.Module):
    """A 3x3 convolution shared by all levels, with normalisation of each level's own."""

    def __init__(self, channels: int, levels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.norms = nn.ModuleList(nn.BatchNorm2d(channels, eps=1e-3, momentum=0.03) for _ in range(levels))

    def forward(self, x: Tensor, level: int) -> Tensor:
        return F.silu(self.norms[level](self.conv(x)))


class Yolo(nn.Module):
    """The detector; see the head of this file.

    Args:
        backbone: gives maps at `STRIDES`; has `channels`.
        classes: how many.
        scale: of neck and head.
        normalise: the first layer.
    """

    def __init__(self, backbone: nn.Module, classes: int, *, scale: Scale, normalise: Normalise) -> None:
        super().__init__()
        self.normalise = normalise
        self.backbone = backbone
        widths: Sequence[int] = backbone.channels  # type: ignore[assignment]
        self.neck = PathAggregation(widths, scale.neck, depth=scale.fuse)
        self.head = Head(scale.neck, classes, levels=len(STRIDES), depth=scale.tower)

    def forward(self, images: Tensor, targets: Targets | None = None) -> YoloRaw:  # noqa: ARG002
        """Return what is said about every point of (B, C, h, w) pixels; `targets` are not needed."""
        x = images
        for _, stage in self.stages():
            x = stage(x)
        raw: YoloRaw = x  # type: ignore[assignment]
        return raw

    def stages(self) -> list[tuple[str, nn.Module]]:
        """Return the named steps whose chain is `forward`; the last one is ("head", ...)."""
        sees = nn.Sequential(self.normalise, self.backbone)
        return [("backbone", sees), ("neck", self.neck), ("head", self.head)]

    def assign(self, raw: YoloRaw, targets: Targets) -> Assignment:
        """Return which object each point learns, and the score it has to reach."""
        return assign_task_aligned(
            raw.points,
            raw.strides,
            boxes=raw.boxes(),
            scores=raw.logits.float().sigmoid(),
            truth=targets.boxes,
            labels=targets.labels,
        )

    def losses(self, raw: YoloRaw, targets: Targets) -> dict[str, Tensor]:
        """Return {"class", "box", "sides"}, each over the sum of the scores that were to be reached."""
        assignment = self.assign(raw, targets)
        logits, boxes = raw.logits.float(), raw.boxes()
        total = assignment.weight.sum().clamp(min=1)
        picture, point = assignment.positive.nonzero(as_tuple=True)  # (P,) points with an object
        item, weight = assignment.matched[picture, point], assignment.weight[picture, point]
        wanted = torch.zeros_like(logits)
        wanted[picture, point, targets.labels[picture, item]] = weight
        loss = F.binary_cross_entropy_with_logits(logits, wanted, reduction="sum")
        truth = targets.boxes[picture, item]
        apart = 1 - giou(boxes[picture, point], truth)
        sides = self._side_loss(raw, picture, point, truth)
        return {
            "class": CLASS * loss / total,
            "box": BOX * (apart * weight).sum() / total,
            "sides": SIDES * (sides * weight).sum() / total,
        }

    def _side_loss(self, raw: YoloRaw, picture: Tensor, point: Tensor, truth: Tensor) -> Tensor:
        """Return (P,): cross-entropy of the two bins around each true distance (GFL, eq. 6)."""
        cells = to_distances(raw.points[point], truth) / raw.strides[point, None]  # (P, 4)
        cells = cells.clamp(0, BINS - 1 - 0.01)
        lower = cells.floor()
        share = cells - lower  # of the upper bin
        log_shares = raw.sides[picture, point].float().log_softmax(dim=-1)  # (P, 4, BINS)
        index = lower.long()[..., None]
        below, above = log_shares.gather(-1, index)[..., 0], log_shares.gather(-1, index + 1)[..., 0]
        return -((1 - share) * below + share * above).mean(dim=-1)

    def deploy(self, raw: YoloRaw) -> dict[str, Tensor]:
        """Return {"boxes": (B, N, 4) in input pixels, "scores": (B, N, K)}."""
        return {"boxes": raw.boxes(), "scores": raw.logits.sigmoid()}


def yolo(
    classes: Sequence[str],
    *,
    scale: str = "n",
    backbone: str | None = None,
    channels: int = 3,
    size: Size = (640, 640),
    mean: Sequence[float],
    std: Sequence[float],
    dropout: float = 0.0,  # noqa: ARG001  every builder takes it; a detector here has no layer for it
) -> Yolo:
    """Build a `yolo` with fresh weights.

    Args:
        classes: names.
        scale: "n", "s" or "m".
        backbone: name of a timm network that gives maps at strides 8, 16 and 32; None for our own.
        channels: of the pictures.
        size: (height, width) of the input, multiples of 32.
        mean: of the pixels, in [0, 1].
        std: of the pixels.
        dropout: not used.

    Raises:
        ConfigError: for another scale, or a size that 32 does not divide.
    """
    if scale not in SCALES:
        raise ConfigError(f"yolo has the sizes {', '.join(SCALES)}, not {scale!r}")
    if any(side % STRIDES[-1] for side in size):
        raise ConfigError(
            f"a yolo's input is a multiple of {STRIDES[-1]} px, got {size[0]}x{size[1]}",
            hint=f"try --imgsz {max(1, round(size[0] / STRIDES[-1])) * STRIDES[-1]}",
        )
    chosen = SCALES[scale]
    sees: nn.Module
    if backbone is None:
        sees = PlainBackbone(chosen, channels=channels)
    else:
        sees = build_pyramid(backbone, channels=channels, size=size, strides=STRIDES)
    return Yolo(sees, len(classes), scale=chosen, normalise=Normalise(mean, std))
