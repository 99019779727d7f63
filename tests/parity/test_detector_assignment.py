"""Who learns what in torchvision's detectors is what torchvision's own losses are made of."""

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torchvision.models.detection import FCOS, RetinaNet
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.image_list import ImageList

from nayan.tasks.detection.models.torchvision_heads import AnchorHead, AnchorsRaw, FcosHead, RetinaHead
from nayan.tasks.detection.network import Targets

SIDE = 128
STRIDES = (8, 16, 32)


def anchors(sizes: tuple[tuple[int, ...], ...], ratios: tuple[float, ...]) -> tuple[Tensor, tuple[int, ...]]:
    """Return the anchors of a picture of 128 px at three strides, and how many each level has."""
    generator = AnchorGenerator(sizes, (ratios,) * len(sizes))
    maps = [torch.zeros(1, 1, SIDE // stride, SIDE // stride) for stride in STRIDES]
    (found,) = generator(ImageList(torch.zeros(1, 3, SIDE, SIDE), [(SIDE, SIDE)]), maps)
    each = [len(size) * len(ratios) for size in sizes]
    return found, tuple(m.shape[2] * m.shape[3] * a for m, a in zip(maps, each, strict=True))


def objects(seed: int) -> Targets:
    """Return six objects of all sizes, and a picture with one."""
    generator = torch.Generator().manual_seed(seed)
    corner = torch.rand(2, 6, 2, generator=generator) * 80
    sides = 4 + torch.rand(2, 6, 2, generator=generator) ** 2 * 90
    boxes = torch.cat((corner, (corner + sides).clamp(max=SIDE)), 2)
    labels = torch.zeros(2, 6, dtype=torch.int64)
    labels[1] = torch.tensor([-1, -1, 0, -1, -1, -1])
    return Targets(boxes, labels)


def raw_of(found: Tensor, levels: tuple[int, ...]) -> AnchorsRaw:
    empty = torch.zeros(2, len(found), 1)
    return AnchorsRaw(empty, torch.zeros(2, len(found), 4), None, found, levels, torch.tensor([SIDE, SIDE]))


def learnt_by_torchvision(head: AnchorHead, raw: AnchorsRaw, targets: Targets) -> list[Tensor]:
    """Return the matching that torchvision hands to the losses of its head."""
    seen: list[Any] = []

    def caught(_targets: Any, _outputs: Any, _anchors: Any, matched: Any) -> dict[str, Tensor]:
        seen.extend(matched)
        return {}

    head.model.head = SimpleNamespace(compute_loss=caught)
    truth = [
        {"boxes": b[v], "labels": v[v].long()} for b, v in zip(targets.boxes, targets.valid, strict=True)
    ]
    head.compute(raw, truth, {})
    return seen


class Backbone(nn.Module):
    out_channels = 32  # GroupNorm of FCOS has 32 groups


def without_modules(model: Any) -> Any:
    """Return what the losses need of a network of torchvision, with a head that can be replaced."""
    names = ("proposal_matcher", "center_sampling_radius")
    kept = {name: getattr(model, name) for name in names if hasattr(model, name)}
    stand_in = SimpleNamespace(head=nn.Identity(), **kept)
    stand_in.compute_loss = lambda *args: type(model).compute_loss(stand_in, *args)
    return stand_in


@pytest.mark.parametrize("seed", range(5))
def test_points_of_fcos_learn_what_torchvision_says(seed: int) -> None:
    found, levels = anchors(((8,), (16,), (32,)), (1.0,))
    model = FCOS(Backbone(), 2, anchor_generator=AnchorGenerator(((8,), (16,), (32,)), ((1.0,),) * 3))
    head, raw, targets = FcosHead(without_modules(model)), raw_of(found, levels), objects(seed)
    assignment = head.assign(raw, targets)
    expected = learnt_by_torchvision(head, raw, targets)
    assert torch.equal(assignment.matched[0], expected[0])
    assert torch.equal(assignment.matched[1], torch.where(expected[1] >= 0, 2, expected[1]))
    assert assignment.positive[0].sum() > 5
    assert torch.equal(assignment.weight, assignment.positive.float())


@pytest.mark.parametrize("seed", range(5))
def test_anchors_of_retinanet_learn_what_torchvision_says(seed: int) -> None:
    sizes, ratios = ((16, 20), (32, 40), (64, 80)), (0.5, 1.0, 2.0)
    found, levels = anchors(sizes, ratios)
    model = RetinaNet(Backbone(), 2, anchor_generator=AnchorGenerator(sizes, (ratios,) * 3))
    head, raw, targets = RetinaHead(without_modules(model)), raw_of(found, levels), objects(seed)
    assignment = head.assign(raw, targets)
    expected = learnt_by_torchvision(head, raw, targets)
    assert torch.equal(assignment.matched[0], expected[0])
    assert torch.equal(assignment.matched[1], torch.where(expected[1] >= 0, 2, expected[1]))
    assert (assignment.matched == -2).any()
