from __future__ import annotations

import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
onnx = pytest.importorskip("onnx")

from torch import Tensor, nn  # noqa: E402

from nayan.core.errors import (  # noqa: E402
    BundleError,
    ConfigError,
    DataError,
    ExportError,
    FormatError,
    MissingExtra,
)
from nayan.core.types import Image, Label, Sample  # noqa: E402
from nayan.export import ExportReport, export_bundle, save_bundle  # noqa: E402
from nayan.export import onnx as onnx_export  # noqa: E402
from nayan.export import openvino as openvino_export  # noqa: E402
from nayan.export.onnx import export_onnx  # noqa: E402
from nayan.export.onnx_metadata import PRECISION_KEY, SPEC_KEY  # noqa: E402
from nayan.export.parity import Placed, ValueParity, check_parity, require_parity  # noqa: E402
from nayan.export.quantise import RECIPES, quantise_int8  # noqa: E402
from nayan.export.torch_backend import TorchBackend  # noqa: E402
from nayan.parts.trace import OPSET  # noqa: E402
from nayan.runtime.backends.choose import choose_backend  # noqa: E402
from nayan.runtime.backends.onnx import OnnxBackend  # noqa: E402
from nayan.runtime.bundle import open_bundle, self_test  # noqa: E402
from nayan.runtime.predictor import Predictor  # noqa: E402
from nayan.runtime.preprocess import Preprocess  # noqa: E402
from nayan.runtime.spec import Spec  # noqa: E402
from nayan.tasks.classification.decode import decode  # noqa: E402

CLASSES = ("dark", "mid", "bright")
SPEC = Spec("classification", "tiny", {}, CLASSES, Preprocess((12, 10), "stretch"))
LENET = Spec(
    "classification",
    "lenet",
    {"channels": 3, "size": [16, 16]},
    CLASSES,
    Preprocess((16, 16), "stretch", mean=(0.5,) * 3, std=(0.5,) * 3),
)


