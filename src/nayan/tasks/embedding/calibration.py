"""What is fitted on validation: up to which distance two pictures show the same, and how sure that is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nayan.core.types import Identity
from nayan.tasks.embedding.comparing import Comparing
from nayan.tasks.embedding.confidence import fit_confidence, fit_thresholds


def fit_same(vectors: NDArray[np.float32], truths: Sequence[Identity], *, far: float) -> dict[str, Any]:
    """Fit the threshold for a wanted false-accept rate, and the probability of "the same" by distance.

    All pairs of the pictures are used, not only those that the data give: of few pairs no small rate can be
    read.

    Args:
        vectors: (N, D) of validation pictures.
        truths: who they show.
        far: wanted false-accept rate, in (0, 1).

    Returns:
        "thresholds": [distance]; "same": {"slope", "offset"} of `confidence.PairConfidence`, what
        `confidence.FarThreshold` says of the threshold, `identities`, how many they are, and `points`, the
        thresholds for other rates in the same words.

    Raises:
        DataError: if there is no pair of each kind.
    """
    bare = [Identity(truth.index, name=truth.name, role=truth.role) for truth in truths]
    compared = Comparing(vectors, bare)
    points = fit_thresholds(compared.distances, compared.pairs.same, far=far)
    chosen = next(point for point in points if point.wanted == far)
    curve = fit_confidence(compared.distances, compared.pairs.same)
    same = {
        **asdict(curve),
        **asdict(chosen),
        "identities": len(np.unique(compared.identities)),
        "points": [asdict(point) for point in points],
    }
    return {"thresholds": [chosen.threshold], "same": same}
