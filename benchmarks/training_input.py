"""From JPEG files to batches for training: nayan against torchvision's ImageFolder, v2 and DataLoader.

    python benchmarks/training_input.py

Both take random resized crops (scale 0.35 to 1, ratio 3/4 to 4/3) at 224 and mirror half of them, batch 32,
two workers. torchvision decodes with Pillow and gives normalised float32, as its documentation shows;
its worker processes are started before the clock. nayan gives uint8, which is what its networks take;
"with normalisation" adds the network's first layer, which makes the same float32 of it. Epochs in turn,
medians of the pictures a second on the clock. Targets: 2.5 times as many streamed, 10 times from the cache.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import torch
from torch.utils.data import DataLoader
from torchvision.datasets import ImageFolder
from torchvision.transforms import v2

from measure import Claim, Cost, in_turn, publish, timed
from nayan.data.cache import DecodedCache
from nayan.data.readers.folder import FolderReader
from nayan.parts.normalise import Normalise
from nayan.runtime.preprocess import Preprocess
from nayan.tasks.classification.task import ClassificationTask
from nayan.training.augment import Augment
from nayan.training.loader import PrepareAugmented, StreamSource
from pictures import jpeg_folder

SIZES = ((1280, 960), (400, 300))
BATCH, WORKERS = 32, 2
PREPROCESS = Preprocess((224, 224))
AUGMENT = Augment(scale=(0.35, 1.0), ratio=(3 / 4, 4 / 3), flip=0.5)


def torchvision_epochs(folder: Path) -> Callable[[], None]:
    """Return a function that goes through one epoch of a DataLoader."""
    transform = v2.Compose(
        [
            v2.RandomResizedCrop(PREPROCESS.size, scale=AUGMENT.scale, ratio=AUGMENT.ratio, antialias=True),
            v2.RandomHorizontalFlip(AUGMENT.flip),
            v2.ToImage(),
            v2.ToDtype(torch.float32, scale=True),
            v2.Normalize(PREPROCESS.mean, PREPROCESS.std),
        ]
    )
    loader = DataLoader(
        ImageFolder(folder, transform), BATCH, shuffle=True, num_workers=WORKERS, persistent_workers=True
    )

    def epoch() -> None:
        for images, _ in loader:
            assert images.shape[1:] == (3, 224, 224)

    return epoch


def nayan_epochs(folder: Path, *, cached: bool, normalise: bool = False) -> Callable[[], None]:
    """Return a function that goes through the next epoch of the loader that `nayan train` uses."""
    data = FolderReader().read(folder, "all")
    cache = DecodedCache(len(data), limit_bytes=2**30) if cached else None
    prepare = PrepareAugmented(data, PREPROCESS, AUGMENT, cache=cache)
    collate = ClassificationTask(len(data.classes)).collate
    source = StreamSource(prepare, len(data), collate, batch=BATCH, threads=WORKERS)
    first_layer = Normalise(PREPROCESS.mean, PREPROCESS.std)
    numbers = iter(range(10**9))

    def epoch() -> None:
        for batch in source.batches(next(numbers)):
            assert batch.images.shape[1:] == (3, 224, 224)
            if normalise:
                first_layer(batch.images)

    return epoch


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--pictures", type=int, default=384)
    options = parser.parse_args()
    claims: list[Claim] = []
    costs: dict[str, Cost | float] = {}
    for size in SIZES:
        folder = jpeg_folder(options.pictures, size)
        epochs = {
            "torchvision": torchvision_epochs(folder),
            "nayan streamed": nayan_epochs(folder, cached=False),
            "nayan streamed, with normalisation": nayan_epochs(folder, cached=False, normalise=True),
            "nayan cached": nayan_epochs(folder, cached=True),
            "nayan cached, with normalisation": nayan_epochs(folder, cached=True, normalise=True),
        }
        # the round that does not count starts the peer's workers and fills the caches
        ways = {name: (lambda epoch=epoch: timed(epoch)) for name, epoch in epochs.items()}
        measured = in_turn(ways, rounds=options.rounds)
        name = f"{size[0]}x{size[1]}"
        theirs = measured["torchvision"]
        for way, cost in measured.items():
            costs[f"{name} {way}, pictures/s"] = options.pictures / cost.wall_s
            costs[f"{name} {way}, processor ms a picture"] = 1000 * cost.cpu_s / options.pictures
        for way, target in (("streamed", 2.5), ("cached", 10.0)):
            ours = measured[f"nayan {way}"]
            claims.append(Claim(f"{name} {way}", theirs.wall_s / ours.wall_s, target))
            claims.append(Claim(f"{name} {way}, in processor time", theirs.cpu_s / ours.cpu_s, target))
            full = measured[f"nayan {way}, with normalisation"]
            costs[f"{name} {way}, with normalisation, ratio"] = theirs.wall_s / full.wall_s
    versions = {name: version(name) for name in ("nayan", "torch", "torchvision", "pillow", "simplejpeg")}
    publish("training_input", claims, costs=costs, versions=versions)


if __name__ == "__main__":
    main()
