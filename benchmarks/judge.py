"""What a classifier that nayan trained says of pictures: a judge of what generators drew."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

import nayan
from nayan.core.types import ClassScores, Image

AT_ONCE = 64


def names_of(classifier: Path, pictures: Sequence[Image]) -> list[str]:
    """Return the class that a classifier finds most probable for each picture.

    Args:
        classifier: a run or a bundle.
        pictures: (H, W, 3) uint8 RGB.
    """
    predictor = nayan.load(classifier)
    found: list[str] = []
    for at in range(0, len(pictures), AT_ONCE):
        for scores in predictor(pictures[at : at + AT_ONCE]):
            assert isinstance(scores, ClassScores)
            found.append(predictor.spec.classes[int(np.argmax(scores.probabilities))])
    return found


def share(found: Sequence[str], wanted: Sequence[str]) -> float:
    """Return the share of the names that are those that were wanted."""
    return sum(a == b for a, b in zip(found, wanted, strict=True)) / len(wanted)
