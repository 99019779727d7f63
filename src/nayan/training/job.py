"""What a training run is told and where it stands: the values that its loop works on."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from lightning_fabric import Fabric
from torch import nn

from nayan.core.config import TrainConfig
from nayan.core.events import EventLog
from nayan.tasks.base import Task
from nayan.training.freeze import Round, Stages
from nayan.training.loader import Source


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
        best_by: name of the validation score that decides; "" keeps the last.
        best_is: whether it is a share in [0, 1], or a number of which the highest or lowest is the best.
        judged_on: how many pictures it is measured on.
        deadline: `time.monotonic()` after which training ends with what it has; None = no limit.
        after_epoch: called with the progress, by the first process only.
        snapshot: called with the number of an epoch, from 1, while its network holds the weights that were
            validated; by the first process only.
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
    best_is: Literal["share", "highest", "lowest"] = "share"
    judged_on: int = 0
    deadline: float | None = None
    after_epoch: Callable[[Progress], None] | None = None
    snapshot: Callable[[int], None] | None = None


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
        top: the best validation score so far; with its sign turned where the lowest is the best.
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
