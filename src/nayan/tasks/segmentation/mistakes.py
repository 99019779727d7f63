"""Which pictures of an evaluation a segmenter got most wrong, and which classes it mixed up there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nayan.core.types import VOID, MaskSource, SemanticMask
from nayan.tasks.segmentation.packed import PackedMask
from nayan.tasks.segmentation.records import packed

SIDE = 320
"""Pixels of the longer side of the masks that are kept of a mistake."""
MIXED = 3
"""Confusions that are named of each picture."""


def mistakes(
    predictions: Sequence[SemanticMask | PackedMask],
    targets: Sequence[MaskSource | SemanticMask],
    classes: Sequence[str],
    *,
    limit: int,
    calibration: Mapping[str, Any] | None = None,  # noqa: ARG001  every task is asked alike
) -> list[dict[str, Any]]:
    """Return the pictures with the lowest share of right pixels, the worst first.

    Args:
        predictions: one a picture.
        targets: the truth of each; read here one by one.
        classes: names in the order of the ids.
        limit: at most so many.
        calibration: not needed.

    Returns:
        `{"row", "accuracy", "mixed": [{"truth", "found", "share"}], "found", "truth"}` of each: the row in
        the sequences, the share of its known pixels that are right, and the largest confusions as shares of
        those; and both masks as `records.packed` writes them, for the one who paints them. Pictures without
        a mistake are left out.
    """
    shares = [_share(prediction, target) for prediction, target in zip(predictions, targets, strict=True)]
    order = np.argsort(shares, kind="stable")
    records = []
    for row in order[:limit].tolist():
        if shares[row] >= 1:
            break
        found, truth = predictions[row].ids, _read(targets[row])
        records.append(
            {
                "row": row,
                "accuracy": float(shares[row]),
                "mixed": _mixed(found, truth, classes),
                "found": packed(found, side=SIDE),
                "truth": packed(truth, side=SIDE),
            }
        )
    return records


def _read(target: MaskSource | SemanticMask) -> NDArray[np.uint8]:
    return (target.load() if isinstance(target, MaskSource) else target).ids


def _share(prediction: SemanticMask | PackedMask, target: MaskSource | SemanticMask) -> float:
    truth = _read(target)
    known = truth != VOID
    return float((prediction.ids[known] == truth[known]).mean()) if known.any() else 1.0


def _mixed(
    found: NDArray[np.uint8], truth: NDArray[np.uint8], classes: Sequence[str]
) -> list[dict[str, Any]]:
    wrong = (truth != VOID) & (found != truth)
    pairs, counts = np.unique(truth[wrong].astype(np.int64) * (VOID + 1) + found[wrong], return_counts=True)
    known = int((truth != VOID).sum())
    names = [*classes, *["nothing"] * (VOID + 1 - len(classes))]
    return [
        {
            "truth": names[int(pairs[n]) // (VOID + 1)],
            "found": names[int(pairs[n]) % (VOID + 1)],
            "share": float(counts[n] / known),
        }
        for n in np.argsort(-counts, kind="stable")[:MIXED]
    ]
