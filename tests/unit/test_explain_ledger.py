"""The ledger on networks whose rows are known by hand."""

import json

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from nayan.core.errors import ShapeError
from nayan.explain.ledger import field_text, ledger
from nayan.explain.small_model import build_small_model

LENET = (
    "conv 6 5x5 pad 2; relu; pool 2; conv 16 5x5; relu; pool 2; "
    "flatten; dense 120; relu; dense 84; relu; dense 10"
)


class Residual(nn.Module):
    def __init__(self):
        super().__init__()
        self.wide = nn.Conv2d(3, 3, 5, padding=2)
        self.narrow = nn.Conv2d(3, 3, 3, padding=1)
        self.after = nn.Conv2d(3, 3, 3, padding=1)

    def forward(self, x):
        return self.after(self.wide(x) + self.narrow(x))


def fields(model, shape=(3, 32, 32)):
    return {row.name: row.field for row in ledger(model, shape).rows}


def test_lenet_has_its_61706_parameters_and_the_known_receptive_fields():
    model = build_small_model(LENET, (1, 28, 28))
    book = ledger(model, (1, 28, 28))
    assert book.parameters == 61706
    assert sum(row.parameters for row in book.rows) == 61706
    assert [row.field.size[0] for row in book.rows if row.kind in ("Conv2d", "MaxPool2d")] == [5, 6, 14, 16]
    assert [row.field.jump[0] for row in book.rows if row.kind in ("Conv2d", "MaxPool2d")] == [1, 2, 2, 4]
    assert [row.output for row in book.rows][3] == (16, 10, 10)


def test_a_residual_sum_has_the_larger_of_its_two_receptive_fields():
    assert fields(Residual())["after"].size == (7, 7)


def test_dilation_and_stride_widen_what_a_unit_sees():
    model = nn.Sequential(nn.Conv2d(3, 4, 3, stride=2), nn.Conv2d(4, 4, 3, dilation=2))
    assert fields(model)["1"].size == (11, 11)  # 3 + 2*(3 - 1)*2
    assert fields(model)["1"].jump == (2, 2)


def test_a_transposed_convolution_and_an_upsampling_bring_units_closer_together():
    model = nn.Sequential(
        nn.Conv2d(3, 4, 4, stride=4),
        nn.ConvTranspose2d(4, 4, 4, stride=2, padding=1),
        nn.Upsample(scale_factor=2),
    )
    assert [row.field.jump for row in ledger(model, (3, 32, 32)).rows] == [(4, 4), (2, 2), (1, 1)]
    assert fields(model)["1"].size == (8, 8)  # two of the 4-px windows, 4 px apart


def test_global_pooling_and_flattening_see_the_whole_map():
    pooled = nn.Sequential(nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2))
    assert fields(pooled)["3"].size == (32, 32)
    flat = nn.Sequential(nn.Conv2d(3, 4, 3, stride=2), nn.Flatten(), nn.Linear(4 * 15 * 15, 2))
    assert fields(flat)["2"].size == (31, 31)


def test_an_operation_that_is_not_understood_makes_the_field_unknown_downstream():
    class Rolled(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.second = nn.Conv2d(3, 3, 3), nn.Conv2d(3, 3, 3)

        def forward(self, x):
            return self.second(torch.roll(self.first(x), 1, dims=3))

    found = fields(Rolled())
    assert found["first"].size == (3, 3)
    assert found["second"] is None
    assert field_text(found["second"], (3, 32, 32)) == "?"


def test_an_upsampling_whose_taps_are_not_known_makes_the_field_unknown():
    class Shrunk(nn.Module):
        def forward(self, x):
            return F.interpolate(x, scale_factor=0.5, mode="bilinear", antialias=True)

    assert fields(nn.Sequential(Shrunk(), nn.Conv2d(3, 3, 3)))["1"] is None


def test_functional_poolings_between_layers_count_too():
    class Functional(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(3, 3, 3)

        def forward(self, x):
            return self.conv(F.avg_pool2d(F.max_pool2d(x, 2), kernel_size=2, stride=1))

    # 2; 2 + (2 - 1)*2 = 4; 4 + (3 - 1)*2 = 8
    assert fields(Functional())["conv"].size == (8, 8)


def test_frozen_and_partly_frozen_layers_are_told_apart():
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 3), nn.Conv2d(4, 4, 3), nn.ReLU())
    model[0].requires_grad_(False)
    model[1].bias.requires_grad_(False)
    book = ledger(model, (3, 16, 16))
    assert [row.learns for row in book.rows] == ["frozen", "partly", "yes", ""]
    assert book.trainable == book.parameters - 112 - 4


