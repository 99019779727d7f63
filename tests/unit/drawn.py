"""Small data sets on disk for the tests of the readers: every number is another picture."""

import hashlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from PIL import Image

from nayan.core.types import Dataset


def pixels(number: int, size: tuple[int, int] = (16, 20)) -> np.ndarray:
    """Return an (H, W, 3) picture of coarse noise that no other number gives."""
    coarse = np.random.default_rng(number).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(coarse).resize((size[1], size[0])))


def draw(root: Path, files: Mapping[str, int | str]) -> Path:
    """Write {relative path: number of a picture, or text} below `root` and return it."""
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, int):
            Image.fromarray(pixels(content)).save(path)
        else:
            path.write_text(content, encoding="utf-8")
    return root


def classes_of(data: Dataset) -> dict[str, str]:
    """Return {id: name of the class}."""
    return {sample.id: data.classes[sample.target.index] for sample in data.samples}


def digest_of(root: Path) -> dict[str, str]:
    """Return {relative path: hash of the bytes, with the time of the last change} of everything below."""
    return {
        path.relative_to(root).as_posix(): f"{path.stat().st_mtime_ns} "
        + (hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "folder")
        for path in sorted(root.rglob("*"))
    }
