"""What every test may rely on: a fixed seed, one thread of arithmetic, and the way to the real data packs."""

from __future__ import annotations

import os
import random
import sys
from pathlib import Path

import numpy as np
import pytest

from nayan.core.types import Identity

# Several test workers share the cores; more threads each would only make them wait for one another.
for _name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(_name, "1")
# Nothing in a test may fetch weights.
os.environ.setdefault("HF_HUB_OFFLINE", "1")


@pytest.fixture(autouse=True)
def _same_numbers_every_time() -> None:
    random.seed(0)
    np.random.seed(0)
    torch = sys.modules.get("torch")  # not imported here: most tests need none of it
    if torch is not None:
        torch.manual_seed(0)
        torch.set_num_threads(1)


@pytest.fixture(scope="session")
def data_packs() -> Path:
    """Return the folder of the real data packs, or skip the test where there are none."""
    folder = os.environ.get("NAYAN_DATA")
    if not folder:
        pytest.skip("needs the real data packs; set NAYAN_DATA to their folder")
    path = Path(folder).resolve()
    assert path.is_dir(), f"NAYAN_DATA={folder} is no folder"
    return path


COLOURS = ("red", "green", "blue")


@pytest.fixture(scope="session")
def colour_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a tiny real bundle: it says which of red, green and blue a picture has most of."""
    from nayan.runtime.backends.onnx import OnnxBackend
    from nayan.runtime.bundle import write_bundle
    from nayan.runtime.golden import make_golden
    from nayan.runtime.predictor import Predictor
    from nayan.runtime.preprocess import Preprocess
    from nayan.runtime.spec import Spec
    from nayan.tasks.classification.decode import decode

    graph = _colour_graph()
    spec = Spec("classification", "colours", {}, COLOURS, Preprocess((8, 8), "stretch"))
    image = np.full((12, 10, 3), (200, 40, 10), np.uint8)
    golden = make_golden(Predictor(spec, OnnxBackend(graph), decode), image)
    return write_bundle(tmp_path_factory.mktemp("run") / "model", spec=spec, golden=golden, onnx=graph)


@pytest.fixture(scope="session")
def colour_embedder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a tiny real bundle of an embedder: the mean colour of a picture as a direction.

    Its thresholds are fitted on eight colours, eight pictures of each.
    """
    from nayan.runtime.backends.onnx import OnnxBackend
    from nayan.runtime.bundle import write_bundle
    from nayan.runtime.golden import make_golden
    from nayan.runtime.preprocess import Preprocess
    from nayan.runtime.spec import Spec
    from nayan.tasks.embedding.calibration import fit_same
    from nayan.tasks.predicting import make_predictor

    rng = np.random.default_rng(0)
    who = np.repeat(np.arange(8), 8)
    vectors = np.abs(rng.normal(size=(8, 3)))[who] + rng.normal(0, 0.05, (64, 3))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    fitted = fit_same(vectors.astype(np.float32), [Identity(int(index)) for index in who], far=0.01)
    graph = _colour_graph(embeds=True)
    spec = Spec("embedding", "colours", {}, (), Preprocess((8, 8), "stretch"), decode_args=fitted)
    image = np.full((12, 10, 3), (200, 40, 10), np.uint8)
    golden = make_golden(make_predictor(spec, OnnxBackend(graph)), image)
    return write_bundle(tmp_path_factory.mktemp("run") / "model", spec=spec, golden=golden, onnx=graph)


def _colour_graph(*, embeds: bool = False) -> bytes:
    """Return (B, 8, 8, 3) uint8 -> mean of each channel -> unit vector, or / 50 as logits -> softmax."""
    from onnx import TensorProto, helper

    classes = [
        helper.make_node("Div", ["means", "fifty"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["probabilities"], axis=1),
    ]
    direction = [helper.make_node("LpNormalization", ["means"], ["embedding"], axis=1, p=2)]
    outputs = ("embedding",) if embeds else ("logits", "probabilities")
    model = helper.make_model(
        helper.make_graph(
            [
                helper.make_node("Cast", ["pixels"], ["floats"], to=TensorProto.FLOAT),
                helper.make_node("ReduceMean", ["floats", "axes"], ["means"], keepdims=0),
                *(direction if embeds else classes),
            ],
            "colours",
            [helper.make_tensor_value_info("pixels", TensorProto.UINT8, ["B", 8, 8, 3])],
            [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["B", 3]) for name in outputs],
            [
                helper.make_tensor("axes", TensorProto.INT64, [2], [1, 2]),
                helper.make_tensor("fifty", TensorProto.FLOAT, [1], [50.0]),
            ],
        ),
        opset_imports=[helper.make_opsetid("", 18)],
        ir_version=10,
    )
    return bytes(model.SerializeToString())


@pytest.fixture
def colour_data(tmp_path: Path) -> Path:
    """Return a folder of train and test pictures of the three colours; 3 of each in train, 2 in test."""
    from PIL import Image

    rng = np.random.default_rng(0)
    for split, count in (("train", 3), ("test", 2)):
        for channel, colour in enumerate(COLOURS):
            folder = tmp_path / "colours" / split / colour
            folder.mkdir(parents=True)
            for number in range(count):
                pixels = rng.integers(0, 90, (24, 32, 3), dtype=np.uint8)
                pixels[..., channel] += 120
                Image.fromarray(pixels).save(folder / f"{number}.png")
    return tmp_path / "colours"
