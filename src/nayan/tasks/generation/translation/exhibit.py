"""What is looked at once a translator is trained, beside its scores: how it learned. No torch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from nayan.core.types import Dataset
from nayan.runtime.predictor import Predictor
from nayan.tasks.generation.film import make_film


def exhibit(
    predictor: Predictor,  # noqa: ARG001  every task is asked alike
    data: Dataset,  # noqa: ARG001
    learnt: Dataset,  # noqa: ARG001
    *,
    folder: Path,
) -> dict[str, Any]:
    """Make the film of the epochs; translations themselves are among what the evaluation keeps.

    Args:
        predictor: not needed.
        data: not needed.
        learnt: not needed.
        folder: `evaluation/` of the run.

    Returns:
        `film`, the name of a file in the folder, "" where no epoch left a picture.
    """
    return {"film": make_film(folder)}
