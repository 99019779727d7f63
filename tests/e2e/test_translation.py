"""From two heaps of pictures to a translator and its translations, by the commands that a user has."""

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
from nayan.core.errors import ConfigError, DataError, NotFound
from nayan.runtime.bundle import open_bundle
from nayan.training.checkpoint import load_checkpoint
from nayan.training.interrupt import Interrupted
from nayan.training.run import Run
from tiny_runs import SignalAt, one_core, result_rows, resume_tiny, train_tiny, weights_hash

TESTS = Path(__file__).parents[1]
OPTIONS: dict[str, Any] = {
    "task": "generate",
    "model": None,
    "weights": None,
    "imgsz": 24,
    "width": 4,
    "batch": 8,
    "workers": 1,
    "device": "cpu",
    "precision": "fp32",
}
FEW: dict[str, Any] = {**OPTIONS, "batch": 2, "val_fraction": 0.4}
FULL = 14  # steps after which a pool of 50 has been full: four pictures of each domain a step


def draw_domains(root: Path, *, train: int = 20, test: int = 4, gray: str = "") -> Path:
    """Write pictures of a warm square (A) and of a cold one (B); the domain `gray` has no colours."""
    rng = np.random.default_rng(5)
    for split, count in (("train", train), ("test", test)):
        for letter, colour in (("A", (220, 90, 40)), ("B", (40, 90, 220))):
            folder = root / f"{split}{letter}"
            folder.mkdir(parents=True)
            for number in range(count):
                pixels = rng.integers(0, 60, (24, 24, 3), dtype=np.uint8)
                top, left = rng.integers(2, 12, 2)
                pixels[top : top + 10, left : left + 10] = colour
                picture = Image.fromarray(pixels)
                (picture.convert("L") if letter in gray else picture).save(folder / f"{number}.png")
    return root


