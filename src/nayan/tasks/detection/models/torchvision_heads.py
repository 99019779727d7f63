"""The heads of torchvision's one-stage detectors behind our doors: first raw outputs, then losses or boxes.

torchvision computes losses inside of `forward`, and only while it trains; here its own modules are asked one
after the other, so that what a network says is the same dataclass in training and evaluation.

    Maps ── RetinaHead, FcosHead, SsdHead ── AnchorsRaw    logits and deltas of every anchor
         └─ RcnnHead ── RegionsRaw                         the same, and of the regions that the RPN proposes

The second line is in `torchvision_regions`.
"""

# B pictures, N anchors, K columns of torchvision's classes, M objects, D channels

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
import torchvision
from torch import Tensor, nn

from nayan.parts.assignment import BACKGROUND, Assignment
from nayan.parts.box_coder import PLAIN, SECOND_STAGE, decode
from nayan.parts.boxes import area, to_distances
from nayan.tasks.detection.models.torchvision_maps import (
    Maps,
    best_places_of_levels,
    clip_to_input,
    take_rows,
)
from nayan.tasks.detection.network import Targets


@dataclass(slots=True, eq=False)
class AnchorsRaw:
    """What a one-stage head says about every anchor, the finest level first.

    Attributes:
        logits: (B, N, K).
        deltas: (B, N, 4), as the head's coder understands them.
        centerness: (B, N) logits; None where the head has none.
        anchors: (N, 4) xyxy in pixels of the input.
        levels: how many anchors each level has.
        size: (2,) width and height of the input.
    """

    logits: Tensor
    deltas: Tensor
    centerness: Tensor | None
    anchors: Tensor
    levels: tuple[int, ...]
    size: Tensor


class AnchorHead(nn.Module):
    """A one-stage head of torchvision; what differs between the families is in its heirs.

    Args:
        model: the whole torchvision network, of which this uses head, anchors and losses.
    """

    first = 0
    """Column of the first class: 1 where column 0 is the background, else 0."""
    candidates: int | None = 1000
    """Anchors of each level that are given out; None for all. torchvision keeps as many pairs of anchor and
    class, which lie on at most as many anchors."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.layers: nn.Module = model.head
        self._model = (model,)  # in a tuple, so that it is not registered again

    @property
    def model(self) -> Any:
        """The network that this head belongs to."""
        return self._model[0]

    def forward(self, maps: Maps, targets: Targets | None = None) -> AnchorsRaw:  # noqa: ARG002
        """Return what the head says; `targets` are not needed."""
        said: dict[str, Tensor] = self.layers(list(maps.found.values()))
        anchors, levels = maps.anchors(self.model.anchor_generator)
        centerness = said.get("bbox_ctrness")
        return AnchorsRaw(
            said["cls_logits"],
            said["bbox_regression"],
            None if centerness is None else centerness[..., 0],
            anchors,
            levels,
            anchors.new_tensor(maps.size[::-1]),
        )

    def assign(self, raw: AnchorsRaw, targets: Targets) -> Assignment:
        """Return which object each anchor has to find."""
        rows = torch.full(
            (len(targets.boxes), len(raw.anchors)), BACKGROUND, device=raw.anchors.device
        )  # torchvision's numbers for background and ignored are ours
        for row, boxes, valid in zip(rows, targets.boxes, targets.valid, strict=True):
            if bool(valid.any()):
                found = self.match(raw, boxes[valid])
                row.copy_(torch.where(found >= 0, valid.nonzero()[:, 0][found.clamp(min=0)], found))
        return Assignment(rows, (rows >= 0).float())

    def match(self, raw: AnchorsRaw, boxes: Tensor) -> Tensor:
        """Return (N,) which of (M, 4) boxes, M at least 1, each anchor has to find."""
        overlap = torchvision.ops.box_iou(boxes, raw.anchors)
        found: Tensor = self.model.proposal_matcher(overlap)
        return found

    def losses(self, raw: AnchorsRaw, targets: Targets) -> dict[str, Tensor]:
        """Return torchvision's losses under our names; labels are torchvision's columns."""
        truth = [
            {"boxes": boxes[labels >= 0], "labels": labels[labels >= 0]}
            for boxes, labels in zip(targets.boxes, targets.labels, strict=True)
        ]
        said = {"cls_logits": raw.logits.float(), "bbox_regression": raw.deltas.float()}
        if raw.centerness is not None:
            said["bbox_ctrness"] = raw.centerness.float()[..., None]
        found = self.compute(raw, truth, said)
        names = {"classification": "class", "bbox_regression": "box", "bbox_ctrness": "centerness"}
        return {names[name]: loss for name, loss in found.items()}

    def compute(
        self, raw: AnchorsRaw, truth: list[dict[str, Tensor]], said: dict[str, Tensor]
    ) -> dict[str, Tensor]:
        """Return the losses by torchvision's own code."""
        found: dict[str, Tensor] = self.model.compute_loss(truth, said, [raw.anchors] * len(truth))
        return found

    def scores(self, raw: AnchorsRaw) -> Tensor:
        """Return (B, N, K) in [0, 1]."""
        return raw.logits.float().sigmoid()

    def boxes(self, raw: AnchorsRaw) -> Tensor:
        """Return (B, N, 4) xyxy in pixels of the input."""
        return decode(raw.deltas.float(), raw.anchors, weights=PLAIN)

    def deploy(self, raw: AnchorsRaw) -> dict[str, Tensor]:
        """Return {"boxes": (B, N', 4), "scores": (B, N', K)} of the best anchors of each level."""
        scores, boxes = self.scores(raw), clip_to_input(self.boxes(raw), raw.size)
        if self.candidates is None:
            return {"boxes": boxes, "scores": scores}
        best = best_places_of_levels(
            scores[..., self.first :].amax(-1), raw.levels, self.candidates
        )  # (B, N')
        return {"boxes": take_rows(boxes, best), "scores": take_rows(scores, best)}


