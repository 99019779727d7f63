"""The training loop: the only one in the package.

    for round in rounds:                    which stages learn (transfer learning has more than one round)
        for epoch in round:
            for batch in source:
                for phase in task.phases:   supervised learning has one, a GAN two
                    losses -> backward -> step
            validate, remember the best, checkpoint

Everything random comes from `training.order`, so the position (round, epoch, step) says all there is to
say, and a resumed run goes on bit for bit. Devices, precision and processes are Lightning Fabric's.
"""

from __future__ import annotations

import contextlib
import math
import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning_fabric import Fabric
from torch import Tensor, nn
from torch.optim import Optimizer

from nayan.core.config import TrainConfig
from nayan.core.errors import Stopped
from nayan.core.events import EventLog
from nayan.tasks.base import Batch, Phase, Task
from nayan.training.augment import mix
from nayan.training.checkpoint import (
    Checkpoint,
    newest_checkpoint,
    pack_optimizer,
    save_checkpoint,
    unpack_optimizer,
)
from nayan.training.freeze import Round, Stages, apply_freeze, lr_scale, set_mode, settle
from nayan.training.interrupt import Interrupted, StopSign
from nayan.training.loader import Source
from nayan.training.optimise import Average, build_optimizer, schedule, set_lr
from nayan.training.order import step_seed


@dataclass(frozen=True, slots=True, eq=False)
class Feed:
    """What one round trains on.

    Attributes:
        module: the network, or the tail of it that follows cached activations.
        source: batches for it.
        validate: scores it as it is now; must give `Job.best_by` where there is a validation set.
    """

    module: nn.Module
    source: Source
    validate: Callable[[], Mapping[str, float]]


@dataclass(frozen=True, slots=True, eq=False)
class Job:
    """Everything about a training run that does not change while it runs.

    Attributes:
        fabric: device, precision, processes.
        task: losses and phases.
        network: all of it, whichever part learns.
        stages: of the network, the head last.
        rounds: in order.
        open_round: prepares a round; called when it begins.
        config: optimiser and its numbers.
        weight_decay, ema: resolved from the config.
        log: takes the events.
        checkpoints: folder; None saves nothing.
        best_by: name of the validation score in [0, 1] that decides, larger is better; "" keeps the last.
        judged_on: how many pictures it is measured on.
        deadline: `time.monotonic()` after which training ends with what it has; None = no limit.
        after_epoch: called with the progress, by the first process only.
    """

    fabric: Fabric
    task: Task
    network: nn.Module
    stages: Stages
    rounds: Sequence[Round]
    open_round: Callable[[int], Feed]
    config: TrainConfig
    weight_decay: float
    ema: float
    log: EventLog
    checkpoints: Path | None
    best_by: str = ""
    judged_on: int = 0
    deadline: float | None = None
    after_epoch: Callable[[Progress], None] | None = None


@dataclass
class Progress:
    """Where a run stands; all of it goes into the checkpoint's facts.

    Attributes:
        round, epoch, step: the position: what is done next.
        steps_taken: over all rounds; names the checkpoints.
        sums, counts: of each loss in the present epoch, and over how many pictures, to go on with its mean.
        seen: pictures in the present epoch.
        history: one row an epoch.
        best: the row of the weights that are kept.
        top: the best validation score so far.
        waiting: epochs since then.
        seconds: spent before this process.
    """

    round: int = 0
    epoch: int = 0
    step: int = 0
    steps_taken: int = 0
    sums: dict[str, float] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    seen: int = 0
    history: list[dict[str, Any]] = field(default_factory=list)
    best: dict[str, Any] | None = None
    top: float | None = None
    waiting: int = 0
    seconds: float = 0.0

    def add_losses(self, losses: Mapping[str, float], pictures: int) -> None:
        """Count the losses of one step; a phase that was not due has none."""
        for name, value in losses.items():
            self.sums[name] = self.sums.get(name, 0.0) + value * pictures
            self.counts[name] = self.counts.get(name, 0) + pictures

    def mean_losses(self) -> dict[str, float]:
        """Return the mean of each loss in the present epoch."""
        return {name: total / self.counts[name] for name, total in self.sums.items()}


def fit(job: Job, checkpoint: Checkpoint | None = None) -> Progress:
    """Train through all rounds and leave the best weights in the network.

    Args:
        job: what to do.
        checkpoint: to go on from.

    Raises:
        Stopped: a loss is not finite, or a checkpoint cannot be written.
        Interrupted: SIGINT or SIGTERM; the state is saved.
    """
    facts = checkpoint.facts if checkpoint else {}
    state = _State(job, Progress(**facts.get("progress", {})))
    if checkpoint:
        state.restore_weights(checkpoint)
    with StopSign().watching() as stop:
        # however short the time, something is trained: an untrained network is no result
        while state.progress.round < len(job.rounds) and (
            not state.progress.history or not state.out_of_time()
        ):
            _run_round(state, stop, checkpoint)
            checkpoint = None
    state.load_best()
    job.fabric.barrier()
    return state.progress


