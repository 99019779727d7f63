"""A filter of one's own, slid by hand."""

import numpy as np
import pytest

from nayan.core.errors import ConfigError, NotFound
from nayan.explain.kernel import KERNELS, explain_kernel, parse_kernel, slide
from nayan.explain.subject import Subject
from nayan.runtime.preprocess import Preprocess


def subject(image):
    return Subject(None, Preprocess((8, 8)), image=image)


@pytest.fixture
def step_edge():
    """Black on the left, white on the right."""
    image = np.zeros((9, 12, 3), np.uint8)
    image[:, 6:] = 255
    return image


@pytest.mark.parametrize("name", KERNELS)
def test_every_named_kernel_has_a_centre(name):
    kernel = parse_kernel(name)
    assert kernel.shape == (3, 3)


def test_smoothing_kernels_keep_the_brightness_and_edge_kernels_ignore_it():
    assert all(
        parse_kernel(name).sum() == pytest.approx(1) for name in ("identity", "blur", "gaussian", "sharpen")
    )
    assert all(
        parse_kernel(name).sum() == pytest.approx(0)
        for name in (
            "edge",
            "laplacian",
            "sobel_x",
            "sobel_y",
            "prewitt_x",
            "prewitt_y",
            "scharr_x",
            "scharr_y",
        )
    )


def test_numbers_may_be_separated_by_spaces_or_commas_and_be_fractions():
    assert parse_kernel("1/4, 0 -1.5").tolist() == [[0.25, 0, -1.5]]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1 2; 3 4", r"odd number of rows of one odd length, found rows of \[2, 2\]"),
        ("1 2 3; 4 5", r"found rows of \[3, 2\]"),
        ("1 1; 1 1; 1 1", r"found rows of \[2, 2, 2\]"),
        ("", r"found rows of \[\]"),
        ("1 a 3", "holds something that is no number"),
        ("1/0", "holds something that is no number"),
    ],
)
def test_a_kernel_that_cannot_be_read_is_refused(text, message):
    with pytest.raises(ConfigError, match=message):
        parse_kernel(text)


def test_an_unknown_kernel_names_the_nearest():
    with pytest.raises(NotFound, match="did you mean 'sobel_y' or 'sobel_x'"):
        parse_kernel("sobel")


def test_the_identity_gives_the_picture_back():
    gray = np.arange(20.0).reshape(4, 5)
    assert np.array_equal(slide(gray, parse_kernel("identity"), padding="same").response, gray)


def test_correlation_lays_the_kernel_as_written_and_convolution_turns_it():
    impulse = np.zeros((5, 5))
    impulse[2, 2] = 1
    kernel = np.arange(9.0).reshape(3, 3)
    assert np.array_equal(slide(impulse, kernel, flip=True).response, kernel)
    assert np.array_equal(slide(impulse, kernel).response, kernel[::-1, ::-1])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"stride": 0}, "the stride must be at least 1, got 0"),
        ({"padding": -1}, "the padding is a number from 0 or 'same', got -1"),
        ({"padding": "much"}, "the padding is a number from 0 or 'same', got 'much'"),
    ],
)
def test_impossible_options_are_refused(options, message):
    with pytest.raises(ConfigError, match=message):
        slide(np.zeros((5, 5)), np.ones((3, 3)), **options)


def test_a_kernel_larger_than_the_picture_is_refused():
    with pytest.raises(ConfigError, match="a 5x5 kernel does not fit a 3x4 picture with padding 0"):
        slide(np.zeros((3, 4)), np.ones((5, 5)))


def test_the_dot_product_at_a_point_is_written_out(step_edge):
    panel = explain_kernel(subject(step_edge), kernel="sobel_x", at=(5, 4)).panels[1]
    assert "(-1)*0 + 0*0 + 1*255 + (-2)*0 + 0*0 + 2*255 + (-1)*0 + 0*0 + 1*255 = 1020" in panel.text
    assert (panel.data["x"], panel.data["y"], panel.data["response"]) == (5, 4, 1020.0)
    assert sum(row[4] for row in panel.table.rows) == 1020.0


def test_without_a_point_the_strongest_response_is_taken(step_edge):
    panel = explain_kernel(subject(step_edge), kernel="sobel_x").panels[1]
    assert panel.data["x"] in (5, 6)


def test_with_a_stride_the_nearest_window_is_taken_and_its_centre_told(step_edge):
    panel = explain_kernel(subject(step_edge), kernel="blur", at=(11, 0), stride=3).panels[1]
    assert (panel.data["x"], panel.data["y"]) == (10, 1)
    assert (panel.data["row"], panel.data["column"]) == (0, 3)


def test_the_output_size_is_worked_out_for_both_sides(step_edge):
    text = explain_kernel(subject(step_edge), stride=2).panels[0].text
    assert "height (9 - 3 + 2*0)/2 + 1 = 4, width floor((12 - 3 + 2*0)/2) + 1 = 5" in text
    assert "correlation, as in every CNN" in text
    assert (
        "turned by 180 degrees: convolution" in explain_kernel(subject(step_edge), flip=True).panels[0].text
    )


def test_a_picture_stays_a_picture_and_an_edge_map_is_signed(step_edge):
    smooth = explain_kernel(subject(step_edge), kernel="blur", padding="same").panels[0]
    signed = explain_kernel(subject(step_edge), kernel="sobel_x", padding="same").panels[0]
    assert "again a picture" in smooth.text
    assert "Red is a positive response" in signed.text
    assert signed.data["output_size"] == [9, 12]


def test_a_flat_picture_gives_no_response():
    panel = explain_kernel(subject(np.full((6, 6, 3), 90, np.uint8)), kernel="edge").panels[0]
    assert (panel.data["minimum"], panel.data["maximum"]) == (0.0, 0.0)


def test_a_point_outside_is_refused(step_edge):
    with pytest.raises(ConfigError, match=r"the point \(12, 0\) lies outside the picture"):
        explain_kernel(subject(step_edge), at=(12, 0))
