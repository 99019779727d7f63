"""What cannot be trained on is refused with the right exit code, a clear message and no rubbish left."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from nayan.cli import main
from nayan.core.errors import ConfigError, DataError
from tiny_runs import draw_signs, one_core, train_tiny

Train = Callable[..., tuple[int, str, str]]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return draw_signs(tmp_path / "data")


@pytest.fixture
def train(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Train:
    """Return a function that runs `nayan train DATA --out RUN ...` here: (exit code, stdout, stderr)."""

    def run(data: Path, *words: object) -> tuple[int, str, str]:
        arguments = ["train", data, "--workers", "1", *words]
        if "--device" not in words:
            arguments += ["--device", "cpu"]
        if "--out" not in words:
            arguments += ["--out", tmp_path / "run"]
        with one_core():
            code = main([str(word) for word in arguments])
        out, err = capsys.readouterr()
        return code, out, err

    return run


def empty(root: Path) -> None:
    shutil.rmtree(root)
    root.mkdir()


def one_class(root: Path) -> None:
    for split in ("train", "val"):
        for name in ("bar", "dot"):
            shutil.rmtree(root / split / name)


def lonely(root: Path) -> None:
    shutil.rmtree(root / "val")
    for number in range(1, 8):
        (root / "train" / "dot" / f"{number}.png").unlink()


def broken(root: Path) -> None:
    for file in root.rglob("*.png"):
        file.write_bytes(file.read_bytes()[:60])


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (empty, "the folder is empty"),
        (one_class, "there is a single class, 'line'"),
        (lonely, "'dot'"),
        (broken, "can be read"),
    ],
)
def test_data_that_cannot_be_trained_on_exit_3(
    train: Train, data: Path, tmp_path: Path, spoil: Callable[[Path], None], message: str
) -> None:
    spoil(data)
    code, out, err = train(data, "--model", "lenet")
    assert (code, out) == (3, ""), err
    assert message in err
    assert "hint: " in err
    assert "Traceback" not in err
    assert not list((tmp_path / "run").glob("*"))  # the name can be used again


def test_an_unknown_model_exits_4_and_names_the_nearest(train: Train, data: Path) -> None:
    code, _, err = train(data, "--model", "lennet")
    assert code == 4
    assert "no model is named 'lennet'" in err
    assert "'lenet'" in err


def test_weights_of_another_architecture_exit_4(train: Train, data: Path, tmp_path: Path) -> None:
    file = tmp_path / "other.safetensors"
    save_file({"conv1.weight": torch.zeros(4, 3, 3, 3), "fc.weight": torch.zeros(2, 4)}, file)
    code, _, err = train(data, "--model", "lenet", "--weights", file)
    assert code == 4
    assert "other.safetensors does not belong to lenet" in err
    assert "--weights none" in err


def test_a_hub_that_cannot_be_reached_exits_4_and_names_the_ways_on(
    train: Train, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import huggingface_hub.constants as constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    code, _, err = train(data, "--model", "test_resnet")
    assert code == 4
    assert all(way in err for way in ("--weights FILE", "--weights none", "HF_HOME"))


def test_a_picture_below_the_minimum_exits_2_and_says_why(train: Train, data: Path) -> None:
    code, _, err = train(data, "--model", "lenet", "--imgsz", "8")
    assert code == 2
    assert "at least 12 px" in err
    assert "--imgsz 12" in err


def test_a_folder_that_is_in_use_is_not_written_into(train: Train, data: Path, tmp_path: Path) -> None:
    (tmp_path / "used").mkdir()
    (tmp_path / "used" / "precious.txt").write_text("mine", encoding="utf-8")
    code, _, err = train(data, "--model", "lenet", "--out", tmp_path / "used")
    assert code == 2
    assert "exists and is not empty" in err
    assert [path.name for path in (tmp_path / "used").iterdir()] == ["precious.txt"]


def test_a_run_that_failed_before_it_began_leaves_no_folder_of_its_own(
    train: Train, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    main(["train", str(data), "--model", "lenet", "--imgsz", "8", "--device", "cpu"])
    assert not list((tmp_path / "runs" / "classify").iterdir())


def test_a_full_disk_exits_1_and_keeps_the_last_checkpoint(data: Path, tmp_path: Path) -> None:
    """A real limit of the system: files of this process may not grow beyond a few kilobytes."""
    import subprocess
    import sys

    program = (
        "import resource, signal, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN); "
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000)); "
        "from nayan.cli import main; sys.exit(main(sys.argv[1:]))"
    )
    words = ["train", data, "--model", "lenet", "--imgsz", "12", "--epochs", "2", "--out", tmp_path / "run"]
    done = subprocess.run(
        [sys.executable, "-c", program, *map(str, words), "--device", "cpu"],
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert done.returncode == 1, done.stderr
    assert "File too large" in done.stderr
    assert "none was saved before" in done.stderr
    assert "--resume" in done.stderr
    assert "Traceback" not in done.stderr


def test_options_that_contradict_each_other_exit_2(train: Train, data: Path) -> None:
    for words, message in (
        (("--epochs", "2", "--time", "1m"), "contradict each other"),
        (("--model", "lenet", "--backbone", "resnet18"), "contradict each other"),
        (("--precision", "fp16"), "needs a GPU"),
        (("--device", "tpu"), "expected auto, cpu, cuda, or GPU numbers"),
        (("--freeze", "9"), "the number of stages to freeze"),
        (("--classes", "bar"), "at least two classes"),
        (("--classes", "bar", "--classes", "bra"), "no class is named 'bra'"),
    ):
        code, _, err = train(data, *(() if "--model" in words else ("--model", "lenet")), *words)
        assert code == 2, words
        assert message in err


def test_a_whole_class_that_cannot_be_read_is_left_out_and_named(data: Path, tmp_path: Path) -> None:
    for file in data.rglob("bar/*.png"):
        file.write_bytes(b"no picture")
    texts: list[str] = []
    trained = train_tiny(
        data,
        tmp_path / "run",
        lambda event: texts.append(event["text"]) if event["event"] == "warning" else None,
        balance="sampler",
        epochs=1,
        batch=16,
    )
    assert any("12 pictures could not be read" in text and "bar" in text for text in texts)
    assert trained.spec.classes == ("bar", "dot", "line")


def test_train_refuses_what_the_command_line_refuses(data: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="at least 12 px"):
        train_tiny(data, tmp_path / "small", imgsz=8)
    with pytest.raises(DataError):
        train_tiny(tmp_path, tmp_path / "nothing")


def test_a_picture_of_another_kind_is_no_obstacle(data: Path, tmp_path: Path) -> None:
    Image.new("RGBA", (40, 20), (200, 10, 10, 128)).save(data / "train" / "bar" / "colour.png")
    assert train_tiny(data, tmp_path / "run", epochs=1).setup.preprocess.channels == 3
