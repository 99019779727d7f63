"""From a table of captions to pictures that were asked for in words, by the commands that a user has."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import nayan
from nayan.cli import main
from nayan.core.errors import ConfigError, NotFound
from nayan.runtime.bundle import open_bundle
from nayan.training.interrupt import Interrupted
from nayan.training.run import Run
from tiny_runs import SignalAt, one_core, result_rows, resume_tiny, train_tiny, weights_hash

INKS = {"red": (220, 30, 30), "blue": (40, 60, 220)}
OPTIONS: dict[str, Any] = {
    "task": "generate",
    "model": None,
    "weights": None,
    "imgsz": None,
    "batch": 8,
    "workers": 1,
    "device": "cpu",
    "precision": "fp32",
}


def draw_captioned(root: Path) -> Path:
    """Write pictures of lines and bars in two colours, each with two captions: 24 to learn from, 12 more."""
    rng = np.random.default_rng(3)
    (root / "images").mkdir(parents=True)
    rows = [("file", "caption", "split")]
    for number in range(36):
        sign, ink = ("line", "bar")[number % 2], ("red", "blue")[number // 2 % 2]
        pixels, place = np.zeros((16, 16, 3), np.uint8), int(rng.integers(2, 11))
        pixels[(slice(place, place + 3), slice(None))[:: 1 if sign == "bar" else -1]] = INKS[ink]
        Image.fromarray(pixels).save(root / "images" / f"{number}.png")
        split = "train" if number < 24 else "val"
        rows += [(f"images/{number}.png", text, split) for text in (f"a {ink} {sign}", f"{sign} in {ink}")]
    with (root / "captions.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(rows)
    return root


@pytest.fixture(scope="module")
def captioned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_captioned(tmp_path_factory.mktemp("data") / "captioned")


@pytest.fixture(scope="module")
def run(captioned: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    out = tmp_path_factory.mktemp("runs") / "run"
    with one_core():
        return nayan.train(captioned, out=out, epochs=3, ema=0.5, **OPTIONS)


def test_pictures_with_captions_are_for_text_to_image_and_its_bundle_knows_their_words(run: Run) -> None:
    spec = open_bundle(run.bundle).spec
    assert (run.task, spec.model) == ("generate", "text_to_image")
    assert spec.model_args["words"] == ["a", "bar", "blue", "in", "line", "red"]
    assert len(spec.model_args["captions"]) == len(spec.inputs["caption"]["rows"]) == 24
    shown = json.loads((run.folder / "evaluation" / f"{run.split}.json").read_text(encoding="utf-8"))
    assert shown["exhibit"]["asked"] == "caption"
    page = run.report.read_text(encoding="utf-8")
    assert "Below each picture is the sentence that it was asked for" in page
    assert "real under a wrong caption" in page


def test_sentences_are_drawn_in_turn_and_name_the_files(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["generate", str(run.folder), "-n", "3", "--out", str(tmp_path / "a"), "--json"]
    assert main([*words, "--caption", "a red line", "--caption", "bar in blue"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [row["caption"] for row in rows] == ["a red line", "bar in blue", "a red line"]
    names = [Path(row["file"]).name for row in rows]
    assert names == ["a_red_line_0_0000.png", "bar_in_blue_0_0001.png", "a_red_line_0_0002.png"]
    alone = nayan.generate(run.bundle, 1, out=tmp_path / "b", caption="a red line")[0]["file"]
    assert Path(alone).read_bytes() == (tmp_path / "a" / names[0]).read_bytes()
    other = nayan.generate(run.bundle, 1, out=tmp_path / "c", caption="a blue bar")[0]["file"]
    assert Path(other).read_bytes() != Path(alone).read_bytes()
    kept = nayan.generate(run.bundle, 2, out=tmp_path / "d")
    assert [row["caption"] for row in kept] == list(open_bundle(run.bundle).spec.model_args["captions"][:2])


def test_a_word_that_was_never_learnt_is_named(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["generate", str(run.folder), "--out", str(tmp_path), "--caption", "a rde line"]
    assert main(words) == 2
    told = capsys.readouterr().err
    assert "no word of this model is named 'rde'" in told
    assert "did you mean 'red'?" in told
    with pytest.raises(NotFound, match="no word of this model is named 'moon'"):
        nayan.generate(run.bundle, 1, out=tmp_path, caption="a red moon")
    with pytest.raises(ConfigError, match="reads sentences and knows no classes"):
        nayan.generate(run.bundle, 1, out=tmp_path, label="line")
    assert not list(tmp_path.iterdir())


def test_a_run_that_was_interrupted_ends_as_the_uninterrupted_one(captioned: Path, tmp_path: Path) -> None:
    options = {**OPTIONS, "gradient_penalty": 1.0, "diffaug": ("translation",), "ema": 0.9}
    whole = train_tiny(captioned, tmp_path / "whole", **options)
    with pytest.raises(Interrupted):
        train_tiny(captioned, tmp_path / "run", SignalAt(4), **options)
    resumed = resume_tiny(tmp_path / "run")
    assert weights_hash(resumed) == weights_hash(whole)
    assert result_rows(tmp_path / "run") == result_rows(tmp_path / "whole")


def test_another_generator_leaves_captions_aside_and_text_to_image_needs_them(
    captioned: Path, tmp_path: Path
) -> None:
    plain = train_tiny(captioned, tmp_path / "a", **{**OPTIONS, "model": "dcgan", "epochs": 1})
    assert "caption" not in plain.spec.inputs
    with pytest.raises(ConfigError, match="learns from pictures with captions, and these have none"):
        train_tiny(captioned / "images", tmp_path / "b", **{**OPTIONS, "model": "text_to_image"})
