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
from nayan.tasks.embedding.confusions import confusions, strangers
from nayan.tasks.embedding.facts import (
    confused_facts,
    curve_facts,
    distance_facts,
    recall_facts,
    stranger_facts,
    threshold_facts,
)
from nayan.tasks.embedding.hardest import hardest_pairs, telling_searches
from nayan.tasks.embedding.identity_map import identity_map
from nayan.tasks.embedding.intervals import verification_intervals
from nayan.tasks.embedding.one_shot import OneShot, one_shot
from nayan.tasks.embedding.pair_scores import equal_error, pair_curve, scores_of
from nayan.tasks.embedding.retrieval import Retrieval, retrieve

__all__ = ["EmbeddingMetric", "mistakes"]


class EmbeddingMetric:
    """Collects embeddings with who they are of and scores them.

    Args:
        classes: names of the identities; those of the data that are judged, not those of the model.

    >>> metric = EmbeddingMetric(["ada", "bob"])
    >>> near = [Embedding(np.array(v, np.float32)) for v in ([1, 0], [0.8, 0.6], [-0.6, -0.8], [-1, 0])]
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

        Args:
            calibration: what was fitted on validation, with the "thresholds" and "same" of `fit_same`.
            placements: not needed.

        Returns:
            `pictures`, `identities`; `queries` and `gallery` (None without one); `pairs` {"same",
            "different", "given"}; `intervals` {score: [low, high]} at 95 %, over identities drawn again;
            `curve`, `distances`, `at_threshold` (None where none was fitted), `recall`, `confused` and
            `strangers` as `facts` describes them; `unanswerable` queries; `map` as `identity_map` gives it,
            with names; `one_shot` {"ways", "runs", "identities"} or None; `same`, what was fitted.
        """
        compared = self._compared()
        pairs, whose, distances = compared.pairs, compared.identities, compared.distances
        found, trial = _searched(compared), _trial(compared)
        curve = pair_curve(distances, pairs.same)
        fitted = _threshold(calibration)
        usual = equal_error(curve).threshold if fitted is None else fitted
        confused = confusions(distances, pairs, whose, threshold=usual)
        first = [identity for each in confused for identity in (each.first, each.second)]
        seen = identity_map(compared.vectors, whose, first=first)
        intervals = {
            **verification_intervals(distances, pairs.same, identities=whose[pairs.rows]),
            **found.intervals(),
            **({"one_shot_accuracy": trial.interval} if trial is not None and trial.interval else {}),
        }
        ids = [target.name for target in self._targets]
        return {
            "pictures": len(self._targets),
            "identities": len(np.unique(whose)),
            "queries": len(compared.queries),
            "gallery": None if compared.gallery is None else len(compared.gallery),
            "pairs": {
                "same": curve.num_same,
                "different": curve.num_different,
                "given": compared.given,
            },
            "intervals": {name: list(interval) for name, interval in intervals.items()},
            "curve": curve_facts(curve),
            "distances": distance_facts(distances, pairs.same),
            "at_threshold": None
            if fitted is None
            else threshold_facts(distances, pairs.same, threshold=fitted),
            "recall": recall_facts(found),
            "unanswerable": found.unanswerable,
            "confused": confused_facts(confused, self.classes),
            "strangers": stranger_facts(strangers(compared.vectors, whose), self.classes, ids),
            "map": {**seen, "identities": [self.classes[index] for index in seen["identities"]]},
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
    """Return what a person should look at: the hardest pairs, then the searches that found least.

    Args:
        predictions: one a picture.
        targets: who they show.
        classes: names of the identities.
        limit: at most so many; a quarter of them are searches.
        calibration: with the threshold, where it was fitted; only pairs on its wrong side are mistakes.

    Returns:
        Records of `hardest`, with the names of whom their pictures show: `names`, in the order of "row" and
        "others".
    """
    compared = Comparing(np.stack([prediction.vector for prediction in predictions]), targets)
    records = hardest_pairs(
        compared.distances,
        compared.pairs,
        compared.identities,
        threshold=_threshold(calibration),
        limit=limit - limit // 4,
    ) + telling_searches(
        _searched(compared),
        compared.identities,
        queries=None if compared.gallery is None else compared.queries,
        gallery=compared.gallery,
        limit=limit // 4,
    )
    for record in records:
        rows = [record["row"], *record["others"]]
        record["names"] = [classes[targets[row].index] for row in rows]
    return records


def _threshold(calibration: Mapping[str, Any] | None) -> float | None:
    """Return the distance up to which two pictures are the same; None where none was fitted."""
    fitted = (calibration or {}).get("thresholds")
    return float(fitted[0]) if fitted else None


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
