"""How many pixels of each class are found, said and there, when a probability counts as a part of a pixel."""

# B pictures, K classes, (h, w) size of the input

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from nayan.core.types import VOID


class SoftCounts(NamedTuple):
    """Pixels of each class, of the whole batch together.

    Attributes:
        hit: (K,) probability of the class, summed over the pixels that are of it.
        said: (K,) summed over all known pixels.
        there: (K,) pixels that are of it.
    """

    hit: Tensor
    said: Tensor
    there: Tensor


def soft_counts(logits: Tensor, target: Tensor, *, ignore: int = VOID) -> SoftCounts:
    """Return what Dice, Tversky and their like are made of.

    Args:
        logits: (B, K, h, w).
        target: (B, h, w) int64 classes; `ignore` where nothing is known.
        ignore: left out.

    >>> logits = torch.tensor([0.0, 0.0]).reshape(1, 2, 1, 1).expand(1, 2, 1, 3)
    >>> counts = soft_counts(logits, torch.tensor([[[0, 1, 255]]]))
    >>> counts.hit, counts.said, counts.there
    (tensor([0.5000, 0.5000]), tensor([1., 1.]), tensor([1., 1.]))
    """
    p = logits.float().softmax(dim=1)
    known = target != ignore
    classes = torch.where(known, target, 0)
    p_true = p.gather(1, classes[:, None])[:, 0] * known  # (B, K, h, w) -> (B, h, w)
    nothing = p.new_zeros(p.shape[1])
    hit = nothing.index_add(0, classes.flatten(), p_true.flatten())
    said = (p * known[:, None]).sum(dim=(0, 2, 3))
    there = nothing.index_add(0, classes.flatten(), known.flatten().to(p.dtype))
    return SoftCounts(hit, said, there)


def mean_over_classes(loss: Tensor, counts: SoftCounts, *, absent: bool) -> Tensor:
    """Return the mean of (K,) losses over the classes: of all, or of those that are there.

    Nothing known at all gives 0, with a gradient of 0.
    """
    counted = torch.ones_like(loss) if absent else (counts.there > 0).to(loss.dtype)
    counted = counted * (counts.there.sum() > 0)
    return (loss * counted).sum() / counted.sum().clamp(min=1)
