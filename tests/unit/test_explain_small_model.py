"""Models described in words, and the errors of people who describe them."""

import pytest
import torch
from torch import nn

from nayan.core.errors import ConfigError
from nayan.explain.small_model import STEPS, build_small_model, parse_steps


def test_lenet_in_words_is_lenet():
    text = "conv 6 5x5 pad 2; relu; pool 2; conv 16 5x5; relu; pool 2; flatten; dense 120; relu; dense 10"
    model = build_small_model(text, (1, 28, 28))
    assert model(torch.zeros(2, 1, 28, 28)).shape == (2, 10)
    assert [name for name, _ in model.named_children()][:3] == ["1_conv", "2_relu", "3_pool"]


def test_every_word_builds_a_layer_that_runs():
    text = """
        conv 8 3 pad same dilation 2 groups 1 nobias; batchnorm; tanh
        transposed 8 4 stride 2 pad 1 groups 2; sigmoid
        avgpool 3x3 stride 2 pad 1; upsample 2; pool 2; dropout 0.2; relu
        gap; dropout; dense 5; softmax
    """
    model = build_small_model(text, (3, 16, 16)).eval()
    assert model(torch.zeros(1, 3, 16, 16)).sum().item() == pytest.approx(1.0)
    assert isinstance(build_small_model("flatten", (3, 2, 2))[0], nn.Flatten)
    used = {step.word for step in parse_steps(text)} | {"flatten"}
    assert used == set(STEPS)


def test_yaml_is_a_list_of_the_same():
    text = "# a comment\n- conv: 6 5x5 pad 2\n- relu\n- gap:\n- dense: 10\n"
    words = build_small_model("conv 6 5x5 pad 2; relu; gap; dense 10", (1, 8, 8))
    assert str(build_small_model(text, (1, 8, 8))) == str(words)
    assert parse_steps("[relu, dense 3]")[1].numbers == (3,)


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("", "description of the model is empty", "known steps: conv"),
        ("relu; pol 2", r"step 2 \('pol 2'\): no step is named 'pol'", "did you mean 'pool'"),
        ("zzzzzz", "no step is named 'zzzzzz'", "known: conv"),
        ("conv 6", "conv takes 2 plain numbers, found 1", "write: conv CHANNELS KERNEL"),
        ("dropout 1 2", "dropout takes 0 to 1 plain numbers, found 2", "write: dropout"),
        ("conv 6 3 strid 2", "'strid' is not understood", "did you mean 'stride'"),
        ("relu %", "'%' is not understood", "write: relu"),
        ("conv 6 3 pad", "after pad comes a number or same, found 'nothing'", "for example: pad 2"),
        ("conv 6 3 stride 0", "after stride comes a number from 1, found '0'", "for example: stride 2"),
        ("conv 6.5 3", "needs a whole number from 1, found 6.5", "write: conv"),
        ("conv 0 3", "needs a whole number from 1, found 0", "write: conv"),
        ("conv 4 3 groups 2", "is impossible: in_channels must be divisible by groups", "write: conv"),
        ("transposed 4 3 pad same", "is impossible: pad same is for conv only", "write: transposed"),
        ("dropout 3x3", "is impossible: the chance is a number between 0 and 1", "write: dropout"),
        ("pool 2 pad 2", "is impossible: pad should be at most half", "write: pool"),
        ("dense 10", r"needs a row of numbers, but gets a 3x16x16 map", "put `flatten`"),
        (
            "flatten; conv 3 3",
            "needs a channels x height x width map, but gets a row of 768",
            "put this step before",
        ),
        ("- [1]", r"step 1 of the YAML list is \[1\]", "one mapping"),
        ("- a: [", "cannot be read as YAML", ""),
    ],
)
def test_a_mistake_is_named_with_its_place_and_what_to_do(text, message, hint):
    with pytest.raises(ConfigError, match=message) as caught:
        build_small_model(text, (3, 16, 16))
    assert hint in caught.value.hint


def test_a_map_that_shrinks_to_nothing_is_explained():
    with pytest.raises(ConfigError, match="pool 2 at step 5 gets 1x1; its 2x2 window does not fit") as caught:
        build_small_model("pool 2; pool 2; pool 2; pool 2; pool 2", (3, 16, 16))
    assert "16x16 -> 8x8 -> 4x4 -> 2x2 -> 1x1" in caught.value.hint
