"""What every captioner is: normalise, a backbone whose map is kept, a head that writes.

pixels (B, C, h, w) ── Normalise ── backbone ── map (B, C', y, x) ── linear, places ── cells (B, S, D)
                                                                                           │
    START a red three ── Transformer decoder ──────────────────────────────────────────────┘
          a red three END
"""

# B pictures, C channels, S = y*x cells, D values of each, N sentences, T words, V numbers, K beams

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nayan.core.vocabulary import PAD
from nayan.parts.backbone import Backbone
from nayan.parts.normalise import Normalise
from nayan.tasks.generation.captioning.decoder import Decoder, Memory
from nayan.tasks.generation.captioning.search import State, beam_search


@dataclass(slots=True, eq=False)  # not frozen: Fabric casts the fields of what forward returns
class CaptionRaw:
    """What a captioner says about a batch.

    Attributes:
        cells: (B, S, D), what it sees.
        logits: (N, T, V), what follows each word of given sentences; None where none were given.
    """

    cells: Tensor
    logits: Tensor | None = None


class CaptionHead(nn.Module):
    """From the last map to cells that know their place, and from them to words.

    Args:
        channels: C' of the map.
        cells: S.
        decoder: that writes.
    """

    def __init__(self, channels: int, cells: int, decoder: Decoder) -> None:
        super().__init__()
        dim = decoder.embedding.embedding_dim
        self.project = nn.Linear(channels, dim)
        self.norm = nn.LayerNorm(dim)
        self.places = nn.Parameter(0.02 * torch.randn(cells, dim))
        self.decoder = decoder

    def forward(self, features: Tensor, tokens: Tensor | None = None, of: Tensor | None = None) -> CaptionRaw:
        """Return what is seen in (B, C', y, x), and what follows the words of sentences about it.

        Args:
            features: the map.
            tokens: (N, T) int64 sentences that are given; None: none.
            of: (N,) int64, which picture each is of.
        """
        cells = self.norm(self.project(features.flatten(2).transpose(1, 2))) + self.places
        if tokens is None or of is None:
            return CaptionRaw(cells)
        seen = [(keys[of], values[of]) for keys, values in self.decoder.remember(cells)]
        return CaptionRaw(cells, self.decoder(tokens, seen)[0])


class Captioner(nn.Module):
    """A network with the two doors that `nayan.tasks.base.Network` promises.

    Args:
        backbone: what sees.
        head: what writes.
        normalise: the first layer.
        beam: K, how many sentences are searched for and given for each picture.
        length: the most numbers of a sentence that it writes, END included.
    """

    def __init__(
        self, backbone: Backbone, head: CaptionHead, *, normalise: Normalise, beam: int, length: int
    ) -> None:
        super().__init__()
        self.normalise = normalise
        self.backbone = backbone
        self.head = head
        self.beam = beam
        self.length = length
        (first, module), *others = backbone.stages
        self._stages = ((first, nn.Sequential(normalise, module)), *others, ("head", head))

    def forward(
        self,
        images: Tensor,
        targets: Any = None,  # noqa: ARG002  a network's door
        *,
        tokens: Tensor | None = None,
        of: Tensor | None = None,
    ) -> CaptionRaw:
        """Return what is seen in (B, C, h, w) pixels in [0, 255]; and with sentences, what follows each word.

        Args:
            images: uint8 or float.
            targets: not needed.
            tokens: (N, T) int64, see `CaptionHead`.
            of: (N,) int64.
        """
        x: Any = images
        for _, stage in self._stages[:-1]:
            x = stage(x)
        raw: CaptionRaw = self.head(x, tokens, of)
        return raw

    def deploy(self, raw: CaptionRaw) -> dict[str, Tensor]:
        """Return the K best sentences of each picture, see `search.beam_search`.

        Returns:
            "tokens": (B, K, T) int64, PAD after END. "logprob": (B, K) float32.
        """
        decoder = self.head.decoder
        cells = raw.cells.float().repeat_interleave(self.beam, dim=0)  # (B, S, D) -> (B*K, S, D)
        seen = decoder.remember(cells)

        def step(words: Tensor, state: State) -> tuple[Tensor, State]:
            said: list[Memory] = list(zip(state[::2], state[1::2], strict=True))
            logits, said = decoder(words[:, None], seen, said)
            return F.log_softmax(logits[:, -1].float(), dim=1), tuple(part for each in said for part in each)

        tokens, logprob = beam_search(
            step, cells, words=decoder.embedding.num_embeddings, width=self.beam, length=self.length
        )
        return {"tokens": tokens, "logprob": logprob}

    def stages(self) -> list[tuple[str, nn.Module]]:
        """Return the named steps from the pixels to what is seen; the last, which also writes, is "head"."""
        return list(self._stages)


def word_loss(logits: Tensor, tokens: Tensor, *, label_smoothing: float) -> Tensor:
    """Return the mean surprise about each word and each end of sentences, given what stands before it.

    Source: Vinyals et al., "Show and tell", 2014, arXiv:1411.4555, eq. 2; smoothing: Vaswani et al. (2017),
    section 5.4.

    Args:
        logits: (N, T, V), what follows each number of `tokens` but the last.
        tokens: (N, T + 1) int64, PAD where nothing more follows.
        label_smoothing: share of the truth that is spread over all numbers, in [0, 1).
    """
    return F.cross_entropy(
        logits.float().flatten(0, 1),
        tokens[:, 1:].flatten(),
        ignore_index=PAD,
        label_smoothing=label_smoothing,
    )
