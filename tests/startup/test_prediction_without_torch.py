"""Prediction from a bundle loads nothing of the training half."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

TRAINING = {"torch", "torchvision", "timm", "lightning_fabric", "matplotlib", "sklearn", "scipy", "onnx"}

_PREDICT = """
import json, sys
from pathlib import Path
import numpy as np
import nayan.runtime.predictor
import nayan.runtime.bundle
light = sorted(sys.modules)
from nayan.runtime.backends.choose import choose_backend
from nayan.runtime.bundle import open_bundle, self_test
from nayan.tasks.classification.decode import decode
bundle = open_bundle(Path(sys.argv[1]))
predictor = nayan.runtime.predictor.Predictor(bundle.spec, choose_backend("onnx", bundle.graph), decode)
self_test(bundle, predictor)
label = predictor([np.full((8, 8, 3), (0, 200, 0), np.uint8)])[0].label
print(json.dumps({"light": light, "modules": sorted(sys.modules), "class": bundle.spec.classes[label]}))
"""


def test_prediction_loads_no_torch(colour_bundle: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _PREDICT, str(colour_bundle)], capture_output=True, text=True, check=True
    )
    record = json.loads(done.stdout)
    assert record["class"] == "green"
    assert not TRAINING & {name.partition(".")[0] for name in record["modules"]}
    assert "onnxruntime" not in record["light"]  # loaded with the first engine, not with the predictor


def test_the_export_package_itself_loads_no_torch() -> None:
    code = "import sys, nayan.export; print(*sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"torch", "onnx", "openvino", "nncf"} & set(done.stdout.split())
