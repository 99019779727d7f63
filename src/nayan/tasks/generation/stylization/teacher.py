"""Says how far a picture is from showing what a photograph shows, and from being painted as a style is.

Papers: Gatys, Ecker, Bethge, "Image style transfer using convolutional neural networks", CVPR 2016
(arXiv:1508.06576): picture by picture; Johnson, Alahi, Fei-Fei, 2016, arXiv:1603.08155: the same as what a
network learns by.
"""

# B pictures, (h, w) their size

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from nayan.parts.backbone import build_backbone
from nayan.parts.losses.perceptual import (
    Features,
    build_features,
    content_loss,
    describe,
    gram,
    style_loss,
    total_variation,
)
from nayan.tasks.generation.stylization.catalog import LAYERS, Layers


@dataclass(frozen=True, slots=True)
class Weights:
    """How much each part counts. All are relative to what is wanted, so that they mean the same everywhere.

    Attributes:
        content: of what is shown.
        style: of how it is painted.
        smoothness: of the squared difference of neighbouring pixels.
    """

    content: float = 1.0
    style: float = 10.0
    smoothness: float = 1.0


class Teacher(nn.Module):
    """A frozen network that compares pictures with a photograph and with a style.

    Args:
        features: at the layers of `layers`.
        layers: which of them tell what.
        weights: of the parts.
    """

    def __init__(self, features: Features, layers: Layers, weights: Weights) -> None:
        super().__init__()
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
        maps = self.features(picture)
        self._style = describe({name: maps[name] for name in self.layers.style}, gram)

    @torch.no_grad()
    def content(self, pictures: Tensor) -> dict[str, Tensor]:
        """Return what (B, 3, h, w) pixels in [0, 255] show, as `losses` wants it."""
        maps = self.features(pictures)
        return {name: maps[name] for name in self.layers.content}

    def losses(self, pictures: Tensor, shown: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return the weighted "content", "style" and "smoothness" of pictures.

        Args:
            pictures: (B, 3, h, w) pixels in [0, 255].
            shown: of the photographs, by `content`; of the same size.
        """
        maps = self.features(pictures)
        return {
            "content": self.weights.content * content_loss(maps, shown),
            "style": self.weights.style * style_loss(maps, self._style, gram),
            "smoothness": self.weights.smoothness * total_variation(pictures),
        }


def build_teacher(backbone: str, *, source: str | Path, weights: Weights, smooth: bool = False) -> Teacher:
    """Return a teacher that sees by a published network.

    Args:
        backbone: its name.
        source: of its weights: "imagenet", a .safetensors file, or "none".
        weights: of the parts of what it says.
        smooth: for pictures that are made by gradients, see `build_features`.

    Raises:
        NotFound: unknown network.
        WeightsError: its weights cannot be had.
    """
    layers = LAYERS.get(backbone.partition(".")[0]) or _of_stages(backbone)
    names = tuple(dict.fromkeys((*layers.style, *layers.content)))
    return Teacher(build_features(backbone, layers=names, weights=source, smooth=smooth), layers, weights)


def _of_stages(backbone: str) -> Layers:
    """Return the outputs of all stages but the last as the style, of the middle one as the content."""
    names = [name for name, _ in build_backbone(backbone).stages]
    style = names[:-1] or names
    return Layers((style[len(style) // 2],), tuple(style))
