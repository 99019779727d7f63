"""`triplet`: an anchor must be nearer to its like than to any other, by a margin.

Paper: Schroff, Kalenichenko, Philbin, "FaceNet: a unified embedding for face recognition and clustering",
2015, arXiv:1503.03832.

    anchor a ──┐
    positive p ├── network ── unit vectors ── max(0, |a - p|^2 - |a - n|^2 + m)
    negative n ┘

Most triplets are easy and teach nothing, so those of a batch are mined: "semihard", the paper's, has
negatives that are farther than the positive but within the margin; "hard" those that are nearer than the
positive; "all" both. Loss and miner are those of pytorch-metric-learning (MIT). What differs from the paper:
batches of dozens of pictures where it has 1,800, and "all", which Hermans et al. (2017, arXiv:1703.07737,
"batch all") found better, is the default.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, get_args

from pytorch_metric_learning.distances import LpDistance
from pytorch_metric_learning.losses import TripletMarginLoss
from pytorch_metric_learning.miners import TripletMarginMiner
from torch import Tensor

from nayan.core.errors import NotFound
from nayan.core.types import Size
from nayan.tasks.embedding.network import Body, Embedder, EmbeddingRaw, Pooling, build_embedder

Miner = Literal["semihard", "hard", "all"]


@dataclass(frozen=True)
class Triplets:
    """The triplet loss over the mined triplets of a batch.

    Attributes:
        margin: m, between squared distances, which lie in [0, 4].
        miner: which triplets count.
    """

    margin: float
    miner: Miner

    def __call__(self, raw: EmbeddingRaw, identities: Tensor) -> dict[str, Tensor]:
        """Return {"triplet": the mean over those triplets that violate the margin, 0 where none does}."""
        loss, miner = self._parts
        vectors = raw.vectors
        return {"triplet": loss(vectors, identities, miner(vectors.detach(), identities))}

    @cached_property
    def _parts(self) -> tuple[TripletMarginLoss, TripletMarginMiner]:
        squares = LpDistance(normalize_embeddings=False, p=2, power=2)
        miner = TripletMarginMiner(self.margin, type_of_triplets=self.miner, distance=squares)
        return TripletMarginLoss(self.margin, distance=squares), miner


def triplet(
    classes: Sequence[str],  # noqa: ARG001  a triplet needs no names
    *,
    backbone: str = "conv4",
    channels: int = 3,
    size: Size = (64, 64),
    pooling: Pooling = "gap",
    dim: int = 128,
    margin: float = 0.2,
    miner: Miner = "all",
    mean: Sequence[float],
    std: Sequence[float],
    dropout: float = 0.0,
) -> Embedder:
    """Build an embedder that learns from triplets, with fresh weights.

    Args:
        classes: the identities of the training data; not needed.
        backbone: "conv4", or a name of timm or torchvision.
        channels: 1 or 3, of a picture.
        size: (height, width) of the pictures.
        pooling: "gap", "gem" or "flatten".
        dim: values of the embedding.
        margin: of the triplet loss, between squared distances.
        miner: "semihard", "hard" or "all".
        mean: of each channel, in [0, 1].
        std: of each channel.
        dropout: before the last layer.

    Raises:
        NotFound: unknown miner.
    """
    if miner not in get_args(Miner):
        raise NotFound("miner", miner, get_args(Miner))
    body = Body(backbone, channels, size, pooling, dim, mean, std, dropout)
    return build_embedder(body, Triplets(margin, miner))
