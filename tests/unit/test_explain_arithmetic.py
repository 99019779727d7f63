"""The sums of a layer, against sums done by hand."""

import pytest
from torch import nn

from nayan.explain.arithmetic import Window, macs_sum, parameters_sum, size_text


@pytest.mark.parametrize(
    ("window", "size", "text"),
    [
        (Window(3), 28, "(28 - 3 + 2*0)/1 + 1 = 26"),
        (Window(5, before=2, after=2), 28, "(28 - 5 + 2*2)/1 + 1 = 28"),
        (Window(2, stride=2), 28, "(28 - 2 + 2*0)/2 + 1 = 14"),
        (Window(3, stride=2, before=1, after=1), 224, "floor((224 - 3 + 2*1)/2) + 1 = 112"),
        (Window(3, stride=2, ceil=True), 112, "ceil((112 - 3 + 2*0)/2) + 1 = 56"),
        (Window(3, dilation=2), 28, "(28 - (2*(3-1)+1) + 2*0)/1 + 1 = 24"),
        (Window(3, stride=2, before=0, after=1), 224, "(224 - 3 + (0 + 1))/2 + 1 = 112"),
        (
            Window(2, stride=3, before=1, after=1, ceil=True),
            5,
            "ceil((5 - 2 + 2*1)/3) + 1 - 1 = 2 (the last window would lie in the padding only)",
        ),
    ],
)
def test_the_size_of_an_output_is_written_as_one_would_by_hand(window, size, text):
    assert window.slide(size).text == text


def test_height_and_width_are_both_written_where_they_differ():
    layer = nn.Conv2d(1, 1, (3, 5))
    assert (
        size_text(layer, (1, 10, 10), (1, 8, 6)) == "h: (10 - 3 + 2*0)/1 + 1 = 8; w: (10 - 5 + 2*0)/1 + 1 = 6"
    )


@pytest.mark.parametrize(
    ("layer", "source", "output", "text"),
    [
        (nn.Conv2d(1, 1, 4, padding="same"), (1, 9, 9), (1, 9, 9), "(9 - 4 + (1 + 2))/1 + 1 = 9"),
        (nn.Conv2d(1, 1, 4, padding="valid"), (1, 9, 9), (1, 6, 6), "(9 - 4 + 2*0)/1 + 1 = 6"),
        (nn.AdaptiveAvgPool2d(1), (8, 7, 7), (8, 1, 1), "7/7 = 1 (adaptive: windows of 7)"),
        (nn.AdaptiveAvgPool2d(3), (8, 7, 7), (8, 3, 3), "7 -> 3 (adaptive: windows of 2 to 3)"),
        (nn.ConvTranspose2d(8, 4, 4, 2, 1), (8, 14, 14), (4, 28, 28), "(14 - 1)*2 - 2*1 + 4 + 0 = 28"),
        (nn.Upsample(scale_factor=2), (8, 7, 7), (8, 14, 14), "7*2 = 14"),
        (nn.Upsample(size=9), (8, 7, 7), (8, 9, 9), "7 -> 9"),
        (nn.Flatten(), (16, 5, 5), (400,), "16*5*5 = 400"),
        (nn.Linear(400, 120), (400,), (120,), "400 -> 120"),
        (nn.ReLU(), (16, 5, 5), (16, 5, 5), ""),
        (nn.PixelShuffle(2), (16, 5, 5), (4, 10, 10), "16x5x5 -> 4x10x10"),
    ],
)
def test_every_kind_of_layer_says_how_its_size_came_about(layer, source, output, text):
    assert size_text(layer, source, output) == text


def test_a_layer_that_breaks_the_rule_is_not_given_a_false_sum():
    assert "does not follow the usual rule" in size_text(nn.Conv2d(1, 1, 3), (1, 9, 9), (1, 9, 9))


@pytest.mark.parametrize(
    ("layer", "text"),
    [
        (nn.Conv2d(3, 100, 3), "(3*3*3 + 1)*100 = 2800"),
        (nn.Conv2d(3, 100, 3, bias=False), "3*3*3*100 = 2700"),
        (nn.Conv2d(32, 32, 3, groups=32), "(3*3*(32/32) + 1)*32 = 320"),
        (nn.Conv1d(4, 8, 5), "(5*4 + 1)*8 = 168"),
        (nn.ConvTranspose2d(8, 4, 3), "3*3*8*4 + 4 = 292"),
        (nn.ConvTranspose2d(8, 4, 3, groups=2, bias=False), "3*3*8*(4/2) = 144"),
        (nn.Linear(400, 120), "(400 + 1)*120 = 48120"),
        (nn.Linear(400, 120, bias=False), "400*120 = 48000"),
        (nn.BatchNorm2d(64), "2*64 = 128"),
        (nn.LayerNorm((4, 5)), "2*4*5 = 40"),
        (nn.Embedding(10, 3), "10*3 = 30"),
        (nn.PReLU(), "1 = 1"),
        (nn.ReLU(), ""),
    ],
)
def test_parameters_are_written_as_a_sum_that_holds(layer, text):
    found = parameters_sum(layer)
    assert found.text == text
    assert found.value == sum(p.numel() for p in layer.parameters())


def test_multiply_adds_are_written_as_a_product():
    assert (
        macs_sum(nn.Conv2d(32, 32, 3, groups=32), (32, 8, 8), (32, 6, 6)).text == "6*6*32*3*3*(32/32) = 10368"
    )
    assert macs_sum(nn.ConvTranspose2d(8, 4, 4), (8, 7, 7), (4, 10, 10)).text == "7*7*8*4*4*4 = 25088"
    assert macs_sum(nn.Linear(3, 5), (7, 3), (7, 5)).text == "7*3*5 = 105"
    assert macs_sum(nn.BatchNorm2d(3), (3, 8, 8), (3, 8, 8)).value == 0
