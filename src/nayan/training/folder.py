"""The folder of a run while it is trained: made, kept up to date, and taken back if nothing came of it."""

from __future__ import annotations

import csv
import io
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image as PillowImage
from torch import nn

from nayan.core.config import TrainConfig
from nayan.core.errors import ConfigError
from nayan.core.events import Event
from nayan.core.registry import resolve
from nayan.runtime.fsio import write_file
from nayan.tasks.base import Task
from nayan.training.feeds import Feeds
from nayan.training.job import Progress
from nayan.training.opening import Opened


def new_folder(config: TrainConfig, opened: Opened) -> Path:
    """Create and return the run's folder: `--out`, or the next free `runs/<task>/<model>[N]`.

    Raises:
        ConfigError: if `--out` is not empty.
    """
    if config.out is not None:
        if config.out.exists() and (not config.out.is_dir() or any(config.out.iterdir())):
            raise ConfigError(
                f"--out {config.out} exists and is not empty",
                hint="give another folder, remove it, or go on with it: nayan train --resume RUN",
            )
        config.out.mkdir(parents=True, exist_ok=True)
        return config.out
    parent = Path("runs") / opened.card.verb
    parent.mkdir(parents=True, exist_ok=True)
    name = (config.model or config.backbone or opened.model).replace("/", "_")  # smp/unet
    for number in range(1, 100_000):
        folder = parent / (name if number == 1 else f"{name}{number}")
        try:
            folder.mkdir()
        except FileExistsError:
            continue
        return folder
    raise ConfigError(f"{parent} holds too many runs named {name}", hint="give a folder with --out")


def clear_folder(folder: Path, *, remove: bool) -> None:
    """Take back what a run wrote that failed before it began, so that its name can be used again."""
    for name in ("events.jsonl", "status.json"):
        (folder / name).unlink(missing_ok=True)
    if remove:
        folder.rmdir()


def read_status(folder: Path) -> dict[str, Any]:
    """Return what `status.json` of a run says; {} where there is none."""
    file = folder / "status.json"
    return json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}


def show_augmented(feeds: Feeds, folder: Path) -> None:
    """Write a sheet of training pictures as the network will see them."""
    data = feeds.setup.learnt
    source: Any = feeds.stream(data, augmented=True)
    rows = np.unique(np.linspace(0, len(data) - 1, 12).astype(int))
    items = [item for row in rows if (item := source.prepare(int(row), 0)) is not None]
    pictures = [np.broadcast_to(item.pixels, (*item.pixels.shape[:2], 3)) for item in items]
    targets = [item.target for item in items]
    sheet = resolve(f"{feeds.setup.card.draw}:sheet")(pictures, targets, data.classes)
    (folder / "evaluation").mkdir(exist_ok=True)
    PillowImage.fromarray(sheet).save(folder / "evaluation" / "augmented.jpg", quality=88)


def keep_snapshot(task: Task, network: nn.Module, epoch: int, *, folder: Path) -> None:
    """Write the task's picture of how far the network has come: `evaluation/film/0001.webp`."""
    picture = task.snapshot(network)
    if picture is None:
        return
    film = folder / "evaluation" / "film"
    film.mkdir(parents=True, exist_ok=True)
    PillowImage.fromarray(picture).save(film / f"{epoch:04d}.webp", quality=88)


def write_results(folder: Path, progress: Progress) -> None:
    """Write `results.csv`: a row for each epoch so far."""
    columns = list(dict.fromkeys(name for row in progress.history for name in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(progress.history)
    write_file(folder / "results.csv", text.getvalue())


class Status:
    """Keeps `status.json` up to date: who trains here, how far, and whether it is over. Takes all events."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.record: dict[str, Any] = {"state": "running", "pid": os.getpid()}

    def __call__(self, event: Event) -> None:
        """Write the file again where an event changes what it says."""
        states = {"start": "running", "stop": "stopped", "failed": "failed", "end": "finished"}
        kind = event["event"]
        if kind == "epoch":
            self.record |= {"epoch": event["epoch"], "epochs": event["epochs"], "val": event["val"]}
            self.record["state"] = "running"
        elif kind in states:
            self.record["state"] = states[kind]
        else:
            return
        write_file(self.folder / "status.json", json.dumps({**self.record, "time": event["time"]}, indent=1))
