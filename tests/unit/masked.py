"""Small data sets of pictures with masks on disk, in any layout and with any values."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from drawn import pixels
from numpy.typing import NDArray
from PIL import Image

from nayan.core.types import Dataset

SIZE = (24, 32)


def halves(*values: int, size: tuple[int, int] = SIZE) -> NDArray[np.int64]:
    """Return a mask of upright stripes with these values, as wide as each other."""
    columns = np.repeat(values, -(-size[1] // len(values)))[: size[1]]
    return np.tile(columns, (size[0], 1))


def masked(
    root: Path, files: Mapping[str, NDArray[np.int64] | int | str], *, size: tuple[int, int] = SIZE
) -> Path:
    """Write {path: mask, number of a picture, or text} below `root`."""
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, str):
            path.write_text(content, encoding="utf-8")
        elif isinstance(content, int):
            Image.fromarray(pixels(content, size)).save(path)
        else:
            kind = np.uint8 if content.max() < 256 else np.uint16
            Image.fromarray(content.astype(kind)).save(path)
    return root


def painted(ids: NDArray[np.int64], colours: Mapping[int, tuple[int, int, int]]) -> Image.Image:
    """Return a mask as a picture in colours."""
    image = np.zeros((*ids.shape, 3), np.uint8)
    for number, colour in colours.items():
        image[ids == number] = colour
    return Image.fromarray(image)


def masks_of(data: Dataset) -> dict[str, NDArray[np.uint8]]:
    """Return {id: classes of the pixels}."""
    return {sample.id: sample.target.load().ids for sample in data.samples}
