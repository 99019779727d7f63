"""Training as processes see it: signals, kills, and two processes that train together."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from nayan.core.events import read_events
from nayan.training.checkpoint import load_checkpoint
from nayan.training.folder import read_status
from tiny_runs import OPTIONS, draw_signs, resume_tiny, train_tiny

SCRIPTS = Path(__file__).parents[2] / "scripts"
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1"}
WORDS = [f"--{name}={value}" for name, value in OPTIONS.items() if name not in ("epochs", "batch")]


def wait_for_epoch(process: subprocess.Popen[str], run: Path) -> None:
    until = time.monotonic() + 200
    while time.monotonic() < until and process.poll() is None:
        if any(record["event"] == "epoch" for record in read_events(run / "events.jsonl")):
            return
        time.sleep(0.05)
    pytest.fail(f"no epoch ended; exit code {process.poll()}")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_ends_training_saved_with_the_exit_code_of_shells(
    tmp_path: Path, number: int, code: int
) -> None:
    data, run = draw_signs(tmp_path / "data"), tmp_path / "run"
    words = ["train", data, "--out", run, "--batch", 8, "--epochs", 100_000, *WORDS]
    with subprocess.Popen(
        [sys.executable, "-m", "nayan", *map(str, words)],
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=ENVIRONMENT,
    ) as process:
        wait_for_epoch(process, run)
        process.send_signal(number)
        out, err = process.communicate(timeout=100)
    assert (process.returncode, out) == (code, "")
    assert f"go on with `nayan train --resume {run}`" in err
    assert "Traceback" not in err
    assert read_status(run)["state"] == "stopped"
    found = load_checkpoint(run / "checkpoints")
    assert found is not None
    taken = found.facts["progress"]["steps_taken"]
    assert taken >= 3
    resumed = resume_tiny(run, epochs=found.facts["progress"]["epoch"] + 1)
    assert resumed.spec.provenance["steps"] == 3 * (found.facts["progress"]["epoch"] + 1)


def test_two_processes_learn_what_one_learns_with_twice_the_batch(tmp_path: Path) -> None:
    data = draw_signs(tmp_path / "data", train=9)  # 27 pictures: the slices of the last batch differ
    for file in (data / "train" / "bar" / "3.png", data / "train" / "dot" / "5.png"):
        file.write_bytes(b"broken")
    options = {"optimizer": "sgd", "lr": 0.05, "label_smoothing": 0.1}
    words = ["train", data, "--out", tmp_path / "two", "--batch", 8, "--epochs", 2, "--json", *WORDS]
    words += [f"--{name.replace('_', '-')}={value}" for name, value in options.items()]
    done = subprocess.run(
        [
            *(sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"),
            *("-m", "nayan", *map(str, words)),
        ],
        capture_output=True,
        text=True,
        env=ENVIRONMENT,
        timeout=250,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)  # one document, not one a process
    assert document["run"] == str(tmp_path / "two")
    alone = train_tiny(data, tmp_path / "one", batch=16, **options).setup.network.state_dict()
    shared = load_file(tmp_path / "two" / "model" / "weights.safetensors")
    for name, weights in shared.items():
        if name != "temperature":
            assert torch.allclose(weights, alone[name], atol=1e-5), name
    events = [record["event"] for record in read_events(tmp_path / "two" / "events.jsonl")]
    assert events.count("start") == events.count("end") == 1


def test_killed_runs_resume_from_readable_checkpoints_to_the_same_weights() -> None:
    done = subprocess.run(
        [sys.executable, SCRIPTS / "kill_training.py", "--count", "4"],
        capture_output=True,
        text=True,
        env=ENVIRONMENT,
        timeout=250,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert (result["kills"], result["inside_save"]) == (4, 2)
    assert (result["unreadable"], result["different"]) == (0, 0)
