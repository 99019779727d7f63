"""The verb that tries everything on data of its own."""

from __future__ import annotations

import itertools
import time
from functools import partial
from pathlib import Path
from typing import Any

from nayan.api.common import Place
from nayan.api.data import doctor, sample
from nayan.api.generating import generate
from nayan.api.learning import train
from nayan.api.using import predict
from nayan.core.events import Listener
from nayan.tasks import by_verb

DEMOS: dict[str, dict[str, Any]] = {
    "classification": {"model": "lenet", "weights": "none", "epochs": 40},
    "detection": {
        "model": "yolo",
        "weights": "none",
        "imgsz": 160,
        "epochs": 14,
        "augment": "none",
        "ema": 0.98,
    },
    "segmentation": {
        "model": "unet",
        "weights": "none",
        "imgsz": 128,
        "batch": 4,
        "epochs": 7,
        "lr": 4e-3,
        "augment": "none",
        "ema": 0.95,
    },
    "embedding": {"model": "supcon", "weights": "none", "imgsz": 32, "epochs": 12},
    "generation": {"task": "generate", "model": "dcgan", "imgsz": 28, "batch": 32, "epochs": 24},
}
"""How the demo of each task trains: each within two minutes on two cores. A detector that sees
each picture 14 times has no time to learn from quarters and scales, and few steps to average over."""

FORMATS = {"generation": "pictures"}
"""In which format the sample is written where that is not the usual one of the task."""

_SHOWN = 12  # pictures of the test split that are predicted
_DRAWN = 64  # pictures that a generator draws


def demo(
    out: Place | None = None, *, task: str = "classify", on_event: Listener | None = None
) -> dict[str, Any]:
    """Make sample data, examine it, train on it, report, and predict a few pictures; no network is needed.

    Args:
        out: a new folder; None for the first of demo, demo2, ... that is free.
        task: "classify", "detect", "segment", "compare" or "generate".
        on_event: called with every event.

    Returns:
        Where everything is, and the scores: `{"task", "model", "split", "metrics", "data", "run",
        "report", "bundle", "predictions", "picture", "seconds"}`; the picture is an annotated one.

    Raises:
        NotFound: for a task that there is not.
    """
    name = by_verb(task).name
    begun = time.perf_counter()
    folder = Path(out) if out is not None else _free_folder("demo")
    data = sample(task, folder / "data", format=FORMATS.get(name))
    if on_event is not None:
        on_event({"event": "note", "text": f"sample data written to {data}"})
        for finding in doctor(data, task=DEMOS[name].get("task")).findings:
            on_event({"event": "note", "text": f"doctor: {finding.message}"})
    run = train(data, on_event=on_event, out=folder / "run", **DEMOS[name])
    look = _drawn if name == "generation" else partial(_annotated, data=data)
    picture = look(run.bundle, out=folder / "predictions")
    return {
        "task": run.task,
        "model": run.model,
        "split": run.split,
        "metrics": dict(run.metrics),
        "data": data,
        "run": run.folder,
        "report": run.report,
        "bundle": run.bundle,
        "predictions": folder / "predictions",
        "picture": picture,
        "seconds": round(time.perf_counter() - begun, 1),
    }


def _drawn(bundle: Path, *, out: Path) -> Path:
    """Write pictures out of noise; return the sheet of all."""
    return Path(generate(bundle, _DRAWN, out=out, grid=True)[-1]["file"])


def _annotated(bundle: Path, *, data: Path, out: Path) -> Path:
    """Write annotated pictures of the test split; return the one that shows most."""
    from nayan.data.splits import read_split

    files = [sample.path for sample in read_split(data, "test").samples if sample.path]
    records = predict(bundle, files[:: max(1, len(files) // _SHOWN)][:_SHOWN], save=out)
    found = [sum(row.get("share", row.get("score", 0.0)) for row in _things(record)) for record in records]
    return sorted(out.iterdir())[found.index(max(found))]


def _things(record: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the rows of a picture that are of something, and not of the background."""
    return [row for row in record["predictions"] if row.get("label") != "background"]


def _free_folder(name: str) -> Path:
    """Return the first of name, name2, name3, ... that does not exist or is empty."""
    numbered = (Path(name if number == 1 else f"{name}{number}") for number in itertools.count(1))
    return next(path for path in numbered if not path.exists() or not any(path.iterdir()))
