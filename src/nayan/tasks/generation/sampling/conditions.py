"""What is known of training pictures, as numbers that a generator can be asked for: classes, or sentences."""

# B pictures, T sentences of the picture with the most, L words of a sentence

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from nayan.core.types import Caption, Dataset, Label, Original, Target
from nayan.core.vocabulary import PAD, Vocabulary

UNKNOWN = -1
"""In the place of a class or a sentence of a picture of which nothing is known."""


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
             [ 1,  3,  3,  2,  0]],
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
    """Return for each picture a sentence that was drawn for another one, and whether it is none of its own.

    Args:
        known: (B, T, L) sentences of each picture.
        drawn: (B, L), see `drawn_conditions`.

    Returns:
        (B, L) sentences and (B,) bool; with a single picture all False.
    """
    wrong = drawn.roll(1, dims=0)
    own = (wrong[:, None] == known).all(dim=2).any(dim=1)  # (B, T, L) -> (B,)
    return wrong, ~own


def _about(target: Target) -> Target:
    return target.about if isinstance(target, Original) else target
