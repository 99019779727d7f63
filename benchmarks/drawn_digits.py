"""Which digits are drawn by generators that learnt from classify-digits-idx, as LeNet judges.

    NAYAN_DATA=... python benchmarks/drawn_digits.py RUN... [--judge RUN] [-n 1000]

Each RUN is one of `gan`, `dcgan` or `conditional_gan`; of the last each digit is asked for as often. The
judge is a LeNet that `nayan train` makes of the same pictures, unless one is named; its accuracy on the test
split is printed with its judgements.

Targets: all 10 digits are drawn, each at least in one picture of 50; 95 % are the digit that was asked for.
"""

from __future__ import annotations

import argparse
from collections import Counter
from importlib.metadata import version
from pathlib import Path

import nayan
from judge import names_of, share
from measure import Claim, publish
from nayan.tasks.generation.sampling.drawing import asked_for, draw_pictures, drawn_noise
from training import packs, train

PACK = "classify-digits-idx"
LEAST = 0.02
"""Share of the drawings from which on a digit counts as drawn; a tenth is usual."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", type=Path, nargs="+", metavar="RUN")
    parser.add_argument("--judge", type=Path, help="a run of a classifier of the same pictures")
    parser.add_argument("-n", type=int, default=1000, help="drawings of each")
    given = parser.parse_args()
    judge, costs = given.judge, {}
    if judge is None:
        record, costs["judge"] = train(PACK, "--model", "lenet", "--weights", "none")
        judge = Path(record["run"])
    accuracy = nayan.val(judge, packs() / PACK, split="test")["metrics"]["accuracy"]
    print(f"judge: {accuracy:.4f} of the test split are right")
    claims = [claim for run in given.runs for claim in judged(run, judge, count=given.n)]
    publish("drawn_digits", claims, costs=costs, versions={"nayan": version("nayan")})


def judged(run: Path, judge: Path, *, count: int) -> list[Claim]:
    """Print how often a generator draws each digit; return what is claimed of that."""
    predictor = nayan.load(run)
    name, asked = predictor.spec.model, asked_for(predictor.spec, count)
    found = names_of(judge, draw_pictures(predictor, drawn_noise(predictor.spec, count), asked))
    shares = {digit: times / count for digit, times in sorted(Counter(found).items())}
    print(f"{run.name}: " + "  ".join(f"{digit} {part:.1%}" for digit, part in shares.items()))
    drawn = sum(part >= LEAST for part in shares.values())
    claims = [Claim(f"{name}: digits that are drawn", drawn, 10, "")]
    if asked is not None:
        claims.append(Claim(f"{name}: share of the digits asked for", share(found, asked.names), 0.95, ""))
    return claims


if __name__ == "__main__":
    main()
