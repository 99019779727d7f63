"""The Transformer that writes: it listens to its own words so far, and looks at the cells of a picture.

Source: Vaswani et al., "Attention is all you need", 2017, arXiv:1706.03762, sections 3.1 to 3.5. What
differs: the input of each part is normalised, not its output (Xiong et al. 2020, arXiv:2002.04745), which
needs no warm-up to be stable; the places of words are learnt, as in their table 3, row E.
"""

# B pictures, N sentences, T words, P words before them, S cells of a map, D values, H heads, V numbers

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

Memory = tuple[Tensor, Tensor]
"""Keys and values that can be asked, each (N, H, S, D / H)."""


class Attention(nn.Module):
    """Ask what is remembered: softmax(q k^T / sqrt(D / H)) v in H heads (eq. 1, section 3.2.2)."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.scale = (dim // heads) ** -0.5
        self.query, self.key, self.value, self.out = (nn.Linear(dim, dim) for _ in range(4))

    def remember(self, x: Tensor) -> Memory:
        """Return the keys and values of (N, S, D)."""
        return self._split(self.key(x)), self._split(self.value(x))

    def forward(self, x: Tensor, memory: Memory, *, hidden: Tensor | None = None) -> Tensor:
        """Return (N, T, D), what each of (N, T, D) finds in a memory.

        Args:
            x: that asks.
            memory: of `remember`.
            hidden: (T, S) bool, what must not be seen; None: nothing.
        """
        keys, values = memory
        weights = self._split(self.query(x)) @ keys.transpose(2, 3)  # (N, H, T, S)
        weights = weights * self.scale
        if hidden is not None:
            weights = weights.masked_fill(hidden, torch.finfo(weights.dtype).min)
        found = weights.softmax(dim=3) @ values  # (N, H, T, D / H)
        answer: Tensor = self.out(found.transpose(1, 2).flatten(2))  # (N, T, D)
        return answer

    def _split(self, x: Tensor) -> Tensor:
        # (N, S, D) -> (N, H, S, D / H); S and D are constants of an exported graph
        places, dim = int(x.shape[1]), int(x.shape[2])
        return x.reshape(-1, places, self.heads, dim // self.heads).transpose(1, 2)


class Block(nn.Module):
    """Listen, look, think: each added to what came in."""

    def __init__(self, dim: int, heads: int, *, dropout: float) -> None:
        super().__init__()
        self.before_listening, self.before_looking, self.before_thinking = (
            nn.LayerNorm(dim) for _ in range(3)
        )
        self.listen, self.look = Attention(dim, heads), Attention(dim, heads)
        self.think = nn.Sequential(
            nn.Linear(dim, 4 * dim), nn.GELU(), nn.Dropout(dropout), nn.Linear(4 * dim, dim)
        )
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, seen: Memory, said: Memory | None = None) -> tuple[Tensor, Memory]:
        """Return (N, T, D) of further words, and the memory of all words so far.

        Args:
            x: (N, T, D).
            seen: of the picture.
            said: of the P words before them; None where there are none.
        """
        y = self.before_listening(x)
        keys, values = self.listen.remember(y)
        if said is not None:
            keys, values = torch.cat((said[0], keys), dim=2), torch.cat((said[1], values), dim=2)
        x = x + self.dropout(
            self.listen(y, (keys, values), hidden=later(int(x.shape[1]), int(keys.shape[2]), like=x))
        )
        x = x + self.dropout(self.look(self.before_looking(x), seen))
        return x + self.dropout(self.think(self.before_thinking(x))), (keys, values)


def later(words: int, known: int, *, like: Tensor) -> Tensor | None:
    """Return (T, P + T) bool: which words each of the last T must not see, as they come after it.

    >>> later(2, 3, like=torch.zeros(1)).tolist()
    [[False, False, True], [False, False, False]]
    """
    if words == 1:
        return None
    return torch.ones(words, known, dtype=torch.bool, device=like.device).triu(known - words + 1)


class Decoder(nn.Module):
    """From words and cells to the next word, (N, T) -> (N, T, V).

    Args:
        words: V.
        length: the most words that it can write.
        dim: D.
        layers: blocks.
        heads: H; D is a multiple of it.
        dropout: share of values that is dropped while learning.
    """

    def __init__(self, words: int, *, length: int, dim: int, layers: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.embedding = nn.Embedding(words, dim)
        nn.init.normal_(self.embedding.weight, std=dim**-0.5)
        self.places = nn.Parameter(0.02 * torch.randn(length, dim))
        self.blocks = nn.ModuleList(Block(dim, heads, dropout=dropout) for _ in range(layers))
        self.norm = nn.LayerNorm(dim)
        self.dropout = nn.Dropout(dropout)

    def remember(self, cells: Tensor) -> list[Memory]:
        """Return what each block knows of a picture, of (B, S, D) cells: once for all words."""
        return [block.look.remember(cells) for block in self.blocks]  # type: ignore[operator, union-attr]

    def forward(
        self, tokens: Tensor, seen: Sequence[Memory], said: Sequence[Memory] = ()
    ) -> tuple[Tensor, list[Memory]]:
        """Return the logits (N, T, V) of what follows each word, and the memory of all words so far.

        Args:
            tokens: (N, T) int64.
            seen: of `remember`, with N rows.
            said: the memory of the words before, that an earlier call gave; () where there are none.
        """
        before = int(said[0][0].shape[2]) if said else 0
        x = self.embedding(tokens) * math.sqrt(self.embedding.embedding_dim)  # section 3.4
        x = self.dropout(x + self.places[before : before + int(tokens.shape[1])])
        memories: list[Memory] = []
        for number, block in enumerate(self.blocks):
            x, memory = block(x, seen[number], said[number] if said else None)
            memories.append(memory)
        return self.norm(x) @ self.embedding.weight.T, memories  # the same matrix, section 3.4
