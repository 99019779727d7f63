"""Polygons and run lengths cover the pixels that pycocotools says they do."""

import numpy as np
import pytest
from pycocotools import mask as coco

from nayan.data.readers.drawn import Outline

# Of numpy to pycocotools, which 2.0.8 does not know yet.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

SIZE = (120, 160)


def blob(rng: np.random.Generator) -> np.ndarray:
    """Return the corners of a star-shaped polygon, some of it outside of the picture."""
    angles = np.sort(rng.uniform(0, 2 * np.pi, rng.integers(5, 60)))
    radii = rng.uniform(15, 50, len(angles))
    centre = rng.uniform(20, 110, 2)
    return centre + radii[:, None] * np.stack([np.cos(angles), np.sin(angles)], axis=1)


@pytest.mark.parametrize("seed", range(20))
def test_polygons_agree(seed: int) -> None:
    rng = np.random.default_rng(seed)
    parts = [blob(rng) for _ in range(rng.integers(1, 4))]
    theirs = coco.decode(coco.merge(coco.frPyObjects([part.ravel().tolist() for part in parts], *SIZE))) > 0
    ours = Outline(1, tuple(parts)).covered(SIZE)
    assert (ours & theirs).sum() / (ours | theirs).sum() > 0.98


@pytest.mark.parametrize("seed", range(5))
def test_run_lengths_agree_exactly(seed: int) -> None:
    mask = np.kron(np.random.default_rng(seed).random((12, 16)) > 0.5, np.ones((10, 10))) > 0
    runs = coco.encode(np.asfortranarray(mask.astype(np.uint8)))
    text = {"size": list(SIZE), "counts": runs["counts"].decode()}
    assert (Outline(1, runs=text).covered(SIZE) == (coco.decode(runs) > 0)).all()