class RetinaHead(AnchorHead):
    """RetinaNet: Lin et al. (2017), arXiv:1708.02002."""


class FcosHead(AnchorHead):
    """FCOS: Tian et al. (2019), arXiv:1904.01355; every point is an anchor of one cell."""

    def compute(
        self, raw: AnchorsRaw, truth: list[dict[str, Tensor]], said: dict[str, Tensor]
    ) -> dict[str, Tensor]:
        """Return the losses by torchvision's own code."""
        anchors = [raw.anchors] * len(truth)
        found: dict[str, Tensor] = self.model.compute_loss(truth, said, anchors, list(raw.levels))
        return found

    def match(self, raw: AnchorsRaw, boxes: Tensor) -> Tensor:
        """Return (N,) as section 3 of the paper and 3.3 of its extension (arXiv:2006.09214) say it.

        A point learns an object if it lies in it and near its centre, and the longest distance to a side fits
        its level; of several objects the smallest. torchvision does the same inside of its loss.
        """
        points, cell = (raw.anchors[:, :2] + raw.anchors[:, 2:]) / 2, raw.anchors[:, 2] - raw.anchors[:, 0]
        centre = (boxes[:, :2] + boxes[:, 2:]) / 2
        away = (points[:, None] - centre).abs().amax(2)  # (N, M)
        sides = to_distances(points[:, None], boxes)  # (N, M, 4)
        least, most = 4 * cell, 8 * cell
        least[: raw.levels[0]], most[-raw.levels[-1] :] = 0, torch.inf
        longest = sides.amax(2)
        near = (away < self.model.center_sampling_radius * cell[:, None]) & (sides.amin(2) > 0)
        near &= (longest > least[:, None]) & (longest < most[:, None])
        areas = torch.where(near, area(boxes), torch.inf)
        smallest, found = areas.min(1)
        return torch.where(smallest.isfinite(), found, BACKGROUND)

    def scores(self, raw: AnchorsRaw) -> Tensor:
        """Return (B, N, K): the geometric mean of class score and centerness."""
        if raw.centerness is None:
            raise ValueError("FCOS needs the centerness of its points")
        return (raw.logits.float().sigmoid() * raw.centerness.float().sigmoid()[..., None]).sqrt()

    def boxes(self, raw: AnchorsRaw) -> Tensor:
        """Return (B, N, 4): the distances to the four sides in cells."""
        decoded: Tensor = self.model.box_coder.decode(raw.deltas.float(), raw.anchors)
        return decoded


class SsdHead(AnchorHead):
    """SSD: Liu et al. (2015), arXiv:1512.02325; softmax with the background as column 0."""

    first = 1
    candidates = None

    def compute(
        self, raw: AnchorsRaw, truth: list[dict[str, Tensor]], said: dict[str, Tensor]
    ) -> dict[str, Tensor]:
        """Return the losses by torchvision's own code; the matching, which its forward does, is here."""
        nothing = torch.full((len(raw.anchors),), BACKGROUND, device=raw.anchors.device)
        matched = [self.match(raw, each["boxes"]) if len(each["boxes"]) else nothing for each in truth]
        anchors = [raw.anchors] * len(truth)
        found: dict[str, Tensor] = self.model.compute_loss(truth, said, anchors, matched)
        return found

    def scores(self, raw: AnchorsRaw) -> Tensor:
        """Return (B, N, K), summing to 1 with the background's."""
        return raw.logits.float().softmax(-1)

    def boxes(self, raw: AnchorsRaw) -> Tensor:
        """Return (B, N, 4) xyxy in pixels of the input."""
        return decode(raw.deltas.float(), raw.anchors, weights=SECOND_STAGE)
