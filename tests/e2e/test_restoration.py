"""From a folder of pictures to larger ones and to filled holes, by the commands that a user has."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_sample_image

import nayan
from nayan.cli import main
from nayan.core.errors import ConfigError, DataError
from nayan.runtime.bundle import open_bundle
from nayan.training.interrupt import Interrupted
from nayan.training.run import Run
from tiny_runs import SignalAt, one_core, result_rows, resume_tiny, train_tiny, weights_hash

OPTIONS: dict[str, Any] = {
    "task": "generate",
    "imgsz": 32,
    "batch": 8,
    "workers": 1,
    "device": "cpu",
    "precision": "fp32",
}
MODELS = ("super_resolution", "inpainting")


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write 48 px parts of scikit-learn's two photographs: left ones to learn from, right ones to test."""
    root = tmp_path_factory.mktemp("photos")
    for split, columns, count in (("train", (0, 400), 16), ("val", (400, 500), 4), ("test", (500, 592), 4)):
        folder = root / split / "photo"
        folder.mkdir(parents=True)
        rng = np.random.default_rng(0)
        for number in range(count):
            photo = load_sample_image(("china.jpg", "flower.jpg")[number % 2])
            top, left = int(rng.integers(0, 370)), int(rng.integers(*columns))
            Image.fromarray(photo[top : top + 48, left : left + 48]).save(folder / f"{number}.png")
    return root


@pytest.fixture(scope="module")
def runs(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Run]:
    folder = tmp_path_factory.mktemp("runs")
    with one_core():
        return {
            name: nayan.train(photos, out=folder / name, model=name, epochs=2, width=8, **OPTIONS)
            for name in MODELS
        }


@pytest.mark.parametrize("name", MODELS)
def test_a_run_is_scored_beside_what_one_has_without_a_network(name: str, runs: dict[str, Run]) -> None:
    run = runs[name]
    assert (run.task, run.split) == ("generate", "test")
    assert run.metrics["psnr_gain"] == pytest.approx(run.metrics["psnr"] - run.metrics["psnr_plain"])
    assert 10 < run.metrics["psnr_plain"] < 50
    assert {"val_psnr", "val_ssim", "train_loss"} <= set(result_rows(run.folder)[0])
    spec = open_bundle(run.bundle).spec
    assert (spec.task, spec.preprocess.fit) == ("restoration", "cut")


@pytest.mark.parametrize("name", MODELS)
def test_val_gives_the_same_scores_again(name: str, runs: dict[str, Run], photos: Path) -> None:
    assert nayan.val(runs[name].folder, photos)["metrics"] == pytest.approx(dict(runs[name].metrics))


@pytest.mark.parametrize("name", MODELS)
def test_the_report_shows_what_was_given_what_was_made_and_the_original(
    name: str, runs: dict[str, Run]
) -> None:
    page = runs[name].report.read_text(encoding="utf-8")
    assert "Farthest from the original" in page
    assert "PSNR in dB" in page
    with Image.open(runs[name].folder / "evaluation" / "gallery" / "test_0000.jpg") as triptych:
        assert triptych.width > 3 * triptych.height * 0.99


@pytest.mark.parametrize("name", MODELS)
def test_a_bundle_is_checked_exported_and_looked_into(
    name: str, runs: dict[str, Run], photos: Path, tmp_path: Path
) -> None:
    run = runs[name]
    assert all(check.passed for check in nayan.check_bundle(run.folder))
    assert nayan.export(run.folder, to="onnx", out=tmp_path / "onnx").parity.holds
    for what in ("summary", "filters", "features"):
        assert nayan.explain(run.folder, photos / "test" / "photo" / "0.png", what=what).panels
        assert nayan.explain(name, what=what if what != "features" else "summary").panels


