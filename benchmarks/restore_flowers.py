"""Super resolution and inpainting on classify-flowers against bicubic enlarging and OpenCV's Telea.

    NAYAN_DATA=... python benchmarks/restore_flowers.py [--enlarge RUN] [--fill RUN]

Trains both by their defaults (or takes the runs that are named), and restores the 125 pictures of the test
split, whole and in their own size, as `nayan upscale` and `nayan inpaint` do:

- made two times smaller by antialiased bicubic weights (Pillow, 8 bits) and enlarged again; PSNR and SSIM of
  RGB, PSNR of the ITU-R 601 luma beside it, without a border of 2 px;
- with one to three boxes of 16 to 48 px a side taken away, drawn from seed 0 and the number of the picture;
  PSNR and SSIM of RGB in the boxes.

Targets: 0.7 dB more than bicubic, 1 dB more than Telea.
"""

from __future__ import annotations

import argparse
from importlib.metadata import version
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage

import nayan
from measure import Claim, publish
from nayan.core.types import Image
from nayan.data.pictures import find_pictures
from nayan.runtime.holes import draw_boxes
from nayan.runtime.inputs import shrunk
from nayan.runtime.preprocess import resize
from nayan.tasks.generation.picture_scores import psnr, ssim
from nayan.tasks.generation.restoration.baselines import telea
from nayan.tasks.generation.restoration.filling import fill
from nayan.tasks.generation.restoration.upscaling import enlarge, scale_of
from training import packs, train

PACK = "classify-flowers"
BOXES, SIDES_PX, SEED = (1, 3), (16, 48), 0
SAMPLES = 12
Scores = dict[str, float]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--enlarge", type=Path, help="a run of super_resolution")
    parser.add_argument("--fill", type=Path, help="a run of inpainting")
    parser.add_argument("--sheet", type=Path, help="a folder for pictures of the results")
    given = parser.parse_args()
    costs = {}
    runs = {"super_resolution": given.enlarge, "inpainting": given.fill}
    for model, run in runs.items():
        if run is None:
            record, costs[model] = train(PACK, "--task", "generate", "--model", model)
            runs[model] = Path(record["run"])
    images = [sample.load() for sample in find_pictures([packs() / PACK / "test"])]
    large = enlarged(runs["super_resolution"], images, sheet=given.sheet)
    whole = filled(runs["inpainting"], images, sheet=given.sheet)
    publish(
        "restore_flowers",
        [
            Claim("x2: RGB PSNR above bicubic", large["gain"], 0.7, "dB"),
            Claim("boxes: RGB PSNR above Telea", whole["gain"], 1.0, "dB"),
            *(Claim(f"training of {model}, whole command", cost.wall_s, 600, "s", at_most=True)
              for model, cost in costs.items()),
        ],
        costs=costs,
        versions={name: version(name) for name in ("nayan", "torch", "opencv-contrib-python-headless")},
    )  # fmt: skip


def enlarged(run: Path, images: list[Image], *, sheet: Path | None) -> Scores:
    """Return the mean scores of pictures that were made smaller and enlarged again."""
    predictor = nayan.load(run)
    scale = scale_of(predictor.spec)
    rows, shown = [], []
    for image in images:
        height, width = (side - side % scale for side in image.shape[:2])
        truth = np.ascontiguousarray(image[:height, :width])
        small = shrunk(truth, scale=scale)
        made, plain = enlarge(predictor, small), resize(small, (height, width), interpolation="bicubic")
        inside = np.zeros((height, width), np.bool_)
        inside[scale:-scale, scale:-scale] = True
        rows.append(_row(made, plain, truth, inside))
        shown.append((plain, made, truth))
    _save(sheet, "enlarged", shown)
    return _told(f"x{scale}, {len(rows)} pictures", rows)


def filled(run: Path, images: list[Image], *, sheet: Path | None) -> Scores:
    """Return the mean scores of pictures whose boxes were filled."""
    predictor = nayan.load(run)
    rows, shown = [], []
    for number, image in enumerate(images):
        shorter = min(image.shape[:2])
        side = (SIDES_PX[0] / shorter, SIDES_PX[1] / shorter)
        rng = np.random.default_rng((SEED, number))
        missing = draw_boxes((image.shape[0], image.shape[1]), rng, boxes=BOXES, side=side) > 0
        damaged = np.where(missing[..., None], np.array((236, 72, 153), np.uint8), image)
        made, plain = fill(predictor, damaged, missing), telea(damaged, missing)
        rows.append(_row(made, plain, image, missing))
        shown.append((damaged, plain, made, image))
    _save(sheet, "filled", shown)
    return _told(f"boxes, {len(rows)} pictures", rows)


def _row(made: Image, plain: Image, truth: Image, where: NDArray[np.bool_]) -> Scores:
    scores: Scores = {}
    for name, picture in (("network", made), ("plain", plain)):
        scores[f"{name} psnr"] = psnr(picture, truth, where=where)
        scores[f"{name} ssim"] = ssim(picture, truth, where=where)
        scores[f"{name} psnr_y"] = psnr(_luma(picture), _luma(truth), where=where)
    return scores


def _luma(image: Image) -> Image:
    return np.asarray(PillowImage.fromarray(image).convert("L"))[..., None]


def _told(what: str, rows: list[Scores]) -> Scores:
    """Print the means; return them with the "gain" in RGB."""
    mean = {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}
    for name in ("network", "plain"):
        numbers = f"{mean[f'{name} psnr']:.2f} dB RGB, {mean[f'{name} psnr_y']:.2f} dB luma"
        print(f"{what}: {name} {numbers}, SSIM {mean[f'{name} ssim']:.4f}")
    won = [row["network psnr"] - row["plain psnr"] for row in rows]
    print(f"  won: {np.mean(won):+.2f} dB RGB, better in {np.mean(np.array(won) > 0):.0%} of them")
    return {**mean, "gain": float(np.mean(won))}


def _save(folder: Path | None, name: str, rows: list[tuple[Image, ...]]) -> None:
    """Write evenly spaced results below each other, where a folder is named."""
    if folder is None:
        return
    folder.mkdir(parents=True, exist_ok=True)
    for at in np.linspace(0, len(rows) - 1, SAMPLES).astype(int).tolist():
        PillowImage.fromarray(np.concatenate(rows[at], axis=1)).save(folder / f"{name}_{at:03d}.png")


if __name__ == "__main__":
    main()
