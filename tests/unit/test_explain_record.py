"""Watching leaves no trace."""

from dataclasses import dataclass

import pytest
import torch
from torch import nn

from nayan.core.errors import NotFound
from nayan.explain.record import evaluating, first_tensor, record


@pytest.fixture
def net():
    return nn.Sequential(nn.Linear(2, 3), nn.ReLU(inplace=True), nn.Linear(3, 1))


def hooks(model):
    return [hook for module in model.modules() for hook in module._forward_hooks.values()]


def test_no_hook_remains_after_the_block(net):
    with record(net) as seen:
        net(torch.ones(4, 2))
        assert len(hooks(net)) == 3
    assert hooks(net) == []
    assert list(seen) == ["0", "1", "2"]
    assert len(seen) == 3


def test_no_hook_remains_after_an_error(net):
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"), record(net):
        net(torch.ones(4, 5))
    assert hooks(net) == []


def test_nothing_more_is_recorded_after_the_block(net):
    with record(net) as seen:
        pass
    net(torch.ones(1, 2))
    assert len(seen) == 0


def test_a_later_layer_in_place_does_not_change_what_was_recorded(net):
    nn.init.constant_(net[0].weight, -1.0)
    nn.init.zeros_(net[0].bias)
    with record(net, ["0", "1"]) as seen:
        net(torch.ones(1, 2))
    assert seen["0"].tolist() == [[-2.0, -2.0, -2.0]]
    assert seen["1"].tolist() == [[0.0, 0.0, 0.0]]


def test_gradients_arrive_by_the_same_names(net):
    with record(net, ["2"], gradients=True) as seen:
        (3 * net(torch.ones(4, 2))).sum().backward()
    assert seen.gradients["2"].tolist() == [[3.0]] * 4
    assert seen.live["2"].requires_grad


def test_no_gradients_are_kept_unless_asked_for(net):
    with record(net) as seen:
        net(torch.ones(4, 2)).sum().backward()
    assert seen.gradients == {}
    assert seen.live == {}


def test_a_layer_that_runs_twice_is_recorded_twice():
    relu = nn.ReLU()
    model = nn.Sequential(relu, nn.Linear(2, 2), relu)
    with record(model) as seen:
        model(torch.ones(1, 2))
    assert list(seen) == ["0", "1", "0#2"]


def test_an_unknown_layer_names_the_nearest(net):
    net.classifier = nn.Identity()
    with pytest.raises(NotFound, match="did you mean 'classifier'"), record(net, ["clasifier"]):
        pass


def test_an_unrecorded_name_is_refused(net):
    with record(net, ["0"]) as seen:
        net(torch.ones(1, 2))
    with pytest.raises(NotFound, match="no recorded layer is named '7'"):
        seen["7"]


def test_modules_may_be_given_by_a_name_of_ones_own(net):
    with record(net, {"first": net[0]}) as seen:
        net(torch.ones(1, 2))
    assert list(seen) == ["first"]


def test_outputs_without_a_tensor_are_passed_over():
    class Wordy(nn.Module):
        def forward(self, _):
            return "words"

    model = Wordy()
    with record(model, [""]) as seen:
        model(torch.ones(1))
    assert len(seen) == 0


def test_every_module_gets_its_own_mode_back(net):
    net.train()
    net[0].eval()
    with evaluating(net):
        assert not any(module.training for module in net.modules())
    assert [module.training for module in net] == [False, True, True]


def test_the_first_tensor_is_found_in_any_output():
    @dataclass
    class Raw:
        logits: torch.Tensor

    one = torch.ones(1)
    assert first_tensor({"a": ("text", one)}) is one
    assert first_tensor(Raw(one)) is one
    assert first_tensor(["text", 3]) is None
