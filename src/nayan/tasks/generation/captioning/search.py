"""Beam search: the most probable sentences, without looking at all of them.

Source: the width and the division by length as in Wu et al., "Google's neural machine translation system",
2016, arXiv:1609.08144, section 7, with the plain number of words (their alpha = 1). It runs within the
exported graph, so that every engine finds the same sentences.
"""

# B pictures, K beams of each, N = B*K of all, V numbers of the vocabulary, T the most numbers of a sentence

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from nayan.core.vocabulary import END, PAD, SPECIAL, START
from nayan.tasks.generation.captioning.decode import IMPOSSIBLE

State = tuple[Tensor, ...]
"""What a step remembers of each beam: tensors with N rows."""
Step = Callable[[Tensor, State], tuple[Tensor, State]]
"""From the last words (N,) and the state, () at first, to log-probabilities (N, V) and the next state."""


def beam_search(step: Step, like: Tensor, *, width: int, length: int) -> tuple[Tensor, Tensor]:
    """Return the sentences with the highest mean log-probability of their words and their end.

    At each word the `width` best beginnings of each picture are kept; with a width of 1 that is the greedy
    way. A sentence has one word or more and ends with END, at the latest as its last number.

    Args:
        step: one word further.
        like: any float tensor with N rows: says their number and the device.
        width: K.
        length: T, END included; 2 or more.

    Returns:
        (B, K, T) int64 numbers, PAD after END, the best sentence first; and (B, K), the log-probabilities of
        the sentences. Where there are fewer than K sentences, the rest have impossible ones.
    """
    total = like.new_zeros(like.shape[0]).reshape(-1, width)  # (B, K)
    first = total.new_full((1, width), IMPOSSIBLE)
    first[:, 0] = 0
    total = total + first  # all beams of a picture begin alike, so only one of them does
    offset = width * torch.arange(total.shape[0], device=like.device)[:, None]
    words = torch.full_like(total, START, dtype=torch.int64).flatten()  # (N,)
    ended, count = words == END, total.flatten() * 0
    state: State = ()
    said: list[Tensor] = []
    for number in range(length):
        logprob, state = step(words, state)
        size = logprob.shape[1]
        may, over = _allowed(number, length, like=logprob), _only(PAD, like=logprob)
        logprob = torch.where(ended[:, None], over, logprob.float() + may)
        count = count + torch.where(ended, 0.0, 1.0)
        totals = total[:, :, None] + logprob.reshape(-1, width, size)  # (B, K, V)
        means = totals / count.reshape(-1, width, 1)
        _, chosen = means.flatten(1).topk(width)  # (B, K) of K*V
        total = totals.flatten(1).gather(1, chosen)
        rows = (torch.div(chosen, size, rounding_mode="floor") + offset).flatten()
        words = (chosen % size).flatten()
        ended, count = ended[rows] | (words == END), count[rows]
        state = tuple(each[rows] for each in state)
        said = [each[rows] for each in said] + [words]
    return torch.stack(said, dim=1).reshape(-1, width, length), total


def _allowed(number: int, length: int, *, like: Tensor) -> Tensor:
    """Return (V,): 0 for what may be said as word `number`, else the log-probability of the impossible."""
    if number == length - 1:
        return _only(END, like=like)
    mask: Any = like.new_zeros(like.shape[1], dtype=torch.float32)
    mask[:SPECIAL] = IMPOSSIBLE
    if number > 0:
        mask[END] = 0
    return mask  # type: ignore[no-any-return]


def _only(number: int, *, like: Tensor) -> Tensor:
    mask = like.new_full((like.shape[1],), IMPOSSIBLE, dtype=torch.float32)
    mask[number] = 0
    return mask
