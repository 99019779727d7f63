"""Classes of one data set counted as another counts them: names decide, never numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from nayan.core.errors import DataError
from nayan.core.types import Dataset, Label


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
    place = [list(classes).index(name) for name in data.classes]
    samples = tuple(
        replace(sample, target=Label(place[sample.target.index])) if sample.target is not None else sample
        for sample in data.samples
    )
    return replace(data, samples=samples, classes=tuple(classes))
