"""From a classifier to what embeds: what its last layer sees, made a unit vector.

pixels (B, C, h, w) ── stages of the backbone ─┬─ pooling, hidden layers ─┐
                                               ├─ generalised mean ───────┼── unit length ── (B, D)
                                               └─ every cell ─────────────┘
"""

# B pictures, C channels, D values of the vector

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from nayan.core.errors import ConfigError
from nayan.core.types import Image
from nayan.export.bundle import save_bundle
from nayan.parts.backbone import Backbone
from nayan.parts.minimum_size import output_shape
from nayan.parts.pooling import GeM
from nayan.runtime.preprocess import Preprocess, resize
from nayan.runtime.spec import Spec
from nayan.tasks.embedding.network import Pooling
from nayan.tasks.embedding.search.embedders import FINGERPRINT


class Features(nn.Module):
    """A classifier whose answer is the vector that its last layer sees, or another pooling of its last map.

    Args:
        classifier: with a `backbone` and a `normalise`; its raw output has an `embedding`.
        pool: from the last map to a vector; None for the classifier's own way.
    """

    def __init__(self, classifier: nn.Module, pool: nn.Module | None = None) -> None:
        super().__init__()
        self.classifier = classifier
        self.pool = pool

    def forward(self, images: Tensor, targets: Any = None) -> Tensor:  # noqa: ARG002
        """Return (B, D) vectors of length 1 of (B, C, h, w) pixels in [0, 255]."""
        if self.pool is None:
            vectors = self.classifier(images).embedding
        else:
            normalise, backbone = map(self.classifier.get_submodule, ("normalise", "backbone"))
            vectors = self.pool(backbone(normalise(images))).flatten(1)
        return F.normalize(vectors.float(), dim=1)

    def deploy(self, raw: Tensor) -> dict[str, Tensor]:
        """Return {"embedding": (B, D), each of length 1}."""
        return {"embedding": raw}


def save_features(
    classifier: nn.Module,
    folder: Path,
    *,
    model: str,
    preprocess: Preprocess,
    pooling: Pooling,
    fingerprint: str,
    images: Sequence[Image],
) -> Path:
    """Write what a classifier sees as the bundle of an embedder, and prove that it answers as torch does.

    Args:
        classifier: in evaluation mode; it is not changed.
        folder: the bundle.
        model: what it is called.
        preprocess: from a picture to its pixels.
        pooling: "gap" for what its last layer sees, "gem" or "flatten" for another pooling of its last map.
        fingerprint: of what it is made of.
        images: real pictures, at least one; they are kept no larger than the network sees them.

    Raises:
        ConfigError: if its last map cannot be pooled so.
        ExportError: if it cannot be written as ONNX, or answers otherwise.
    """
    spec = Spec(
        "embedding",
        model,
        {"pooling": pooling},
        (),
        preprocess,
        provenance={FINGERPRINT: fingerprint},
    )
    network = Features(classifier, _pool(classifier, preprocess, pooling)).eval()
    small = [resize(image, preprocess.size) for image in images]
    save_bundle(network, spec, folder, images=small)
    return folder


def _pool(classifier: nn.Module, preprocess: Preprocess, pooling: Pooling) -> nn.Module | None:
    if pooling == "gap":
        return None
    backbone = classifier.get_submodule("backbone")
    assert isinstance(backbone, Backbone)  # as every classifier has
    shape = output_shape(backbone, (1, preprocess.channels, *preprocess.size))
    if pooling == "flatten":
        return nn.Flatten()
    if len(shape) != 4 or shape[1] != backbone.num_features:
        raise ConfigError(
            f"--pooling gem takes maps (channels, h, w), {backbone.published.name} gives {tuple(shape[1:])}",
            hint="use --pooling gap",
        )
    return GeM()
