"""The values that cross borders: pictures, targets, predictions, samples.

Ground truth and prediction share types. All of them are NumPy and immutable; torch never appears here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nayan.core.errors import ShapeError

Image = NDArray[np.uint8]
"""(H, W, 3) RGB, upright."""

Size = tuple[int, int]
"""(height, width) in pixels, always in that order."""


@dataclass(frozen=True, slots=True)
class Label:
    """One class for a whole picture."""

    index: int

    def __post_init__(self) -> None:
        if self.index < 0:
            raise ShapeError(f"class indices count from 0, got {self.index}")


@dataclass(frozen=True, slots=True, eq=False)
class ClassScores:
    """One probability a class for a whole picture.

    Attributes:
        probabilities: (C,) float32, each in [0, 1], summing to 1.
    """

    probabilities: NDArray[np.float32]

    def __post_init__(self) -> None:
        if self.probabilities.ndim != 1:
            raise ShapeError(f"probabilities must have the shape (C,), got {self.probabilities.shape}")

    @property
    def label(self) -> int:
        """Index of the most probable class."""
        return int(self.probabilities.argmax())

    @property
    def score(self) -> float:
        """Probability of the most probable class, in [0, 1]."""
        return float(self.probabilities.max())

    def top(self, k: int) -> list[tuple[int, float]]:
        """Return the `k` most probable classes as (index, probability), the best first."""
        order = np.argsort(-self.probabilities, kind="stable")[:k]
        return [(int(i), float(self.probabilities[i])) for i in order]


Target = Label | None
Prediction = ClassScores


@dataclass(frozen=True, slots=True)
class Sample:
    """One picture of a data set with its ground truth; the pixels are read when asked for.

    Attributes:
        id: a name that is unique in the data set and stays the same between reads: usually the
            path relative to the data set's root, with forward slashes.
        load: reads the picture. `load()` gives every pixel; `load(at_least)` may give a smaller
            version whose sides both still reach `at_least` (height, width), where the file
            format decodes that faster.
        target: the ground truth; None where it is unknown.
        path: the file that holds the picture, where it has one of its own.
    """

    id: str
    load: Callable[..., Image]
    target: Target = None
    path: Path | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Dataset:
    """An ordered set of samples with the names of their classes.

    Attributes:
        samples: in a fixed order that does not depend on the file system.
        classes: names; a `Label.index` points into them.
        root: the folder or file that was read.
        format: name of the reader.
        split: "train", "val", "test" or "all".
        notes: what the reader did that its user may not expect, one sentence each.
        info: facts of the format that a round trip keeps.
    """

    samples: tuple[Sample, ...]
    classes: tuple[str, ...]
    root: Path
    format: str
    split: str = "all"
    notes: tuple[str, ...] = ()
    info: dict[str, Any] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.samples)
