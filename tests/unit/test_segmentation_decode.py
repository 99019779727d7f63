"""From probabilities to masks of the original picture: what is refused, enlarged, and left void."""

import numpy as np
import pytest

from nayan.core.errors import BundleError, ConfigError, ShapeError
from nayan.core.types import VOID
from nayan.runtime.preprocess import Placement, Preprocess
from nayan.tasks.segmentation.decode import decode, probability_map

SAME = Placement((2, 2), (1.0, 1.0), (0.0, 0.0))


def two(second: list[list[float]]) -> dict[str, np.ndarray]:
    """Return the outputs of one picture of two classes, given how probable the second is."""
    values = np.array(second, np.float32)
    return {"probabilities": np.stack([1 - values, values])[None]}


def test_each_pixel_gets_its_most_probable_class_with_its_probability() -> None:
    raw = np.array([[0.5, 0.1], [0.3, 0.7], [0.2, 0.2]], np.float32).reshape(1, 3, 1, 2)
    (found,) = decode({"probabilities": raw}, [Placement((1, 2), (1.0, 1.0), (0.0, 0.0))])
    assert found.ids.tolist() == [[0, 1]]
    assert found.scores is not None
    assert found.scores.tolist() == [[0.5, pytest.approx(0.7)]]


def test_probabilities_are_enlarged_not_classes() -> None:
    (found,) = decode(two([[0.1, 0.9], [0.1, 0.9]]), [Placement((2, 8), (1.0, 0.25), (0.0, 0.0))])
    assert found.ids[0].tolist() == [0, 0, 0, 0, 1, 1, 1, 1]
    assert found.scores is not None
    assert len(np.unique(found.scores[0].round(4))) == 3, "the probability falls towards the border"


def test_a_fitted_threshold_decides_between_two_classes() -> None:
    raw = two([[0.2, 0.3], [0.4, 0.9]])
    (found,) = decode(raw, [SAME], thresholds=[0.35])
    assert found.ids.tolist() == [[0, 0], [1, 1]]
    assert found.scores is not None
    assert found.scores.ravel().tolist() == pytest.approx([0.8, 0.7, 0.4, 0.9])


def test_a_letterbox_is_cut_away_and_a_crop_leaves_void() -> None:
    preprocess = Preprocess((4, 4), "letterbox")
    rows = [[0.9] * 4, [0.1] * 4, [0.1] * 4, [0.9] * 4]
    (found,) = decode(two(rows), [preprocess.placement((8, 16))])
    assert found.ids.shape == (8, 16)
    assert not found.ids.any(), "the bars above and below are not seen"
    (found,) = decode(two(rows), [Preprocess((4, 4), "crop").placement((8, 16))])
    assert (found.ids[:, :4] == VOID).all()
    assert (found.ids[:, 12:] == VOID).all()
    assert (found.ids[:, 4:12] != VOID).all()


def test_a_picture_smaller_than_the_input_gets_the_mean_of_its_pixels() -> None:
    second = np.zeros((8, 8), np.float32)
    second[:, :4] = np.tile([0.4, 0.8], 2)
    (found,) = decode(two(second.tolist()), [Placement((2, 2), (4.0, 4.0), (0.0, 0.0))])
    assert found.ids.tolist() == [[1, 0], [1, 0]]
    assert found.scores is not None
    assert found.scores.ravel().tolist() == pytest.approx([0.6, 1.0, 0.6, 1.0])


def test_one_class_is_everywhere() -> None:
    (found,) = decode({"probabilities": np.ones((1, 1, 2, 2), np.float32)}, [SAME])
    assert not found.ids.any()


def test_a_map_of_one_class_is_0_where_nothing_was_seen() -> None:
    placement = Preprocess((4, 4), "crop").placement((8, 16))
    values = probability_map(two([[0.7] * 4] * 4)["probabilities"][0], placement, 1)
    assert values.shape == (8, 16)
    assert values[:, 4:12].min() == pytest.approx(0.7)
    assert values[:, :4].max() == 0


def test_the_outputs_of_the_network_are_not_changed() -> None:
    raw = {"probabilities": np.random.default_rng(0).random((1, 3, 2, 2)).astype(np.float32)}
    before = raw["probabilities"].copy()
    decode(raw, [SAME])
    np.testing.assert_array_equal(raw["probabilities"], before)


@pytest.mark.parametrize(
    ("raw", "error", "says"),
    [
        ({}, BundleError, "a segmenter returns 'probabilities', this one nothing"),
        ({"logits": np.zeros(1)}, BundleError, "this one logits"),
        ({"probabilities": np.zeros((2, 2, 2, 2))}, ShapeError, r"\(1, K, h, w\).* got \(2, 2, 2, 2\)"),
        ({"probabilities": np.zeros((1, 2, 2))}, ShapeError, "for as many pictures"),
        ({"probabilities": np.full((1, 2, 2, 2), np.nan)}, BundleError, "not finite"),
    ],
)
def test_outputs_that_are_none_of_a_segmenter_are_refused(
    raw: dict[str, np.ndarray], error: type[Exception], says: str
) -> None:
    with pytest.raises(error, match=says):
        decode(raw, [SAME])


@pytest.mark.parametrize(("classes", "thresholds"), [(3, [0.5]), (2, [0.5, 0.5]), (2, [])])
def test_a_threshold_is_one_number_between_two_classes(classes: int, thresholds: list[float]) -> None:
    raw = {"probabilities": np.full((1, classes, 2, 2), 1 / classes, np.float32)}
    with pytest.raises(ConfigError, match=f"{len(thresholds)} thresholds for {classes} classes"):
        decode(raw, [SAME], thresholds=thresholds)