class _State:
    """The moving parts of a run."""

    def __init__(self, job: Job, progress: Progress) -> None:
        self.job = job
        self.progress = progress
        self.best_weights: dict[str, Tensor] = {}
        self.average: Average | None = None
        self.optimizers: dict[str, Optimizer] = {}
        self.started = time.monotonic()
        self.saved = self.started

    def out_of_time(self) -> bool:
        """Return whether the time is up for any process; all of them must agree on the step."""
        deadline = self.job.deadline
        return deadline is not None and bool(_largest(self.job.fabric, time.monotonic() > deadline))

    def restore_weights(self, checkpoint: Checkpoint) -> None:
        self.job.network.load_state_dict(_under("model", checkpoint.tensors))
        self.best_weights = _under("best", checkpoint.tensors)

    def restore_optimisation(self, checkpoint: Checkpoint) -> None:
        facts = checkpoint.facts
        for name, optimizer in self.optimizers.items():
            if name in facts["optimizers"]:
                unpack_optimizer(optimizer, name, checkpoint.tensors, facts["optimizers"][name])
        if self.average and facts["average_updates"] is not None:
            self.average.updates = facts["average_updates"]
            for name, tensor in _under("average", checkpoint.tensors).items():
                self.average.shadow[name].copy_(tensor)
        if facts["scaler"]:
            self.job.fabric.strategy.precision.load_state_dict(facts["scaler"])

    def save(self) -> Path | None:
        """Write a checkpoint; only the first process does."""
        job, progress = self.job, self.progress
        self.saved = time.monotonic()
        if job.checkpoints is None or not job.fabric.is_global_zero:
            return None
        tensors = {f"model/{name}": tensor for name, tensor in job.network.state_dict().items()}
        tensors |= {f"best/{name}": tensor for name, tensor in self.best_weights.items()}
        if self.average:
            tensors |= {f"average/{name}": tensor for name, tensor in self.average.shadow.items()}
        optimizers = {}
        for name, optimizer in self.optimizers.items():
            parts, optimizers[name] = pack_optimizer(optimizer, name)
            tensors |= parts
        facts = {
            "progress": {**asdict(progress), "seconds": progress.seconds + self.saved - self.started},
            "optimizers": optimizers,
            "average_updates": self.average.updates if self.average else None,
            "scaler": job.fabric.strategy.precision.state_dict(),
            "rounds": [asdict(stretch) for stretch in job.rounds],
        }
        try:
            place = save_checkpoint(job.checkpoints, Checkpoint(facts, tensors), step=progress.steps_taken)
        except OSError as error:
            newest = newest_checkpoint(job.checkpoints)
            kept = f"the last good one is kept: {newest}" if newest else "none was saved before"
            raise Stopped(
                f"the checkpoint of step {progress.steps_taken} cannot be written: {error}; {kept}",
                hint=f"free some space, then `nayan train --resume {job.checkpoints.parent}`",
            ) from error
        position = {"round": progress.round, "epoch": progress.epoch, "step": progress.step}
        job.log("checkpoint", path=str(place), **position)
        return place

    def keep_if_best(self, row: dict[str, Any]) -> bool:
        """Remember the weights (the averaged ones, where they are in use) unless earlier ones were better.

        A score on n pictures is uncertain. Weights within one standard error of the best score so far are
        as good as far as anyone can tell, and of those the later are kept, since the learning rate has
        fallen further (the one-standard-error rule of Breiman et al. 1984).
        """
        progress, score = self.progress, row.get(f"val_{self.job.best_by}")
        if score is not None:
            top = progress.top
            progress.waiting = 0 if top is None or score > top else progress.waiting + 1
            progress.top = score if top is None else max(top, score)
            share = min(1.0, max(0.0, progress.top))
            if score < progress.top - math.sqrt(share * (1 - share) / max(1, self.job.judged_on)):
                return False
        progress.best = row
        self.best_weights = {name: t.detach().clone() for name, t in self.job.network.state_dict().items()}
        return True

    def load_best(self) -> None:
        if self.best_weights:
            self.job.network.load_state_dict(self.best_weights)


