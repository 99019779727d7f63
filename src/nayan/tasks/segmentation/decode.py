"""From the probabilities of a network's pixels to the class of every pixel of the original picture."""

# B pictures, K classes, (h, w) size of the input, (H, W) size of the original

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from nayan.core.errors import BundleError, ConfigError, ShapeError
from nayan.core.types import VOID, SemanticMask
from nayan.runtime.preprocess import Placement
from nayan.tasks.segmentation.records import rows as to_records

__all__ = ["decode", "probability_map", "to_records"]


def decode(
    raw: Mapping[str, NDArray[Any]],
    placements: Sequence[Placement],
    *,
    thresholds: Sequence[float] | None = None,
) -> list[SemanticMask]:
    """Enlarge the probabilities to the original pictures, and give each pixel its most probable class.

    It is the probabilities that are enlarged, not the classes: a border between two classes then runs
    smoothly between the pixels of the network's input.

    Args:
        raw: "probabilities" (B, K, h, w), the classes of a pixel summing to 1.
        placements: how each of the B pictures was laid into the input.
        thresholds: one value for two classes: where the second is at least as probable, the pixel is its.
            None, and for more classes: the most probable one.

    Returns:
        B masks in pixels of the original pictures. What the network did not see of a picture is `VOID`.

    Raises:
        BundleError: if "probabilities" are missing or not finite.
        ShapeError: if their shape does not fit.

    >>> raw = {"probabilities": np.array([[[[0.9, 0.2]], [[0.1, 0.8]]]], np.float32)}
    >>> decode(raw, [Placement((1, 2), (1.0, 1.0), (0.0, 0.0))])[0].ids.tolist()
    [[0, 1]]
    """
    probabilities = _checked(raw, len(placements))
    least = None if thresholds is None else _threshold(thresholds, probabilities.shape[1])
    return [_decode_one(row, place, least) for row, place in zip(probabilities, placements, strict=True)]


def probability_map(
    probabilities: NDArray[np.float32], placement: Placement, index: int
) -> NDArray[np.float32]:
    """Return (H, W), how probable one class is in each pixel of the original; 0 where it was not seen.

    Args:
        probabilities: (K, h, w) of one picture.
        placement: how it was laid into the input.
        index: of the class.
    """
    window = _window(placement, (probabilities.shape[1], probabilities.shape[2]))
    return _enlarged(probabilities[index], window, placement.original)


def _decode_one(
    probabilities: NDArray[np.float32], placement: Placement, least: float | None
) -> SemanticMask:
    """Return the mask of one picture; the classes are enlarged one by one, which takes the memory of two."""
    original, window = placement.original, _window(placement, probabilities.shape[1:])
    if least is not None:
        second = _enlarged(probabilities[1], window, original)
        found = second >= least
        ids, scores = found.astype(np.uint8), np.where(found, second, 1 - second)
    else:
        ids = np.zeros(original, np.uint8)
        scores = _enlarged(probabilities[0], window, original)
        for index in range(1, len(probabilities)):
            candidate = _enlarged(probabilities[index], window, original)
            better = candidate > scores
            ids[better] = index
            np.copyto(scores, candidate, where=better)
    (top, left, bottom, right), (height, width) = window.shown, original
    if (top, left, bottom, right) != (0, 0, height, width):
        seen = np.zeros(original, bool)
        seen[top:bottom, left:right] = True
        ids[~seen], scores[~seen] = VOID, 0
    scores = np.clip(scores, 0, 1, dtype=np.float32)  # averaging ones may give a little more
    return SemanticMask(ids, scores)


class _Window:
    """Where the pixels of a picture and those of the network's input meet.

    Attributes:
        source: (top, left, bottom, right) in the input.
        shown: the same in the original.
    """

    __slots__ = ("shown", "source")

    def __init__(self, source: tuple[int, int, int, int], shown: tuple[int, int, int, int]) -> None:
        self.source = source
        self.shown = shown


def _window(placement: Placement, size: tuple[int, int]) -> _Window:
    source: list[tuple[int, int]] = []
    shown: list[tuple[int, int]] = []
    for side, scale, offset, limit in zip(
        placement.original, placement.scale, placement.offset, size, strict=True
    ):
        first, last = max(0, round(offset)), min(limit, round(offset + side * scale))
        source.append((first, last))
        begin, end = round((first - offset) / scale), round((last - offset) / scale)
        begin = min(max(0, begin), side - 1)
        shown.append((begin, max(begin + 1, min(side, end))))  # of a tiny picture, one pixel at least
    (top, bottom), (left, right) = source
    (above, below), (before, after) = shown
    return _Window((top, left, bottom, right), (above, before, below, after))


def _enlarged(values: NDArray[np.float32], window: _Window, original: tuple[int, int]) -> NDArray[np.float32]:
    """Return (H, W) float32 of the (h, w) input, 0 where the input does not show the picture."""
    (top, left, bottom, right), (above, before, below, after) = window.source, window.shown
    part = np.ascontiguousarray(values[top:bottom, left:right], np.float32)
    height, width = below - above, after - before
    smaller = height * width < part.shape[0] * part.shape[1]
    method = cv2.INTER_AREA if smaller else cv2.INTER_LINEAR
    resized = np.asarray(cv2.resize(part, (width, height), interpolation=method), np.float32)
    if (height, width) == original:
        return resized
    canvas = np.zeros(original, np.float32)
    canvas[above:below, before:after] = resized
    return canvas


def _checked(raw: Mapping[str, NDArray[Any]], pictures: int) -> NDArray[np.float32]:
    if "probabilities" not in raw:
        raise BundleError(
            f"a segmenter returns 'probabilities', this one {', '.join(sorted(raw)) or 'nothing'}",
            hint="export the model again, or check that its spec.json belongs to it",
        )
    probabilities = np.asarray(raw["probabilities"], np.float32)
    if probabilities.ndim != 4 or len(probabilities) != pictures:
        raise ShapeError(
            f"probabilities must have the shape ({pictures}, K, h, w) for as many pictures, "
            f"got {probabilities.shape}"
        )
    if not np.isfinite(probabilities).all():
        raise BundleError(
            "the model returned probabilities that are not finite (NaN or infinite)",
            hint="its weights are damaged or its training diverged; run `nayan check-bundle MODEL`",
        )
    return probabilities


def _threshold(thresholds: Sequence[float], classes: int) -> float:
    if classes != 2 or len(thresholds) != 1:
        raise ConfigError(
            f"{len(thresholds)} thresholds for {classes} classes",
            hint="one threshold decides between two classes; of more the most probable one is taken",
        )
    return float(thresholds[0])
