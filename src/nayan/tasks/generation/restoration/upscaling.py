"""Pictures of any size made larger, tile by tile where they are large. No torch."""

# (H, W) size of the small picture, s scale, N blocks

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nayan.core.errors import ConfigError
from nayan.core.types import Image, Size
from nayan.runtime.predictor import Predictor
from nayan.runtime.preprocess import Placement, check_image
from nayan.runtime.spec import Spec
from nayan.tasks.generation.restoration.restored import Restored

SMALL = "small"
"""Name of the input that a network which enlarges looks at."""
TILE = 256
"""Side in px of the part of a small picture that is enlarged at once, without what is seen around it."""
_UNSEEN = np.zeros((1, 1, 1, 3), np.uint8)
"""In place of the large picture, which only training has."""


def scale_of(spec: Spec) -> int:
    """Return how many times larger a model makes pictures.

    Raises:
        ConfigError: if it does not enlarge.
    """
    if spec.task != "restoration" or SMALL not in spec.inputs:
        raise ConfigError(
            f"to enlarge takes a model of super_resolution, this one is {spec.model} for {spec.task}",
            hint="nayan train DATA --task generate --model super_resolution",
        )
    return int(spec.inputs[SMALL]["scale"])


def reach(model_args: Mapping[str, Any]) -> int:
    """Return how many px away a pixel of the small picture still matters: one for each 3x3 convolution.

    >>> reach({"blocks": 10})
    23
    """
    return 2 * int(model_args["blocks"]) + 3


def enlarge(predictor: Predictor, image: Image, *, tile: int = TILE) -> Image:
    """Return an (H, W, 3) picture s times larger, (s H, s W, 3).

    Of each tile the network sees as much around it as can matter (`reach`), so that there are no seams: the
    result is that of the whole picture at once, to the rounding of float32.

    Args:
        predictor: of a model that enlarges.
        image: (H, W, 3) uint8 RGB, of any size.
        tile: side in px of what is enlarged at once.

    Raises:
        ConfigError: if the model does not enlarge.
        ShapeError: if the picture is not (H, W, 3) uint8.
    """
    check_image(image)
    scale, margin = scale_of(predictor.spec), reach(predictor.spec.model_args)
    height, width = image.shape[:2]
    large = np.empty((height * scale, width * scale, 3), np.uint8)
    for top, left in itertools.product(range(0, height, tile), range(0, width, tile)):
        bottom, right = min(top + tile, height), min(left + tile, width)
        y, x = max(0, top - margin), max(0, left - margin)
        made = _at_once(predictor, image[y : bottom + margin, x : right + margin])
        inner = made[(top - y) * scale : (bottom - y) * scale, (left - x) * scale : (right - x) * scale]
        large[top * scale : bottom * scale, left * scale : right * scale] = inner
    return large


def _at_once(predictor: Predictor, part: NDArray[np.uint8]) -> Image:
    """Return what the network makes of one picture."""
    raw = predictor.run(_UNSEEN, **{SMALL: np.ascontiguousarray(part[None])})
    size: Size = (part.shape[0], part.shape[1])
    (restored,) = predictor.decode(raw, [Placement(size, (1.0, 1.0), (0.0, 0.0))])
    assert isinstance(restored, Restored)
    return restored.pixels
