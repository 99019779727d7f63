"""Training input: a 1280x960 JPEG to 224x224, nayan against plain Pillow, in turn, in one process.

    python benchmarks/decode.py

Measured on one core in processor time (so that other programs disturb less), A B A B ..., medians.
Both start from the bytes of the file and end with the network's pixels: Pillow decodes everything,
converts, resizes and crops; nayan decodes at a smaller scale and resizes once. The PSNR compares
nayan's pixels with those of a full decode and the same resize; the sharpest usual case (crop_ratio
0.875, bicubic) and other sizes are printed beside it. The last line is one JSON document. Targets for
224: ratio >= 2.5, PSNR >= 45 dB.

A good part of Pillow's time is fresh memory. Where the C library keeps large blocks (MALLOC_MMAP_THRESHOLD_
and MALLOC_TRIM_THRESHOLD_ of a gigabyte, or another decoder of large arrays in the same loop) Pillow gets
faster and the ratio for 224 falls to 2.0 - 2.4.
"""

from __future__ import annotations

import argparse
import io
import json
import statistics
import time
from collections.abc import Callable

import numpy as np
import PIL
import simplejpeg
from numpy.typing import NDArray
from PIL import Image as PillowImage
from sklearn.datasets import load_sample_images

from nayan.core.image import open_image
from nayan.runtime.preprocess import Preprocess

CASES = {
    "224 bilinear": Preprocess((224, 224)),
    "224 bicubic of 256": Preprocess((224, 224), crop_ratio=0.875, interpolation="bicubic"),
    "96 bilinear": Preprocess((96, 96)),
    "48 bilinear": Preprocess((48, 48)),
}


def photographs() -> dict[str, bytes]:
    """Return scikit-learn's two sample photographs as 1280x960 JPEGs of quality 90."""
    made = {}
    for name, pixels in zip(("china", "flower"), load_sample_images().images, strict=True):
        file = io.BytesIO()
        large = PillowImage.fromarray(pixels).resize((1280, 960), PillowImage.Resampling.LANCZOS)
        large.save(file, "JPEG", quality=90)
        made[name] = file.getvalue()
    return made


def plain_pillow(data: bytes, preprocess: Preprocess) -> NDArray[np.uint8]:
    """Decode, resize the shorter side, crop the centre: what a data loader on Pillow does."""
    height, width = preprocess.size
    shorter = round(height / preprocess.crop_ratio)
    with PillowImage.open(io.BytesIO(data)) as image:
        rgb = image.convert("RGB")
    scale = shorter / min(rgb.size)
    method = PillowImage.Resampling[preprocess.interpolation.upper()]
    rgb = rgb.resize((round(rgb.width * scale), round(rgb.height * scale)), method)
    left, top = (rgb.width - width) // 2, (rgb.height - height) // 2
    return np.asarray(rgb.crop((left, top, left + width, top + height)))


def nayan_input(data: bytes, preprocess: Preprocess) -> NDArray[np.uint8]:
    return preprocess(open_image(data, preprocess.at_least()))[0]


def full_decode(data: bytes, preprocess: Preprocess) -> NDArray[np.uint8]:
    return preprocess(open_image(data))[0]


def psnr(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> float:
    """Return the peak signal-to-noise ratio in dB; infinite for equal pictures."""
    error = float(np.mean((a.astype(np.float64) - b) ** 2))
    return float("inf") if error == 0 else 10 * float(np.log10(255**2 / error))


Way = Callable[[bytes, Preprocess], NDArray[np.uint8]]


def in_turn(ways: dict[str, Way], data: bytes, preprocess: Preprocess, *, rounds: int) -> dict[str, float]:
    """Return the median processor milliseconds of each way, measured A B A B ..."""
    times: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds + 1):
        for name, way in ways.items():
            start = time.process_time()
            way(data, preprocess)
            times[name].append((time.process_time() - start) * 1000)
    return {name: statistics.median(values[1:]) for name, values in times.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=40)
    rounds = parser.parse_args().rounds
    ways = {"pillow": plain_pillow, "nayan": nayan_input}
    rows = []
    for photo, data in photographs().items():
        for case, preprocess in CASES.items():
            ms = in_turn(ways, data, preprocess, rounds=rounds)
            quality = psnr(nayan_input(data, preprocess), full_decode(data, preprocess))
            decoded = open_image(data, preprocess.at_least()).shape[:2]
            ratio = ms["pillow"] / ms["nayan"]
            rows.append(
                {"photo": photo, "case": case, "ratio": round(ratio, 2), "psnr_db": round(quality, 1)}
            )
            print(
                f"{photo:7} 1280x960 -> {case:19}: decoded {decoded[1]}x{decoded[0]}, {quality:.1f} dB,"
                f" {ratio:.2f}x as fast as Pillow {PIL.__version__}"
            )
    versions = {"pillow": PIL.__version__, "simplejpeg": simplejpeg.__version__}
    worst = {"ratio": min(row["ratio"] for row in rows), "psnr_db": min(row["psnr_db"] for row in rows)}
    print(json.dumps({"benchmark": "decode", "rows": rows, "worst": worst, "versions": versions}))


if __name__ == "__main__":
    main()
