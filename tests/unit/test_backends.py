from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, helper

from nayan.core.errors import BundleError, ConfigError, MissingExtra, NotFound, ShapeError
from nayan.runtime.backends import choose
from nayan.runtime.backends.choose import choose_backend
from nayan.runtime.backends.onnx import INT8_TOLERANCE, PRECISION_KEY, OnnxBackend
from nayan.runtime.backends.openvino import BF16_TOLERANCE, OpenVinoBackend, _wants_bf16

PIXELS = np.random.default_rng(0).integers(0, 256, (3, 8, 8, 3), dtype=np.uint8)
NEEDS_OPENVINO = pytest.mark.skipif(importlib.util.find_spec("openvino") is None, reason="needs openvino")


@pytest.fixture
def graph(colour_bundle: Path) -> Path:
    return colour_bundle / "model.onnx"


def model(kind: int, shape: list[int | str], *, metadata: dict[str, str] | None = None) -> bytes:
    """Return a graph that casts its input to float and reduces all but the batch."""
    graph = helper.make_graph(
        [
            helper.make_node("Cast", ["images"], ["floats"], to=TensorProto.FLOAT),
            helper.make_node("Flatten", ["floats"], ["logits"]),
        ],
        "g",
        [helper.make_tensor_value_info("images", kind, shape)],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, None)],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    helper.set_model_props(made, metadata or {})
    return bytes(made.SerializeToString())


def model_with_proposals() -> bytes:
    """Return a graph that takes proposals beside the pixels, and gives them back twice as large."""
    graph = helper.make_graph(
        [
            helper.make_node("Cast", ["images"], ["floats"], to=TensorProto.FLOAT),
            helper.make_node("Flatten", ["floats"], ["logits"]),
            helper.make_node("Add", ["proposals", "proposals"], ["boxes"]),
        ],
        "g",
        [
            helper.make_tensor_value_info("images", TensorProto.UINT8, ["B", 8, 8, 3]),
            helper.make_tensor_value_info("proposals", TensorProto.FLOAT, ["B", 5, 4]),
        ],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in ("logits", "boxes")],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    return bytes(made.SerializeToString())


def expected(pixels: np.ndarray) -> np.ndarray:
    return pixels.mean(axis=(1, 2)) / 50


def test_onnx_runtime_gives_named_outputs_for_any_batch(graph: Path) -> None:
    for source in (graph, graph.read_bytes()):
        backend = OnnxBackend(source, threads=1)
        assert backend.outputs == ("logits", "probabilities")
        assert backend.input_shape == (8, 8, 3)
        assert backend.tolerance == 1e-4
        for count in (1, 3):
            outputs = backend(PIXELS[:count])
            np.testing.assert_allclose(outputs["logits"], expected(PIXELS[:count]), rtol=1e-5)


def test_pixels_need_not_be_contiguous(graph: Path) -> None:
    outputs = OnnxBackend(graph)(PIXELS[:, ::-1])
    np.testing.assert_allclose(outputs["logits"], expected(PIXELS), rtol=1e-5)


@pytest.mark.parametrize("pixels", [PIXELS[0], PIXELS[:0], PIXELS[:, :4], PIXELS.astype(np.float32)])
def test_other_pixels_are_refused(graph: Path, pixels: np.ndarray) -> None:
    with pytest.raises(ShapeError, match=r"takes uint8 pixels \(B, 8, 8, 3\), got"):
        OnnxBackend(graph)(pixels)


@pytest.mark.parametrize(
    ("kind", "shape"), [(TensorProto.FLOAT, ["B", 8, 8, 3]), (TensorProto.UINT8, ["B", 192])]
)
def test_a_graph_that_takes_no_pixels_is_refused(kind: int, shape: list[int | str]) -> None:
    with pytest.raises(BundleError, match="expected uint8 pixels"):
        OnnxBackend(model(kind, shape))