def test_a_layer_that_runs_twice_is_counted_once():
    shared = nn.Conv2d(3, 3, 3)
    book = ledger(nn.Sequential(shared, nn.ReLU(), shared), (3, 16, 16))
    assert [row.parameters for row in book.rows] == [84, 0, 0]
    assert book.rows[2].note == "parameters counted in an earlier row"
    assert book.rows[2].macs == 12 * 12 * 3 * 27
    assert book.parameters == 84


def test_parameters_outside_of_leaves_and_layers_that_do_not_run_have_rows_of_their_own():
    class Scaled(nn.Module):
        def __init__(self):
            super().__init__()
            self.scale = nn.Parameter(torch.ones(3, 1, 1))
            self.conv, self.unused = nn.Conv2d(3, 3, 1), nn.Linear(2, 2)

        def forward(self, x):
            return self.conv(x) * self.scale

    book = ledger(Scaled(), (3, 8, 8))
    assert {row.name: row.parameters for row in book.rows} == {"(network)": 3, "conv": 12, "unused": 6}
    assert "did not run" in book.rows[-1].note


def test_products_outside_of_layers_are_counted_in_a_row_of_their_own():
    class Attention(nn.Module):
        def forward(self, x):
            tokens = x.flatten(2).transpose(1, 2)
            return tokens @ tokens.transpose(1, 2)

    book = ledger(nn.Sequential(nn.Conv2d(3, 4, 1), Attention()), (3, 8, 8))
    assert book.rows[-1].name == "(between layers)"
    assert book.rows[-1].macs == 64 * 64 * 4


def test_a_network_that_cannot_run_on_shapes_alone_is_run_for_real():
    class Peeking(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(3, 4, 3)

        def forward(self, x):
            return self.conv(x) if x.sum().item() == 0 else x

    book = ledger(Peeking(), (3, 8, 8))
    assert [row.name for row in book.rows] == ["conv"]
    assert book.rows[0].field.size == (3, 3)


def test_a_picture_that_is_too_small_is_refused_with_the_last_layer_that_worked():
    model = nn.Sequential(nn.MaxPool2d(2), nn.Conv2d(3, 4, 5))
    with pytest.raises(ShapeError, match="cannot take a 3x8x8 picture") as caught:
        ledger(model, (3, 8, 8))
    assert "the last layer that worked: 0" in caught.value.hint


def test_watching_leaves_modes_hooks_and_weights_as_they_were():
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Dropout())
    model[1].eval()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    ledger(model, (3, 8, 8))
    assert [module.training for module in model] == [True, False, True]
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_sizes_and_activations_are_given_in_megabytes():
    book = ledger(nn.Sequential(nn.Conv2d(3, 100, 3), nn.ReLU(inplace=True)), (3, 28, 28))
    assert book.size_mb == pytest.approx(2800 * 4 / 1e6)
    assert book.activations_mb == pytest.approx(100 * 26 * 26 * 4 / 1e6)  # in place: once


def test_the_ledger_is_a_table_a_story_and_json():
    book = ledger(build_small_model(LENET, (1, 28, 28)), (1, 28, 28))
    table = book.to_table()
    assert all(len(row) == len(table.columns) for row in table.rows)
    assert table.rows[0][3:6] == ("6x28x28", "(28 - 5 + 2*2)/1 + 1 = 28", "156")
    assert "all (" in table.rows[6][9]
    assert json.loads(json.dumps(book.to_json()))["parameters"] == 61706
    assert [panel.title for panel in book.to_story().panels] == ["Totals", "Layers"]
    json.dumps(book.to_story().to_json())
