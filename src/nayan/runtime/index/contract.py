"""What every index of vectors promises, wherever it keeps them: `VectorIndex`, and its answers, `Hit`."""

# N rows, D dimensions

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Literal, Protocol, Self

import numpy as np
from numpy.typing import NDArray

Distance = Literal["cosine", "euclidean"]
DISTANCES: tuple[Distance, ...] = ("cosine", "euclidean")

Value = str | int | float | bool | None
"""What a field of metadata may hold; None is as good as no field."""

Metadata = Mapping[str, Value]
Vectors = NDArray[np.float32]

AGAIN = "restore the index from a copy, or index the pictures again"
"""What to do about a damaged one."""


@dataclass(frozen=True, slots=True)
class Hit:
    """A row that was found.

    Attributes:
        id: its name.
        similarity: larger is nearer. Cosine: the cosine of the angle, in [-1, 1]; Euclidean: 1 / (1 +
            distance).
        distance: smaller is nearer. Cosine: 1 - cosine, in [0, 2]; Euclidean: the length of the difference.
        metadata: what was stored beside the vector.
    """

    id: str
    similarity: float
    distance: float
    metadata: Metadata = field(default_factory=dict)


class VectorIndex(Protocol):
    """Vectors with names, kept for good and searched by distance.

    A name stands for one vector: adding it again replaces what it stood for. What `add`, `delete` and
    `describe` have done when they return survives a crash, and what they had not finished leaves no trace.
    """

    @property
    def dim(self) -> int:
        """Return D, the number of dimensions."""

    @property
    def distance(self) -> Distance:
        """Return how distances are measured."""

    @property
    def fingerprint(self) -> str:
        """Return what names the model that made the vectors."""

    def __len__(self) -> int: ...

    def add(
        self,
        ids: Sequence[str],
        vectors: Vectors,
        *,
        metadata: Sequence[Metadata] | None = None,
        stamps: Sequence[str] | None = None,
    ) -> None:
        """Store rows, all or none; a name that is known gets the new vector, metadata and stamp.

        Args:
            ids: N names, each once.
            vectors: (N, D) finite numbers; with the cosine distance of any length but zero, kept as unit
                vectors.
            metadata: what to filter by and to return, a mapping a row; None for nothing.
            stamps: a text a row, by which a caller tells later whether its source has changed; None for "".

        Raises:
            ShapeError: if the vectors are not (N, D), or the lists are not as long.
            DataError: if a name is empty or there twice, a number not finite, a value of metadata none that
                can be kept.
        """

    def delete(self, ids: Iterable[str]) -> None:
        """Remove rows, all or none.

        Raises:
            NotFound: if a name is unknown.
        """

    def describe(self, ids: Sequence[str], metadata: Sequence[Metadata]) -> None:
        """Replace the metadata of rows, all or none; the vectors stay.

        Raises:
            NotFound: if a name is unknown.
        """

    def search(
        self,
        query: Vectors,
        *,
        k: int = 10,
        where: str | None = None,
        diverse: float = 0.0,
        exclude: Iterable[str] = (),
    ) -> list[Hit]:
        """Return the nearest rows, the nearest first; fewer than `k` where there are no more.

        Args:
            query: (D,), or (M, D) for several at once: their mean, with the cosine distance that of their
                directions.
                `combine` makes queries that also lead away from something.
            k: how many.
            where: conditions on metadata, such as 'category = "Fruit" and price < 10'; see `parse_filter`.
            diverse: from 0, the nearest, to 1, the least like one another (`most_diverse`).
            exclude: names to leave out; unknown ones are no error.

        Raises:
            ShapeError: if the query has other dimensions.
            ConfigError: if `k`, `diverse` or `where` is impossible.
            NotFound: if `where` names a field that no row has.
        """

    def near_duplicates(self, threshold: float = 0.05, *, where: str | None = None) -> list[tuple[str, ...]]:
        """Return groups of rows that are alike, the largest first.

        Two rows at most `threshold` apart are of one group, and so are all that a chain of such pairs
        connects. Every pair is compared: time grows with the square of N.
        """

    def vectors(self, ids: Sequence[str]) -> Vectors:
        """Return the (N, D) vectors of names, in their order.

        Raises:
            NotFound: if a name is unknown.
        """

    def ids(self) -> list[str]:
        """Return all names, in the order in which they were stored."""

    def metadata(self, id: str) -> Metadata:
        """Return the metadata of one row.

        Raises:
            NotFound: if the name is unknown.
        """

    def stamps(self) -> dict[str, str]:
        """Return each name with the stamp that it was stored with."""

    def build(self) -> None:
        """Make the structure that searching is fast with, where it is missing or lags behind."""

    def compact(self) -> None:
        """Give back the space of rows that were deleted or replaced."""

    def close(self) -> None:
        """Let go of it; closing twice is no error."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...
