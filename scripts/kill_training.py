"""Kill tiny training runs with SIGKILL at random moments, resume each, and compare with an uninterrupted one.

    python scripts/kill_training.py --count 200 --inside-save 0.5

Prints one JSON line: kills, how many of them hit inside a save, checkpoints that could not be read, runs
that ended with other weights, and seconds. The exit code is 1 if there was any of the latter two.

A training process is a fork of this one, which has imported everything but has computed nothing yet, so a
kill costs no import. A kill inside a save is asked for: the child stops itself at a random one of the
operations on files that make up a save (before it, or after it), and never sees what hit it.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib
import json
import multiprocessing
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

import nayan.training.checkpoint as checkpoints
import nayan.training.state as state
from nayan.core.config import make_config
from nayan.core.errors import DataError
from nayan.training.checkpoint import load_checkpoint
from nayan.training.run import Trained, resume_config, train_run

OPTIONS: dict[str, Any] = {
    "model": "lenet",
    "weights": "none",
    "imgsz": 12,
    "batch": 4,
    "epochs": 3,
    "workers": 1,
    "device": "cpu",
    "precision": "fp32",
    "ema": 0.9,
    "dropout": 0.2,
    "mixup": 0.2,
    "checkpoint_every": 1e-6,  # after every step
}
STEPS = 15  # of such a run
_FORK = multiprocessing.get_context("fork")


@dataclass
class Tally:
    """What happened."""

    kills: int = 0
    inside_save: int = 0
    unreadable: int = 0
    different: int = 0


def main() -> int:
    """Run the command line and return the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--count", type=int, default=200, help="kills")
    parser.add_argument("--inside-save", type=float, default=0.5, help="share of them inside a save")
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    options = parser.parse_args()
    begun = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        tally = kill_often(Path(folder), options.count, inside_save=options.inside_save, seed=options.seed)
    print(json.dumps({**vars(tally), "seconds": round(time.monotonic() - begun, 1)}))
    return int(tally.unreadable + tally.different > 0)


def kill_often(folder: Path, count: int, *, inside_save: float, seed: int = 0) -> Tally:
    """Kill `count` training processes; each run is resumed until the next kill, or until it ends.

    Args:
        folder: an empty one to work in.
        count: kills.
        inside_save: share of the kills that hit inside a save.
        seed: of the moments.
    """
    rng = random.Random(seed)
    data = _draw(folder / "data")
    expected, seconds = _whole_run(data, folder)
    tally = Tally()
    run = 0
    while tally.kills < count:
        run += 1
        out = folder / f"run{run}"
        for _ in range(rng.randint(1, min(4, count - tally.kills))):
            inside = (tally.inside_save + 0.5) <= inside_save * (tally.kills + 1)
            if not _kill_one(data, out, rng, inside=inside, seconds=seconds):
                break  # it had ended before the kill came
            tally.kills += 1
            tally.inside_save += inside
            tally.unreadable += not _readable(out)
        tally.different += _finish(data, out) != expected
        shutil.rmtree(out)
    return tally


def _kill_one(data: Path, out: Path, rng: random.Random, *, inside: bool, seconds: float) -> bool:
    """Start or resume a run and kill it; return whether it was killed before its end."""
    if inside:
        moment = rng.randint(1, _writes_left(out))
        child = _start(data, out, kill_at=moment)
    else:
        child = _start(data, out)
        child.join(rng.uniform(0.05, 1.0) * seconds)
        if child.is_alive():
            os.kill(child.pid, signal.SIGKILL)  # type: ignore[arg-type]
    child.join()
    assert child.exitcode in (0, -signal.SIGKILL), f"a training process failed: {child.exitcode}"
    return child.exitcode != 0


def _finish(data: Path, out: Path) -> str:
    """Train to the end and return the digest of the weights."""
    receiver, sender = _FORK.Pipe(duplex=False)
    child = _start(data, out, tell=sender.send)
    child.join()
    assert child.exitcode == 0, f"a training process failed: {child.exitcode}"
    digest, modules = receiver.recv()
    for module in modules:  # what a run imports on its way, for all forks after this one
        importlib.import_module(module)
    return str(digest)


