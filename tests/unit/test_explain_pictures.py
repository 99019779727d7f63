"""What is painted is what the numbers say."""

import xml.etree.ElementTree as ET

import numpy as np
import pytest
import torch
from torch import nn

from nayan.core.errors import ConfigError, NotFound
from nayan.explain import paint
from nayan.explain.features import explain_features
from nayan.explain.filters import explain_filters, kernel_image
from nayan.explain.plot import Curve, curves_svg
from nayan.explain.stages import as_map, is_map, logits_of, map_stages
from nayan.explain.subject import Subject
from nayan.runtime.preprocess import Preprocess

SMALL = Preprocess((16, 16), mean=(0.5,), std=(0.5,), channels=1)


def picture():
    return np.random.default_rng(0).integers(0, 256, (20, 24, 3), dtype=np.uint8)


def chain():
    return nn.Sequential(
        nn.Conv2d(1, 6, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 8, 3), nn.ReLU(), nn.Flatten()
    )


@pytest.mark.parametrize("palette", ["magma", "viridis"])
def test_brighter_colours_mean_larger_numbers(palette):
    ramp = paint.colour(np.linspace(0, 1, 64)[None], palette=palette)[0].astype(float)
    luma = ramp @ (0.299, 0.587, 0.114)
    assert (np.diff(luma) > -0.6).all()
    assert luma[-1] - luma[0] > 150


def test_signed_colours_are_neutral_at_zero_and_equally_dark_on_both_sides():
    left, middle, right = paint.colour(np.array([[-2.0, 0.0, 2.0]]), palette="signed")[0].astype(int)
    assert middle.min() > 240
    assert left[2] > left[0]
    assert right[0] > right[2]
    assert abs(int(left.sum()) - int(right.sum())) < 60


def test_numbers_that_are_all_equal_get_one_colour():
    assert np.ptp(paint.colour(np.full((3, 3), 7.0)), axis=(0, 1)).tolist() == [0, 0, 0]
    assert paint.colour(np.zeros((1, 1)), palette="signed")[0, 0].tolist() == [246, 246, 244]


def test_cold_parts_of_an_overlay_are_gray_and_hot_parts_coloured():
    image = np.full((2, 2, 3), 200, np.uint8)
    image[..., 0] = 10
    painted = paint.overlay(image, np.array([[0.0, 0.0], [0.6, 0.6]])).astype(int)
    assert np.ptp(painted[0, 0]) == 0
    assert np.ptp(painted[1, 0]) > 60


def test_a_small_picture_keeps_hard_edges_and_a_large_one_is_averaged():
    small = np.array([[[0] * 3, [255] * 3]], np.uint8)
    assert set(np.unique(paint.fit(small, 100))) == {0, 255}
    assert paint.fit(np.zeros((400, 200, 3), np.uint8), 100).shape == (100, 50, 3)


def test_a_grid_holds_every_tile_where_it_belongs():
    tiles = [np.full((4, 4, 3), value, np.uint8) for value in (10, 20, 30)]
    sheet = paint.grid(tiles, columns=2, gap=1)
    assert (sheet[1, 1, 0], sheet[1, 6, 0], sheet[6, 1, 0]) == (10, 20, 30)


def test_a_caption_that_is_too_wide_loses_its_beginning():
    tile = np.zeros((10, 40, 3), np.uint8)
    wide = paint.grid([tile], captions=["a very long name of a layer"])
    assert wide.shape[1] == 52


def test_a_frame_lies_around_its_pixels_not_on_them():
    framed = paint.framed(np.zeros((20, 20, 3), np.uint8), (5, 5, 10, 10), width=1)
    assert framed[5:10, 5:10].max() == 0
    assert tuple(framed[4, 4]) == paint.MARK
    assert tuple(framed[10, 10]) == paint.MARK


def test_curves_are_valid_xml_even_with_odd_names():
    svg = curves_svg([Curve("<b> & c", [0, 1], [1, 0], dashed=True)], title="a & b", x_label="<", y_label=">")
    root = ET.fromstring(svg)
    lines = root.findall("{http://www.w3.org/2000/svg}polyline")
    assert lines[0].get("points") == "52.0,60.0 616.0,350.0"


def test_a_kernel_is_gray_at_zero_and_scaled_by_its_largest_weight():
    image = kernel_image(np.array([[[0.5, 0.0, -0.25]]]))
    assert image[0, :, 0].tolist() == [255, 128, 64]
    assert np.array_equal(image[..., 0], image[..., 2])


