"""From a folder of photographs and one style to paintings, by the commands that a user has."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import nayan
from nayan.cli import main
from nayan.core.errors import ConfigError
from nayan.runtime.bundle import open_bundle
from nayan.training.interrupt import Interrupted
from nayan.training.run import Run
from tiny_runs import SignalAt, one_core, result_rows, resume_tiny, train_tiny, weights_hash

TRAINING = {"torch", "torchvision", "timm", "lightning_fabric", "onnx"}
OPTIONS: dict[str, Any] = {
    "task": "generate",
    "model": "fast_style",
    "backbone": "test_resnet",
    "weights": "none",
    "imgsz": 32,
    "width": 4,
    "batch": 4,
    "workers": 1,
    "device": "cpu",
    "precision": "fp32",
}

_STYLIZE = """
import json, sys
from nayan.cli import main
code = main(["stylize", sys.argv[1], "--model", sys.argv[2], "--out", sys.argv[3], "--quiet"])
print(json.dumps({"code": code, "modules": sorted(sys.modules)}))
"""


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of 20 pictures of discs, 44 x 40 px."""
    root = tmp_path_factory.mktemp("photos")
    rng = np.random.default_rng(1)
    y, x = np.mgrid[:40, :44]
    for number in range(20):
        wall, disc = rng.integers(0, 256, (2, 3))
        inside = np.hypot(y - rng.integers(10, 30), x - rng.integers(10, 34)) < rng.integers(6, 14)
        pixels = np.where(inside[..., None], disc, wall) + rng.normal(0, 6, (40, 44, 3))
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(root / f"{number:02}.png")
    return root


@pytest.fixture(scope="module")
def style(tmp_path_factory: pytest.TempPathFactory) -> Path:
    bright = np.arange(64)[:, None] // 4 % 2 == 0
    pixels = np.where(bright[..., None], (240, 210, 20), (10, 10, 10)).astype(np.uint8).repeat(48, 1)
    file = tmp_path_factory.mktemp("style") / "stripes.png"
    Image.fromarray(pixels).save(file)
    return file


@pytest.fixture(scope="module")
def run(photos: Path, style: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    with one_core():
        out = tmp_path_factory.mktemp("runs") / "run"
        return nayan.train(photos, out=out, epochs=3, style=style, **OPTIONS)


def test_a_run_ends_with_a_bundle_scores_and_a_page_with_pairs(run: Run) -> None:
    assert set(run.metrics) == {"structure", "repainted"}
    spec = open_bundle(run.bundle).spec
    assert (spec.task, spec.model) == ("stylization", "fast_style")
    assert spec.inputs == {"photograph": {"method": "whole"}}
    page = run.report.read_text(encoding="utf-8")
    for told in ("Photographs and their paintings", "Structure", "training content", "training style"):
        assert told.lower() in page.lower()
    rows = result_rows(run.folder)
    assert float(rows[-1]["val_loss"]) < float(rows[0]["val_loss"])
    assert all(name.startswith(("enter", "middle", "leave", "normalise")) for name in _weights(run.bundle))


def test_a_bundle_paints_pictures_of_any_size_without_torch(run: Run, tmp_path: Path) -> None:
    Image.new("RGB", (101, 67), (90, 140, 200)).save(tmp_path / "a.png")
    out = tmp_path / "out" / "a.png"
    words = [sys.executable, "-c", _STYLIZE, str(tmp_path / "a.png"), str(run.bundle), str(out)]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    record = json.loads(done.stdout.splitlines()[-1])
    assert record["code"] == 0
    assert not TRAINING & {name.partition(".")[0] for name in record["modules"]}
    assert np.asarray(Image.open(out)).shape == (67, 101, 3)


def test_the_file_and_its_size_are_told(run: Run, photos: Path, tmp_path: Path) -> None:
    records = nayan.stylize(photos / "00.png", out=tmp_path / "b.jpg", model=run.folder, keep_colours=True)
    assert records[0]["size"] == [40, 44]
    assert records[0]["file"] == str(tmp_path / "b.jpg")


def test_it_is_scored_again_and_predicted(run: Run, photos: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["val", str(run.bundle), str(photos), "--json"]) == 0
    assert set(json.loads(capsys.readouterr().out)["metrics"]) == {"structure", "repainted"}
    assert main(["predict", str(run.bundle), str(photos / "01.png"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["predictions"] == [{"picture": [32, 32]}]


def test_a_run_that_was_interrupted_ends_as_the_uninterrupted_one(
    photos: Path, style: Path, tmp_path: Path
) -> None:
    options = {**OPTIONS, "style": style, "epochs": 2}
    whole = train_tiny(photos, tmp_path / "whole", **options)
    with pytest.raises(Interrupted):
        train_tiny(photos, tmp_path / "run", SignalAt(3), **options)
    resumed = resume_tiny(tmp_path / "run")
    assert weights_hash(resumed) == weights_hash(whole)
    assert result_rows(tmp_path / "run") == result_rows(tmp_path / "whole")


def test_a_training_without_a_style_says_how_to_name_one(photos: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no style to learn"):
        train_tiny(photos, tmp_path / "run", **OPTIONS)


def test_a_style_means_nothing_to_other_tasks(photos: Path, style: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="--style means nothing to restoration"):
        train_tiny(
            photos, tmp_path / "run", task="generate", model="super_resolution", style=style, weights="none"
        )


def _weights(bundle: Path) -> list[str]:
    from safetensors.numpy import load_file

    return list(load_file(bundle / "weights.safetensors"))
