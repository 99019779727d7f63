"""What is compared with what in an evaluation: pairs that are given or drawn, queries and a gallery."""

# N pictures, D values of an embedding, P pairs

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from nayan.core.types import Identity
from nayan.tasks.embedding.drawn_pairs import Pairs, draw_pairs


@dataclass(frozen=True, eq=False)
class Comparing:
    """Vectors with who they are of.

    Attributes:
        vectors: (N, D) float32 of length 1.
        targets: the truth of each; pairs may name pictures that are not among them, which are left out.
    """

    vectors: NDArray[np.float32]
    targets: Sequence[Identity]

    @cached_property
    def identities(self) -> NDArray[np.int64]:
        """(N,) who each picture shows."""
        return np.array([target.index for target in self.targets], np.int64)

    @cached_property
    def queries(self) -> NDArray[np.int64]:
        """The rows that are searched for; those of the gallery are not."""
        return np.flatnonzero([target.role != "gallery" for target in self.targets])

    @cached_property
    def gallery(self) -> NDArray[np.int64] | None:
        """The rows that are searched; None where every picture is searched for among all others."""
        if not any(target.role for target in self.targets):
            return None
        return np.flatnonzero([target.role == "gallery" for target in self.targets])

    @cached_property
    def given(self) -> bool:
        """Whether the data say which pairs are compared, and those hold a same and a different one."""
        return len(set(self._given_pairs.same.tolist())) == 2

    @cached_property
    def pairs(self) -> Pairs:
        """The pairs by which verification is judged.

        Those that the data give; else all, or a seeded draw from many (`draw_pairs`). Where there is a
        gallery a pair is a query and a picture of it: those of the gallery may have been trained on.
        """
        if self.given:
            return self._given_pairs
        pairs = draw_pairs(self.identities)
        if self.gallery is None:
            return pairs
        in_gallery = np.zeros(len(self.targets), bool)
        in_gallery[self.gallery] = True
        mixed = in_gallery[pairs.rows].sum(axis=1) == 1
        return Pairs(pairs.rows[mixed], pairs.same[mixed])

    @cached_property
    def distances(self) -> NDArray[np.float64]:
        """(P,) Euclidean distances of the pairs, in [0, 2]."""
        return self.pairs.distances(self.vectors)

    @cached_property
    def _given_pairs(self) -> Pairs:
        places = {target.name: row for row, target in enumerate(self.targets)}
        found = [
            (row, places[name], same)
            for row, target in enumerate(self.targets)
            for name, same in target.pairs
            if name in places
        ]
        rows = np.array([pair[:2] for pair in found], np.int64).reshape(-1, 2)
        return Pairs(rows, np.array([same for *_, same in found], bool))
