"""How much of a photograph is still seen in its painting, and how much was painted over? NumPy only.

Whether the style is met is judged by the network that taught: that is the loss, which training records.
"""

# (h, w) size of a picture

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from nayan.core.errors import DataError, ShapeError
from nayan.core.types import Image, Original, Picture
from nayan.runtime.preprocess import Placement, Preprocess
from nayan.tasks.generation.stylization.colours import luminance
from nayan.tasks.generation.stylization.draw import pair

SIGMA = 1.5
"""Pixels, of the Gaussian window in which two pictures are compared."""
CALM = 0.01
"""Deviation, in [0, 1], of windows in which nothing is drawn: there any two are alike."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """One picture.

    Attributes:
        structure: how far lines and edges are where they were, in [-1, 1].
        repainted: mean absolute change of a value, in [0, 1].
    """

    structure: float
    repainted: float


class StylizationMetric:
    """Collects paintings with their photographs and scores them.

    Args:
        classes: not needed.
    """

    def __init__(self, classes: Sequence[str]) -> None:
        self.classes = tuple(classes)
        self._judged: list[Judgement] = []

    def update(self, predictions: Sequence[Picture], targets: Sequence[Original]) -> None:
        """Add pictures.

        Raises:
            ShapeError: if there are not as many predictions as targets.
            DataError: if a target is no original.
        """
        if len(predictions) != len(targets):
            raise ShapeError(f"{len(predictions)} paintings for {len(targets)} photographs")
        for prediction, target in zip(predictions, targets, strict=True):
            if not isinstance(target, Original):
                raise DataError("a painting is compared with its photograph, and there is none")
            self._judged.append(judge(prediction, target))

    def compute(self) -> dict[str, float]:
        """Return `structure` and `repainted`, means over the pictures; see `Judgement`."""
        if not self._judged:
            raise DataError("no picture could be judged")
        return {
            name: float(np.mean([getattr(each, name) for each in self._judged]))
            for name in ("structure", "repainted")
        }

    def details(
        self,
        *,
        calibration: Mapping[str, Any] | None = None,  # noqa: ARG002  every task is asked alike
        placements: Sequence[Placement] = (),  # noqa: ARG002
    ) -> dict[str, Any]:
        """Return the facts behind the scores, JSON-serialisable: `pictures`, and `each`, their judgements."""
        return {"pictures": len(self._judged), "each": [asdict(each) for each in self._judged]}


def judge(painting: Picture, original: Original) -> Judgement:
    """Compare one painting with its photograph."""
    photograph = photograph_of(painting, original)
    change = np.abs(painting.pixels.astype(np.float32) - photograph).mean() / 255
    return Judgement(structure(painting.pixels, photograph), float(change))


def photograph_of(painting: Picture, original: Original) -> Image:
    """Return the part of the original that was painted, (h, w, 3): the centre, as `Preprocess` crops it."""
    height, width = painting.pixels.shape[:2]
    crop = Preprocess((height, width), "crop", interpolation="bicubic")
    return crop(original.load(crop.at_least()))[0]


def structure(picture: Image, truth: Image) -> float:
    """Return how far lines and edges of two pictures go together: the mean correlation of their brightness.

    Args:
        picture: (h, w, 3) uint8.
        truth: (h, w, 3) uint8.

    Returns:
        1 where they are drawn alike, whatever their colours and contrasts; about 0 where they have nothing
        to do with each other, -1 for a negative.

    Source: Wang, Bovik, Sheikh, Simoncelli (2004), IEEE TIP 13(4), eq. 10: the third factor of SSIM; Gaussian
    windows with a deviation of 1.5 px.

    >>> edge = np.zeros((16, 16, 3), np.uint8)
    >>> edge[:, 8:] = 200
    >>> round(structure(edge // 2 + 50, edge), 2), round(structure(255 - edge, edge), 2) < 0.5
    (1.0, True)
    """
    x, y = luminance(picture) / 255, luminance(truth) / 255
    mean_x, mean_y = _smooth(x), _smooth(y)
    deviation_x = np.sqrt(np.maximum(_smooth(x * x) - mean_x**2, 0))
    deviation_y = np.sqrt(np.maximum(_smooth(y * y) - mean_y**2, 0))
    covariance = _smooth(x * y) - mean_x * mean_y
    return float(((covariance + CALM**2) / (deviation_x * deviation_y + CALM**2)).mean())


def mistakes(
    predictions: Sequence[Picture],
    targets: Sequence[Original],
    classes: Sequence[str],  # noqa: ARG001  every task is asked alike
    *,
    limit: int,
    calibration: Mapping[str, Any] | None = None,  # noqa: ARG001
) -> list[dict[str, Any]]:
    """Return what a person should look at: paintings beside their photographs, over the range of `structure`.

    Args:
        predictions: one a picture.
        targets: their originals.
        classes: not needed.
        limit: at most so many.
        calibration: not needed.

    Returns:
        `{"row", "structure", "repainted", "painted"}` each, the most of it lost first; "painted" is both
        pictures side by side.
    """
    judged = [judge(*each) for each in zip(predictions, targets, strict=True)]
    order = np.argsort([each.structure for each in judged], kind="stable")
    rows = order[np.unique(np.linspace(0, len(order) - 1, min(limit, len(order))).astype(int))]
    return [
        {
            "row": int(row),
            **asdict(judged[row]),
            "painted": pair(photograph_of(predictions[row], targets[row]), predictions[row].pixels),
        }
        for row in rows
    ]


def _smooth(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(cv2.GaussianBlur(values, (0, 0), SIGMA))
