"""A training step of `unet` on a backbone, against segmentation_models.pytorch's Unet on the same encoder.

    python benchmarks/segmenter_steps.py            # steps in turn, several minutes
    python benchmarks/segmenter_steps.py --costs    # parameters and multiplications of every segmenter

Both networks in float32, channels last, train mode, AdamW, the same cross-entropy and random pixels; 12
classes, batch 2, 256x256 and 480x352 px, one thread. What differs is the architecture alone: the way up.
Targets: at least as fast, and no more multiplications.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

import segmentation_models_pytorch as smp
import torch
from torch import nn

from measure import Claim, Cost, in_turn, publish, timed
from nayan.core.registry import resolve
from nayan.parts.losses.cross_entropy import dense_cross_entropy
from nayan.tasks.segmentation.catalog import MODELS
from nayan.tasks.segmentation.models.unet import unet

ENCODERS = ("mobilenetv2_100", "resnet18")
SIZES = ((256, 256), (352, 480))
BATCH, CLASSES = 2, 12
HALF: dict[str, Any] = {"mean": (0.5,) * 3, "std": (0.25,) * 3}


def multiplications(network: nn.Module, size: tuple[int, int]) -> float:
    """Return the 10^9 multiplications of convolutions and linear layers for one picture."""
    count = 0

    def watch(layer: Any, taken: Any, given: Any) -> None:
        nonlocal count
        at = taken[0] if isinstance(layer, nn.ConvTranspose2d) else given
        cells = at.numel() // at.shape[-1] if isinstance(layer, nn.Linear) else at.shape[2] * at.shape[3]
        count += cells * layer.weight.numel()

    kinds = (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)
    handles = [m.register_forward_hook(watch) for m in network.modules() if isinstance(m, kinds)]
    with torch.no_grad():
        network.eval()(torch.empty(1, 3, *size, device=next(network.parameters()).device))
    for handle in handles:
        handle.remove()
    return count / 1e9


def parameters(network: nn.Module) -> int:
    return sum(p.numel() for p in network.parameters())


def stepper(network: nn.Module, size: tuple[int, int]) -> Callable[[], Cost]:
    """Return a function that takes one step."""
    network = network.to(memory_format=torch.channels_last).train()
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-4)
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(BATCH, 3, *size, generator=generator).contiguous(memory_format=torch.channels_last)
    masks = torch.randint(0, CLASSES, (BATCH, *size), generator=generator)

    def step() -> None:
        given = network.train()(images)
        dense_cross_entropy(getattr(given, "logits", given), masks).backward()
        optimizer.step()
        optimizer.zero_grad()

    return lambda: timed(step)


def print_costs() -> None:
    """Print parameters and multiplications at 256x256 px: two classes, 21 of torchvision's."""
    for entry in MODELS:
        classes = tuple(map(str, range(21 if entry.pretrained == "coco" else 2)))
        network = resolve(entry.build)(classes, size=(256, 256), **entry.args, **HALF)
        _print(entry.name, network)
    for name in ENCODERS:
        _print(f"unet --backbone {name}", unet(("0", "1"), backbone=name, size=(256, 256), **HALF))
        args = {**MODELS["fcn8s"].args, "backbone": name, "size": (256, 256), **HALF}
        _print(f"fcn8s --backbone {name}", resolve(MODELS["fcn8s"].build)(("0", "1"), **args))
        _print(f"smp.Unet tu-{name}", smp.Unet(f"tu-{name}", encoder_weights=None, classes=2))
    for width in (32, 64):
        _print(f"unet, width={width}", unet(("0", "1"), width=width, size=(256, 256), **HALF))


def _print(name: str, network: nn.Module) -> None:
    gmac = multiplications(network.to("meta"), (256, 256))
    print(f"{name:34} {parameters(network):>11,} parameters {gmac:7.2f} GMAC")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--costs", action="store_true", help="print what every segmenter takes, and end")
    options = parser.parse_args()
    if options.costs:
        print_costs()
        return
    torch.set_num_threads(1)
    claims: list[Claim] = []
    costs: dict[str, Cost | float] = {}
    for name in ENCODERS:
        for size in SIZES:
            torch.manual_seed(0)
            classes = tuple(map(str, range(CLASSES)))
            networks = {
                "unet": unet(classes, backbone=name, size=size, **HALF),
                "smp.Unet": smp.Unet(f"tu-{name}", encoder_weights=None, classes=CLASSES),
            }
            work = {way: multiplications(network, size) for way, network in networks.items()}
            measured = in_turn({k: stepper(n, size) for k, n in networks.items()}, rounds=options.rounds)
            label = f"{name}, {size[1]}x{size[0]}"
            ratio = measured["smp.Unet"].wall_s / measured["unet"].wall_s
            claims.append(Claim(f"{label}: a step", ratio, 1))
            claims.append(Claim(f"{label}: multiplications", work["smp.Unet"] / work["unet"], 1))
            costs |= {f"{label}, {way}, a step": cost for way, cost in measured.items()}
    packages = ("nayan", "torch", "timm", "segmentation-models-pytorch")
    publish("segmenter_steps", claims, costs=costs, versions={p: version(p) for p in packages})


if __name__ == "__main__":
    main()
