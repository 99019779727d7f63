"""One step of full fine-tuning, batch 16 at 224: nayan's loop against plain torch in float32.

    python benchmarks/finetune_step.py

nayan: its loop with its own choices for this machine (bf16 where the CPU multiplies it in hardware, channels
last), from uint8 pixels, with clipping and averaged weights. BatchNorm keeps its statistics, as in its recipe
for pretrained weights; once more with BatchNorm in train mode. The peer: the same network from timm in
float32, contiguous, train mode, AdamW, from normalised pictures. Runs of several steps in turn, the median
step of each. Target: 2 times for resnet18; the margin comes from bf16, so a CPU without it is not expected
to reach it.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import timm
import torch
from torch import nn

from measure import Claim, Cost, in_turn, median, publish
from nayan.core.config import TrainConfig
from nayan.core.events import EventLog
from nayan.core.types import Label
from nayan.runtime.preprocess import Placement
from nayan.tasks.base import Batch, Task
from nayan.tasks.classification.catalog import MODELS
from nayan.tasks.classification.task import ClassificationTask
from nayan.training.freeze import Round
from nayan.training.job import Feed, Job
from nayan.training.loop import fit
from nayan.training.machine import choose_precision, make_fabric, set_threads
from settle import settle

NETWORKS = ("resnet18", "mobilenetv2_100")
CLASSES = ("a", "b", "c", "d", "e")
BATCH, SIZE = 16, (224, 224)


@dataclass
class Stopwatch:
    """Gives the same batch for every step and notes what each step took."""

    batch: Batch
    steps: int
    costs: list[Cost] = field(default_factory=list)

    @property
    def pictures(self) -> int:
        return self.steps * len(self.batch.ids)

    def batches(self, epoch: int, start: int = 0) -> Iterator[Batch]:  # noqa: ARG002
        for step in range(self.steps):
            wall, cpu = time.perf_counter(), time.process_time()
            yield self.batch
            if step:  # the first step allocates
                self.costs.append(Cost(time.perf_counter() - wall, time.process_time() - cpu))


def nayan_steps(name: str, precision: str, *, keep_statistics: bool, steps: int) -> Callable[[], Cost]:
    """Return a function that gives the median step of a short training."""
    task = ClassificationTask(len(CLASSES))
    network = task.build(MODELS[name], CLASSES).to(memory_format=torch.channels_last)
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (BATCH, *SIZE, 3), dtype=torch.uint8, generator=generator)
    settle(network, pixels.permute(0, 3, 1, 2))
    batch = Batch(
        images=pixels.permute(0, 3, 1, 2),
        targets=torch.eye(len(CLASSES))[torch.arange(BATCH) % len(CLASSES)],
        ids=tuple(map(str, range(BATCH))),
        placements=(Placement(SIZE, (1.0, 1.0), (0.0, 0.0)),) * BATCH,
        truths=tuple(Label(row % len(CLASSES)) for row in range(BATCH)),
    )

    stretch = Round("fine-tune", 0, 1, 1e-4, keep_statistics=keep_statistics)
    return loop_steps(task, network, batch, stretch, precision=precision, steps=steps, ema=0.98)


def loop_steps(
    task: Task, network: Any, batch: Batch, stretch: Round, *, precision: str, steps: int, ema: float
) -> Callable[[], Cost]:
    """Return a function that gives the median step of nayan's loop on one batch, again and again."""

    def run() -> Cost:
        watch = Stopwatch(batch, steps)
        fabric = make_fabric("cpu", precision)
        set_threads((batch.images.shape[2], batch.images.shape[3]))
        job = Job(
            fabric=fabric,
            task=task,
            network=network,
            stages=network.stages(),
            rounds=[stretch],
            open_round=lambda _: Feed(network, watch, dict),
            config=TrainConfig(data=Path()),
            weight_decay=0.05,
            ema=ema,
            log=EventLog(None),
            checkpoints=None,
        )
        fit(job)
        return median(watch.costs)

    return run


def torch_steps(name: str, *, steps: int) -> Callable[[], Cost]:
    """Return a function that gives the median step of plain torch."""
    images = torch.randn(BATCH, 3, *SIZE, generator=torch.Generator().manual_seed(0))
    labels = torch.arange(BATCH) % len(CLASSES)
    return plain_steps(timm.create_model(name, num_classes=len(CLASSES)), images, labels, steps=steps)


def plain_steps(
    network: nn.Module, images: torch.Tensor, labels: torch.Tensor, *, steps: int
) -> Callable[[], Cost]:
    """Return a function that gives the median step of a plain loop with cross-entropy."""
    optimizer = torch.optim.AdamW(network.train().parameters(), lr=1e-4, weight_decay=0.05)

    def run() -> Cost:
        costs = []
        for _ in range(steps):
            wall, cpu = time.perf_counter(), time.process_time()
            optimizer.zero_grad()
            nn.functional.cross_entropy(network(images), labels).backward()
            optimizer.step()
            costs.append(Cost(time.perf_counter() - wall, time.process_time() - cpu))
        return median(costs[1:])

    return run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=5)
    options = parser.parse_args()
    precision = choose_precision("auto", "cpu")
    set_threads(SIZE)  # all cores, for the peer as well
    claims: list[Claim] = []
    costs: dict[str, Cost | float] = {}
    for name in NETWORKS:
        ways = {
            f"nayan {precision}": nayan_steps(name, precision, keep_statistics=True, steps=options.steps),
            f"nayan {precision}, BatchNorm in train mode": nayan_steps(
                name, precision, keep_statistics=False, steps=options.steps
            ),
            "torch fp32": torch_steps(name, steps=options.steps),
        }
        measured = in_turn(ways, rounds=options.rounds)
        theirs = measured["torch fp32"]
        for way, cost in list(measured.items())[:2]:
            claims.append(Claim(f"{name}, {way}", theirs.wall_s / cost.wall_s, 2))
            claims.append(Claim(f"{name}, {way}, in processor time", theirs.cpu_s / cost.cpu_s, 2))
        costs |= {f"{name}, {way}, a step": cost for way, cost in measured.items()}
    versions = {name: version(name) for name in ("nayan", "torch", "timm")}
    publish("finetune_step", claims, costs=costs, versions=versions)


if __name__ == "__main__":
    main()
