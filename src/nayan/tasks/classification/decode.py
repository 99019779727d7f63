"""From a classifier's outputs to probabilities a picture, and from those to the rows of JSON and CSV."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nayan.core.errors import BundleError, ConfigError, ShapeError
from nayan.core.types import ClassScores
from nayan.runtime.preprocess import Placement


def decode(
    raw: Mapping[str, NDArray[Any]], placements: Sequence[Placement], **_args: Any
) -> list[ClassScores]:
    """Turn the outputs for a batch into one prediction a picture.

    The softmax, with its temperature, is inside the graph, so nothing is left to compute here.

    Args:
        raw: "probabilities" (B, C) float32; "logits" (B, C) is not needed.
        placements: how each picture was laid into the input; a whole-picture class has no place,
            so only their number counts.
        **_args: a bundle's decode arguments; thresholds are for `to_records`, which filters.

    Returns:
        B predictions, none for an empty batch. Each owns its values.

    Raises:
        BundleError: if there are no "probabilities", or they are not finite.
        ShapeError: if they are not (B, C) with B pictures.

    >>> raw = {"probabilities": np.array([[0.25, 0.75]], np.float32)}
    >>> decode(raw, [Placement((8, 8), (1.0, 1.0), (0.0, 0.0))])[0].label
    1
    """
    if "probabilities" not in raw:
        raise BundleError(
            f"a classifier returns 'probabilities', this model returns {', '.join(sorted(raw)) or 'nothing'}",
            hint="export the model again, or check that its spec.json belongs to it",
        )
    probabilities = np.asarray(raw["probabilities"], dtype=np.float32)
    if probabilities.ndim != 2 or len(probabilities) != len(placements):
        raise ShapeError(
            f"probabilities must have the shape ({len(placements)}, C) for as many pictures, "
            f"got {probabilities.shape}"
        )
    if not np.isfinite(probabilities).all():
        raise BundleError(
            "the model returned probabilities that are not finite (NaN or infinite)",
            hint="its weights are damaged or its training diverged; run `nayan check-bundle MODEL`",
        )
    return [ClassScores(row.copy()) for row in probabilities]


def to_records(
    prediction: ClassScores,
    classes: Sequence[str],
    *,
    conf: float | Sequence[float] | None = None,
    top: int = 5,
) -> list[dict[str, Any]]:
    """Return the most probable classes as `{"label", "score"}` rows, the best first.

    Args:
        prediction: of one picture.
        classes: names in the order of the probabilities.
        conf: the least score that is shown: one for all, or one a class; None shows all.
        top: the largest number of rows.

    Returns:
        At most `top` rows; none where no class reaches its threshold.

    Raises:
        ShapeError: if there are not as many names as probabilities.
        ConfigError: if `conf` has another length, or `top` is below 1.

    >>> to_records(ClassScores(np.array([0.25, 0.75], np.float32)), ["cat", "dog"], conf=0.5)
    [{'label': 'dog', 'score': 0.75}]
    """
    count = len(prediction.probabilities)
    if len(classes) != count:
        raise ShapeError(f"{count} probabilities need {count} class names, got {len(classes)}")
    if top < 1:
        raise ConfigError(f"top = {top}: at least one class must be shown")
    limits = _limits(conf, count)
    return [
        {"label": classes[index], "score": score}
        for index, score in prediction.top(top)
        if score >= limits[index]
    ]


def _limits(conf: float | Sequence[float] | None, count: int) -> Sequence[float]:
    if conf is None:
        return [0.0] * count
    if isinstance(conf, int | float):
        return [float(conf)] * count
    if len(conf) != count:
        raise ConfigError(
            f"{len(conf)} thresholds for {count} classes", hint="give one threshold, or one a class"
        )
    return conf
