"""Make the pictures of the looks at detectors: `python scripts/explain_detection_pictures.py [RUN PICTURE]`.

Without a run, a `yolo` learns nayan's own sample data (scanned digits on photographs) for a minute or two;
nothing is fetched. A run of one's own and a picture of the data that it was trained on do as well.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

from PIL import Image as PillowImage

from nayan import api
from nayan.core.story import Story

IMAGES = Path(__file__).parents[1] / "docs" / "images"


def main() -> None:
    """Write every picture that the guide shows of a detector."""
    with tempfile.TemporaryDirectory() as folder:
        run, picture = given() or trained(Path(folder))
        look: dict[str, Any] = {"image": picture}
        save(api.explain(picture, what="proposals"), "proposals", [0])
        save(api.explain("faster_rcnn_fpn", **look, what="anchors"), "anchors", [0])
        save(api.explain(run, **look, what="assignment"), "assignment", [1])
        save(api.explain(run, **look, what="candidates"), "candidates", [0, 1, 5])
        save(api.explain(run, **look, what="nms", conf=0.1), "nms", [0, 2])
        save(api.explain(run, **look, what="cam"), "box_cam", [0])


def given() -> tuple[Path, Path] | None:
    """Return the run and the picture that were named."""
    return (Path(sys.argv[1]), Path(sys.argv[2])) if len(sys.argv) == 3 else None


def trained(folder: Path) -> tuple[Path, Path]:
    """Return a run on sample data and a picture that it has not seen."""
    data = api.sample("detect", folder / "data")
    run = api.train(
        data, model="yolo", weights="none", imgsz=192, time="90s", out=folder / "run", device="cpu"
    )
    print(run.metrics)
    return run.folder, unseen(data)


def unseen(data: Path) -> Path:
    """Return a picture of the test split with as many objects as any."""
    from nayan.core.types import Boxes
    from nayan.data.splits import open_splits

    test = open_splits(data).test
    assert test is not None
    ranked = sorted(test.samples, key=lambda each: len(each.target) if isinstance(each.target, Boxes) else 0)
    assert ranked[-1].path is not None
    return ranked[-1].path


def save(story: Story, what: str, panels: list[int]) -> None:
    """Write the pictures of some panels as explain_WHAT_N."""
    chosen = Story(story.title, [story.panels[number] for number in panels])
    with tempfile.TemporaryDirectory() as folder:
        for number, file in enumerate(chosen.write(Path(folder))[1:], start=1):
            target = IMAGES / f"explain_{what}_{number}{file.suffix}"
            if file.suffix == ".png":
                few_colours(PillowImage.open(file)).save(target, optimize=True)
            else:
                target.write_bytes(file.read_bytes())
            print(target.name, f"{target.stat().st_size / 1000:.0f} kB")


def few_colours(image: PillowImage.Image) -> PillowImage.Image:
    """Return the picture in 256 colours, which are half the bytes; spread so that scales stay smooth."""
    palette = image.quantize(256, method=PillowImage.Quantize.MAXCOVERAGE)
    return image.quantize(palette=palette, dither=PillowImage.Dither.FLOYDSTEINBERG)


if __name__ == "__main__":
    main()
