"""`supcon`: of all others in the batch, a picture must pick out those that show the same.

Paper: Khosla et al., "Supervised contrastive learning", 2020, arXiv:2004.11362, eq. 2 (the sum outside).

    batch ── network ── unit vectors ── cosines / t ── softmax over the others ── mean log of its like

Every pair of the batch counts in every step, weighted by how near it is: what is hard is mined by the softmax
itself. The loss is that of pytorch-metric-learning (MIT). What differs from the paper: no projection that is
thrown away after training, since the vectors themselves are compared; batches of dozens of pictures where it
has 6,144, of which P x K sampling makes every one count.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from pytorch_metric_learning.losses import SupConLoss
from torch import Tensor

from nayan.core.types import Size
from nayan.tasks.embedding.network import Body, Embedder, EmbeddingRaw, Pooling, build_embedder


@dataclass(frozen=True)
class SupervisedContrast:
    """The supervised contrastive loss.

    Attributes:
        temperature: t.
    """

    temperature: float

    def __call__(self, raw: EmbeddingRaw, identities: Tensor) -> dict[str, Tensor]:
        """Return {"supcon": mean over those pictures that have one like them in the batch}."""
        return {"supcon": self._loss(raw.vectors, identities)}

    @cached_property
    def _loss(self) -> SupConLoss:
        return SupConLoss(self.temperature)


def supcon(
    classes: Sequence[str],  # noqa: ARG001  a batch needs no names
    *,
    backbone: str = "conv4",
    channels: int = 3,
    size: Size = (64, 64),
    pooling: Pooling = "gap",
    dim: int = 128,
    temperature: float = 0.1,
    mean: Sequence[float],
    std: Sequence[float],
    dropout: float = 0.0,
) -> Embedder:
    """Build an embedder that learns by supervised contrast, with fresh weights.

    Args:
        classes: the identities of the training data; not needed.
        backbone: "conv4", or a name of timm or torchvision.
        channels: 1 or 3, of a picture.
        size: (height, width) of the pictures.
        pooling: "gap", "gem" or "flatten".
        dim: values of the embedding.
        temperature: by which cosines are divided; the smaller, the more the nearest ones count.
        mean: of each channel, in [0, 1].
        std: of each channel.
        dropout: before the last layer.
    """
    body = Body(backbone, channels, size, pooling, dim, mean, std, dropout)
    return build_embedder(body, SupervisedContrast(temperature))
