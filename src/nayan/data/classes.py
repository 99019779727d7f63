"""Classes of one data set counted as another counts them: names decide, never numbers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from nayan.core.errors import DataError
from nayan.core.types import (
    VOID,
    Boxes,
    Caption,
    Dataset,
    Label,
    MaskSource,
    Original,
    SemanticMask,
    Target,
)


def match_classes(data: Dataset, classes: Sequence[str]) -> Dataset:
    """Return the data with its labels counted as `classes` counts them.

    Args:
        data: may have its classes in another order, and lack some.
        classes: of the model, in the order of its outputs.

    Raises:
        DataError: if the data has a class that is not among `classes`.
    """
    unknown = [name for name in data.classes if name not in classes]
    if unknown:
        raise DataError(
            f"{data.root}: the model does not know the classes {', '.join(unknown)}",
            hint=f"it knows {', '.join(classes)}; rename or remove the others",
        )
    place = np.array([list(classes).index(name) for name in data.classes], np.int64)
    samples = tuple(replace(sample, target=_renumbered(sample.target, place)) for sample in data.samples)
    return replace(data, samples=samples, classes=tuple(classes))


def _renumbered(target: Target, place: NDArray[np.int64]) -> Target:
    """Return the target with class i as class `place[i]`."""
    if isinstance(target, Label):  # or an Identity, which keeps its pairs
        return replace(target, index=int(place[target.index]))
    if isinstance(target, Original):
        return replace(target, about=_renumbered(target.about, place))
    if isinstance(target, Caption):  # says everything in words
        return target
    if isinstance(target, MaskSource):
        return replace(target, load=Renumbered(target.load, tuple(place.tolist())))
    return replace(target, labels=place[target.labels]) if isinstance(target, Boxes) else None


@dataclass(frozen=True, slots=True)
class Renumbered:
    """Reads a mask with its classes counted in another order.

    Attributes:
        load: reads it as it is.
        place: the new number of each class.
    """

    load: Callable[[], SemanticMask]
    place: tuple[int, ...]

    def __call__(self) -> SemanticMask:
        """Return the mask; void stays void."""
        table = np.full(VOID + 1, VOID, np.uint8)
        table[: len(self.place)] = self.place
        mask = self.load()
        return replace(mask, ids=table[mask.ids])
