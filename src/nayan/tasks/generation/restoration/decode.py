"""From a restorer's outputs to pictures, and from those to the rows of JSON and CSV."""

# B pictures, (h, w) size of a picture, (gh, gw) size of what was given

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nayan.core.errors import BundleError, ShapeError
from nayan.core.types import Picture
from nayan.runtime.preprocess import Placement
from nayan.tasks.generation.restoration.restored import Restored

OUTPUTS = ("picture", "given")


def decode(raw: Mapping[str, NDArray[Any]], placements: Sequence[Placement], **_args: Any) -> list[Restored]:
    """Turn the outputs for a batch into one restored picture each.

    What is known of a picture with holes stays as it was, to the last bit.

    Args:
        raw: "picture" (B, h, w, 3) float32 and "given" (B, gh, gw, 3 or 4) float32, both in [0, 1]; see
            `Restored`.
        placements: how each picture was laid into the input; only their number counts.
        **_args: a bundle's decode arguments; there are none.

    Returns:
        B pictures, none for an empty batch.

    Raises:
        BundleError: if an output is missing, or not finite.
        ShapeError: if an output has another shape.

    >>> raw = {"picture": np.ones((1, 4, 4, 3), np.float32), "given": np.zeros((1, 2, 2, 3), np.float32)}
    >>> decode(raw, [Placement((4, 4), (1.0, 1.0), (0.0, 0.0))])[0].pixels.max()
    np.uint8(255)
    """
    missing = [name for name in OUTPUTS if name not in raw]
    if missing:
        raise BundleError(
            f"a restorer returns {' and '.join(OUTPUTS)}, this model returns "
            f"{', '.join(sorted(raw)) or 'nothing'}",
            hint="export the model again, or check that its spec.json belongs to it",
        )
    pictures, given = (_bytes(np.asarray(raw[name]), name, len(placements)) for name in OUTPUTS)
    return [_restored(picture, seen) for picture, seen in zip(pictures, given, strict=True)]


def to_records(
    prediction: Picture,
    classes: Sequence[str],  # noqa: ARG001  a picture has no name
    *,
    conf: float | Sequence[float] | None = None,  # noqa: ARG001  nor a score
    top: int = 1,  # noqa: ARG001
) -> list[dict[str, Any]]:
    """Return one row, `{"picture": [h, w]}`: the picture itself is what `--save` writes.

    >>> to_records(Picture(np.zeros((4, 6, 3), np.uint8)), [])
    [{'picture': [4, 6]}]
    """
    height, width = prediction.pixels.shape[:2]
    return [{"picture": [height, width]}]


def _restored(picture: NDArray[np.uint8], given: NDArray[np.uint8]) -> Restored:
    restored = Restored(picture, given)
    if restored.missing is None:
        return restored
    return Restored(np.where(restored.missing[..., None], picture, given[..., :3]), given)


def _bytes(values: NDArray[Any], name: str, count: int) -> NDArray[np.uint8]:
    channels = (3,) if name == "picture" else (3, 4)
    if values.ndim != 4 or len(values) != count or values.shape[3] not in channels:
        raise ShapeError(
            f"{name!r} must have the shape ({count}, h, w, {' or '.join(map(str, channels))}), "
            f"got {values.shape}"
        )
    if not np.isfinite(values).all():
        raise BundleError(
            f"the model returned a {name!r} that is not finite",
            hint="its weights are damaged or its training diverged; run `nayan check-bundle MODEL`",
        )
    scaled: NDArray[np.uint8] = np.rint(np.clip(values, 0, 1) * 255).astype(np.uint8)
    return scaled
