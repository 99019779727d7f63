"""The moving parts of a training run: what a checkpoint holds, and which weights are the best."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from torch import Tensor, nn
from torch.optim import Optimizer

from nayan.core.errors import Stopped
from nayan.training.checkpoint import (
    Checkpoint,
    newest_checkpoint,
    pack_optimizer,
    save_checkpoint,
    unpack_optimizer,
)
from nayan.training.job import Job, Progress
from nayan.training.optimise import Average
from nayan.training.processes import largest


class State:
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
        return deadline is not None and bool(largest(self.job.fabric, time.monotonic() > deadline))

    def restore_weights(self, checkpoint: Checkpoint) -> None:
        """Put the weights of a checkpoint into the network, and remember the best ones."""
        self.job.network.load_state_dict(_under("model", checkpoint.tensors))
        remembered = _remembered(self.job.network)
        for name, tensor in _under("memory", checkpoint.tensors).items():
            remembered[name].copy_(tensor)
        self.best_weights = _under("best", checkpoint.tensors)

    def restore_optimisation(self, checkpoint: Checkpoint) -> None:
        """Go on with the optimisers, the average and the loss scale of a checkpoint."""
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
        tensors |= {f"memory/{name}": tensor for name, tensor in _remembered(job.network).items()}
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

        A share of n pictures is uncertain. Weights within one standard error of the best score so far are
        as good as far as anyone can tell, and of those the later are kept, since the learning rate has
        fallen further (the one-standard-error rule of Breiman et al. 1984).
        """
        progress, score = self.progress, row.get(f"val_{self.job.best_by}")
        if score is not None:
            score, top = -score if self.job.best_is == "lowest" else score, progress.top
            progress.waiting = 0 if top is None or score > top else progress.waiting + 1
            progress.top = score if top is None else max(top, score)
            if score < progress.top - self._uncertainty(progress.top):
                return False
        progress.best = row
        self.best_weights = {name: t.detach().clone() for name, t in self.job.network.state_dict().items()}
        return True

    def _uncertainty(self, share: float) -> float:
        """Return the standard error of a share of the validation pictures; 0 for scores of another kind."""
        if self.job.best_is != "share":
            return 0.0
        share = min(1.0, max(0.0, share))
        return math.sqrt(share * (1 - share) / max(1, self.job.judged_on))

    def load_best(self) -> None:
        """Leave the best weights so far in the network."""
        if self.best_weights:
            self.job.network.load_state_dict(self.best_weights)


def _under(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name[len(prefix) + 1 :]: t for name, t in tensors.items() if name.startswith(prefix + "/")}


def _remembered(network: nn.Module) -> dict[str, Tensor]:
    """Return what a step changes, the next one needs and no weight is: buffers that are not persistent."""
    weights = network.state_dict().keys()
    return {name: buffer for name, buffer in network.named_buffers() if name not in weights}
