"""From a folder of identities to vectors, by the commands that a user has."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import nayan
from nayan.cli import main
from nayan.core.errors import ConfigError, DataError, LabelError
from nayan.runtime.bundle import open_bundle
from nayan.training.interrupt import Interrupted
from nayan.training.run import Run
from tiny_runs import SignalAt, one_core, result_rows, resume_tiny, train_tiny, weights_hash

OPTIONS: dict[str, Any] = {
    "task": "compare",
    "model": "siamese",
    "weights": "none",
    "imgsz": 32,
    "batch": 16,
    "workers": 1,
    "device": "cpu",
    "precision": "fp32",
}


def draw_crowd(root: Path, *, train: int = 6, val: int = 4, each: int = 5) -> Path:
    """Write identities told apart by the columns that are bright, gray, 24 px; nobody is in two splits."""
    rng = np.random.default_rng(5)
    patterns = rng.permutation(np.arange(1, 64))
    number = 0
    for split, count in (("train", train), ("val", val), ("test", val)):
        for _ in range(count):
            bits = [int(patterns[number]) >> bit & 1 for bit in range(6)]
            folder = root / split / f"who{number:02d}"
            folder.mkdir(parents=True)
            for picture in range(each):
                pixels = rng.integers(0, 90, (24, 24), dtype=np.uint8)
                for bit, bright in enumerate(bits):
                    pixels[:, 4 * bit : 4 * bit + 4] += 140 * bright
                Image.fromarray(pixels).save(folder / f"{picture}.png")
            number += 1
    rows = ["image_a,image_b,same"]
    for first in range(train, train + val):
        other = train + (first - train + 1) % val
        rows += [f"val/who{first:02d}/{n}.png,val/who{first:02d}/{n + 1}.png,1" for n in range(3)]
        rows += [f"val/who{first:02d}/{n}.png,val/who{other:02d}/{n}.png,0" for n in range(3)]
    (root / "pairs_val.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    return root


@pytest.fixture(scope="module")
def crowd(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_crowd(tmp_path_factory.mktemp("crowd"))


@pytest.fixture(scope="module")
def run(crowd: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    out = tmp_path_factory.mktemp("runs") / "siamese"
    options = {name: value for name, value in OPTIONS.items() if name != "task"}  # the data tell it
    with one_core():
        return nayan.train(crowd, out=out, epochs=8, far=0.05, **options)


def test_strangers_are_told_apart_after_a_few_epochs(run: Run) -> None:
    assert (run.task, run.split) == ("compare", "test")
    assert run.metrics["recall_at_1"] > 0.9
    assert run.metrics["auc"] > 0.9
    assert {"eer", "recall_at_10", "one_shot_accuracy"} <= set(run.metrics)


def test_the_bundle_holds_the_threshold_and_no_pair_of_it(run: Run) -> None:
    spec = open_bundle(run.bundle).spec
    (threshold,) = spec.decode_args["thresholds"]
    assert 0 < threshold < 2
    assert spec.decode_args["same"]["wanted"] == 0.05
    assert spec.task == "embedding"
    assert len(spec.classes) == 6


def test_training_shows_no_validation_loss_since_it_would_mean_nothing(run: Run) -> None:
    rows = result_rows(run.folder)
    assert "val_loss" not in rows[0]
    assert {"train_loss", "train_pull", "train_push", "val_recall_at_1"} <= set(rows[0])


def test_the_report_tells_of_pairs_and_searches(run: Run) -> None:
    page = run.report.read_text(encoding="utf-8")
    assert "siamese" in page
    assert "ROC" in page


def test_val_scores_identities_that_the_model_never_saw(run: Run, crowd: Path) -> None:
    again = nayan.val(run.folder, crowd)
    assert again["metrics"] == pytest.approx(dict(run.metrics))
    assert nayan.val(run.folder, crowd, split="val")["pictures"] == 20


def test_predict_gives_vectors_as_rows_csv_and_npz(
    run: Run, crowd: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pictures = sorted(map(str, (crowd / "test" / "who10").iterdir()))[:2]
    first, second = (record["predictions"][0]["embedding"] for record in nayan.predict(run.folder, pictures))
    assert np.linalg.norm(first) == pytest.approx(1, abs=1e-4)
    assert np.linalg.norm(np.subtract(first, second)) < 0.6
    assert (
        main(["predict", str(run.folder), *pictures, "--format", "npz", "--save", "--out", str(tmp_path)])
        == 0
    )
    with np.load(tmp_path / "embeddings.npz", allow_pickle=False) as kept:
        assert kept["source"].tolist() == pictures
        np.testing.assert_allclose(kept["embedding"], [first, second], atol=1e-6)
    assert len(list(tmp_path.glob("*.jpg"))) == 2
    capsys.readouterr()
    assert main(["predict", str(run.folder), *pictures, "--format", "csv"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("source,height,width,rank,e0,e1,")
    assert [float(cell) for cell in lines[1].split(",")[4:-1]] == pytest.approx(first, abs=1e-6)
    assert main(["predict", str(run.folder), pictures[0]]) == 0
    assert "128 values: " in capsys.readouterr().out


def test_a_bundle_is_checked_exported_and_looked_into(run: Run, crowd: Path, tmp_path: Path) -> None:
    assert all(check.passed for check in nayan.check_bundle(run.folder))
    report = nayan.export(run.folder, to="onnx", out=tmp_path / "onnx")
    assert report.parity.holds
    small = nayan.export(run.folder, to="onnx", int8=True, data=crowd, out=tmp_path / "int8", max_drop=0.2)
    assert small.score == "recall_at_1"
    picture = next((crowd / "test" / "who10").iterdir())
    for what in ("summary", "filters", "features", "receptive"):
        assert nayan.explain(run.folder, picture, what=what).panels


def test_an_interrupted_run_goes_on_to_the_same_weights(crowd: Path, tmp_path: Path) -> None:
    whole = train_tiny(crowd, tmp_path / "whole", **{**OPTIONS, "epochs": 2})
    with pytest.raises(Interrupted):
        train_tiny(crowd, tmp_path / "cut", SignalAt(3), **{**OPTIONS, "epochs": 2})
    resumed = resume_tiny(tmp_path / "cut")
    assert weights_hash(resumed) == weights_hash(whole)


def test_the_proxies_of_arcface_are_saved_and_not_exported(crowd: Path, tmp_path: Path) -> None:
    with one_core():
        run = nayan.train(crowd, out=tmp_path / "run", epochs=1, **{**OPTIONS, "model": "arcface", "dim": 16})
    bundle = open_bundle(run.bundle)
    from safetensors.numpy import load_file

    assert bundle.weights is not None
    assert load_file(bundle.weights)["head.proxies"].shape == (16, 6)
    assert bundle.golden().outputs["embedding"].shape == (16,)
    assert b"proxies" not in bundle.graph.read_bytes()
    assert nayan.explain(run.folder).panels


def test_splits_are_drawn_by_identity_where_there_are_none(crowd: Path, tmp_path: Path) -> None:
    drawn = nayan.split(crowd / "train", tmp_path / "out", task="compare")
    assert drawn.made
    assert set(drawn.train.classes).isdisjoint(drawn.val.classes)
    assert main(["doctor", str(tmp_path / "out"), "--task", "compare", "--skip", "images"]) == 0


def crowd_of(root: Path, files: dict[str, int]) -> Path:
    for name, gray in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((24, 24), gray, np.uint8)).save(root / name)
    return root


@pytest.mark.parametrize(
    ("files", "error", "message"),
    [
        ({f"train/ada/{n}.png": n for n in range(4)}, DataError, "there is a single class, 'ada'"),
        ({f"train/p{n}/1.png": n for n in range(6)}, DataError, "0 identities with two pictures or more"),
    ],
)
def test_nobody_to_tell_apart_or_nothing_alike_is_refused(
    tmp_path: Path, files: dict[str, int], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        nayan.train(crowd_of(tmp_path / "data", files), out=tmp_path / "run", **OPTIONS)
    assert not (tmp_path / "run" / "config.yaml").exists()


def test_a_pair_of_a_missing_picture_is_refused_before_anything_is_trained(
    crowd: Path, tmp_path: Path
) -> None:
    root = draw_crowd(tmp_path / "data")
    (root / "val" / "who06" / "0.png").unlink()
    with pytest.raises(DataError, match=r"pairs_val\.csv:2: the picture val/who06/0\.png does not exist"):
        nayan.train(root, out=tmp_path / "run", **OPTIONS)


def test_a_split_without_two_identities_is_refused(tmp_path: Path) -> None:
    root = draw_crowd(tmp_path / "data", val=1)
    (root / "pairs_val.csv").unlink()
    with pytest.raises(LabelError, match="val has a single identity"):
        nayan.train(root, out=tmp_path / "run", **OPTIONS)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"mixup": 0.2}, "--mixup means nothing to embedding"),
        ({"model": "supcon", "margin": 0.3}, "the model supcon takes no argument 'margin'"),
        ({"multi_scale": 0.5}, "--multi-scale 0.5 is for detection and segmentation, this is embedding"),
    ],
)
def test_options_that_mean_nothing_are_refused(
    crowd: Path, tmp_path: Path, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        nayan.train(crowd, out=tmp_path / "run", **{**OPTIONS, **options})


def test_vectors_as_npz_are_for_embedders(
    run: Run, crowd: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = nayan.predict(run.folder, crowd / "test" / "who10", top=1)
    assert [set(record["predictions"][0]) for record in found] == [{"embedding"}] * 5
    picture = str(next((crowd / "test" / "who10").iterdir()))
    assert main(["predict", str(run.folder), picture, "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)[0]["predictions"][0]["embedding"]) == 128
