"""Street scenes in equal time: `nayan train` against a plain loop around segmentation_models.pytorch.

    NAYAN_DATA=... python benchmarks/segment_camvid.py --minutes 10

Both learn from segment-camvid at 480x352 on the encoder mobilenetv2_100 with the pack's ImageNet weights,
one after the other, each for the same time on the clock with all of its reading. The peer is what a tutorial
shows: Unet, cross-entropy without the void, AdamW at 1e-3, mirrored at random, batch 8, float32, two workers,
its last weights. Both are scored on test in the pictures' own pixels by the same counts. Targets: `miou` of
at least 0.45, and 3 points above the loop.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

from measure import WORK, Claim, publish
from training import packs, train

PACK, ENCODER = "segment-camvid", "mobilenetv2_100"
WIDTH, HEIGHT = 480, 352
BATCH, VOID = 8, 255
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def ours(minutes: float, weights: Path) -> dict[str, float]:
    """Return the scores on test of `nayan train` in that time."""
    out = WORK / "segment_camvid"
    shutil.rmtree(out, ignore_errors=True)
    options: list[str | Path] = ["--model", "unet", "--backbone", ENCODER, "--weights", weights]
    record, _ = train(PACK, *options, "--time", f"{minutes}m", "--out", out)
    return {"miou": record["metrics"]["miou"], "seconds": record["seconds"]}


def theirs(minutes: float, weights: Path) -> dict[str, float]:
    """Return the same of the loop; runs in a process of its own."""
    script = [sys.executable, __file__, "--loop", "--minutes", str(minutes), "--weights", str(weights)]
    done = subprocess.run(script, check=True, stdout=subprocess.PIPE, text=True)
    result: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return result


def loop(minutes: float, weights: Path) -> dict[str, float]:
    """Train the plain way."""
    import segmentation_models_pytorch as smp
    import torch
    from safetensors.torch import load_file
    from torch.utils.data import DataLoader

    from nayan.data.splits import open_splits
    from nayan.tasks.segmentation.metric import SegmentationMetric

    began = time.perf_counter()
    splits = open_splits(packs() / PACK)
    assert splits.test is not None
    torch.manual_seed(0)
    random.seed(0)
    classes = splits.train.classes
    network = smp.Unet(f"tu-{ENCODER}", encoder_weights=None, classes=len(classes))
    missing, _ = network.encoder.model.load_state_dict(load_file(weights), strict=False)
    assert not missing
    pictures: Any = Pictures(splits.train)
    batches = DataLoader(pictures, batch_size=BATCH, shuffle=True, num_workers=2, drop_last=True)
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3)
    network.train()
    steps = 0
    while time.perf_counter() - began < 60 * minutes:
        for pixels, ids in batches:
            loss = torch.nn.functional.cross_entropy(network(pixels), ids, ignore_index=VOID)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            steps += 1
            if time.perf_counter() - began >= 60 * minutes:
                break
    seconds = time.perf_counter() - began
    network.eval()
    metric = SegmentationMetric(classes)
    for sample in splits.test.samples:
        metric.update([found(network, sample)], [sample.target])  # type: ignore[list-item]
    return {"miou": metric.compute()["miou"], "seconds": seconds, "steps": steps}


class Pictures:
    """What a tutorial's data set does: open, resize, mirror at random, normalise."""

    def __init__(self, data: Any) -> None:
        self.samples = data.samples

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, row: int) -> Any:
        import numpy as np
        import torch
        from PIL import Image

        sample = self.samples[row]
        pixels = normalised(sample)
        ids = Image.fromarray(sample.target.load().ids).resize((WIDTH, HEIGHT), Image.Resampling.NEAREST)
        mask = torch.from_numpy(np.array(ids)).long()
        return (pixels.flip(-1), mask.flip(-1)) if random.random() < 0.5 else (pixels, mask)


def normalised(sample: Any) -> Any:
    """Return (3, h, w) float32 of a picture."""
    import numpy as np
    import torch
    from PIL import Image

    with Image.open(sample.path) as file:
        picture = file.convert("RGB").resize((WIDTH, HEIGHT), Image.Resampling.BILINEAR)
    pixels = torch.from_numpy(np.array(picture)).permute(2, 0, 1).float() / 255
    return (pixels - torch.tensor(MEAN)[:, None, None]) / torch.tensor(STD)[:, None, None]


def found(network: Any, sample: Any) -> Any:
    """Return the mask of a picture in its own pixels."""
    import numpy as np
    import torch

    from nayan.core.types import SemanticMask

    height, width = sample.load().shape[:2]
    with torch.inference_mode():
        logits = network(normalised(sample)[None])
        whole = torch.nn.functional.interpolate(logits, (height, width), mode="bilinear")
    return SemanticMask(whole[0].argmax(0).numpy().astype(np.uint8))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--weights", type=Path, help="of the encoder; by default those of the packs")
    parser.add_argument("--loop", action="store_true", help="train the peer, and end")
    options = parser.parse_args()
    weights = options.weights or packs() / "weights" / f"{ENCODER}_imagenet.safetensors"
    if options.loop:
        print(json.dumps(loop(options.minutes, weights)))
        return
    mine, peer = ours(options.minutes, weights), theirs(options.minutes, weights)
    print(f"nayan: {mine}\nloop: {peer}")
    publish(
        "segment_camvid",
        [
            Claim("miou on test", mine["miou"], 0.45, ""),
            Claim("points above the loop", 100 * (mine["miou"] - peer["miou"]), 3, ""),
        ],
        costs={"nayan, miou": mine["miou"], "loop, miou": peer["miou"]},
        versions={name: version(name) for name in ("nayan", "torch", "timm", "segmentation-models-pytorch")},
    )


if __name__ == "__main__":
    main()
