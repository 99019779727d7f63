"""How many candidates a structure needs: rows of the index are searched for, exactly and by their codes."""

# N rows, D dimensions, P probes

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from nayan.runtime.index.contract import Vectors
from nayan.runtime.index.scan import BLOCK
from nayan.runtime.index.structure import Structure

NEIGHBOURS = 10
RECALL = 0.998
"""Share of the true neighbours of the probes that has to be among the candidates."""

_PROBES = 128
_MARGIN = 1.5  # queries are not rows of the index
_LEAST = 100


def with_candidates(structure: Structure, vectors: Vectors, alive: NDArray[np.bool_]) -> Structure:
    """Return the structure with the number of candidates that finds the nearest rows.

    Args:
        structure: codes of the rows.
        vectors: (N, D) the rows.
        alive: (N,) which of them are still there.
    """
    rows = np.flatnonzero(alive)
    probes = np.random.default_rng(0).choice(rows, min(_PROBES, len(rows)), replace=False)
    ranks: list[int] = []
    for probe, neighbours in zip(probes, _neighbours(vectors, probes, alive, structure.mean), strict=True):
        far = structure.estimates(vectors[probe])
        far[~alive] = np.inf
        ranks += [int(np.count_nonzero(far <= far[neighbour])) for neighbour in neighbours]
    needed = float(np.quantile(ranks, RECALL)) if ranks else 0.0
    return replace(structure, candidates=max(_LEAST, round(needed * _MARGIN)))


def _neighbours(
    vectors: Vectors, probes: NDArray[np.int64], alive: NDArray[np.bool_], mean: Vectors
) -> list[NDArray[np.int64]]:
    """Return the ten nearest other rows of each probe, by Euclidean distance, as the structure sees them."""
    centred = vectors[probes] - mean
    best = np.empty((len(probes), 0), np.int64)
    far = np.empty((len(probes), 0), np.float32)
    for start in range(0, len(vectors), BLOCK):
        rows = vectors[start : start + BLOCK] - mean
        squares = np.einsum("nd,nd->n", rows, rows) - 2 * (centred @ rows.T)  # (P, n)
        squares[:, ~alive[start : start + BLOCK]] = np.inf
        squares[probes[:, None] == np.arange(start, start + len(rows))] = np.inf
        numbers = np.broadcast_to(np.arange(start, start + len(rows)), squares.shape)
        far, best = np.hstack((far, squares)), np.hstack((best, numbers))
        keep = np.argpartition(far, min(NEIGHBOURS, far.shape[1] - 1), axis=1)[:, :NEIGHBOURS]
        far, best = np.take_along_axis(far, keep, 1), np.take_along_axis(best, keep, 1)
    return [numbers[np.isfinite(distances)] for numbers, distances in zip(best, far, strict=True)]
