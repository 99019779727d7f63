"""Classes of one data set counted as another counts them: names decide, never numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from nayan.core.errors import DataError
from nayan.core.types import Boxes, Dataset, Label, Target


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
    if isinstance(target, Label):
        return Label(int(place[target.index]))
    return replace(target, labels=place[target.labels]) if isinstance(target, Boxes) else None