def test_pictures_of_any_size_become_twice_as_large(
    runs: dict[str, Run], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sources = [tmp_path / "in" / "a.png", tmp_path / "in" / "b.jpg"]
    sources[0].parent.mkdir()
    for source, size in zip(sources, ((21, 33), (50, 40)), strict=True):
        Image.fromarray(load_sample_image("china.jpg")[: size[0], : size[1]]).save(source)
    before = [source.read_bytes() for source in sources]
    (tmp_path / "in" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    model = str(runs["super_resolution"].folder)
    assert main(["upscale", model, str(tmp_path / "in"), "--out", str(tmp_path / "out"), "--json"]) == 0
    records = json.loads(capsys.readouterr().out)
    assert [record.get("size") for record in records] == [[42, 66], [100, 80], None]
    assert "broken.png" in records[2]["source"]
    with Image.open(tmp_path / "out" / "a.png") as large:
        assert large.size == (66, 42)
    assert [source.read_bytes() for source in sources] == before
    assert main(["upscale", model, str(tmp_path / "in" / "broken.png"), "--out", str(tmp_path / "o")]) == 3


def test_a_hole_is_filled_and_the_rest_stays_bit_for_bit(
    runs: dict[str, Run], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model, photo = runs["inpainting"].folder, load_sample_image("flower.jpg")[:90, :130]
    Image.fromarray(photo).save(tmp_path / "photo.png")
    mask = np.zeros(photo.shape[:2], np.uint8)
    mask[10:30, 20:60] = 255
    Image.fromarray(mask).save(tmp_path / "mask.png")
    words = [
        "inpaint",
        model,
        tmp_path / "photo.png",
        "--mask",
        tmp_path / "mask.png",
        "--box",
        "100,50,120,90",
    ]
    words += ["--out", tmp_path / "out.png", "--json"]
    assert main([str(word) for word in words]) == 0
    record = json.loads(capsys.readouterr().out)
    hole = mask > 0
    hole[50:90, 100:120] = True
    assert record["filled"] == pytest.approx(hole.mean(), abs=1e-6)
    filled = np.asarray(Image.open(tmp_path / "out.png"))
    assert np.array_equal(filled[~hole], photo[~hole])
    assert not np.array_equal(filled[hole], photo[hole])


def test_a_restorer_runs_without_torch(runs: dict[str, Run], photos: Path, tmp_path: Path) -> None:
    photo, code = photos / "test" / "photo" / "0.png", "import sys; from nayan.cli import main; "
    for model, words in (
        ("super_resolution", ["upscale", "MODEL", photo, "--out", tmp_path / "large.png"]),
        ("inpainting", ["inpaint", "MODEL", photo, "--box", "9,9,20,20", "--out", tmp_path / "filled.png"]),
    ):
        given = [str(runs[model].folder if word == "MODEL" else word) for word in words]
        code += f"assert main({given!r}) == 0; "
    code += "print(*sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    modules = set(done.stdout.split())
    assert "onnxruntime" in modules
    assert not modules & {"torch", "torchvision", "timm", "lightning_fabric", "sklearn", "scipy"}


def test_what_cannot_be_restored_is_refused(runs: dict[str, Run], photos: Path, tmp_path: Path) -> None:
    fills, enlarges = runs["inpainting"].folder, runs["super_resolution"].folder
    photo = photos / "test" / "photo" / "0.png"
    with pytest.raises(ConfigError, match="to enlarge takes a model of super_resolution"):
        nayan.upscale(fills, photo, out=tmp_path)
    with pytest.raises(ConfigError, match="to fill holes takes a model of inpainting"):
        nayan.inpaint(enlarges, photo, boxes=["1,1,9,9"], out=tmp_path / "o.png")
    with pytest.raises(ConfigError, match="nothing says what is to be filled"):
        nayan.inpaint(fills, photo, out=tmp_path / "o.png")
    with pytest.raises(ConfigError, match="--box 1,1,9: expected four whole numbers"):
        nayan.inpaint(fills, photo, boxes=["1,1,9"], out=tmp_path / "o.png")
    Image.new("L", (10, 10), 255).save(tmp_path / "mask.png")
    with pytest.raises(DataError, match="is 10x10 px, the picture is 48x48"):
        nayan.inpaint(fills, photo, mask=tmp_path / "mask.png", out=tmp_path / "o.png")
    with pytest.raises(ConfigError, match="is one of the pictures, which are never changed"):
        nayan.upscale(enlarges, photo, out=photo)
    assert not (tmp_path / "o.png").exists()


def test_options_of_other_models_are_refused(photos: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="the model inpainting takes no argument 'scale'"):
        nayan.train(photos, out=tmp_path / "a", model="inpainting", scale=2, **OPTIONS)
    with pytest.raises(ConfigError, match="--dropout means nothing to restoration"):
        nayan.train(photos, out=tmp_path / "b", model="inpainting", dropout=0.1, **OPTIONS)


def test_a_second_phase_starts_from_the_first_and_keeps_its_last_weights(
    runs: dict[str, Run], photos: Path, tmp_path: Path
) -> None:
    weights = runs["super_resolution"].bundle / "weights.safetensors"
    with one_core():
        run = nayan.train(
            photos,
            out=tmp_path / "gan",
            model="super_resolution",
            width=8,
            adversarial=True,
            weights=weights,
            epochs=1,
            **OPTIONS,
        )
    row = result_rows(run.folder)[0]
    assert {"train_content", "train_adversarial", "train_discriminator"} <= set(row)
    assert "judge" not in json.dumps(open_bundle(run.bundle).spec.inputs)
    large = nayan.upscale(run.folder, photos / "test" / "photo" / "0.png", out=tmp_path / "large.png")
    assert large[0]["size"] == [96, 96]


def test_an_interrupted_run_goes_on_to_the_same_weights(photos: Path, tmp_path: Path) -> None:
    options = {**OPTIONS, "model": "inpainting", "width": 4, "epochs": 2, "adversarial": True}
    whole = train_tiny(photos, tmp_path / "whole", **options)
    with pytest.raises(Interrupted):
        train_tiny(photos, tmp_path / "cut", SignalAt(3), **options)
    assert weights_hash(resume_tiny(tmp_path / "cut")) == weights_hash(whole)
