"""What torchvision's backbones give to their heads, and the words that all heads share."""

# B pictures, N candidates, D channels

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torchvision.models.detection.image_list import ImageList

from nayan.core.types import Size


@dataclass(frozen=True, slots=True, eq=False)
class Maps:
    """What goes from one stage to the next.

    Attributes:
        found: (B, D, h, w) by name, fine to coarse.
        images: (B, 3, H, W) normalised, for their size.
    """

    found: OrderedDict[str, Tensor]
    images: Tensor

    @property
    def size(self) -> Size:
        """(height, width) of the input."""
        return (int(self.images.shape[2]), int(self.images.shape[3]))

    def anchors(self, generator: Any) -> tuple[Tensor, tuple[int, ...]]:
        """Return the (N, 4) anchors of all maps in pixels of the input, and how many each map has."""
        features = list(self.found.values())
        shapes = getattr(generator, "cell_anchors", None)
        anchors = generator(ImageList(self.images, [self.size]), features)[0]
        if shapes is not None:  # torchvision leaves them on the last device, be it one without data
            generator.cell_anchors = shapes
        cells = [x.shape[2] * x.shape[3] for x in features]
        each = generator.num_anchors_per_location()
        return anchors, tuple(int(n) * int(a) for n, a in zip(cells, each, strict=True))


def clip_to_input(boxes: Tensor, size: Tensor) -> Tensor:
    """Return boxes (..., 4) cut at the edges of the input of (width, height)."""
    return torch.minimum(boxes.clamp(min=0), size.repeat(2))


def take_rows(values: Tensor, index: Tensor) -> Tensor:
    """Return (B, n, ...) of (B, N, ...): the rows of each picture."""
    return values.gather(1, index[..., None].expand(-1, -1, values.shape[-1]))


def best_places(scores: Tensor, count: int) -> Tensor:
    """Return (B, n) the places of the `count` best of (B, N) scores, all if there are fewer; rising.

    Not in the order of the scores, in which runtimes differ where two are almost equal.
    """
    return scores.topk(min(count, scores.shape[1]), 1).indices.sort(1).values


def best_places_of_levels(scores: Tensor, levels: tuple[int, ...], count: int) -> Tensor:
    """Return (B, n) the places of the `count` best of each level of (B, N) scores."""
    starts = [sum(levels[:number]) for number in range(len(levels))]
    return torch.cat(
        [
            best_places(scores[:, start : start + size], count) + start
            for start, size in zip(starts, levels, strict=True)
        ],
        1,
    )
