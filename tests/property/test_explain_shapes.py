"""For any chain of convolutions and poolings the ledger tells the truth."""

import math
import re

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from nayan.explain.ledger import ledger
from nayan.explain.receptive import measure_reach

# torch's word on even kernels with padding="same"
pytestmark = pytest.mark.filterwarnings("ignore:Using padding='same'")


@st.composite
def chains(draw):
    channels = draw(st.integers(1, 3))
    inputs, layers = channels, []
    for _ in range(draw(st.integers(1, 4))):
        kernel = draw(st.tuples(st.integers(1, 5), st.integers(1, 5)))
        stride, pad = draw(st.integers(1, 3)), draw(st.integers(0, 2))
        if draw(st.booleans()):
            groups = draw(st.sampled_from([1, channels]))
            outputs = groups * draw(st.integers(1, 3))
            layers.append(
                nn.Conv2d(
                    channels,
                    outputs,
                    kernel,
                    stride,
                    draw(st.sampled_from(["same", pad])) if stride == 1 else pad,
                    dilation=draw(st.integers(1, 2)),
                    groups=groups,
                    bias=draw(st.booleans()),
                )
            )
            channels = outputs
        else:
            make = draw(st.sampled_from([nn.MaxPool2d, nn.AvgPool2d]))
            layers.append(make(kernel, stride, min(pad, min(kernel) // 2), ceil_mode=draw(st.booleans())))
    return nn.Sequential(*layers), (inputs, draw(st.integers(30, 60)), draw(st.integers(30, 60)))


def runs(model, shape):
    try:
        model(torch.zeros(1, *shape))
    except RuntimeError:
        return False
    return True


@settings(max_examples=40, deadline=None)
@given(chains())
def test_every_shape_of_the_ledger_is_the_real_one(case):
    model, shape = case
    if not runs(model, shape):
        return
    book = ledger(model, shape)
    x = torch.zeros(1, *shape)
    for layer, row in zip(model, book.rows, strict=True):
        x = layer(x)
        assert row.output == tuple(x.shape[1:])
        assert "usual rule" not in row.size


@settings(max_examples=40, deadline=None)
@given(chains())
def test_every_sum_of_the_ledger_holds(case):
    model, shape = case
    if not runs(model, shape):
        return
    for row in ledger(model, shape).rows:
        for text in (row.parameters_text, row.macs_text, *re.split(r"[hw]: |; w: ", row.size)):
            left, _, right = text.partition(" (the last")[0].rpartition(" = ")
            if left:
                known = {"floor": math.floor, "ceil": math.ceil}
                assert eval(left, {"__builtins__": {}}, known) == int(right), text


@settings(max_examples=15, deadline=None)
@given(chains())
def test_no_unit_reaches_further_than_the_formula_says(case):
    model, shape = case
    if not runs(model, shape) or max(model(torch.zeros(1, *shape)).shape[2:]) < 2:
        return
    last = str(len(model) - 1)
    reach = measure_reach(model, shape, layer=last, samples=1)[last]
    assert reach.size[0] <= reach.formula.size[0]
    assert reach.size[1] <= reach.formula.size[1]
