"""`nayan stylize`: what a user meets, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import nayan
from nayan.cli import main
from nayan.core.errors import ConfigError, DataError, FormatError, NotFound, WeightsError

QUICK: dict[str, Any] = {"backbone": "test_resnet", "weights": "none", "steps": 2, "size": 48}


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    """Return a picture of a red disc before a blue wall, 72 x 54 px."""
    y, x = np.mgrid[:54, :72]
    disc = np.hypot(y - 27, x - 36) < 18
    pixels = np.where(disc[..., None], (220, 30, 40), (20, 60, 160)).astype(np.uint8)
    Image.fromarray(pixels).save(tmp_path / "anna.png")
    return tmp_path / "anna.png"


@pytest.fixture
def style(tmp_path: Path) -> Path:
    (tmp_path / "styles").mkdir()
    pixels = np.random.default_rng(0).integers(0, 256, (40, 30, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "styles" / "noise.png")
    return tmp_path / "styles" / "noise.png"


def test_the_file_that_was_written_is_printed_and_the_photograph_stays(
    photo: Path, style: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = photo.read_bytes(), style.read_bytes()
    out = tmp_path / "new" / "painted.png"
    words = ["stylize", str(photo), str(style), "--out", str(out), "--backbone", "test_resnet"]
    assert main([*words, "--weights", "none", "--steps", "4", "--size", "48"]) == 0
    told = capsys.readouterr()
    assert told.out == f"{out}\n"
    assert told.err.splitlines() == ["step 1 of 4", "step 2 of 4", "step 3 of 4", "step 4 of 4"]
    assert np.asarray(Image.open(out)).shape == (54, 72, 3)
    assert (photo.read_bytes(), style.read_bytes()) == before


def test_a_folder_is_painted_and_a_broken_file_does_not_stop_the_others(
    photo: Path, style: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "photos").mkdir()
    photo.rename(tmp_path / "photos" / "anna.png")
    (tmp_path / "photos" / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 no picture")
    out = tmp_path / "out"
    words = ["stylize", str(tmp_path / "photos"), str(style), "--out", str(out), "--json", "--quiet"]
    assert (
        main([*words, "--backbone", "test_resnet", "--weights", "none", "--steps", "1", "--size", "32"]) == 0
    )
    records = json.loads(capsys.readouterr().out)
    assert records[0]["size"] == [54, 72]
    assert "broken" in records[1]["error"]
    assert [file.name for file in out.iterdir()] == ["anna.jpg"]


def test_the_same_command_paints_the_same_picture(photo: Path, style: Path, tmp_path: Path) -> None:
    for name, seed in (("a.png", 0), ("b.png", 0)):
        nayan.stylize(photo, style, out=tmp_path / name, seed=seed, **QUICK)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_without_a_style_or_with_two_nothing_is_done(photo: Path, style: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there is no style"):
        nayan.stylize(photo, out=tmp_path / "a.png")
    with pytest.raises(ConfigError, match="a style of its own"):
        nayan.stylize(photo, style, out=tmp_path / "a.png", model=tmp_path)


def test_options_of_gradients_mean_nothing_to_a_model(photo: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="--style-weight means nothing to a trained model"):
        nayan.stylize(photo, out=tmp_path / "a.png", model=tmp_path, style_weight=3)


def test_a_model_of_another_task_is_refused(photo: Path, colour_bundle: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="this one is for classification") as caught:
        nayan.stylize(photo, out=tmp_path / "a.png", model=colour_bundle)
    assert "--model fast_style" in caught.value.hint


@pytest.mark.parametrize("wrong", [{"steps": 0}, {"tv": -1.0}, {"style_weight": -2.0}])
def test_impossible_numbers_are_refused(
    photo: Path, style: Path, tmp_path: Path, wrong: dict[str, Any]
) -> None:
    with pytest.raises(ConfigError, match="impossible"):
        nayan.stylize(photo, style, out=tmp_path / "a.png", **{**QUICK, **wrong})


def test_weights_that_cannot_be_had_are_said_with_the_ways_on(
    photo: Path, style: Path, tmp_path: Path
) -> None:
    with pytest.raises(WeightsError, match="resnet18") as caught:
        nayan.stylize(photo, style, out=tmp_path / "a.png", backbone="resnet18")
    assert "--weights FILE" in caught.value.hint
    with pytest.raises(WeightsError, match="no file of weights"):
        nayan.stylize(
            photo,
            style,
            out=tmp_path / "a.png",
            **{**QUICK, "weights": str(tmp_path / "missing.safetensors")},
        )


def test_what_is_named_must_exist(photo: Path, style: Path, tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="vgg91"):
        nayan.stylize(photo, style, out=tmp_path / "a.png", **{**QUICK, "backbone": "vgg91"})
    with pytest.raises(FormatError, match="gone"):
        nayan.stylize(photo, tmp_path / "gone.jpg", out=tmp_path / "a.png", **QUICK)
    with pytest.raises(DataError, match="gone"):
        nayan.stylize(tmp_path / "gone.jpg", style, out=tmp_path / "a.png", **QUICK)


def test_a_painting_never_replaces_its_photograph(photo: Path, style: Path) -> None:
    with pytest.raises(ConfigError, match="never changed"):
        nayan.stylize(photo, style, out=photo, **QUICK)
