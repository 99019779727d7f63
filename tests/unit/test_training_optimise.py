"""Learning rates, weight decay and averaged weights."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from torch import nn

from nayan.training.freeze import stage_lr_scale
from nayan.training.optimise import Average, build_optimizer, schedule, set_lr


def network() -> nn.Sequential:
    return nn.Sequential(
        nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2)), nn.Flatten(), nn.Linear(2, 2), nn.Linear(2, 3)
    )


STAGES = [("conv", 0), ("flatten", 1), ("hidden", 2), ("head", 3)]


def stages(model: nn.Sequential) -> list[tuple[str, nn.Module]]:
    return [(name, model[index]) for name, index in STAGES]


def test_the_rate_rises_in_a_line_and_falls_in_half_a_cosine_to_one_percent() -> None:
    factors = [schedule(step, 100, warmup=0.1) for step in range(100)]
    assert factors[:10] == pytest.approx([(step + 1) / 10 for step in range(10)])
    assert factors[10] == 1
    assert factors[55] == pytest.approx(0.01 + 0.99 * (1 + math.cos(math.pi / 2)) / 2)
    assert all(a > b for a, b in itertools.pairwise(factors[10:]))
    assert factors[-1] == pytest.approx(0.01, abs=1e-3)
    assert schedule(100, 100, warmup=0.1) == pytest.approx(0.01)
    assert schedule(500, 100, warmup=0.1) == pytest.approx(0.01)
    assert schedule(0, 1, warmup=0.0) == 1


@pytest.mark.parametrize("kind", ["adamw", "sgd"])
def test_biases_and_normalisation_are_not_decayed(kind: str) -> None:
    model = network()
    optimizer = build_optimizer(kind, model, lr=1.0, weight_decay=0.3, lr_scale={})  # type: ignore[arg-type]
    decay = {id(p): group["weight_decay"] for group in optimizer.param_groups for p in group["params"]}
    assert len(decay) == len(list(model.parameters()))
    for name, parameter in model.named_parameters():
        vector = name.endswith("bias") or name == "0.1.weight"
        assert decay[id(parameter)] == (0.0 if vector else 0.3), name


def test_each_stage_learns_slower_than_the_next_and_frozen_ones_not_at_all() -> None:
    model = network()
    model[0][0].requires_grad_(False)
    scale = stage_lr_scale(stages(model), 0.7)
    optimizer = build_optimizer("adamw", model, lr=2.0, weight_decay=0.1, lr_scale=scale)
    rate = {id(p): group["lr"] for group in optimizer.param_groups for p in group["params"]}
    assert rate[id(model[3].weight)] == 2.0
    assert rate[id(model[2].weight)] == pytest.approx(2.0 * 0.7)
    assert rate[id(model[0][1].weight)] == pytest.approx(2.0 * 0.7**3)
    assert id(model[0][0].weight) not in rate
    assert set_lr([optimizer], 0.5) == 1.0
    assert set_lr([optimizer], 0.25) == 0.5  # of the initial rate, not of the present one


def test_exchanging_the_average_twice_changes_nothing() -> None:
    model = network()
    average = Average(model, 0.9)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter))
    average.update()
    live = {name: p.detach().clone() for name, p in model.named_parameters()}
    shadow = {name: t.clone() for name, t in average.shadow.items()}
    average.swap()
    assert all(torch.equal(p, shadow[name]) for name, p in model.named_parameters())
    assert not torch.equal(model[3].weight, live["3.weight"])
    average.swap()
    assert all(torch.equal(p, live[name]) for name, p in model.named_parameters())
    assert all(torch.equal(t, shadow[name]) for name, t in average.shadow.items())


def test_the_average_follows_its_formula() -> None:
    model = nn.Linear(1, 1, bias=False)
    nn.init.zeros_(model.weight)
    average = Average(model, 0.5)
    expected = 0.0
    for step in range(1, 8):
        nn.init.constant_(model.weight, step)
        average.update()
        decay = min(0.5, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * step
        assert float(average.shadow["weight"]) == pytest.approx(expected)


def test_running_statistics_are_averaged_like_the_weights() -> None:
    norm = nn.BatchNorm1d(2)
    average = Average(norm, 0.5)
    norm.train()(torch.full((4, 2), 10.0))
    average.update()
    share = 1 - 2 / 11
    assert average.shadow["running_mean"].tolist() == pytest.approx([share * 1.0, share * 1.0])
    assert norm.running_mean is not None
    assert norm.running_mean.tolist() == pytest.approx([1.0, 1.0])


def test_what_is_frozen_has_no_average() -> None:
    model = network()
    model[0].requires_grad_(False)
    assert set(Average(model, 0.9).shadow) == {"2.weight", "2.bias", "3.weight", "3.bias"}
