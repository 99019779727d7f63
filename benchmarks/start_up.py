"""Whole process `nayan --help`, against an empty Python and against `yolo help`.

    python benchmarks/start_up.py

Targets: under 0.25 s, at most 30 MB, at least 10 times as fast as `yolo help`. Wall clock and peak memory
of whole processes in turn, medians, after one round that warms the files.
"""

from __future__ import annotations

import argparse
from importlib.metadata import version

from measure import ENVIRONMENT, Claim, in_turn, peer, peer_version, process, publish


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=9)
    rounds = parser.parse_args().rounds
    yolo = peer("yolo")
    costs = in_turn(
        {
            "nayan --help": lambda: process([ENVIRONMENT / "nayan", "--help"]),
            "python -c pass": lambda: process([ENVIRONMENT / "python", "-c", "pass"]),
            "yolo help": lambda: process([yolo, "help"]),
        },
        rounds=rounds,
    )
    ours, theirs = costs["nayan --help"], costs["yolo help"]
    publish(
        "start_up",
        [
            Claim("nayan --help", ours.wall_s, 0.25, "s", at_most=True),
            Claim("nayan --help, peak memory", ours.peak_mb, 30, "MB", at_most=True),
            Claim("nayan --help against yolo help", theirs.wall_s / ours.wall_s, 10),
            Claim("the same in processor time", theirs.cpu_s / ours.cpu_s, 10),
        ],
        costs=costs,
        versions={"nayan": version("nayan"), "ultralytics": peer_version("ultralytics")},
    )


if __name__ == "__main__":
    main()