class Tiny(nn.Module):
    """A network with the two doors: convolution, BatchNorm with a history, pooling, linear."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 6, 3, padding=1)
        self.norm = nn.BatchNorm2d(6)
        self.last = nn.Linear(6, 3)
        nn.init.uniform_(self.norm.running_mean, -1, 1)
        nn.init.uniform_(self.norm.running_var, 0.5, 2)

    def forward(self, images: Tensor, targets: Any = None) -> Tensor:  # noqa: ARG002
        x = self.norm(self.first(images.to(self.first.weight.dtype) / 255)).relu()
        logits: Tensor = self.last(x.mean(dim=(2, 3)))
        return logits

    def deploy(self, raw: Tensor) -> dict[str, Tensor]:
        return {"logits": raw, "probabilities": raw.softmax(dim=1)}


class Frozen(Tiny):
    """A network whose answer is frozen into the graph while it is traced."""

    def forward(self, images: Tensor, targets: Any = None) -> Tensor:  # noqa: ARG002
        return super().forward(images) + float(images.float().mean())


class Inexpressible(Tiny):
    """A network that no ONNX operator can express."""

    def forward(self, images: Tensor, targets: Any = None) -> Tensor:  # noqa: ARG002
        logits = super().forward(images)
        return logits + torch.linalg.eigvals(logits.T @ logits).real.sum()


@pytest.fixture(scope="module")
def network() -> Tiny:
    torch.manual_seed(0)
    return Tiny()


@pytest.fixture(scope="module")
def images() -> list[Image]:
    rng = np.random.default_rng(0)
    return [rng.integers(0, 256, (20, 30, 3), dtype=np.uint8) for _ in range(9)]


@pytest.fixture(scope="module")
def onnx_path(network: Tiny, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("export") / "model.onnx"
    export_onnx(network, SPEC, path)
    return path


@pytest.fixture(scope="module")
def lenet_bundle(images: list[Image], tmp_path_factory: pytest.TempPathFactory) -> Path:
    from nayan.tasks.classification.catalog import MODELS
    from nayan.tasks.classification.task import ClassificationTask

    torch.manual_seed(0)
    lenet = ClassificationTask().build(MODELS["lenet"], CLASSES, **dict(LENET.model_args))
    return save_bundle(lenet, LENET, tmp_path_factory.mktemp("run") / "model", images=images).path


def pixels(images: Sequence[Image], spec: Spec = SPEC) -> np.ndarray:
    return np.stack([spec.preprocess(image)[0] for image in images])


def samples(images: Sequence[Image], labels: Sequence[int] | None = None) -> list[Sample]:
    def sample(number: int) -> Sample:
        target = None if labels is None else Label(labels[number])
        return Sample(f"{number}.png", lambda at_least=None: images[number], target)  # noqa: ARG005

    return [sample(number) for number in range(len(images))]


def predictor(path: Path) -> Predictor:
    bundle = open_bundle(path)
    return Predictor(bundle.spec, choose_backend("auto", bundle.graph, precision="fp32"), decode)


def test_the_exported_graph_answers_as_torch_for_any_batch(
    network: Tiny, onnx_path: Path, images: list[Image]
) -> None:
    reference, exported = TorchBackend(network), OnnxBackend(onnx_path)
    for count in (1, 5):
        expected, found = reference(pixels(images[:count])), exported(pixels(images[:count]))
        assert list(found) == ["logits", "probabilities"]
        for name in expected:
            np.testing.assert_allclose(found[name], expected[name], atol=1e-6)


def test_the_graph_takes_pixels_and_says_what_it_is(onnx_path: Path) -> None:
    model = onnx.load(onnx_path)
    (pixels_in,) = model.graph.input
    dims = [dim.dim_value or dim.dim_param for dim in pixels_in.type.tensor_type.shape.dim]
    assert (pixels_in.name, dims) == ("images", ["batch", 12, 10, 3])
    assert pixels_in.type.tensor_type.elem_type == onnx.TensorProto.UINT8
    assert [opset.version for opset in model.opset_import if not opset.domain] == [OPSET]
    metadata = {entry.key: entry.value for entry in model.metadata_props}
    assert Spec.from_json(metadata[SPEC_KEY]) == SPEC
    assert metadata[PRECISION_KEY] == "fp32"


def test_batch_norm_is_folded_into_the_convolution(onnx_path: Path) -> None:
    kinds = [node.op_type for node in onnx.load(onnx_path).graph.node]
    assert "Conv" in kinds
    assert "BatchNormalization" not in kinds


def test_exporting_leaves_a_network_in_training_as_it_is(tmp_path: Path) -> None:
    network = Tiny().to(torch.bfloat16).train()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    export_onnx(network, SPEC, tmp_path / "model.onnx")
    assert network.training
    assert network.first.weight.dtype == torch.bfloat16
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_exporting_warns_of_nothing(network: Tiny, tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        export_onnx(network, SPEC, tmp_path / "model.onnx")


@pytest.mark.slow
def test_without_the_tracing_exporter_the_newer_one_is_used(
    network: Tiny, images: list[Image], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(*_: object) -> bytes:
        raise TypeError("export() got an unexpected keyword argument 'dynamo'")

    monkeypatch.setattr(onnx_export, "trace_onnx", gone)
    export_onnx(network, SPEC, tmp_path / "model.onnx")
    exported = OnnxBackend(tmp_path / "model.onnx")
    for count in (1, 5):
        expected = TorchBackend(network)(pixels(images[:count]))
        np.testing.assert_allclose(exported(pixels(images[:count]))["logits"], expected["logits"], atol=1e-6)


@pytest.mark.slow
def test_what_no_exporter_can_translate_is_an_export_error(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="tiny cannot be written as ONNX"):
        export_onnx(Inexpressible(), SPEC, tmp_path / "model.onnx")
    assert list(tmp_path.iterdir()) == []


def test_a_saved_bundle_opens_and_passes_its_self_test(
    network: Tiny, images: list[Image], tmp_path: Path
) -> None:
    report = save_bundle(network, SPEC, tmp_path / "model", images=images)
    assert report.parity.pictures == 9
    assert report.parity.holds
    assert str(report.parity).endswith(", 100 % have the same best class")
    bundle = open_bundle(tmp_path / "model")
    assert bundle.weights is not None
    assert bundle.spec.provenance["export"]["parity"]["pictures"] == 9
    assert report.size_bytes == bundle.files["model.onnx"].bytes
    self_test(bundle, predictor(tmp_path / "model"))


def test_a_bundle_needs_a_picture(network: Tiny, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no picture to compare"):
        save_bundle(network, SPEC, tmp_path / "model", images=[])


def test_an_export_that_answers_otherwise_is_refused_with_the_numbers(
    images: list[Image], tmp_path: Path
) -> None:
    torch.manual_seed(0)
    with pytest.raises(ExportError, match=r"differs from the trained network by .* on 9 pictures"):
        save_bundle(Frozen(), SPEC, tmp_path / "model", images=images)
    assert list(tmp_path.iterdir()) == []


def constant(**outputs: Any) -> Any:
    return lambda batch: {
        name: np.repeat(np.array([row], np.float32), len(batch), 0) for name, row in outputs.items()
    }


def black(count: int) -> list[Placed]:
    return [SPEC.preprocess(np.zeros((4, 4, 3), np.uint8)) for _ in range(count)]


def test_parity_counts_differences_and_agreement() -> None:
    parity = check_parity(constant(logits=[1, 2]), constant(logits=[1, 0.5]), black(11), spec=SPEC)
    assert parity == ValueParity(11, 1.5, 2.0, 0.0)
    assert not parity.holds
    assert str(parity) == "outputs differ by at most 1.5e+00, 0 % have the same best class"
    with pytest.raises(ExportError, match=r"1\.50e\+00 on 11 pictures \(allowed 1e-04\); 0\.0% are answered"):
        require_parity(parity, "the file")


def test_large_logits_may_differ_by_their_last_digits() -> None:
    assert ValueParity(1, 9e-5, 1.0, 1.0).holds
    assert not ValueParity(1, 1.1e-4, 1.0, 1.0).holds
    assert ValueParity(1, 5e-4, 60.0, 1.0).holds
    assert not ValueParity(1, 7e-4, 60.0, 1.0).holds


def test_parity_refuses_what_cannot_be_compared() -> None:
    sound = constant(logits=[1, 2])
    with pytest.raises(ExportError, match="the export gives"):
        check_parity(sound, constant(boxes=[1, 2]), black(1), spec=SPEC)
    with pytest.raises(ExportError, match="the export gives logits that are not finite"):
        check_parity(sound, constant(logits=[1, np.nan]), black(1), spec=SPEC)
    with pytest.raises(ExportError, match="the trained network gives logits that are not finite"):
        check_parity(constant(logits=[np.inf, 2]), sound, black(1), spec=SPEC)


def test_a_bundle_is_exported_again_from_its_weights(lenet_bundle: Path, images: list[Image]) -> None:
    report = export_bundle(lenet_bundle, to="onnx", data=samples(images))
    assert report.path == lenet_bundle.with_name("model_onnx")
    assert report.parity.pictures == 9
    assert open_bundle(report.path).weights is not None
    np.testing.assert_allclose(
        predictor(report.path)(images)[0].probabilities,
        predictor(lenet_bundle)(images)[0].probabilities,
        atol=1e-6,
    )


def test_without_data_the_golden_picture_is_compared(lenet_bundle: Path, tmp_path: Path) -> None:
    pytest.importorskip("openvino")
    report = export_bundle(lenet_bundle, to="openvino", out=tmp_path / "ov")
    bundle = open_bundle(report.path)
    assert bundle.graph.name == "model.xml"
    assert bundle.weights is None
    assert report.parity.pictures == 5
    assert report.parity.holds
    self_test(bundle, predictor(report.path))
    with pytest.raises(ConfigError, match="is an export already"):
        export_bundle(report.path, to="onnx")


def test_eight_bits_keep_the_accuracy_and_shrink_the_graph(
    lenet_bundle: Path, images: list[Image], tmp_path: Path
) -> None:
    report: ExportReport = export_bundle(
        lenet_bundle, to="onnx", int8=True, data=samples(images), out=tmp_path / "int8", max_drop=0.4
    )
    assert (report.score, report.score_before) == ("accuracy", 1.0)  # no labels: agreement with itself
    assert report.score_after is not None
    assert report.score_after >= 0.6
    assert report.recipe == "all layers"
    assert report.size_bytes < 0.5 * open_bundle(lenet_bundle).files["model.onnx"].bytes
    bundle = open_bundle(report.path)
    assert bundle.weights is None
    assert bundle.spec.provenance["export"]["int8"] == "all layers"
    self_test(bundle, predictor(report.path))
    with pytest.raises(BundleError, match=r"no weights\.safetensors"):
        export_bundle(report.path, to="onnx", out=tmp_path / "again")


def test_eight_bits_that_cost_too_much_are_refused_with_the_numbers(
    lenet_bundle: Path, images: list[Image], tmp_path: Path
) -> None:
    labelled = samples(images, [prediction.label for prediction in predictor(lenet_bundle)(images)])
    with pytest.raises(ExportError, match=r"accuracy on 9 pictures falls from 1\.0000 to .*, and from"):
        # No drop at all would not be small enough: both recipes are tried and refused.
        export_bundle(
            lenet_bundle, to="onnx", int8=True, data=labelled, out=tmp_path / "int8", max_drop=-0.01
        )
    assert list(tmp_path.iterdir()) == []


def test_the_second_recipe_leaves_the_ends_in_float(
    onnx_path: Path, images: list[Image], tmp_path: Path
) -> None:
    sizes = []
    for recipe in RECIPES:
        quantise_int8(onnx_path, pixels(images), tmp_path / "int8.onnx", recipe=recipe)
        model = onnx.load(tmp_path / "int8.onnx")
        floats = {tensor.name for tensor in model.graph.initializer if tensor.data_type == 1 and tensor.dims}
        used = {name for node in model.graph.node if node.op_type in ("Conv", "Gemm") for name in node.input}
        sizes.append(len(floats & used))
    assert sizes[0] < sizes[1]


@pytest.mark.slow
@pytest.mark.parametrize("nncf", [True, False])
def test_eight_bits_run_in_openvino(
    lenet_bundle: Path, images: list[Image], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, nncf: bool
) -> None:
    pytest.importorskip("openvino")
    if nncf:
        pytest.importorskip("nncf")
    else:
        monkeypatch.setattr(openvino_export.importlib.util, "find_spec", lambda _: None)
    report = export_bundle(
        lenet_bundle, to="openvino", int8=True, data=samples(images), out=tmp_path / "int8", max_drop=0.4
    )
    bundle = open_bundle(report.path)
    assert bundle.files["model.bin"].bytes < 0.5 * open_bundle(lenet_bundle).files["model.onnx"].bytes
    self_test(bundle, predictor(report.path))


def test_eight_bits_need_pictures(lenet_bundle: Path) -> None:
    for data in (None, []):
        with pytest.raises(ConfigError, match="int8 needs pictures"):
            export_bundle(lenet_bundle, to="onnx", int8=True, data=data)


def test_pictures_that_cannot_be_read_are_left_out(
    lenet_bundle: Path, images: list[Image], tmp_path: Path
) -> None:
    def broken(at_least: Any = None) -> Image:
        raise FormatError("cut off")

    data = [*samples(images[:3]), Sample("broken.png", broken)]
    report = export_bundle(lenet_bundle, to="onnx", data=data, out=tmp_path / "a")
    assert report.parity.pictures == 3
    with pytest.raises(DataError, match="not one of 1 pictures could be read"):
        export_bundle(lenet_bundle, to="onnx", data=data[3:], out=tmp_path / "b")


def test_an_export_does_not_replace_what_it_is_made_of(lenet_bundle: Path) -> None:
    with pytest.raises(ConfigError, match="is the bundle that is exported"):
        export_bundle(lenet_bundle, to="onnx", out=lenet_bundle)


def test_missing_packages_are_named(
    lenet_bundle: Path, onnx_path: Path, images: list[Image], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(MissingExtra, match="openvino is not installed"):
        export_bundle(lenet_bundle, to="openvino", out=tmp_path / "ov")
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(MissingExtra, match="onnx"):
        quantise_int8(onnx_path, pixels(images), tmp_path / "int8.onnx")
    with pytest.raises(MissingExtra, match="onnx"):
        onnx_export.with_metadata(onnx_path.read_bytes(), {})


def test_a_file_that_openvino_cannot_read_is_an_export_error(tmp_path: Path) -> None:
    pytest.importorskip("openvino")
    (tmp_path / "model.onnx").write_bytes(b"no model")
    with pytest.raises(ExportError, match="OpenVINO cannot read"):
        openvino_export.export_openvino(tmp_path / "model.onnx", tmp_path)


def test_nothing_is_left_behind(onnx_path: Path) -> None:
    assert list(onnx_path.parent.iterdir()) == [onnx_path]
