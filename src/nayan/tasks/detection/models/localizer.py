"""One object a picture: is there one, where is it, what is it.

Paper: none of its own; the form in which courses teach localization. Close to it: Szegedy, Toshev, Erhan,
"Deep neural networks for object detection", NIPS 2013; the box regression of Sermanet et al., OverFeat,
2013, arXiv:1312.6229, section 4.

A classifier whose last layer says more than the class: the probability of an object, four numbers for its
box, one score a class. It is the shortest way from classification to detection, and shows what is
missing: a second object has no place in the output.

    pixels (B, 3, h, w) ── Normalise ── backbone ── map (B, D, h/32, w/32)
                                                      │ 1x1 to 64 channels, flatten, linear 256, ReLU
                                                      └─ linear ── presence (B,), box (B, 4), logits (B, C)

Differs from the course's form: logistic loss for the presence and cross-entropy for the class instead of
squared errors throughout; the map is flattened, not averaged, because an average does not know where
things were. Of several objects in a picture the largest is learnt.
"""

# B pictures, C classes, M objects (padded), D channels, (h, w) of the input

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nayan.core.types import Size
from nayan.parts.assignment import BACKGROUND, Assignment
from nayan.parts.boxes import area, clip, from_cxcywh, to_cxcywh
from nayan.parts.losses.boxes import smooth_l1
from nayan.parts.minimum_size import output_shape
from nayan.parts.normalise import Normalise
from nayan.parts.pyramid import Pyramid, build_pyramid
from nayan.tasks.detection.network import Targets

STRIDE = 32
NARROW, HIDDEN = 64, 256
BOX_WEIGHT = (
    5.0  # of the box's loss, whose numbers are fractions of the picture; as in YOLO, arXiv:1506.02640
)
BETA = 0.05  # of the picture's side, from where the loss of the box is linear


@dataclass(slots=True, eq=False)  # not frozen: Fabric casts the fields of what a network returns
class LocalizerRaw:
    """What is said about each picture.

    Attributes:
        presence: (B,) logits of there being an object.
        boxes: (B, 4) cxcywh in fractions of the input's sides, in [0, 1].
        logits: (B, C) of its class.
        size: (height, width) of the input.
    """

    presence: Tensor
    boxes: Tensor
    logits: Tensor
    size: Size


