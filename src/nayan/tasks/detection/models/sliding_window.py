"""A classifier that looks through every window of a picture, in one pass.

Paper: Sermanet, Eigen, Zhang, Mathieu, Fergus, LeCun, "OverFeat: integrated recognition, localization and
detection using convolutional networks", 2013, arXiv:1312.6229, sections 3.3 and 4.

A network that classifies a window of 64 px is run over the whole picture: its last layers are
convolutions, so that neighbouring windows share what they have in common. Larger objects are found by
shrinking the picture.

    pixels (B, 3, h, w) ── Normalise ─┬─ 1/1 ── backbone ── map (h/16, w/16) ── 4x4 conv ── windows of  64 px
                                      ├─ 1/2 ── backbone ── map (h/32, w/32) ── 4x4 conv ── windows of 128 px
                                      └─ 1/4 ── backbone ── map (h/64, w/64) ── 4x4 conv ── windows of 256 px
    each window ── classes and background (C + 1), a better box for each class (4 C)

Differs from the paper: our backbone pads, so that a window sees a little of what is around it; picture
scales are halves, made by averaging; class and box share their hidden layer; boxes are suppressed, not
merged, afterwards.
"""

# B pictures, C classes, M objects (padded), W windows of all sizes

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nayan.core.errors import ConfigError
from nayan.core.types import Size
from nayan.parts.assignment import IGNORED, Assignment
from nayan.parts.matcher import match_by_iou
from nayan.parts.normalise import Normalise
from nayan.parts.pyramid import Pyramid, build_pyramid
from nayan.parts.regions import Regions, region_detections, region_losses
from nayan.parts.sampler import sample_balanced
from nayan.tasks.detection.network import Targets

STRIDE = 16  # of the map, so that windows lie 16, 32 and 64 px apart
WINDOWS = (64, 128, 256)
HIDDEN = 256
POSITIVE, NEGATIVE = 0.5, 0.4  # IoU of a window with an object
SAMPLED = 64  # windows a picture that learn, a quarter of them with an object


class WindowHead(nn.Module):
    """The fully connected layers of a window's classifier, written as convolutions.

    Args:
        channels: of the map.
        num_classes: C.
        cells: of the map along a side of the window.
        dropout: before the last layers.
    """

    def __init__(self, channels: int, num_classes: int, *, cells: int, dropout: float) -> None:
        super().__init__()
        self.hidden = nn.Sequential(nn.Conv2d(channels, HIDDEN, cells), nn.ReLU(), nn.Dropout(dropout))
        self.classes = nn.Conv2d(HIDDEN, num_classes + 1, 1)
        self.boxes = nn.Conv2d(HIDDEN, 4 * num_classes, 1)
        for layer, std in ((self.classes, 0.01), (self.boxes, 0.001)):
            nn.init.normal_(layer.weight, std=std)
            nn.init.zeros_(layer.bias)  # type: ignore[arg-type]

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Return (B, w, C + 1) logits and (B, w, C, 4) deltas of the windows of a map, row by row."""
        hidden = self.hidden(features)
        logits = self.classes(hidden).flatten(2).transpose(1, 2)  # (B, C + 1, r, c) -> (B, r*c, C + 1)
        deltas = self.boxes(hidden).flatten(2).transpose(1, 2)  # (B, 4*C, r, c) -> (B, r*c, 4*C)
        return logits, deltas.unflatten(2, (-1, 4))


class SlidingWindow(nn.Module):
    """The network; see the head of this file.

    Args:
        backbone: with one map at stride 16.
        num_classes: C.
        windows: sides in pixels of the input, multiples of the first, rising.
        normalise: the first layer.
        dropout: of the head.
    """

    def __init__(
        self,
        backbone: Pyramid,
        num_classes: int,
        *,
        windows: Sequence[int],
        normalise: Normalise,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.normalise = normalise
        self.backbone = backbone
        self.windows = tuple(windows)
        self.head = WindowHead(backbone.channels[0], num_classes, cells=windows[0] // STRIDE, dropout=dropout)

    def forward(self, images: Tensor, targets: Targets | None = None) -> Regions:  # noqa: ARG002
        """Return what is said about every window of (B, channels, h, w) pixels; `targets` are not needed."""
        pixels = self.normalise(images)
        size = (int(images.shape[2]), int(images.shape[3]))
        logits, deltas, boxes = [], [], []
        for window in self.windows:
            shrink = window // self.windows[0]
            (features,) = self.backbone(F.avg_pool2d(pixels, shrink) if shrink > 1 else pixels)
            said = self.head(features)
            logits.append(said[0])
            deltas.append(said[1])
            cells = (int(features.shape[2]), int(features.shape[3]))
            boxes.append(window_boxes(cells, window, across=self.windows[0] // STRIDE).to(pixels.device))
        every = torch.cat(logits, 1)
        windows = torch.cat(boxes).expand(every.shape[0], -1, -1)  # (W, 4) -> (B, W, 4)
        present = torch.ones_like(every[..., 0], dtype=torch.bool)
        return Regions(windows, present, every, torch.cat(deltas, 1), size)

    def assign(self, raw: Regions, targets: Targets) -> Assignment:
        """Return which object each window has to find; every object has at least one."""
        return match_by_iou(
            raw.boxes,
            targets.boxes,
            valid=targets.valid,
            positive=POSITIVE,
            negative=NEGATIVE,
            force_best=True,
        )

    def losses(self, raw: Regions, targets: Targets) -> dict[str, Tensor]:
        """Return {"class", "box"} of a random choice of windows; each object has at least one."""
        found = self.assign(raw, targets)
        drawn = sample_balanced(found, count=SAMPLED, positive_share=0.25)
        learns = Assignment(found.matched.masked_fill(~drawn, IGNORED), found.weight)
        return region_losses(raw, learns, boxes=targets.boxes, labels=targets.labels)

    def deploy(self, raw: Regions) -> dict[str, Tensor]:
        """Return {"boxes": (B, W, C, 4) in input pixels, "scores": (B, W, C)}."""
        return region_detections(raw)

    def stages(self) -> list[tuple[str, nn.Module]]:
        """Return the backbone's stages, the normalisation with the first, and the head."""
        return [*self.backbone.stages_after(self.normalise), ("head", self.head)]