def _run_round(state: _State, stop: StopSign, checkpoint: Checkpoint | None) -> None:
    job, progress = state.job, state.progress
    stretch = job.rounds[progress.round]
    apply_freeze(job.stages, stretch.first)
    if stretch.settled:
        settle(job.network)
    feed = job.open_round(progress.round)
    phases = job.task.phases(feed.module)
    scale = lr_scale(job.network, job.stages, stretch)
    state.optimizers = {
        phase.name: build_optimizer(
            job.config.optimizer,
            phase.module,
            lr=stretch.lr,
            weight_decay=job.weight_decay,
            lr_scale=scale,
        )
        for phase in phases
    }
    state.average = Average(feed.module, job.ema) if job.ema else None
    if checkpoint and checkpoint.facts["optimizers"]:
        state.restore_optimisation(checkpoint)
    wrapped, *optimizers = job.fabric.setup(feed.module, *state.optimizers.values())
    turns = list(zip(phases, optimizers, strict=True))
    while progress.epoch < stretch.epochs:
        _run_epoch(state, stop, feed, wrapped, turns)
        over = state.out_of_time()
        patience = job.config.patience
        if over or (patience and progress.waiting >= patience):
            job.log("stop", reason="the time is up" if over else f"no better for {patience} epochs")
            break
        if time.monotonic() - state.saved > job.config.checkpoint_every:
            state.save()
    state.load_best()
    progress.round, progress.epoch, progress.step, progress.waiting = progress.round + 1, 0, 0, 0
    state.optimizers, state.average = {}, None
    place = state.save()
    if _stop_requested(job.fabric, stop):
        raise _interruption(state, stop, place)


def _run_epoch(
    state: _State, stop: StopSign, feed: Feed, wrapped: nn.Module, turns: Sequence[tuple[Phase, Any]]
) -> None:
    job, progress = state.job, state.progress
    stretch = job.rounds[progress.round]
    earlier = sum(before.epochs for before in job.rounds[: progress.round])
    steps, started, seen_before = feed.source.steps, time.monotonic(), progress.seen
    set_mode(job.stages, stretch.first, keep_statistics=stretch.keep_statistics)
    if stretch.settled:
        settle(job.network)
    for batch in feed.source.batches(earlier + progress.epoch, progress.step):
        group = _Group.of(progress.step, steps, job.config.accumulate)
        groups = math.ceil(steps / job.config.accumulate)
        turn = progress.epoch * groups + group.number
        set_lr(
            (optimizer for _, optimizer in turns),
            schedule(turn, stretch.epochs * groups, warmup=job.config.warmup),
        )
        losses = _train_step(state, wrapped, batch, turns, group)
        progress.add_losses(losses, len(batch.ids))
        progress.seen += len(batch.ids)
        progress.step += 1
        progress.steps_taken += 1
        if group.last and _stop_requested(job.fabric, stop):
            raise _interruption(state, stop, state.save())
        if group.last and time.monotonic() - state.saved > job.config.checkpoint_every:
            state.save()
        speed = (progress.seen - seen_before) / max(1e-9, time.monotonic() - started)
        job.log(
            "progress",
            round=stretch.name,
            epoch=earlier + progress.epoch + 1,
            epochs=sum(each.epochs for each in job.rounds),
            step=progress.step,
            steps=steps,
            pictures_per_s=speed,
            losses=progress.mean_losses(),
        )
        if state.out_of_time():
            break
    seconds = time.monotonic() - started
    # read back, not remembered: a run resumed after an epoch's last step takes none of its own
    lr = max(group["lr"] for _, optimizer in turns for group in optimizer.param_groups)
    _end_epoch(state, feed, lr, seconds, (progress.seen - seen_before) / max(1e-9, seconds))


def _end_epoch(state: _State, feed: Feed, lr: float, seconds: float, speed: float) -> None:
    job, progress = state.job, state.progress
    stretch = job.rounds[progress.round]
    earlier = sum(before.epochs for before in job.rounds[: progress.round])
    if state.average:
        state.average.swap()
    try:
        scores = dict(feed.validate())
        train = progress.mean_losses()
        row = {
            "round": stretch.name,
            "epoch": earlier + progress.epoch + 1,
            "train_loss": sum(train.values()),
            **{f"train_{name}": value for name, value in train.items() if len(train) > 1},
            **{f"val_{name}": value for name, value in scores.items()},
            "lr": lr,
            "seconds": round(seconds, 3),
            "pictures_per_s": round(speed, 1),
        }
        best = state.keep_if_best(row)
    finally:
        if state.average:
            state.average.swap()
    progress.history.append(row)
    job.log(
        "epoch",
        round=stretch.name,
        epoch=row["epoch"],
        epochs=sum(each.epochs for each in job.rounds),
        seconds=row["seconds"],
        pictures_per_s=row["pictures_per_s"],
        lr=lr,
        train=train,
        val=scores,
        best=best,
    )
    if job.after_epoch and job.fabric.is_global_zero:
        job.after_epoch(progress)
    progress.epoch, progress.step, progress.seen = progress.epoch + 1, 0, 0
    progress.sums, progress.counts = {}, {}


