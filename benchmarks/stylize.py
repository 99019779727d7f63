"""How much faster a network paints that learnt one style than gradients that look for each picture anew.

    python benchmarks/stylize.py --model RUN --backbone mobilenetv2_100 --weights FILE
    python benchmarks/stylize.py --styles FOLDER                # only draw three styles, to train on
    python benchmarks/stylize.py ... --sheet painted.png        # both ways on two photographs, to look at

Both paint scikit-learn's photograph of a temple, 640 x 427 px, with `--size`, in this process: the network
from its bundle in ONNX Runtime, gradients in torch with the usual steps. Loading is left out on both sides.
"""

from __future__ import annotations

import argparse
import importlib.metadata
from pathlib import Path

import numpy as np
from PIL import Image as PillowImage
from sklearn.datasets import load_sample_images

from drawn_styles import STYLES
from measure import Claim, in_turn, publish, timed
from nayan.core.image import open_image
from nayan.core.sheet import grid
from nayan.core.types import Image
from nayan.runtime.backends.choose import choose_backend
from nayan.runtime.bundle import open_bundle
from nayan.tasks.generation.stylization.optimising import Effort, paint
from nayan.tasks.generation.stylization.stylizing import painter
from nayan.tasks.generation.stylization.teacher import Weights, build_teacher

TARGET = 50


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--styles", type=Path, help="write the drawn styles into this folder, and no more")
    parser.add_argument("--model", type=Path, help="a run of fast_style")
    parser.add_argument("--style", type=Path, help="its style; by default the strokes")
    parser.add_argument("--backbone", default="vgg19")
    parser.add_argument("--weights", default="imagenet")
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--sheet", type=Path, help="write both ways on two photographs as one picture")
    args = parser.parse_args()
    if args.styles:
        args.styles.mkdir(parents=True, exist_ok=True)
        for name, draw in STYLES.items():
            draw().save(args.styles / f"{name}.png")
        return
    style = open_image(args.style) if args.style else np.asarray(STYLES["strokes"]())
    photographs = [np.ascontiguousarray(picture) for picture in load_sample_images().images]
    teacher = build_teacher(args.backbone, source=args.weights, weights=Weights(), smooth=True)
    by_network = painter(choose_backend("onnx", open_bundle(args.model).graph), size=args.size)
    painted: dict[str, list[Image]] = {"network": [], "gradients": []}

    def by_gradients(photograph: Image) -> Image:
        return paint(teacher, photograph, style, effort=Effort(args.size, args.steps))

    by_network(photographs[0])  # the first call takes memory
    ways = {
        "network": lambda: timed(lambda: painted["network"].append(by_network(photographs[0]))),
        "gradients": lambda: timed(lambda: painted["gradients"].append(by_gradients(photographs[0]))),
    }
    costs = in_turn(ways, rounds=args.rounds, warm=False)
    wall = costs["gradients"].wall_s / costs["network"].wall_s
    cpu = costs["gradients"].cpu_s / costs["network"].cpu_s
    if args.sheet:
        rows = [
            (
                photograph,
                painted["gradients"][0] if number == 0 else by_gradients(photograph),
                by_network(photograph),
            )
            for number, photograph in enumerate(photographs)
        ]
        captions = ["photograph", "by gradients", "by the network"] * len(rows)
        sheet = grid([picture for row in rows for picture in row], captions, columns=3, side=360)
        PillowImage.fromarray(sheet).save(args.sheet)
    publish(
        "stylize",
        [Claim("a network against gradients", wall, TARGET), Claim("in processor time", cpu, TARGET)],
        costs=costs,
        versions={name: importlib.metadata.version(name) for name in ("torch", "onnxruntime")},
    )


if __name__ == "__main__":
    main()
