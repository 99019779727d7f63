"""BLEU: how many of the words, and runs of words, that were said are in what people say. No torch here.

Source: Papineni, Roukos, Ward, Zhu, "BLEU: a method for automatic evaluation of machine translation", 2002,
Proceedings of the ACL.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence

ORDERS = 4

Words = Sequence[str]


def bleu(said: Sequence[Words], known: Sequence[Sequence[Words]], *, orders: int = ORDERS) -> float:
    """Return the BLEU of a whole set of sentences, in [0, 1]; no smoothing.

        BP exp(1/N sum_n log p_n),  BP = min(1, exp(1 - r / c))

    p_n is the share of the runs of n words that occur in a reference, each at most as often as in that one
    where it is the most frequent; c counts all words that were said, r those of the references nearest in
    length, of two equally near ones the shorter. Runs that are longer than every sentence that was said are
    left out of the mean: there is none of them to be right or wrong.

    Args:
        said: one sentence a picture.
        known: one or more references for each.
        orders: N, the longest runs.

    Returns:
        0 where of some length not one run is right, or nothing was said.

    >>> said = "the the the the the the the".split()
    >>> known = ["the cat is on the mat".split(), "there is a cat on the mat".split()]
    >>> round(bleu([said], [known], orders=1), 4) == round(2 / 7, 4)
    True
    """
    right, total = [0] * orders, [0] * orders
    length = nearest = 0
    for words, references in zip(said, known, strict=True):
        length += len(words)
        nearest += min((abs(len(each) - len(words)), len(each)) for each in references)[1]
        for order in range(orders):
            found = Counter(_runs(words, order + 1))
            most: Counter[tuple[str, ...]] = Counter()
            for each in references:
                most |= Counter(_runs(each, order + 1))
            right[order] += sum((found & most).values())
            total[order] += sum(found.values())
    counted = [(a, b) for a, b in zip(right, total, strict=True) if b]
    if not counted or not all(a for a, _ in counted):
        return 0.0
    precision = math.exp(sum(math.log(a / b) for a, b in counted) / len(counted))
    return precision * min(1.0, math.exp(1 - nearest / length))


def _runs(words: Words, length: int) -> Iterator[tuple[str, ...]]:
    """Give every run of so many words."""
    return zip(*(words[start:] for start in range(length)), strict=False)
