"""What every classifier is: normalise, stages of a backbone, a head; and what it gives.

pixels (B, C, h, w) 0..255 ── Normalise ── stage ── ... ── stage ── head ── ClassLogits
                            └───────── the first stage ─────────┘
"""

# B pictures, C channels, K classes, D values of the embedding

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from nayan.parts.backbone import Backbone
from nayan.parts.normalise import Normalise


@dataclass(slots=True, eq=False)  # not frozen: Fabric casts the fields of what forward returns
class ClassLogits:
    """What a classifier says about a batch.

    Attributes:
        logits: (B, K), unnormalised.
        embedding: (B, D), what the last linear layer sees.
    """

    logits: Tensor
    embedding: Tensor


class Head(nn.Module):
    """The last stage: gives `ClassLogits`. Wraps any module that returns (logits, embedding)."""

    def __init__(self, layers: nn.Module) -> None:
        super().__init__()
        self.layers = layers

    def forward(self, features: Tensor) -> ClassLogits:
        """Return the logits and the embedding of what the backbone gave."""
        logits, embedding = self.layers(features)
        return ClassLogits(logits, embedding)


class Classifier(nn.Module):
    """A network with the two doors that `nayan.tasks.base.Network` promises.

    Args:
        backbone: what sees.
        head: a module from the backbone's output to (logits, embedding).
        normalise: the first layer.
        pooled: whether the backbone's published pooling stands before the head.
    """

    temperature: Tensor

    def __init__(
        self, backbone: Backbone, head: nn.Module, *, normalise: Normalise, pooled: bool = True
    ) -> None:
        super().__init__()
        self.normalise = normalise
        self.backbone = backbone
        self.head = Head(head)
        self.register_buffer("temperature", torch.ones(()))
        (first, module), *others = backbone.stages
        self._stages = (
            (first, nn.Sequential(normalise, module)),
            *others,
            *([("pool", backbone.pool)] if pooled else []),
            ("head", self.head),
        )

    def forward(self, images: Tensor, targets: Any = None) -> ClassLogits:  # noqa: ARG002
        """Return the logits of (B, C, h, w) pixels in [0, 255], uint8 or float; `targets` are not needed."""
        x: Any = images
        for _, stage in self._stages:
            x = stage(x)
        result: ClassLogits = x
        return result

    def deploy(self, raw: ClassLogits) -> dict[str, Tensor]:
        """Return {"logits": (B, K), "probabilities": (B, K) softmax of the logits over the temperature}."""
        return {"logits": raw.logits, "probabilities": (raw.logits / self.temperature).softmax(dim=1)}

    def stages(self) -> list[tuple[str, nn.Module]]:
        """Return the named steps whose chain is `forward`; the last one is ("head", ...)."""
        return list(self._stages)
