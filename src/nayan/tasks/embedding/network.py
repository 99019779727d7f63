"""What every embedder is: normalise, stages of a backbone, pooling, a head; and what it gives.

pixels (B, C, h, w) 0..255 ── Normalise ── stage ── ... ── stage ── pool ── linear ── unit length ── (B, D)
                            └───────── the first stage ─────────┘           └──── the head ────┘
"""

# B pictures, C channels, D values of the embedding, K identities of the training data

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, get_args

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nayan.core.errors import ConfigError, NotFound
from nayan.core.types import Size
from nayan.parts.backbone import Backbone, build_backbone
from nayan.parts.conv4 import build_conv4
from nayan.parts.minimum_size import check_size, output_shape
from nayan.parts.normalise import Normalise
from nayan.parts.pooling import GeM

Pooling = Literal["gap", "gem", "flatten"]
"""The published way from the last map to a vector (mostly the mean), the generalised mean, or every cell."""


@dataclass(slots=True, eq=False)  # not frozen: Fabric casts the fields of what forward returns
class EmbeddingRaw:
    """What an embedder says about a batch.

    Attributes:
        vectors: (B, D), each of length 1.
        proxies: (D, K), one direction for each identity that it learns from, where the loss compares with
            them; None elsewhere. They are not exported: an embedder is for those that it never saw.
    """

    vectors: Tensor
    proxies: Tensor | None = None


class Criterion(Protocol):
    """What a kind of embedder minimises; it has no weights, so that copies of a network share it."""

    def __call__(self, raw: EmbeddingRaw, identities: Tensor) -> dict[str, Tensor]:
        """Return the named parts of the loss of a batch; `identities` is (B,) int64."""
        ...


class EmbeddingHead(nn.Module):
    """Dropout, a linear layer that keeps distances as they are to begin with, and unit length.

    Args:
        inputs: values of the pooled vector.
        dim: D.
        dropout: share of the pooled values that is dropped while learning.
        proxies: K, where the loss needs them.
    """

    def __init__(self, inputs: int, dim: int, *, dropout: float = 0.0, proxies: int = 0) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.linear = nn.Linear(inputs, dim)
        # rows at right angles: what a pretrained backbone finds alike is alike before anything is learnt
        nn.init.orthogonal_(self.linear.weight)
        nn.init.zeros_(self.linear.bias)
        self.proxies = nn.Parameter(torch.randn(dim, proxies)) if proxies else None

    def forward(self, features: Tensor) -> EmbeddingRaw:
        """Return the (B, D) vectors of (B, inputs) pooled features."""
        vectors = self.linear(self.dropout(features.flatten(1)))
        return EmbeddingRaw(F.normalize(vectors.float(), dim=1), self.proxies)


class Embedder(nn.Module):
    """A network with the two doors that `nayan.tasks.base.Network` promises.

    Args:
        backbone: what sees.
        head: from the pooled vector to `EmbeddingRaw`.
        pool: in place of the backbone's own; None keeps that.
        normalise: the first layer.
        criterion: what it learns by.
    """

    def __init__(
        self,
        backbone: Backbone,
        head: EmbeddingHead,
        *,
        pool: nn.Module | None,
        normalise: Normalise,
        criterion: Criterion,
    ) -> None:
        super().__init__()
        self.normalise = normalise
        self.backbone = backbone
        self.pool = pool
        self.head = head
        self.criterion = criterion
        (first, module), *others = backbone.stages
        self._stages = (
            (first, nn.Sequential(normalise, module)),
            *others,
            ("pool", backbone.pool if pool is None else pool),
            ("head", head),
        )

    def forward(self, images: Tensor, targets: Any = None) -> EmbeddingRaw:  # noqa: ARG002
        """Return the vectors of (B, C, h, w) pixels in [0, 255], uint8 or float; `targets` are not needed."""
        x: Any = images
        for _, stage in self._stages:
            x = stage(x)
        result: EmbeddingRaw = x
        return result

    def deploy(self, raw: EmbeddingRaw) -> dict[str, Tensor]:
        """Return {"embedding": (B, D), each of length 1}."""
        return {"embedding": raw.vectors}

    def stages(self) -> list[tuple[str, nn.Module]]:
        """Return the named steps whose chain is `forward`; the last one is ("head", ...)."""
        return list(self._stages)


@dataclass(frozen=True, slots=True)
class Body:
    """How an embedder sees: what all kinds of them have in common.

    Attributes:
        backbone: "conv4", or a name of timm or torchvision.
        channels: 1 or 3, of a picture.
        size: (height, width) of the pictures.
        pooling: from the last map to a vector.
        dim: D, values of the embedding.
        mean, std: of each channel, in [0, 1].
        dropout: before the last layer.
    """

    backbone: str
    channels: int
    size: Size
    pooling: Pooling
    dim: int
    mean: Sequence[float]
    std: Sequence[float]
    dropout: float = 0.0


def build_embedder(body: Body, criterion: Criterion, *, proxies: int = 0) -> Embedder:
    """Return an embedder with fresh weights.

    Args:
        body: how it sees.
        criterion: what it learns by.
        proxies: how many directions that needs, one an identity.

    Raises:
        NotFound: unknown backbone or pooling.
        ConfigError: pictures that are too small for the backbone, or one that gives no map to pool.
    """
    if body.pooling not in get_args(Pooling):
        raise NotFound("pooling", body.pooling, get_args(Pooling))
    if body.dim < 2:
        raise ConfigError(f"an embedding of {body.dim} values", hint="--dim 128 is usual")
    if body.backbone == "conv4":
        backbone = build_conv4(channels=body.channels, size=body.size)
    else:
        backbone = build_backbone(body.backbone, channels=body.channels, size=body.size)
        check_size(backbone, body.size, channels=body.channels)
    pool, values = _pool(backbone, body)
    return Embedder(
        backbone,
        EmbeddingHead(values, body.dim, dropout=body.dropout, proxies=proxies),
        pool=pool,
        normalise=Normalise.for_channels(body.mean, body.std, channels=body.channels),
        criterion=criterion,
    )


def _pool(backbone: Backbone, body: Body) -> tuple[nn.Module | None, int]:
    """Return the pooling (None for the published one) and the length of the vector that it gives."""
    if body.pooling == "gap":
        return None, backbone.num_pooled
    backbone.remove_pool()
    shape = output_shape(backbone, (1, body.channels, *body.size))
    if body.pooling == "flatten":
        return nn.Flatten(), shape.numel()
    if len(shape) != 4 or shape[1] != backbone.num_features:
        raise ConfigError(
            f"--pooling gem takes maps (channels, h, w), {body.backbone} gives {tuple(shape[1:])}",
            hint="use --pooling gap",
        )
    return GeM(), int(shape[1])
