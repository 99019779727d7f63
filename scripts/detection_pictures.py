"""Make the pictures of docs/guides/detection.md: `python scripts/detection_pictures.py`.

They show the sample data (scanned digits on scikit-learn's photographs), as it is and as training sees it.
Nothing is fetched or trained.
"""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

from PIL import Image as PillowImage

from nayan.core.sheet import grid
from nayan.core.types import Boxes, Dataset, Image
from nayan.data.readers import READERS
from nayan.data.samples import write_sample
from nayan.tasks.detection.draw import annotate
from nayan.training.order import sample_rng
from nayan.training.scene import SCENES, Scene

IMAGES = Path(__file__).parents[1] / "docs" / "images"
SHOWN = (0, 1, 2, 3)
SIDE = 320


def main() -> None:
    """Write every picture of the guide."""
    with tempfile.TemporaryDirectory() as folder:
        data = READERS["coco"].read(write_sample("detect", Path(folder) / "shapes", count=60), "train")
        plain = [painted(scene_of(data, index), data) for index in SHOWN]
        seen = [augmented(data, index) for index in SHOWN]
    captions = ["as it is"] * len(plain) + ["as training sees it"] * len(seen)
    picture = grid([*plain, *seen], captions, columns=len(SHOWN), side=230)
    target = IMAGES / "detect_augment.png"
    PillowImage.fromarray(picture).quantize(256).save(target, optimize=True)
    print(target.name, f"{target.stat().st_size / 1000:.0f} kB")


def scene_of(data: Dataset, index: int) -> Scene:
    """Return a sample with its boxes."""
    sample = data.samples[index]
    boxes = sample.target if isinstance(sample.target, Boxes) else Boxes.none()
    return Scene(sample.load(), replace(boxes, areas=None))


def augmented(data: Dataset, index: int) -> Image:
    """Return a sample as the first epoch sees it, with the boxes that are left."""
    rng = sample_rng(0, 0, index=index)
    policy = SCENES["photo"]
    others = rng.integers(len(data), size=policy.partners).tolist()
    scenes = [scene_of(data, number) for number in (index, *others)]
    return painted(policy.compose(scenes, rng, size=(SIDE, SIDE)), data)


def painted(scene: Scene, data: Dataset) -> Image:
    """Return a picture with its boxes on it."""
    return annotate(scene.image, scene.boxes, data.classes)


if __name__ == "__main__":
    main()
