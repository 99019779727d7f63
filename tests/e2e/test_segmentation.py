"""From a folder of pictures and masks to a model that segments, by the commands that a user has."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

import nayan
from nayan.cli import main
from nayan.cli.train import run_document
from nayan.core.errors import ConfigError, NotFound
from nayan.core.events import Event
from nayan.runtime.bundle import open_bundle
from nayan.training.interrupt import Interrupted
from nayan.training.run import Run, Trained
from tiny_runs import SignalAt, one_core, result_rows, resume_tiny, train_tiny, weights_hash

SIZE = (64, 96)
COLOURS = {"ball": (225, 40, 30), "brick": (30, 60, 190)}


def draw_toys(root: Path, *, train: int = 12, val: int = 4) -> Path:
    """Write gray noise with a red disc and a blue square, and masks with 0, 1 and 2."""
    rng = np.random.default_rng(5)
    for split, count in (("train", train), ("val", val), ("test", val)):
        for part in ("images", "masks"):
            (root / split / part).mkdir(parents=True)
        for number in range(count):
            pixels = rng.integers(90, 140, (*SIZE, 3), dtype=np.uint8)
            mask = np.zeros(SIZE, np.uint8)
            x, y, radius = (int(v) for v in (rng.integers(14, 34), rng.integers(14, 50), rng.integers(8, 14)))
            cv2.circle(mask, (x, y), radius, 1, -1)
            left, top, side = (
                int(v) for v in (rng.integers(50, 70), rng.integers(0, 40), rng.integers(14, 24))
            )
            mask[top : top + side, left : left + side] = 2
            for index, colour in enumerate(COLOURS.values(), start=1):
                pixels[mask == index] = colour
            Image.fromarray(pixels).save(root / split / "images" / f"{number}.png")
            Image.fromarray(mask).save(root / split / "masks" / f"{number}.png")
    (root / "classes.txt").write_text("\n".join(["ground", *COLOURS]), encoding="utf-8")
    return root


OPTIONS: dict[str, Any] = {
    "model": "unet",
    "weights": "none",
    "batch": 4,
    "augment": "none",
    "workers": 1,
    "device": "cpu",
    "precision": "fp32",
}


@pytest.fixture(scope="module")
def toys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_toys(tmp_path_factory.mktemp("data") / "toys")


@pytest.fixture(scope="module")
def run(toys: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    with one_core():
        return nayan.train(
            toys, **OPTIONS, imgsz=96, epochs=8, ema=0.0, out=tmp_path_factory.mktemp("runs") / "run"
        )


def test_a_folder_of_masks_becomes_a_model_that_finds_their_classes(run: Run, toys: Path) -> None:
    assert run.task == "segment"
    assert run.metrics["miou"] > 0.7
    spec = open_bundle(run.folder).spec
    assert spec.classes == ("ground", "ball", "brick")
    assert spec.preprocess.size == (64, 96)  # the shape that the pictures share
    assert all(check.passed for check in nayan.check_bundle(run.folder))
    result = nayan.val(run.folder, toys)
    scores, told = result["metrics"], run_document(run)["metrics"]
    assert scores.pop("iou_per_class") == pytest.approx(told["iou_per_class"])
    assert scores == pytest.approx({name: told[name] for name in scores})
    assert np.mean(list(told["iou_per_class"].values())) == pytest.approx(told["miou"])
    assert list(told["iou_per_class"]) == ["ground", "ball", "brick"]


def test_validation_while_training_gives_the_figures_of_the_bundle(run: Run) -> None:
    scores = [float(row["val_miou"]) for row in result_rows(run.folder)]
    metrics = open_bundle(run.folder).spec.metrics["val"]
    assert any(metrics["miou"] == pytest.approx(score, abs=1e-5) for score in scores)


def test_how_maps_are_enlarged_is_written_down_where_nobody_said_it(run: Run) -> None:
    assert open_bundle(run.folder).spec.model_args["up"] == "transposed"
    assert "up: transposed  # auto: " in (run.folder / "config.yaml").read_text(encoding="utf-8")


def told_while_training(data: Path, out: Path, **options: Any) -> tuple[Trained, list[tuple[str, str]]]:
    """Train for an epoch; return what was trained, and (kind, text) of what was told."""
    told: list[Event] = []
    trained = train_tiny(data, out, told.append, **{**OPTIONS, "epochs": 1, **options})
    return trained, [(event["event"], event["text"]) for event in told if "text" in event]


def test_a_side_that_the_network_cannot_halve_is_rounded_and_told(toys: Path, tmp_path: Path) -> None:
    trained, told = told_while_training(toys, tmp_path / "run", imgsz=42)
    assert trained.setup.preprocess.size == (32, 48)
    assert trained.setup.config.imgsz == 48
    assert ("note", "--imgsz 42 becomes 48: the input of unet is a multiple of 16 px") in told


def test_a_class_that_no_mask_of_training_shows_is_told_before_training(tmp_path: Path) -> None:
    data = draw_toys(tmp_path / "toys", train=4, val=2)
    for mask in (data / "train" / "masks").iterdir():
        ids = np.array(Image.open(mask))
        Image.fromarray(np.where(ids == 2, 0, ids).astype(np.uint8)).save(mask)
    _, told = told_while_training(data, tmp_path / "run", imgsz=32)
    warnings = [text for kind, text in told if kind == "warning"]
    assert warnings == [
        "the class brick is in val and test, but in no mask of train: "
        "it cannot be learnt, and its IoU there is 0"
    ]


def test_predict_tells_areas_and_writes_masks(run: Run, toys: Path, tmp_path: Path) -> None:
    records = nayan.predict(
        run.folder,
        toys / "test" / "images",
        out=tmp_path,
        masks=("ids", "polygons"),
        mm_per_px=0.5,
        count="ball",
    )
    for record in records:
        rows = {row["label"]: row for row in record["predictions"]}
        assert sum(row["share"] for row in rows.values()) == pytest.approx(1)
        assert rows["ground"]["area_mm2"] == rows["ground"]["area"] / 4
        assert rows["ball"]["mask"]["size"] == list(SIZE)
        ids = np.asarray(Image.open(record["files"][0]))
        truth = np.asarray(Image.open(toys / "test" / "masks" / Path(record["source"]).name))
        assert (ids == truth).mean() > 0.9
        assert int((ids == 1).sum()) == rows["ball"]["area"]
    assert [record["predictions"] for record in records if "count" not in str(record["predictions"])] == []


def test_the_command_line_says_how_much_of_the_picture_each_class_is(
    run: Run, toys: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    picture = str(toys / "test" / "images" / "0.png")
    assert main(["predict", str(run.folder), picture]) == 0
    assert "ground " in capsys.readouterr().out
    assert (
        main(["predict", str(run.folder), picture, "--save", "--masks", "colour", "--out", str(tmp_path)])
        == 0
    )
    assert sorted(path.suffix for path in tmp_path.iterdir()) == [".jpg", ".json", ".png"]
    capsys.readouterr()
    assert main(["predict", str(run.folder), picture, "--format", "csv"]) == 0
    header, first, *_ = capsys.readouterr().out.splitlines()
    assert header == "source,height,width,rank,label,score,area,share,area_mm2,count,error"
    assert first.split(",")[1:5] == ["64", "96", "1", "ground"]


def test_what_masks_alone_have_is_refused_elsewhere_and_the_other_way_round(run: Run, toys: Path) -> None:
    picture = toys / "test" / "images" / "0.png"
    with pytest.raises(NotFound, match="ball"):
        nayan.predict(run.folder, picture, count="balls")
    with pytest.raises(ConfigError, match="more than 0 mm"):
        nayan.predict(run.folder, picture, mm_per_px=0.0)
    with pytest.raises(ConfigError, match="no folder"):
        nayan.predict(run.folder, picture, masks=("ids",))
    with pytest.raises(ConfigError, match="--iou is for detectors"):
        nayan.predict(run.folder, picture, iou=0.5)


def test_the_exported_model_gives_the_same_masks(run: Run, toys: Path, tmp_path: Path) -> None:
    report = nayan.export(run.folder, to="onnx", out=tmp_path / "exported")
    assert report.parity.holds
    one, two = (
        nayan.predict(model, toys / "test" / "images") for model in (run.folder, tmp_path / "exported")
    )
    assert [record["predictions"][0]["area"] for record in one] == [
        record["predictions"][0]["area"] for record in two
    ]


def test_a_report_with_its_gallery_is_written(run: Run) -> None:
    assert "miou" in (run.folder / "report.html").read_text(encoding="utf-8").lower()
    made = json.loads((run.folder / "evaluation" / "test.json").read_text(encoding="utf-8"))
    assert made["worst"]
    assert (run.folder / "evaluation" / made["worst"][0]["picture"]).is_file()


@pytest.mark.parametrize("tile", [0, 32])
def test_a_run_that_was_interrupted_ends_as_if_it_never_was(toys: Path, tmp_path: Path, tile: int) -> None:
    options = {**OPTIONS, "epochs": 2, "batch": 6, "imgsz": 32, "augment": "tissue", "tile": tile}
    options["loss"] = "ce+lovasz"
    whole = train_tiny(toys, tmp_path / "whole", **options)
    with pytest.raises(Interrupted):
        train_tiny(toys, tmp_path / "part", SignalAt(3), **options)
    resumed = resume_tiny(tmp_path / "part")
    assert weights_hash(resumed) == weights_hash(whole)
    assert result_rows(tmp_path / "part") == result_rows(tmp_path / "whole")
