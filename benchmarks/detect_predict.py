"""Whole process `nayan predict` of a detector from a bundle against `yolo predict`: one picture, and 48.

    python benchmarks/detect_predict.py

nayan runs a bundle of `yolo` n at 640, Ultralytics a .pt of its yolo11n at 640, both with random weights and
three classes, on JPEGs of 1280x960, with a threshold of 0.25, and both write no pictures. Random weights find
nothing above it; what is measured is reading, network and the way there. Wall clock and peak memory of whole
processes in turn, medians. Targets: one picture 4 times as fast; 48 pictures 3 times, in a third of the
memory.
"""

from __future__ import annotations

import argparse
import sys
from importlib.metadata import version
from pathlib import Path

from measure import ENVIRONMENT, WORK, Claim, in_turn, peer, peer_version, process, publish, setup

MODEL = "yolo"
PEER_MODEL = "yolo11n"
PICTURES, SIZE = 48, (1280, 960)
CLASSES = ("one", "two", "three")

_SAVE_PEER = """
import sys
from ultralytics import YOLO
from ultralytics.nn.tasks import DetectionModel
model = YOLO(sys.argv[1] + ".yaml")
model.model = DetectionModel(sys.argv[1] + ".yaml", nc=3, verbose=False)
model.model.names, model.model.task = dict(enumerate(("one", "two", "three"))), "detect"
model.save(sys.argv[2])
"""


def make(bundle: Path) -> None:
    """Write the bundle and the pictures; runs in a process of its own, for it needs torch."""
    import torch

    from nayan.core.image import open_image
    from nayan.export.bundle import save_bundle
    from nayan.runtime.spec import Spec
    from nayan.tasks.detection.catalog import MODELS, letterboxed
    from nayan.tasks.detection.task import DetectionTask
    from pictures import jpeg_folder

    torch.manual_seed(0)
    folder = jpeg_folder(PICTURES, SIZE)
    entry = MODELS[MODEL]
    network = DetectionTask().build(entry, CLASSES, size=(640, 640)).eval()
    spec = Spec("detection", MODEL, dict(entry.args), CLASSES, letterboxed(640))
    save_bundle(network, spec, bundle, images=[open_image(next(folder.rglob("*.jpg")))])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--make", action="store_true", help="write what is measured, and end")
    options = parser.parse_args()
    bundle, weights = WORK / f"{MODEL}_640", WORK / f"{PEER_MODEL}.pt"
    if options.make:
        make(bundle)
        return
    WORK.mkdir(exist_ok=True)
    if not bundle.exists():
        setup([sys.executable, __file__, "--make"])
    if not weights.exists():
        setup([peer("python"), "-c", _SAVE_PEER, PEER_MODEL, weights], cwd=WORK)
    folder = WORK / f"pictures_{PICTURES}_{SIZE[0]}x{SIZE[1]}"
    picture = min(folder.rglob("*.jpg"))
    ours: list[str | Path] = [ENVIRONMENT / "nayan", "predict", bundle, "--conf", "0.25"]
    theirs: list[str | Path] = [
        peer("yolo"),
        "detect",
        "predict",
        f"model={weights}",
        "imgsz=640",
        "save=False",
    ]
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
    one, peers_one = costs["nayan, one picture"], costs["yolo, one picture"]
    many, peers_many = costs["nayan, 48 pictures"], costs["yolo, 48 pictures"]
    claims = [
        Claim("one picture against yolo predict", peers_one.wall_s / one.wall_s, 4),
        Claim("48 pictures against yolo predict", peers_many.wall_s / many.wall_s, 3),
        Claim("the same in processor time", peers_many.cpu_s / many.cpu_s, 3),
        Claim("share of its memory, 48 pictures", many.peak_mb / peers_many.peak_mb, 0.333, "", at_most=True),
    ]
    versions = {name: version(name) for name in ("nayan", "onnxruntime")}
    publish(
        "detect_predict",
        claims,
        costs=costs,
        versions=versions | {"ultralytics": peer_version("ultralytics")},
    )


if __name__ == "__main__":
    main()
