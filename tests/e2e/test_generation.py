"""From a folder of pictures to pictures that were never there, by the commands that a user has."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import nayan
from nayan.cli import main
from nayan.core.errors import BundleError, ConfigError, ExportError, NotFound
from nayan.runtime.bundle import open_bundle
from nayan.training.interrupt import Interrupted
from nayan.training.run import Run
from tiny_runs import SignalAt, draw_signs, one_core, result_rows, resume_tiny, train_tiny, weights_hash

OPTIONS: dict[str, Any] = {
    "task": "generate",
    "model": "conditional_gan",
    "weights": None,
    "imgsz": None,
    "batch": 8,
    "workers": 1,
    "device": "cpu",
    "precision": "fp32",
}
TINY: dict[str, Any] = {**OPTIONS, "model": "dcgan", "gradient_penalty": 2.0, "diffaug": ("translation",)}


@pytest.fixture(scope="module")
def signs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_signs(tmp_path_factory.mktemp("data") / "signs")


@pytest.fixture(scope="module")
def run(signs: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    out = tmp_path_factory.mktemp("runs") / "run"
    with one_core():
        return nayan.train(signs, out=out, epochs=3, ema=0.5, **OPTIONS)


def test_a_run_ends_with_a_bundle_scores_and_a_page_that_shows_what_it_draws(run: Run) -> None:
    assert run.task == "generate"
    assert set(run.metrics) == {"kid", "fid", "precision", "recall"}
    spec = open_bundle(run.bundle).spec
    assert spec.inputs == {
        "noise": {"method": "noise", "size": 100},
        "label": {"method": "label", "count": 3},
    }
    assert (spec.preprocess.size, spec.preprocess.channels) == ((16, 16), 1)
    assert spec.preprocess.mean == (0.5,)
    page = run.report.read_text(encoding="utf-8")
    for told in ("KID", "Drawn", "How it learned to draw", "Is it copied?", "D(G(z)), of drawn ones"):
        assert told in page
    assert page.count("data:image/") >= 4
    films = sorted(path.name for path in (run.folder / "evaluation" / "film").iterdir())
    assert films == ["0001.webp", "0002.webp", "0003.webp"]


def test_the_evaluation_says_by_what_it_was_measured(run: Run) -> None:
    document = json.loads((run.folder / "evaluation" / f"{run.split}.json").read_text(encoding="utf-8"))
    assert document["details"]["protocol"].startswith("random convolutions")
    assert document["exhibit"]["training_pictures"] == 24
    assert [name for name, *_ in document["exhibit"]["drawn_classes"]] == ["bar", "dot", "line"]


def test_the_same_seed_draws_the_same_pictures_and_another_seed_others(run: Run, tmp_path: Path) -> None:
    nayan.generate(run.bundle, 4, out=tmp_path / "a")
    nayan.generate(run.bundle, 7, out=tmp_path / "b")
    nayan.generate(run.bundle, 4, out=tmp_path / "c", seed=5)
    first = {path.name: path.read_bytes() for path in (tmp_path / "a").iterdir()}
    assert sorted(first) == ["bar_0_0000.png", "bar_0_0003.png", "dot_0_0001.png", "line_0_0002.png"]
    assert all((tmp_path / "b" / name).read_bytes() == pixels for name, pixels in first.items())
    assert (tmp_path / "c" / "bar_5_0000.png").read_bytes() != first["bar_0_0000.png"]


def test_a_class_can_be_asked_for_on_a_sheet_or_on_the_way_to_another_picture(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["generate", str(run.folder), "-n", "6", "--label", "dot", "--out", str(tmp_path)]
    assert main([*words, "--grid", "--interpolate", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [row.get("label", row.get("kind")) for row in rows] == [*["dot"] * 6, "grid", "way"]
    drawn = [np.asarray(Image.open(row["file"])) for row in rows[:6]]
    assert drawn[0].shape == (16, 16, 3)
    steps = [np.abs(a.astype(int) - b).mean() for a, b in zip(drawn, drawn[1:], strict=False)]
    assert max(steps) < np.abs(drawn[0].astype(int) - drawn[-1]).mean()
    with Image.open(tmp_path / "way.gif") as way:
        assert way.n_frames == 10  # type: ignore[attr-defined]


def test_what_cannot_be_drawn_is_refused(run: Run, tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="no class of this model is named 'square'"):
        nayan.generate(run.bundle, 2, out=tmp_path, label="square")
    with pytest.raises(ConfigError, match="n 0, seed 0"):
        nayan.generate(run.bundle, 0, out=tmp_path)
    with pytest.raises(ConfigError, match="two pictures or more"):
        nayan.generate(run.bundle, 1, out=tmp_path, interpolate=True)


def test_it_is_scored_again_on_other_pictures_and_by_other_features(
    run: Run, signs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["val", str(run.folder), str(signs), "--split", "val", "--features", "random"]) == 0
    told = capsys.readouterr().out
    assert "measured by random convolutions" in told
    again = nayan.val(run.bundle, signs, split="val")
    assert again["metrics"] == pytest.approx(dict(run.metrics))
    with pytest.raises(ConfigError, match="gives picture, and no features of whole pictures"):
        nayan.val(run.bundle, signs, features=str(run.bundle))


def test_openvino_draws_the_same_and_eight_bits_are_refused(run: Run, signs: Path, tmp_path: Path) -> None:
    pytest.importorskip("openvino")
    nayan.export(run.bundle, to="openvino", out=tmp_path / "ov")
    nayan.generate(tmp_path / "ov", 3, out=tmp_path / "a")
    nayan.generate(run.bundle, 3, out=tmp_path / "b")
    for path in (tmp_path / "b").iterdir():
        other = np.asarray(Image.open(tmp_path / "a" / path.name), np.int64)
        assert np.abs(other - np.asarray(Image.open(path))).max() <= 1
    with pytest.raises(ExportError, match="in 8 bits their colours come in steps"):
        nayan.export(run.bundle, to="onnx", int8=True, data=signs, out=tmp_path / "int8")


def test_a_run_that_was_interrupted_ends_as_the_uninterrupted_one(signs: Path, tmp_path: Path) -> None:
    whole = train_tiny(signs, tmp_path / "whole", ema=0.9, **TINY)
    with pytest.raises(Interrupted):
        train_tiny(signs, tmp_path / "run", SignalAt(4), ema=0.9, **TINY)
    resumed = resume_tiny(tmp_path / "run")
    assert weights_hash(resumed) == weights_hash(whole)
    assert result_rows(tmp_path / "run") == result_rows(tmp_path / "whole")


def test_a_run_that_was_killed_ends_as_the_uninterrupted_one(signs: Path, tmp_path: Path) -> None:
    options = {**TINY, "epochs": 3, "checkpoint_every": 0.001}
    whole = train_tiny(signs, tmp_path / "whole", **{**options, "checkpoint_every": 60.0})
    code = (
        "import sys; sys.path.insert(0, sys.argv[3]); from pathlib import Path\n"
        "from tiny_runs import train_tiny\n"
        f"train_tiny(Path(sys.argv[1]), Path(sys.argv[2]), **{options!r})"
    )
    words = [sys.executable, "-c", code, str(signs), str(tmp_path / "run"), str(Path(__file__).parents[1])]
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    checkpoints = tmp_path / "run" / "checkpoints"
    while process.poll() is None and len(list(checkpoints.glob("0*"))) < 2:
        time.sleep(0.005)
    if process.poll() is None:
        os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert process.returncode == -signal.SIGKILL, "it was over before it could be killed"
    resumed = resume_tiny(tmp_path / "run")
    assert weights_hash(resumed) == weights_hash(whole)
    assert result_rows(tmp_path / "run") == result_rows(tmp_path / "whole")


def test_pictures_without_classes_are_enough_to_draw_but_not_to_draw_classes(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    (tmp_path / "photos").mkdir()
    for number in range(24):
        pixels = rng.integers(0, 256, (21, 17, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / "photos" / f"{number}.png")
    trained = train_tiny(tmp_path / "photos", tmp_path / "run", **{**TINY, "epochs": 1})
    assert trained.spec.preprocess.size == (16, 16)
    with pytest.raises(ConfigError, match="the data have none"):
        train_tiny(tmp_path / "photos", tmp_path / "other", **OPTIONS)


def test_options_of_other_tasks_are_refused(signs: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="--mixup means nothing to generation"):
        train_tiny(signs, tmp_path / "a", **TINY, mixup=0.2)
    with pytest.raises(ConfigError, match="--diffaug means nothing to classification"):
        train_tiny(signs, tmp_path / "b", diffaug=("cutout",))


def test_a_classifier_cannot_be_asked_to_draw(signs: Path, tmp_path: Path) -> None:
    with pytest.raises(BundleError):
        nayan.generate(tmp_path, 2, out=tmp_path / "out")
