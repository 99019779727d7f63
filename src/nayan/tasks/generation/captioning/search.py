"""Beam search: the most probable sentences, without looking at all of them.

Source: the width and the division by length as in Wu et al., "Google's neural machine translation system",
2016, arXiv:1609.08144, section 7, with the plain number of words (their alpha = 1). It runs within the
exported graph, so that every engine finds the same sentences.
"""

# B pictures, K beams of each, N = B*K of all, V numbers of the vocabulary, T the most numbers of a sentence

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from nayan.core.vocabulary import END, PAD, SPECIAL, START
from nayan.tasks.generation.captioning.decode import IMPOSSIBLE

State = tuple[Tensor, ...]
"""What a step remembers of each beam: tensors with N rows."""
Step = Callable[[Tensor, State], tuple[Tensor, State]]
"""From the last words (N,) and the state, () at first, to log-probabilities (N, V) and the next state."""


def beam_search(step: Step, like: Tensor, *, words: int, width: int, length: int) -> tuple[Tensor, Tensor]:
    """Return the sentences with the highest mean log-probability of their words and their end.

    At each word the `width` best beginnings of each picture are kept; with a width of 1 that is the greedy
    way. A sentence has one word or more and ends with END, at the latest as its last number.

    Args:
        step: one word further.
        like: any float tensor with N rows: says their number and the device.
        words: V.
        width: K.
        length: T, END included; 2 or more.

    Returns:
        (B, K, T) int64 numbers, PAD after END, the best sentence first; and (B, K), the log-probabilities of
        the sentences. Where there are fewer than K sentences, the rest have impossible ones.
    """
    over, first, later, last = (mask.to(like.device) for mask in _masks(words))
    alike = torch.tensor([0.0] + [IMPOSSIBLE] * (width - 1), device=like.device)
    count = like.new_zeros(like.shape[0], dtype=torch.float32)  # (N,)
    total = count.reshape(-1, width) + alike  # (B, K): all beams of a picture begin alike, so only one does
    offset = width * torch.arange(total.shape[0], device=like.device)[:, None]
    now = torch.full_like(count, START, dtype=torch.int64)
    ended = now == END
    state: State = ()
    said = now[:, None]
    for number in range(length):
        logprob, state = step(now, state)
        may = last if number == length - 1 else later if number else first
        logprob = torch.where(ended[:, None], over, logprob.float() + may)
        count = count + torch.where(ended, 0.0, 1.0)
        totals = total[:, :, None] + logprob.reshape(-1, width, words)  # (B, K, V)
        means = totals / count.reshape(-1, width, 1)
        _, chosen = means.flatten(1).topk(width)  # (B, K) of K*V
        total = totals.flatten(1).gather(1, chosen)
        beams = torch.div(chosen, words, rounding_mode="floor")
        rows, now = (beams + offset).flatten(), (chosen - beams * words).flatten()
        ended, count = ended[rows] | (now == END), count[rows]
        state = tuple(each[rows] for each in state)
        said = torch.cat((said[rows], now[:, None]), dim=1)
    return said[:, 1:].reshape(-1, width, length), total


def _masks(words: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return four (V,) of 0 for what may be said, else the log-probability of the impossible.

    After the end, as the first word, as a later one, as the last. They are constants of an exported graph.
    """
    usual = [IMPOSSIBLE] * SPECIAL + [0.0] * (words - SPECIAL)
    only = [[IMPOSSIBLE] * number + [0.0] + [IMPOSSIBLE] * (words - number - 1) for number in (PAD, END)]
    later = [*usual[:END], 0.0, *usual[END + 1 :]]
    over, first, middle, last = (torch.tensor(each) for each in (only[0], usual, later, only[1]))
    return over, first, middle, last