@pytest.fixture(scope="module")
def domains(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_domains(tmp_path_factory.mktemp("data") / "squares")


@pytest.fixture(scope="module")
def run(domains: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    out = tmp_path_factory.mktemp("runs") / "run"
    with one_core():
        return nayan.train(domains, out=out, epochs=2, ema=0.5, **OPTIONS)


def test_two_domains_are_recognised_and_end_as_a_bundle_scores_and_a_page(run: Run) -> None:
    assert (run.task, run.model, run.split) == ("generate", "cyclegan", "test")
    assert set(run.metrics) == {"kid", "kid_to_a", "kid_to_b", "kid_untranslated", "cycle_psnr"}
    spec = open_bundle(run.bundle).spec
    assert (spec.task, spec.classes, spec.inputs) == (
        "translation",
        ("A", "B"),
        {"picture": {"method": "whole"}},
    )
    assert spec.preprocess.mean == (0.5, 0.5, 0.5)
    page = run.report.read_text(encoding="utf-8")
    for told in ("A → B → A", "B → A → B", "How it learned to translate", "Both ways", "of translations"):
        assert told in page
    document = json.loads((run.folder / "evaluation" / "test.json").read_text(encoding="utf-8"))
    assert document["details"]["pictures"] == {"A": 4, "B": 4}
    assert len(document["worst"]) == 8
    assert len(list((run.folder / "evaluation" / "film").iterdir())) == 2


def test_pictures_of_any_size_are_translated_and_keep_it(run: Run, tmp_path: Path) -> None:
    photo = np.random.default_rng(0).integers(0, 256, (50, 70, 3), dtype=np.uint8)
    Image.fromarray(photo).save(tmp_path / "photo.png")
    before = (tmp_path / "photo.png").read_bytes()
    made = []
    for to in ("A", "b"):
        (record,) = nayan.translate(run.bundle, tmp_path / "photo.png", to=to, out=tmp_path / f"{to}.png")
        assert record == {"source": (tmp_path / "photo.png").as_posix(), "file": str(tmp_path / f"{to}.png")}
        made.append(np.asarray(Image.open(tmp_path / f"{to}.png")))
    assert made[0].shape == made[1].shape == photo.shape
    assert not np.array_equal(*made)
    assert (tmp_path / "photo.png").read_bytes() == before


def test_the_command_line_translates_folders_and_says_what_cannot_be_read(
    run: Run, domains: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n nothing")
    words = ["translate", str(run.folder), str(domains / "testA"), str(tmp_path / "broken.png"), "--to", "B"]
    assert main([*words, "--out", str(tmp_path / "out"), "--json"]) == 0
    out, err = capsys.readouterr()
    records = json.loads(out)
    assert sum("file" in record for record in records) == 4
    assert "broken.png" in err
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [f"{n}.jpg" for n in range(4)]


def test_a_bundle_translates_without_torch(run: Run, domains: Path, tmp_path: Path) -> None:
    code = (
        "import sys; from nayan.cli import main\n"
        "code = main(sys.argv[1:])\n"
        "heavy = {'torch', 'torchvision', 'timm', 'onnx'} & sys.modules.keys()\n"
        "sys.exit(f'loaded {heavy}' if heavy else code)"
    )
    words = ["translate", str(run.bundle), str(domains / "testA"), "--to", "B", "--out", str(tmp_path)]
    done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert len(list(tmp_path.iterdir())) == 4


def test_what_cannot_be_translated_is_refused(
    run: Run, domains: Path, colour_bundle: Path, tmp_path: Path
) -> None:
    with pytest.raises(NotFound, match="no domain is named 'C'"):
        nayan.translate(run.bundle, domains / "testA", to="C", out=tmp_path)
    with pytest.raises(ConfigError, match="translating needs a translator, this model is for classification"):
        nayan.translate(colour_bundle, domains / "testA", to="B", out=tmp_path)
    with pytest.raises(ConfigError, match="is one of the pictures, which are never changed"):
        nayan.translate(run.bundle, domains / "testA/0.png", to="B", out=domains / "testA/0.png")


def test_it_is_scored_again_through_its_bundle(run: Run, domains: Path) -> None:
    again = nayan.val(run.bundle, domains, split="test")
    assert again["metrics"] == pytest.approx(dict(run.metrics))
    assert "4 pictures of A, 4 of B" in again["protocol"]


# interrupted, killed


LONG: dict[str, Any] = {**OPTIONS, "epochs": 4, "ema": 0.9, "width": 2, "imgsz": 24}


@pytest.fixture(scope="module")
def whole(domains: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, list[dict[str, str]]]:
    out = tmp_path_factory.mktemp("whole") / "run"
    return weights_hash(train_tiny(domains, out, **LONG)), result_rows(out)


def test_a_run_that_was_interrupted_ends_as_the_uninterrupted_one_memory_and_all(
    domains: Path, tmp_path: Path, whole: tuple[str, list[dict[str, str]]]
) -> None:
    with pytest.raises(Interrupted):
        train_tiny(domains, tmp_path / "run", SignalAt(FULL), **LONG)
    checkpoint = load_checkpoint(tmp_path / "run" / "checkpoints")
    assert checkpoint is not None
    assert int(checkpoint.tensors["memory/pool_a.count"]) == 50
    resumed = resume_tiny(tmp_path / "run")
    assert (weights_hash(resumed), result_rows(tmp_path / "run")) == whole


def test_a_run_that_was_killed_ends_as_the_uninterrupted_one(
    domains: Path, tmp_path: Path, whole: tuple[str, list[dict[str, str]]]
) -> None:
    options = {**LONG, "checkpoint_every": 0.001}
    code = (
        "import sys; sys.path.insert(0, sys.argv[3]); from pathlib import Path\n"
        "from tiny_runs import train_tiny\n"
        f"train_tiny(Path(sys.argv[1]), Path(sys.argv[2]), **{options!r})"
    )
    words = [sys.executable, "-c", code, str(domains), str(tmp_path / "run"), str(TESTS)]
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    checkpoints = tmp_path / "run" / "checkpoints"
    while process.poll() is None and not any(
        int(path.name) > FULL for path in checkpoints.glob("0*") if path.name.isdigit()
    ):
        time.sleep(0.005)
    if process.poll() is None:
        os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert process.returncode == -signal.SIGKILL, "it was over before it could be killed"
    resumed = resume_tiny(tmp_path / "run")
    assert (weights_hash(resumed), result_rows(tmp_path / "run")) == whole


# data


def test_a_domain_without_pictures_is_refused(domains: Path, tmp_path: Path) -> None:
    root = draw_domains(tmp_path / "half", train=4, test=2)
    for picture in (root / "trainB").iterdir():
        picture.unlink()
    with pytest.raises(DataError, match="trainA/ has pictures, but trainB/ has none: the domain B is empty"):
        train_tiny(root, tmp_path / "run", **OPTIONS)


def test_gray_pictures_can_be_translated_to_coloured_ones(tmp_path: Path) -> None:
    root = draw_domains(tmp_path / "mixed", train=6, test=2, gray="A")
    with one_core():
        run = nayan.train(root, out=tmp_path / "run", epochs=1, **FEW)
    assert open_bundle(run.bundle).spec.preprocess.channels == 3
    nayan.translate(run.bundle, root / "testA/0.png", to="B", out=tmp_path / "made.png")
    assert np.asarray(Image.open(tmp_path / "made.png")).shape == (24, 24, 3)


def test_gray_domains_get_a_network_of_one_channel(tmp_path: Path) -> None:
    root = draw_domains(tmp_path / "gray", train=6, test=2, gray="AB")
    with one_core():
        run = nayan.train(root, out=tmp_path / "run", epochs=1, **FEW)
    assert open_bundle(run.bundle).spec.preprocess.channels == 1
    nayan.translate(run.bundle, root / "testA/0.png", to="B", out=tmp_path / "made.png")
    made = np.asarray(Image.open(tmp_path / "made.png"))
    assert np.array_equal(made[..., 0], made[..., 2])


def test_a_picture_that_cannot_be_read_is_left_out(tmp_path: Path) -> None:
    root = draw_domains(tmp_path / "data", train=6, test=2)
    (root / "trainA" / "0.png").write_bytes(b"\x89PNG\r\n\x1a\n nothing")
    events: list[Any] = []
    train_tiny(root, tmp_path / "run", events.append, **FEW, epochs=1)
    assert any("1 pictures could not be read" in str(event.get("text")) for event in events)


def test_options_of_other_families_are_refused(domains: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="--scale means nothing to translation"):
        train_tiny(domains, tmp_path / "a", **OPTIONS, scale=2)
    with pytest.raises(ConfigError, match="--cycle means nothing to generation"):
        train_tiny(domains, tmp_path / "b", **{**OPTIONS, "model": "dcgan", "width": None}, cycle=3.0)
