"""The one training loop: phases, accumulation, clipping, early stop, the best weights, time, NaN."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from nayan.core.config import TrainConfig
from nayan.core.errors import Stopped
from nayan.core.events import Event, EventLog
from nayan.runtime.preprocess import Placement
from nayan.tasks.base import Batch, Item, Phase, Task
from nayan.tasks.cards import Entry
from nayan.training.features import FeatureSource
from nayan.training.freeze import Round
from nayan.training.job import Feed, Job, Progress
from nayan.training.loop import fit


class Regression(Task):
    """Mean squared error; NaN on demand."""

    outputs = ("value",)

    def build(self, entry: Entry, classes: Sequence[str], **args: Any) -> nn.Module:  # noqa: ARG002
        return nn.Linear(2, 1)

    def collate(self, items: Sequence[Item]) -> Batch:  # noqa: ARG002
        raise AssertionError("the batches are ready")

    def losses(self, model: nn.Module, batch: Batch, phase: str) -> dict[str, Tensor]:  # noqa: ARG002
        return {"square": ((model(batch.images) - batch.targets) ** 2).mean()}


class Game(Regression):
    """A GAN on the line: the generator learns the mean of the data."""

    def __init__(self, every: int = 1) -> None:
        self.every = every
        self.touched: list[tuple[str, bool, bool]] = []

    def phases(self, model: nn.Module) -> list[Phase]:
        parts: Any = model
        return [
            Phase("discriminator", parts.discriminator),
            Phase("generator", parts.generator, every=self.every),
        ]

    def losses(self, model: nn.Module, batch: Batch, phase: str) -> dict[str, Tensor]:
        real, fake = model(batch.images)
        if phase == "discriminator":
            judged = nn.functional.softplus(-real) + nn.functional.softplus(fake)
            return {"discriminator": judged.mean()}
        return {"generator": nn.functional.softplus(-fake).mean()}


class Players(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.generator = nn.Linear(1, 1)
        self.discriminator = nn.Sequential(nn.Linear(1, 16), nn.LeakyReLU(0.2), nn.Linear(16, 1))

    def forward(self, real: Tensor) -> tuple[Tensor, Tensor]:
        fake = self.generator(torch.randn(len(real), 1))
        return self.discriminator(real), self.discriminator(fake)

    def stages(self) -> list[tuple[str, nn.Module]]:
        return [("generator", self.generator), ("discriminator", self.discriminator)]


def source(inputs: Tensor, targets: Tensor, *, batch: int, shuffle: bool = True) -> FeatureSource:
    count = len(inputs)
    return FeatureSource(
        views=[inputs],
        targets=targets,
        ids=tuple(f"picture{n}.png" for n in range(count)),
        placements=(Placement((1, 1), (1, 1), (0, 0)),) * count,
        truths=(None,) * count,
        batch=batch,
        shuffle=shuffle,
    )


@dataclass
class Trial:
    """One run of `fit` on tensors."""

    network: nn.Module
    source: FeatureSource
    task: Task = field(default_factory=Regression)
    epochs: int = 3
    lr: float = 0.05
    ema: float = 0.0
    weight_decay: float = 0.0
    validate: Callable[[], Mapping[str, float]] = lambda: {"loss": 1.0}
    best_by: str = ""
    deadline: float | None = None
    options: dict[str, Any] = field(default_factory=dict)
    stages: list[tuple[str, nn.Module]] | None = None
    events: list[Event] = field(default_factory=list)

    def run(self) -> Progress:
        defaults = {"data": "nowhere", "optimizer": "sgd", "warmup": 0.0, "clip": 0.0}
        job = Job(
            fabric=Fabric(accelerator="cpu", devices=1),
            task=self.task,
            network=self.network,
            stages=self.stages or [("all", self.network)],
            rounds=[Round("train", 0, self.epochs, self.lr)],
            open_round=lambda _: Feed(self.network, self.source, self.validate),
            config=TrainConfig(**{**defaults, **self.options}),
            weight_decay=self.weight_decay,
            ema=self.ema,
            log=EventLog(None, self.events.append),
            checkpoints=None,
            best_by=self.best_by,
            judged_on=10**9,
            deadline=self.deadline,
        )
        return fit(job)


def linear(value: float = 0.0) -> nn.Linear:
    module = nn.Linear(2, 1)
    nn.init.constant_(module.weight, value)
    nn.init.zeros_(module.bias)
    return module


def plane(count: int = 32) -> tuple[Tensor, Tensor]:
    inputs = torch.randn(count, 2, generator=torch.Generator().manual_seed(0))
    return inputs, inputs @ torch.tensor([[2.0], [-1.0]]) + 0.5


def test_a_plane_is_fitted() -> None:
    network = linear()
    progress = Trial(network, source(*plane(), batch=8), epochs=30).run()
    assert network.weight.detach().flatten().tolist() == pytest.approx([2, -1], abs=0.05)
    assert progress.steps_taken == 120
    losses = [row["train_loss"] for row in progress.history]
    assert losses[-1] < 0.01 < losses[0]
    assert [row["epoch"] for row in progress.history] == list(range(1, 31))


# phases


def game(every: int = 1, epochs: int = 100) -> tuple[Players, Trial]:
    torch.manual_seed(0)
    players = Players()
    nn.init.zeros_(players.generator.bias)
    real = 3 + 0.5 * torch.randn(256, 1)
    trial = Trial(
        players,
        source(real, torch.zeros(256, 1), batch=64),
        task=Game(every),
        epochs=epochs,
        lr=0.05,
        stages=players.stages(),
        options={"optimizer": "adamw"},
    )
    return players, trial


def test_two_phases_play_a_game_and_the_generator_finds_the_mean_of_the_data() -> None:
    players, trial = game()
    progress = trial.run()
    assert float(players.generator.bias.detach()) == pytest.approx(3, abs=0.5)
    guessing = progress.history[-1]["train_discriminator"]
    assert guessing == pytest.approx(2 * math.log(2), abs=0.25)


def test_each_phase_gives_gradients_to_its_own_part_only() -> None:
    players, trial = game(epochs=1)
    seen: dict[str, set[str]] = {"discriminator": set(), "generator": set()}
    running = {"phase": ""}
    play = Game()

    class Watched(Game):
        def losses(self, model: nn.Module, batch: Batch, phase: str) -> dict[str, Tensor]:
            running["phase"] = phase
            return play.losses(model, batch, phase)

    for name, parameter in players.named_parameters():
        parameter.register_hook(lambda _, name=name: seen[running["phase"]].add(name.partition(".")[0]))
    replace(trial, task=Watched()).run()
    assert seen == {"discriminator": {"discriminator"}, "generator": {"generator"}}
    assert all(parameter.requires_grad for parameter in players.parameters())


def test_a_phase_that_is_due_every_third_step_learns_every_third_step() -> None:
    players, trial = game(every=3, epochs=2)
    changes: list[bool] = []
    before = players.generator.bias.detach().clone()

    def watch(event: Event) -> None:
        nonlocal before
        if event["event"] == "progress":
            after = players.generator.bias.detach().clone()
            changes.append(not torch.equal(before, after))
            before = after

    trial.events = type("Events", (list,), {"append": staticmethod(watch)})()
    progress = trial.run()
    assert changes == [True, False, False, True] * 2  # four steps an epoch
    # the mean is that of the steps in which it was due
    assert 0.3 < progress.history[0]["train_generator"] < 3


# accumulation and clipping


@pytest.mark.parametrize("kind", ["sgd", "adamw"])
def test_two_accumulated_batches_are_one_of_twice_the_size(kind: str) -> None:
    networks = linear(), linear()
    options = {"optimizer": kind, "clip": 0.5}
    small = Trial(networks[0], source(*plane(), batch=8), options={**options, "accumulate": 2})
    large = Trial(networks[1], source(*plane(), batch=16), options=options)
    rates = [trial.run().history[-1]["lr"] for trial in (small, large)]
    assert torch.allclose(networks[0].weight, networks[1].weight, atol=1e-6)
    assert torch.allclose(networks[0].bias, networks[1].bias, atol=1e-6)
    assert rates[0] == rates[1]


def test_a_last_group_that_is_smaller_still_counts_as_a_mean() -> None:
    networks = linear(), linear()
    for network, accumulate in zip(networks, (3, 1), strict=True):
        # one batch an epoch: a group of three has only this one
        Trial(network, source(*plane(8), batch=8), options={"accumulate": accumulate}).run()
    assert torch.equal(networks[0].weight, networks[1].weight)


def test_gradients_are_clipped_to_the_norm() -> None:
    network = linear(100.0)
    before = network.weight.detach().clone()
    Trial(network, source(*plane(8), batch=8), epochs=1, lr=1.0, options={"clip": 0.1}).run()
    # Nesterov's first step is (1 + momentum) times the gradient
    moved = torch.cat([(network.weight - before).flatten(), network.bias]).detach().norm()
    assert float(moved) == pytest.approx(0.1 * 1.9, rel=1e-3)


# which weights remain, and when it ends


def scripted(
    network: nn.Module, scores: Sequence[float]
) -> tuple[Callable[[], Mapping[str, float]], list[Tensor]]:
    """Return a validation that gives the scores one after the other, and the weights it saw."""
    seen: list[Tensor] = []

    def validate() -> Mapping[str, float]:
        seen.append(next(iter(network.parameters())).detach().clone())
        return {"accuracy": scores[len(seen) - 1], "loss": 1.0}

    return validate, seen


@pytest.mark.parametrize("ema", [0.0, 0.5])
def test_the_weights_that_scored_best_remain(ema: float) -> None:
    network = linear()
    validate, seen = scripted(network, [0.1, 0.9, 0.5, 0.2])
    trial = Trial(
        network, source(*plane(), batch=8), epochs=4, ema=ema, validate=validate, best_by="accuracy"
    )
    progress = trial.run()
    assert torch.equal(network.weight, seen[1])
    assert progress.best is not None
    assert progress.best["epoch"] == 2
    best = [event["best"] for event in trial.events if event["event"] == "epoch"]
    assert best == [True, True, False, False]


def test_averaged_weights_are_validated_and_the_present_ones_go_on_learning() -> None:
    curves, validated = [], []
    for ema in (0.0, 0.999):
        network = linear()
        validate, seen = scripted(network, [0.0, 0.0, 0.0])
        progress = Trial(network, source(*plane(), batch=8), ema=ema, validate=validate).run()
        curves.append([row["train_loss"] for row in progress.history])
        validated.append(seen)
        assert torch.equal(network.weight, seen[-1])
    assert curves[0] == curves[1]
    assert not torch.allclose(validated[0][0], validated[1][0])


def test_training_stops_when_nothing_gets_better() -> None:
    network = linear()
    validate, _ = scripted(network, [0.1, 0.9, 0.5, 0.2, 0.1, 0.1])
    trial = Trial(
        network,
        source(*plane(), batch=8),
        epochs=6,
        validate=validate,
        best_by="accuracy",
        options={"patience": 2},
    )
    assert len(trial.run().history) == 4
    stops = [event["reason"] for event in trial.events if event["event"] == "stop"]
    assert stops == ["no better for 2 epochs"]


@pytest.mark.parametrize("epochs", [1, 50])
def test_when_the_time_is_up_it_ends_with_what_it_has(epochs: int) -> None:
    network = linear()
    trial = Trial(network, source(*plane(), batch=8), epochs=epochs, deadline=time.monotonic() - 1)
    progress = trial.run()
    assert len(progress.history) == 1  # not even a late start gives an untrained network
    assert progress.steps_taken == 1
    assert [event["reason"] for event in trial.events if event["event"] == "stop"] == ["the time is up"]
    assert float(network.weight.detach().abs().sum()) > 0


def test_a_loss_that_is_not_finite_stops_with_the_step_and_the_pictures() -> None:
    inputs, targets = plane(12)
    targets[5] = math.inf
    with pytest.raises(Stopped, match=r"not finite in epoch 1, step 2 \(square = inf\)") as error:
        Trial(linear(), source(inputs, targets, batch=4, shuffle=False)).run()
    assert "picture4.png, picture5.png, picture6.png, picture7.png" in error.value.message
    assert "lower --lr" in error.value.hint
    with pytest.raises(Stopped) as many:
        Trial(linear(), source(inputs, targets, batch=12, shuffle=False)).run()
    assert many.value.message.endswith("picture7.png, ...")


def test_the_same_run_twice_is_the_same_run() -> None:
    results = []
    for _ in range(2):
        players, trial = game(epochs=2)
        trial.run()
        results.append(torch.cat([p.detach().flatten() for p in players.parameters()]))
    assert torch.equal(*results)