def test_a_graph_without_any_input_is_refused() -> None:
    graph = helper.make_graph(
        [helper.make_node("Constant", [], ["c"], value_float=1.0)],
        "g",
        [],
        [helper.make_tensor_value_info("c", TensorProto.FLOAT, [])],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    with pytest.raises(BundleError, match="takes nothing"):
        OnnxBackend(bytes(made.SerializeToString()))


def test_a_graph_of_unknown_operators_is_a_bundle_error(capfd: pytest.CaptureFixture[str]) -> None:
    graph = helper.make_graph(
        [helper.make_node("Conjure", ["images"], ["logits"], domain="com.example")],
        "g",
        [helper.make_tensor_value_info("images", TensorProto.UINT8, ["B", 8, 8, 3])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, None)],
    )
    made = helper.make_model(graph, ir_version=9, opset_imports=[helper.make_opsetid("", 17)])
    with pytest.raises(BundleError, match="ONNX Runtime cannot load it"):
        OnnxBackend(bytes(made.SerializeToString()))
    assert capfd.readouterr() == ("", "")  # the error is raised, and nothing else printed


def test_a_failure_while_running_is_a_bundle_error() -> None:
    graph = helper.make_graph(
        [
            helper.make_node("Cast", ["images"], ["floats"], to=TensorProto.FLOAT),
            helper.make_node("Reshape", ["floats", "shape"], ["logits"]),
        ],
        "g",
        [helper.make_tensor_value_info("images", TensorProto.UINT8, ["B", 8, 8, 3])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, None)],
        [helper.make_tensor("shape", TensorProto.INT64, [1], [7])],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    with pytest.raises(BundleError, match="ONNX Runtime cannot run it"):
        OnnxBackend(bytes(made.SerializeToString()))(PIXELS)


@pytest.mark.parametrize("kind", [OnnxBackend, pytest.param(OpenVinoBackend, marks=NEEDS_OPENVINO)])
def test_what_a_graph_takes_beside_the_pixels_is_given_by_name(
    kind: type[OnnxBackend] | type[OpenVinoBackend], tmp_path: Path
) -> None:
    (tmp_path / "model.onnx").write_bytes(model_with_proposals())
    backend = kind(tmp_path / "model.onnx")
    assert backend.input_shape == (8, 8, 3)
    for count in (1, 3):
        proposals = np.arange(count * 20, dtype=np.float32).reshape(count, 5, 4)
        outputs = backend(PIXELS[:count], proposals=proposals)
        assert outputs["logits"].shape == (count, 192)
        np.testing.assert_array_equal(outputs["boxes"], 2 * proposals)
    for inputs in ({}, {"boxes": proposals}, {"proposals": proposals, "masks": proposals}):
        with pytest.raises(BundleError, match=r"takes \['proposals'\] beside the pixels, got"):
            backend(PIXELS, **inputs)


def test_an_eight_bit_graph_asks_for_more_tolerance() -> None:
    int8 = model(TensorProto.UINT8, ["B", 8, 8, 3], metadata={PRECISION_KEY: "int8"})
    assert OnnxBackend(int8).tolerance == INT8_TOLERANCE


@NEEDS_OPENVINO
def test_openvino_gives_what_onnx_runtime_gives(graph: Path, tmp_path: Path) -> None:
    backend = OpenVinoBackend(graph, threads=1, precision="fp32", cache=tmp_path)
    assert backend.outputs == ("logits", "probabilities")
    assert backend.input_shape == (8, 8, 3)
    assert backend.tolerance == 1e-4
    reference = OnnxBackend(graph)
    for count in (3, 1):
        outputs = backend(PIXELS[:count])
        for name, values in reference(PIXELS[:count]).items():
            np.testing.assert_allclose(outputs[name], values, atol=1e-5)


@NEEDS_OPENVINO
def test_openvino_does_not_overwrite_what_it_gave_before(graph: Path) -> None:
    backend = OpenVinoBackend(graph, precision="fp32")
    first = backend(PIXELS[:1])["logits"]
    kept = first.copy()
    backend(255 - PIXELS[:1])
    np.testing.assert_array_equal(first, kept)


