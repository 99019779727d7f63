"""What it means that two engines give the same answers, where a task says it in its own terms."""

# B pictures

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from numpy.typing import NDArray

from nayan.runtime.preprocess import Placement


@dataclass(frozen=True, slots=True, eq=False)
class Answers:
    """What two engines gave for the same batch.

    Attributes:
        expected: the named outputs of the engine that is right, each with B rows.
        found: those of the other, of the same names and shapes.
        placements: how each picture lies in the network's input.
    """

    expected: Mapping[str, NDArray[Any]]
    found: Mapping[str, NDArray[Any]]
    placements: Sequence[Placement]


class Parity(Protocol):
    """How far two engines lie apart; a dataclass of numbers, and `str` of it is a clause with them."""

    @property
    def pictures(self) -> int:
        """How many were compared."""
        ...

    @property
    def holds(self) -> bool:
        """Whether both give the same answers, as far as float32 can tell."""
        ...

    @property
    def fault(self) -> str:
        """What is wrong where it does not hold, to stand after the name of the file."""
        ...


class Compare(Protocol):
    """A task's way to say whether two engines find the same."""

    def __call__(
        self, answers: Iterable[Answers], /, *, decode_args: Mapping[str, Any], tolerance: float
    ) -> Parity:
        """Compare batches; each is gone through once.

        Args:
            answers: the batches.
            decode_args: of the spec.
            tolerance: how far an output may lie off, in units of max(1, |expected|): 1e-4 between engines in
                float32, more where one computes in fewer bits. A task may have a limit of its own above it.
        """
        ...
