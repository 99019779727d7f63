"""Large pictures with small objects: learnt, judged, scored and predicted in the same tiles."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import nayan
from nayan.core.errors import ConfigError
from nayan.runtime.bundle import open_bundle
from nayan.runtime.predictor import evaluate
from nayan.runtime.tiles import Tiling
from nayan.training.interrupt import Interrupted
from nayan.training.run import Run
from tiny_runs import SignalAt, draw_signs, one_core, result_rows, resume_tiny, train_tiny, weights_hash

SIZE = (120, 180)
SIDES = (26, 44)
COLOURS = {"red": (225, 40, 30), "green": (30, 190, 60)}


def draw_squares(root: Path, *, train: int = 8, val: int = 4) -> Path:
    """Write pictures of 120 x 180 px with a red and a green square each, as COCO."""
    rng = np.random.default_rng(3)
    categories = [{"id": number, "name": name} for number, name in enumerate(COLOURS)]
    for split, count in (("train", train), ("valid", val), ("test", val)):
        (root / split).mkdir(parents=True)
        images, annotations = [], []
        for number in range(count):
            pixels = rng.integers(100, 130, (*SIZE, 3), dtype=np.uint8)
            for category, colour in enumerate(COLOURS.values()):
                side = int(rng.integers(*SIDES))
                left = int(rng.integers(0, 90 - side)) + 90 * category
                top = int(rng.integers(0, SIZE[0] - side))
                pixels[top : top + side, left : left + side] = colour
                place = {"bbox": [left, top, side, side], "area": side * side, "iscrowd": 0}
                annotations.append(
                    {"id": len(annotations), "image_id": number, "category_id": category, **place}
                )
            Image.fromarray(pixels).save(root / split / f"{number}.png")
            name = {"file_name": f"{number}.png", "height": SIZE[0], "width": SIZE[1]}
            images.append({"id": number, **name})
        table = {"images": images, "annotations": annotations, "categories": categories}
        (root / split / "_annotations.coco.json").write_text(json.dumps(table), encoding="utf-8")
    return root


OPTIONS: dict[str, Any] = {
    "model": "yolo",
    "weights": "none",
    "imgsz": 64,
    "tile": 80,
    "overlap": 0.5,
    "batch": 8,
    "augment": "none",
    "workers": 1,
    "device": "cpu",
    "precision": "fp32",
}


@pytest.fixture(scope="module")
def squares(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_squares(tmp_path_factory.mktemp("data") / "squares")


@pytest.fixture(scope="module")
def run(squares: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    with one_core():
        return nayan.train(squares, **OPTIONS, epochs=6, ema=0.0, out=tmp_path_factory.mktemp("runs") / "run")


def test_a_model_that_learnt_from_tiles_knows_them(run: Run) -> None:
    assert open_bundle(run.folder).spec.tiling == Tiling(80, 0.5)
    events = (run.folder / "events.jsonl").read_text(encoding="utf-8")
    assert "train: 8 pictures are seen as 72 tiles" in events  # 2 rows of 4, and the whole
    assert all(check.passed for check in nayan.check_bundle(run.folder))


def test_validation_while_training_gives_the_figures_of_the_bundle(run: Run) -> None:
    rows = result_rows(run.folder)
    scores = {row["epoch"]: float(row["val_map50"]) for row in rows}
    assert max(scores.values()) > 0.2
    metrics = open_bundle(run.folder).spec.metrics["val"]
    assert any(metrics["map50"] == pytest.approx(score, abs=1e-6) for score in scores.values())


def test_val_and_predict_look_at_the_tiles_that_were_learnt(run: Run, squares: Path) -> None:
    result = nayan.val(run.folder, squares)
    assert result["metrics"] == pytest.approx(dict(run.metrics))
    assert result["pictures"] == 4
    again = nayan.val(run.folder, squares, tile=80, overlap=0.5)
    assert again["metrics"] == pytest.approx(dict(run.metrics))
    whole = nayan.val(run.folder, squares, tile=0)
    assert whole["metrics"]["map50"] != pytest.approx(run.metrics["map50"])
    # what predict shows scores as val says
    predictor = nayan.load(run.folder)
    shown = nayan.predict(run.folder, squares / "test", conf=0.05)
    found = [len(predictor([np.asarray(Image.open(record["source"]))])[0]) for record in shown]
    assert [len(record["predictions"]) for record in shown] == found
    assert sum(found) >= 4


def test_the_report_says_how_large_objects_are_in_a_tile(run: Run) -> None:
    made = json.loads((run.folder / "evaluation" / "test.json").read_text(encoding="utf-8"))
    assert (made["imgsz"], made["tile"]) == (64, 80)
    assert SIDES[0] * 0.8 <= made["details"]["sizes"]["median"] <= SIDES[1] * 0.8


def test_thresholds_are_fitted_on_whole_pictures(run: Run, squares: Path) -> None:
    from nayan.tasks.detection.thresholds import fit_thresholds

    predictor = nayan.load(run.folder)
    found: list[Any] = []

    class Collect:
        def update(self, predictions: Any, targets: Any) -> None:
            found.append((predictions, targets))

        def compute(self) -> dict[str, float]:
            return {}

    from nayan.data.splits import read_split

    evaluate(predictor, read_split(squares, "val").samples, Collect())
    predictions = [each for part, _ in found for each in part]
    truths = [each for _, part in found for each in part]
    fitted = predictor.spec.decode_args["thresholds"]
    assert fitted == pytest.approx(list(fit_thresholds(predictions, truths, 2)), abs=1e-4)


def test_a_run_in_tiles_at_many_scales_that_was_interrupted_ends_as_if_it_never_was(
    squares: Path, tmp_path: Path
) -> None:
    options = {**OPTIONS, "epochs": 2, "batch": 12, "augment": "photo", "multi_scale": 0.5}
    with pytest.raises(Interrupted):
        train_tiny(squares, tmp_path / "stopped", SignalAt(8), **options)
    resumed = resume_tiny(tmp_path / "stopped")
    whole = train_tiny(squares, tmp_path / "whole", **options)
    assert weights_hash(resumed) == weights_hash(whole)
    assert result_rows(tmp_path / "stopped") == result_rows(tmp_path / "whole")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"tile": 16}, "--tile 16: a tile has 32 px or more"),
        ({"multi_scale": 0.1}, "no two multiples of 32 px are that near to 64 px"),
        ({"multi_scale": 0.5, "model": "yolo_v1"}, "yolo_v1 takes pictures of one size only"),
        ({"multi_scale": 0.5, "model": "localizer"}, "localizer takes pictures of one size only"),
        ({"multi_scale": 0.5, "model": "rcnn"}, "the proposals of rcnn are made for one size of picture"),
    ],
)
def test_tiles_and_scales_that_cannot_be_are_refused(
    squares: Path, tmp_path: Path, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        train_tiny(squares, tmp_path / "run", **{**OPTIONS, **options})


def test_classes_of_whole_pictures_are_not_cut_into_tiles(tmp_path: Path, colour_bundle: Path) -> None:
    signs = draw_signs(tmp_path / "signs")
    with pytest.raises(ConfigError, match="--tile 32: classification answers for whole pictures"):
        train_tiny(signs, tmp_path / "run", tile=32)
    with pytest.raises(
        ConfigError, match=r"--multi-scale 0\.5 is for detection and segmentation, this is classification"
    ):
        train_tiny(signs, tmp_path / "run", multi_scale=0.5)
    with pytest.raises(ConfigError, match="--tile 32: classification answers for whole pictures"):
        nayan.predict(colour_bundle, signs, tile=32)
    with pytest.raises(ConfigError, match=r"--overlap 0\.3 is that of tiles"):
        nayan.predict(colour_bundle, signs, overlap=0.3)
    assert nayan.predict(colour_bundle, signs, tile=0)
