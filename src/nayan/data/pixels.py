"""How many pixels each class of a segmented data set has, by a look at some of its masks."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from nayan.core.errors import NayanError
from nayan.core.types import VOID, Dataset, MaskSource
from nayan.data.sides import LOOKED_AT, spaced


def count_pixels(data: Dataset, *, most: int = LOOKED_AT) -> NDArray[np.int64]:
    """Return (K,) pixels of each class in at most `most` evenly spaced masks; void ones do not count.

    Masks that cannot be read are left out: the loader and the doctor tell of them.
    """
    counts = np.zeros(VOID + 1, np.int64)
    for row in spaced(len(data), most):
        target = data.samples[row].target
        if isinstance(target, MaskSource):
            with contextlib.suppress(NayanError):
                counts += np.bincount(target.load().ids.ravel(), minlength=VOID + 1)
    return counts[: len(data.classes)]


def unlearnt_classes(train: Dataset, others: Sequence[Dataset]) -> dict[str, list[str]]:
    """Return {class: splits} of the classes that masks of other splits show and no mask of training does.

    Of the others at most `LOOKED_AT` masks are read each; of training more only while a class is missing.
    """
    shown = {data.split: set(np.flatnonzero(count_pixels(data)).tolist()) for data in others}
    missing = set().union(*shown.values())
    for sample in train.samples:
        if not missing:
            break
        if isinstance(sample.target, MaskSource):
            with contextlib.suppress(NayanError):
                missing -= set(np.unique(sample.target.load().ids).tolist())
    return {
        train.classes[index]: [split for split, seen in shown.items() if index in seen]
        for index in sorted(missing)
    }


def median_frequency_weights(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return (K,) weights of the classes: the median of their shares over the share of each, at most 10.

    Source: Eigen and Fergus (2014), arXiv:1411.4734, section 6.3.2. A class that was not seen has weight 1.

    >>> median_frequency_weights(np.array([60, 20, 20, 0])).round(2).tolist()
    [0.33, 1.0, 1.0, 1.0]
    """
    seen = counts > 0
    shares = counts / max(1, counts.sum())
    weights = np.ones(len(counts))
    if seen.any():
        weights[seen] = np.minimum(MOST_WEIGHT, np.median(shares[seen]) / shares[seen])
    return weights


MOST_WEIGHT = 10.0
"""A class of a few pixels must not decide alone what is learnt."""
