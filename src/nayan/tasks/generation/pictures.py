"""From the outputs of a network that draws to pictures, and from those to rows of JSON. No torch."""

# B pictures, (h, w) their size, C channels

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nayan.core.errors import BundleError, ShapeError
from nayan.core.types import Picture
from nayan.runtime.preprocess import Placement


def decode_pictures(
    raw: Mapping[str, NDArray[Any]], placements: Sequence[Placement], **_args: Any
) -> list[Picture]:
    """Turn the outputs for a batch into one picture each, of the size that the network draws.

    Args:
        raw: "picture" (B, h, w, C) float32 in [0, 1], with 1 or 3 channels.
        placements: of the pictures that were given; only their number counts.
        **_args: a bundle's decode arguments; not needed.

    Raises:
        BundleError: if there is no "picture", or it is not finite.
        ShapeError: if it is not (B, h, w, 1 or 3) with B pictures.

    >>> place = Placement((1, 1), (1.0, 1.0), (0.0, 0.0))
    >>> decode_pictures({"picture": np.full((1, 1, 1, 1), 0.5, np.float32)}, [place])[0].pixels.tolist()
    [[[128, 128, 128]]]
    """
    if "picture" not in raw:
        raise BundleError(
            f"a network that draws returns 'picture', this one {', '.join(sorted(raw)) or 'nothing'}",
            hint="export the model again, or check that its spec.json belongs to it",
        )
    values = np.asarray(raw["picture"], np.float32)
    if values.ndim != 4 or len(values) != len(placements) or values.shape[3] not in (1, 3):
        raise ShapeError(f"pictures are ({len(placements)}, h, w, 1 or 3), got {values.shape}")
    if not np.isfinite(values).all():
        raise BundleError(
            "the model drew pictures that are not finite (NaN or infinite)",
            hint="its weights are damaged or its training diverged; run `nayan check-bundle MODEL`",
        )
    pixels = (values.clip(0, 1) * 255).round().astype(np.uint8)
    return [Picture(np.ascontiguousarray(np.broadcast_to(rows, (*rows.shape[:2], 3)))) for rows in pixels]


def picture_records(
    prediction: Picture,
    classes: Sequence[str],  # noqa: ARG001  every task is asked alike
    *,
    conf: float | Sequence[float] | None = None,  # noqa: ARG001
    top: int = 1,  # noqa: ARG001
) -> list[dict[str, Any]]:
    """Return one row, `{"picture": [h, w]}`: how large what was drawn is; the pixels are for files.

    >>> picture_records(Picture(np.zeros((4, 6, 3), np.uint8)), [])
    [{'picture': [4, 6]}]
    """
    return [{"picture": list(prediction.pixels.shape[:2])}]
