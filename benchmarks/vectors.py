"""Vectors for the benchmarks of the index: drawn around centres, or of real pictures.

Real ones are the pooled features of mobilenetv2_100 with ImageNet weights, of random crops of the pictures in
a folder, projected at random to the wanted number of dimensions. Making 100,000 takes an hour on two cores,
so a file of ready ones is named: any .npy with a row a picture.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.float32]

_CENTRES = 1000
_BLOCK = 20_000


def drawn(count: int, dim: int, *, seed: int = 0) -> Vectors:
    """Return (count, dim) unit vectors around a thousand centres, as far from them as these apart."""
    rng = np.random.default_rng(seed)
    centres = np.random.default_rng(99).standard_normal((_CENTRES, dim), dtype=np.float32)
    rows = np.empty((count, dim), np.float32)
    for start in range(0, count, _BLOCK):
        part = rows[start : start + _BLOCK]
        part[:] = centres[rng.integers(_CENTRES, size=len(part))]
        part += rng.standard_normal(part.shape, dtype=np.float32)
        part /= np.linalg.norm(part, axis=1, keepdims=True)
    return rows


def real(file: Path, count: int, dim: int, *, seed: int = 0) -> Vectors:
    """Return up to (count, dim) unit vectors of pictures from a file, in random order.

    Raises:
        SystemExit: if it has fewer dimensions.
    """
    stored = np.load(file, mmap_mode="r")
    if stored.shape[1] < dim:
        raise SystemExit(f"{file} has rows of {stored.shape[1]} numbers, expected at least {dim}")
    rng = np.random.default_rng(seed)
    chosen = np.sort(rng.choice(len(stored), min(count, len(stored)), replace=False))
    projection = rng.standard_normal((stored.shape[1], dim), dtype=np.float32)
    rows = np.concatenate([stored[part] @ projection for part in np.array_split(chosen, 20)])
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return rows[rng.permutation(len(rows))]
