"""What each idea of segmentation bought: FCN-32s to U-Net on streets, and how U-Net enlarges on membranes.

    NAYAN_DATA=... python benchmarks/segment_ladder.py streets --weights FILE
    NAYAN_DATA=... python benchmarks/segment_ladder.py membranes

`streets` trains `fcn32s`, `fcn16s`, `fcn8s` and `unet` on segment-camvid, all on `mobilenetv2_100` with that
ImageNet FILE; `membranes` trains `unet` from nothing on segment-membrane, whose input is shrunk to 256 px,
with each `--up` and three seeds, and once with small pictures first (`--progressive`). Everything else is as
`nayan train` chooses it. All take the same number of epochs, not the same time, so that a machine which is
shared cannot decide between them. Runs that are finished in `--runs` are not trained again. Scores are those
of the test split, with 95 % intervals over its pictures. Target: sharper from FCN-32s to U-Net.
"""

from __future__ import annotations

import argparse
import itertools
import json
import statistics
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from measure import WORK, Claim, publish
from training import train

MODELS = ("fcn32s", "fcn16s", "fcn8s", "unet")
UPS = ("transposed", "bilinear")
SEEDS = (0, 1, 2)


@dataclass(frozen=True, slots=True)
class Scores:
    """Of one run on the test split.

    Attributes:
        miou, boundary_f1: with their intervals.
        seconds: of the whole command.
    """

    miou: float
    boundary_f1: float
    miou_interval: tuple[float, float]
    boundary_interval: tuple[float, float]
    seconds: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("streets", "membranes"))
    parser.add_argument(
        "--weights", default="none", help="an ImageNet file of mobilenetv2_100, for the streets"
    )
    parser.add_argument("--epochs", type=int, default=0, help="of each run; 12 and 40 by default")
    parser.add_argument("--runs", type=Path, default=WORK / "segment_ladder")
    options = parser.parse_args()
    claims = streets(options) if options.what == "streets" else membranes(options)
    versions = {name: version(name) for name in ("nayan", "torch")}
    publish(f"segment_ladder {options.what}", claims, costs={}, versions=versions)


def streets(options: argparse.Namespace) -> list[Claim]:
    """Print a row for each model; return what is claimed of their order."""
    shared = [
        "--backbone",
        "mobilenetv2_100",
        "--weights",
        options.weights,
        "--epochs",
        str(options.epochs or 12),
    ]
    print("| model | miou | boundary F1 | training s |\n|---|---|---|---|", flush=True)
    found: dict[str, Scores] = {}
    for model in MODELS:
        words = ["--model", model, *shared]
        found[model] = scores(options.runs / f"camvid_{model}", "segment-camvid", *words)
        print(row(f"`{model}`", found[model]), flush=True)
    return [
        Claim(
            f"boundary F1, {later} before {earlier}",
            found[later].boundary_f1 - found[earlier].boundary_f1,
            0,
            "",
        )
        for earlier, later in itertools.pairwise(MODELS)
    ]


def membranes(options: argparse.Namespace) -> list[Claim]:
    """Print a row for each seed and way up, and their means."""
    shared = ["--model", "unet", "--weights", "none", "--imgsz", "256", "--epochs", str(options.epochs or 40)]
    print("| `--up`, seed | miou | boundary F1 | training s |\n|---|---|---|---|", flush=True)
    means: dict[str, float] = {}
    for up in UPS:
        found = []
        for seed in SEEDS:
            words = [*shared, "--up", up, "--seed", str(seed)]
            found.append(scores(options.runs / f"membrane_{up}_{seed}", "segment-membrane", *words))
            print(row(f"`{up}`, {seed}", found[-1]), flush=True)
        means[up] = statistics.mean(each.boundary_f1 for each in found)
        miou = statistics.mean(each.miou for each in found)
        print(f"| `{up}`, mean of {len(SEEDS)} | {miou:.3f} | {means[up]:.3f} | |", flush=True)
    words = [*shared, "--up", "bilinear", "--seed", "0", "--progressive", "0.75"]
    small = scores(options.runs / "membrane_progressive_0", "segment-membrane", *words)
    print(row("`bilinear`, 0, small pictures first", small), flush=True)
    return [Claim("boundary F1, transposed before bilinear", means["transposed"] - means["bilinear"], 0, "")]


def scores(run: Path, pack: str, *words: str) -> Scores:
    """Return the scores of a run, which is trained where it is not finished."""
    if not (run / "evaluation" / "test.json").is_file():
        train(pack, *words, "--out", run)
    document: dict[str, Any] = json.loads((run / "evaluation" / "test.json").read_text(encoding="utf-8"))
    metrics, details = document["metrics"], document["details"]
    return Scores(
        metrics["miou"],
        metrics["boundary_f1"],
        tuple(details["intervals"]["miou"]),
        tuple(details["intervals"]["boundary_f1"]),
        next(event["seconds"] for event in events(run) if event["event"] == "end"),
    )


def events(run: Path) -> Iterator[dict[str, Any]]:
    for text in (run / "events.jsonl").read_text(encoding="utf-8").splitlines():
        yield json.loads(text)


def row(name: str, found: Scores) -> str:
    """Return a line of the table."""
    cells = (
        f"{value:.3f} ({low:.3f} to {high:.3f})"
        for value, (low, high) in (
            (found.miou, found.miou_interval),
            (found.boundary_f1, found.boundary_interval),
        )
    )
    return f"| {name} | {' | '.join(cells)} | {found.seconds:.0f} |"


if __name__ == "__main__":
    main()
