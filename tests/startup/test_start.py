"""What each command loads. Modules are counted, not seconds: a clock is no test."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from nayan.cli import VERBS

TRAINING = {"torch", "torchvision", "timm", "lightning_fabric", "matplotlib", "sklearn", "scipy"}
HEAVY = TRAINING | {"numpy", "pydantic", "rich", "PIL", "onnxruntime", "yaml"}

_RUN = """
import json, sys
from nayan.cli import main
code = main(sys.argv[1:])
print(json.dumps({"code": code, "modules": sorted(sys.modules)}), file=sys.stderr)
"""


def loaded(*words: str) -> set[str]:
    """Return the modules of a fresh process that ran `nayan WORDS...` with success."""
    done = subprocess.run(
        [sys.executable, "-c", _RUN, *words], capture_output=True, text=True, check=True, encoding="utf-8"
    )
    record = json.loads(done.stderr.splitlines()[-1])
    assert record["code"] == 0, done.stderr
    return set(record["modules"])


def baseline() -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", "import json, sys; print(json.dumps(sorted(sys.modules)))"],
        capture_output=True,
        text=True,
        check=True,
    )
    return set(json.loads(done.stdout))


@pytest.mark.parametrize("words", [["--help"], ["-h"], []])
def test_the_overview_loads_next_to_nothing(words: list[str]) -> None:
    ours = loaded(*words) - baseline()
    assert not ours & (HEAVY | {"cyclopts", "argparse"})
    assert len(ours) < 30  # json of this test among them


def test_importing_nayan_loads_nothing_heavy() -> None:
    code = "import sys, nayan; print(*sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not set(done.stdout.split()) & (HEAVY | {"cyclopts", "nayan.api"})


@pytest.mark.parametrize("verb", VERBS)
def test_the_help_of_a_verb_loads_the_parser_and_no_more(verb: str) -> None:
    modules = loaded(verb, "--help")
    assert not modules & HEAVY
    assert len(modules) < 320


def test_the_catalogue_is_listed_without_torch() -> None:
    assert not loaded("models") & TRAINING


def test_a_bundle_predicts_without_torch(colour_bundle: Path, colour_data: Path) -> None:
    modules = loaded("predict", str(colour_bundle), str(colour_data / "test"), "--json")
    assert "onnxruntime" in modules
    assert not modules & TRAINING
    assert not modules & {"rich", "pydantic", "yaml"}
    assert len(modules) < 500


def test_scores_data_checks_and_bundle_checks_need_no_torch(colour_bundle: Path, colour_data: Path) -> None:
    for words in (["val", colour_bundle, colour_data], ["check-bundle", colour_bundle]):
        assert not loaded(*map(str, words)) & TRAINING
    assert not loaded("doctor", str(colour_data), "--only", "labels") & TRAINING


def test_the_doctor_looks_through_a_network_without_torch(colour_embedder: Path, colour_data: Path) -> None:
    assert not loaded("doctor", str(colour_data), "--embed", str(colour_embedder)) & TRAINING


def test_pictures_are_compared_without_torch(colour_embedder: Path, colour_data: Path) -> None:
    first, second = sorted(map(str, colour_data.glob("test/*/0.png")))[:2]
    modules = loaded("verify", str(colour_embedder), first, second)
    assert not modules & (TRAINING | {"pydantic", "rich", "yaml", "pytorch_metric_learning"})
    assert len(modules) < 500


def test_the_options_of_training_are_resolved_without_torch() -> None:
    assert not loaded("train", "pictures", "--print-config") & TRAINING


def test_pictures_are_indexed_and_searched_without_torch(
    colour_embedder: Path, colour_data: Path, tmp_path: Path
) -> None:
    folder, index = str(colour_data / "test"), str(tmp_path / "index")
    for words in (
        ["embed", str(colour_embedder), folder, "--out", str(tmp_path / "vectors.npz")],
        ["index", str(colour_embedder), folder, "--out", index],
        ["search", index, f"{folder}/red/0.png"],
        ["recommend", index, "red/0.png"],
        ["duplicates", index],
    ):
        modules = loaded(*words)
        assert not modules & (TRAINING | {"faiss", "pydantic"}), words
        assert ("onnxruntime" in modules) == (words[0] in ("embed", "index", "search"))
