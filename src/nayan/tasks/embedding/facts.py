"""The facts that a report draws and tells, from pairs and searches: JSON-serialisable and free of NaN."""

# P pairs

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nayan.tasks.embedding.confusions import Confusion, Stranger
from nayan.tasks.embedding.pair_scores import Floats, PairCurve, equal_error
from nayan.tasks.embedding.retrieval import Retrieval

BINS = 50
LISTED = 10
"""Confusions and strangers that are listed."""
POINTS = 240
"""Of a curve, at most."""
KS = (1, 2, 5, 10, 20, 50)


def curve_facts(curve: PairCurve) -> dict[str, Any]:
    """Return a few points of the ROC and DET, close enough for the eye on either.

    Returns:
        `far`, `tar`, `thresholds`, lists of one length; the first threshold, which takes nothing for the
        same, is -1. `equal_error` {"rate", "threshold"}.
    """
    third = POINTS // 3
    small = np.geomspace(1 / curve.num_different, 1, third)
    wanted = [
        (curve.far, np.linspace(0, 1, third)),
        (curve.far, small),
        (curve.tar, np.linspace(0, 1, third)),
    ]
    rows = np.unique(np.concatenate([np.searchsorted(each, at) for each, at in wanted]))
    rows = rows[rows < len(curve.far)]
    point = equal_error(curve)
    return {
        "far": curve.far[rows].round(6).tolist(),
        "tar": curve.tar[rows].round(6).tolist(),
        "thresholds": np.maximum(curve.thresholds[rows], -1.0).round(6).tolist(),
        "equal_error": {"rate": point.far, "threshold": point.threshold},
    }


def distance_facts(distances: Floats, same: NDArray[np.bool_]) -> dict[str, Any]:
    """Return how many pairs of each kind lie at which distance: `edges`, `same` and `different` counts."""
    edges = np.linspace(0.0, float(distances.max()) or 1.0, BINS + 1)
    return {
        "edges": edges.round(6).tolist(),
        "same": np.histogram(distances[same], edges)[0].tolist(),
        "different": np.histogram(distances[~same], edges)[0].tolist(),
    }


def threshold_facts(distances: Floats, same: NDArray[np.bool_], *, threshold: float) -> dict[str, Any]:
    """Return what a threshold, fitted elsewhere, does to these pairs.

    Returns:
        `threshold`, `far`, `tar`; `accepted`, how many pairs of two identities lie within it; `rejected`, how
        many of one lie beyond.
    """
    within = distances <= threshold
    accepted, rejected = int((within & ~same).sum()), int((~within & same).sum())
    return {
        "threshold": threshold,
        "far": accepted / int((~same).sum()),
        "tar": 1 - rejected / int(same.sum()),
        "accepted": accepted,
        "rejected": rejected,
    }


def recall_facts(found: Retrieval) -> list[dict[str, Any]]:
    """Return {"k", "recall", "interval"} for some k, as far as there are answers; interval may be None."""
    ks = [k for k in KS if k <= found.answers.shape[1]]
    intervals = found.intervals(ks)
    return [
        {"k": k, "recall": found.recall(k), "interval": list(intervals.get(f"recall_at_{k}", ())) or None}
        for k in ks
    ]


def confused_facts(found: Sequence[Confusion], names: Sequence[str]) -> dict[str, Any]:
    """Return `identities`, how many pairs of them are confused, and `listed`, the worst by their names."""
    listed = [
        {**asdict(each), "first": names[each.first], "second": names[each.second]} for each in found[:LISTED]
    ]
    return {"identities": len(found), "listed": listed}


def stranger_facts(found: Sequence[Stranger], names: Sequence[str], ids: Sequence[str]) -> dict[str, Any]:
    """Return `pictures`, how many there are, and `listed`, the clearest, with ids and names.

    Args:
        found: the clearest first.
        names: of the identities.
        ids: of the pictures.
    """
    listed = [
        {
            "id": ids[each.row],
            "identity": names[each.identity],
            "nearest": names[each.nearest],
            "own_similarity": round(each.own_similarity, 4),
            "other_similarity": round(each.other_similarity, 4),
        }
        for each in found[:LISTED]
    ]
    return {"pictures": len(found), "listed": listed}
