"""U-Net's map of weights, against its formula worked out pixel by pixel."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import ndimage

from nayan.core.errors import ConfigError
from nayan.tasks.segmentation.boundary_weights import boundary_weights


def by_formula(
    ids: NDArray[np.uint8], objects: tuple[int, ...], w0: float, sigma: float
) -> NDArray[np.float64]:
    """Return eq. 2 with w_c = 1, with a distance map of the whole picture for every object."""
    maps = []
    for value in objects:
        labels, count = ndimage.label(ids == value)
        maps += [ndimage.distance_transform_edt(labels != n) for n in range(1, count + 1)]
    maps += [np.full(ids.shape, np.inf)] * 2
    nearest = np.sort(np.stack(maps), axis=0)[:2].sum(axis=0)
    gap = w0 * np.exp(-(nearest**2) / (2 * sigma**2))
    return np.where(ids == 255, 0, 1 + np.where(np.isin(ids, objects), 0, gap))


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([0.7, 2.0, 5.0]), st.sampled_from([(1,), (1, 2)]))
def test_it_is_the_formula_of_the_paper(seed: int, sigma: float, objects: tuple[int, ...]) -> None:
    rng = np.random.default_rng(seed)
    ids = rng.choice(np.array([0, 1, 2, 255], np.uint8), (23, 31), p=(0.9, 0.05, 0.03, 0.02))
    found = boundary_weights(ids, objects=objects, sigma=sigma)
    assert found.dtype == np.float32
    # OpenCV's distances are exact to 1e-4 px or so
    np.testing.assert_allclose(found, by_formula(ids, objects, 10.0, sigma), atol=2e-3)


def test_with_fewer_than_two_objects_there_is_no_gap() -> None:
    ids = np.zeros((9, 9), np.uint8)
    assert (boundary_weights(ids, objects=(1,)) == 1).all()
    ids[4, 4] = 1
    assert (boundary_weights(ids, objects=(1,)) == 1).all()


def test_classes_have_their_weights_and_void_has_none() -> None:
    ids = np.array([[0, 1, 2, 255]], np.uint8)
    assert boundary_weights(ids, objects=(), class_weights=(0.5, 2, 3)).tolist() == [[0.5, 2, 3, 0]]


def test_a_void_object_is_none() -> None:
    ids = np.array([[255, 0, 1]], np.uint8)
    assert boundary_weights(ids, objects=(1, 255)).tolist() == [[0, 1, 1]]


def test_a_width_that_is_none_is_refused() -> None:
    with pytest.raises(ConfigError, match="sigma is a width in pixels above 0, got 0"):
        boundary_weights(np.zeros((2, 2), np.uint8), objects=(1,), sigma=0)