@dataclass(frozen=True, slots=True)
class _Group:
    """Where a step stands in its group of accumulated gradients."""

    number: int
    size: int
    last: bool

    @staticmethod
    def of(step: int, steps: int, accumulate: int) -> _Group:
        number = step // accumulate
        end = min((number + 1) * accumulate, steps)  # the last group of an epoch may be smaller
        return _Group(number, end - number * accumulate, step + 1 == end)


def _train_step(
    state: _State, wrapped: nn.Module, batch: Batch, turns: Sequence[tuple[Phase, Any]], group: _Group
) -> dict[str, float]:
    """Run every phase once; return the named losses."""
    job, progress = state.job, state.progress
    seed = step_seed(
        job.config.seed,
        progress.round,
        epoch=progress.epoch,
        step=progress.step,
        rank=job.fabric.global_rank,
    )
    torch.manual_seed(seed)
    if (job.config.mixup or job.config.cutmix) and isinstance(batch.targets, Tensor):  # scenes mix their own
        batch = mix(batch, np.random.default_rng(seed), mixup=job.config.mixup, cutmix=job.config.cutmix)
    batch = to_device(batch, job.fabric)
    weight = _share(job.fabric, len(batch.ids)) / group.size
    values: dict[str, float] = {}
    for phase, optimizer in turns:
        if group.number % phase.every:
            continue
        with _only(phase, wrapped), job.fabric.no_backward_sync(wrapped, enabled=not group.last):  # type: ignore[arg-type]
            losses = job.task.losses(wrapped, batch, phase.name)
            job.fabric.backward(torch.stack(list(losses.values())).sum() * weight)
            parts = {name: float(loss.detach()) for name, loss in losses.items()}
            _check_finite(state, parts, batch)
            values |= parts
            if group.last:
                if job.config.clip:
                    job.fabric.clip_gradients(
                        phase.module, optimizer, max_norm=job.config.clip, error_if_nonfinite=False
                    )
                optimizer.step()
                optimizer.zero_grad()
    if group.last and state.average:
        state.average.update()
    return values


@contextlib.contextmanager
def _only(phase: Phase, module: nn.Module) -> Iterator[None]:
    """Let no parameters of `module` but the phase's own take gradients within the block."""
    own = {id(parameter) for parameter in phase.module.parameters()}
    others = [
        parameter for parameter in module.parameters() if parameter.requires_grad and id(parameter) not in own
    ]
    for parameter in others:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in others:
            parameter.requires_grad_(True)


def to_device(batch: Batch, fabric: Fabric) -> Batch:
    """Return the batch with its tensors on the device of this process."""
    return replace(
        batch,
        images=fabric.to_device(batch.images),
        targets=fabric.to_device(batch.targets),
        extra={name: fabric.to_device(tensor) for name, tensor in batch.extra.items()},
    )


def _check_finite(state: _State, parts: Mapping[str, float], batch: Batch) -> None:
    wrong = {name: value for name, value in parts.items() if not math.isfinite(value)}
    if wrong:
        progress = state.progress
        listing = ", ".join(batch.ids[:8]) + (", ..." if len(batch.ids) > 8 else "")
        raise Stopped(
            f"the loss is not finite in epoch {progress.epoch + 1}, step {progress.step + 1} "
            f"({', '.join(f'{name} = {value}' for name, value in wrong.items())}); pictures: {listing}",
            hint="lower --lr, use --precision fp32, or run `nayan doctor DATA`; the last checkpoint is kept",
        )


def _stop_requested(fabric: Fabric, stop: StopSign) -> bool:
    """Return whether any process was asked to stop; all of them must agree on the step."""
    stop.signal = int(_largest(fabric, stop.signal or 0)) or None
    return bool(stop)


def _interruption(state: _State, stop: StopSign, place: Path | None) -> Interrupted:
    checkpoints = state.job.checkpoints
    return Interrupted(
        stop.signal or signal.SIGINT,
        f"stopped after {state.progress.steps_taken} steps; saved {place}",
        hint=f"go on with `nayan train --resume {checkpoints.parent if checkpoints else 'RUN'}`",
    )


def _largest(fabric: Fabric, value: float) -> float:
    """Return the largest of the values that the processes have."""
    if fabric.world_size == 1:
        return value
    largest: Any = fabric.all_reduce(torch.tensor(float(value), device=fabric.device), reduce_op="max")
    return float(largest)


def _share(fabric: Fabric, pictures: int) -> float:
    """Return how much this process's pictures count in the mean of the processes' gradients.

    1 where all have as many; slices of a batch may differ by one, and by pictures that cannot be read.
    """
    if fabric.world_size == 1:
        return 1.0
    total: Any = fabric.all_reduce(torch.tensor(float(pictures), device=fabric.device), reduce_op="sum")
    return pictures * fabric.world_size / float(total)


def _under(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name[len(prefix) + 1 :]: t for name, t in tensors.items() if name.startswith(prefix + "/")}
