"""One step of a DCGAN, batch 64 at 64: nayan's loop against the plain loop in float32.

    python benchmarks/dcgan_step.py

nayan: its loop with its own choices (channels last, the generator first, its drawings shown to the
discriminator, gradients only for the one whose turn it is), from uint8 pixels, with clipping and averaged
weights. The peer: the usual DCGAN loop in torch on networks of the same layers, contiguous: the
discriminator on real pictures, then on drawn ones, its step, the discriminator again with gradients for
all, the generator's step; from normalised pictures, with binary cross-entropy and Adam. Runs of several
steps in turn, the median step of each.

Nine tenths of a step are convolutions on both sides, and they do the same work: of the peer's twelve passes
(a way forward counts one, a way back two) nayan spares one. So on a CPU without bf16 there is little to
win, and the target of 1.7 is not met there.
"""

from __future__ import annotations

import argparse
import itertools
import time
from collections.abc import Callable
from importlib.metadata import version

import numpy as np
import torch
from torch import nn

from finetune_step import loop_steps
from measure import Claim, Cost, in_turn, median, publish
from nayan.core.types import Original
from nayan.runtime.preprocess import Placement
from nayan.tasks.base import Batch
from nayan.tasks.generation.sampling.catalog import LATENT, MODELS
from nayan.tasks.generation.sampling.task import SamplingTask
from nayan.training.freeze import Round
from nayan.training.machine import choose_precision, set_threads

BATCH, SIDE, WIDTH = 64, 64, 64
TARGET = 1.7


def nayan_steps(precision: str, *, steps: int) -> Callable[[], Cost]:
    """Return a function that gives the median step of a short training."""
    task = SamplingTask()
    network = task.build(MODELS["dcgan"], (), width=WIDTH).to(memory_format=torch.channels_last)
    rng = np.random.default_rng(0)
    pixels = torch.from_numpy(rng.integers(0, 256, (BATCH, SIDE, SIDE, 3), dtype=np.uint8))
    batch = Batch(
        images=pixels.permute(0, 3, 1, 2),
        targets=torch.zeros(BATCH, dtype=torch.int64),
        ids=tuple(map(str, range(BATCH))),
        placements=(Placement((SIDE, SIDE), (1.0, 1.0), (0.0, 0.0)),) * BATCH,
        truths=(Original(lambda: np.zeros((SIDE, SIDE, 3), np.uint8)),) * BATCH,
    )
    return loop_steps(
        task, network, batch, Round("train", 0, 1, 2e-4), precision=precision, steps=steps, ema=0.995
    )


def plain_networks() -> tuple[nn.Module, nn.Module]:
    """Return a generator and a discriminator of the layers of DCGAN for 64 px, as one usually writes them."""
    widths = (8 * WIDTH, 4 * WIDTH, 2 * WIDTH, WIDTH)
    up: list[nn.Module] = [nn.ConvTranspose2d(LATENT, widths[0], 4, bias=False)]
    for before, after in zip(widths, (*widths[1:], 3), strict=True):
        up += [nn.BatchNorm2d(before), nn.ReLU(inplace=True)]
        up.append(nn.ConvTranspose2d(before, after, 4, stride=2, padding=1, bias=False))
    down: list[nn.Module] = [nn.Conv2d(3, WIDTH, 4, stride=2, padding=1, bias=False), nn.LeakyReLU(0.2, True)]
    for after, before in itertools.pairwise(widths):
        down[2:2] = [
            nn.Conv2d(before, after, 4, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(after),
            nn.LeakyReLU(0.2, inplace=True),
        ]
    return nn.Sequential(*up, nn.Tanh()), nn.Sequential(*down, nn.Conv2d(widths[0], 1, 4), nn.Sigmoid())


def torch_steps(*, steps: int) -> Callable[[], Cost]:
    """Return a function that gives the median step of the plain loop."""
    generator, discriminator = plain_networks()
    draws, judges = (
        torch.optim.Adam(network.parameters(), lr=2e-4, betas=(0.5, 0.999))
        for network in (generator, discriminator)
    )
    images = torch.randn(BATCH, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(0))
    real, fake = torch.ones(BATCH), torch.zeros(BATCH)
    error = nn.BCELoss()

    def step() -> None:
        discriminator.zero_grad()
        error(discriminator(images).flatten(), real).backward()
        drawn = generator(torch.randn(BATCH, LATENT, 1, 1))
        error(discriminator(drawn.detach()).flatten(), fake).backward()
        judges.step()
        generator.zero_grad()
        error(discriminator(drawn).flatten(), real).backward()
        draws.step()

    def run() -> Cost:
        costs = []
        for _ in range(steps):
            wall, cpu = time.perf_counter(), time.process_time()
            step()
            costs.append(Cost(time.perf_counter() - wall, time.process_time() - cpu))
        return median(costs[1:])

    return run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=4)
    options = parser.parse_args()
    precision = choose_precision("auto", "cpu")
    set_threads((SIDE, SIDE))  # all cores, for the peer as well
    ours, theirs = f"nayan {precision}", "torch fp32"
    measured = in_turn(
        {ours: nayan_steps(precision, steps=options.steps), theirs: torch_steps(steps=options.steps)},
        rounds=options.rounds,
    )
    claims = [
        Claim(f"DCGAN step, {ours}", measured[theirs].wall_s / measured[ours].wall_s, TARGET),
        Claim(
            f"DCGAN step, {ours}, in processor time", measured[theirs].cpu_s / measured[ours].cpu_s, TARGET
        ),
    ]
    versions = {name: version(name) for name in ("nayan", "torch")}
    publish(
        "dcgan_step", claims, costs={f"{way}, a step": c for way, c in measured.items()}, versions=versions
    )


if __name__ == "__main__":
    main()
