"""Do drawn digits help where there are 20 of each? `nayan augment` on a part of classify-digits-idx.

    NAYAN_DATA=... python benchmarks/augment_digits.py [--out DIR] [options of nayan augment]

Takes 20 digits of each class to train and 10 to validate, drawn from seed 0, and the whole test split (750);
trains `conditional_gan` on them, drops copies, what is unlike real digits and other digits, and LeNet five
times with and without the others. Prints the difference in accuracy with its interval; that it is above 0 is
no target: it is stated as it comes out.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import numpy as np

from measure import ENVIRONMENT, WORK, Claim, Cost, processor_s, publish
from nayan.core.types import Dataset, Label
from nayan.data.readers.idx import IdxReader
from training import packs

PACK, SEED = "classify-digits-idx", 0
EACH = {"train": 20, "val": 10}
"""Digits of each class; of test all there are."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=WORK / "augment_digits")
    given, options = parser.parse_known_args()
    shutil.rmtree(given.out, ignore_errors=True)
    data = few_digits(given.out / "digits")
    command = ["augment", data, "--classifier", "lenet", "--weights", "none", "--out", given.out / "run"]
    command = [*map(str, command), *options, "--json"]
    print(" ".join(["nayan", *command]), flush=True)
    began = processor_s()
    done = subprocess.run([ENVIRONMENT / "nayan", *command], check=True, stdout=subprocess.PIPE, text=True)
    result = json.loads(done.stdout)
    for row in result["seeds"]:
        print(f"seed {row['seed']}: without {row['plain']:.4f}, with {row['with']:.4f}")
    print(result["verdict"], result["pictures"], result["steps"], f"variety {result['variety']}")
    found = result["difference"]
    print(f"difference {found['mean']:+.4f}, 95 % interval {found['low']:+.4f} to {found['high']:+.4f}")
    cost = Cost(result["seconds"], processor_s() - began)
    publish(
        "augment_digits",
        [Claim("whole command, processor time", cost.cpu_s, 1200, "s", at_most=True)],
        costs={"nayan augment": cost},
        versions={name: version(name) for name in ("nayan", "torch")},
    )


def few_digits(folder: Path) -> Path:
    """Write a data set with the first few digits of each class, in an order of chance, and the whole test."""
    reader, root, rng = IdxReader(), packs() / PACK, np.random.default_rng(SEED)
    parts: dict[str, Dataset] = {"test": reader.read(root, "test")}
    for split, each in EACH.items():
        whole = reader.read(root, split)
        labels = np.array([s.target.index if isinstance(s.target, Label) else -1 for s in whole.samples])
        order = rng.permutation(len(whole))
        rows = sorted(
            int(at) for label in range(len(whole.classes)) for at in order[labels[order] == label][:each]
        )
        parts[split] = replace(whole, samples=tuple(whole.samples[at] for at in rows), notes=())
    reader.write(parts, folder)
    return folder


if __name__ == "__main__":
    main()
