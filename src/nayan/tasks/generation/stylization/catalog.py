"""The networks that restyle pictures, by name, and what published networks show of a style. No torch here."""

from __future__ import annotations

from dataclasses import dataclass

from nayan.core.registry import Catalog
from nayan.runtime.preprocess import Preprocess
from nayan.tasks.cards import Entry

MODELS_AT = "nayan.tasks.generation.stylization.models"
HALF = (0.5, 0.5, 0.5)
VGG19 = "vgg19"
"""The network of Gatys et al. (2016), by which pictures are judged unless another is named."""

MODELS: Catalog[Entry] = Catalog(
    "model",
    [
        Entry(
            "fast_style",
            f"{MODELS_AT}.fast_style:fast_style",
            Preprocess((256, 256), "crop", mean=HALF, std=HALF, interpolation="bicubic"),
            summary="one style, learnt once, then painted in one pass",
            paper="arXiv:1603.08155",
            licence="Apache-2.0",
            weights=f"judged by: timm/{VGG19}.tv_in1k (BSD-3-Clause)",
            args={"backbone": VGG19},
            inputs={"photograph": {"method": "whole"}},
            explain=("enter", "middle", "leave"),
            use="nayan stylize PICTURES --model {model}",
        ),
    ],
)
"""Every network that restyles by its name."""


@dataclass(frozen=True, slots=True)
class Layers:
    """Where a published network is asked what a picture shows, and how it is painted.

    Attributes:
        content: names of layers; deep ones, which no longer see single pixels.
        style: names of layers, from fine to coarse.
    """

    content: tuple[str, ...]
    style: tuple[str, ...]


LAYERS = {
    # conv4_2; conv1_1 to conv5_1, each after its ReLU: Gatys et al. (2016), section 3
    "vgg19": Layers(
        ("features.22",), ("features.1", "features.6", "features.11", "features.20", "features.29")
    ),
    "vgg16": Layers(("features.15",), ("features.3", "features.8", "features.15", "features.22")),
    "squeezenet1_0": Layers(
        ("features.8",), ("features.1", "features.3", "features.5", "features.8", "features.10")
    ),
    # the wide maps between the narrow ones, after their ReLU: those between blocks have no rectifier
    "mobilenetv2_100": Layers(
        ("blocks.3.0.bn1",), ("bn1", "blocks.1.0.bn1", "blocks.2.0.bn1", "blocks.3.0.bn1", "blocks.4.0.bn1")
    ),
}
"""By the name of the backbone, without the tag of its weights; of all others the stages are asked."""
