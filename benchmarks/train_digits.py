"""`nayan train` of LeNet on classify-digits-idx from nothing: accuracy on test and the seconds it took.

    NAYAN_DATA=... python benchmarks/train_digits.py

Targets: accuracy >= 0.99 in under 180 s, those of the whole command on this machine.
"""

from __future__ import annotations

from importlib.metadata import version

from measure import Claim, publish
from training import train


def main() -> None:
    record, cost = train("classify-digits-idx", "--model", "lenet", "--weights", "none")
    publish(
        "train_digits",
        [
            Claim(f"accuracy on {record['split']}", record["metrics"]["accuracy"], 0.99, ""),
            Claim("whole command", cost.wall_s, 180, "s", at_most=True),
        ],
        costs={"nayan train": cost},
        versions={name: version(name) for name in ("nayan", "torch")},
    )


if __name__ == "__main__":
    main()
