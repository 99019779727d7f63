"""Pair the rows of a cost matrix with its columns so that the sum is least (the assignment problem).

The base install has no SciPy, and a frame has few objects, so this is the classic algorithm in NumPy.
"""

# N rows, M columns

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def cheapest_pairs(cost: NDArray[Any], *, limit: float = np.inf) -> list[tuple[int, int]]:
    """Return the pairs (row, column) with the least sum of costs; each row and column at most once.

    As many pairs as possible whose cost does not exceed `limit` are made, and among those choices the
    cheapest is taken.

    Args:
        cost: (N, M) finite numbers.
        limit: pairs that cost more are impossible.

    Returns:
        Sorted by row; at most min(N, M).

    Source: Kuhn (1955); with shortest augmenting paths as in Jonker and Volgenant (1987).

    >>> cheapest_pairs(np.array([[1.0, 2.0], [1.0, 9.0]]))
    [(0, 1), (1, 0)]
    """
    if 0 in cost.shape:
        return []
    possible = cost <= limit
    rows, columns = np.flatnonzero(possible.any(axis=1)), np.flatnonzero(possible.any(axis=0))
    small = cost[np.ix_(rows, columns)].astype(np.float64)
    if not small.size:
        return []
    # An impossible pair costs more than all possible ones together, so it is never worth taking.
    reach = np.ptp(small[small <= limit]) + 1
    small = np.where(small <= limit, small, small[small <= limit].max() + reach * (1 + min(small.shape)))
    turned = small.shape[0] > small.shape[1]
    pairs = _assign(small.T if turned else small)
    named = ((int(rows[c]), int(columns[r])) if turned else (int(rows[r]), int(columns[c])) for r, c in pairs)
    return sorted((row, column) for row, column in named if possible[row, column])


def _assign(cost: NDArray[np.float64]) -> list[tuple[int, int]]:
    """Return one column for every row of a matrix with at least as many columns as rows."""
    num_rows, num_columns = cost.shape
    row_price, column_price = np.zeros(num_rows), np.zeros(num_columns)
    owner = np.full(num_columns, -1)  # row of each column
    for start in range(num_rows):
        distance, visited = np.full(num_columns, np.inf), np.zeros(num_columns, np.bool_)
        before = np.full(num_columns, -1)  # the column from which each was reached; -1 for the start
        row, column, length = start, -1, 0.0
        while row >= 0:
            through = length + cost[row] - row_price[row] - column_price
            nearer = ~visited & (through < distance)
            distance[nearer], before[nearer] = through[nearer], column
            column = int(np.where(visited, np.inf, distance).argmin())
            length, row = distance[column], int(owner[column])
            visited[column] = True
        reached = np.flatnonzero(visited & (owner >= 0))
        row_price[owner[reached]] += length - distance[reached]
        row_price[start] += length
        column_price[visited] -= length - distance[visited]
        while column >= 0:  # hand each column on the path to the row that reached it
            earlier = int(before[column])
            owner[column] = start if earlier < 0 else owner[earlier]
            column = earlier
    return [(int(row), column) for column, row in enumerate(owner) if row >= 0]