def window_boxes(cells: Size, window: int, *, across: int) -> Tensor:
    """Return the windows of a map, row by row: (w, 4) xyxy in pixels of the input.

    Args:
        cells: (height, width) of the map.
        window: side of a window in pixels of the input.
        across: cells along a side of the window.

    >>> window_boxes((2, 3), 64, across=2)
    tensor([[ 0.,  0., 64., 64.],
            [32.,  0., 96., 64.]])
    """
    step = window / across
    rows, columns = (torch.arange(count - across + 1, dtype=torch.float32) * step for count in cells)
    y, x = torch.meshgrid(rows, columns, indexing="ij")
    corners = torch.stack((x, y), dim=-1).reshape(-1, 2)
    return torch.cat((corners, corners + window), dim=1)


def sliding_window(
    classes: Sequence[str],
    *,
    backbone: str = "mobilenetv2_100",
    windows: Sequence[int] | None = None,
    channels: int = 3,
    size: Size = (320, 320),
    mean: Sequence[float] = (0.485, 0.456, 0.406),
    std: Sequence[float] = (0.229, 0.224, 0.225),
    dropout: float = 0.0,
) -> SlidingWindow:
    """Return a sliding-window detector with fresh weights.

    Args:
        classes: their names.
        backbone: of timm, with a map at stride 16.
        windows: sides in pixels, rising; None for those of 64, 128 and 256 that fit into the input.
        channels: 1 or 3, of a picture.
        size: (height, width) of the input.
        mean: of each channel, in [0, 1].
        std: of each channel.
        dropout: before the last layers.

    Raises:
        NotFound: an unknown backbone.
        ConfigError: a backbone without a map at stride 16, or windows that do not fit the input, the stride
            or each other.

    >>> network = sliding_window(["cat", "dog"], backbone="resnet18", size=(128, 128))
    >>> network.deploy(network(torch.zeros(1, 3, 128, 128)))["boxes"].shape  # 5 x 5 windows and 1
    torch.Size([1, 26, 2, 4])
    """
    sides = tuple(windows) if windows else tuple(w for w in WINDOWS if w <= min(size)) or WINDOWS[:1]
    if sides[-1] > min(size):
        raise ConfigError(
            f"a window of {sides[-1]} px does not fit into an input of {size[0]}x{size[1]} px",
            hint=f"use --imgsz {sides[-1]} or more, or smaller windows",
        )
    if sides[0] % STRIDE or list(sides) != sorted({side for side in sides if side % sides[0] == 0}):
        raise ConfigError(
            f"windows {list(sides)}: the first must be a multiple of {STRIDE} px, the others multiples of it",
            hint=f"such as {list(WINDOWS)}",
        )
    body = build_pyramid(backbone, channels=channels, size=size, strides=(STRIDE,))
    normalise = Normalise.for_channels(mean, std, channels=channels)
    return SlidingWindow(body, len(classes), windows=sides, normalise=normalise, dropout=dropout)
