"""`nayan train` on classify-flowers from published weights: accuracy on test and the seconds it took.

    NAYAN_DATA=... python benchmarks/train_flowers.py

Targets: all defaults, accuracy >= 0.88 in under 150 s; with the backbone frozen >= 0.85 in under 30 s. The
seconds are those of the whole command, from its start to the written report, on this machine.
"""

from __future__ import annotations

from importlib.metadata import version

from measure import Claim, publish
from training import packs, train

MODEL = "mobilenetv2_100"


def main() -> None:
    weights = packs() / "weights" / f"{MODEL}_imagenet.safetensors"
    usual, usual_cost = train("classify-flowers", "--model", MODEL, "--weights", weights)
    frozen, frozen_cost = train(
        "classify-flowers", "--model", MODEL, "--weights", weights, "--freeze", "backbone"
    )
    publish(
        "train_flowers",
        [
            Claim(f"accuracy on {usual['split']}", usual["metrics"]["accuracy"], 0.88, ""),
            Claim("whole command", usual_cost.wall_s, 150, "s", at_most=True),
            Claim(f"frozen: accuracy on {frozen['split']}", frozen["metrics"]["accuracy"], 0.85, ""),
            Claim("frozen: whole command", frozen_cost.wall_s, 30, "s", at_most=True),
        ],
        costs={"all defaults": usual_cost, "--freeze backbone": frozen_cost},
        versions={name: version(name) for name in ("nayan", "torch", "timm")},
    )


if __name__ == "__main__":
    main()
