"""How good is an embedder? Pairs verified, pictures found, strangers known by one look. NumPy only."""

# N pictures, D values of an embedding, P pairs

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from nayan.core.errors import DataError, ShapeError
from nayan.core.types import Embedding, Identity
from nayan.runtime.preprocess import Placement
from nayan.tasks.embedding.comparing import Comparing
from nayan.tasks.embedding.intervals import verification_intervals
from nayan.tasks.embedding.one_shot import OneShot, one_shot
from nayan.tasks.embedding.pair_scores import pair_curve, scores_of
from nayan.tasks.embedding.retrieval import Retrieval, retrieve

__all__ = ["EmbeddingMetric", "mistakes"]

POINTS = 200
"""Of a curve, as the report draws it."""
BINS = 60
"""Of the histogram of distances, from 0 to 2."""


class EmbeddingMetric:
    """Collects embeddings with who they are of and scores them.

    Args:
        classes: names of the identities; those of the data that are judged, not those of the model.

    >>> metric = EmbeddingMetric(["ada", "bob"])
    >>> near = [Embedding(np.array(v, np.float32)) for v in ([1, 0], [0.8, 0.6], [0, -1], [-1, 0])]
    >>> metric.update(near, [Identity(0), Identity(0), Identity(1), Identity(1)])
    >>> metric.compute()["recall_at_1"]
    1.0
    """

    def __init__(self, classes: Sequence[str]) -> None:
        self.classes = tuple(classes)
        self._vectors: list[Any] = []
        self._targets: list[Identity] = []

    def update(self, predictions: Sequence[Embedding], targets: Sequence[Identity]) -> None:
        """Add pictures.

        Raises:
            ShapeError: if there are not as many predictions as targets.
            DataError: if a target says not who it is.
        """
        if len(predictions) != len(targets):
            raise ShapeError(f"{len(predictions)} predictions for {len(targets)} identities")
        for prediction, target in zip(predictions, targets, strict=True):
            if not isinstance(target, Identity):
                raise DataError(
                    "a picture without an identity cannot be judged", hint="run `nayan doctor DATA`"
                )
            self._vectors.append(prediction.vector)
            self._targets.append(target)

    def compute(self) -> dict[str, float]:
        """Return the scores of all that was added, each in [0, 1]; of `eer` less is better.

        `recall_at_1`, `recall_at_10`: each query is looked for in the gallery, or each picture among all
        others. `auc`, `eer`, `tar_at_far_1e-2`, `tar_at_far_1e-3` of the pairs (see `Comparing.pairs`); a
        rate that so few pairs cannot show is left out. `one_shot_accuracy` by the protocol of `one_shot`;
        left out where there is a gallery.
        """
        compared = self._compared()
        scores = {
            **_searched(compared).scores(),
            **scores_of(pair_curve(compared.distances, compared.pairs.same)),
        }
        trial = _trial(compared)
        return scores if trial is None else {**scores, "one_shot_accuracy": trial.accuracy}

    def details(
        self,
        *,
        calibration: Mapping[str, Any] | None = None,
        placements: Sequence[Placement] = (),  # noqa: ARG002  every task is asked alike
    ) -> dict[str, Any]:
        """Return the facts behind the scores, JSON-serialisable and free of NaN.

        Returns:
            `pictures`, `identities`; `queries` and `gallery` (None without one); `pairs` {"same",
            "different", "given"}; `intervals` {score: [low, high]} at 95 %, over identities drawn again;
            `curve` {"far", "tar", "thresholds"}; `distances` {"edges", "same", "different"}, counts;
            `one_shot` {"ways", "runs", "identities"} or None; `same`, what was fitted on validation.
        """
        compared = self._compared()
        pairs, found, trial = compared.pairs, _searched(compared), _trial(compared)
        intervals = {
            **verification_intervals(
                compared.distances, pairs.same, identities=compared.identities[pairs.rows]
            ),
            **found.intervals(),
        }
        if trial is not None and trial.interval is not None:
            intervals["one_shot_accuracy"] = trial.interval
        edges = np.linspace(0, 2, BINS + 1)
        counts = {
            kind: np.histogram(compared.distances[pairs.same == same], edges)[0].tolist()
            for kind, same in (("same", True), ("different", False))
        }
        return {
            "pictures": len(self._targets),
            "identities": len(np.unique(compared.identities)),
            "queries": len(compared.queries),
            "gallery": None if compared.gallery is None else len(compared.gallery),
            "pairs": {
                "same": int(pairs.same.sum()),
                "different": int((~pairs.same).sum()),
                "given": compared.given,
            },
            "intervals": {name: list(map(float, interval)) for name, interval in intervals.items()},
            "curve": _curve(compared),
            "distances": {"edges": edges.tolist(), **counts},
            "one_shot": None
            if trial is None
            else {"ways": trial.ways, "runs": trial.runs, "identities": trial.identities},
            "same": dict((calibration or {}).get("same") or {}),
        }

    def _compared(self) -> Comparing:
        if not self._targets:
            raise DataError("no picture could be judged")
        return Comparing(np.stack(self._vectors), self._targets)


