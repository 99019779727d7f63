"""Training pictures a second: `nayan train` of `yolo` n against Ultralytics' own trainer of yolo11n.

    python benchmarks/detect_training.py

The sample data (200 training pictures of 320x240), input 320, batch 8, from scratch, validation left out of
both figures: nayan notes the pictures a second of each epoch, and Ultralytics is run without validation and
notes the seconds. The first epoch, which decodes and fills caches, does not count. Target: 2.5 times.
"""

from __future__ import annotations

import argparse
import csv
import itertools
import shutil
import statistics
import sys
from importlib.metadata import version
from pathlib import Path

from measure import ENVIRONMENT, WORK, Claim, peer, peer_version, publish, setup

PEER_MODEL = "yolo11n"
EPOCHS = 4
PICTURES = 200
MULTIPLY_ADDS = "0.81 GMAC at 320 (Ultralytics' own figure for yolo11n: 6.5 GFLOPs at 640)"


def ours(data: Path, out: Path) -> float:
    """Return the pictures a second of the median epoch but the first."""
    shutil.rmtree(out, ignore_errors=True)
    options: list[str | Path] = [
        "--imgsz",
        "320",
        "--batch",
        "8",
        "--epochs",
        str(EPOCHS),
        "--weights",
        "none",
        "--out",
        out,
    ]
    setup([ENVIRONMENT / "nayan", "train", data, *options])
    rows = list(csv.DictReader((out / "results.csv").open(encoding="utf-8")))
    return statistics.median(float(row["pictures_per_s"]) for row in rows[1:])


def theirs(data: Path, out: Path) -> float:
    """Return the same of Ultralytics."""
    shutil.rmtree(out, ignore_errors=True)
    options = {"model": f"{PEER_MODEL}.yaml", "data": data / "data.yaml", "imgsz": 320, "batch": 8}
    options |= {"epochs": EPOCHS, "workers": 2, "val": False, "plots": False, "pretrained": False}
    options |= {"project": out.parent, "name": out.name, "device": "cpu", "save": False}
    words = [f"{name}={value}" for name, value in options.items()]
    setup([peer("yolo"), "detect", "train", *words])
    rows = list(csv.DictReader((out / "results.csv").open(encoding="utf-8")))
    ends = [float(row["time"]) for row in rows]  # seconds since the start
    return PICTURES / statistics.median(after - before for before, after in itertools.pairwise(ends))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=2)
    rounds = parser.parse_args().rounds
    WORK.mkdir(exist_ok=True)
    data = WORK / "sample_detect_yolo"
    if not data.exists():
        setup([ENVIRONMENT / "nayan", "sample", "detect", data, "--format", "yolo"])
    speeds: dict[str, list[float]] = {"nayan": [], "yolo": []}
    for _ in range(rounds):
        for name, way in (("nayan", ours), ("yolo", theirs)):
            speeds[name].append(way(data, WORK / f"detect_training_{name}"))
            print(f"  ... {name}: {speeds[name][-1]:.3g} pictures/s", file=sys.stderr, flush=True)
    mine, peers = (statistics.median(speeds[name]) for name in ("nayan", "yolo"))
    print(f"{PEER_MODEL}: {MULTIPLY_ADDS}; `nayan explain yolo --imgsz 320` counts ours")
    publish(
        "detect_training",
        [Claim("training pictures a second against Ultralytics' trainer", mine / peers, 2.5)],
        costs={"nayan yolo, pictures/s": mine, f"{PEER_MODEL}, pictures/s": peers},
        versions={name: version(name) for name in ("nayan", "torch")}
        | {"ultralytics": peer_version("ultralytics")},
    )


if __name__ == "__main__":
    main()
