"""From a folder of digits to a run folder, a bundle, scores and predictions."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
import yaml

import nayan
from nayan.core.errors import ConfigError
from nayan.core.events import Event, read_events
from nayan.training.folder import read_status
from nayan.training.run import Run
from tiny_runs import one_core


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return nayan.sample("classify", tmp_path_factory.mktemp("sample") / "digits", count=100)


@pytest.fixture(scope="module")
def events() -> list[Event]:
    return []


@pytest.fixture(scope="module")
def run(digits: Path, events: list[Event], tmp_path_factory: pytest.TempPathFactory) -> Run:
    out = tmp_path_factory.mktemp("runs") / "digits"
    with one_core():
        return nayan.train(digits, model="lenet", epochs=1, out=out, on_event=events.append)


def test_the_run_folder_holds_what_the_design_says(run: Run) -> None:
    names = {path.name for path in run.folder.iterdir()}
    assert names == {
        "config.yaml",
        "events.jsonl",
        "status.json",
        "results.csv",
        "report.html",
        "checkpoints",
        "evaluation",
        "model",
    }
    bundle = {path.name for path in run.bundle.iterdir()}
    assert bundle == {"spec.json", "weights.safetensors", "model.onnx", "golden.npz", "manifest.json"}
    assert {path.name for path in (run.folder / "evaluation").iterdir()} >= {
        "augmented.jpg",
        "val.json",
        "test.json",
    }


def test_every_value_is_resolved_and_says_where_it_came_from(run: Run, digits: Path) -> None:
    text = (run.folder / "config.yaml").read_text(encoding="utf-8")
    config = yaml.safe_load(text)
    assert (config["data"], config["epochs"], config["model"]) == (str(digits), 1, "lenet")
    open_ends = {name for name, value in config.items() if value is None}
    assert open_ends == {"classes", "time", "patience", "views"}
    assert "epochs: 1  # option" in text
    assert "augment: symbol  # auto: gray pictures of 28 px" in text


def test_the_log_tells_the_run_from_start_to_end(run: Run, events: list[Event]) -> None:
    written = [record["event"] for record in read_events(run.folder / "events.jsonl")]
    assert written.count("start") == 1
    assert written[-1] == "end"
    assert {"plan", "epoch", "checkpoint", "evaluation"} <= set(written)
    assert "progress" not in written
    assert [event["event"] for event in events if event["event"] != "progress"] == written
    assert read_status(run.folder)["state"] == "finished"


def test_the_curve_is_a_table(run: Run) -> None:
    with (run.folder / "results.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["epoch"] for row in rows] == ["1"]
    assert {"train_loss", "val_accuracy", "val_loss", "lr", "seconds"} <= rows[0].keys()


def test_the_report_is_one_file_with_the_scores(run: Run) -> None:
    page = run.report.read_text(encoding="utf-8")
    assert page.startswith("<!doctype html>") or page.startswith("<!DOCTYPE html>")
    assert "lenet" in page
    assert 'src="http' not in page


def test_the_bundle_scores_what_the_run_says(run: Run, digits: Path) -> None:
    assert run.split == "test"
    result = nayan.val(run.folder, digits)
    assert result["split"] == "test"
    assert result["metrics"] == pytest.approx(dict(run.metrics))
    spec = json.loads((run.bundle / "spec.json").read_text(encoding="utf-8"))
    assert spec["metrics"]["test"] == pytest.approx(dict(run.metrics))
    assert spec["provenance"]["weights"] == "none"


def test_the_bundle_passes_its_check_and_predicts(run: Run, digits: Path) -> None:
    assert all(check.passed for check in nayan.check_bundle(run.folder))
    records = nayan.predict(run.folder, digits / "test" / "3", top=2)
    assert records
    for record in records:
        assert record["size"] == [28, 28]
        assert len(record["predictions"]) <= 2
        assert all(0 <= row["score"] <= 1 for row in record["predictions"])


def test_a_finished_run_is_not_resumed(run: Run) -> None:
    with pytest.raises(ConfigError, match="has finished"):
        nayan.resume(run.folder)
