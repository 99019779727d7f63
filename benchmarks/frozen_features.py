"""Ten epochs of a head on a frozen backbone: nayan's cached features against torch that computes them anew.

    python benchmarks/frozen_features.py

128 JPEGs of 320x240, batch 32, AdamW, all cores for both, random weights. nayan: its loop, which sends each
picture once through the backbone and then trains on what came out; making the ONNX graph for that is on the
clock. The peer: the same network from timm in float32, contiguous as it comes, the backbone in eval mode and
without gradients, every picture through it in every epoch; once with Pillow and transforms v2 in front of it
(a DataLoader with two workers), once with all pictures decoded beforehand, outside of the clock. Whole
trainings in turn, medians on the clock. Target: 20 times.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable
from importlib.metadata import version

import timm
import torch
from lightning_fabric import Fabric
from torch import Tensor, nn
from torch.utils.data import DataLoader
from torchvision.datasets import ImageFolder
from torchvision.transforms import v2

from measure import Claim, Cost, in_turn, publish, timed
from nayan.core.config import TrainConfig
from nayan.core.events import EventLog
from nayan.core.types import Dataset
from nayan.data.readers.folder import FolderReader
from nayan.tasks.classification.catalog import MODELS
from nayan.tasks.classification.task import ClassificationTask
from nayan.training.features import extract
from nayan.training.freeze import Round, Tail
from nayan.training.job import Feed, Job
from nayan.training.loader import Prepare, StreamSource
from nayan.training.loop import fit
from nayan.training.machine import choose_precision, cores, make_fabric, set_threads
from pictures import jpeg_folder
from settle import settle

NETWORKS = ("resnet18", "mobilenetv2_100")
BATCH = 32


def nayan_training(name: str, data: Dataset, fabric: Fabric, *, epochs: int) -> Callable[[], None]:
    """Return a function that trains a fresh head: features once, then epochs on them."""
    entry, task = MODELS[name], ClassificationTask(len(data.classes))
    network = task.build(entry, data.classes).to(memory_format=torch.channels_last)
    settle(network, torch.randint(0, 256, (8, 3, *entry.preprocess.size), dtype=torch.uint8))
    stages = network.stages()
    last = len(stages) - 1

    def open_round(_: int) -> Feed:
        pictures = StreamSource(
            Prepare(data, entry.preprocess),
            len(data),
            task.collate,
            batch=BATCH,
            threads=cores(),
            shuffle=False,
        )
        features = extract(stages[:last], [(pictures, 0)], fabric=fabric, batch=BATCH)
        return Feed(Tail(stages[last:]), features, dict)

    job = Job(
        fabric=fabric,
        task=task,
        network=network,
        stages=stages,
        rounds=[Round("head", last, epochs, 1e-3, views=1, keep_statistics=True)],
        open_round=open_round,
        config=TrainConfig(data=data.root),
        weight_decay=0.05,
        ema=0.98,
        log=EventLog(None),
        checkpoints=None,
    )
    return lambda: fit(job)


def torch_training(
    name: str, batches: Iterable[tuple[Tensor, Tensor]], *, classes: int, epochs: int
) -> Callable[[], None]:
    """Return a function that trains a fresh head in plain torch."""
    network = timm.create_model(name, num_classes=classes)
    settle(network, torch.randn(8, 3, *MODELS[name].preprocess.size))
    network.requires_grad_(False).eval()
    head = network.get_classifier().requires_grad_(True)

    def train() -> None:
        optimizer = torch.optim.AdamW(head.parameters(), lr=1e-3)
        for _ in range(epochs):
            for images, labels in batches:
                optimizer.zero_grad()
                nn.functional.cross_entropy(network(images), labels).backward()
                optimizer.step()

    return train


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--pictures", type=int, default=128)
    options = parser.parse_args()
    folder = jpeg_folder(options.pictures, (320, 240))
    data = FolderReader().read(folder, "all")
    fabric = make_fabric("cpu", choose_precision("auto", "cpu"))
    set_threads((224, 224))  # all cores, for the peer as well
    claims: list[Claim] = []
    costs: dict[str, Cost | float] = {}
    for name in NETWORKS:
        preprocess = MODELS[name].preprocess
        transform = v2.Compose(
            [
                v2.Resize(round(preprocess.size[0] / preprocess.crop_ratio)),
                v2.CenterCrop(preprocess.size),
                v2.ToImage(),
                v2.ToDtype(torch.float32, scale=True),
                v2.Normalize(preprocess.mean, preprocess.std),
            ]
        )
        loader = DataLoader(ImageFolder(folder, transform), BATCH, shuffle=True, num_workers=2)
        decoded = list(loader)
        measured = in_turn(
            {
                way: (lambda train=train: timed(train))
                for way, train in {
                    "nayan": nayan_training(name, data, fabric, epochs=options.epochs),
                    "torch": torch_training(name, loader, classes=len(data.classes), epochs=options.epochs),
                    "torch, decoded beforehand": torch_training(
                        name, decoded, classes=len(data.classes), epochs=options.epochs
                    ),
                }.items()
            },
            rounds=options.rounds,
            warm=False,  # they take minutes
        )
        ours = measured["nayan"]
        for way in ("torch", "torch, decoded beforehand"):
            theirs = measured[way]
            claims.append(Claim(f"{name} against {way}", theirs.wall_s / ours.wall_s, 20))
            claims.append(Claim(f"{name} against {way}, in processor time", theirs.cpu_s / ours.cpu_s, 20))
        costs |= {f"{name}, {way}": cost for way, cost in measured.items()}
    versions = {name: version(name) for name in ("nayan", "torch", "timm", "onnxruntime")}
    publish("frozen_features", claims, costs=costs, versions=versions)


if __name__ == "__main__":
    main()
