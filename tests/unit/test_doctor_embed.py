"""`nayan doctor --embed`: faults planted among real scanned digits are found through a network's vectors."""

import json
import shutil
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, helper
from PIL import Image
from sklearn.datasets import load_digits

import nayan
from nayan.cli import main
from nayan.data.doctor import Diagnosis
from nayan.runtime.backends.onnx import OnnxBackend
from nayan.runtime.bundle import write_bundle
from nayan.runtime.golden import make_golden
from nayan.runtime.predictor import Predictor
from nayan.runtime.preprocess import Preprocess
from nayan.runtime.spec import Spec
from nayan.tasks.embedding.decode import decode

EACH = 25  # pictures of a digit
WRONG = 13  # labels
COPIES = 10


@pytest.fixture(scope="module")
def pixel_embedder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a bundle whose vector of a picture is its 16 x 16 gray pixels, made as long as 1."""
    graph = helper.make_graph(
        [
            helper.make_node("Cast", ["pixels"], ["floats"], to=TensorProto.FLOAT),
            helper.make_node("Flatten", ["floats"], ["flat"]),
            helper.make_node("LpNormalization", ["flat"], ["embedding"], axis=1, p=2),
        ],
        "pixels",
        [helper.make_tensor_value_info("pixels", TensorProto.UINT8, ["B", 16, 16, 1])],
        [helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["B", 256])],
    )
    onnx = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    data = bytes(onnx.SerializeToString())
    spec = Spec("embedding", "pixels", {}, (), Preprocess((16, 16), "stretch", 1.0, (0.0,), (1.0,), 1))
    golden = make_golden(Predictor(spec, OnnxBackend(data), decode), np.full((9, 9, 3), 80, np.uint8))
    return write_bundle(tmp_path_factory.mktemp("pixels") / "model", spec=spec, golden=golden, onnx=data)


@dataclass(frozen=True)
class Planted:
    """Where the data lie, and by what faults their pictures were spoilt."""

    root: Path
    wrong: frozenset[str]
    copies: frozenset[str]
    stranger: str


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Planted:
    """Write digits: 5 % in the folder of another one, paler noisy copies of train in test, and stripes."""
    root = tmp_path_factory.mktemp("digits")
    bunch, random = load_digits(), np.random.default_rng(0)
    rows = np.concatenate([np.flatnonzero(bunch.target == digit)[:EACH] for digit in range(10)])
    spoilt = random.permutation(len(rows))
    wrong, copies = spoilt[:WRONG], spoilt[WRONG : WRONG + COPIES]
    names: dict[int, str] = {}
    for number, row in enumerate(rows):
        digit = int(bunch.target[row])
        if number in wrong:
            digit = (digit + int(random.integers(1, 10))) % 10
        split = "train" if number in copies or number % 4 else "test"
        names[number] = f"{split}/{digit}/{number:04d}.png"
        save(root / names[number], bunch.images[row])
    pairs = set()
    for number in copies:
        digit = int(bunch.target[rows[number]])
        pixels = bunch.images[rows[number]] * 0.8 + random.normal(0, 0.6, (8, 8))
        name = f"test/{digit}/copy{number:04d}.png"
        save(root / name, pixels)
        pairs |= {name, names[number]}
    stranger = "train/3/stripes.png"
    save(root / stranger, np.indices((8, 8))[0] % 2 * 16.0)
    return Planted(root, frozenset(names[number] for number in wrong), frozenset(pairs), stranger)


def save(path: Path, ink: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.clip(ink * 15.9, 0, 255).astype(np.uint8)
    Image.fromarray(pixels).resize((32, 32), Image.Resampling.BICUBIC).save(path)


@pytest.fixture(scope="module")
def diagnosis(planted: Planted, pixel_embedder: Path) -> Diagnosis:
    return nayan.doctor(planted.root, embed=pixel_embedder)


def paths(diagnosis: Diagnosis, check: str) -> set[str]:
    return {path for finding in diagnosis.findings if finding.check == check for path in finding.paths}


def precision_and_recall(found: Collection[str], planted: Collection[str]) -> tuple[float, float]:
    hits = len(set(found) & set(planted))
    return hits / max(1, len(found)), hits / len(planted)


def test_most_wrong_labels_are_found_and_most_that_are_found_are_wrong(
    diagnosis: Diagnosis, planted: Planted
) -> None:
    precision, recall = precision_and_recall(paths(diagnosis, "likeness.label"), planted.wrong)
    assert precision >= 0.7
    assert recall >= 0.8


def test_copies_in_another_split_are_found(diagnosis: Diagnosis, planted: Planted) -> None:
    told = paths(diagnosis, "likeness.leakage") | paths(diagnosis, "splits.leakage_near")
    precision, recall = precision_and_recall(told, planted.copies)
    assert recall >= 0.9
    assert precision >= 0.6


def test_what_is_no_digit_is_the_strangest(diagnosis: Diagnosis, planted: Planted) -> None:
    finding = next(each for each in diagnosis.findings if each.check == "likeness.outlier")
    assert finding.paths[0] == planted.stranger


def test_without_a_network_nothing_of_it_is_said_and_asking_for_it_is_an_error(
    planted: Planted, capsys: pytest.CaptureFixture[str]
) -> None:
    silent = nayan.doctor(planted.root, skip=["images", "duplicates"])
    assert not [finding for finding in silent.findings if finding.check.startswith("likeness")]
    assert main(["doctor", str(planted.root), "--only", "likeness.label"]) == 2
    assert "--embed MODEL" in capsys.readouterr().err


def test_the_command_line_tells_it_and_a_broken_picture_stops_nothing(
    planted: Planted, pixel_embedder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = tmp_path / "data"
    shutil.copytree(planted.root, data)
    (data / "train" / "3" / "broken.png").write_bytes(b"no picture")
    assert main(["doctor", str(data), "--embed", str(pixel_embedder), "--only", "likeness", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert {finding["check"].partition(".")[0] for finding in document["findings"]} == {"likeness"}
    assert "likeness.label" in {finding["check"] for finding in document["findings"]}


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["--embed", "no_such_network"], 4, "no_such_network"),
        (["--embed", "mobilenetv2_100", "--weights", "no.safetensors"], 4, "no file of weights"),
        (["--weights", "no.safetensors"], 2, "are for --embed"),
    ],
)
def test_what_gives_no_vectors_is_refused_before_a_picture_is_read(
    tmp_path: Path, words: list[str], code: int, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a").mkdir()
    assert main(["doctor", str(tmp_path), *words]) == code
    assert message in capsys.readouterr().err


def test_a_folder_without_a_readable_picture_is_diagnosed_all_the_same(
    tmp_path: Path, pixel_embedder: Path
) -> None:
    for name in ("a/1.jpg", "b/1.jpg"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_bytes(b"no picture")
    checks = {finding.check for finding in nayan.doctor(tmp_path, embed=pixel_embedder).findings}
    assert "images.not_a_picture" in checks
