"""Make the pictures of looks at segmenters: `python scripts/explain_segmentation_pictures.py [RUN PICTURE]`.

Without a run, a `unet` learns nayan's own sample data (scanned digits on photographs) for some minutes;
nothing is fetched. A run of one's own and a picture of the data that it was trained on do as well.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np

from explain_detection_pictures import given, save
from nayan import api
from nayan.core.types import MaskSource


def main() -> None:
    """Write every picture that the guide shows of a segmenter."""
    with tempfile.TemporaryDirectory() as folder:
        run, picture = given() or trained(Path(folder))
        save(api.explain(run, picture, what="features"), "way", [0])
        save(api.explain(run, picture, what="skips"), "skips", [0, 2])
        save(api.explain(run, picture, what="upsampling"), "upsampling", [0, 1, 3, 5])
        save(api.explain(run, picture, what="losses"), "losses", [0, 1, 4])
        save(api.explain(run, picture, what="cam"), "mask_cam", [0])


def trained(folder: Path) -> tuple[Path, Path]:
    """Return a run on sample data and a picture that it has not seen."""
    data = api.sample("segment", folder / "data")
    run = api.train(data, model="unet", imgsz=128, time="4m", out=folder / "run", device="cpu")
    print(run.metrics)
    return run.folder, unseen(data)


def unseen(data: Path) -> Path:
    """Return a picture of the test split with as many classes as any."""
    from nayan.data.splits import open_splits

    test = open_splits(data).test
    assert test is not None
    ranked = sorted(
        test.samples,
        key=lambda each: len(np.unique(each.target.load().ids)) if isinstance(each.target, MaskSource) else 0,
    )
    assert ranked[-1].path is not None
    return ranked[-1].path


if __name__ == "__main__":
    main()
