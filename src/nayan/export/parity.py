"""Do two engines give the same answers for the same pixels?"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nayan.core.errors import ExportError
from nayan.core.registry import resolve
from nayan.runtime.inputs import make_inputs
from nayan.runtime.parity import Answers, Compare, Parity
from nayan.runtime.predictor import Backend
from nayan.runtime.preprocess import Placement
from nayan.runtime.spec import Spec
from nayan.tasks import CARDS

LIMIT = 1e-4
"""Largest difference of a value in fp32."""

_RELATIVE = 0.1
# float32 carries seven digits, of which a deep network's sums lose one or two: for values above 10, LIMIT
# would ask for more than there is, so it is 1e-5 of the largest.

Placed = tuple[NDArray[np.uint8], Placement]
"""(h, w, channels) pixels of a network's input, and how the picture lies in it."""


@dataclass(frozen=True, slots=True)
class ValueParity:
    """How far two engines lie apart, value by value: for tasks whose outputs are one vector a picture.

    Attributes:
        pictures: that were compared.
        max_abs_logit_difference: the largest difference of any output.
        largest: the largest absolute value of any output of the reference.
        agree: share of the pictures with the same best class, in [0, 1].
        tolerance: the largest difference of outputs up to 10.
    """

    pictures: int
    max_abs_logit_difference: float
    largest: float
    agree: float
    tolerance: float = LIMIT

    @property
    def limit(self) -> float:
        """The largest difference that rounding explains: 1e-4, or 1e-5 of the largest output."""
        return self.tolerance * max(1.0, _RELATIVE * self.largest)

    @property
    def holds(self) -> bool:
        """Whether both give the same answers, as far as float32 can tell."""
        return self.max_abs_logit_difference <= self.limit

    @property
    def fault(self) -> str:
        """What is wrong, to stand after the name of the file."""
        return (
            f"differs from the trained network by {self.max_abs_logit_difference:.2e} on "
            f"{self.pictures} pictures (allowed {self.limit:.0e}); {self.agree:.1%} are answered alike"
        )

    def __str__(self) -> str:
        """Return the largest difference, and how many answers are the same."""
        return (
            f"outputs differ by at most {self.max_abs_logit_difference:.1e}, "
            f"{100 * self.agree:.0f} % have the same best class"
        )


def compare_values(
    answers: Iterable[Answers],
    /,
    *,
    decode_args: Mapping[str, Any],  # noqa: ARG001  nothing is decoded
    tolerance: float,
) -> ValueParity:
    """Compare every output of two engines, value by value."""
    pictures = agreed = 0
    difference = largest = 0.0
    for batch in answers:
        for name, values in batch.expected.items():
            difference = max(difference, float(np.abs(values - batch.found[name]).max()))
            largest = max(largest, float(np.abs(values).max()))
        first = next(iter(batch.expected))
        agreed += int((batch.expected[first].argmax(axis=1) == batch.found[first].argmax(axis=1)).sum())
        pictures += len(batch.placements)
    return ValueParity(pictures, difference, largest, agreed / pictures, tolerance)


def check_parity(
    reference: Backend, candidate: Backend, pictures: Sequence[Placed], *, spec: Spec, batch: int = 8
) -> Parity:
    """Compare the answers of two engines, as the task of the model compares them.

    Args:
        reference: whose answers are right.
        candidate: that must give the same.
        pictures: at least one; with a number that is no multiple of `batch`, two sizes of batch run.
        spec: of the model.
        batch: pictures at once.

    Raises:
        ExportError: if the outputs have other names or shapes, or are not finite.
    """
    card = CARDS[spec.task]
    compare: Compare = resolve(card.compare) if card.compare else compare_values
    answers = _answers(reference, candidate, pictures, inputs=spec.inputs, batch=batch)
    return compare(answers, decode_args=spec.decode_args, tolerance=LIMIT)


def require_parity(parity: Parity, what: str) -> None:
    """Raise ExportError with the numbers unless the parity holds."""
    if not parity.holds:
        raise ExportError(
            f"{what} {parity.fault}",
            hint="nothing was written; report the model's name, its translation is wrong",
        )


def _answers(
    reference: Backend,
    candidate: Backend,
    pictures: Sequence[Placed],
    *,
    inputs: Mapping[str, Any],
    batch: int,
) -> Iterator[Answers]:
    for start in range(0, len(pictures), batch):
        part = [pixels for pixels, _ in pictures[start : start + batch]]
        further = make_inputs(inputs, part)
        expected, found = reference(np.stack(part), **further), candidate(np.stack(part), **further)
        _check_alike(expected, found)
        yield Answers(expected, found, [placement for _, placement in pictures[start : start + batch]])


def _check_alike(expected: Mapping[str, NDArray[Any]], found: Mapping[str, NDArray[Any]]) -> None:
    shapes = {name: values.shape for name, values in expected.items()}
    others = {name: values.shape for name, values in found.items()}
    if shapes != others:
        raise ExportError(f"the export gives {others}, the trained network {shapes}")
    for who, outputs in (("trained network", expected), ("export", found)):
        for name, values in outputs.items():
            if not np.isfinite(values).all():
                raise ExportError(f"the {who} gives {name} that are not finite (NaN or infinite)")
