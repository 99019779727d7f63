"""What searching is fast with: a sign of each row in many directions, scanned for candidates.

    row  - mean        ->  turned at random  ->  signs, one bit each        (B bits a row)
    query - mean       ->  turned the same   ->  signs

The share of bits in which two rows differ is their angle as seen from the mean (Charikar 2002), and with the
lengths of both it gives their distance. That is rough, so it only chooses candidates, whose vectors are then
compared exactly. How many candidates find the true neighbours differs with the embedding: it is measured on
rows of the index when the structure is made (`probe.py`), and kept with it.

All of it is derived from the vectors, lies in one file that is mapped into memory, and can be lost: it is
bound to one index and generation by name, and to the rows that it covers by a checksum of theirs. Whatever
does not match, or is damaged, is not used.
"""

# N rows, D dimensions, B bits of a code, a multiple of 64

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nayan.runtime.fsio import write_file
from nayan.runtime.index.contract import Vectors
from nayan.runtime.index.scan import Numbers, smallest

MIN_BITS = 512
"""A code has as many bits as there are dimensions, but at least so many: fewer tell too little."""

_MAGIC = b"nayan structure 1\n"
_ALIGN = 64
_BLOCK = 16_384  # rows at once
_SAMPLE = 50_000  # rows of which the mean is taken


@dataclass(frozen=True, slots=True)
class Bound:
    """What a structure belongs to.

    Attributes:
        token: the name of the index.
        generation: of its vector file.
        rows: how many rows of it are covered.
        crc: of the last batch among them.
    """

    token: str
    generation: int
    rows: int
    crc: int


