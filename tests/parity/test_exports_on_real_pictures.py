"""A detector that was trained on real pictures finds the same objects in every engine."""

from __future__ import annotations

import importlib.util
import json
import re
from pathlib import Path

import pytest

import nayan
from nayan.cli import main

ENGINES = [engine for engine in ("onnx", "openvino") if engine == "onnx" or importlib.util.find_spec(engine)]


@pytest.mark.data
@pytest.mark.slow
def test_every_detection_in_traffic_is_matched(
    data_packs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = data_packs / "detect-traffic"
    run = nayan.train(
        data, model="yolo", imgsz=160, time="15s", workers=1, device="cpu", out=tmp_path / "run"
    )
    for engine in ENGINES:
        out = tmp_path / engine
        capsys.readouterr()
        assert main(["export", str(run.folder), "--to", engine, "--data", str(data), "--out", str(out)]) == 0
        said = capsys.readouterr().out
        found = re.search(r"parity on (\d+) pictures: 100 % of (\d+) detections matched \(lowest IoU", said)
        assert found, said
        assert int(found[1]) >= 10  # its validation pictures
        assert int(found[2]) >= 10
        assert main(["check-bundle", str(out), "--json"]) == 0
        assert "% of" in json.loads(capsys.readouterr().out)["checks"][-1]["detail"]
