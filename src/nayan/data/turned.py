"""Characters, turned by quarters: each turn shows another one, so that few of them become four times as many.

Source: Santoro, Bartunov, Botvinick, Wierstra, Lillicrap (2016), One-shot learning with memory-augmented
neural networks, arXiv:1605.06065, section 4.1; Vinyals et al. (2016), arXiv:1606.04080, section 4.1.1.
"""

# K identities

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from nayan.core.types import Dataset, Identity, Image, Sample, Size

TURNS = 4


def with_turns(data: Dataset) -> Dataset:
    """Return a data set of identities with each of them turned by 90, 180 and 270 degrees as three others.

    The first samples and the first K identities are those of `data`. A turned sample has no file of its own,
    and pairs with nothing.

    Args:
        data: of identities.
    """
    count = len(data.classes)
    samples = [
        _turned(sample, sample.target, turn=turn, count=count) if turn else sample
        for turn in range(TURNS)
        for sample in data.samples
        if isinstance(sample.target, Identity)
    ]
    classes = [_name(name, turn) for turn in range(TURNS) for name in data.classes]
    return replace(data, samples=tuple(samples), classes=tuple(classes))


@dataclass(frozen=True, slots=True)
class Turned:
    """Loads a picture turned against the clock by so many quarters."""

    load: Callable[..., Image]
    quarters: int

    def __call__(self, at_least: Size | None = None) -> Image:
        """Return the turned picture, no smaller than (height, width) where the file is larger."""
        sideways = self.quarters % 2 == 1
        wanted = at_least[::-1] if at_least is not None and sideways else at_least
        image = self.load() if wanted is None else self.load(wanted)
        return np.ascontiguousarray(np.rot90(image, self.quarters))


def _turned(sample: Sample, target: Identity, *, turn: int, count: int) -> Sample:
    id = _name(sample.id, turn)
    return replace(
        sample,
        id=id,
        load=Turned(sample.load, turn),
        target=replace(target, index=target.index + turn * count, name=id, pairs=()),
        path=None,
    )


def _name(name: str, turn: int) -> str:
    return f"{name} turned {90 * turn}" if turn else name