def test_filters_of_colour_networks_are_colours():
    conv = nn.Conv2d(3, 4, 3)
    nn.init.zeros_(conv.weight)
    conv.weight.data[0, 0] = 1.0  # answers to red
    panel = explain_filters(Subject(nn.Sequential(conv), SMALL)).panels[0]
    assert tuple(panel.image[8, 8]) == (255, 128, 128)
    assert panel.data["weak"] == [1, 2, 3]
    assert "3 kernels are almost zero" in panel.text


def test_deeper_filters_are_shown_channel_by_channel():
    story = explain_filters(Subject(chain(), SMALL), layer="3")
    assert story.title == "Filters of 3: 8 of 3x3"
    assert "one an input channel" in story.panels[0].text
    assert "Each square is one kernel: gray" in explain_filters(Subject(chain(), SMALL)).panels[0].text


def test_a_missing_convolution_is_named():
    with pytest.raises(ConfigError, match="no 2-D convolution"):
        explain_filters(Subject(nn.Linear(2, 2), SMALL))
    with pytest.raises(NotFound, match="no convolution is named 'conv1'"):
        explain_filters(Subject(chain(), SMALL), layer="conv1")


def test_features_show_the_last_layer_before_each_change_of_resolution():
    story = explain_features(Subject(chain(), SMALL, image=picture()), channels=3)
    assert [panel.title for panel in story.panels] == ["Stage 1", "Stage 2", "Stage 4"]
    assert story.panels[0].data["shape"] == [6, 16, 16]
    assert len(story.panels[0].data["channels"]) == 3


def test_the_strongest_channels_come_first_and_silent_ones_are_counted():
    model = nn.Sequential(nn.Conv2d(1, 3, 1, bias=False))
    model[0].weight.data = torch.tensor([1.0, 0.0, -5.0]).reshape(3, 1, 1, 1)
    panel = explain_features(Subject(model, SMALL, image=picture())).panels[0]
    assert panel.data["channels"] == [2, 0, 1]
    assert panel.data["constant_channels"] == 1
    assert "1 channels are the same everywhere" in panel.text


def test_one_stage_may_be_chosen_and_an_unknown_one_is_refused():
    subject = Subject(chain(), SMALL, image=picture())
    assert [panel.title for panel in explain_features(subject, layer="3").panels] == ["Stage 3"]
    with pytest.raises(NotFound, match="no layer is named 'stage9'"):
        explain_features(subject, layer="stage9")
    with pytest.raises(ConfigError, match="5 puts out none"):
        explain_features(subject, layer="5")
    with pytest.raises(ConfigError, match="no stage puts out one"):
        map_stages(nn.Sequential(nn.Flatten(), nn.Linear(256, 2)), torch.zeros(1, 1, 16, 16))


def test_the_stages_that_a_network_names_itself_are_taken():
    class Staged(nn.Module):
        def __init__(self):
            super().__init__()
            self.one, self.two = nn.Conv2d(1, 2, 3), nn.Conv2d(2, 2, 3)

        def stages(self):
            return [("early", self.one), ("late", self.two)]

        def forward(self, x):
            return self.two(self.one(x))

    pixels = torch.zeros(1, 1, 16, 16)
    assert list(map_stages(Staged(), pixels)) == ["early", "late"]
    assert list(map_stages(Staged(), pixels, layer="late")) == ["late"]
    assert list(map_stages(Staged(), pixels, layer="one")) == ["one"]


def test_channels_last_maps_are_recognised():
    assert as_map(torch.zeros(1, 7, 7, 32)).shape == (1, 32, 7, 7)
    assert as_map(torch.zeros(1, 32, 7, 7)).shape == (1, 32, 7, 7)
    assert not is_map(torch.zeros(1, 32, 1, 1))
    assert not is_map(torch.zeros(1, 32))


def test_an_output_that_is_no_row_of_class_scores_is_refused():
    with pytest.raises(ConfigError, match=r"found \(1, 2, 3\)"):
        logits_of(torch.zeros(1, 2, 3))
    with pytest.raises(ConfigError, match="found str"):
        logits_of("words")


def test_a_subject_names_its_classes_and_says_what_is_missing():
    subject = Subject(None, SMALL, ("cat", "dog"))
    assert (subject.class_name(1), subject.class_name(2)) == ("dog", "class 2")
    assert (subject.class_index("dog", 2), subject.class_index("0", 2)) == (1, 0)
    with pytest.raises(NotFound, match="no class is named 'dgo'"):
        subject.class_index("dgo", 2)
    with pytest.raises(NotFound, match="no class is named '7'"):
        Subject(None, SMALL).class_index("7", 3)
    with pytest.raises(ConfigError, match="needs a network"):
        _ = subject.model
    with pytest.raises(ConfigError, match="needs a picture"):
        _ = subject.picture
