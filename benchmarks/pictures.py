"""Photographs for the benchmarks: random crops of scikit-learn's two sample photographs, as JPEG folders."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image as PillowImage
from sklearn.datasets import load_sample_images

from measure import WORK

CLASSES = ("china", "flower")


def jpeg_folder(count: int, size: tuple[int, int]) -> Path:
    """Return a folder with `count` JPEGs of quality 90, half in each class folder; made once.

    Args:
        count: pictures in all.
        size: (width, height) of each.
    """
    root = WORK / f"pictures_{count}_{size[0]}x{size[1]}"
    if root.exists():
        return root
    rng = np.random.default_rng(0)
    unfinished = root.with_name(f"{root.name}.part")
    photos = [PillowImage.fromarray(pixels) for pixels in load_sample_images().images]
    for number in range(count):
        name = CLASSES[number % 2]
        folder = unfinished / name
        folder.mkdir(parents=True, exist_ok=True)
        photo = photos[number % 2]
        share = rng.uniform(0.7, 1.0)
        width, height = photo.width * share, photo.height * share
        left, top = rng.uniform(0, photo.width - width), rng.uniform(0, photo.height - height)
        box = (left, top, left + width, top + height)
        picture = photo.resize(size, PillowImage.Resampling.LANCZOS, box=box)
        picture.save(folder / f"{number:04}.jpg", "JPEG", quality=90)
    unfinished.rename(root)
    return root