def mistakes(
    predictions: Sequence[Embedding],
    targets: Sequence[Identity],
    classes: Sequence[str],
    *,
    limit: int,
    calibration: Mapping[str, Any] | None = None,
) -> list[dict[str, Any]]:
    """Return the hardest pairs: different ones that lie nearest and the same that lie farthest, in turns.

    Args:
        predictions: one a picture.
        targets: who they show.
        classes: names of the identities.
        limit: at most so many.
        calibration: with the threshold, where it was fitted; only pairs on its wrong side are mistakes.

    Returns:
        `{"row", "beside", "same", "distance", "first", "second"}` each: the rows of the two pictures and
        the names of whom they show.
    """
    compared = Comparing(np.stack([prediction.vector for prediction in predictions]), targets)
    pairs, distances = compared.pairs, compared.distances
    fitted = (calibration or {}).get("thresholds")
    threshold = float(fitted[0]) if fitted else None
    kinds: list[list[int]] = []
    for same in (False, True):
        rows = np.flatnonzero(pairs.same == same)
        rows = rows[np.argsort(-distances[rows] if same else distances[rows], kind="stable")]
        if threshold is not None:
            rows = rows[(distances[rows] > threshold) == same]
        kinds.append(rows.tolist())
    turns = [row for each in range(max(map(len, kinds))) for kind in kinds for row in kind[each : each + 1]]
    return [
        {
            "row": int(pairs.rows[row, 0]),
            "beside": int(pairs.rows[row, 1]),
            "same": bool(pairs.same[row]),
            "distance": round(float(distances[row]), 4),
            "first": classes[targets[pairs.rows[row, 0]].index],
            "second": classes[targets[pairs.rows[row, 1]].index],
        }
        for row in turns[:limit]
    ]


def _searched(compared: Comparing) -> Retrieval:
    """Search for each query in the gallery, or for each picture among all others."""
    queries, gallery = compared.queries, compared.gallery
    if gallery is None:
        return retrieve(compared.vectors, compared.identities)
    return retrieve(
        compared.vectors[queries],
        compared.identities[queries],
        gallery=compared.vectors[gallery],
        gallery_identities=compared.identities[gallery],
    )


def _trial(compared: Comparing) -> OneShot | None:
    """Return the one-shot trial; None where pictures have roles, since its draws know none."""
    if compared.gallery is not None:
        return None
    counts = np.bincount(compared.identities)
    return one_shot(compared.vectors, compared.identities) if (counts > 1).sum() > 1 else None


def _curve(compared: Comparing) -> dict[str, list[float]]:
    """Return at most `POINTS` points of the ROC, more of them where the false-accept rate is small."""
    curve = pair_curve(compared.distances, compared.pairs.same)
    wanted = np.concatenate([np.geomspace(1e-5, 1e-2, POINTS // 2), np.linspace(1e-2, 1, POINTS // 2)])
    rows = np.unique(np.concatenate([[0], np.searchsorted(curve.far, wanted, side="right") - 1]))
    thresholds = np.where(np.isinf(curve.thresholds[rows]), 0.0, curve.thresholds[rows])
    return {
        "far": curve.far[rows].tolist(),
        "tar": curve.tar[rows].tolist(),
        "thresholds": thresholds.tolist(),
    }
