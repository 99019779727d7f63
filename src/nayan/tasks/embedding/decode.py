"""From an embedder's outputs to unit vectors a picture, and from those to the rows of JSON and CSV."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nayan.core.errors import BundleError, ShapeError
from nayan.core.types import Embedding
from nayan.runtime.preprocess import Placement

DIGITS = 6
"""Of a value in JSON and CSV: float32 carries no more."""


def decode(raw: Mapping[str, NDArray[Any]], placements: Sequence[Placement], **_args: Any) -> list[Embedding]:
    """Turn the outputs for a batch into one embedding a picture.

    Args:
        raw: "embedding" (B, D) float32, about of length 1: in 8 bits, a little off.
        placements: how each picture was laid into the input; a whole picture has no place, so only their
            number counts.
        **_args: a bundle's decode arguments; the threshold is for whoever compares two pictures.

    Returns:
        B embeddings of length 1, none for an empty batch. Each owns its values.

    Raises:
        BundleError: if there is no "embedding", or it is not finite or has no direction.
        ShapeError: if it is not (B, D) with B pictures.

    >>> raw = {"embedding": np.array([[0.6, 0.8]], np.float32)}
    >>> decode(raw, [Placement((8, 8), (1.0, 1.0), (0.0, 0.0))])[0].vector.round(3).tolist()
    [0.6000000238418579, 0.800000011920929]
    """
    if "embedding" not in raw:
        raise BundleError(
            f"an embedder returns 'embedding', this model returns {', '.join(sorted(raw)) or 'nothing'}",
            hint="export the model again, or check that its spec.json belongs to it",
        )
    vectors = np.asarray(raw["embedding"], dtype=np.float32)
    if vectors.ndim != 2 or len(vectors) != len(placements):
        raise ShapeError(
            f"embeddings must have the shape ({len(placements)}, D) for as many pictures, got {vectors.shape}"
        )
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    if not (np.isfinite(lengths) & (lengths > 0)).all():
        raise BundleError(
            "the model returned embeddings that are not finite, or zero",
            hint="its weights are damaged or its training diverged; run `nayan check-bundle MODEL`",
        )
    return [Embedding(row) for row in vectors / lengths]


def to_records(
    prediction: Embedding,
    classes: Sequence[str],  # noqa: ARG001  an embedder names nobody
    *,
    conf: float | Sequence[float] | None = None,  # noqa: ARG001  a vector has no score
    top: int = 1,  # noqa: ARG001
) -> list[dict[str, Any]]:
    """Return one row, `{"embedding": [D values]}`.

    Args:
        prediction: of one picture.
        classes: not needed.
        conf: not needed.
        top: not needed.

    >>> to_records(Embedding(np.array([0.6, 0.8], np.float32)), [])
    [{'embedding': [0.6, 0.8]}]
    """
    return [{"embedding": [round(float(value), DIGITS) for value in prediction.vector]}]
