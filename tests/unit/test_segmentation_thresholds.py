import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from nayan.tasks.segmentation.thresholds import BINS, FLAT, ThresholdFit


def mean_iou(probability: NDArray[np.float64], second: NDArray[np.bool_], threshold: float) -> float:
    """Return the mean IoU of both classes at a threshold, written from the definition."""
    found = probability >= threshold
    overlaps = [
        (found & second).sum() / (found | second).sum(),
        (~found & ~second).sum() / (~found | ~second).sum(),
    ]
    return float(np.mean(overlaps))


def fitted(probability: NDArray[np.float64], second: NDArray[np.bool_]) -> float:
    fit = ThresholdFit()
    fit.update(probability, second)
    return fit.best()


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 60), st.floats(0.1, 8))
def test_no_threshold_is_better_than_the_fitted_one(seed: int, pixels: int, sharpness: float) -> None:
    random = np.random.default_rng(seed)
    second = random.random(pixels) < 0.4
    second[:2] = False, True
    probability = np.floor(random.beta(1 + sharpness * second, 1 + sharpness * ~second) * BINS) / BINS + 1e-9
    tried = max(mean_iou(probability, second, n / BINS) for n in range(BINS))
    assert mean_iou(probability, second, fitted(probability, second)) >= tried - FLAT - 1e-12


def test_of_thresholds_that_are_alike_the_middle_one_is_taken() -> None:
    threshold = fitted(np.array([0.1, 0.2, 0.8, 0.9]), np.array([False, False, True, True]))
    assert threshold == pytest.approx(0.5, abs=0.02)


def test_of_two_ranges_that_are_alike_the_middle_of_one_is_taken_not_what_lies_between() -> None:
    # from 0.1 or from 0.6 on, one pixel is wrong; between 0.4 and 0.6, two are
    probability = np.array([0.1, 0.4, 0.6, 0.9])
    second = np.array([False, True, False, True])
    best = fitted(probability, second)
    highest = max(mean_iou(probability, second, n / BINS) for n in range(BINS))
    assert mean_iou(probability, second, best) == pytest.approx(highest)


def test_probabilities_that_are_too_low_are_put_right() -> None:
    random = np.random.default_rng(0)
    second = random.random(4000) < 0.3
    probability = np.where(second, 0.3, 0.1) + random.uniform(-0.08, 0.08, 4000)
    assert fitted(probability, second) == pytest.approx(0.2, abs=0.03)


@pytest.mark.parametrize("there", [True, False])
def test_a_class_that_was_never_seen_leaves_the_threshold_in_the_middle(there: bool) -> None:
    assert fitted(np.array([0.2, 1.0]), np.array([there, there])) == 0.5
    assert ThresholdFit().best() == 0.5


def test_pixels_of_several_pictures_are_counted_together() -> None:
    random = np.random.default_rng(0)
    probability, second = random.random((4, 50)), random.random((4, 50)) < 0.5
    together = ThresholdFit()
    for row, truth in zip(probability, second, strict=True):
        together.update(row, truth)
    assert together.best() == fitted(probability.ravel(), second.ravel())
