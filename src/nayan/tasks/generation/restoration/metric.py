"""How near are restored pictures to the originals, and how much nearer than without a network? NumPy only."""

# N pictures, (h, w) their size

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nayan.core.errors import DataError, ShapeError
from nayan.core.types import Image, Original
from nayan.runtime.preprocess import Placement, Preprocess
from nayan.tasks.generation.picture_scores import psnr, ssim
from nayan.tasks.generation.restoration.baselines import plain
from nayan.tasks.generation.restoration.draw import triptych
from nayan.tasks.generation.restoration.restored import Restored

__all__ = ["RestorationMetric", "mistakes"]

TYPICAL = 3
"""One in so many of the pictures that are shown is a typical one, the others are the worst."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """One picture.

    Attributes:
        psnr, ssim: of what the network made.
        plain_psnr, plain_ssim: of what bicubic enlarging or Telea's filling makes of the same.
    """

    psnr: float
    ssim: float
    plain_psnr: float
    plain_ssim: float

    @property
    def gain(self) -> float:
        """What the network wins, in dB."""
        return self.psnr - self.plain_psnr


class RestorationMetric:
    """Collects restored pictures with their originals and scores them.

    Args:
        classes: not needed.
    """

    def __init__(self, classes: Sequence[str]) -> None:
        self.classes = tuple(classes)
        self._judged: list[Judgement] = []
        self._filled = False

    def update(self, predictions: Sequence[Restored], targets: Sequence[Original]) -> None:
        """Add pictures.

        Raises:
            ShapeError: if there are not as many predictions as targets.
            DataError: if a target is no original.
        """
        if len(predictions) != len(targets):
            raise ShapeError(f"{len(predictions)} restored pictures for {len(targets)} originals")
        for prediction, target in zip(predictions, targets, strict=True):
            if not isinstance(target, Original):
                raise DataError("a restored picture is compared with its original, and there is none")
            self._judged.append(judge(prediction, target))
            self._filled = prediction.missing is not None

    def compute(self) -> dict[str, float]:
        """Return the scores of all that was added: means over pictures.

        `psnr` in dB and `ssim` of RGB values; `psnr_plain` and `ssim_plain` of the method without
        learning, and `psnr_gain`, what is won over it. Of enlarged pictures all pixels count but a border as
        wide as the scale; of filled ones those of the holes.
        """
        if not self._judged:
            raise DataError("no picture could be judged")
        values = {
            name: float(np.mean([getattr(each, name) for each in self._judged]))
            for name in ("psnr", "ssim", "plain_psnr", "plain_ssim", "gain")
        }
        return {
            "psnr": values["psnr"],
            "ssim": values["ssim"],
            "psnr_plain": values["plain_psnr"],
            "ssim_plain": values["plain_ssim"],
            "psnr_gain": values["gain"],
        }

    def details(
        self,
        *,
        calibration: Mapping[str, Any] | None = None,  # noqa: ARG002  every task is asked alike
        placements: Sequence[Placement] = (),  # noqa: ARG002
    ) -> dict[str, Any]:
        """Return the facts behind the scores, JSON-serialisable.

        Returns:
            `kind` "filled" or "enlarged"; `pictures`; `better`, the share of them that the network makes
            better than the plain method; `each`, the fields of a `Judgement` for every picture.
        """
        gains = [each.gain for each in self._judged]
        return {
            "kind": "filled" if self._filled else "enlarged",
            "pictures": len(gains),
            "better": float(np.mean([gain > 0 for gain in gains])),
            "each": [asdict(each) for each in self._judged],
        }


def judge(restored: Restored, original: Original) -> Judgement:
    """Compare one restored picture, and the plain method, with the original."""
    truth, simple = original_of(restored, original), plain(restored)
    counted = _counted(restored)
    return Judgement(
        psnr=psnr(restored.pixels, truth, where=counted),
        ssim=ssim(restored.pixels, truth, where=counted),
        plain_psnr=psnr(simple, truth, where=counted),
        plain_ssim=ssim(simple, truth, where=counted),
    )


def original_of(restored: Restored, original: Original) -> Image:
    """Return the part of the original that was taken something from: (h, w, 3), in its own pixels.

    Networks that restore see pictures as `Preprocess` cuts them out, so that the same cut gives the truth.
    """
    height, width = restored.pixels.shape[:2]
    cut = Preprocess((height, width), "cut")
    return cut(original.load(cut.at_least()))[0]


def mistakes(
    predictions: Sequence[Restored],
    targets: Sequence[Original],
    classes: Sequence[str],  # noqa: ARG001  every task is asked alike
    *,
    limit: int,
    calibration: Mapping[str, Any] | None = None,  # noqa: ARG001
) -> list[dict[str, Any]]:
    """Return what a person should look at: the pictures farthest from their originals, and some usual ones.

    Args:
        predictions: one a picture.
        targets: their originals.
        classes: not needed.
        limit: at most so many; one in three is a usual one, at evenly spaced ranks around the median.
        calibration: not needed.

    Returns:
        `{"row", "kind": "worst" | "typical", "psnr", "psnr_plain", "ssim", "painted"}` each; the last is a
        triptych of what was given, what was made and the original.
    """
    judged = [judge(*each) for each in zip(predictions, targets, strict=True)]
    order = np.argsort([each.psnr for each in judged], kind="stable").tolist()
    usual = min(limit // TYPICAL, len(order) // 2)
    worst = order[: min(limit - usual, len(order) - usual)]
    ranks = np.linspace(len(order) * 0.35, len(order) * 0.65, usual).astype(int)
    typical = [row for row in (order[rank] for rank in np.unique(ranks)) if row not in worst]
    records = []
    for kind, rows in (("worst", worst), ("typical", typical)):
        for row in rows:
            truth = original_of(predictions[row], targets[row])
            records.append(
                {
                    "row": row,
                    "kind": kind,
                    "psnr": judged[row].psnr,
                    "psnr_plain": judged[row].plain_psnr,
                    "ssim": judged[row].ssim,
                    "painted": triptych(predictions[row], truth),
                }
            )
    return records


def _counted(restored: Restored) -> NDArray[np.bool_]:
    """Return (h, w), the pixels that are judged: those of holes, or all but a border as wide as the scale."""
    if restored.missing is not None:
        return restored.missing
    inside = np.zeros(restored.pixels.shape[:2], np.bool_)
    inside[restored.scale : -restored.scale, restored.scale : -restored.scale] = True
    return inside
