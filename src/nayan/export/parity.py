"""Do two engines give the same answers for the same pixels?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nayan.core.errors import ExportError
from nayan.runtime.predictor import Backend
from nayan.runtime.proposals import make_inputs

LIMIT = 1e-4
"""Largest difference of a logit in fp32."""

_RELATIVE_LIMIT = 1e-5
# float32 carries seven digits, of which a deep network's sums lose one or two: for logits above 10, LIMIT
# would ask for more than there is.


@dataclass(frozen=True, slots=True)
class Parity:
    """How far two engines lie apart.

    Attributes:
        pictures: that were compared.
        max_abs_logit_difference: the largest difference of any output.
        largest: the largest absolute value of any output of the reference.
        agree: share of the pictures with the same best class, in [0, 1].
    """

    pictures: int
    max_abs_logit_difference: float
    largest: float
    agree: float

    @property
    def limit(self) -> float:
        """The largest difference that rounding explains: 1e-4, or 1e-5 of the largest output."""
        return max(LIMIT, _RELATIVE_LIMIT * self.largest)

    @property
    def holds(self) -> bool:
        """Whether both give the same answers, as far as float32 can tell."""
        return self.max_abs_logit_difference <= self.limit


def check_parity(
    reference: Backend,
    candidate: Backend,
    pixels: NDArray[np.uint8],
    *,
    inputs: Mapping[str, Any] | None = None,
    batch: int = 8,
) -> Parity:
    """Compare every output of two engines.

    Args:
        reference: whose answers are right.
        candidate: that must give the same.
        pixels: (N, h, w, C) uint8, N >= 1; with N no multiple of `batch`, two sizes of batch run.
        inputs: of the spec: how what the network takes beside the pixels is made.
        batch: pictures at once.

    Raises:
        ExportError: if the outputs have other names or shapes, or are not finite.
    """
    difference = largest = 0.0
    agreed = 0
    for start in range(0, len(pixels), batch):
        part = pixels[start : start + batch]
        further = make_inputs(inputs or {}, list(part))
        expected, found = reference(part, **further), candidate(part, **further)
        _check_alike(expected, found)
        for name, values in expected.items():
            difference = max(difference, float(np.abs(values - found[name]).max()))
            largest = max(largest, float(np.abs(values).max()))
        first = next(iter(expected))
        agreed += int((expected[first].argmax(axis=1) == found[first].argmax(axis=1)).sum())
    return Parity(len(pixels), difference, largest, agreed / len(pixels))


def require_parity(parity: Parity, what: str) -> None:
    """Raise ExportError with the numbers unless the parity holds."""
    if not parity.holds:
        raise ExportError(
            f"{what} differs from the trained network by {parity.max_abs_logit_difference:.2e} on "
            f"{parity.pictures} pictures (allowed {parity.limit:.0e}); {parity.agree:.1%} are answered alike",
            hint="nothing was written; report the model's name, its translation is wrong",
        )


def _check_alike(expected: Any, found: Any) -> None:
    shapes = {name: values.shape for name, values in expected.items()}
    others = {name: values.shape for name, values in found.items()}
    if shapes != others:
        raise ExportError(f"the export gives {others}, the trained network {shapes}")
    for who, outputs in (("trained network", expected), ("export", found)):
        for name, values in outputs.items():
            if not np.isfinite(values).all():
                raise ExportError(f"the {who} gives {name} that are not finite (NaN or infinite)")
