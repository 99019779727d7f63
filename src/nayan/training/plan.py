"""Before the first epoch: how long will it take, how much memory, and what will be waited for?"""

from __future__ import annotations

import copy
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, replace

import torch
from torch import nn

from nayan.tasks.base import Batch
from nayan.training.feeds import FEATURE_BATCH, Feeds, example_batch
from nayan.training.freeze import Round, Tail, apply_freeze, set_mode, settle
from nayan.training.machine import SMALL_PICTURE
from nayan.training.processes import to_device

TRIAL = 8  # most pictures that a measurement is made with
MOST_EPOCHS = 1000
BUDGET_SHARE = 0.85  # of the time asked for; the rest is for what comes after the last epoch
SMALL_COST = 0.3  # of a picture of half the side, in parts of a whole one: 192x256 to 352x480 took 0.31


@dataclass(frozen=True, slots=True)
class Costs:
    """Seconds a picture on this machine, measured.

    Attributes:
        read: decode and augment, all threads at work.
        forward: through the network, without gradients.
        learn: forward and backward through the whole network.
        tails: {first stage: seconds} forward and backward through the stages from there on, for the rounds
            that learn from cached features.
    """

    read: float
    forward: float
    learn: float
    tails: Mapping[int, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Plan:
    """What lies ahead.

    Attributes:
        pictures: in training and validation.
        steps: of all rounds.
        seconds: estimated, without start-up and export.
        memory_mb: of weights, optimiser, activations and caches, roughly.
        bottleneck: "reading pictures" or "the network".
        text: the same as a sentence.
    """

    pictures: int
    steps: int
    seconds: float
    memory_mb: int
    bottleneck: str
    text: str


def measure(feeds: Feeds, rounds: Sequence[Round]) -> Costs:
    """Try one batch on a copy of the network, in each way that the rounds will use it."""
    setup = feeds.setup
    source = feeds.stream(setup.learnt, augmented=True)
    count = min(2 * TRIAL, len(setup.learnt))
    begun = time.perf_counter()
    with ThreadPoolExecutor(setup.config.workers or 1) as pool:
        list(pool.map(lambda index: source.prepare(index, 0), range(count)))
    read = (time.perf_counter() - begun) / count
    trial = copy.deepcopy(setup.network)
    apply_freeze(trial.stages(), 0)
    set_mode(trial.stages(), 0, keep_statistics=True)
    if any(stretch.settled for stretch in rounds):
        settle(trial)
    batch_size = int(setup.config.batch)
    pictures = batch_size if max(setup.preprocess.size) <= SMALL_PICTURE else min(TRIAL, batch_size)
    batch = to_device(example_batch(feeds, pictures), setup.fabric)
    _try(feeds, trial, batch, gradients=False)  # warms up
    forward = _try(feeds, trial, batch, gradients=False)
    learn = 0.0
    if not all(stretch.views for stretch in rounds):
        _try(feeds, trial, batch, gradients=True)  # warms up the way back
        learn = _try(feeds, trial, batch, gradients=True)
    tails = {}
    for first in {stretch.first for stretch in rounds if stretch.views}:
        features: torch.Tensor = batch.images
        with torch.no_grad(), setup.fabric.autocast():
            for _, stage in trial.stages()[:first]:
                features = stage(features)
        cached = replace(batch, images=features)
        tails[first] = _try(feeds, Tail(trial.stages()[first:]), cached, gradients=True)
    return Costs(read, forward, learn, tails)


def _try(feeds: Feeds, module: nn.Module, batch: Batch, *, gradients: bool) -> float:
    """Return the seconds a picture that a module takes, with or without the way back."""
    setup = feeds.setup
    begun = time.perf_counter()
    with torch.set_grad_enabled(gradients), setup.fabric.autocast():
        for phase in setup.task.phases(module):
            losses = setup.task.losses(module, batch, phase.name)
            total = torch.stack(list(losses.values())).sum()
            if gradients:
                setup.fabric.backward(total)
            float(total.detach())
    return (time.perf_counter() - begun) / len(batch.ids)


def fit_epochs(rounds: Sequence[Round], costs: Costs, *, pictures: int, budget: float) -> tuple[Round, ...]:
    """Return the rounds with as many epochs in the last one as fit into `budget` seconds, at least one."""
    fixed = sum(round_seconds(stretch, costs, pictures) for stretch in rounds[:-1])
    fits = (
        stretch
        for stretch in (replace(rounds[-1], epochs=epochs) for epochs in range(MOST_EPOCHS, 0, -1))
        if fixed + round_seconds(stretch, costs, pictures) <= BUDGET_SHARE * budget
    )
    return (*rounds[:-1], next(fits, replace(rounds[-1], epochs=1)))


def round_seconds(stretch: Round, costs: Costs, pictures: int) -> float:
    """Estimate the seconds of one round; validation is counted as a sixth of the training pictures."""
    if stretch.views:
        once = (stretch.views + 1 / 6) * pictures * max(costs.read, costs.forward)
        return once + stretch.epochs * pictures * 1.17 * costs.tails.get(stretch.first, 0.0)
    small = stretch.small_epochs
    whole = (stretch.epochs - small) * max(costs.read, costs.learn)
    halves = small * max(costs.read, SMALL_COST * costs.learn)
    return pictures * (whole + halves + stretch.epochs * max(costs.read, costs.forward) / 6)


def make_plan(feeds: Feeds, rounds: Sequence[Round], costs: Costs) -> Plan:
    """Return the plan of a run."""
    setup = feeds.setup
    train, val = len(setup.learnt), len(setup.splits.val)
    batch = int(setup.config.batch)
    steps = sum(
        stretch.epochs * -(-train // (min(FEATURE_BATCH, max(8, train // 8)) if stretch.views else batch))
        for stretch in rounds
    )
    seconds = sum(round_seconds(stretch, costs, train) for stretch in rounds)
    weights = sum(p.numel() * p.element_size() for p in setup.network.parameters())
    pixels = setup.preprocess.size[0] * setup.preprocess.size[1] * 3
    memory = 4 * weights + batch * pixels * 40 + train * pixels
    work = max(costs.learn, *costs.tails.values(), 0.0) if costs.tails else costs.learn
    bottleneck = "reading pictures" if costs.read > max(work, costs.forward) else "the network"
    names = ", ".join(f"{stretch.name} {stretch.epochs} epochs" for stretch in rounds)
    text = (
        f"{train} pictures to learn from, {val} to validate; {names}; about {_duration(seconds)}, "
        f"{memory / 2**20:.0f} MB; most of the time goes into {bottleneck}"
    )
    return Plan(train + val, steps, round(seconds, 1), round(memory / 2**20), bottleneck, text)


def log_plan(feeds: Feeds, rounds: Sequence[Round], costs: Costs) -> None:
    """Record the plan."""
    plan = make_plan(feeds, rounds, costs)
    feeds.log("plan", rounds=[asdict(stretch) for stretch in rounds], **asdict(plan))


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
