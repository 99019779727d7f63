"""Captioning as the training loop sees it: the words, the batch, the loss."""

# B pictures, C channels, N sentences of all of them, L numbers of a sentence

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from nayan.core.errors import ConfigError, LabelError
from nayan.core.registry import resolve
from nayan.core.types import Caption, Dataset
from nayan.core.vocabulary import Vocabulary, longest
from nayan.runtime.preprocess import Preprocess
from nayan.tasks.base import Batch, Item, Task, check_arguments
from nayan.tasks.cards import Entry
from nayan.tasks.generation.captioning.decode import OUTPUTS
from nayan.tasks.generation.captioning.network import Captioner, CaptionRaw, word_loss

LONGEST = 48
"""Words of a sentence that are learnt, at most; what follows in a longer one is left out."""
SMOOTHING = 0.1
"""As of Vaswani et al. (2017), section 5.4."""


class CaptioningTask(Task):
    """Teacher forcing: each word is guessed from the picture and from the true words before it.

    Args:
        label_smoothing: share of each target that is spread over all words, in [0, 1); None for 0.1.
        vocabulary: the words; `data_args` finds them in the training captions.
    """

    outputs: ClassVar[tuple[str, ...]] = OUTPUTS

    def __init__(
        self, label_smoothing: float | None = None, *, vocabulary: Vocabulary | None = None, **_options: Any
    ) -> None:
        self.label_smoothing = SMOOTHING if label_smoothing is None else label_smoothing
        if not 0 <= self.label_smoothing < 1:
            raise ConfigError(f"label smoothing lies in [0, 1), got {label_smoothing}")
        self.vocabulary = vocabulary
        self._length = 0

    def build(self, entry: Entry, classes: Sequence[str], **args: Any) -> nn.Module:
        """Return the network of a catalogue entry with fresh weights.

        Args:
            entry: of the catalogue.
            classes: not needed.
            **args: of the entry's builder, such as size, backbone, words; they override the entry's own.

        Raises:
            ConfigError: an argument that the builder does not know, or cannot have.
        """
        normalisation = {"mean": entry.preprocess.mean, "std": entry.preprocess.std}
        builder = resolve(entry.build)
        check_arguments(entry.name, args, inspect.signature(builder).parameters)
        network: Captioner = builder(classes, **{**normalisation, **entry.args, **args})
        self._length = network.length + 1
        return network

    def data_args(
        self,
        entry: Entry,  # noqa: ARG002
        dataset: Dataset,
        *,
        preprocess: Preprocess,  # noqa: ARG002
    ) -> dict[str, Any]:
        """Return {"words", "length"}: how many words the training captions have, and the longest of them.

        Raises:
            LabelError: if not one picture has a caption.
        """
        texts = [
            text
            for sample in dataset.samples
            if isinstance(sample.target, Caption)
            for text in sample.target.texts
        ]
        if not texts:
            raise LabelError(
                f"{dataset.root}: to learn to write captions, pictures need some, and there is none",
                hint="a table with the columns file and caption says them; see docs/guides/data_formats.md",
            )
        self.vocabulary = Vocabulary.fit(texts)
        return {"words": len(self.vocabulary.words), "length": min(longest(texts), LONGEST + 2)}

    @property
    def decode_args(self) -> Mapping[str, Any]:
        """The words by their numbers."""
        return {} if self.vocabulary is None else {"words": list(self.vocabulary.words)}

    def collate(self, items: Sequence[Item]) -> Batch:
        """Stack items: images (B, C, h, w) uint8 in channels_last order, and all sentences of them.

        `extra` has "tokens" (N, L - 1), the numbers that are given, and "of" (N,), the picture of each;
        `targets` is (N, L), with the last number too. PAD fills up what is shorter than the longest.

        Raises:
            LabelError: a picture without a caption.
        """
        assert self.vocabulary is not None
        pixels = torch.from_numpy(np.stack([item.pixels for item in items]))  # (B, h, w, C)
        captions = [_caption(item) for item in items]
        length = min(longest(text for each in captions for text in each.texts), self._length)
        rows = [self.vocabulary.encode(text, length=length) for each in captions for text in each.texts]
        of = np.repeat(np.arange(len(items)), [len(each.texts) for each in captions])
        tokens = torch.from_numpy(np.stack(rows))
        return Batch(
            images=pixels.permute(0, 3, 1, 2),  # (B, h, w, C) -> (B, C, h, w), channels last in memory
            targets=tokens,
            ids=tuple(item.id for item in items),
            placements=tuple(item.placement for item in items),
            truths=tuple(item.truth for item in items),
            extra={"tokens": tokens[:, :-1], "of": torch.from_numpy(of)},
        )

    def losses(self, model: nn.Module, batch: Batch, phase: str) -> dict[str, Tensor]:  # noqa: ARG002
        """Return {"cross_entropy": the mean over all words of all sentences}."""
        raw: CaptionRaw = model(batch.images, **batch.extra)
        assert raw.logits is not None
        loss = word_loss(raw.logits, batch.targets, label_smoothing=self.label_smoothing)
        return {"cross_entropy": loss}


def _caption(item: Item) -> Caption:
    if not isinstance(item.target, Caption):
        raise LabelError(
            f"{item.id}: to learn to write captions, every picture needs one",
            hint="write one for it into the table, or take it out",
        )
    return item.target
