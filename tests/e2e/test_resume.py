"""A run that was interrupted anywhere and resumed is, bit for bit, the run that never was."""

from __future__ import annotations

import json
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import save_file

from nayan.core.errors import ConfigError, DataError
from nayan.core.events import Event
from nayan.training.folder import read_status
from nayan.training.interrupt import Interrupted
from tiny_runs import SignalAt, draw_signs, result_rows, resume_tiny, train_tiny, weights_hash

PLAIN: dict[str, Any] = {}  # 3 steps an epoch, 2 epochs
RICH: dict[str, Any] = {
    "ema": 0.9,
    "mixup": 0.4,
    "cutmix": 0.4,
    "dropout": 0.3,
    "accumulate": 2,
    "augment": "photo",
    "balance": "sampler",
    "label_smoothing": 0.1,
}
MOMENTUM: dict[str, Any] = {"optimizer": "sgd", "ema": 0.0, "cache": "off", "batch": 7, "patience": 5}
TRANSFER: dict[str, Any] = {"freeze": "auto"}  # 40 epochs of the head on cached features, then everything
FROZEN: dict[str, Any] = {"freeze": "backbone", "views": 3, "epochs": 4}

Whole = tuple[str, list[dict[str, str]]]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_signs(tmp_path_factory.mktemp("data") / "signs")


@pytest.fixture(scope="module")
def pretrained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return weights for LeNet to start from."""
    import torch

    from nayan.tasks.classification.models.lenet import build

    torch.manual_seed(3)
    file = tmp_path_factory.mktemp("weights") / "lenet.safetensors"
    network = build(["bar", "dot", "line"], size=(12, 12))
    save_file({name: tensor.contiguous() for name, tensor in network.state_dict().items()}, file)
    return file


@pytest.fixture(scope="module")
def whole(data: Path, pretrained: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Whole]:
    """Return a function that gives the result of an uninterrupted run; each is made once."""
    made: dict[str, Whole] = {}

    def run(options: dict[str, Any]) -> Whole:
        key = json.dumps(options, sort_keys=True, default=str)
        if key not in made:
            out = tmp_path_factory.mktemp("whole") / "run"
            made[key] = weights_hash(train_tiny(data, out, **options)), result_rows(out)
        return made[key]

    return run


def interrupt(data: Path, out: Path, number: int, **options: Any) -> None:
    with pytest.raises(Interrupted, match="stopped after") as stop:
        train_tiny(data, out, SignalAt(number), **options)
    assert stop.value.exit_code == 143
    assert f"nayan train --resume {out}" in stop.value.hint
    assert read_status(out)["state"] == "stopped"


@pytest.mark.parametrize(
    ("options", "number"),
    [
        pytest.param(PLAIN, 1, id="first step"),
        pytest.param(PLAIN, 2, id="last step of an epoch"),
        pytest.param(PLAIN, 3, id="between two epochs"),
        pytest.param(PLAIN, 5, id="last step"),
        pytest.param(RICH, 1, id="first of two accumulated steps"),
        pytest.param(RICH, 4, id="everything random"),
        pytest.param(MOMENTUM, 3, id="momentum"),
        pytest.param(TRANSFER, 50, id="head on cached features"),
        pytest.param(TRANSFER, 122, id="second round"),
        pytest.param(FROZEN, 5, id="several cached views"),
    ],
)
def test_a_resumed_run_ends_as_the_uninterrupted_one(
    data: Path,
    pretrained: Path,
    tmp_path: Path,
    whole: Callable[..., Whole],
    options: dict[str, Any],
    number: int,
) -> None:
    if "freeze" in options:
        options = {**options, "weights": str(pretrained)}
    interrupt(data, tmp_path / "run", number, **options)
    resumed = resume_tiny(tmp_path / "run")
    assert (weights_hash(resumed), result_rows(tmp_path / "run")) == whole(options)
    assert resumed.spec.provenance["weights"] == options.get("weights", "none")


def test_a_run_may_be_interrupted_more_than_once_and_go_on_with_other_workers(
    data: Path, tmp_path: Path, whole: Callable[..., Whole]
) -> None:
    interrupt(data, tmp_path / "run", 1, **RICH)
    with pytest.raises(Interrupted):
        resume_tiny(tmp_path / "run", SignalAt(1), workers=2)
    resumed = resume_tiny(tmp_path / "run", workers=1)
    assert (weights_hash(resumed), result_rows(tmp_path / "run")) == whole(RICH)


def test_a_signal_in_the_last_validation_is_not_lost(
    data: Path, tmp_path: Path, whole: Callable[..., Whole]
) -> None:
    def at_the_end(event: Event) -> None:
        if event["event"] == "epoch" and event["epoch"] == event["epochs"]:
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(Interrupted) as stop:
        train_tiny(data, tmp_path / "run", at_the_end)
    assert stop.value.exit_code == 130
    resumed = resume_tiny(tmp_path / "run")
    assert (weights_hash(resumed), result_rows(tmp_path / "run")) == whole(PLAIN)


def test_a_run_that_died_before_its_first_checkpoint_begins_again(
    data: Path, tmp_path: Path, whole: Callable[..., Whole]
) -> None:
    interrupt(data, tmp_path / "run", 2)
    shutil.rmtree(tmp_path / "run" / "checkpoints")
    assert weights_hash(resume_tiny(tmp_path / "run")) == whole(PLAIN)[0]


def test_a_damaged_checkpoint_costs_time_and_changes_nothing(
    data: Path, tmp_path: Path, whole: Callable[..., Whole]
) -> None:
    interrupt(data, tmp_path / "run", 4, checkpoint_every=1e-6)
    newest = max((tmp_path / "run" / "checkpoints").glob("0*"))
    (newest / "state.safetensors").write_bytes(b"nothing")
    assert weights_hash(resume_tiny(tmp_path / "run")) == whole(PLAIN)[0]


def test_resuming_refuses_what_would_make_it_another_run(data: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is no run"):
        resume_tiny(tmp_path)
    other = shutil.copytree(data, tmp_path / "data")
    interrupt(other, tmp_path / "run", 1)
    with pytest.raises(ConfigError, match="--lr cannot change on resuming"):
        resume_tiny(tmp_path / "run", lr=1.0)
    (other / "train" / "bar" / "0.png").unlink()
    with pytest.raises(DataError, match="the data have changed since the run began"):
        resume_tiny(tmp_path / "run")
