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
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from nayan.core.errors import Stopped
from nayan.tasks.base import Batch, Phase
from nayan.training.augment import mix
from nayan.training.checkpoint import Checkpoint
from nayan.training.freeze import apply_freeze, lr_scale, set_mode, settle
from nayan.training.interrupt import Interrupted, StopSign
from nayan.training.job import Feed, Job, Progress
from nayan.training.optimise import Average, build_optimizer, schedule, set_lr
from nayan.training.order import step_seed
from nayan.training.processes import share_of_mean, stop_requested, to_device
from nayan.training.state import State


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
    state = State(job, Progress(**facts.get("progress", {})))
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


def _run_round(state: State, stop: StopSign, checkpoint: Checkpoint | None) -> None:
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
            lr=stretch.lr * phase.rate,
            weight_decay=job.weight_decay,
            lr_scale=scale,
            betas=phase.betas,
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
    if stop_requested(job.fabric, stop):
        raise _interruption(state, stop, place)


def _run_epoch(
    state: State, stop: StopSign, feed: Feed, wrapped: nn.Module, turns: Sequence[tuple[Phase, Any]]
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
        if group.last and stop_requested(job.fabric, stop):
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


def _end_epoch(state: State, feed: Feed, lr: float, seconds: float, speed: float) -> None:
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
            "train_loss": sum(value for name, value in train.items() if name not in job.task.recorded),
            **{f"train_{name}": value for name, value in train.items() if len(train) > 1},
            **{f"val_{name}": value for name, value in scores.items()},
            "lr": lr,
            "seconds": round(seconds, 3),
            "pictures_per_s": round(speed, 1),
        }
        best = state.keep_if_best(row)
        if job.snapshot and job.fabric.is_global_zero:
            job.snapshot(earlier + progress.epoch + 1)
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
    state: State, wrapped: nn.Module, batch: Batch, turns: Sequence[tuple[Phase, Any]], group: _Group
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
    weight = share_of_mean(job.fabric, len(batch.ids)) / group.size
    values: dict[str, float] = {}
    for phase, optimizer in turns:
        if group.number % phase.every:
            continue
        with _only(phase, wrapped), job.fabric.no_backward_sync(wrapped, enabled=not group.last):  # type: ignore[arg-type]
            losses = job.task.losses(wrapped, batch, phase.name)
            minimised = [loss for name, loss in losses.items() if name not in job.task.recorded]
            job.fabric.backward(torch.stack(minimised).sum() * weight)
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


def _check_finite(state: State, parts: Mapping[str, float], batch: Batch) -> None:
    wrong = {name: value for name, value in parts.items() if not math.isfinite(value)}
    if wrong:
        progress = state.progress
        listing = ", ".join(batch.ids[:8]) + (", ..." if len(batch.ids) > 8 else "")
        raise Stopped(
            f"the loss is not finite in epoch {progress.epoch + 1}, step {progress.step + 1} "
            f"({', '.join(f'{name} = {value}' for name, value in wrong.items())}); pictures: {listing}",
            hint="lower --lr, use --precision fp32, or run `nayan doctor DATA`; the last checkpoint is kept",
        )


def _interruption(state: State, stop: StopSign, place: Path | None) -> Interrupted:
    checkpoints = state.job.checkpoints
    return Interrupted(
        stop.signal or signal.SIGINT,
        f"stopped after {state.progress.steps_taken} steps; saved {place}",
        hint=f"go on with `nayan train --resume {checkpoints.parent if checkpoints else 'RUN'}`",
    )
