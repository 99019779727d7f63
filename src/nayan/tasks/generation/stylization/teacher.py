"""Says how far a picture is from showing what a photograph shows, and from being painted as a style is.

Papers: Gatys, Ecker, Bethge, "Image style transfer using convolutional neural networks", CVPR 2016
(arXiv:1508.06576): picture by picture; Johnson, Alahi, Fei-Fei, 2016, arXiv:1603.08155: the same as what a
network learns by.
"""

# B pictures, (h, w) their size

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from nayan.parts.backbone import build_backbone
from nayan.parts.losses.perceptual import (
    Features,
    Maps,
    build_features,
    content_loss,
    describe,
    gram,
    style_distances,
    style_loss,
    total_variation,
)
from nayan.tasks.generation.stylization.catalog import LAYERS, Layers

EDGE_PX = 8


@dataclass(frozen=True, slots=True)
class Weights:
    """How much each part counts.

    Attributes:
        content: of what is shown; 0 for the photograph, about 1 for what shows nothing of it.
        style: of how it is painted; it is 1 for the photograph and 0 for the style, whatever network looks.
        smoothness: of the squared difference of neighbouring pixels.
    """

    content: float = 1.0
    style: float = 10.0
    smoothness: float = 1.0


@dataclass(frozen=True, slots=True, eq=False)
class Shown:
    """What photographs look like to a teacher.

    Attributes:
        content: the maps of its content layers, (B, C, h, w) each.
        away: for each style layer, how far they are from the style.
    """

    content: dict[str, Tensor]
    away: dict[str, Tensor]


class Teacher(nn.Module):
    """A frozen network that compares pictures with a photograph and with a style.

    Args:
        features: at the layers of `layers`.
        layers: which of them tell what.
        weights: of the parts.
        edge_px: so near to its edges a picture is not asked for its style. Networks pad with zeros, by which
            they know where a picture ends, and would paint the frame of the style, too.
    """

    def __init__(self, features: Features, layers: Layers, weights: Weights, *, edge_px: int) -> None:
        super().__init__()
        self.edge_px = edge_px
        self.features = features
        self.layers = layers
        self.weights = weights
        self._style: dict[str, Tensor] = {}

    @torch.inference_mode(mode=False)  # what is remembered here takes part in backward passes later
    @torch.no_grad()
    def learn_style(self, picture: Tensor) -> None:
        """Remember how a picture is painted.

        Args:
            picture: (1, 3, h, w) pixels in [0, 255], at the size at which its strokes are wanted.
        """
        self._style = describe(self._inside(self.features(picture), picture), gram)

    @torch.no_grad()
    def look_at(self, photographs: Tensor) -> Shown:
        """Return what (B, 3, h, w) pixels in [0, 255] show, and how far they are from the style."""
        maps = self.features(photographs)
        away = style_distances(self._inside(maps, photographs), self._style, gram)
        return Shown({name: maps[name] for name in self.layers.content}, away)

    def losses(self, pictures: Tensor, shown: Shown) -> dict[str, Tensor]:
        """Return the weighted "content", "style" and "smoothness" of pictures.

        Args:
            pictures: (B, 3, h, w) pixels in [0, 255].
            shown: the photographs, by `look_at`; of the same size.
        """
        maps = self.features(pictures)
        style = style_loss(self._inside(maps, pictures), self._style, gram, unit=shown.away)
        return {
            "content": self.weights.content * content_loss(maps, shown.content),
            "style": self.weights.style * style,
            "smoothness": self.weights.smoothness * total_variation(pictures),
        }

    def _inside(self, maps: Maps, pictures: Tensor) -> dict[str, Tensor]:
        """Return the maps of the style layers without their cells at the edges, but for the middle one."""
        found = {}
        for name in self.layers.style:
            height, width = maps[name].shape[2:]
            top = min(math.ceil(self.edge_px * height / pictures.shape[2]), (height - 1) // 2)
            left = min(math.ceil(self.edge_px * width / pictures.shape[3]), (width - 1) // 2)
            found[name] = maps[name][:, :, top : height - top, left : width - left]
        return found


def build_teacher(
    backbone: str, *, source: str | Path, weights: Weights, edge_px: int = EDGE_PX, smooth: bool = False
) -> Teacher:
    """Return a teacher that sees by a published network.

    Args:
        backbone: its name.
        source: of its weights: "imagenet", a .safetensors file, or "none".
        weights: of the parts of what it says.
        edge_px: see `Teacher`.
        smooth: for pictures that are made by gradients, see `build_features`.

    Raises:
        NotFound: unknown network.
        WeightsError: its weights cannot be had.
    """
    layers = LAYERS.get(backbone.partition(".")[0]) or _of_stages(backbone)
    names = tuple(dict.fromkeys((*layers.style, *layers.content)))
    return Teacher(
        build_features(backbone, layers=names, weights=source, smooth=smooth),
        layers,
        weights,
        edge_px=edge_px,
    )


def _of_stages(backbone: str) -> Layers:
    """Return the outputs of all stages but the last as the style, of the middle one as the content."""
    names = [name for name, _ in build_backbone(backbone).stages]
    style = names[:-1] or names
    return Layers((style[len(style) // 2],), tuple(style))