class Localizer(nn.Module):
    """The network; see the head of this file.

    Args:
        backbone: with one map.
        num_classes: C.
        cells: (height, width) of that map.
        normalise: the first layer.
        dropout: before the last layer.
    """

    def __init__(
        self,
        backbone: Pyramid,
        num_classes: int,
        *,
        cells: Size,
        normalise: Normalise,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.normalise = normalise
        self.backbone = backbone
        last = nn.Linear(HIDDEN, 1 + 4 + num_classes)
        nn.init.normal_(last.weight, std=0.01)
        nn.init.zeros_(last.bias)
        self.head = nn.Sequential(
            nn.Conv2d(backbone.channels[-1], NARROW, 1),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(NARROW * cells[0] * cells[1], HIDDEN),
            nn.ReLU(),
            nn.Dropout(dropout),
            last,
        )

    def forward(self, images: Tensor, targets: Targets | None = None) -> LocalizerRaw:  # noqa: ARG002
        """Return what is said about (B, channels, h, w) pixels; `targets` are not needed."""
        (features,) = self.backbone(self.normalise(images))
        said = self.head(features)  # (B, 1 + 4 + C)
        size = (int(images.shape[2]), int(images.shape[3]))
        return LocalizerRaw(said[:, 0], said[:, 1:5].sigmoid(), said[:, 5:], size)

    def assign(self, raw: LocalizerRaw, targets: Targets) -> Assignment:  # noqa: ARG002  by size alone
        """Return (B, 1): the largest object of each picture, which is the only one that is learnt."""
        has_one = targets.valid.any(dim=1)  # (B,)
        matched = torch.full_like(has_one, BACKGROUND, dtype=torch.int64)
        (picture,) = has_one.nonzero(as_tuple=True)  # (K,)
        matched[picture] = self._largest(targets, picture)
        return Assignment(matched[:, None], has_one[:, None].float())

    def losses(self, raw: LocalizerRaw, targets: Targets) -> dict[str, Tensor]:
        """Return {"presence", "box", "class"}; the last two over the pictures that have an object."""
        matched = self.assign(raw, targets).matched[:, 0]  # (B,)
        has_one = matched != BACKGROUND
        presence = F.binary_cross_entropy_with_logits(raw.presence.float(), has_one.float())
        (picture,) = has_one.nonzero(as_tuple=True)  # (K,)
        item = matched[picture]
        sides = _sides(raw.size, raw.boxes)
        wanted = to_cxcywh(targets.boxes[picture, item]) / sides
        apart = smooth_l1(raw.boxes[picture].float(), wanted, beta=BETA).sum(dim=1)
        label = targets.labels[picture, item]
        entropy = F.cross_entropy(raw.logits[picture].float(), label, reduction="sum")
        total = max(1, len(picture))
        return {"presence": presence, "box": BOX_WEIGHT * apart.sum() / total, "class": entropy / total}

    def deploy(self, raw: LocalizerRaw) -> dict[str, Tensor]:
        """Return {"boxes": (B, 1, 4) in input pixels, "scores": (B, 1, C)}: presence times class."""
        boxes = from_cxcywh(raw.boxes.float() * _sides(raw.size, raw.boxes))
        scores = raw.presence.float().sigmoid()[:, None] * raw.logits.float().softmax(dim=1)
        return {"boxes": clip(boxes, raw.size)[:, None], "scores": scores[:, None]}

    def stages(self) -> list[tuple[str, nn.Module]]:
        """Return the backbone's stages, the normalisation with the first, and the head."""
        return [*self.backbone.stages_after(self.normalise), ("head", self.head)]

    def _largest(self, targets: Targets, picture: Tensor) -> Tensor:
        """Return (K,) the number of the largest object of each of these pictures."""
        if not len(picture):
            return picture
        areas = area(targets.boxes[picture]).masked_fill(~targets.valid[picture], -1)  # (K, M)
        return areas.argmax(dim=1)


def _sides(size: Size, like: Tensor) -> Tensor:
    """Return (4,): width, height, width, height of the input."""
    height, width = size
    return torch.tensor([width, height, width, height], dtype=torch.float32, device=like.device)


def localizer(
    classes: Sequence[str],
    *,
    backbone: str = "mobilenetv2_100",
    channels: int = 3,
    size: Size = (224, 224),
    mean: Sequence[float] = (0.485, 0.456, 0.406),
    std: Sequence[float] = (0.229, 0.224, 0.225),
    dropout: float = 0.0,
) -> Localizer:
    """Return a localizer with fresh weights.

    Args:
        classes: their names.
        backbone: of timm, with a map at stride 32.
        channels: 1 or 3, of a picture.
        size: (height, width) of the input, which the flattened map fixes.
        mean: of each channel, in [0, 1].
        std: of each channel.
        dropout: before the last layer.

    Raises:
        NotFound: an unknown backbone.
        ConfigError: a backbone without a map at stride 32, or pictures smaller than one of its cells.

    >>> network = localizer(["cat", "dog"], backbone="resnet18", size=(64, 64))
    >>> network.deploy(network(torch.zeros(2, 3, 64, 64)))["scores"].shape
    torch.Size([2, 1, 2])
    """
    body = build_pyramid(backbone, channels=channels, size=size, strides=(STRIDE,))
    shape = output_shape(_Only(body), (1, channels, *size))
    normalise = Normalise.for_channels(mean, std, channels=channels)
    return Localizer(body, len(classes), cells=(shape[2], shape[3]), normalise=normalise, dropout=dropout)


class _Only(nn.Module):
    """The one map of a pyramid as a tensor."""

    def __init__(self, pyramid: Pyramid) -> None:
        super().__init__()
        self.pyramid = pyramid

    def forward(self, images: Tensor) -> Tensor:
        found: Tensor = self.pyramid(images)[0]
        return found
