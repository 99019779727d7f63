"""Pictures of coloured squares, which every detector must be able to learn by heart."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from nayan.parts.boxes import iou_matrix
from nayan.parts.nms import nms
from nayan.tasks.detection.network import Targets

COLOURS = torch.tensor([[220, 30, 30], [30, 200, 40], [40, 60, 230]], dtype=torch.uint8)
CLASSES = ("red", "green", "blue")


def squares(count: int = 4, *, side: int = 128, seed: int = 0) -> tuple[Tensor, Targets]:
    """Return (count, 3, side, side) uint8 pictures of 1 to 3 rectangles each, which do not overlap."""
    generator = torch.Generator().manual_seed(seed)

    def below(limit: int) -> int:
        return int(torch.randint(limit, (1,), generator=generator))

    images = torch.randint(110, 130, (count, 3, side, side), generator=generator, dtype=torch.uint8)
    boxes, labels = torch.zeros(count, 3, 4), torch.full((count, 3), -1)
    for picture in range(count):
        for number in range(1 + (picture + 2) % 3):
            while True:
                width, height = (side // 7 + below(side // 4) for _ in range(2))
                left, top = below(side - width), below(side - height)
                box = torch.tensor([[left, top, left + width, top + height]]).float()
                if not bool((iou_matrix(box, boxes[picture]) > 0).any()):
                    break
            label = (picture + number) % 3
            images[picture, :, top : top + height, left : left + width] = COLOURS[label][:, None, None]
            boxes[picture, number], labels[picture, number] = box[0], label
    return images, Targets(boxes, labels)


def learn(network: nn.Module, images: Tensor, targets: Targets, *, steps: int, lr: float = 2e-3) -> None:
    """Take some steps of AdamW on the same pictures."""
    optimiser = torch.optim.AdamW(network.parameters(), lr=lr)
    network.train()
    for _ in range(steps):
        losses = network.losses(network(images, targets), targets)  # type: ignore[operator]
        optimiser.zero_grad()
        sum(losses.values()).backward()
        nn.utils.clip_grad_norm_(network.parameters(), 10.0)
        optimiser.step()


def missed_and_wrong(network: nn.Module, images: Tensor, targets: Targets) -> tuple[int, int]:
    """Return how many objects are not found (IoU 0.5, score 0.3), and how many findings are none."""
    missed = wrong = 0
    network.eval()
    with torch.no_grad():
        found = network.deploy(network(images))  # type: ignore[operator]
    for picture in range(len(images)):
        scores, labels = found["scores"][picture].max(1)
        boxes = found["boxes"][picture]
        if boxes.ndim == 3:  # a box for each class
            boxes = boxes[torch.arange(len(boxes)), labels]
        keep = (scores > 0.3).nonzero()[:, 0]
        keep = keep[nms(boxes[keep], scores[keep], labels=labels[keep], iou=0.5)]
        valid = targets.valid[picture]
        hits = iou_matrix(boxes[keep], targets.boxes[picture][valid]) > 0.5
        hits &= labels[keep][:, None] == targets.labels[picture][valid]
        missed += int((~hits.any(0)).sum())
        wrong += int((~hits.any(1)).sum())
    return missed, wrong
