"""The contract of the command line: exit codes, messages, and one JSON document on stdout."""

from __future__ import annotations

import csv
import io
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nayan.cli import VERBS, main

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def nayan(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Return a function that runs a command line in this process: (exit code, stdout, stderr)."""
    monkeypatch.setenv("COLUMNS", "300")  # tables in one piece, however wide the tester's terminal is

    def run(*words: object) -> tuple[int, str, str]:
        capsys.readouterr()
        code = main([str(word) for word in words])
        out, err = capsys.readouterr()
        return code, out, err

    return run


def document(run: Run, *words: object) -> Any:
    code, out, err = run(*words, "--json")
    assert code == 0, err
    return json.loads(out)


# what is said


def test_the_overview_names_every_verb(nayan: Run) -> None:
    code, out, err = nayan("--help")
    assert code == 0
    assert not err
    assert all(f"  {verb} " in out for verb in VERBS)
    assert nayan() == nayan("help") == nayan("-h") == (code, out, err)


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_explains_each_of_its_options(nayan: Run, verb: str) -> None:
    code, out, _ = nayan(verb, "--help")
    assert code == 0
    assert out.startswith(f"Usage: nayan {verb}")
    assert all(f"  --{name} " in out for name in ("json", "quiet", "debug"))
    assert nayan("help", verb)[1] == out
    options = [line for line in out.splitlines() if line.startswith("  ")]
    for line, following in zip(options, [*options[1:], ""], strict=True):
        if line.startswith("  --"):
            assert len(line.split("  ")) > 2 or following.startswith(" " * 20), f"no help for {line}"


@pytest.mark.parametrize("verb", ["train", "val", "doctor", "convert", "split", "export"])
def test_the_help_names_every_format(nayan: Run, verb: str) -> None:
    said = " ".join(nayan(verb, "--help")[1].split())
    assert "folder, csv, idx" in said
    assert "coco, yolo, voc, csv_boxes, labelme, cvat, label_studio" in said


def test_the_version_is_printed(nayan: Run) -> None:
    code, out, _ = nayan("--version")
    assert code == 0
    assert out.startswith("nayan 0.")


# exit code 2: usage


@pytest.mark.parametrize(
    ("words", "message", "hint"),
    [
        (["trian"], "no command is named 'trian'", "did you mean 'train'"),
        (["--json", "val"], "expected a verb first, got '--json'", "nayan VERB"),
        (["train", "d", "--epohcs", "3"], "unknown option: --epohcs", "did you mean --epochs?"),
        (["train", "d", "--zzz"], "unknown option: --zzz", "see `nayan train --help`"),
        (["demo", "--task", "detct"], "no task is named 'detct'", "did you mean 'detect'"),
        (["train", "d", "--epochs", "few"], 'unable to convert "few" into int', "nayan train --help"),
        (["train", "d", "--epochs"], "--epochs requires an argument", "nayan train --help"),
        (["train", "d", "--cache", "rom"], 'invalid value "rom" for --cache', 'did you mean "ram"?'),
        (["train", "d", "e"], "unexpected arguments: ['e']", "nayan train --help"),
        (["train", "d", "--seed", "1", "--seed", "2"], "--seed specified multiple times", ""),
        (["train", "--print-config"], "data", ""),
        (["train", "d", "--print-config", "--epochs", "0"], "epochs = 0 (from option)", "nayan train --help"),
        (["train", "d", "--print-config", "--time", "soon"], "a duration looks like", ""),
        (["train"], "no data to train on", "nayan train DATA"),
        (["train", "d", "--resume", "r"], "--resume r goes on with that run's own data", "leave out DATA"),
        (["predict"], "MODEL is missing", "nayan predict --help"),
        (["predict", "m"], "SOURCE", ""),
        (["predict", "m", "a", "--format", "csv", "--json"], "contradict each other", "one of them"),
        (["predict", "m", "a", "--conf", "2"], "--conf 2: expected auto, or a number from 0 to 1", ""),
        (["predict", "m", "a", "--conf", "high"], "--conf high: expected auto", ""),
        (["predict", "m", "a", "--top", "0"], "top 0", ""),
        (["convert", "a", "b"], "--to", "nayan convert --help"),
        (["export", "m", "--to", "onxx"], 'invalid value "onxx" for --to', 'did you mean "onnx"?'),
        (["models", "--task", "classfy"], "no task is named 'classfy'", "did you mean 'classify'"),
    ],
)
def test_a_wrong_command_line_exits_2_and_says_what_to_write(
    nayan: Run, words: list[str], message: str, hint: str
) -> None:
    code, out, err = nayan(*words)
    assert (code, out) == (2, "")
    assert err.startswith("error: ")
    assert message in err
    assert hint in err
    assert "Traceback" not in err


# exit codes 3 and 4: data, model


def test_data_that_is_not_there_exits_3(nayan: Run, colour_bundle: Path, tmp_path: Path) -> None:
    for words in (["doctor", tmp_path / "none"], ["val", colour_bundle, tmp_path / "none"]):
        code, out, err = nayan(*words)
        assert (code, out) == (3, ""), words
        assert "none" in err


def test_a_folder_that_is_no_bundle_exits_4(nayan: Run, tmp_path: Path, colour_data: Path) -> None:
    code, _, err = nayan("predict", tmp_path, colour_data)
    assert code == 4
    assert "no bundle here" in err
    assert "hint: " in err


def test_a_changed_bundle_exits_4(nayan: Run, colour_bundle: Path, colour_data: Path, tmp_path: Path) -> None:
    copy = tmp_path / "model"
    shutil.copytree(colour_bundle, copy)
    spec = copy / "spec.json"
    spec.write_text(spec.read_text(encoding="utf-8").replace("red", "rad"), encoding="utf-8")
    assert nayan("predict", copy, colour_data)[0] == 4
    code, out, _ = nayan("check-bundle", copy)
    assert code == 4
    assert "FAILED" in out


def test_debug_shows_the_traceback_and_keeps_the_exit_code(nayan: Run, tmp_path: Path) -> None:
    code, _, err = nayan("doctor", tmp_path / "none", "--debug")
    assert code == 3
    assert "Traceback" in err
    assert err.splitlines()[-2].startswith("error: ") or err.splitlines()[-1].startswith("error: ")


# prediction


def test_predictions_are_a_list_with_source_size_and_labels(
    nayan: Run, colour_bundle: Path, colour_data: Path
) -> None:
    records = document(nayan, "predict", colour_bundle, colour_data / "test", "--top", "2")
    assert len(records) == 6
    for record in records:
        assert record.keys() == {"source", "size", "predictions"}
        assert record["size"] == [24, 32]
        assert len(record["predictions"]) == 2
        assert record["predictions"][0]["label"] == Path(record["source"]).parent.name


def test_the_run_folder_of_a_bundle_is_a_model_too(
    nayan: Run, colour_bundle: Path, colour_data: Path
) -> None:
    red = colour_data / "test/red/0.png"
    code, out, _ = nayan("predict", colour_bundle.parent, red)
    assert code == 0
    assert out.startswith(f"{red.as_posix()}: red 0.")


def test_predictions_as_csv_have_one_row_a_label(nayan: Run, colour_bundle: Path, colour_data: Path) -> None:
    code, out, _ = nayan("predict", colour_bundle, colour_data / "test/red", "--format", "csv", "--top", "1")
    rows = list(csv.DictReader(io.StringIO(out)))
    assert code == 0
    assert [row["label"] for row in rows] == ["red", "red"]
    assert [(row["height"], row["width"], row["rank"]) for row in rows] == [("24", "32", "1")] * 2


def test_a_threshold_leaves_out_what_is_unlikely(nayan: Run, colour_bundle: Path, colour_data: Path) -> None:
    (record,) = document(nayan, "predict", colour_bundle, colour_data / "test/red/0.png", "--conf", "0.5")
    assert [row["label"] for row in record["predictions"]] == ["red"]


def test_sources_may_be_patterns_and_lines_on_standard_input(
    nayan: Run, colour_bundle: Path, colour_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    by_pattern = document(nayan, "predict", colour_bundle, f"{colour_data}/test/**/0.png")
    lines = "".join(f"{record['source']}\n" for record in by_pattern)
    monkeypatch.setattr("sys.stdin", io.StringIO(lines))
    assert document(nayan, "predict", colour_bundle, "-") == by_pattern
    assert len(by_pattern) == 3


def test_a_broken_picture_is_reported_and_the_others_follow(
    nayan: Run, colour_bundle: Path, colour_data: Path
) -> None:
    folder = colour_data / "test/red"
    (folder / "broken.png").write_bytes((folder / "0.png").read_bytes()[:100])
    code, out, err = nayan("predict", colour_bundle, folder, "--json")
    failed = [record for record in json.loads(out) if "error" in record]
    assert code == 0
    assert [Path(record["source"]).name for record in failed] == ["broken.png"]
    assert "broken.png" in err
    assert nayan("predict", colour_bundle, folder, "--strict")[0] == 3
    assert nayan("predict", colour_bundle, folder / "broken.png")[0] == 3
    assert not nayan("predict", colour_bundle, folder, "--quiet")[2]


def test_annotated_pictures_go_into_the_folder_that_was_named_and_nowhere_else(
    nayan: Run, colour_bundle: Path, colour_data: Path, tmp_path: Path
) -> None:
    before = sorted(colour_data.rglob("*"))
    out = tmp_path / "seen"
    code, *_ = nayan("predict", colour_bundle, colour_data / "test", "--save", "--out", out)
    assert code == 0
    assert sorted(path.suffix for path in out.iterdir()) == [".jpg"] * 6 + [".json"]
    assert len(json.loads((out / "predictions.json").read_text(encoding="utf-8"))) == 6
    assert sorted(colour_data.rglob("*")) == before


# scores


def test_scores_are_one_document_with_the_names_of_the_design(
    nayan: Run, colour_bundle: Path, colour_data: Path
) -> None:
    result = document(nayan, "val", colour_bundle, colour_data)
    assert result["schema_version"] == 1
    assert {"task", "model", "data", "split", "metrics", "seconds"} <= result.keys()
    assert (result["task"], result["split"], result["pictures"]) == ("classify", "test", 6)
    assert result["metrics"]["accuracy"] == 1.0
    assert {"top5_accuracy", "macro_f1", "ece"} <= result["metrics"].keys()


def test_classes_are_matched_by_name_not_by_place(nayan: Run, colour_bundle: Path, colour_data: Path) -> None:
    for split in ("train", "test"):
        shutil.rmtree(colour_data / split / "blue")  # leaves green, red: other numbers than the model's
    assert document(nayan, "val", colour_bundle, colour_data)["metrics"]["accuracy"] == 1.0
    assert document(nayan, "val", colour_bundle, colour_data, "--split", "train")["pictures"] == 6


def test_a_class_that_the_model_does_not_know_exits_3(
    nayan: Run, colour_bundle: Path, colour_data: Path
) -> None:
    for split in ("train", "test"):
        (colour_data / split / "red").rename(colour_data / split / "purple")
    code, out, err = nayan("val", colour_bundle, colour_data)
    assert (code, out) == (3, "")
    assert "does not know the classes purple" in err
    assert "red, green, blue" in err


def test_a_whole_bundle_passes_its_check(nayan: Run, colour_bundle: Path) -> None:
    result = document(nayan, "check-bundle", colour_bundle)
    assert result["passed"] is True
    assert [check["name"] for check in result["checks"]][-1] == "self-test"


# the rest of the verbs


def test_the_catalogue_is_listed_and_searched(nayan: Run) -> None:
    result = document(nayan, "models", "--task", "classify")
    names = [entry["name"] for entry in result["models"]]
    assert "lenet" in names
    assert "mobilenetv2_100" in names
    assert nayan("models", "--search", "LENET")[1].splitlines()[1].startswith("lenet ")
    assert "no model contains 'xyzzy'" in nayan("models", "--search", "xyzzy")[1]


def test_the_resolved_options_say_where_each_came_from(nayan: Run, tmp_path: Path) -> None:
    file = tmp_path / "options.yaml"
    file.write_text("epochs: 5\nseed: 3\n", encoding="utf-8")
    words = ("train", "pictures", "--config", file, "--epochs", "7", "--print-config")
    result = document(nayan, *words)
    assert (result["config"]["epochs"], result["config"]["seed"]) == (7, 3)
    assert (result["origins"]["epochs"], result["origins"]["seed"]) == ("option", str(file))
    assert "epochs: 7  # option" in nayan(*words)[1]


# data


def test_data_is_examined_and_its_faults_decide_the_exit_code(nayan: Run, colour_data: Path) -> None:
    code, out, _ = nayan("doctor", colour_data, "--json")
    result = json.loads(out)
    assert result["schema_version"] == 1
    assert (result["format"], result["splits"]) == ("folder", {"train": 9, "test": 6})
    assert code == (3 if result["summary"]["error"] else 0)
    (colour_data / "train/red/0.png").write_bytes(b"no picture")
    code, out, _ = nayan("doctor", colour_data)
    assert code == 3
    assert "ERROR" in out
    assert "0.png" in out


def test_strict_makes_a_warning_an_error(nayan: Run, colour_data: Path) -> None:
    shutil.copy(colour_data / "train/red/0.png", colour_data / "train/red/copy.png")
    loose = nayan("doctor", colour_data, "--only", "duplicates", "--json")
    strict = nayan("doctor", colour_data, "--only", "duplicates", "--strict")
    assert json.loads(loose[1])["summary"]["warning"] == 1
    assert (loose[0], strict[0]) == (0, 3)


def test_converted_data_score_as_the_original_does(
    nayan: Run, colour_bundle: Path, colour_data: Path, tmp_path: Path
) -> None:
    result = document(nayan, "convert", colour_data, tmp_path / "table", "--to", "csv")
    assert (result["source"], result["target"]) == ("folder", "csv")
    original = document(nayan, "val", colour_bundle, colour_data)["metrics"]
    assert document(nayan, "val", colour_bundle, tmp_path / "table")["metrics"] == original


def test_nothing_is_overwritten(nayan: Run, colour_data: Path) -> None:
    for verb, *options in (["convert", "--to", "csv"], ["split"]):
        code, out, err = nayan(verb, colour_data, colour_data.parent, *options)
        assert (code, out) == (3, ""), verb
        assert "not empty" in err


def test_a_heap_is_split_and_says_how(nayan: Run, colour_data: Path, tmp_path: Path) -> None:
    code, out, err = nayan("split", colour_data / "train", tmp_path / "new", "--val", "0.34", "--json")
    assert code == 0, err
    assert sum(json.loads(out)["splits"].values()) == 9
    assert "seed 0" in err


def test_sample_data_can_be_examined_at_once(nayan: Run, tmp_path: Path) -> None:
    result = document(nayan, "sample", "classify", tmp_path / "digits", "--count", "60")
    assert document(nayan, "doctor", result["data"], "--only", "images.broken")["format"] == "folder"
    assert nayan("sample", "paint", tmp_path / "other")[0] == 2


# the glass box


def test_a_network_described_in_words_is_worked_out_layer_by_layer(nayan: Run) -> None:
    code, out, _ = nayan("explain", "conv 100 3x3; relu; flatten; dense 10")
    assert code == 0
    assert "(28 - 3 + 2*0)/1 + 1 = 26" in out
    assert "(3*3*3 + 1)*100 = 2800" in out


def test_a_network_described_in_a_file_is_the_same(nayan: Run, tmp_path: Path) -> None:
    file = tmp_path / "net.yaml"
    file.write_text("- conv: 6 5x5 pad 2\n- relu\n", encoding="utf-8")
    words = document(nayan, "explain", "conv 6 5x5 pad 2; relu", "--imgsz", "12", "--channels", "1")
    assert document(nayan, "explain", file, "--imgsz", "12", "--channels", "1") == words
    assert words["schema_version"] == 1


def test_a_kernel_needs_a_picture_and_no_network(nayan: Run, colour_data: Path, tmp_path: Path) -> None:
    picture = colour_data / "test/red/0.png"
    words = ("explain", picture, "--what", "kernel", "--kernel", "sobel_x", "--at", "5,6")
    result = document(nayan, *words, "--out", tmp_path / "seen")
    assert all(Path(file).is_file() for file in result["files"])
    assert any(file.endswith(".png") for file in result["files"])


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["explain", "lenett"], 4, "no model is named 'lenett'"),
        (["explain", "conv 6 5x5; rleu"], 2, "did you mean 'relu'"),
        (["explain", "conv 6 5x5", "--kernel", "sobel_x"], 2, "does not take the option 'kernel'"),
        (["explain", "conv 6 5x5", "--classes", "3"], 2, "--classes"),
        (["explain", "conv 6 5x5", "none.jpg"], 3, "none.jpg"),
        (["explain", "conv 6 5x5", "--what", "features"], 2, "needs a picture"),
        (["explain", "x.png", "--what", "kernel", "--at", "here"], 2, "--at here"),
        (["explain", "none.yaml"], 2, "none.yaml: there is no such file"),
    ],
)
def test_what_cannot_be_explained_says_why(nayan: Run, words: list[str], code: int, message: str) -> None:
    found, out, err = nayan(*words)
    assert (found, out) == (code, ""), err
    assert message in err


def test_a_bundle_without_weights_cannot_be_looked_into(nayan: Run, colour_bundle: Path) -> None:
    code, _, err = nayan("explain", colour_bundle)
    assert code == 4
    assert "holds no weights.safetensors" in err
    assert nayan("explain", colour_bundle, "--imgsz", "8")[0] == 2