@NEEDS_OPENVINO
def test_openvino_refuses_other_pixels_and_other_graphs(graph: Path, tmp_path: Path) -> None:
    with pytest.raises(ShapeError):
        OpenVinoBackend(graph)(PIXELS[0])
    (tmp_path / "model.xml").write_text("<net>")
    with pytest.raises(BundleError, match="OpenVINO cannot load it"):
        OpenVinoBackend(tmp_path / "model.xml")
    (tmp_path / "model.onnx").write_bytes(model(TensorProto.FLOAT, ["B", 8, 8, 3]))
    with pytest.raises(BundleError, match="expected uint8 pixels"):
        OpenVinoBackend(tmp_path / "model.onnx")


@NEEDS_OPENVINO
def test_a_failure_of_openvino_is_a_bundle_error(graph: Path) -> None:
    backend = OpenVinoBackend(graph)
    backend.input_shape = (4, 4, 3)  # so that our own check lets it pass
    with pytest.raises(BundleError, match="OpenVINO cannot run it"):
        backend(PIXELS[:, :4, :4])


def test_openvino_that_is_not_installed_is_named(graph: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(MissingExtra, match="openvino is not installed") as caught:
        OpenVinoBackend(graph)
    assert caught.value.hint == 'pip install "nayan[openvino]"'


def test_bf16_runs_only_where_the_cpu_has_it_and_fp32_was_not_asked_for() -> None:
    assert _wants_bf16("auto", ["FP32", "BF16"])
    assert not _wants_bf16("fp32", ["FP32", "BF16"])
    assert not _wants_bf16("auto", ["FP32"])
    assert _wants_bf16("bf16", ["BF16"])
    with pytest.raises(ConfigError, match="does not compute in bf16"):
        _wants_bf16("bf16", ["FP32"])
    assert BF16_TOLERANCE > 1e-4


def test_the_usual_engine_is_onnx_runtime(
    graph: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "cpuinfo").write_text("flags : sse avx2")
    monkeypatch.setattr(choose, "_CPU_FACTS", tmp_path / "cpuinfo")
    assert isinstance(choose_backend("auto", graph), OnnxBackend)
    monkeypatch.setattr(choose, "_CPU_FACTS", tmp_path / "nothing")
    assert isinstance(choose_backend("auto", graph), OnnxBackend)


def test_several_pictures_share_the_cores(graph: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choose, "cores", lambda: 16)
    engines = [choose_backend("onnx", graph, pictures=count) for count in (1, 2, 1000)]
    assert [engine.calls for engine in engines if isinstance(engine, OnnxBackend)] == [
        1,
        2,
        choose.MOST_CALLS,
    ]


@NEEDS_OPENVINO
def test_on_a_cpu_with_bf16_openvino_is_preferred(
    graph: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "cpuinfo").write_text("flags : avx2 avx512_bf16")
    monkeypatch.setattr(choose, "_CPU_FACTS", tmp_path / "cpuinfo")
    assert isinstance(choose_backend("auto", graph), OpenVinoBackend)
    assert isinstance(choose_backend("auto", graph, precision="fp32"), OnnxBackend)
    assert isinstance(choose_backend("openvino", graph), OpenVinoBackend)


def test_asking_for_bf16_asks_for_openvino(graph: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(MissingExtra):
        choose_backend("auto", graph, precision="bf16")
    with pytest.raises(ConfigError, match="does not compute in bf16"):
        choose_backend("onnx", graph, precision="bf16")


def test_onnx_runtime_is_not_given_the_format_of_openvino(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="ONNX Runtime cannot run it"):
        choose_backend("onnx", tmp_path / "model.xml")


def test_an_unknown_engine_is_corrected(graph: Path) -> None:
    with pytest.raises(NotFound, match="did you mean 'onnx'"):
        choose_backend("onxx", graph)
