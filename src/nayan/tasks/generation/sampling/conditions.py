"""What is known of training pictures, as numbers that a generator can be asked for: classes, or sentences."""

# B pictures, T sentences of the picture with the most, L words of a sentence

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from nayan.core.types import Caption, Dataset, Label, Original, Target
from nayan.core.vocabulary import PAD, SPECIAL, Vocabulary

UNKNOWN = -1
"""In the place of a class or a sentence of a picture of which nothing is known."""
NEAR = 0.5
"""Share of the wrong sentences that are nearly right."""
CHANCE = 0.01
"""Smaller than the difference that a word makes, so that it decides among sentences that are equally near."""


def classes_of(targets: Sequence[Target]) -> Tensor:
    """Return (B,) int64 classes, `UNKNOWN` where there is none."""
    return torch.tensor(
        [about.index if isinstance(about, Label) else UNKNOWN for about in map(_about, targets)]
    )


def sentences_of(targets: Sequence[Target], vocabulary: Vocabulary, *, length: int) -> Tensor:
    """Return (B, T, L) int64 words; what a picture has fewer sentences is `PAD`, or `UNKNOWN` without any.

    >>> about = Caption(("a red three", "the digit 3"))
    >>> sentences_of([about, None], Vocabulary(("a", "red", "three")), length=5)
    tensor([[[ 1,  4,  5,  6,  2],
             [ 1,  3,  3,  3,  2]],
    <BLANKLINE>
            [[-1, -1, -1, -1, -1],
             [-1, -1, -1, -1, -1]]])
    """
    texts = [texts_of(target) for target in targets]
    rows = np.full((len(texts), max(1, *map(len, texts)), length), PAD, np.int64)
    for row, said in zip(rows, texts, strict=True):
        for at, text in enumerate(said):
            row[at] = vocabulary.encode(text, length=length)
        if not said:
            row[:] = UNKNOWN
    return torch.from_numpy(rows)


def texts_of(target: Target) -> tuple[str, ...]:
    """Return the sentences about a picture; () where there are none."""
    about = _about(target)
    return about.texts if isinstance(about, Caption) else ()


def some_texts(data: Dataset, most: int) -> tuple[str, ...]:
    """Return sentences of at most so many pictures, one of each: as frequent as they are in the data.

    The same data give the same sentences in the same order.
    """
    known = [texts for sample in data.samples if (texts := texts_of(sample.target))]
    rng = np.random.default_rng(0)
    chosen = [known[row] for row in rng.permutation(len(known))[:most]]
    return tuple(texts[int(rng.integers(len(texts)))] for texts in chosen)


def drawn_conditions(known: Tensor) -> Tensor:
    """Return one condition of each picture: its class, or one of its sentences, which torch's chance decides.

    Args:
        known: (B,) classes, or (B, T, L) sentences.

    Returns:
        (B,) or (B, L).
    """
    if known.ndim == 1:
        return known
    counts = (known[:, :, 0] != PAD).sum(dim=1)  # (B,)
    rows = (torch.rand(len(known), device=known.device) * counts).long()
    return known[torch.arange(len(known), device=known.device), rows]


def wrong_conditions(known: Tensor, drawn: Tensor) -> tuple[Tensor, Tensor]:
    """Return for each picture a sentence that was drawn for another one and is none of its own.

    For every second picture, as torch's chance decides, it is the one with the most words in common with the
    right one, such as "a red five" for "a red three"; for the others any. From sentences that differ in
    everything, what is easiest to see is learnt, and the rest hardly at all.

    Args:
        known: (B, T, L) sentences of each picture.
        drawn: (B, L), see `drawn_conditions`.

    Returns:
        (B, L) sentences, and (B,) bool: False where all others fit the picture too, so that none is wrong.
    """
    fits = (known[:, None] == drawn[None, :, None]).all(dim=3).any(dim=2)  # (B, B, T, L) -> (B, B)
    bags = torch.zeros(len(drawn), int(drawn.max()) + 1, device=drawn.device).scatter_(1, drawn, 1.0)
    bags[:, :SPECIAL] = 0
    shared = bags @ bags.T  # (B, B) words in common
    alike = shared / (bags.sum(1)[:, None] + bags.sum(1) - shared).clamp(min=1)
    is_near = torch.rand(len(drawn), 1, device=drawn.device) < NEAR
    score = alike * is_near + CHANCE * torch.rand_like(alike)
    return drawn[score.masked_fill(fits, -1.0).argmax(dim=1)], ~fits.all(dim=1)


def _about(target: Target) -> Target:
    return target.about if isinstance(target, Original) else target
