"""`siamese`: two pictures through one network; the same are pulled together, others pushed apart.

Papers: Bromley et al., "Signature verification using a Siamese time delay neural network", 1993; Hadsell,
Chopra, LeCun, "Dimensionality reduction by learning an invariant mapping", CVPR 2006.

    picture a ── network ── unit vector ┐
                    same weights        ├── d ── same: d^2       different: max(0, m - d)^2
    picture b ── network ── unit vector ┘

What differs from the papers: all pairs of a batch are looked at instead of two pictures at a time (P
identities with K pictures each give P K (P K - 1) / 2 of them); vectors have unit length, so that d lies in
[0, 2]. There are
many more different pairs than same ones, and most are far apart after a while: the loss is the mean over the
same ones plus the mean over the different ones that still are too near.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from nayan.core.types import Size
from nayan.parts.losses.contrastive import contrastive_loss, pair_distances
from nayan.tasks.embedding.network import Body, Embedder, EmbeddingRaw, Pooling, build_embedder


@dataclass(frozen=True, slots=True)
class Contrastive:
    """The contrastive loss over all pairs of a batch.

    Attributes:
        margin: m, the distance from which on different ones are far enough; at most 2.
    """

    margin: float

    def __call__(self, raw: EmbeddingRaw, identities: Tensor) -> dict[str, Tensor]:
        """Return "pull" of the pairs that show the same and "push" of the others, 0 where there are none."""
        distances, first, second = pair_distances(raw.vectors)
        same = identities[first] == identities[second]
        losses = contrastive_loss(distances, same, margin=self.margin)
        near = ~same & (distances < self.margin)
        return {"pull": _mean(losses, same), "push": _mean(losses, near)}


def siamese(
    classes: Sequence[str],  # noqa: ARG001  a pair needs no names
    *,
    backbone: str = "conv4",
    channels: int = 3,
    size: Size = (64, 64),
    pooling: Pooling = "gap",
    dim: int = 128,
    margin: float = 1.0,
    mean: Sequence[float],
    std: Sequence[float],
    dropout: float = 0.0,
) -> Embedder:
    """Build a Siamese network with fresh weights.

    Args:
        classes: the identities of the training data; not needed.
        backbone: "conv4", or a name of timm or torchvision.
        channels: 1 or 3, of a picture.
        size: (height, width) of the pictures.
        pooling: "gap", "gem" or "flatten".
        dim: values of the embedding.
        margin: of the contrastive loss; vectors at right angles have the distance 1.41.
        mean: of each channel, in [0, 1].
        std: of each channel.
        dropout: before the last layer.

    >>> network = siamese((), channels=1, mean=(0.5,), std=(0.5,))
    >>> [name for name, _ in network.stages()]
    ['block1', 'block2', 'block3', 'block4', 'pool', 'head']
    """
    body = Body(backbone, channels, size, pooling, dim, mean, std, dropout)
    return build_embedder(body, Contrastive(margin))


def _mean(losses: Tensor, chosen: Tensor) -> Tensor:
    return (losses * chosen).sum() / chosen.sum().clamp(min=1)
