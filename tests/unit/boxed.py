"""Small data sets with boxes on disk, as COCO files that may say anything, also what is wrong."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from nayan.core.types import Dataset

Box = tuple[str, tuple[float, float, float, float]]
"""Class, and x, y, width, height."""

SIZE = (100, 120)


def picture(path: Path, number: int, size: tuple[int, int] = SIZE) -> None:
    """Write the picture of this number: blocks with sharp edges, which the doctor takes for no blur."""
    path.parent.mkdir(parents=True, exist_ok=True)
    sharp(number, size).save(path)


def sharp(number: int, size: tuple[int, int] = SIZE) -> Image.Image:
    """Return a picture of coloured blocks that no other number gives."""
    blocks = np.random.default_rng(number).integers(0, 256, (9, 9, 3), dtype=np.uint8)
    return Image.fromarray(blocks).resize(size[::-1], Image.Resampling.NEAREST)


def coco(
    root: Path,
    splits: Mapping[str, Mapping[str, tuple[int, Sequence[Box]]]],
    classes: Sequence[str] = ("cat", "dog"),
    size: tuple[int, int] = SIZE,
) -> Path:
    """Write {split: {name: (number of the picture, boxes)}} in Roboflow's layout below `root`.

    The split "all" is written as annotations/instances.json with the pictures in images/.
    """
    for split, pictures in splits.items():
        folder = root / "images" if split == "all" else root / split
        rows, annotations = [], []
        for number, (name, (seed, boxes)) in enumerate(pictures.items()):
            picture(folder / name, seed, size)
            rows.append({"id": number, "file_name": name, "height": size[0], "width": size[1]})
            annotations += [
                {"image_id": number, "category_id": classes.index(kind) + 1, "bbox": list(xywh), "iscrowd": 0}
                for kind, xywh in boxes
            ]
        document = {
            "images": rows,
            "annotations": [{"id": i, **a} for i, a in enumerate(annotations)],
            "categories": [{"id": i + 1, "name": name} for i, name in enumerate(classes)],
        }
        table = root / "annotations/instances.json" if split == "all" else folder / "_annotations.coco.json"
        table.parent.mkdir(parents=True, exist_ok=True)
        table.write_text(json.dumps(document))
    return root


def many(
    count: int, classes: Sequence[str] = ("cat", "dog"), *, start: int = 0, name: str = "{:03d}.png"
) -> dict[str, tuple[int, list[Box]]]:
    """Return different pictures of one or two boxes each, all in other places."""
    rng = np.random.default_rng(start)
    found: dict[str, tuple[int, list[Box]]] = {}
    for i in range(count):
        kinds = [classes[(i + j) % len(classes)] for j in range(1 + i % 2)]
        corners = rng.uniform(0, 40, (len(kinds), 2)).round(1)
        found[name.format(start + i)] = (
            start + i + 1,
            [(kind, (x, y, 40.5, 35)) for kind, (x, y) in zip(kinds, corners.tolist(), strict=True)],
        )
    return found


def names_in(data: Dataset) -> set[str]:
    """Return the file names of a data set's pictures."""
    return {sample.id.rpartition("/")[2] for sample in data.samples}
