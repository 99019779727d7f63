"""How good is a generator? Its pictures as a crowd against real ones as a crowd. NumPy only."""

# N real pictures, M drawn ones, D features of each

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nayan.core.errors import DataError, ShapeError
from nayan.core.types import Original, Picture
from nayan.runtime.preprocess import Placement
from nayan.tasks.generation.distances import NEIGHBOURS, fid, kid, precision_recall, spread
from nayan.tasks.generation.features import Extractor, chance

REMEMBERED = 20_000
"""Real pictures whose features are kept: validation sees the same ones after each epoch."""


class SamplingMetric:
    """Collects drawn pictures with the real ones that they stand against; which one with which means nothing.

    Args:
        classes: of the data; not needed.
        extractor: what pictures are compared by; None for convolutions of chance.

    >>> from nayan.core.types import Original
    >>> rng = np.random.default_rng(0)
    >>> crowd = [rng.integers(0, 256, (8, 8, 3), dtype=np.uint8) for _ in range(20)]
    >>> metric = SamplingMetric([])
    >>> metric.update([Picture(p) for p in crowd[:10]], [Original(lambda p=p: p) for p in crowd[10:]])
    >>> sorted(metric.compute())
    ['fid', 'kid', 'precision', 'recall']
    """

    def __init__(self, classes: Sequence[str], *, extractor: Extractor | None = None) -> None:
        self.classes = tuple(classes)
        self.extractor = extractor or chance()
        self._drawn: list[NDArray[np.uint8]] = []
        self._real: list[Original] = []

    def update(self, predictions: Sequence[Picture], targets: Sequence[Original]) -> None:
        """Add pictures.

        Raises:
            ShapeError: if there are not as many of both.
            DataError: if a target is no picture.
        """
        if len(predictions) != len(targets):
            raise ShapeError(f"{len(predictions)} drawn pictures against {len(targets)} real ones")
        for prediction, target in zip(predictions, targets, strict=True):
            if not isinstance(target, Original):
                raise DataError("what is drawn is judged against pictures", hint="run `nayan doctor DATA`")
            self._drawn.append(prediction.pixels)
            self._real.append(target)

    def compute(self) -> dict[str, float]:
        """Return `kid` and `fid`, of which less is better, and `precision` and `recall` in [0, 1].

        They depend on `protocol`. Precision and recall are left out where there are 3 pictures or less.
        """
        real, drawn = self._features()
        scores = {"kid": kid(real, drawn), "fid": fid(real, drawn)}
        if len(real) > NEIGHBOURS:
            scores["precision"], scores["recall"] = precision_recall(real, drawn)
        return scores

    @property
    def protocol(self) -> str:
        """All that the scores depend on beside the pictures: what they are compared by, and how many."""
        count = len(self._drawn)
        return f"{self.extractor.name}; {count:,} drawn against {len(self._real):,} real pictures"

    def details(
        self,
        *,
        calibration: Mapping[str, Any] | None = None,  # noqa: ARG002  every task is asked alike
        placements: Sequence[Placement] = (),  # noqa: ARG002
    ) -> dict[str, Any]:
        """Return the facts behind the scores, JSON-serialisable and free of NaN.

        Args:
            calibration: not needed.
            placements: not needed.

        Returns:
            `pictures`, how many of each; `protocol`; `spread` {"real", "drawn"}, the mean distance of two
            pictures of a kind: what is always the same has none.
        """
        real, drawn = self._features()
        return {
            "pictures": len(self._drawn),
            "protocol": self.protocol,
            "spread": {"real": spread(real), "drawn": spread(drawn)},
        }

    def _features(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        if not self._drawn:
            raise DataError("no picture could be judged")
        real = np.stack([_of_real(original, self.extractor) for original in self._real])
        return real, self.extractor(self._drawn)


def mistakes(
    predictions: Sequence[Picture],  # noqa: ARG001
    targets: Sequence[Original],  # noqa: ARG001
    classes: Sequence[str],  # noqa: ARG001
    *,
    limit: int,  # noqa: ARG001
    calibration: Mapping[str, Any] | None = None,  # noqa: ARG001
) -> list[dict[str, Any]]:
    """Return nothing: no picture that was drawn is wrong, since none was asked for."""
    return []


@lru_cache(maxsize=REMEMBERED)
def _of_real(original: Original, extractor: Extractor) -> NDArray[np.float32]:
    """Return the (D,) features of one real picture."""
    features: NDArray[np.float32] = extractor([original.load()])[0]
    return features
