"""Whole process `nayan predict` from a bundle against `yolo classify predict`: one picture, and 48.

    python benchmarks/predict_one.py

nayan runs a bundle of mobilenetv2_100 at 224, Ultralytics a .pt of its yolo11n-cls at 224, which is smaller;
both with random weights and two classes, since speed does not depend on them, and both write no pictures.
Wall clock and peak memory of whole processes in turn, medians. Targets for one picture: 4 times as fast,
a third of the memory.
"""

from __future__ import annotations

import argparse
import sys
from importlib.metadata import version
from pathlib import Path

from measure import ENVIRONMENT, WORK, Claim, in_turn, peer, peer_version, process, publish, setup

MODEL = "mobilenetv2_100"
PEER_MODEL = "yolo11n-cls"
PICTURES = 48

_SAVE_PEER = """
import sys
from ultralytics import YOLO
from ultralytics.nn.tasks import ClassificationModel
model = YOLO(sys.argv[1] + ".yaml")
model.model = ClassificationModel(sys.argv[1] + ".yaml", nc=2, verbose=False)
model.model.names, model.model.task = {0: "china", 1: "flower"}, "classify"
model.save(sys.argv[2])
"""


def make(bundle: Path) -> None:
    """Write the bundle and the pictures; runs in a process of its own, for it needs torch."""
    import torch

    from nayan.core.image import open_image
    from nayan.export.bundle import save_bundle
    from nayan.runtime.spec import Spec
    from nayan.tasks.classification.catalog import MODELS
    from nayan.tasks.classification.task import ClassificationTask
    from pictures import CLASSES, jpeg_folder

    torch.manual_seed(0)
    folder = jpeg_folder(PICTURES, (640, 480))
    entry = MODELS[MODEL]
    network = ClassificationTask().build(entry, CLASSES).eval()
    spec = Spec("classification", MODEL, dict(entry.args), CLASSES, entry.preprocess)
    save_bundle(network, spec, bundle, images=[open_image(next(folder.rglob("*.jpg")))])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--make", action="store_true", help="write what is measured, and end")
    options = parser.parse_args()
    bundle, weights = WORK / MODEL, WORK / f"{PEER_MODEL}.pt"
    if options.make:
        make(bundle)
        return
    WORK.mkdir(exist_ok=True)
    if not bundle.exists():
        setup([sys.executable, __file__, "--make"])
    if not weights.exists():
        setup([peer("python"), "-c", _SAVE_PEER, PEER_MODEL, weights], cwd=WORK)
    folder = WORK / f"pictures_{PICTURES}_640x480"
    picture = min(folder.rglob("*.jpg"))
    ours = [ENVIRONMENT / "nayan", "predict", bundle]
    theirs = [peer("yolo"), "classify", "predict", f"model={weights}", "imgsz=224", "save=False"]
    everything = folder / "**" / "*.jpg"
    costs = in_turn(
        {
            "nayan, one picture": lambda: process([*ours, picture, "--json"], cwd=WORK),
            "yolo, one picture": lambda: process([*theirs, f"source={picture}"], cwd=WORK),
            "nayan, 48 pictures": lambda: process([*ours, folder, "--json"], cwd=WORK),
            "yolo, 48 pictures": lambda: process([*theirs, f"source={everything}"], cwd=WORK),
        },
        rounds=options.rounds,
    )
    ours_one, theirs_one = costs["nayan, one picture"], costs["yolo, one picture"]
    claims = [
        Claim("one picture against yolo classify predict", theirs_one.wall_s / ours_one.wall_s, 4),
        Claim("the same in processor time", theirs_one.cpu_s / ours_one.cpu_s, 4),
        Claim("share of its memory", ours_one.peak_mb / theirs_one.peak_mb, 0.333, "", at_most=True),
    ]
    many, theirs_many = costs["nayan, 48 pictures"], costs["yolo, 48 pictures"]
    figures = {"48 pictures against yolo, no target": theirs_many.wall_s / many.wall_s}
    versions = {name: version(name) for name in ("nayan", "onnxruntime")}
    publish(
        "predict_one",
        claims,
        costs={**costs, **figures},
        versions=versions | {"ultralytics": peer_version("ultralytics")},
    )


if __name__ == "__main__":
    main()
