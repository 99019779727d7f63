"""`arcface`: classify the identities of the training data with a margin on the angle, then forget them.

Paper: Deng, Guo, Xue, Zafeiriou, "ArcFace: additive angular margin loss for deep face recognition", 2019,
arXiv:1801.07698.

    picture ── network ── unit vector x ── angles to the K proxies ── theta_y + m ── s cos ── cross-entropy
                                └──────── what is deployed

Each identity of the training data has a direction, its proxy, which is learnt too. A picture must be nearer
to its own than to all others, even after m was added to that angle, so that identities become narrow cones.
Whoever is met
later has no proxy and needs none: the vectors are compared with each other.

The loss is that of pytorch-metric-learning (MIT). What differs from the paper: a linear layer to the
embedding instead of BN-dropout-FC-BN; s = 32 instead of 64, which is for tens of thousands of identities.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from pytorch_metric_learning.losses import ArcFaceLoss
from torch import Tensor
from torch.func import functional_call

from nayan.core.types import Size
from nayan.tasks.embedding.network import Body, Embedder, EmbeddingRaw, Pooling, build_embedder


@dataclass(frozen=True)
class AngularMargin:
    """The additive angular margin loss.

    Attributes:
        identities: K.
        dim: values of a vector.
        margin: m, in radians.
        scale: s, of the cosines.
    """

    identities: int
    dim: int
    margin: float
    scale: float

    def __call__(self, raw: EmbeddingRaw, identities: Tensor) -> dict[str, Tensor]:
        """Return {"arcface": mean over the batch}."""
        assert raw.proxies is not None
        # the proxies belong to the network, which is copied, averaged and saved; the loss only borrows them
        loss = functional_call(self._loss, {"W": raw.proxies.float()}, (raw.vectors, identities))
        return {"arcface": loss}

    @cached_property
    def _loss(self) -> ArcFaceLoss:
        return ArcFaceLoss(self.identities, self.dim, margin=math.degrees(self.margin), scale=self.scale)


def arcface(
    classes: Sequence[str],
    *,
    backbone: str = "conv4",
    channels: int = 3,
    size: Size = (64, 64),
    pooling: Pooling = "gap",
    dim: int = 128,
    margin: float = 0.5,
    scale: float = 32.0,
    mean: Sequence[float],
    std: Sequence[float],
    dropout: float = 0.0,
) -> Embedder:
    """Build an embedder with a proxy for each identity of the training data, with fresh weights.

    Args:
        classes: these identities.
        backbone: "conv4", or a name of timm or torchvision.
        channels: 1 or 3, of a picture.
        size: (height, width) of the pictures.
        pooling: "gap", "gem" or "flatten".
        dim: values of the embedding.
        margin: on the angle, in radians.
        scale: of the cosines.
        mean: of each channel, in [0, 1].
        std: of each channel.
        dropout: before the last layer.
    """
    body = Body(backbone, channels, size, pooling, dim, mean, std, dropout)
    return build_embedder(body, AngularMargin(len(classes), dim, margin, scale), proxies=len(classes))
