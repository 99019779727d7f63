"""U-Net on resnet18 at 256 px: a training step and a prediction against plain torch in float32.

    python benchmarks/segment_speed.py

Step: batch 8. nayan: its loop with its own choices for this machine (bf16 where the CPU multiplies it in
hardware, channels last), from uint8 pixels, cross-entropy and Dice, with clipping and averaged weights. The
peer: segmentation_models.pytorch's Unet on the same encoder, contiguous, float32, AdamW, cross-entropy, from
normalised pictures. Prediction: one picture, the network alone; ours exported, in ONNX Runtime and, where it
is installed, OpenVINO, against ours in torch and against the peer's in torch. Targets: a step 2.2 times (the
margin comes from bf16, so a CPU without it is not expected to reach it); ONNX Runtime 1.5 times, OpenVINO in
bf16 3 times.
"""

from __future__ import annotations

import argparse
import importlib.util
import tempfile
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import segmentation_models_pytorch as smp
import torch

from finetune_step import loop_steps, plain_steps
from measure import Claim, Cost, in_turn, publish, timed
from nayan.core.types import SemanticMask
from nayan.parts.trace import trace_onnx
from nayan.runtime.backends.onnx import OnnxBackend
from nayan.runtime.preprocess import Placement
from nayan.tasks.base import Batch
from nayan.tasks.segmentation.catalog import MODELS
from nayan.tasks.segmentation.task import SegmentationTask
from nayan.training.freeze import Round
from nayan.training.machine import choose_precision, cpu_has_bf16, set_threads

ENCODER, SIZE, BATCH = "resnet18", (256, 256), 8
CLASSES = tuple("abcdefghijk")


def network_of() -> tuple[SegmentationTask, Any]:
    """Return the task and our network."""
    task = SegmentationTask()
    network: Any = task.build(MODELS["unet"], CLASSES, backbone=ENCODER, size=SIZE)
    return task, network.to(memory_format=torch.channels_last)


def nayan_steps(precision: str, *, steps: int) -> Callable[[], Cost]:
    """Return a function that gives the median step of a short training."""
    task, network = network_of()
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (BATCH, *SIZE, 3), dtype=torch.uint8, generator=generator)
    masks = torch.randint(0, len(CLASSES), (BATCH, *SIZE), generator=generator)
    batch = Batch(
        images=pixels.permute(0, 3, 1, 2),
        targets=masks,
        ids=tuple(map(str, range(BATCH))),
        placements=(Placement(SIZE, (1.0, 1.0), (0.0, 0.0)),) * BATCH,
        truths=tuple(SemanticMask(ids) for ids in masks.numpy().astype(np.uint8)),
    )

    stretch = Round("fine-tune", 0, 1, 1e-4)
    return loop_steps(task, network, batch, stretch, precision=precision, steps=steps, ema=0.99)


def torch_steps(*, steps: int) -> Callable[[], Cost]:
    """Return a function that gives the median step of plain torch."""
    images = torch.randn(BATCH, 3, *SIZE, generator=torch.Generator().manual_seed(0))
    masks = torch.randint(0, len(CLASSES), (BATCH, *SIZE))
    return plain_steps(peer(), images, masks, steps=steps)


def peer() -> Any:
    """Return the Unet of segmentation_models.pytorch on the same encoder."""
    return smp.Unet(f"tu-{ENCODER}", encoder_weights=None, classes=len(CLASSES))


def predictions(folder: Path) -> dict[str, Callable[[], Cost]]:
    """Return the ways to predict one picture, ten times each."""
    network = network_of()[1].eval()
    graph = folder / "model.onnx"
    graph.write_bytes(
        trace_onnx(Deployed(network), torch.zeros(2, *SIZE, 3, dtype=torch.uint8), ["probabilities"])
    )
    pixels = np.random.default_rng(0).integers(0, 256, (1, *SIZE, 3), dtype=np.uint8)
    planes = torch.from_numpy(pixels).permute(0, 3, 1, 2)
    other, normal = peer().eval(), torch.randn(1, 3, *SIZE)
    onnx = OnnxBackend(graph)
    ways: dict[str, Callable[[], object]] = {
        "onnxruntime": lambda: onnx(pixels),
        "torch fp32": lambda: network(planes),
        "the peer in torch fp32": lambda: other(normal),
    }
    if importlib.util.find_spec("openvino"):
        from nayan.runtime.backends.openvino import OpenVinoBackend

        openvino = OpenVinoBackend(graph)
        ways[f"openvino {'bf16' if cpu_has_bf16() else 'fp32'}"] = lambda: openvino(pixels)

    def ten(way: Callable[[], object]) -> Callable[[], Cost]:
        def run() -> Cost:
            with torch.inference_mode():
                return timed(lambda: [way() for _ in range(10)])

        return run

    return {name: ten(way) for name, way in ways.items()}


class Deployed(torch.nn.Module):
    """What is exported: from (B, h, w, C) uint8 pixels to the named outputs."""

    def __init__(self, network: Any) -> None:
        super().__init__()
        self.network = network

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.network.deploy(self.network(pixels.permute(0, 3, 1, 2)))["probabilities"]
        return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=4)
    options = parser.parse_args()
    precision = choose_precision("auto", "cpu")
    set_threads(SIZE)
    steps = {
        f"nayan {precision}": nayan_steps(precision, steps=options.steps),
        "the peer in torch fp32": torch_steps(steps=options.steps),
    }
    stepped = in_turn(steps, rounds=options.rounds)
    mine, theirs = stepped.values()
    claims = [Claim("training step", theirs.wall_s / mine.wall_s, 2.2)]
    with tempfile.TemporaryDirectory() as folder:
        answered = in_turn(predictions(Path(folder)), rounds=options.rounds)
    for name, cost in answered.items():
        if "torch" not in name:
            target = 1.5 if name == "onnxruntime" else 3
            claims.append(Claim(f"{name} against torch", answered["torch fp32"].wall_s / cost.wall_s, target))
            against = answered["the peer in torch fp32"].wall_s / cost.wall_s
            claims.append(Claim(f"{name} against the peer", against, target))
    costs: dict[str, Cost | float] = {f"step, {name}": cost for name, cost in stepped.items()}
    costs |= {f"ten pictures, {name}": cost for name, cost in answered.items()}
    names = ("nayan", "torch", "onnxruntime", "segmentation-models-pytorch")
    publish("segment_speed", claims, costs=costs, versions={name: version(name) for name in names})


if __name__ == "__main__":
    main()
