"""The measured receptive field against the formula."""

import pytest
import torch
from torch import nn

from nayan.explain.ledger import ledger
from nayan.explain.receptive import explain_receptive, measure_reach
from nayan.explain.subject import Subject
from nayan.runtime.preprocess import Preprocess


@pytest.mark.parametrize(
    "layers",
    [
        [nn.Conv2d(1, 4, 3), nn.Conv2d(4, 4, 5)],
        [nn.Conv2d(1, 4, 3, stride=2), nn.Conv2d(4, 4, 3, stride=2), nn.Conv2d(4, 4, 3)],
        [nn.Conv2d(1, 4, 3, dilation=2), nn.AvgPool2d(2), nn.Conv2d(4, 4, (1, 5))],
        [nn.Conv2d(1, 4, 3), nn.AvgPool2d(4), nn.ConvTranspose2d(4, 4, 4, stride=2, padding=1)],
        [nn.Conv2d(1, 4, 3), nn.AvgPool2d(4), nn.Upsample(scale_factor=2), nn.Conv2d(4, 4, 3)],
    ],
)
def test_the_gradient_reaches_exactly_as_far_as_the_formula_says(layers):
    model, shape = nn.Sequential(*layers), (1, 48, 48)
    last = str(len(layers) - 1)
    measured = measure_reach(model, shape, layer=last, samples=2)[last]
    formula = ledger(model, shape).rows[-1].field
    assert measured.size == formula.size
    assert measured.formula == formula


def test_a_residual_sum_reaches_as_far_as_its_longer_branch():
    class Residual(nn.Module):
        def __init__(self):
            super().__init__()
            self.wide = nn.Conv2d(1, 2, 7, padding=3)
            self.narrow = nn.Conv2d(1, 2, 1)

        def forward(self, x):
            return self.wide(x) + self.narrow(x)

    measured = measure_reach(Residual(), (1, 24, 24), layer="")[""]
    assert measured.size == measured.formula.size == (7, 7)


def test_the_core_lies_inside_the_field():
    reach = measure_reach(nn.Sequential(nn.Conv2d(1, 2, 9), nn.Conv2d(2, 2, 9)), (1, 40, 40))["0"]
    x1, y1, x2, y2 = reach.core
    assert reach.box[0] <= x1 < x2 <= reach.box[2]
    assert reach.box[1] <= y1 < y2 <= reach.box[3]


def test_a_unit_that_sees_nothing_has_an_empty_field():
    dead = nn.Sequential(nn.Conv2d(1, 2, 3))
    nn.init.zeros_(dead[0].weight)
    assert measure_reach(dead, (1, 12, 12))["0"].size == (0, 0)


def test_the_story_lists_measured_and_derived_side_by_side():
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.AvgPool2d(2), nn.Conv2d(4, 4, 3))
    story = explain_receptive(Subject(model, Preprocess((32, 32))), samples=1)
    rows = {row[0]: row[2:4] for row in story.panels[0].table.rows}
    assert rows == {"0": ("3x3", "3"), "1": ("4x4", "4"), "2": ("8x8", "8")}
    assert all(parameter.grad is None for parameter in model.parameters())
    assert torch.is_grad_enabled()
