"""A folder of JPEGs of 1280x960 into an index by mobilenetv2_100, against a plain loop of Pillow and torch.

    python benchmarks/index_folder.py --weights mobilenetv2_100.safetensors

The loop is what one writes first: each file opened and decoded whole by Pillow, resized to 256, its middle
of 224 cut out, normalised, and 32 at once put through the network of timm in float32, with as many threads as
torch takes; the vectors end in one array. Ours is all of `nayan.index`: opening and checking the bundle,
making the session, decoding, the network, and each batch flushed to the disk with names and stamps. Loading
the loop's network, and taking the bundle from it, happen before the clock. Both in one process, in turn,
medians. That both give the same vectors, but for the rounding of a smaller decode, is checked. Target: 4
times as fast.
"""

from __future__ import annotations

import argparse
import shutil
from functools import partial
from importlib.metadata import version
from pathlib import Path

import numpy as np
import timm
import torch
from PIL import Image
from safetensors.torch import load_file
from torchvision.transforms import InterpolationMode
from torchvision.transforms.functional import center_crop, normalize, pil_to_tensor, resize

import nayan
from measure import WORK, Claim, in_turn, publish, timed
from nayan.parts.weights import read_metadata, stated_normalisation
from nayan.runtime.index import open_index
from pictures import jpeg_folder

MODEL = "mobilenetv2_100"
SIZE = (1280, 960)
BATCH = 32
IMAGENET = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
BICUBIC = InterpolationMode.BICUBIC  # as timm says for this network


def plain(network: torch.nn.Module, files: list[Path], mean: tuple, std: tuple) -> np.ndarray:
    """Return the vectors of pictures, in a loop."""
    vectors = []
    with torch.inference_mode():
        for start in range(0, len(files), BATCH):
            pixels = []
            for file in files[start : start + BATCH]:
                picture = center_crop(resize(Image.open(file).convert("RGB"), 256, BICUBIC), 224)
                pixels.append(normalize(pil_to_tensor(picture).float() / 255, mean, std))
            vectors.append(torch.nn.functional.normalize(network(torch.stack(pixels)), dim=1))
    return torch.cat(vectors).numpy()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--weights", type=Path, required=True, help=f"of {MODEL}, .safetensors")
    parser.add_argument("--pictures", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    folder = jpeg_folder(options.pictures, SIZE)
    files = sorted(folder.rglob("*.jpg"))
    network = timm.create_model(MODEL, pretrained=False)
    network.load_state_dict(load_file(options.weights))
    network.reset_classifier(0)
    network.eval()
    loop = partial(plain, network, files, *(stated_normalisation(read_metadata(options.weights)) or IMAGENET))
    made, fresh = WORK / "index_made", WORK / "index_folder"
    shutil.rmtree(made, ignore_errors=True)
    nayan.index(MODEL, files[:8], made, weights=options.weights)

    def ours() -> None:
        nayan.index(made / "model", folder, fresh)

    def anew() -> None:
        shutil.rmtree(fresh, ignore_errors=True)

    def measured() -> object:
        anew()
        return timed(ours)

    costs = in_turn(
        {"plain loop": lambda: timed(loop), "nayan.index": measured},
        rounds=options.rounds,
    )
    with open_index(fresh) as index:
        found = index.vectors([file.relative_to(folder).as_posix() for file in files])
    cosines = (loop() * found).sum(1)
    theirs, here = costs["plain loop"], costs["nayan.index"]
    publish(
        "index_folder",
        [
            Claim("a folder into an index, against the plain loop", theirs.wall_s / here.wall_s, 4),
            Claim("the same in processor time", theirs.cpu_s / here.cpu_s, 4),
            Claim("least cosine between both vectors of a picture", float(cosines.min()), 0.98, ""),
        ],
        costs={
            **costs,
            "pictures a second, loop": len(files) / theirs.wall_s,
            "pictures a second, nayan": len(files) / here.wall_s,
        },
        versions={name: version(name) for name in ("nayan", "onnxruntime", "torch", "timm", "pillow")},
    )


if __name__ == "__main__":
    main()
