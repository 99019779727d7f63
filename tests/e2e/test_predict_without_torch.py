"""The base install, in an environment of its own: no torch, and the bundle predicts as when it was made."""

from __future__ import annotations

import json
import subprocess
import sys
import venv
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).parents[2]


def run(*words: object, cwd: Path) -> str:
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, cwd=cwd)
    assert done.returncode == 0, f"{words}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def base_install(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the `bin` of a fresh environment with nayan's base install; pip's settings say from where."""
    folder = tmp_path_factory.mktemp("base")
    venv.create(folder / "venv", with_pip=False, symlinks=True)
    scripts = folder / "venv" / ("Scripts" if sys.platform == "win32" else "bin")
    # The pip of this environment installs into the fresh one: nothing but nayan and its base lands there.
    run(sys.executable, "-m", "pip", "--python", scripts / "python", "install", "--quiet", ROOT, cwd=folder)
    return scripts


@pytest.mark.slow
def test_a_bundle_predicts_where_torch_is_not_installed(
    base_install: Path, colour_bundle: Path, tmp_path: Path
) -> None:
    for colour, channel in (("red", 0), ("blue", 2)):
        pixels = np.full((20, 30, 3), 20, np.uint8)
        pixels[..., channel] = 200
        Image.fromarray(pixels).save(tmp_path / f"{colour}.png")
    absent = "import importlib.util; print([n for n in ('torch', 'onnx') if importlib.util.find_spec(n)])"
    assert run(base_install / "python", "-c", absent, cwd=tmp_path).strip() == "[]"
    nayan = base_install / "nayan"
    run(nayan, "check-bundle", colour_bundle, cwd=tmp_path)
    found = json.loads(run(nayan, "predict", colour_bundle, "red.png", "blue.png", "--json", cwd=tmp_path))
    rows = found if isinstance(found, list) else found["results"]
    assert [row["predictions"][0]["label"] for row in rows] == ["red", "blue"]
