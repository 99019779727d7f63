"""Training runs that last a second: LeNet on a few drawn signs."""

from __future__ import annotations

import contextlib
import csv
import hashlib
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from nayan.core.config import make_config
from nayan.core.events import Event
from nayan.training.run import Trained, resume_config, train_run

SIGNS = ("bar", "dot", "line")


def draw_signs(root: Path, *, train: int = 8, val: int = 4, side: int = 16) -> Path:
    """Write gray pictures of three signs into root/train/NAME and root/val/NAME."""
    rng = np.random.default_rng(7)
    for split, count in (("train", train), ("val", val)):
        for kind, name in enumerate(SIGNS):
            folder = root / split / name
            folder.mkdir(parents=True)
            for number in range(count):
                pixels = rng.integers(0, 60, (side, side), dtype=np.uint8)
                place = int(rng.integers(3, side - 6))
                rows = slice(place, place + 3) if kind in (0, 1) else slice(None)
                columns = slice(place, place + 3) if kind in (1, 2) else slice(None)
                pixels[rows, columns] += 180
                Image.fromarray(pixels).save(folder / f"{number}.png")
    return root


OPTIONS: dict[str, Any] = {
    "model": "lenet",
    "weights": "none",
    "imgsz": 12,
    "batch": 8,
    "epochs": 2,
    "workers": 1,
    "device": "cpu",
    "precision": "fp32",
}


def train_tiny(data: Path, out: Path, *listeners: Callable[[Event], None], **options: Any) -> Trained:
    """Train without delivering."""
    config, origins = make_config({**OPTIONS, "data": data, "out": out, **options})
    with one_core():
        return train_run(config, origins, listeners=listeners)


def resume_tiny(out: Path, *listeners: Callable[[Event], None], **options: Any) -> Trained:
    """Go on with an interrupted run."""
    config, origins = resume_config(out, options)
    with one_core():
        return train_run(config, origins, listeners=listeners, resume_from=out)


@contextlib.contextmanager
def one_core() -> Iterator[None]:
    """Let training use one core: arithmetic this small would only wait for a second one."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {sorted(allowed)[os.getpid() % len(allowed)]})
    try:
        yield
    finally:
        os.sched_setaffinity(0, allowed)


class SignalAt:
    """A listener that sends this process a signal at the n-th progress event."""

    def __init__(self, number: int, sent: int = signal.SIGTERM) -> None:
        self.left = number
        self.sent = sent

    def __call__(self, event: Event) -> None:
        if event["event"] == "progress":
            self.left -= 1
            if self.left == 0:
                os.kill(os.getpid(), self.sent)


def weights_hash(trained: Trained) -> str:
    """Return the SHA-256 of all weights and buffers."""
    digest = hashlib.sha256()
    for name, tensor in trained.setup.network.state_dict().items():
        digest.update(name.encode() + tensor.contiguous().numpy().tobytes())
    return digest.hexdigest()


def result_rows(folder: Path) -> list[dict[str, str]]:
    """Return results.csv without the columns that depend on the clock."""
    with (folder / "results.csv").open(encoding="utf-8") as file:
        return [
            {name: value for name, value in row.items() if name not in ("seconds", "pictures_per_s")}
            for row in csv.DictReader(file)
        ]