@dataclass(frozen=True, slots=True, eq=False)
class Structure:
    """Codes of the first rows of an index.

    Attributes:
        bound: what they are codes of.
        mean: (D,) from where angles are seen.
        turn: (D, B) orthonormal rows: the directions.
        radius: (N,) distance of each row from the mean.
        codes: (N, B / 8) signs, as bytes.
        candidates: how many of them find the ten nearest; 0 until it was measured.
        fitted: rows that mean and directions were chosen for.
    """

    bound: Bound
    mean: Vectors = field(repr=False)
    turn: Vectors = field(repr=False)
    radius: Vectors = field(repr=False)
    codes: NDArray[np.uint8] = field(repr=False)
    candidates: int = 0
    fitted: int = 0
    _cosines: Vectors = field(init=False, repr=False)

    def __post_init__(self) -> None:
        bits = self.turn.shape[1]
        object.__setattr__(self, "_cosines", np.cos(np.pi * np.arange(bits + 1) / bits).astype(np.float32))

    def wins(self, k: int) -> bool:
        """Return whether the candidates for the `k` nearest are few enough to be quicker than all rows."""
        return 0 < self.count(k) * 4 <= len(self.codes)

    def count(self, k: int) -> int:
        """Return how many candidates find the `k` nearest of all rows."""
        return max(self.candidates, self.candidates * k // 10)

    def nearest(self, query: Vectors, k: int) -> Numbers:
        """Return the candidates for the `k` nearest of the covered rows, in no order.

        Args:
            query: (D,).
            k: how many are wanted.
        """
        return smallest(self.estimates(query), self.count(k))

    def estimates(self, query: Vectors) -> Vectors:
        """Return (N,) what orders the covered rows about as their distances to the query do."""
        # Only where there is a structure: faiss takes a while to load.
        from faiss import hammings, swig_ptr  # type: ignore[attr-defined]

        turned = (query - self.mean) @ self.turn
        code = np.packbits(turned > 0)
        reach = np.float32(2 * np.linalg.norm(turned))
        far = np.empty(len(self.codes), np.float32)
        differ = np.empty(min(_BLOCK, len(self.codes)), np.int32)
        for start in range(0, len(self.codes), _BLOCK):
            codes = self.codes[start : start + _BLOCK]
            hammings(swig_ptr(code), swig_ptr(codes), 1, len(codes), codes.shape[1], swig_ptr(differ))
            radius = self.radius[start : start + _BLOCK]
            # |row - query|^2 without the query's own length, by the law of cosines
            part = self._cosines.take(differ[: len(codes)])
            part *= -reach
            part += radius
            part *= radius
            far[start : start + _BLOCK] = part
        return far


def make_structure(vectors: Vectors, bound: Bound, *, former: Structure | None = None) -> Structure:
    """Return codes of the first rows of an index.

    Args:
        vectors: (N, D) those rows.
        bound: what they are.
        former: codes of the first of them. They are kept, until the rows have grown to twice as many as the
            mean
            was chosen for.
    """
    if former is None or 2 * former.fitted < len(vectors):
        mean = vectors[:: max(1, len(vectors) // _SAMPLE)].mean(0, dtype=np.float64).astype(np.float32)
        turn = _directions(vectors.shape[1])
        parts = list(_encoded(vectors, mean, turn))
        return Structure(bound, mean, turn, *_joined(parts), fitted=len(vectors))
    known = len(former.codes)
    parts = [(former.radius, former.codes), *_encoded(vectors[known:], former.mean, former.turn)]
    return Structure(bound, former.mean, former.turn, *_joined(parts), fitted=former.fitted)


def write_structure(path: Path, structure: Structure) -> None:
    """Write a structure to a file, all of it or nothing.

    Raises:
        OSError: as the operating system reports it; a file that was there is intact.
    """
    arrays = [np.ascontiguousarray(getattr(structure, name)) for name in ("mean", "turn", "radius", "codes")]
    body = b"".join(_padded(array.tobytes()) for array in arrays)
    head = {
        **asdict(structure.bound),
        "dim": len(structure.mean),
        "bits": structure.turn.shape[1],
        "candidates": structure.candidates,
        "fitted": structure.fitted,
        "body_crc": zlib.crc32(body),
    }
    text = json.dumps(head, sort_keys=True).encode()
    write_file(path, _padded(_MAGIC + f"{zlib.crc32(text):08x}\n".encode() + text + b"\n") + body)


def read_structure(path: Path) -> Structure | None:
    """Map a structure into memory; None if there is none, or it is damaged: it can be made again."""
    try:
        data = np.memmap(path, np.uint8, "r").view(np.ndarray)
    except (OSError, ValueError):  # missing, or empty
        return None
    head = _read_head(data[: 64 * 1024].tobytes())
    if head is None:
        return None
    dim, bits, rows = (int(head[name]) for name in ("dim", "bits", "rows"))
    shapes: list[tuple[tuple[int, ...], Any]] = [
        ((dim,), np.float32),
        ((dim, bits), np.float32),
        ((rows,), np.float32),
        ((rows, bits // 8), np.uint8),
    ]
    at = body = int(head["start"])
    arrays = []
    for shape, kind in shapes:
        size = int(np.prod(shape)) * np.dtype(kind).itemsize
        arrays.append(
            data[at : at + size].view(kind)[: int(np.prod(shape))] if at + size <= len(data) else None
        )
        at += size + -size % _ALIGN
    if at != len(data) or zlib.crc32(data[body:].data) != head["body_crc"]:
        return None
    mean, turn, radius, codes = (
        array.reshape(shape) for array, (shape, _) in zip(arrays, shapes, strict=True) if array is not None
    )
    bound = Bound(head["token"], int(head["generation"]), rows, int(head["crc"]))
    return Structure(bound, mean, turn, radius, codes, int(head["candidates"]), int(head["fitted"]))


def _read_head(data: bytes) -> dict[str, Any] | None:
    magic, crc, text, *_ = *data.split(b"\n", 3), b"", b"", b""
    if magic + b"\n" != _MAGIC or f"{zlib.crc32(text):08x}".encode() != crc:
        return None
    size = len(_MAGIC) + len(crc) + len(text) + 2
    start = size + -size % _ALIGN
    return None if any(data[size:start]) else {**json.loads(text), "start": start}


def _directions(dim: int) -> Vectors:
    """Return (D, B) random orthonormal rows, always the same, so that codes come out as they were."""
    bits = max(MIN_BITS, dim + -dim % 64)
    square = np.random.default_rng(0).standard_normal((bits, bits))
    turn: Vectors = np.linalg.qr(square)[0][:dim].astype(np.float32)
    return np.ascontiguousarray(turn)


def _encoded(vectors: Vectors, mean: Vectors, turn: Vectors) -> Iterator[tuple[Vectors, NDArray[np.uint8]]]:
    for start in range(0, len(vectors), _BLOCK):
        turned = (vectors[start : start + _BLOCK] - mean) @ turn  # (n, D) -> (n, B)
        yield np.sqrt(np.einsum("nb,nb->n", turned, turned)), np.packbits(turned > 0, axis=1)


def _joined(parts: list[tuple[Vectors, NDArray[np.uint8]]]) -> tuple[Vectors, NDArray[np.uint8]]:
    return np.concatenate([radius for radius, _ in parts]), np.concatenate([codes for _, codes in parts])


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % _ALIGN)
