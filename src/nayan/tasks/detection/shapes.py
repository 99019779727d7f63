"""How large the objects of a data set are in the input of a network, for anchors made to measure."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from nayan.core.errors import NayanError
from nayan.core.image import probe
from nayan.core.types import Boxes, Dataset, Sample, Size
from nayan.runtime.preprocess import Preprocess

LOOKED_AT = 2000
"""Pictures, evenly spaced, whose headers are read: their shapes are those of the rest."""
LEAST_SIDE_PX = 1.0  # of the input: what is smaller cannot be learnt


def box_shapes(dataset: Dataset, preprocess: Preprocess) -> NDArray[np.float32]:
    """Return the sides of the training boxes after the preprocessing, as fractions of the input's.

    Args:
        dataset: whose pictures are looked at, up to `LOOKED_AT` of those with boxes. Boxes of crowds do not
            count, nor does a picture that cannot be read: the loader reports it.
        preprocess: of the network.

    Returns:
        (N, 2) width, height, each at least one pixel of the input; N may be 0.
    """
    known = [sample for sample in dataset.samples if isinstance(sample.target, Boxes) and len(sample.target)]
    rows = np.linspace(0, len(known) - 1, min(len(known), LOOKED_AT)).astype(int)
    height, width = preprocess.size
    found: list[NDArray[np.floating]] = [np.zeros((0, 2))]
    for row in np.unique(rows):
        target = known[row].target
        size = _size(known[row])
        if size is None or not isinstance(target, Boxes):
            continue
        xyxy = target.xyxy if target.crowd is None else target.xyxy[~target.crowd]
        y_scale, x_scale = preprocess.placement(size).scale
        found.append((xyxy[:, 2:] - xyxy[:, :2]) * (x_scale / width, y_scale / height))
    shapes = np.concatenate(found)
    least = (LEAST_SIDE_PX / width, LEAST_SIDE_PX / height)
    return shapes[(shapes >= least).all(axis=1)].astype(np.float32)


def _size(sample: Sample) -> Size | None:
    try:
        if sample.path is not None:
            return probe(sample.path).size
        image = sample.load()
    except NayanError:
        return None
    return (image.shape[0], image.shape[1])
