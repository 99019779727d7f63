"""Which word was said in place of which: two sentences laid side by side. No torch here."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

Words = Sequence[str]


def align(said: Words, truth: Words) -> list[tuple[str, str]]:
    """Return the fewest changes between two sentences, in their order.

    Returns:
        (said, true) for each word that is another one, with "" for one that is too much or missing; as many
        as the edit distance (Levenshtein 1966).

    >>> align("a red three".split(), "a blue three".split())
    [('red', 'blue')]
    >>> align("a three".split(), "a red three on black".split())
    [('', 'red'), ('', 'on'), ('', 'black')]
    """
    rows, columns = len(said), len(truth)
    cost = np.zeros((rows + 1, columns + 1), np.int64)
    cost[:, 0], cost[0] = np.arange(rows + 1), np.arange(columns + 1)
    for i in range(1, rows + 1):
        for j in range(1, columns + 1):
            other = said[i - 1] != truth[j - 1]
            cost[i, j] = min(cost[i - 1, j - 1] + other, cost[i - 1, j] + 1, cost[i, j - 1] + 1)
    changes: list[tuple[str, str]] = []
    i, j = rows, columns
    while i or j:
        other = bool(i and j and said[i - 1] != truth[j - 1])
        if i and j and cost[i, j] == cost[i - 1, j - 1] + other:
            i, j = i - 1, j - 1
            changes += [(said[i], truth[j])] if other else []
        elif i and cost[i, j] == cost[i - 1, j] + 1:
            i -= 1
            changes.append((said[i], ""))
        else:
            j -= 1
            changes.append(("", truth[j]))
    return changes[::-1]


def nearest(said: Words, known: Sequence[Words]) -> tuple[Words, list[tuple[str, str]]]:
    """Return the reference with the fewest changes, of equal ones the first, and the changes.

    >>> nearest(["a", "dog"], [["a", "white", "cat"], ["a", "cat"]])
    (['a', 'cat'], [('dog', 'cat')])
    """
    changes = [align(said, each) for each in known]
    best = min(range(len(known)), key=lambda number: len(changes[number]))
    return known[best], changes[best]
