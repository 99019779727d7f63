"""From a table of captions to sentences about other pictures, by the commands that a user has."""

from __future__ import annotations

import csv
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
from nayan.core.errors import BundleError, ConfigError, DataError
from nayan.core.types import Caption
from nayan.data.splits import open_splits
from nayan.runtime.bundle import open_bundle
from nayan.training.interrupt import Interrupted
from nayan.training.run import Run
from tiny_runs import SignalAt, draw_signs, one_core, result_rows, resume_tiny, train_tiny, weights_hash

OPTIONS: dict[str, Any] = {
    "task": "generate",
    "model": "captioner",
    "imgsz": None,
    "batch": 8,
    "dim": 32,
    "workers": 1,
    "device": "cpu",
    "precision": "fp32",
}
INKS = {"red": (220, 30, 30), "green": (20, 160, 40), "blue": (40, 60, 230)}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write bars that stand or lie, in three colours, each with two sentences."""
    root = tmp_path_factory.mktemp("bars")
    (root / "images").mkdir()
    rng = np.random.default_rng(0)
    rows = [("file", "caption", "split")]
    for split, count in (("train", 24), ("val", 6), ("test", 6)):
        for number in range(count):
            ink, lies = list(INKS)[number % 3], number % 2
            pixels = rng.integers(0, 40, (20, 20, 3), dtype=np.uint8)
            at = int(rng.integers(2, 14))
            pixels[(slice(at, at + 5), slice(None)) if lies else (slice(None), slice(at, at + 5))] = INKS[ink]
            name = f"images/{split}_{number:02d}.png"
            Image.fromarray(pixels).save(root / name)
            rows.append((name, f"a {ink} bar {'lies' if lies else 'stands'}", split))
            rows.append((name, f"{'lying' if lies else 'standing'}, in {ink}", split))
    with (root / "captions.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(rows)
    return root


@pytest.fixture(scope="module")
def run(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    with one_core():
        return nayan.train(
            data, out=tmp_path_factory.mktemp("runs") / "run", epochs=12, lr=5e-3, augment="none", **OPTIONS
        )


def test_a_run_learns_what_bars_look_like_and_keeps_the_words(run: Run) -> None:
    assert (run.task, run.split) == ("generate", "test")
    assert set(run.metrics) == {"exact", "bleu1", "bleu2", "bleu3", "bleu4"}
    assert run.metrics["exact"] >= 0.5
    assert {"val_exact", "val_bleu4", "val_loss", "train_loss"} <= set(result_rows(run.folder)[0])
    spec = open_bundle(run.bundle).spec
    assert (spec.task, spec.model, spec.classes, spec.preprocess.size) == (
        "captioning",
        "captioner",
        (),
        (16, 16),
    )
    words = spec.decode_args["words"]
    assert words == [",", "a", "bar", "blue", "green", "in", "lies", "lying", "red", "standing", "stands"]
    assert (spec.model_args["words"], spec.model_args["length"]) == (len(words), 6)


def test_val_gives_the_same_scores_and_says_how_they_were_measured(run: Run, data: Path) -> None:
    result = nayan.val(run.folder, data)
    assert result["metrics"] == pytest.approx(dict(run.metrics))
    assert "6 pictures against 2 true ones of each" in result["protocol"]


def test_the_report_shows_captions_and_words(run: Run) -> None:
    page = run.report.read_text(encoding="utf-8")
    for told in ("BLEU-4", "True captions", "Measured by the best sentence of 6 pictures"):
        assert told in page


def test_pictures_are_captioned_and_a_broken_one_stops_no_other(
    run: Run, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    for name in ("test_00.png", "test_01.png"):
        (folder / name).write_bytes((data / "images" / name).read_bytes())
    (folder / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    assert main(["caption", str(run.folder), str(folder), "--top", "2", "--json"]) == 0
    broken, first, second = json.loads(capsys.readouterr().out)
    assert "broken.png" in broken["source"]
    assert "error" in broken
    for record in (first, second):
        assert record["size"] == [20, 20]
        scores = [each["score"] for each in record["captions"]]
        assert len(scores) == 2
        assert 1 >= scores[0] >= scores[1] > 0
        assert all(each["logprob"] < 0 for each in record["captions"])
    assert main(["caption", str(run.folder), str(folder)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines == [f"{each['source']}: {each['captions'][0]['caption']}" for each in (first, second)]
    assert main(["caption", str(run.folder), str(folder), "--top", "2"]) == 0
    assert f"  {first['captions'][0]['caption']}" in capsys.readouterr().out
    assert main(["caption", str(run.folder), str(folder / "broken.png")]) == 3


def test_what_is_said_as_a_table_can_be_learnt_from(
    run: Run, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pictures = [str(path) for path in sorted((data / "images").glob("t*.png"))]
    assert main(["caption", str(run.folder), *pictures, "--format", "csv", "--top", "2"]) == 0
    table = capsys.readouterr().out
    (tmp_path / "captions.csv").write_text(table, encoding="utf-8")
    assert table.splitlines()[0] == "file,caption,score,logprob"
    splits = open_splits(tmp_path, targets=("Caption",))
    targets = [sample.target for sample in splits.train.samples]
    assert all(isinstance(target, Caption) and len(target.texts) == 2 for target in targets)


def test_another_width_of_the_search_runs_the_weights(run: Run, data: Path) -> None:
    picture = data / "images" / "test_00.png"
    usual = nayan.caption(run.folder, picture, top=3)[0]["captions"]
    wide = nayan.caption(run.folder, picture, beam=6, top=6)[0]["captions"]
    assert len(wide) == 6
    assert wide[0]["score"] >= usual[0]["score"] - 1e-4
    greedy = nayan.caption(run.folder, picture, beam=1)[0]["captions"]
    assert len(greedy) == 1
    predictor = nayan.load(run.folder)
    assert nayan.caption(predictor, picture, beam=3)[0]["captions"] == usual[:1]
    with pytest.raises(ConfigError, match="this predictor searches for 3"):
        nayan.caption(predictor, picture, beam=6)


def test_a_bundle_is_checked_exported_predicted_with_and_looked_into(
    run: Run, data: Path, tmp_path: Path
) -> None:
    picture = data / "images" / "test_00.png"
    assert all(check.passed for check in nayan.check_bundle(run.folder))
    assert nayan.export(run.folder, to="onnx", out=tmp_path / "onnx").parity.holds
    rows = nayan.predict(run.folder, picture, save=tmp_path / "painted")[0]["predictions"]
    assert rows[0]["label"] == nayan.caption(run.folder, picture)[0]["captions"][0]["caption"]
    with Image.open(next((tmp_path / "painted").iterdir())) as painted:
        assert painted.height > painted.width
    for what in ("summary", "filters", "features"):
        assert nayan.explain(run.folder, picture, what=what).panels
    assert nayan.explain("captioner", what="summary", imgsz=32).panels


def test_captions_come_without_torch(run: Run, data: Path) -> None:
    words = ["caption", str(run.folder), str(data / "images" / "test_00.png"), "--top", "3"]
    code = f"import sys; from nayan.cli import main; assert main({words!r}) == 0; print(*sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    modules = set(done.stdout.split())
    assert "onnxruntime" in modules
    assert not modules & {"torch", "torchvision", "timm", "lightning_fabric", "sklearn", "scipy"}


def test_what_cannot_be_captioned_or_learnt_is_refused(
    run: Run, data: Path, colour_bundle: Path, tmp_path: Path
) -> None:
    picture = data / "images" / "test_00.png"
    with pytest.raises(ConfigError, match="to write captions takes a captioner, this model is colours"):
        nayan.caption(colour_bundle, picture)
    with pytest.raises(ConfigError, match="top 4: 3 sentences are searched for"):
        nayan.caption(run.folder, picture, top=4)
    with pytest.raises(ConfigError, match="both are 1 or more"):
        nayan.caption(run.folder, picture, beam=0)
    with pytest.raises(DataError, match=r"nowhere\.png"):
        nayan.caption(run.folder, data / "nowhere.png")
    with pytest.raises(BundleError):
        nayan.caption(data, picture)
    with pytest.raises(DataError, match=r"holds one class a picture .* wanted captions"):
        nayan.train(draw_signs(tmp_path / "signs"), out=tmp_path / "a", **OPTIONS)
    with pytest.raises(ConfigError, match="--scale means nothing to captioning"):
        nayan.train(data, out=tmp_path / "b", scale=2, **OPTIONS)


def test_an_interrupted_run_goes_on_to_the_same_weights(data: Path, tmp_path: Path) -> None:
    whole = train_tiny(data, tmp_path / "whole", **OPTIONS)
    with pytest.raises(Interrupted):
        train_tiny(data, tmp_path / "cut", SignalAt(3), **OPTIONS)
    assert weights_hash(resume_tiny(tmp_path / "cut")) == weights_hash(whole)
