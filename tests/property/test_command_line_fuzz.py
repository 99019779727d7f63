"""Whatever is typed, the command line answers with a documented exit code and without a traceback."""

from __future__ import annotations

import contextlib
import io
import random
from pathlib import Path

import pytest

from nayan.cli import VERBS, main

DOCUMENTED = {0, 1, 2, 3, 4, 5, 130, 143}
WORDS = (
    *("--json", "--quiet", "--help", "-h", "--version", "--debugg", "--", "-", "-x", "--=", "=", "", " "),
    *("--epochs", "--epochs=3", "--epochs=", "--time", "10m", "--batch", "auto", "--lr", "-1", "1e9", "nan"),
    *("--split", "test", "--format", "csv", "--to", "onnx", "--conf", "0.5", "--top", "--task", "classify"),
    *("--config", "--print-config", "--what", "summary", "--strict", "--only", "--seed", "0", "--val", "2"),
    *("nowhere", "no/where", "*.jpg", "[", "é\n", "\x00", "lenet", "conv 6 5x5; relu", "a" * 300),
)
# Training, the demo and network summaries are slow, so here they only see what must be refused at once.
SLOW = {"demo": ["--no-such-option"], "train": ["--print-config"], "explain": ["--no-such-option"]}


@pytest.mark.parametrize("seed", range(10))
def test_30_random_command_lines_each_end_in_a_documented_way(
    seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    rng = random.Random(seed)
    for _ in range(30):
        words = rng.choices(WORDS, k=rng.randrange(6))
        if rng.random() < 0.9:
            verb = rng.choice(sorted(VERBS))
            words = [verb, *SLOW.get(verb, []), *words]
        out, err = io.StringIO(), io.StringIO()
        monkeypatch.setattr("sys.stdin", io.StringIO("nothing\n"))
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = main(words)
        assert code in DOCUMENTED, words
        assert "Traceback" not in err.getvalue(), (words, err.getvalue())
        assert "this is a bug" not in err.getvalue(), (words, err.getvalue())
        assert code == 0 or err.getvalue() or out.getvalue(), words