def _whole_run(data: Path, folder: Path) -> tuple[str, float]:
    """Return the digest of an uninterrupted run, and the seconds of one that finds all modules loaded."""
    _finish(data, folder / "first")
    begun = time.monotonic()
    return _finish(data, folder / "whole"), time.monotonic() - begun


def _start(
    data: Path, out: Path, *, kill_at: int = 0, tell: Callable[[Any], None] | None = None
) -> multiprocessing.process.BaseProcess:
    child = _FORK.Process(target=_train, args=(data, out, kill_at, tell))
    child.start()
    return child


def _train(data: Path, out: Path, kill_at: int, tell: Callable[[Any], None] | None) -> None:
    """Train, or go on where there is something to go on with; this is the child."""
    if hasattr(os, "sched_setaffinity"):  # arithmetic this small only waits for a second core
        os.sched_setaffinity(0, {random.choice(sorted(os.sched_getaffinity(0)))})
    if kill_at:
        _die_inside_save(kill_at)
    if (out / "config.yaml").is_file():
        config, origins = resume_config(out, {})
        trained = train_run(config, origins, resume_from=out)
    else:
        shutil.rmtree(out, ignore_errors=True)  # killed before it had begun
        config, origins = make_config({**OPTIONS, "data": data, "out": out})
        trained = train_run(config, origins)
    if tell:
        tell((_digest(trained), [name for name in sys.modules if name.startswith("nayan.")]))


def _die_inside_save(number: int) -> None:
    """Let the `number`-th operation on a file within saves be this process's last; odd ones are begun."""
    inside, left = False, number
    save = checkpoints.save_checkpoint

    def watched(*args: Any, **options: Any) -> Path:
        nonlocal inside
        inside = True
        try:
            return save(*args, **options)
        finally:
            inside = False

    def dying(call: Callable[..., Any]) -> Callable[..., Any]:
        def step(*args: Any, **options: Any) -> Any:
            nonlocal left
            left -= inside
            if inside and left <= 0:
                if number % 2:
                    call(
                        *[arg[: len(arg) // 2] if isinstance(arg, bytes) else arg for arg in args], **options
                    )
                os.kill(os.getpid(), signal.SIGKILL)
            return call(*args, **options)

        return step

    setattr(state, "save_checkpoint", watched)  # noqa: B010  mypy sees no such export
    for name in ("write_bytes", "mkdir", "replace", "rename"):
        setattr(Path, name, dying(getattr(Path, name)))
    for owner, name in ((os, "fsync"), (shutil, "rmtree")):
        setattr(owner, name, dying(getattr(owner, name)))


def _writes_left(out: Path) -> int:
    """Return about how many operations on files the saves that are still to come make."""
    done = max((int(path.name) for path in (out / "checkpoints").glob("[0-9]*")), default=0)
    return 12 * max(1, STEPS - done)


def _readable(out: Path) -> bool:
    try:
        load_checkpoint(out / "checkpoints")
    except DataError:
        return False
    return True


def _digest(trained: Trained) -> str:
    digest = hashlib.sha256()
    for name, tensor in trained.setup.network.state_dict().items():
        digest.update(name.encode() + tensor.contiguous().numpy().tobytes())
    return digest.hexdigest()


def _draw(root: Path) -> Path:
    rng = np.random.default_rng(0)
    for split, count in (("train", 10), ("val", 3)):
        for label in ("dark", "light"):
            folder = root / split / label
            folder.mkdir(parents=True)
            for number in range(count):
                pixels = rng.integers(0, 120, (12, 12), dtype=np.uint8) + 100 * (label == "light")
                Image.fromarray(pixels.astype(np.uint8)).save(folder / f"{number}.png")
    return root


if __name__ == "__main__":
    sys.exit(main())
