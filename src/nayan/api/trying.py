"""The verb that tries everything on data of its own."""

from __future__ import annotations

import itertools
import time
from pathlib import Path
from typing import Any

from nayan.api.common import Place
from nayan.api.data import doctor, sample
from nayan.api.learning import train
from nayan.api.using import predict
from nayan.core.errors import ConfigError
from nayan.core.events import Listener
from nayan.tasks import by_verb

_DEMO: dict[str, dict[str, Any]] = {"classification": {"model": "lenet", "weights": "none", "epochs": 40}}
"""How the demo trains: well within three minutes on two cores."""


def demo(
    out: Place | None = None, *, task: str = "classify", on_event: Listener | None = None
) -> dict[str, Any]:
    """Make sample data, examine it, train on it, report, and predict a few pictures; no network is needed.

    Args:
        out: a new folder; None for the first of demo, demo2, ... that is free.
        task: "classify".
        on_event: called with every event.

    Returns:
        Where everything is, and the scores: `{"task", "model", "split", "metrics", "data", "run",
        "report", "bundle", "predictions", "seconds"}`.

    Raises:
        ConfigError: for a task that has no demo.
    """
    name = by_verb(task).name
    if name not in _DEMO:
        raise ConfigError(
            f"there is no demo of {name} yet", hint=f"try `nayan sample {task} DIR`, then `nayan train DIR`"
        )
    begun = time.perf_counter()
    folder = Path(out) if out is not None else _free_folder("demo")
    data = sample(task, folder / "data")
    if on_event is not None:
        on_event({"event": "note", "text": f"sample data written to {data}"})
        for finding in doctor(data).findings:
            on_event({"event": "note", "text": f"doctor: {finding.message}"})
    run = train(data, on_event=on_event, out=folder / "run", **_DEMO[name])
    pictures = sorted((data / "test").rglob("*.png"))
    predict(run.bundle, pictures[:: max(1, len(pictures) // 12)], save=folder / "predictions")
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
        "seconds": round(time.perf_counter() - begun, 1),
    }


def _free_folder(name: str) -> Path:
    """Return the first of name, name2, name3, ... that does not exist or is empty."""
    numbered = (Path(name if number == 1 else f"{name}{number}") for number in itertools.count(1))
    return next(path for path in numbered if not path.exists() or not any(path.iterdir()))
